// SPDX-License-Identifier: Apache-2.0
// A limit, in the harness of cli/pair.h: side 0 copies a block of private memory into the shared one and raises
// the block's flag; side 1 copies it out and compares the copy. Blocks stand for records: 4, 16 and 64 KiB, the
// fastest of which is what a plain copy moves between the two cores.
#include <stdlib.h>
#include <string.h>

#include "cli/pair_loops.h"

#define BLOCK_BYTES_MAX (64u << 10)
#define BLOCKS_MAX (MR_PAIR_CHANNEL_BYTES / 4096)

// One flag per block and side: how often it was filled, or emptied.
struct flag {
    uint64_t count __attribute__((aligned(MR_CACHE_LINE)));
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
    uint8_t *copy; // what a block looks like
};

struct plain {
    struct channel channels[2];
    struct end out, in;
    uint32_t blocks;
    _Alignas(8) uint8_t copy[BLOCK_BYTES_MAX];
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
MR_PAIR_INLINE void filled(struct end *end)
{
    // Pairs with the acquire load in block_to_empty.
    mr_store_release_u64(&end->channel.flags->filled[end->block].count, end->laps + 1);
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
        filled(end);
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

static inline void nothing(void *out)
{
    (void)out;
}

#define COPY_LOOPS(bytes) MR_PAIR_LOOPS(bytes, copy, copy_send, copy_receive, nothing)
#define COPY_SIZES(x) x(4096) x(16384) x(65536)
COPY_SIZES(COPY_LOOPS)
#define COPY_ROW(bytes) MR_PAIR_LOOPS_ROW(bytes, copy)
static const struct mr_pair_loops copy_loops[] = {COPY_SIZES(COPY_ROW)};

static void copy_close(void *state)
{
    struct plain *plain = state;
    for (int i = 0; i < 2; i++) {
        mr_pair_unmap(plain->channels[i].flags, sizeof *plain->channels[i].flags);
        mr_pair_unmap(plain->channels[i].blocks, plain->channels[i].bytes);
    }
    free(plain);
}

static int copy_open(void **state, uint32_t block_bytes, struct mr_error *err)
{
    struct plain *plain = calloc(1, sizeof *plain);
    if (!plain)
        return mr_fail(err, MR_ERR_MEMORY, "no memory for a channel's ends");
    plain->blocks = (uint32_t)mr_min_u64(BLOCKS_MAX, MR_PAIR_CHANNEL_BYTES / block_bytes);
    for (int i = 0; i < 2; i++) {
        struct channel *channel = &plain->channels[i];
        channel->bytes = (size_t)plain->blocks * block_bytes;
        channel->flags = mr_pair_map(sizeof *channel->flags);
        channel->blocks = mr_pair_map(channel->bytes);
        if (!channel->flags || !channel->blocks) {
            mr_fail_errno(err, MR_ERR_MEMORY, "cannot map %zu bytes", channel->bytes);
            copy_close(plain);
            return MR_ERR_MEMORY;
        }
    }
    for (uint32_t i = 1; i < BLOCK_BYTES_MAX / 8; i++)
        ((mr_pair_word *)(void *)plain->copy)[i] = mr_pair_content(i);
    *state = plain;
    return MR_OK;
}

static int copy_join(void *state, int side, void **out, void **in, struct mr_error *err)
{
    (void)err;
    struct plain *plain = state;
    plain->out = (struct end){plain->channels[side], 0, plain->blocks, 0, plain->copy};
    plain->in = (struct end){plain->channels[1 - side], 0, plain->blocks, 0, plain->copy};
    *out = &plain->out;
    *in = &plain->in;
    return MR_OK;
}

const struct mr_pair_transport mr_pair_copy = {
    .name = "plain copy",
    .how = "a block copied in and copied out, a flag a block",
    .open = copy_open,
    .join = copy_join,
    .close = copy_close,
    .loops = copy_loops,
    .loops_count = MR_COUNT_OF(copy_loops),
};
