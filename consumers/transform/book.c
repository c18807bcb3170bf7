// SPDX-License-Identifier: Apache-2.0
#include "consumers/transform/book.h"

#include <string.h>

uint64_t mr_book_bytes(const struct mr_book_limits *limits)
{
    return mr_order_table_bytes(limits->orders_max) + mr_levels_bytes(limits->levels_max);
}

void mr_book_attach(struct mr_book *book, void *memory, const struct mr_book_limits *limits,
                    struct mr_touch touch)
{
    uint8_t *bytes = memory;
    mr_order_table_attach(&book->orders, bytes, limits->orders_max, touch);
    mr_levels_attach(&book->levels, bytes + mr_order_table_bytes(limits->orders_max),
                     limits->levels_max, touch);
    memset(book->coming, 0, sizeof book->coming);
    book->foreseen = 0;
}

enum mr_book_answer mr_book_add(struct mr_book *book, const struct mr_order *order)
{
    struct mr_order *seat = mr_order_seat_new(&book->orders, order->ref);
    if (mr_order_is_seated(seat))
        return MR_BOOK_DUPLICATE;
    // The level first: it is the only part that can fail with the table not yet full.
    if (mr_order_table_is_full(&book->orders) ||
        !mr_levels_add(&book->levels, order->locate, order->side, order->price, order->shares))
        return MR_BOOK_FULL;
    mr_order_insert(&book->orders, seat, order);
    return MR_BOOK_DONE;
}

static void take_out(struct mr_book *book, struct mr_order *seat)
{
    mr_levels_reduce(&book->levels, seat->locate, seat->side, seat->price, seat->shares, true);
    mr_order_erase(&book->orders, seat);
}

static struct mr_order *seat_of(const struct mr_order *order)
{
    return (struct mr_order *)(uintptr_t)order; // the book's own: only it may change it
}

enum mr_book_answer mr_book_reduce(struct mr_book *book, const struct mr_order *order,
                                   uint32_t shares, struct mr_order *before)
{
    struct mr_order *seat = seat_of(order);
    *before = *seat;
    if (shares >= seat->shares) {
        take_out(book, seat);
        return shares > before->shares ? MR_BOOK_OVERFILL : MR_BOOK_DONE;
    }
    mr_levels_reduce(&book->levels, seat->locate, seat->side, seat->price, shares, false);
    mr_touch(&book->orders.touch, seat, sizeof *seat);
    seat->shares -= shares;
    return MR_BOOK_DONE;
}

void mr_book_remove(struct mr_book *book, const struct mr_order *order, struct mr_order *before)
{
    *before = *order;
    take_out(book, seat_of(order));
}

enum mr_book_answer mr_book_replace(struct mr_book *book, const struct mr_order *order,
                                    uint64_t new_ref, uint32_t price, uint32_t shares,
                                    struct mr_order *before)
{
    mr_book_remove(book, order, before);
    struct mr_order fresh = *before;
    fresh.ref = new_ref;
    fresh.price = price;
    fresh.shares = shares;
    return mr_book_add(book, &fresh);
}
