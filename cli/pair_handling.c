// SPDX-License-Identifier: Apache-2.0
// A limit, in the harness of cli/pair.h: what making and checking records costs, and nothing else. Side 0 makes
// them in a few KiB of its own memory, side 1 checks ones like them in its own; what passes between them is a
// count, once in many records. No transport whose records are made and checked so can be faster.
#include <stdlib.h>

#include "cli/pair_loops.h"

#define BLOCK_BYTES (16u << 10) // private: in the cache that is nearest
#define RECORDS_PER_COUNT 1024  // that side 1 hears of at once

struct count {
    uint64_t made __attribute__((aligned(MR_FALSE_SHARING_RANGE)));
};

struct handling {
    struct count *counts; // shared: of side 0, of side 1
    uint32_t record_bytes;
    struct count *out, *in;
    uint64_t announced, made;
    uint8_t made_block[BLOCK_BYTES] __attribute__((aligned(MR_CACHE_LINE)));
    uint8_t found_block[BLOCK_BYTES] __attribute__((aligned(MR_CACHE_LINE)));
};

// How many records the blocks hold: a power of two.
MR_PAIR_INLINE uint32_t places(uint32_t bytes)
{
    return 1u << (31 - __builtin_clz(BLOCK_BYTES / bytes));
}

static inline void handling_idle(void *out)
{
    struct handling *handling = out;
    handling->announced = handling->made;
    // Pairs with the acquire load in handling_receive.
    mr_store_release_u64(&handling->out->made, handling->made);
}

MR_PAIR_INLINE bool handling_send(void *out, uint32_t bytes, uint64_t sequence, unsigned count,
                                  struct mr_pair_side *side)
{
    (void)side; // never full
    struct handling *handling = out;
    for (unsigned i = 0; i < count; i++) {
        uint64_t place = (sequence + i) & (places(bytes) - 1);
        mr_pair_fill(handling->made_block + place * bytes, bytes, sequence + i);
    }
    handling->made = sequence + count;
    if (handling->made - handling->announced >= RECORDS_PER_COUNT)
        handling_idle(handling);
    return true;
}

MR_PAIR_INLINE unsigned handling_receive(void *in, uint32_t bytes, uint64_t sequence,
                                         unsigned count_max, struct mr_pair_side *side)
{
    struct handling *handling = in;
    // Pairs with the release store in handling_idle.
    uint64_t there = mr_load_acquire_u64(&handling->in->made) - sequence;
    unsigned count = (unsigned)mr_min_u64(there, count_max);
    for (unsigned i = 0; i < count; i++) {
        uint64_t place = (sequence + i) & (places(bytes) - 1);
        const uint8_t *record = handling->found_block + place * bytes;
        if (MR_UNLIKELY(!mr_pair_is_good(record, bytes, place))) {
            mr_pair_refuse(side, record, bytes, place);
            return i;
        }
    }
    return count;
}

#define LOOPS(bytes) MR_PAIR_LOOPS(bytes, handling, handling_send, handling_receive, handling_idle)
MR_PAIR_EACH_SIZE(LOOPS)
#define ROW(bytes) MR_PAIR_LOOPS_ROW(bytes, handling)
static const struct mr_pair_loops loops[] = {MR_PAIR_EACH_SIZE(ROW)};

static void handling_close(void *state)
{
    struct handling *handling = state;
    mr_pair_unmap(handling->counts, 2 * sizeof *handling->counts);
    free(handling);
}

static int handling_open(void **state, uint32_t record_bytes, struct mr_error *err)
{
    const uint64_t grid = (uint64_t)MR_FALSE_SHARING_RANGE;
    struct handling *handling = aligned_alloc(grid, mr_align_up(sizeof *handling, grid));
    if (!handling)
        return mr_fail(err, MR_ERR_MEMORY, "no memory for two blocks");
    *handling = (struct handling){.record_bytes = record_bytes};
    handling->counts = mr_pair_map(2 * sizeof *handling->counts);
    if (!handling->counts) {
        handling_close(handling);
        return mr_fail(err, MR_ERR_MEMORY, "no memory for two counts");
    }
    *state = handling;
    return MR_OK;
}

static int handling_join(void *state, int side, void **out, void **in, struct mr_error *err)
{
    (void)err;
    struct handling *handling = state;
    uint32_t bytes = handling->record_bytes;
    for (uint32_t place = 0; place < places(bytes); place++)
        mr_pair_fill(handling->found_block + (size_t)place * bytes, bytes, place);
    handling->out = &handling->counts[side];
    handling->in = &handling->counts[1 - side];
    *out = *in = handling;
    return MR_OK;
}

const struct mr_pair_transport mr_pair_handling = {
    .name = "(no transport)",
    .how = "records made here, others like them checked there; only a count passes",
    .open = handling_open,
    .join = handling_join,
    .close = handling_close,
    .loops = loops,
    .loops_count = MR_COUNT_OF(loops),
};
