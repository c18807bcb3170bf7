// SPDX-License-Identifier: Apache-2.0
#include "consumers/transform/order_table.h"

#define FIBONACCI 0x9E3779B97F4A7C15ULL // 2^64 / golden ratio

// A quarter of the places more than are used at most, and one bucket in any case.
static uint64_t bucket_count(uint32_t orders_max)
{
    uint64_t places = (uint64_t)orders_max + orders_max / 3 + 1;
    return (places + MR_BUCKET_ORDERS - 1) / MR_BUCKET_ORDERS;
}

uint64_t mr_order_table_bytes(uint32_t orders_max)
{
    return sizeof(struct mr_order_table_head) +
           bucket_count(orders_max) * sizeof(struct mr_order_bucket);
}

void mr_order_table_attach(struct mr_order_table *table, void *block, uint32_t orders_max,
                           struct mr_touch touch)
{
    table->head = block;
    table->buckets = (struct mr_order_bucket *)(void *)(table->head + 1);
    table->bucket_count = bucket_count(orders_max);
    table->orders_max = orders_max;
    table->touch = touch;
}

// The upper half of the hash, scaled to the number of buckets.
static inline uint64_t home(const struct mr_order_table *table, uint64_t ref)
{
    return (ref * FIBONACCI >> 32) * table->bucket_count >> 32;
}

static inline uint64_t next_bucket(const struct mr_order_table *table, uint64_t at)
{
    return at + 1 < table->bucket_count ? at + 1 : 0;
}

void mr_order_prefetch(const struct mr_order_table *table, uint64_t ref)
{
    __builtin_prefetch(&table->buckets[home(table, ref)], 1);
}

static struct mr_order *find_empty(struct mr_order_bucket *bucket)
{
    for (unsigned i = 0; i < MR_BUCKET_ORDERS; i++)
        if (!mr_order_is_seated(&bucket->orders[i]))
            return &bucket->orders[i];
    return NULL;
}

static struct mr_order *find_order(struct mr_order_bucket *bucket, uint64_t ref)
{
    for (unsigned i = 0; i < MR_BUCKET_ORDERS; i++)
        if (bucket->orders[i].ref == ref && mr_order_is_seated(&bucket->orders[i]))
            return &bucket->orders[i];
    return NULL;
}

struct mr_order *mr_order_seat(const struct mr_order_table *table, uint64_t ref)
{
    uint64_t first = home(table, ref), at = first;
    struct mr_order *found, *empty = NULL;
    do {
        struct mr_order_bucket *bucket = &table->buckets[at];
        if ((found = find_order(bucket, ref)) != NULL)
            return found;
        if (empty == NULL)
            empty = find_empty(bucket);
        if (bucket->pushed == 0 && empty != NULL)
            break;
        at = next_bucket(table, at);
    } while (at != first);
    return empty; // a quarter of the places is
}

static void count_live(struct mr_order_table *table, uint64_t live)
{
    mr_touch(&table->touch, &table->head->live, sizeof table->head->live);
    table->head->live = live;
}

// An order comes to stand at `seat` (by 1) or goes (by -1): the buckets that pushed it on know.
static void count_pushed(struct mr_order_table *table, uint64_t ref, const struct mr_order *seat,
                         uint32_t by)
{
    uint64_t stands_in =
        (uint64_t)((const uint8_t *)seat - (const uint8_t *)table->buckets) / MR_CACHE_LINE;
    for (uint64_t at = home(table, ref); at != stands_in; at = next_bucket(table, at)) {
        mr_touch(&table->touch, &table->buckets[at].pushed, sizeof table->buckets[at].pushed);
        table->buckets[at].pushed += by;
    }
}

bool mr_order_insert(struct mr_order_table *table, struct mr_order *seat,
                     const struct mr_order *order)
{
    if (table->head->live >= table->orders_max)
        return false;
    count_pushed(table, order->ref, seat, 1);
    mr_touch(&table->touch, seat, sizeof *seat);
    *seat = *order;
    count_live(table, table->head->live + 1);
    return true;
}

void mr_order_erase(struct mr_order_table *table, struct mr_order *seat)
{
    count_pushed(table, seat->ref, seat, UINT32_MAX);
    mr_touch(&table->touch, seat, sizeof *seat);
    *seat = (struct mr_order){0};
    count_live(table, table->head->live - 1);
}
