// SPDX-License-Identifier: Apache-2.0
// The deep part of a price level side: a chain of blocks out of one pool. The first block holds the best
// of them, and inside a block the best stands last, so that levels come and go at an end without moving
// others. No change moves more than a block, which bounds what a rollback costs. A full block splits in
// two; neighbours that have become thin are joined; an empty block goes back to the pool. All blocks are
// of one size, so the pool cannot fragment.
//
//     chain ──▶ block 7: [.. 9.97 9.98 10.01] ──▶ block 3: [.. 9.80 9.95] ──▶ none
//                                   best ▲
//
// The private part of consumers/transform/price_levels.h.
#ifndef MR_CONSUMERS_TRANSFORM_LEVEL_BLOCKS_H
#define MR_CONSUMERS_TRANSFORM_LEVEL_BLOCKS_H

#include "consumers/transform/price_levels.h"
#include "core/atomic.h"

#define MR_BLOCK_LEVELS 31

struct mr_level_block {
    uint32_t better; // block number; 0: none
    uint32_t worse;  // block number; in the free list: the next free one
    uint32_t count;
    uint32_t reserved;
    struct mr_ranked_level levels[MR_BLOCK_LEVELS]; // rising rank
};
_Static_assert(sizeof(struct mr_level_block) == 512, "level block");

static inline struct mr_level_block *mr_level_block_at(const struct mr_levels *levels,
                                                       uint32_t number)
{
    if (MR_UNLIKELY(number - 1 >= levels->blocks_max))
        mr_state_damaged("the number of a block of price levels", number);
    return &levels->blocks[number - 1]; // numbers start at 1
}

// Read once, by whoever relies on it.
static inline uint32_t mr_level_block_count(const struct mr_level_block *block)
{
    uint32_t count = mr_load_relaxed_u32(&block->count);
    if (MR_UNLIKELY(count > MR_BLOCK_LEVELS))
        mr_state_damaged("the length of a block of price levels", count);
    return count;
}

// `first`: the word that names the chain's first block; 0: empty.
// The level of this rank, or NULL.
struct mr_ranked_level *mr_chain_find(const struct mr_levels *levels, const uint32_t *first,
                                      uint32_t rank);
// A level of a rank that is not there. False: no block is free, and nothing has changed.
bool mr_chain_insert(struct mr_levels *levels, uint32_t *first,
                     const struct mr_ranked_level *level);
void mr_chain_remove(struct mr_levels *levels, uint32_t *first, uint32_t rank);
// Puts `count` levels, falling rank, all better than any of the chain's, before them; count is at most
// MR_BLOCK_LEVELS. False: no block is free, and nothing has changed.
bool mr_chain_push(struct mr_levels *levels, uint32_t *first, const struct mr_ranked_level *best,
                   uint32_t count);
// Takes up to `count` of the best off, falling rank; returns how many: at least one where there is one.
uint32_t mr_chain_pop(struct mr_levels *levels, uint32_t *first, struct mr_ranked_level *best,
                      uint32_t count);

#endif
