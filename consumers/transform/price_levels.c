// SPDX-License-Identifier: Apache-2.0
#include <string.h>

#include "consumers/transform/price_levels.h"

#define BLOCK_LEVELS 31
#define THIN_LEVELS 8    // a block with fewer looks for a neighbour to join,
#define JOINED_LEVELS 24 // if the two leave room for some growth
#define LEVELS_PER_BLOCK_RESERVED 8

// `rank` orders the levels of both sides the same way: higher is better.
struct ranked_level {
    uint32_t rank;
    uint32_t orders;
    uint64_t shares;
};

struct mr_level_block {
    uint32_t better; // block number; 0: none
    uint32_t worse;  // block number; in the free list: the next free one
    uint32_t count;
    uint32_t reserved;
    struct ranked_level levels[BLOCK_LEVELS]; // rising rank
};
_Static_assert(sizeof(struct mr_level_block) == 512, "level block");

struct mr_level_side {
    uint32_t first; // block number; 0: no level
};

static uint32_t block_count(uint32_t levels_max)
{
    return (levels_max + LEVELS_PER_BLOCK_RESERVED - 1) / LEVELS_PER_BLOCK_RESERVED;
}

#define SIDES_BYTES (MR_LOCATES * 2 * sizeof(struct mr_level_side))

uint64_t mr_levels_bytes(uint32_t levels_max)
{
    return sizeof(struct mr_levels_head) + SIDES_BYTES +
           (uint64_t)block_count(levels_max) * sizeof(struct mr_level_block);
}

void mr_levels_attach(struct mr_levels *levels, void *memory, uint32_t levels_max,
                      struct mr_touch touch)
{
    uint8_t *bytes = memory;
    levels->head = memory;
    levels->sides = (struct mr_level_side *)(void *)(bytes + sizeof *levels->head);
    levels->blocks = (struct mr_level_block *)(void *)(bytes + sizeof *levels->head + SIDES_BYTES);
    levels->blocks_max = block_count(levels_max);
    levels->touch = touch;
}

// Its own inverse.
static inline uint32_t rank_of(enum mr_side side, uint32_t price)
{
    return side == MR_SIDE_BUY ? price : ~price;
}

static inline struct mr_level_block *block_at(const struct mr_levels *levels, uint32_t number)
{
    return &levels->blocks[number - 1];
}

static inline uint32_t number_of(const struct mr_levels *levels, const struct mr_level_block *block)
{
    return (uint32_t)(block - levels->blocks) + 1;
}

static inline struct mr_level_side *side_at(const struct mr_levels *levels, uint16_t locate,
                                            enum mr_side side)
{
    return &levels->sides[(uint32_t)locate * 2 + (side == MR_SIDE_SELL)];
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
                 (to - from) * (uint32_t)sizeof(struct ranked_level));
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
        head->free_list = block_at(levels, number)->worse;
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

static void count_live(struct mr_levels *levels, uint64_t live)
{
    mr_touch(&levels->touch, &levels->head->live, sizeof levels->head->live);
    levels->head->live = live;
}

// ---- the chain of a side ------------------------------------------------------------------------

static void set_first(struct mr_levels *levels, struct mr_level_side *side, uint32_t number)
{
    mr_touch(&levels->touch, side, sizeof *side);
    side->first = number;
}

// Makes what stood before `block` in the chain point to `number` instead.
static void relink_better(struct mr_levels *levels, struct mr_level_side *side,
                          const struct mr_level_block *block, uint32_t number)
{
    if (block->better == 0) {
        set_first(levels, side, number);
        return;
    }
    struct mr_level_block *better = block_at(levels, block->better);
    touch_header(levels, better);
    better->worse = number;
}

static void unlink_block(struct mr_levels *levels, struct mr_level_side *side,
                         struct mr_level_block *block)
{
    relink_better(levels, side, block, block->worse);
    if (block->worse != 0) {
        struct mr_level_block *worse = block_at(levels, block->worse);
        touch_header(levels, worse);
        worse->better = block->better;
    }
    pool_give(levels, block);
}

// The block in which this rank stands or would stand; NULL on an empty side.
static struct mr_level_block *find_block(const struct mr_levels *levels,
                                         const struct mr_level_side *side, uint32_t rank)
{
    if (side->first == 0)
        return NULL;
    struct mr_level_block *block = block_at(levels, side->first);
    while (block->worse != 0 && rank < block->levels[0].rank)
        block = block_at(levels, block->worse);
    return block;
}

// How many levels of the block are at or below this rank; from the best down, where most changes
// are.
static uint32_t count_up_to(const struct mr_level_block *block, uint32_t rank)
{
    uint32_t at = block->count;
    while (at > 0 && block->levels[at - 1].rank > rank)
        at--;
    return at;
}

// A full block's better half goes to a fresh block before it. Returns the better one; NULL: none
// free.
static struct mr_level_block *split(struct mr_levels *levels, struct mr_level_side *side,
                                    struct mr_level_block *block)
{
    uint32_t number = pool_take(levels);
    if (number == 0)
        return NULL;
    struct mr_level_block *fresh = block_at(levels, number);
    uint32_t keep = block->count / 2, moved = block->count - keep;
    touch_header(levels, fresh);
    touch_levels(levels, fresh, 0, moved);
    fresh->better = block->better;
    fresh->worse = number_of(levels, block);
    fresh->count = moved;
    memcpy(fresh->levels, &block->levels[keep], moved * sizeof block->levels[0]);
    relink_better(levels, side, block, number);
    touch_header(levels, block);
    block->better = number;
    block->count = keep;
    return fresh;
}

static struct mr_level_block *first_block(struct mr_levels *levels, struct mr_level_side *side)
{
    uint32_t number = pool_take(levels);
    if (number == 0)
        return NULL;
    struct mr_level_block *block = block_at(levels, number);
    touch_header(levels, block);
    block->better = block->worse = block->count = 0;
    set_first(levels, side, number);
    return block;
}

// Appends `better`'s levels to `worse`, its neighbour, if both are thin enough.
static bool join(struct mr_levels *levels, struct mr_level_side *side,
                 struct mr_level_block *better, struct mr_level_block *worse)
{
    if (better->count + worse->count > JOINED_LEVELS)
        return false;
    touch_levels(levels, worse, worse->count, worse->count + better->count);
    memcpy(&worse->levels[worse->count], better->levels, better->count * sizeof better->levels[0]);
    touch_header(levels, worse);
    worse->count += better->count;
    unlink_block(levels, side, better);
    return true;
}

static void thin_out(struct mr_levels *levels, struct mr_level_side *side,
                     struct mr_level_block *block)
{
    if (block->count == 0) {
        unlink_block(levels, side, block);
        return;
    }
    if (block->count >= THIN_LEVELS)
        return;
    if (block->worse != 0 && join(levels, side, block, block_at(levels, block->worse)))
        return;
    if (block->better != 0)
        join(levels, side, block_at(levels, block->better), block);
}

// ---- what the book asks for
// -----------------------------------------------------------------------

static bool insert_level(struct mr_levels *levels, struct mr_level_side *side,
                         struct mr_level_block *block, const struct ranked_level *level)
{
    if (block == NULL) {
        block = first_block(levels, side);
    } else if (block->count == BLOCK_LEVELS) {
        struct mr_level_block *fresh = split(levels, side, block);
        if (fresh == NULL || level->rank > fresh->levels[0].rank)
            block = fresh;
    }
    if (block == NULL)
        return false;
    uint32_t at = count_up_to(block, level->rank);
    touch_header(levels, block);
    touch_levels(levels, block, at, block->count + 1);
    memmove(&block->levels[at + 1], &block->levels[at], (block->count - at) * sizeof *level);
    block->levels[at] = *level;
    block->count++;
    count_live(levels, levels->head->live + 1);
    return true;
}

bool mr_levels_add(struct mr_levels *levels, uint16_t locate, enum mr_side side, uint32_t price,
                   uint32_t shares)
{
    struct mr_level_side *chain = side_at(levels, locate, side);
    struct ranked_level level = {rank_of(side, price), 1, shares};
    struct mr_level_block *block = find_block(levels, chain, level.rank);
    uint32_t at = block != NULL ? count_up_to(block, level.rank) : 0;
    if (at == 0 || block->levels[at - 1].rank != level.rank)
        return insert_level(levels, chain, block, &level);
    touch_levels(levels, block, at - 1, at);
    block->levels[at - 1].orders++;
    block->levels[at - 1].shares += shares;
    return true;
}

static void remove_level(struct mr_levels *levels, struct mr_level_side *side,
                         struct mr_level_block *block, uint32_t at)
{
    touch_header(levels, block);
    touch_levels(levels, block, at, block->count);
    block->count--;
    memmove(&block->levels[at], &block->levels[at + 1],
            (block->count - at) * sizeof block->levels[0]);
    count_live(levels, levels->head->live - 1);
    thin_out(levels, side, block);
}

void mr_levels_reduce(struct mr_levels *levels, uint16_t locate, enum mr_side side, uint32_t price,
                      uint32_t shares, bool order_gone)
{
    struct mr_level_side *chain = side_at(levels, locate, side);
    struct mr_level_block *block = find_block(levels, chain, rank_of(side, price));
    uint32_t at = count_up_to(block, rank_of(side, price)) - 1;
    if (order_gone && block->levels[at].orders == 1) {
        remove_level(levels, chain, block, at);
        return;
    }
    touch_levels(levels, block, at, at + 1);
    block->levels[at].orders -= order_gone;
    block->levels[at].shares -= shares;
}

unsigned mr_levels_top(const struct mr_levels *levels, uint16_t locate, enum mr_side side,
                       struct mr_level *out, unsigned count)
{
    unsigned found = 0;
    uint32_t number = side_at(levels, locate, side)->first;
    while (number != 0 && found < count) {
        const struct mr_level_block *block = block_at(levels, number);
        for (uint32_t at = block->count; at > 0 && found < count; at--) {
            const struct ranked_level *level = &block->levels[at - 1];
            out[found++] =
                (struct mr_level){rank_of(side, level->rank), level->orders, level->shares};
        }
        number = block->worse;
    }
    return found;
}
