// SPDX-License-Identifier: Apache-2.0
// A limit, in the harness of cli/pair.h: what making and checking records costs, and nothing else. Side 0 makes
// them in a few KiB of its own memory, side 1 at the same time checks ones like them that stand in its own. Each
// goes its own pace: what passes between them is a count, once in a MiB of records, that tells side 1 how many are
// still to be checked. So the slower of the two sides is what is measured.
//
// In it: every word made and every word compared, by the same code as the ring's runs (mr_pair_fill_run,
// mr_pair_good_run; up to MR_PAIR_BATCH records end to end), the stores and loads in the nearest cache, the loops of
// cli/pair_loops.h with their looks at the clock. Not in it: lines that move from core to core, room, claim, commit,
// publish, release, the end of a ring. So it bounds every transport whose records are made and checked in place by
// this code in runs as long as these; one that goes record by record does the same and more. What it does not bound
// is another way of making and checking them: a loop that a compiler turns into something better is faster than it.
// It is measured like any other, so that a transport close to it may come out some per cent above it.
#include <stdlib.h>

#include "cli/pair_loops.h"

#define BLOCK_BYTES (16u << 10) // private: in the cache that is nearest
// That side 1 hears of at once. The line of the count takes some 100 ns to come back to side 0, and its stores wait.
#define COUNT_BYTES (1u << 20)

struct count {
    uint64_t made __attribute__((aligned(MR_FALSE_SHARING_RANGE)));
};

struct handling {
    struct count *counts; // shared: of side 0, of side 1
    uint32_t record_bytes;
    struct count *out, *in;
    uint64_t announced, made; // by this side
    uint64_t heard;           // of the other side's
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

// How many of `count` stand end to end from this place on.
MR_PAIR_INLINE unsigned run_from(uint64_t place, uint32_t bytes, unsigned count)
{
    return (unsigned)mr_min_u64(count, places(bytes) - place);
}

MR_PAIR_INLINE bool handling_send(void *out, uint32_t bytes, uint64_t sequence, unsigned count,
                                  struct mr_pair_side *side)
{
    (void)side; // never full
    struct handling *handling = out;
    for (unsigned sent = 0; sent < count;) {
        uint64_t place = (sequence + sent) & (places(bytes) - 1);
        unsigned made = run_from(place, bytes, count - sent);
        uint8_t *at = handling->made_block + place * bytes;
        *(mr_pair_word *)(void *)at = mr_pair_head_of(bytes, sequence + sent).words[0];
        mr_pair_fill_run(at, bytes, sequence + sent, made);
        sent += made;
    }
    handling->made = sequence + count;
    if (handling->made - handling->announced >= COUNT_BYTES / bytes)
        handling_idle(handling);
    return true;
}

MR_PAIR_INLINE unsigned handling_receive(void *in, uint32_t bytes, uint64_t sequence,
                                         unsigned count_max, struct mr_pair_side *side)
{
    struct handling *handling = in;
    if (handling->heard == sequence)
        // Pairs with the release store in handling_idle.
        handling->heard = mr_load_acquire_u64(&handling->in->made);
    uint64_t place = sequence & (places(bytes) - 1);
    unsigned count = (unsigned)mr_min_u64(handling->heard - sequence, count_max);
    unsigned run = run_from(place, bytes, count);
    const uint8_t *at = handling->found_block + place * bytes;
    unsigned good = mr_pair_good_run(at, bytes, place, run);
    if (MR_UNLIKELY(good < run))
        mr_pair_refuse(side, at + (size_t)good * bytes, bytes, place + good);
    return good;
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
