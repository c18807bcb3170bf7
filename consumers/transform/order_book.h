// SPDX-License-Identifier: Apache-2.0
// What the operator order_book (order_book.c) shares between its files: its own memory, the message
// at hand, and the records that it makes of one (book_reports.c).
#ifndef MR_CONSUMERS_TRANSFORM_ORDER_BOOK_H
#define MR_CONSUMERS_TRANSFORM_ORDER_BOOK_H

#include "consumers/transform/book.h"
#include "consumers/transform/operator.h"
#include "core/market.h"

struct mr_book_options {
    bool pass, quotes, trades, alerts;
    int64_t orders_max, levels_max, unknown_max;
};

struct mr_order_book { // op->self
    const struct mr_book_options *options;
    struct mr_book book;
    struct mr_order_table absent; // orders heard of that are not in the book; `side`: why
};

enum mr_book_counter {
    MR_BOOK_COUNT_UNKNOWN_REFERENCE,
    MR_BOOK_COUNT_UNKNOWN_ORDERS,
    MR_BOOK_COUNT_UNTRACKED_REFERENCE,
    MR_BOOK_COUNT_UNKNOWN_FULL,
    MR_BOOK_COUNT_CROSSED,
    MR_BOOK_COUNT_OVERFILL,
    MR_BOOK_COUNT_DUPLICATE_REFERENCE,
    MR_BOOK_COUNT_FULL,
    MR_BOOK_COUNT_QUOTES,
    MR_BOOK_COUNT_TRADES,
    MR_BOOK_COUNT_ORDERS_LIVE,
    MR_BOOK_COUNT_LEVELS_LIVE,
};

// Every message about an order, as the book needs it: they share one layout (core/market.h).
struct mr_order_message {
    const struct mr_record *env;
    uint16_t locate;
    char letter; // of the message type
    uint64_t ref;
    const char *symbol;
    uint32_t shares;
    uint32_t price;
};

// The locate and symbol are the message's; each counts, and emits where its option says so.
void mr_book_report_alert(struct mr_op *op, const struct mr_order_message *m,
                          enum mr_alert_kind kind, unsigned counter, uint64_t ref);
void mr_book_report_trade(struct mr_op *op, const struct mr_order_message *m, char side,
                          uint64_t shares, uint32_t price, uint64_t match_number);
void mr_book_report_quote(struct mr_op *op, const struct mr_order_message *m,
                          const struct mr_level *bid, const struct mr_level *ask);
// Both sides have orders, and the bid is at or above the offer.
bool mr_book_is_crossed(const struct mr_level *bid, const struct mr_level *ask);

#endif
