// SPDX-License-Identifier: Apache-2.0
#include "consumers/transform/price_levels.h"

#include <string.h>

#include "consumers/transform/level_blocks.h"

// So many levels go from a full top to the blocks at once, so that the next ones find room; or come back to an empty
// one.
#define SPILLED_LEVELS 3
#define REFILLED_LEVELS 4
#define LEVELS_PER_BLOCK_RESERVED 16
#define DEEP_LINES_FETCHED 2 // the best levels of a block

_Static_assert(SPILLED_LEVELS < MR_TOP_LEVELS && REFILLED_LEVELS < MR_TOP_LEVELS,
               "some stay, some fit");

#define SIDES_BYTES (2 * sizeof(struct mr_level_side) * MR_LOCATES)

static uint32_t block_count(uint32_t levels_max)
{
    return (levels_max + LEVELS_PER_BLOCK_RESERVED - 1) / LEVELS_PER_BLOCK_RESERVED;
}

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
    levels->live_touched = 0;
}

// Whether it is beyond would be guessed wrongly too often for a branch: what there is no use of is a line
// that is already there.
void mr_levels_prefetch_deep(const struct mr_levels *levels, uint16_t locate, enum mr_side side,
                             uint32_t price)
{
    const struct mr_level_side *of = mr_level_side_at(levels, locate, side);
    uint64_t beyond = mr_rank_of(side, price) < of->top[MR_FIRST_LINE_LEVELS - 1].rank;
    uint64_t number = mr_load_relaxed_u32(&of->deeper),
             deeper = beyond & (number - 1 < levels->blocks_max);
    uintptr_t first = (uintptr_t)of,
              block = (uintptr_t)levels->blocks + (number - 1) * sizeof *levels->blocks;
    block = first + ((block - first) & -deeper);
    __builtin_prefetch((const void *)(first + beyond * MR_CACHE_LINE), 1);
    __builtin_prefetch((const void *)block, 1);
    uint64_t best = mr_load_relaxed_u32(&of->deeper_levels) % (MR_BLOCK_LEVELS + 1) *
                    sizeof(struct mr_ranked_level);
    best &= -deeper;
    for (unsigned i = 0; i < DEEP_LINES_FETCHED; i++) {
        __builtin_prefetch((const void *)(block + best), 1);
        best = best > MR_CACHE_LINE ? best - MR_CACHE_LINE : 0;
    }
}

static void count_live(struct mr_levels *levels, uint64_t live)
{
    mr_touch_once(&levels->touch, &levels->live_touched, &levels->head->live,
                  sizeof levels->head->live);
    levels->head->live = live;
}

static inline void touch_side(struct mr_levels *levels, struct mr_level_side *side)
{
    mr_touch(&levels->touch, side, sizeof *side);
}

// ---- between top and blocks -----------------------------------------------------------------------

// After each change of the chain.
static void count_deeper(struct mr_levels *levels, struct mr_level_side *side)
{
    uint32_t count =
        side->deeper != 0 ? mr_level_block_count(mr_level_block_at(levels, side->deeper)) : 0;
    if (side->deeper_levels == count)
        return;
    mr_touch(&levels->touch, side, offsetof(struct mr_level_side, top));
    side->deeper_levels = count;
}

static bool insert_deeper(struct mr_levels *levels, struct mr_level_side *side,
                          const struct mr_ranked_level *level)
{
    bool there_is_room = mr_chain_insert(levels, &side->deeper, level);
    count_deeper(levels, side);
    return there_is_room;
}

static bool spill(struct mr_levels *levels, struct mr_level_side *side)
{
    uint32_t keep = MR_TOP_LEVELS - SPILLED_LEVELS;
    if (!mr_chain_push(levels, &side->deeper, &side->top[keep], SPILLED_LEVELS))
        return false;
    count_deeper(levels, side);
    memset(&side->top[keep], 0, SPILLED_LEVELS * sizeof side->top[0]);
    side->count = keep;
    return true;
}

// A level of a rank that is not there; `at`: how many of the top are better.
static bool insert_level(struct mr_levels *levels, struct mr_level_side *side, uint32_t at,
                         const struct mr_ranked_level *level)
{
    uint32_t count = mr_level_side_count(side);
    if (at >= count && (side->deeper != 0 || at == MR_TOP_LEVELS))
        return insert_deeper(levels, side, level);
    touch_side(levels, side);
    if (count == MR_TOP_LEVELS) {
        if (!spill(levels, side))
            return false;
        count -= SPILLED_LEVELS;
        if (at > count) // its neighbours went
            return insert_deeper(levels, side, level);
    }
    if (MR_UNLIKELY(at > count))
        mr_state_damaged("the number of a side's best levels", count);
    for (uint32_t i = count; i > at; i--)
        side->top[i] = side->top[i - 1];
    side->top[at] = *level;
    side->count = count + 1;
    return true;
}

static void remove_level(struct mr_levels *levels, struct mr_level_side *side, uint32_t at,
                         uint32_t rank)
{
    uint32_t count = mr_level_side_count(side);
    count_live(levels, levels->head->live - 1);
    if (at >= count) {
        mr_chain_remove(levels, &side->deeper, rank);
        count_deeper(levels, side);
        return;
    }
    touch_side(levels, side);
    side->count = --count;
    for (uint32_t i = at; i < count; i++)
        side->top[i] = side->top[i + 1];
    side->top[count] = (struct mr_ranked_level){0};
    if (count == 0 && side->deeper != 0) {
        side->count = mr_chain_pop(levels, &side->deeper, side->top, REFILLED_LEVELS);
        count_deeper(levels, side);
    }
}

// ---- what the book asks for -----------------------------------------------------------------------

// The level of this rank, or NULL; `at`: how many of the top are better.
static struct mr_ranked_level *find_level(const struct mr_levels *levels,
                                          struct mr_level_side *side, uint32_t at, uint32_t rank)
{
    if (at < mr_level_side_count(side))
        return side->top[at].rank == rank ? &side->top[at] : NULL;
    return side->deeper != 0 ? mr_chain_find(levels, &side->deeper, rank) : NULL;
}

bool mr_levels_add_slow(struct mr_levels *levels, struct mr_level_side *of, uint32_t better,
                        uint32_t rank, uint32_t shares)
{
    struct mr_ranked_level *level = find_level(levels, of, better, rank);
    if (level == NULL) {
        struct mr_ranked_level fresh = {rank, 1, shares};
        if (!insert_level(levels, of, better, &fresh))
            return false;
        count_live(levels, levels->head->live + 1);
        return true;
    }
    mr_touch(&levels->touch, level, sizeof *level);
    level->orders++;
    level->shares += shares;
    return true;
}

void mr_levels_reduce_slow(struct mr_levels *levels, struct mr_level_side *of, uint32_t better,
                           uint32_t rank, uint32_t shares, bool order_gone)
{
    struct mr_ranked_level *level = find_level(levels, of, better, rank);
    if (MR_UNLIKELY(level == NULL))
        mr_state_damaged("an order without its level of rank", rank);
    if (order_gone && level->orders == 1) {
        remove_level(levels, of, better, rank);
        return;
    }
    mr_touch(&levels->touch, level, sizeof *level);
    level->orders -= order_gone;
    level->shares -= shares;
}

unsigned mr_levels_top(const struct mr_levels *levels, uint16_t locate, enum mr_side side,
                       struct mr_level *out, unsigned count)
{
    const struct mr_level_side *levels_of = mr_level_side_at(levels, locate, side);
    unsigned found = 0;
    uint32_t best = mr_level_side_count(levels_of), blocks = 0;
    while (found < count && found < best) {
        out[found] = mr_level_of(side, &levels_of->top[found]);
        found++;
    }
    for (uint32_t number = levels_of->deeper; number != 0 && found < count;) {
        const struct mr_level_block *block = mr_level_block_at(levels, number);
        for (uint32_t at = mr_level_block_count(block); at > 0 && found < count; at--)
            out[found++] = mr_level_of(side, &block->levels[at - 1]);
        number = mr_load_relaxed_u32(&block->worse);
        if (MR_UNLIKELY(++blocks > levels->blocks_max))
            mr_state_damaged("a chain of blocks without an end, after", blocks);
    }
    return found;
}
