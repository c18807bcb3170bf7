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

// The messages about orders, and trades, begin as an add does (core/market.h): locate, order_ref and
// symbol can be read of each as of this, shares and price of those that have them.
typedef const struct mr_order_add *mr_order_message;

// The locate and symbol are the message's; each counts, and emits where its option says so.
void mr_book_report_alert(struct mr_op *op, mr_order_message m, enum mr_alert_kind kind,
                          unsigned counter, uint64_t ref);
void mr_book_report_trade(struct mr_op *op, mr_order_message m, char side, uint32_t price,
                          uint64_t match_number);
void mr_book_report_cross(struct mr_op *op, const struct mr_cross_trade *q);
void mr_book_report_quote(struct mr_op *op, mr_order_message m, const struct mr_level *bid,
                          const struct mr_level *ask);
// Both sides have orders, and the bid is at or above the offer.
bool mr_book_is_crossed(const struct mr_level *bid, const struct mr_level *ask);

#endif
