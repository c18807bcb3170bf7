// SPDX-License-Identifier: Apache-2.0
// Stages that count, for tests of the stage transaction: whoever kills one anywhere can tell
// afterwards whether a record was lost or came twice.
//
// The producer emits records 0, 1, 2 ... with its mark saying which is next; the transform hands
// each on. Both keep a state in shared memory, modified with every record through the undo log, of
// which counting_state_is_right() knows what it must be after N records.
#ifndef MR_TESTS_SUPPORT_COUNTING_STAGE_H
#define MR_TESTS_SUPPORT_COUNTING_STAGE_H

#include "core/pipeline/stage.h"
#include "tests/support/scratch.h"

struct counting_run {
    struct scratch scratch;
    struct mr_pipeline pipeline;
    struct mr_node sink;
    uint64_t total; // records until the end of the stream
    unsigned batch; // records per commit
    // The first records' lengths, where a test wants to have the ring filled up to some place.
    unsigned lead_records;
    uint32_t lead_lengths[4];
};

void counting_run_open(struct counting_run *run, uint64_t total, unsigned batch);
void counting_run_close(struct counting_run *run);

// Called between any two steps; the test dies in it where it wants to.
typedef void counting_point(void *context);

// From where the last process left off to the end. MR_OK, or what failed, with err filled.
int counting_produce(const struct counting_run *run, counting_point *point, void *context,
                     struct mr_error *err);
int counting_transform(const struct counting_run *run, counting_point *point, void *context,
                       struct mr_error *err);

#define COUNTING_STATE_BYTES 4096
bool counting_state_is_right(const uint8_t *state, uint64_t records);
// Reads `ring` from its read position on: how many records 0, 1, 2 ... stand there in order and
// whole. SIZE_MAX where one is missing, twice, or not whole.
uint64_t counting_read(const struct counting_run *run, enum mr_ring_index ring, uint64_t first);
// The committed slot and state of a stage whose process is gone.
int counting_look(const struct counting_run *run, enum mr_role role, struct mr_stage_slot *slot,
                  uint8_t *state, struct mr_error *err);

#endif
