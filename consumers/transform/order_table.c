// SPDX-License-Identifier: Apache-2.0
#include "consumers/transform/order_table.h"

// A quarter of the places is never used.
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
    table->live_touched = 0;
}

static inline uint64_t next_bucket(const struct mr_order_table *table, uint64_t at)
{
    return at + 1 < table->bucket_count ? at + 1 : 0;
}

static struct mr_order *find_empty(struct mr_order_bucket *bucket)
{
    for (unsigned i = 0; i < MR_BUCKET_ORDERS; i++)
        if (!mr_order_is_seated(&bucket->orders[i]))
            return &bucket->orders[i];
    return NULL;
}

static struct mr_order *find_seated(struct mr_order_bucket *bucket, uint64_t ref)
{
    for (unsigned i = 0; i < MR_BUCKET_ORDERS; i++)
        if (mr_order_is_seated(&bucket->orders[i]) && bucket->orders[i].ref == ref)
            return &bucket->orders[i];
    return NULL;
}

struct mr_order *mr_order_seat_slow(const struct mr_order_table *table, uint64_t ref)
{
    uint64_t first = mr_order_home(table, ref), at = first;
    struct mr_order *found, *empty = NULL;
    do {
        struct mr_order_bucket *bucket = &table->buckets[at];
        if ((found = find_seated(bucket, ref)) != NULL)
            return found;
        if (empty == NULL)
            empty = find_empty(bucket);
        if (bucket->pushed == 0 && empty != NULL)
            break;
        at = next_bucket(table, at);
    } while (at != first);
    if (empty == NULL) // a quarter of the places is
        mr_state_damaged("orders in all places of a table for", table->orders_max);
    return empty;
}

void mr_order_count_pushed(struct mr_order_table *table, uint64_t ref, const struct mr_order *seat,
                           uint32_t by)
{
    uint64_t at = mr_order_home(table, ref);
    const struct mr_order *end = table->buckets[at].orders + MR_BUCKET_ORDERS;
    while (seat < table->buckets[at].orders || seat >= end) {
        mr_touch(&table->touch, &table->buckets[at].pushed, sizeof table->buckets[at].pushed);
        table->buckets[at].pushed += by;
        at = next_bucket(table, at);
        end = table->buckets[at].orders + MR_BUCKET_ORDERS;
    }
}
