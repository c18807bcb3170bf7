// SPDX-License-Identifier: Apache-2.0
// Orders by their reference number: a fixed-size hash table in one block of memory.
//
// Open addressing with linear probing; a removal shifts later entries back, so there are no
// tombstones and lookups stay short however long the session. At most three quarters of the slots
// are used. References are handed out in rising order and most orders die young, so runs of 64
// references share a stretch of slots (one Fibonacci hash for the run, the low bits inside it):
// orders that are used together stand in the same cache lines and pages.
//
//     struct mr_order *seat = mr_order_seat(&table, ref);
//     if (mr_order_is_seated(seat)) ... the order, until the next erase ...
//     else mr_order_insert(&table, seat, &order);                  // false: orders_max is reached
#ifndef MR_CONSUMERS_TRANSFORM_ORDER_TABLE_H
#define MR_CONSUMERS_TRANSFORM_ORDER_TABLE_H

#include "consumers/transform/touch.h"

enum mr_side { MR_SIDE_NONE, MR_SIDE_BUY, MR_SIDE_SELL };

struct mr_order {
    uint64_t ref;
    uint32_t price; // 1/10,000
    uint32_t shares;
    uint16_t locate;
    uint8_t side; // never 0 in a used slot
    uint8_t reserved[5];
};
_Static_assert(sizeof(struct mr_order) == 24, "order slot");

struct mr_order_table_head { // first line of the block
    uint64_t live;
    uint64_t reserved[7];
};
_Static_assert(sizeof(struct mr_order_table_head) == MR_CACHE_LINE, "table head");

struct mr_order_table { // the process's view of the block
    struct mr_order_table_head *head;
    struct mr_order *slots;
    uint64_t mask;
    unsigned shift;
    uint32_t orders_max;
    struct mr_touch touch;
};

#define MR_ORDER_TABLE_MAX (1u << 26)

// Bytes of the block for `orders_max` orders, 1 to MR_ORDER_TABLE_MAX.
uint64_t mr_order_table_bytes(uint32_t orders_max);
// `block`: aligned to a cache line; zeroed, or as an earlier process left it.
void mr_order_table_attach(struct mr_order_table *table, void *block, uint32_t orders_max,
                           struct mr_touch touch);

// Where the order stands, or else the empty slot where it would.
struct mr_order *mr_order_seat(const struct mr_order_table *table, uint64_t ref);
static inline bool mr_order_is_seated(const struct mr_order *seat)
{
    return seat->side != MR_SIDE_NONE;
}
// `seat`: from mr_order_seat, empty, nothing inserted or erased since.
bool mr_order_insert(struct mr_order_table *table, struct mr_order *seat,
                     const struct mr_order *order);
void mr_order_erase(struct mr_order_table *table, struct mr_order *seat);
// Starts fetching the order's cache line; for callers who know what comes next.
void mr_order_prefetch(const struct mr_order_table *table, uint64_t ref);

#endif
