// SPDX-License-Identifier: Apache-2.0
#include "gen/books.h"

#include <stdlib.h>

static const struct mr_book_level empty_level = {MR_BOOK_NO_RANK, MR_BOOK_NO_ORDER,
                                                 MR_BOOK_NO_ORDER};

static void clear_stock(struct mr_book_stock *stock)
{
    for (unsigned side = 0; side < 2; side++) {
        stock->best[side] = MR_BOOK_NO_RANK;
        for (unsigned i = 0; i < MR_BOOK_LEVELS; i++)
            stock->levels[side][i] = empty_level;
    }
}

int mr_books_open(struct mr_books *books, uint32_t stock_count, uint32_t order_count_max,
                  struct mr_error *err)
{
    *books = (struct mr_books){.stock_count = stock_count, .order_count_max = order_count_max};
    books->stocks = calloc(stock_count, sizeof *books->stocks);
    books->orders = calloc(order_count_max, sizeof *books->orders);
    books->live = calloc(order_count_max, sizeof *books->live);
    if (!books->stocks || !books->orders || !books->live) {
        mr_books_close(books);
        return mr_fail(err, MR_ERR_MEMORY, "no memory for %u stocks with %u live orders",
                       stock_count, order_count_max);
    }
    for (uint32_t i = 0; i < stock_count; i++)
        clear_stock(&books->stocks[i]);
    for (uint32_t i = 0; i < order_count_max; i++)
        books->orders[i].next = i + 1 < order_count_max ? i + 1 : MR_BOOK_NO_ORDER;
    return MR_OK;
}

void mr_books_close(struct mr_books *books)
{
    free(books->stocks);
    free(books->orders);
    free(books->live);
    *books = (struct mr_books){0};
}

static struct mr_book_level *level_of(const struct mr_books *books, uint16_t stock, uint8_t side,
                                      int32_t rank)
{
    return &books->stocks[stock].levels[side][(uint32_t)rank % MR_BOOK_LEVELS];
}

uint32_t mr_books_blocker(const struct mr_books *books, uint16_t stock, uint8_t side, int32_t rank)
{
    const struct mr_book_level *level = level_of(books, stock, side, rank);
    return level->rank == rank ? MR_BOOK_NO_ORDER : level->first;
}

uint32_t mr_books_add(struct mr_books *books, const struct mr_book_order *order)
{
    struct mr_book_stock *stock = &books->stocks[order->stock];
    struct mr_book_level *level = level_of(books, order->stock, order->side, order->rank);
    uint32_t slot = books->free_first;
    struct mr_book_order *added = &books->orders[slot];
    books->free_first = added->next;
    *added = *order;
    added->next = MR_BOOK_NO_ORDER;
    added->prev = level->last;
    added->live_at = books->live_count;
    books->live[books->live_count++] = slot;
    if (level->last == MR_BOOK_NO_ORDER)
        level->first = slot;
    else
        books->orders[level->last].next = slot;
    level->last = slot;
    level->rank = order->rank;
    if (order->rank > stock->best[order->side])
        stock->best[order->side] = order->rank;
    return slot;
}

// The best rank after the level of `was` ran empty. Near ranks are tried first; where none of them
// has orders, every level is looked at.
static int32_t next_best(const struct mr_book_stock *stock, uint8_t side, int32_t was)
{
    const struct mr_book_level *levels = stock->levels[side];
    for (int32_t rank = was - 1; rank > was - MR_BOOK_LEVELS; rank--)
        if (levels[(uint32_t)rank % MR_BOOK_LEVELS].rank == rank)
            return rank;
    int32_t best = MR_BOOK_NO_RANK;
    for (unsigned i = 0; i < MR_BOOK_LEVELS; i++)
        if (levels[i].rank > best)
            best = levels[i].rank;
    return best;
}

static void leave_level(struct mr_books *books, const struct mr_book_order *order)
{
    struct mr_book_stock *stock = &books->stocks[order->stock];
    struct mr_book_level *level = level_of(books, order->stock, order->side, order->rank);
    if (order->prev == MR_BOOK_NO_ORDER)
        level->first = order->next;
    else
        books->orders[order->prev].next = order->next;
    if (order->next == MR_BOOK_NO_ORDER)
        level->last = order->prev;
    else
        books->orders[order->next].prev = order->prev;
    if (level->first != MR_BOOK_NO_ORDER)
        return;
    *level = empty_level;
    if (order->rank == stock->best[order->side])
        stock->best[order->side] = next_best(stock, order->side, order->rank);
}

void mr_books_remove(struct mr_books *books, uint32_t slot)
{
    struct mr_book_order *order = &books->orders[slot];
    leave_level(books, order);
    uint32_t moved = books->live[--books->live_count];
    books->live[order->live_at] = moved;
    books->orders[moved].live_at = order->live_at;
    order->next = books->free_first;
    books->free_first = slot;
}

uint32_t mr_books_first_at_best(const struct mr_books *books, uint16_t stock, uint8_t side)
{
    int32_t best = books->stocks[stock].best[side];
    if (best == MR_BOOK_NO_RANK)
        return MR_BOOK_NO_ORDER;
    return level_of(books, stock, side, best)->first;
}

// Its neighbours in the level and the level itself: what removing it will touch.
static void prefetch_around(const struct mr_books *books, uint32_t slot)
{
    const struct mr_book_order *order = &books->orders[slot];
    __builtin_prefetch(level_of(books, order->stock, order->side, order->rank));
    if (order->next != MR_BOOK_NO_ORDER)
        __builtin_prefetch(&books->orders[order->next], 1);
    if (order->prev != MR_BOOK_NO_ORDER)
        __builtin_prefetch(&books->orders[order->prev], 1);
    __builtin_prefetch(&books->live[order->live_at], 1);
}

uint32_t mr_books_any(struct mr_books *books, struct mr_random *random)
{
    uint32_t ahead = books->live[mr_random_below(random, books->live_count)];
    uint32_t slot = books->drawn[books->drawn_at];
    __builtin_prefetch(&books->orders[ahead], 1);
    prefetch_around(books, books->drawn[(books->drawn_at + 2) % MR_BOOKS_DRAWN]);
    books->drawn[books->drawn_at] = ahead;
    books->drawn_at = (books->drawn_at + 1) % MR_BOOKS_DRAWN;
    uint32_t live_at = books->orders[slot].live_at;
    bool is_live = live_at < books->live_count && books->live[live_at] == slot;
    return is_live ? slot : ahead;
}
