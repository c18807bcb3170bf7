// SPDX-License-Identifier: Apache-2.0
// The order book of every symbol of a feed, order by order (L3).
//
// A book is one block of memory of a fixed size, without pointers, that may live in shared memory:
// the orders by reference (order_table.h) and the price levels by symbol and side (price_levels.h).
// Symbols are the feed's locate numbers, 0 to 65,535. Every change goes through a touch (touch.h)
// first, so that whoever keeps the old bytes can undo it exactly.
//
//     uint64_t bytes = mr_book_bytes(&limits);
//     struct mr_book book;
//     mr_book_attach(&book, memory, &limits, MR_TOUCH_NONE);   // memory: zeroed, 64-byte aligned
//     struct mr_order fresh = {.ref = 7, .locate = 1, .side = MR_SIDE_BUY, .price = 10000, .shares = 5};
//     mr_book_add(&book, &fresh);
//     const struct mr_order *order = mr_book_find(&book, 7);
//     if (order != NULL) mr_book_reduce(&book, order, 5, &before);
//
// The book never guesses. What cannot be is answered with what is wrong, and changes as little as
// is said at each operation.
#ifndef MR_CONSUMERS_TRANSFORM_BOOK_H
#define MR_CONSUMERS_TRANSFORM_BOOK_H

#include "consumers/transform/order_table.h"
#include "consumers/transform/price_levels.h"

enum mr_book_answer {
    MR_BOOK_DONE,
    MR_BOOK_DUPLICATE, // an order with this reference is already there: nothing changed
    MR_BOOK_OVERFILL,  // more shares to go than the order has: it is gone
    MR_BOOK_FULL,      // orders_max or levels_max reached: the new order is not in the book
};

#define MR_BOOK_COMING 32 // a power of two
struct mr_book_limits {
    uint32_t orders_max; // 1 to MR_ORDER_TABLE_MAX
    uint32_t levels_max; // 1 to MR_LEVELS_MAX; see mr_levels_bytes
};

struct mr_book_coming {
    uint64_t ref;
    uint32_t price; // of an add; of the others once their order has arrived
    uint16_t locate;
    uint8_t side; // likewise
};

struct mr_book {
    struct mr_order_table orders;
    struct mr_levels levels;
    struct mr_book_coming coming[MR_BOOK_COMING]; // the last operations foreseen
    uint32_t foreseen;
};

uint64_t mr_book_bytes(const struct mr_book_limits *limits);
void mr_book_attach(struct mr_book *book, void *memory, const struct mr_book_limits *limits,
                    struct mr_touch touch);

// The order, or NULL. Valid until the next change.
static inline const struct mr_order *mr_book_find(const struct mr_book *book, uint64_t ref)
{
    const struct mr_order *seat = mr_order_seat(&book->orders, ref);
    return mr_order_is_seated(seat) ? seat : NULL;
}
// DONE, DUPLICATE, FULL.
enum mr_book_answer mr_book_add(struct mr_book *book, const struct mr_order *order);
// Of these, `order` is what mr_book_find has given, nothing changed since; `before`: as it stood.
// Takes shares off the order (an execution, a partial cancel); the order goes with its last share.
// DONE, OVERFILL.
enum mr_book_answer mr_book_reduce(struct mr_book *book, const struct mr_order *order,
                                   uint32_t shares, struct mr_order *before);
void mr_book_remove(struct mr_book *book, const struct mr_order *order, struct mr_order *before);
// A new order of the same symbol and side in place of the old one, at the end of its price's queue.
// DONE; DUPLICATE (another order has the new reference) and FULL: the old order is gone all the same.
enum mr_book_answer mr_book_replace(struct mr_book *book, const struct mr_order *order,
                                    uint64_t new_ref, uint32_t price, uint32_t shares,
                                    struct mr_order *before);
// The best level; false: the side is empty, and *out is zero.
static inline bool mr_book_best(const struct mr_book *book, uint16_t locate, enum mr_side side,
                                struct mr_level *out)
{
    return mr_levels_best(&book->levels, locate, side, out);
}

// Starts fetching what the operation will ask for, in three steps that need each other: the order, its
// side of the symbol, its level. Each call takes the next step of those one and two steps before it, too:
// so operations are to be foreseen in their order, MR_BOOK_FORESIGHT or more before their turn. A hint:
// nothing depends on it, whatever is foreseen and never comes.
#define MR_BOOK_STEP 4
#define MR_BOOK_FORESIGHT (3 * MR_BOOK_STEP)
_Static_assert(2 * MR_BOOK_STEP < MR_BOOK_COMING, "the first step is not forgotten by the last");

// `coming`: side and price are those of an add's order, of others anything. Which it is cannot be predicted, so
// nothing here is a branch. Field by field: a copy in larger pieces would wait until the smaller ones that it was
// made of are in the cache.
static inline void mr_book_foresee(struct mr_book *book, const struct mr_book_coming *coming)
{
    uint32_t now = book->foreseen++;
    struct mr_book_coming *kept = &book->coming[now % MR_BOOK_COMING];
    kept->ref = coming->ref;
    kept->price = coming->price;
    kept->locate = coming->locate;
    kept->side = coming->side;
    mr_order_prefetch(&book->orders, coming->ref);
    // The order has arrived, where there is one: its side and price are known.
    struct mr_book_coming *next = &book->coming[(now - MR_BOOK_STEP) % MR_BOOK_COMING];
    const struct mr_order *order = mr_order_at_home(&book->orders, next->ref);
    uint32_t known = -(uint32_t)(order->ref == next->ref);
    next->side ^= (uint8_t)((next->side ^ order->side) & known);
    next->price ^= (next->price ^ order->price) & known;
    mr_levels_prefetch(&book->levels, next->locate, next->side);
    next = &book->coming[(now - 2 * MR_BOOK_STEP) % MR_BOOK_COMING];
    mr_levels_prefetch_deep(&book->levels, next->locate, next->side, next->price);
}
// Besides, of a replace: the new order.
static inline void mr_book_foresee_new(const struct mr_book *book, uint64_t new_ref)
{
    mr_order_prefetch(&book->orders, new_ref);
}

static inline uint64_t mr_book_orders_live(const struct mr_book *book)
{
    return book->orders.head->live;
}
static inline uint64_t mr_book_levels_live(const struct mr_book *book)
{
    return book->levels.head->live;
}

#endif
