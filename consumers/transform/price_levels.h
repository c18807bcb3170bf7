// SPDX-License-Identifier: Apache-2.0
// Price levels of every symbol and side: price, number of orders, shares in all; best first.
//
// The seven best levels of a side stand together in two cache lines at a place that the symbol's number
// gives, so the best price is one load, and most changes, which are near it, touch nothing else. Worse
// ones stand in a chain of blocks (level_blocks.h). Levels move between the two a few at a time.
#ifndef MR_CONSUMERS_TRANSFORM_PRICE_LEVELS_H
#define MR_CONSUMERS_TRANSFORM_PRICE_LEVELS_H

#include "consumers/transform/order_table.h"
#include "core/atomic.h"

#define MR_LOCATES 65536 // symbols are numbered by u16

struct mr_level {
    uint32_t price;
    uint32_t orders;
    uint64_t shares;
};

// `rank` orders the levels of both sides the same way: higher is better.
struct mr_ranked_level {
    uint32_t rank;
    uint32_t orders;
    uint64_t shares;
};

// The best levels of one side of one symbol, best first; what is worse than all of them is in blocks. Two
// cache lines, of which the first has the best three.
#define MR_TOP_LEVELS 7
#define MR_FIRST_LINE_LEVELS 3
struct mr_level_side {
    uint32_t count;         // 0 only where there are no blocks either
    uint32_t deeper;        // first block; 0: none
    uint32_t deeper_levels; // in it: where its best are, before it is looked at
    uint32_t reserved;
    struct mr_ranked_level top[MR_TOP_LEVELS]; // falling rank
};
_Static_assert(sizeof(struct mr_level_side) == 128, "two lines a side");

struct mr_level_block;

struct mr_levels_head { // first line of the block of memory
    uint64_t live;      // levels
    uint32_t used;      // blocks taken from the pool at least once; block numbers start at 1
    uint32_t free_list; // first of the blocks given back; 0: none
    uint64_t reserved[6];
};
_Static_assert(sizeof(struct mr_levels_head) == MR_CACHE_LINE, "levels head");

struct mr_levels { // the process's view of it
    struct mr_levels_head *head;
    struct mr_level_side *sides;
    struct mr_level_block *blocks;
    uint32_t blocks_max;
    struct mr_touch touch;
    uint64_t live_touched; // mr_touch_once
};

#define MR_LEVELS_MAX (1u << 23)

// Its own inverse.
static inline uint32_t mr_rank_of(enum mr_side side, uint32_t price)
{
    return side == MR_SIDE_BUY ? price : ~price;
}
static inline struct mr_level mr_level_of(enum mr_side side, const struct mr_ranked_level *ranked)
{
    return (struct mr_level){mr_rank_of(side, ranked->rank), ranked->orders, ranked->shares};
}
static inline struct mr_level_side *mr_level_side_at(const struct mr_levels *levels,
                                                     uint16_t locate, enum mr_side side)
{
    return &levels->sides[(uint32_t)locate * 2 + (side == MR_SIDE_SELL)];
}

// Bytes of memory for `levels_max` levels, 1 to MR_LEVELS_MAX. The first 7 of a side always have a place;
// those beyond are kept in blocks of up to 31 levels of one side, of which there is one for every 16 of
// levels_max.
uint64_t mr_levels_bytes(uint32_t levels_max);
void mr_levels_attach(struct mr_levels *levels, void *memory, uint32_t levels_max,
                      struct mr_touch touch);

// How many of the best levels are better than this rank: all are looked at, for where to stop cannot be
// predicted. What is not in use has rank 0, which is better than none.
static inline uint32_t mr_level_side_better(const struct mr_level_side *side, uint32_t rank)
{
    uint32_t better = 0;
#pragma GCC unroll 7
    for (unsigned i = 0; i < MR_TOP_LEVELS; i++)
        better += side->top[i].rank > rank;
    return better;
}

// The one that so many are better than; the last one where all are.
static inline struct mr_ranked_level *mr_level_behind(struct mr_level_side *side, uint32_t better)
{
    return &side->top[better < MR_TOP_LEVELS ? better : MR_TOP_LEVELS - 1];
}

// One order more at this price. False: no block is free, and nothing has changed. A level that is there
// and among the best, which most are, is changed here; `better`: mr_level_side_better.
bool mr_levels_add_slow(struct mr_levels *levels, struct mr_level_side *of, uint32_t better,
                        uint32_t rank, uint32_t shares);
MR_INLINE bool mr_levels_add(struct mr_levels *levels, uint16_t locate, enum mr_side side,
                             uint32_t price, uint32_t shares)
{
    struct mr_level_side *of = mr_level_side_at(levels, locate, side);
    uint32_t rank = mr_rank_of(side, price), at = mr_level_side_better(of, rank);
    struct mr_ranked_level *level = mr_level_behind(of, at);
    if ((level->rank != rank) | (level->orders == 0))
        return mr_levels_add_slow(levels, of, at, rank, shares);
    mr_touch(&levels->touch, level, sizeof *level);
    level->orders++;
    level->shares += shares;
    return true;
}
// `shares` fewer at this price, where orders stand with at least as many; `order_gone`: also one
// order fewer. The level goes with its last order.
void mr_levels_reduce_slow(struct mr_levels *levels, struct mr_level_side *of, uint32_t better,
                           uint32_t rank, uint32_t shares, bool order_gone);
MR_INLINE void mr_levels_reduce(struct mr_levels *levels, uint16_t locate, enum mr_side side,
                                uint32_t price, uint32_t shares, bool order_gone)
{
    struct mr_level_side *of = mr_level_side_at(levels, locate, side);
    uint32_t rank = mr_rank_of(side, price), at = mr_level_side_better(of, rank);
    struct mr_ranked_level *level = mr_level_behind(of, at);
    if ((level->rank != rank) | (level->orders <= order_gone)) {
        mr_levels_reduce_slow(levels, of, at, rank, shares, order_gone);
        return;
    }
    mr_touch(&levels->touch, level, sizeof *level);
    level->orders -= order_gone;
    level->shares -= shares;
}
// Read once, by whoever relies on it.
static inline uint32_t mr_level_side_count(const struct mr_level_side *side)
{
    uint32_t count = mr_load_relaxed_u32(&side->count);
    if (MR_UNLIKELY(count > MR_TOP_LEVELS))
        mr_state_damaged("the number of a side's best levels", count);
    return count;
}
// The best level, as it stands; all zero where the side is empty.
static inline const struct mr_ranked_level *mr_levels_front(const struct mr_levels *levels,
                                                            uint16_t locate, enum mr_side side)
{
    return &mr_level_side_at(levels, locate, side)->top[0];
}
// The best level; false: the side is empty, and *out is zero.
static inline bool mr_levels_best(const struct mr_levels *levels, uint16_t locate,
                                  enum mr_side side, struct mr_level *out)
{
    const struct mr_level_side *of = mr_level_side_at(levels, locate, side);
    *out = of->count > 0 ? mr_level_of(side, &of->top[0]) : (struct mr_level){0};
    return of->count > 0;
}
// For callers who know what comes next. The first starts fetching the best levels of a side, the second,
// once they are there, what the side has of this price beyond the best three.
static inline void mr_levels_prefetch(const struct mr_levels *levels, uint16_t locate,
                                      enum mr_side side)
{
    __builtin_prefetch(mr_level_side_at(levels, locate, side), 1);
}
void mr_levels_prefetch_deep(const struct mr_levels *levels, uint16_t locate, enum mr_side side,
                             uint32_t price);
// Up to `count` levels from the best on; returns how many there are of them.
unsigned mr_levels_top(const struct mr_levels *levels, uint16_t locate, enum mr_side side,
                       struct mr_level *out, unsigned count);

#endif
