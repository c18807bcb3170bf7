// SPDX-License-Identifier: Apache-2.0
// Orders by their reference number: a fixed-size hash table in one block of memory.
//
// A bucket is one cache line: three orders, and how many orders that belong here stand in a later
// bucket because this one was full. A lookup ends at the first bucket that nothing was pushed out
// of; a removal touches the order's own line only, leaves no tombstone and moves nothing. At most
// three quarters of the places are used, and the hash (Fibonacci's, of rising references) spreads
// them so evenly that almost every order stands in its first bucket: one line of memory an order.
//
//     byte 0       20       40       60       64
//          +--------+--------+--------+--------+
//          | order  | order  | order  | pushed |
//          +--------+--------+--------+--------+
//
//     struct mr_order *seat = mr_order_seat(&table, ref);
//     if (mr_order_is_seated(seat)) ... the order, until the next erase ...
//     else if (!mr_order_table_is_full(&table)) mr_order_insert(&table, seat, &order);
#ifndef MR_CONSUMERS_TRANSFORM_ORDER_TABLE_H
#define MR_CONSUMERS_TRANSFORM_ORDER_TABLE_H

#include "consumers/transform/touch.h"

enum mr_side { MR_SIDE_NONE, MR_SIDE_BUY, MR_SIDE_SELL };

// Aligned to 4, so that three fit a cache line.
struct __attribute__((packed, aligned(4))) mr_order {
    uint64_t ref;
    uint32_t price; // 1/10,000
    uint32_t shares;
    uint16_t locate;
    uint8_t side; // never 0 in a used place
    uint8_t reserved;
};
_Static_assert(sizeof(struct mr_order) == 20, "order");

#define MR_BUCKET_ORDERS 3
struct mr_order_bucket {
    struct mr_order orders[MR_BUCKET_ORDERS];
    uint32_t pushed; // orders with a home here or before that stand behind this bucket
};
_Static_assert(sizeof(struct mr_order_bucket) == MR_CACHE_LINE, "a bucket is a cache line");

struct mr_order_table_head { // first line of the block
    uint64_t live;
    uint64_t reserved[7];
};
_Static_assert(sizeof(struct mr_order_table_head) == MR_CACHE_LINE, "table head");

struct mr_order_table { // the process's view of the block
    struct mr_order_table_head *head;
    struct mr_order_bucket *buckets;
    uint64_t bucket_count;
    uint32_t orders_max;
    struct mr_touch touch;
    uint64_t live_touched; // mr_touch_once
};

#define MR_ORDER_TABLE_MAX (1u << 26)

// Bytes of the block for `orders_max` orders, 1 to MR_ORDER_TABLE_MAX.
uint64_t mr_order_table_bytes(uint32_t orders_max);
// `block`: aligned to a cache line; zeroed, or as an earlier process left it.
void mr_order_table_attach(struct mr_order_table *table, void *block, uint32_t orders_max,
                           struct mr_touch touch);

static inline bool mr_order_is_seated(const struct mr_order *seat)
{
    return seat->side != MR_SIDE_NONE;
}
// The upper half of a Fibonacci hash (2^64 / golden ratio), scaled to the number of buckets.
static inline uint64_t mr_order_home(const struct mr_order_table *table, uint64_t ref)
{
    return (ref * 0x9E3779B97F4A7C15ULL >> 32) * table->bucket_count >> 32;
}
// The order, if it stands where most do; else another, or an empty place. All three are looked at, and counted
// to where it is: a branch would be guessed wrongly too often.
static inline struct mr_order *mr_order_at_home(const struct mr_order_table *table, uint64_t ref)
{
    struct mr_order *orders = table->buckets[mr_order_home(table, ref)].orders;
    uint64_t third = orders[2].ref == ref, second = (orders[1].ref == ref) & !third;
    return orders + second + third * 2;
}
// Where the order stands, or else the empty place where it would.
struct mr_order *mr_order_seat_slow(const struct mr_order_table *table, uint64_t ref);
static inline struct mr_order *mr_order_seat(const struct mr_order_table *table, uint64_t ref)
{
    struct mr_order *at = mr_order_at_home(table, ref);
    // An empty place has reference 0, which an order 0 could be taken for: the slow way finds it.
    bool found = (at->ref == ref) & mr_order_is_seated(at);
    return MR_LIKELY(found) ? at : mr_order_seat_slow(table, ref);
}
// The same, for an order that is probably new.
static inline struct mr_order *mr_order_seat_new(const struct mr_order_table *table, uint64_t ref)
{
    struct mr_order_bucket *bucket = &table->buckets[mr_order_home(table, ref)];
    struct mr_order *orders = bucket->orders, *empty = &orders[2];
    empty = mr_order_is_seated(&orders[1]) ? empty : &orders[1];
    empty = mr_order_is_seated(&orders[0]) ? empty : &orders[0];
    bool elsewhere = (orders[0].ref == ref) | (orders[1].ref == ref) | (orders[2].ref == ref) |
                     (bucket->pushed != 0) | mr_order_is_seated(empty);
    return MR_LIKELY(!elsewhere) ? empty : mr_order_seat_slow(table, ref);
}

// An order comes to stand at `seat` (by 1) or goes (by -1): the buckets that pushed it on know.
void mr_order_count_pushed(struct mr_order_table *table, uint64_t ref, const struct mr_order *seat,
                           uint32_t by);
static inline void mr_order_count(struct mr_order_table *table, uint64_t ref,
                                  const struct mr_order *seat, uint32_t by)
{
    const struct mr_order_bucket *home = &table->buckets[mr_order_home(table, ref)];
    if (MR_UNLIKELY((uintptr_t)seat - (uintptr_t)home >= sizeof *home))
        mr_order_count_pushed(table, ref, seat, by);
    mr_touch_once(&table->touch, &table->live_touched, &table->head->live,
                  sizeof table->head->live);
    table->head->live += (uint64_t)(int32_t)by;
}
static inline bool mr_order_table_is_full(const struct mr_order_table *table)
{
    return table->head->live >= table->orders_max;
}
// `seat`: from mr_order_seat of this order's reference, empty, nothing inserted or erased since; the table
// is not full.
static inline void mr_order_insert(struct mr_order_table *table, struct mr_order *seat,
                                   const struct mr_order *order)
{
    mr_order_count(table, order->ref, seat, 1);
    mr_touch(&table->touch, seat, sizeof *seat);
    *seat = *order;
}
static inline void mr_order_erase(struct mr_order_table *table, struct mr_order *seat)
{
    mr_order_count(table, seat->ref, seat, UINT32_MAX);
    mr_touch(&table->touch, seat, sizeof *seat);
    *seat = (struct mr_order){0};
}
// Starts fetching the order's cache line; for callers who know what comes next.
static inline void mr_order_prefetch(const struct mr_order_table *table, uint64_t ref)
{
    __builtin_prefetch(&table->buckets[mr_order_home(table, ref)], 1);
}

#endif
