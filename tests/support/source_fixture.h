// SPDX-License-Identifier: Apache-2.0
// A source in a producer stage of its own, turned by hand: poll, commit, and, at any point, die and go on.
// What it emitted stands in the ingress ring, which nobody reads.
//
//     struct source_fixture fixture;
//     source_fixture_open(&fixture, "{type: itch_file, path: FILE}");
//     while (source_fixture_poll(&fixture) == MR_POLL_MORE)
//         ;
//     for (uint64_t at = 0; (record = source_fixture_next(&fixture, MR_PORT_MAIN, &at));) ...
//     source_fixture_close(&fixture);
#ifndef MR_TESTS_SUPPORT_SOURCE_FIXTURE_H
#define MR_TESTS_SUPPORT_SOURCE_FIXTURE_H

#include "producers/source.h"
#include "tests/support/scratch.h"

struct source_fixture {
    struct scratch scratch;
    struct mr_pipeline pipeline;
    struct mr_stage *stage;
    void *options;
    struct mr_source_run run;
    int code; // of open: MR_OK, or what run.err says
};

// Aborts where the fixture itself cannot be made; fixture->code tells how the source's own opening went.
void source_fixture_open(struct source_fixture *fixture, const char *source_yaml);
// One poll and, but for MR_POLL_IDLE without anything taken, its commit.
enum mr_poll source_fixture_poll(struct source_fixture *fixture);
// Polls until it ends or fails.
enum mr_poll source_fixture_drain(struct source_fixture *fixture);
// As a process that dies at once and is started again; what was polled and not committed is gone.
void source_fixture_restart(struct source_fixture *fixture);
// The committed record at *position of a port, paddings skipped; NULL at the end. *position moves on.
const struct mr_record *source_fixture_next(const struct source_fixture *fixture, unsigned port,
                                            uint64_t *position);
uint64_t source_fixture_count(const struct source_fixture *fixture, enum mr_count count);
uint64_t source_fixture_counter(const struct source_fixture *fixture, const char *name);
// in = out + filtered + duplicate + late + rejected + dropped.
bool source_fixture_balances(const struct source_fixture *fixture);
void source_fixture_close(struct source_fixture *fixture);

#endif
