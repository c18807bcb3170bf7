// SPDX-License-Identifier: Apache-2.0
// Price levels of every symbol and side: price, number of orders, shares in all; best first.
//
// A side is a chain of blocks; the first block holds the best prices, and inside a block the best
// stands last. So the best price is where two loads find it, most changes (near the best) move a
// few entries of one cache line or two, and no change moves more than a block, which bounds what a
// rollback costs. A full block splits in two; neighbours that have become thin are joined; a block
// left empty goes back to the pool. All blocks are of one size, so the pool cannot fragment.
//
//     side[locate, buy] ──▶ block 7: [.. 9.97 9.98 10.01] ──▶ block 3: [.. 9.80 9.95] ──▶ none
//                                              best ▲
#ifndef MR_CONSUMERS_TRANSFORM_PRICE_LEVELS_H
#define MR_CONSUMERS_TRANSFORM_PRICE_LEVELS_H

#include "consumers/transform/order_table.h"

#define MR_LOCATES 65536 // symbols are numbered by u16

struct mr_level {
    uint32_t price;
    uint32_t orders;
    uint64_t shares;
};

struct mr_level_block;
struct mr_level_side;

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
};

#define MR_LEVELS_MAX (1u << 23)

// Bytes of memory for `levels_max` levels, 1 to MR_LEVELS_MAX. They are kept in blocks of up to 31
// levels of one side, and there is one block for every 8 of levels_max: a side with fewer levels
// counts as 8.
uint64_t mr_levels_bytes(uint32_t levels_max);
void mr_levels_attach(struct mr_levels *levels, void *memory, uint32_t levels_max,
                      struct mr_touch touch);

// One order more at this price. False: no block is free, and nothing has changed.
bool mr_levels_add(struct mr_levels *levels, uint16_t locate, enum mr_side side, uint32_t price,
                   uint32_t shares);
// `shares` fewer at this price, where orders stand with at least as many; `order_gone`: also one
// order fewer. The level goes with its last order.
void mr_levels_reduce(struct mr_levels *levels, uint16_t locate, enum mr_side side, uint32_t price,
                      uint32_t shares, bool order_gone);
// Up to `count` levels from the best on; returns how many there are of them.
unsigned mr_levels_top(const struct mr_levels *levels, uint16_t locate, enum mr_side side,
                       struct mr_level *out, unsigned count);

#endif
