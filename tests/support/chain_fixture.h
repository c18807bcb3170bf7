// SPDX-License-Identifier: Apache-2.0
// A transform stage within one process: its chain from a pipeline file's `transform` list, its real
// rings, state and commits, in a directory of its own. Records are put in by hand, and what comes
// out is collected.
//
//     struct chain_fixture fixture;
//     chain_fixture_open(&fixture, "- filter: {value: 1}", &schemas);
//     chain_fixture_put(&fixture, &record);                 // as often as wanted
//     chain_fixture_end(&fixture);                          // drains, commits, collects
//     fixture.out.count, chain_fixture_at(&fixture.out, 0), fixture.dead ...
//     chain_fixture_close(&fixture);                        // asserts the balance first
#ifndef MR_TESTS_SUPPORT_CHAIN_FIXTURE_H
#define MR_TESTS_SUPPORT_CHAIN_FIXTURE_H

#include "consumers/transform/operator.h"
#include "tests/support/scratch.h"

struct record_list {
    uint8_t *bytes;
    size_t used, capacity;
    size_t *offsets;
    unsigned count;
};

struct chain_fixture {
    struct scratch scratch;
    char *transform; // text of the pipeline file
    struct mr_schema_set in;
    struct mr_pipeline pipeline;
    struct mr_stage *stage;
    struct mr_chain chain;
    struct mr_reader readers[2]; // of the egress and the dead ring
    struct record_list out, dead;
};

// `transform`: the list's items, each line indented as it should be below `transform:`. Aborts with
// the error where it does not open. `in` is copied.
void chain_fixture_open(struct chain_fixture *fixture, const char *transform,
                        const struct mr_schema_set *in);
// The error that opening this chain gives; "" where it gives none.
const char *chain_fixture_error(const char *transform, const struct mr_schema_set *in);
// One record through the chain; commits and collects where the stage would. False where the chain
// failed: fixture->chain.err.
bool chain_fixture_put(struct chain_fixture *fixture, const struct mr_record *record);
void chain_fixture_commit(struct chain_fixture *fixture);
void chain_fixture_end(struct chain_fixture *fixture);
// Dies with its batch uncommitted, and starts again from the commit. Lists keep what was collected.
void chain_fixture_crash(struct chain_fixture *fixture);
const struct mr_record *chain_fixture_at(const struct record_list *list, unsigned index);
// A plugin counter by its full name, "order_book.crossed"; aborts where there is none.
uint64_t chain_fixture_counter(const struct chain_fixture *fixture, const char *name);
void chain_fixture_close(struct chain_fixture *fixture);

#endif
