// SPDX-License-Identifier: Apache-2.0
// Two limits, in the harness of cli/pair.h. Neither is a transport anybody could use.
//
//   plain copy        side 0 copies a block of private memory into the shared one and raises the block's
//                     flag; side 1 copies it out and compares the copy. Blocks stand for records: 4, 16 and
//                     64 KiB, the fastest of which is what can be moved between the two cores at all.
//   bare blocks       records made and checked in place, as a ring would, without any of a ring's duties:
//                     no lengths, no wrap, one flag a batch. What is between it and a ring is what the ring
//                     costs; what is between it and the plain copy is what making and checking costs.
#include <stdlib.h>
#include <string.h>

#include "cli/pair_loops.h"

#define BLOCK_BYTES_MAX (64u << 10)
#define BLOCKS_MAX (MR_PAIR_CHANNEL_BYTES / 4096)
#define BARE_BYTES_MAX (16u << 10) // of one bare block

// One flag per block and side: how often it was filled, or emptied; and with how many records.
struct flag {
    uint64_t count __attribute__((aligned(MR_CACHE_LINE)));
    uint64_t records;
};
struct flags {
    struct flag filled[BLOCKS_MAX], emptied[BLOCKS_MAX];
};

struct channel {
    struct flags *flags;
    uint8_t *blocks;
    size_t bytes;
};

// The private end of a channel: `block` is the next one, which was gone through `laps` times before.
struct end {
    struct channel channel;
    uint32_t block, blocks;
    uint64_t laps;
    uint8_t *copy; // plain copy: what a block looks like
};

struct limit {
    struct channel channels[2];
    struct end out, in;
    uint32_t blocks;
    uint8_t copy[BLOCK_BYTES_MAX];
};

static inline void step(struct end *end)
{
    if (++end->block == end->blocks) {
        end->block = 0;
        end->laps++;
    }
}

// The next block to fill; NULL: the other side has given up.
MR_PAIR_INLINE uint8_t *block_to_fill(struct end *end, uint32_t bytes, struct mr_pair_side *side)
{
    // Pairs with the release store in emptied().
    while (mr_load_acquire_u64(&end->channel.flags->emptied[end->block].count) < end->laps)
        if (!mr_pair_wait_for_space(side))
            return NULL;
    return end->channel.blocks + (size_t)end->block * bytes;
}
MR_PAIR_INLINE void filled(struct end *end, uint64_t records)
{
    struct flag *flag = &end->channel.flags->filled[end->block];
    flag->records = records;
    // Pairs with the acquire load in block_to_empty.
    mr_store_release_u64(&flag->count, end->laps + 1);
    step(end);
}
// NULL: nothing there now.
MR_PAIR_INLINE const uint8_t *block_to_empty(struct end *end, uint32_t bytes)
{
    // Pairs with the release store in filled().
    if (mr_load_acquire_u64(&end->channel.flags->filled[end->block].count) <= end->laps)
        return NULL;
    return end->channel.blocks + (size_t)end->block * bytes;
}
MR_PAIR_INLINE void emptied(struct end *end)
{
    // Pairs with the acquire load in block_to_fill.
    mr_store_release_u64(&end->channel.flags->emptied[end->block].count, end->laps + 1);
    step(end);
}

// ---- plain copy

MR_PAIR_INLINE bool copy_send(void *out, uint32_t bytes, uint64_t sequence, unsigned count,
                              struct mr_pair_side *side)
{
    struct end *end = out;
    for (unsigned i = 0; i < count; i++) {
        uint8_t *block = block_to_fill(end, bytes, side);
        if (!block)
            return false;
        *(mr_pair_word *)(void *)end->copy = mr_pair_content(sequence + i);
        memcpy(block, end->copy, bytes);
        filled(end, 1);
    }
    return true;
}

MR_PAIR_INLINE unsigned copy_receive(void *in, uint32_t bytes, uint64_t sequence,
                                     unsigned count_max, struct mr_pair_side *side)
{
    struct end *end = in;
    unsigned count = 0;
    const uint8_t *block;
    static uint8_t copy[BLOCK_BYTES_MAX] __attribute__((aligned(MR_CACHE_LINE)));
    for (; count < count_max && (block = block_to_empty(end, bytes)); count++) {
        memcpy(copy, block, bytes);
        emptied(end);
        // Words 1 on are the same in every block; end->copy is how they must be.
        if (*(mr_pair_word *)(void *)copy != mr_pair_content(sequence + count) ||
            memcmp(copy + 8, end->copy + 8, bytes - 8) != 0) {
            mr_pair_refuse(side, copy, MR_PAIR_BARE_BYTES, sequence + count);
            return count;
        }
    }
    return count;
}

// ---- bare blocks

MR_PAIR_INLINE uint32_t bare_records(uint32_t bytes)
{
    return (uint32_t)mr_min_u64(MR_PAIR_BATCH, BARE_BYTES_MAX / bytes);
}

MR_PAIR_INLINE bool bare_send(void *out, uint32_t bytes, uint64_t sequence, unsigned count,
                              struct mr_pair_side *side)
{
    while (count > 0) {
        uint8_t *block = block_to_fill(out, bytes * bare_records(bytes), side);
        if (!block)
            return false;
        uint64_t records = mr_min_u64(count, bare_records(bytes));
        for (uint64_t i = 0; i < records; i++)
            mr_pair_fill(block + i * bytes, bytes, sequence + i);
        filled(out, records);
        sequence += records;
        count -= (unsigned)records;
    }
    return true;
}

MR_PAIR_INLINE unsigned bare_receive(void *in, uint32_t bytes, uint64_t sequence,
                                     unsigned count_max, struct mr_pair_side *side)
{
    struct end *end = in;
    const uint8_t *block = block_to_empty(end, bytes * bare_records(bytes));
    if (!block)
        return 0;
    uint64_t records = mr_min_u64(end->channel.flags->filled[end->block].records, count_max);
    for (uint64_t i = 0; i < records; i++)
        if (MR_UNLIKELY(!mr_pair_is_good(block + i * bytes, bytes, sequence + i))) {
            mr_pair_refuse(side, block + i * bytes, bytes, sequence + i);
            return (unsigned)i;
        }
    emptied(end);
    return (unsigned)records;
}

static inline void nothing(void *out)
{
    (void)out;
}

#define COPY_LOOPS(bytes) MR_PAIR_LOOPS(bytes, copy, copy_send, copy_receive, nothing)
#define COPY_SIZES(x) x(4096) x(16384) x(65536)
COPY_SIZES(COPY_LOOPS)
#define COPY_ROW(bytes) MR_PAIR_LOOPS_ROW(bytes, copy)
static const struct mr_pair_loops copy_loops[] = {COPY_SIZES(COPY_ROW)};

#define BARE_LOOPS(bytes) MR_PAIR_LOOPS(bytes, bare, bare_send, bare_receive, nothing)
BARE_LOOPS(8)
MR_PAIR_EACH_SIZE(BARE_LOOPS)
#define BARE_ROW(bytes) MR_PAIR_LOOPS_ROW(bytes, bare)
static const struct mr_pair_loops bare_loops[] = {BARE_ROW(8) MR_PAIR_EACH_SIZE(BARE_ROW)};

// ---- both

static void limit_close(void *state)
{
    struct limit *limit = state;
    for (int i = 0; i < 2; i++) {
        mr_pair_unmap(limit->channels[i].flags, sizeof *limit->channels[i].flags);
        mr_pair_unmap(limit->channels[i].blocks, limit->channels[i].bytes);
    }
    free(limit);
}

static int limit_open(void **state, uint32_t block_bytes, struct mr_error *err)
{
    struct limit *limit = calloc(1, sizeof *limit);
    if (!limit)
        return mr_fail(err, MR_ERR_MEMORY, "no memory for a channel's ends");
    limit->blocks = (uint32_t)mr_min_u64(BLOCKS_MAX, MR_PAIR_CHANNEL_BYTES / block_bytes);
    for (int i = 0; i < 2; i++) {
        struct channel *channel = &limit->channels[i];
        channel->bytes = (size_t)limit->blocks * block_bytes;
        channel->flags = mr_pair_map(sizeof *channel->flags);
        channel->blocks = mr_pair_map(channel->bytes);
        if (!channel->flags || !channel->blocks) {
            mr_fail_errno(err, MR_ERR_MEMORY, "cannot map %zu bytes", channel->bytes);
            limit_close(limit);
            return MR_ERR_MEMORY;
        }
    }
    for (uint32_t i = 1; i < BLOCK_BYTES_MAX / 8; i++)
        ((mr_pair_word *)(void *)limit->copy)[i] = mr_pair_content(i);
    *state = limit;
    return MR_OK;
}

static int bare_open(void **state, uint32_t record_bytes, struct mr_error *err)
{
    return limit_open(state, bare_records(record_bytes) * record_bytes, err);
}

static int limit_join(void *state, int side, void **out, void **in, struct mr_error *err)
{
    (void)err;
    struct limit *limit = state;
    limit->out = (struct end){limit->channels[side], 0, limit->blocks, 0, limit->copy};
    limit->in = (struct end){limit->channels[1 - side], 0, limit->blocks, 0, limit->copy};
    *out = &limit->out;
    *in = &limit->in;
    return MR_OK;
}

const struct mr_pair_transport mr_pair_copy = {
    .name = "plain copy",
    .how = "a block copied in and copied out, a flag a block",
    .open = limit_open,
    .join = limit_join,
    .close = limit_close,
    .loops = copy_loops,
    .loops_count = MR_COUNT_OF(copy_loops),
};
const struct mr_pair_transport mr_pair_blocks = {
    .name = "bare blocks",
    .how = "records in place in blocks of up to 16 KiB, a flag a block",
    .open = bare_open,
    .join = limit_join,
    .close = limit_close,
    .loops = bare_loops,
    .loops_count = MR_COUNT_OF(bare_loops),
};
