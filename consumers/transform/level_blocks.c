// SPDX-License-Identifier: Apache-2.0
#include "consumers/transform/level_blocks.h"

#include <string.h>

#define THIN_LEVELS 8    // a block with fewer looks for a neighbour to join,
#define JOINED_LEVELS 24 // if the two leave room for some growth

static inline uint32_t number_of(const struct mr_levels *levels, const struct mr_level_block *block)
{
    return (uint32_t)(block - levels->blocks) + 1;
}

static inline void touch_header(struct mr_levels *levels, struct mr_level_block *block)
{
    mr_touch(&levels->touch, block, offsetof(struct mr_level_block, levels));
}

static inline void touch_levels(struct mr_levels *levels, struct mr_level_block *block,
                                uint32_t from, uint32_t to)
{
    if (to > from)
        mr_touch(&levels->touch, &block->levels[from],
                 (to - from) * (uint32_t)sizeof(struct mr_ranked_level));
}

// ---- the pool -----------------------------------------------------------------------------------

static uint32_t pool_take(struct mr_levels *levels)
{
    struct mr_levels_head *head = levels->head;
    uint32_t number = head->free_list;
    if (number == 0 && head->used == levels->blocks_max)
        return 0;
    mr_touch(&levels->touch, head, offsetof(struct mr_levels_head, reserved));
    if (number != 0)
        head->free_list = mr_level_block_at(levels, number)->worse;
    else
        number = ++head->used;
    return number;
}

static void pool_give(struct mr_levels *levels, struct mr_level_block *block)
{
    struct mr_levels_head *head = levels->head;
    mr_touch(&levels->touch, head, offsetof(struct mr_levels_head, reserved));
    touch_header(levels, block);
    block->better = block->count = 0;
    block->worse = head->free_list;
    head->free_list = number_of(levels, block);
}

static void set_first(struct mr_levels *levels, uint32_t *first, uint32_t number)
{
    mr_touch(&levels->touch, first, sizeof *first);
    *first = number;
}

// Makes what stood before `block` in the chain point to `number` instead.
static void relink_better(struct mr_levels *levels, uint32_t *first,
                          const struct mr_level_block *block, uint32_t number)
{
    if (block->better == 0) {
        set_first(levels, first, number);
        return;
    }
    struct mr_level_block *better = mr_level_block_at(levels, block->better);
    touch_header(levels, better);
    better->worse = number;
}

static void unlink_block(struct mr_levels *levels, uint32_t *first, struct mr_level_block *block)
{
    relink_better(levels, first, block, block->worse);
    if (block->worse != 0) {
        struct mr_level_block *worse = mr_level_block_at(levels, block->worse);
        touch_header(levels, worse);
        worse->better = block->better;
    }
    pool_give(levels, block);
}

// The block in which this rank stands or would stand; NULL on an empty side.
static struct mr_level_block *find_block(const struct mr_levels *levels, const uint32_t *first,
                                         uint32_t rank)
{
    if (*first == 0)
        return NULL;
    struct mr_level_block *block = mr_level_block_at(levels, *first);
    uint32_t worse, passed = 0;
    while (rank < block->levels[0].rank && (worse = mr_load_relaxed_u32(&block->worse)) != 0) {
        block = mr_level_block_at(levels, worse);
        if (MR_UNLIKELY(++passed > levels->blocks_max))
            mr_state_damaged("a chain of blocks without an end, after", passed);
    }
    return block;
}

// How many levels of the block are at or below this rank; from the best down, where most changes
// are.
static uint32_t count_up_to(const struct mr_level_block *block, uint32_t count, uint32_t rank)
{
    uint32_t at = count;
    while (at > 0 && block->levels[at - 1].rank > rank)
        at--;
    return at;
}

// A full block's better half goes to a fresh block before it. Returns the better one; NULL: none
// free.
static struct mr_level_block *split(struct mr_levels *levels, uint32_t *first,
                                    struct mr_level_block *block)
{
    uint32_t number = pool_take(levels);
    if (number == 0)
        return NULL;
    struct mr_level_block *fresh = mr_level_block_at(levels, number);
    uint32_t keep = MR_BLOCK_LEVELS / 2, moved = MR_BLOCK_LEVELS - keep;
    touch_header(levels, fresh);
    touch_levels(levels, fresh, 0, moved);
    fresh->better = block->better;
    fresh->worse = number_of(levels, block);
    fresh->count = moved;
    memmove(fresh->levels, &block->levels[keep], moved * sizeof block->levels[0]);
    relink_better(levels, first, block, number);
    touch_header(levels, block);
    block->better = number;
    block->count = keep;
    return fresh;
}

// A fresh, empty block before all others.
static struct mr_level_block *front_block(struct mr_levels *levels, uint32_t *first)
{
    uint32_t number = pool_take(levels);
    if (number == 0)
        return NULL;
    struct mr_level_block *block = mr_level_block_at(levels, number);
    touch_header(levels, block);
    block->better = block->count = 0;
    block->worse = *first;
    if (*first != 0) {
        struct mr_level_block *worse = mr_level_block_at(levels, *first);
        touch_header(levels, worse);
        worse->better = number;
    }
    set_first(levels, first, number);
    return block;
}

// Appends `better`'s levels to `worse`, its neighbour, if both are thin enough.
static bool join(struct mr_levels *levels, uint32_t *first, struct mr_level_block *better,
                 struct mr_level_block *worse)
{
    uint32_t count = mr_level_block_count(worse), more = mr_level_block_count(better);
    if (count + more > JOINED_LEVELS)
        return false;
    touch_levels(levels, worse, count, count + more);
    memmove(&worse->levels[count], better->levels, more * sizeof better->levels[0]);
    touch_header(levels, worse);
    worse->count = count + more;
    unlink_block(levels, first, better);
    return true;
}

static void thin_out(struct mr_levels *levels, uint32_t *first, struct mr_level_block *block,
                     uint32_t count)
{
    if (count == 0) {
        unlink_block(levels, first, block);
        return;
    }
    if (count >= THIN_LEVELS)
        return;
    if (block->worse != 0 && join(levels, first, block, mr_level_block_at(levels, block->worse)))
        return;
    if (block->better != 0)
        join(levels, first, mr_level_block_at(levels, block->better), block);
}

// ---- what a side asks for -----------------------------------------------------------------------

struct mr_ranked_level *mr_chain_find(const struct mr_levels *levels, const uint32_t *first,
                                      uint32_t rank)
{
    struct mr_level_block *block = find_block(levels, first, rank);
    uint32_t at = block != NULL ? count_up_to(block, mr_level_block_count(block), rank) : 0;
    return at > 0 && block->levels[at - 1].rank == rank ? &block->levels[at - 1] : NULL;
}

bool mr_chain_insert(struct mr_levels *levels, uint32_t *first, const struct mr_ranked_level *level)
{
    struct mr_level_block *block = find_block(levels, first, level->rank);
    if (block == NULL) {
        block = front_block(levels, first);
    } else if (mr_level_block_count(block) == MR_BLOCK_LEVELS) {
        struct mr_level_block *fresh = split(levels, first, block);
        if (fresh == NULL || level->rank > fresh->levels[0].rank)
            block = fresh;
    }
    if (block == NULL)
        return false;
    uint32_t count = mr_level_block_count(block), at = count_up_to(block, count, level->rank);
    if (MR_UNLIKELY(count == MR_BLOCK_LEVELS))
        mr_state_damaged("the length of a block of price levels", count);
    touch_header(levels, block);
    touch_levels(levels, block, at, count + 1);
    memmove(&block->levels[at + 1], &block->levels[at], (count - at) * sizeof *level);
    block->levels[at] = *level;
    block->count = count + 1;
    return true;
}

void mr_chain_remove(struct mr_levels *levels, uint32_t *first, uint32_t rank)
{
    struct mr_level_block *block = find_block(levels, first, rank);
    uint32_t count = block ? mr_level_block_count(block) : 0;
    uint32_t upto = count > 0 ? count_up_to(block, count, rank) : 0;
    if (MR_UNLIKELY(upto == 0))
        mr_state_damaged("no price level of rank", rank);
    touch_header(levels, block);
    touch_levels(levels, block, upto - 1, count);
    block->count = count - 1;
    memmove(&block->levels[upto - 1], &block->levels[upto],
            (count - upto) * sizeof block->levels[0]);
    thin_out(levels, first, block, count - 1);
}

bool mr_chain_push(struct mr_levels *levels, uint32_t *first, const struct mr_ranked_level *best,
                   uint32_t count)
{
    struct mr_level_block *block = *first != 0 ? mr_level_block_at(levels, *first) : NULL;
    uint32_t there = block != NULL ? mr_level_block_count(block) : 0;
    if (block == NULL || there + count > MR_BLOCK_LEVELS) {
        block = front_block(levels, first);
        there = 0;
    }
    if (block == NULL)
        return false;
    touch_header(levels, block);
    touch_levels(levels, block, there, there + count);
    block->count = there + count;
    while (count > 0)
        block->levels[there++] = best[--count];
    return true;
}

uint32_t mr_chain_pop(struct mr_levels *levels, uint32_t *first, struct mr_ranked_level *best,
                      uint32_t count)
{
    uint32_t popped = 0;
    if (*first == 0)
        return 0;
    struct mr_level_block *block = mr_level_block_at(levels, *first);
    uint32_t left = mr_level_block_count(block);
    touch_header(levels, block);
    while (popped < count && left > 0)
        best[popped++] = block->levels[--left];
    block->count = left;
    thin_out(levels, first, block, left);
    return popped;
}
