// SPDX-License-Identifier: Apache-2.0
// The order books behind a synthetic session: every live order, its place in its price level, and
// the best prices, so that messages only say what an exchange could say.
//
// Both sides use one code: a price in cents becomes a `rank`, higher is better (bids: the price;
// asks: its negative). The book is crossed where the ranks of both best prices add up to 0 or more.
// A side keeps a window of MR_BOOK_LEVELS ranks; two ranks that far apart share a slot, and the one
// that is there goes first.
#ifndef MR_GEN_BOOKS_H
#define MR_GEN_BOOKS_H

#include "core/error.h"
#include "gen/random.h"

#define MR_BOOK_LEVELS 64 // a power of two
#define MR_BOOK_NO_ORDER UINT32_MAX
#define MR_BOOK_NO_RANK INT32_MIN

#define MR_BOOKS_DRAWN 8 // a power of two

enum mr_book_side { MR_BOOK_BID, MR_BOOK_ASK };

struct mr_book_order {
    uint64_t ref;
    uint32_t shares;
    int32_t rank;
    uint32_t next, prev; // in its level, oldest first; next: also the chain of free slots
    uint32_t live_at;    // in books->live
    uint16_t stock;
    uint8_t side;
};

struct mr_book_level {
    int32_t rank;
    uint32_t first, last;
};

struct mr_book_stock {
    char symbol[8];
    int32_t best[2];    // MR_BOOK_NO_RANK: no order on that side
    int32_t last_cents; // of the last trade
    uint8_t pressure;   // the side whose orders are being executed
    struct mr_book_level levels[2][MR_BOOK_LEVELS];
};

struct mr_books {
    struct mr_book_stock *stocks; // stock i has locate number i + 1
    uint32_t stock_count;
    struct mr_book_order *orders;
    uint32_t order_count_max;
    uint32_t free_first;
    uint32_t *live; // slots of the live orders, in no order
    uint32_t live_count;
    // Orders drawn ahead of their turn, so that their memory is on its way when it comes.
    uint32_t drawn[MR_BOOKS_DRAWN];
    unsigned drawn_at;
};

int mr_books_open(struct mr_books *books, uint32_t stock_count, uint32_t order_count_max,
                  struct mr_error *err);
void mr_books_close(struct mr_books *books);

static inline int32_t mr_book_rank(enum mr_book_side side, int32_t cents)
{
    return side == MR_BOOK_BID ? cents : -cents;
}
static inline int32_t mr_book_cents(const struct mr_book_order *order)
{
    return order->side == MR_BOOK_BID ? order->rank : -order->rank;
}

// The order that must go before one of that rank can come, or MR_BOOK_NO_ORDER.
uint32_t mr_books_blocker(const struct mr_books *books, uint16_t stock, uint8_t side, int32_t rank);
// Appends an order to its level; its slot. There is no blocker, and a free slot.
uint32_t mr_books_add(struct mr_books *books, const struct mr_book_order *order);
void mr_books_remove(struct mr_books *books, uint32_t slot);
// The oldest order at the best price of a side, or MR_BOOK_NO_ORDER.
uint32_t mr_books_first_at_best(const struct mr_books *books, uint16_t stock, uint8_t side);
// Any live order; there is one.
uint32_t mr_books_any(struct mr_books *books, struct mr_random *random);

#endif
