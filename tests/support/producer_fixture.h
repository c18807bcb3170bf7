// SPDX-License-Identifier: Apache-2.0
// A source on a real producer stage within the test's process: opened from a pipeline file's text,
// polled and committed as the producer's loop does, with the rings read empty behind it.
//
//     struct producer_fixture fixture;
//     producer_fixture_open(&fixture, "source: {type: mock, count: 10}");     // @DIR@ is the test's
//     directory producer_fixture_run(&fixture);
//     ... fixture.records, fixture.letters, fixture.stage->now.counts ...
//     producer_fixture_close(&fixture);
#ifndef MR_TESTS_SUPPORT_PRODUCER_FIXTURE_H
#define MR_TESTS_SUPPORT_PRODUCER_FIXTURE_H

#include "core/dead_letter.h"
#include "producers/source.h"

struct kept_records {
    struct mr_record **records; // copies
    size_t count, room;
};

struct producer_fixture {
    char directory[64];
    struct mr_pipeline pipeline;
    struct mr_stage *stage;
    struct mr_source_run run;
    void *options;
    struct mr_reader main, dead;
    struct kept_records records, letters;
    enum mr_poll last; // what the last poll said
    bool counts_only;  // records are counted, not kept
    size_t seen;
    struct mr_error err;
};

// Only makes the directory, so that files can be put there first.
void producer_fixture_directory(struct producer_fixture *fixture);
void producer_fixture_put_file(struct producer_fixture *fixture, const char *name,
                               const void *bytes, size_t length);
// MR_OK, or the code of what failed, with fixture->err.
int producer_fixture_open(struct producer_fixture *fixture, const char *yaml);
// One poll and its commit.
enum mr_poll producer_fixture_poll(struct producer_fixture *fixture);
// Until the source ends, fails, or is idle.
enum mr_poll producer_fixture_run(struct producer_fixture *fixture);
// As if the process had been killed behind its last commit, and started again.
int producer_fixture_restart(struct producer_fixture *fixture);
void producer_fixture_close(struct producer_fixture *fixture);

// The i-th record's value as text; valid until the next call but three.
const char *producer_fixture_text(const struct producer_fixture *fixture, size_t i,
                                  const char *field);
const char *producer_fixture_detail(const struct producer_fixture *fixture,
                                    size_t i); // of the i-th dead letter
const char *producer_fixture_reason(const struct producer_fixture *fixture, size_t i);
// The number that a shell command prints; -1 where it fails.
long long number_of_command(const char *command);
uint64_t producer_fixture_count(const struct producer_fixture *fixture, enum mr_count kind);
// Whether each record taken in has its fate.
bool producer_fixture_balances(const struct producer_fixture *fixture);

#endif
