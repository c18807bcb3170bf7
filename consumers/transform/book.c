// SPDX-License-Identifier: Apache-2.0
#include "consumers/transform/book.h"

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
}

const struct mr_order *mr_book_find(const struct mr_book *book, uint64_t ref)
{
    const struct mr_order *seat = mr_order_seat(&book->orders, ref);
    return mr_order_is_seated(seat) ? seat : NULL;
}

enum mr_book_answer mr_book_add(struct mr_book *book, const struct mr_order *order)
{
    struct mr_order *seat = mr_order_seat(&book->orders, order->ref);
    if (mr_order_is_seated(seat))
        return MR_BOOK_DUPLICATE;
    // The level first: it is the only part that can fail with the table not yet full.
    if (book->orders.head->live >= book->orders.orders_max ||
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

enum mr_book_answer mr_book_reduce(struct mr_book *book, uint64_t ref, uint32_t shares,
                                   struct mr_order *before)
{
    struct mr_order *seat = mr_order_seat(&book->orders, ref);
    if (!mr_order_is_seated(seat))
        return MR_BOOK_UNKNOWN;
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

enum mr_book_answer mr_book_remove(struct mr_book *book, uint64_t ref, struct mr_order *before)
{
    struct mr_order *seat = mr_order_seat(&book->orders, ref);
    if (!mr_order_is_seated(seat))
        return MR_BOOK_UNKNOWN;
    *before = *seat;
    take_out(book, seat);
    return MR_BOOK_DONE;
}

enum mr_book_answer mr_book_replace(struct mr_book *book, uint64_t ref, uint64_t new_ref,
                                    uint32_t price, uint32_t shares, struct mr_order *before)
{
    if (mr_book_remove(book, ref, before) != MR_BOOK_DONE)
        return MR_BOOK_UNKNOWN;
    struct mr_order order = *before;
    order.ref = new_ref;
    order.price = price;
    order.shares = shares;
    return mr_book_add(book, &order);
}

bool mr_book_best(const struct mr_book *book, uint16_t locate, enum mr_side side,
                  struct mr_level *out)
{
    return mr_levels_best(&book->levels, locate, side, out);
}
