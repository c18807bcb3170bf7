// SPDX-License-Identifier: Apache-2.0
#include "consumers/transform/order_table.h"

#define RUN_BITS 6 // references that share a stretch of slots, as a power of two
#define SLOTS_MIN (1ULL << RUN_BITS)
#define FIBONACCI 0x9E3779B97F4A7C15ULL // 2^64 / golden ratio

static uint64_t slot_count(uint32_t orders_max)
{
    uint64_t wanted = (uint64_t)orders_max + orders_max / 3 + 1;
    uint64_t slots = SLOTS_MIN * 2;
    while (slots < wanted)
        slots *= 2;
    return slots;
}

uint64_t mr_order_table_bytes(uint32_t orders_max)
{
    uint64_t slots_bytes = slot_count(orders_max) * sizeof(struct mr_order);
    return sizeof(struct mr_order_table_head) + mr_align_up(slots_bytes, MR_CACHE_LINE);
}

void mr_order_table_attach(struct mr_order_table *table, void *block, uint32_t orders_max,
                           struct mr_touch touch)
{
    uint64_t slots = slot_count(orders_max);
    table->head = block;
    table->slots = (struct mr_order *)(void *)(table->head + 1);
    table->mask = slots - 1;
    table->shift = 64 - (unsigned)__builtin_ctzll(slots) + RUN_BITS;
    table->orders_max = orders_max;
    table->touch = touch;
}

static inline uint64_t home(const struct mr_order_table *table, uint64_t ref)
{
    uint64_t run = (ref >> RUN_BITS) * FIBONACCI >> table->shift;
    return run << RUN_BITS | (ref & (SLOTS_MIN - 1));
}

void mr_order_prefetch(const struct mr_order_table *table, uint64_t ref)
{
    __builtin_prefetch(&table->slots[home(table, ref)], 1);
}

struct mr_order *mr_order_seat(const struct mr_order_table *table, uint64_t ref)
{
    uint64_t at = home(table, ref);
    // Ends: a quarter of the slots is empty.
    while (mr_order_is_seated(&table->slots[at]) && table->slots[at].ref != ref)
        at = (at + 1) & table->mask;
    return &table->slots[at];
}

static void count_live(struct mr_order_table *table, uint64_t live)
{
    mr_touch(&table->touch, &table->head->live, sizeof table->head->live);
    table->head->live = live;
}

bool mr_order_insert(struct mr_order_table *table, struct mr_order *seat,
                     const struct mr_order *order)
{
    if (table->head->live >= table->orders_max)
        return false;
    mr_touch(&table->touch, seat, sizeof *seat);
    *seat = *order;
    count_live(table, table->head->live + 1);
    return true;
}

// Closes the hole: an entry further along moves into it if its home is not behind the hole, and
// leaves the next hole.
void mr_order_erase(struct mr_order_table *table, struct mr_order *seat)
{
    uint64_t hole = (uint64_t)(seat - table->slots);
    uint64_t at = hole;
    for (;;) {
        at = (at + 1) & table->mask;
        const struct mr_order *next = &table->slots[at];
        if (!mr_order_is_seated(next))
            break;
        uint64_t from_home = (at - home(table, next->ref)) & table->mask;
        if (from_home < ((at - hole) & table->mask))
            continue;
        mr_touch(&table->touch, &table->slots[hole], sizeof table->slots[hole]);
        table->slots[hole] = *next;
        hole = at;
    }
    mr_touch(&table->touch, &table->slots[hole], sizeof table->slots[hole]);
    table->slots[hole] = (struct mr_order){0};
    count_live(table, table->head->live - 1);
}
