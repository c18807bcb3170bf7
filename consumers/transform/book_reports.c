// SPDX-License-Identifier: Apache-2.0
#include <string.h>

#include "consumers/transform/order_book.h"

// ---- what goes on

static struct mr_record envelope(const struct mr_record *source, uint16_t schema_id,
                                 uint32_t length)
{
    struct mr_record env = *source;
    env.length = length;
    env.checksum = 0;
    env.schema_id = schema_id;
    return env;
}

static char letter_of(mr_order_message m)
{
    static const char letters[] = "AFECXDU";
    return letters[m->env.schema_id - MR_SCHEMA_ORDER_ADD];
}

void mr_book_report_alert(struct mr_op *op, mr_order_message m, enum mr_alert_kind kind,
                          unsigned counter, uint64_t ref)
{
    struct mr_order_book *self = op->self;
    mr_op_count(op, counter, 1);
    if (!self->options->alerts)
        return;
    _Alignas(8) struct mr_book_alert out = {
        .env = envelope(&m->env, MR_SCHEMA_BOOK_ALERT, sizeof out),
        .locate = m->locate,
        .kind = (uint8_t)kind,
        .message_type = letter_of(m),
        .order_ref = ref,
    };
    if (kind == MR_ALERT_UNKNOWN_REFERENCE)
        out.env.flags |= MR_FLAG_UNKNOWN_REF;
    memcpy(out.symbol, m->symbol, sizeof out.symbol);
    mr_op_pass(op, &out.env);
}

static void report_trade(struct mr_op *op, struct mr_book_trade *trade, const char *symbol)
{
    struct mr_order_book *self = op->self;
    mr_op_count(op, MR_BOOK_COUNT_TRADES, 1);
    if (!self->options->trades)
        return;
    trade->printable = 'Y';
    memcpy(trade->symbol, symbol, sizeof trade->symbol);
    mr_op_pass(op, &trade->env);
}

void mr_book_report_trade(struct mr_op *op, mr_order_message m, char side, uint32_t price,
                          uint64_t match_number)
{
    _Alignas(8) struct mr_book_trade out = {
        .env = envelope(&m->env, MR_SCHEMA_BOOK_TRADE, sizeof out),
        .locate = m->locate,
        .side = side,
        .order_ref = m->order_ref,
        .shares = m->shares,
        .match_number = match_number,
        .price = price,
    };
    report_trade(op, &out, m->symbol);
}

void mr_book_report_cross(struct mr_op *op, const struct mr_cross_trade *q)
{
    _Alignas(8) struct mr_book_trade out = {
        .env = envelope(&q->env, MR_SCHEMA_BOOK_TRADE, sizeof out),
        .locate = q->locate,
        .side = ' ',
        .shares = q->shares,
        .match_number = q->match_number,
        .price = q->price,
    };
    report_trade(op, &out, q->symbol);
}

bool mr_book_is_crossed(const struct mr_level *bid, const struct mr_level *ask)
{
    return bid->orders > 0 && ask->orders > 0 && bid->price >= ask->price;
}

void mr_book_report_quote(struct mr_op *op, mr_order_message m, const struct mr_level *bid,
                          const struct mr_level *ask)
{
    struct mr_order_book *self = op->self;
    mr_op_count(op, MR_BOOK_COUNT_QUOTES, 1);
    if (!self->options->quotes)
        return;
    _Alignas(8) struct mr_best_quote out = {
        .env = envelope(&m->env, MR_SCHEMA_BEST_QUOTE, sizeof out),
        .locate = m->locate,
        .bid_price = bid->price,
        .ask_price = ask->price,
        .bid_shares = bid->shares,
        .ask_shares = ask->shares,
        .bid_orders = bid->orders,
        .ask_orders = ask->orders,
    };
    if (mr_book_is_crossed(bid, ask))
        out.env.flags |= MR_FLAG_CROSSED;
    memcpy(out.symbol, m->symbol, sizeof out.symbol);
    mr_op_pass(op, &out.env);
}
