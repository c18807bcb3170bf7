// SPDX-License-Identifier: Apache-2.0
// order_book: keeps the book of every symbol from ITCH order messages and says what changes in it.
//
//     - order_book: {pass: false, quotes: true, trades: true, alerts: true, orders_max: 2097152}
//
// What it makes of one message, in this order, with the message's sequence, times and symbol:
//   - the message itself, with pass: true. With pass: false only gap records go on besides:
//   - book_alert where the message does not fit: unknown_reference, duplicate_reference, overfill,
//     full
//   - book_trade for E, for C where printable, for P, and for Q where shares crossed. An execution
//     of an order that is not in the book gives none (E does not say the price), or one without a
//     side (C does)
//   - best_quote where the best price of a side, its shares or its number of orders changed
//   - book_alert crossed, where the best bid has come to be at or above the best offer
//
// What does not fit changes nothing, except: an execution or cancel of more shares than the order
// has removes it; a replace removes the old order even where the new one cannot come in.
//
// Counters of messages about orders that are not in the book:
//   - unknown_reference: nothing announced the order, no add and no replace that made it
//   - unknown_orders: how many different orders these were about
//   - untracked_reference: the order was announced, but it replaced one that is not in the book (so
//     its side is not known), or it found the book full
//   - unknown_full: orders that could not be remembered, because unknown_max of them are. From then
//     on untracked ones may count as unknown_reference, and unknown_orders stands still
// An order that is gone is forgotten: a second delete of it refers to an unknown order. So does a
// message that names an order of another symbol.
#include <stdlib.h>
#include <string.h>

#include "consumers/transform/order_book.h"

enum why_absent { NEVER_ANNOUNCED = 1, NOT_TRACKED };

// clang-format off
static const char *const counters[] = { // as enum mr_book_counter
    "unknown_reference", "unknown_orders", "untracked_reference", "unknown_full", "crossed",
    "overfill", "duplicate_reference", "full", "quotes", "trades", "orders_live", "levels_live",
    NULL};
// clang-format on

static const struct mr_option options[] = {
    {"pass", MR_OPTION_BOOL, offsetof(struct mr_book_options, pass), "false",
     "the messages themselves go on, too", NULL},
    {"quotes", MR_OPTION_BOOL, offsetof(struct mr_book_options, quotes), "true",
     "emit best_quote records", NULL},
    {"trades", MR_OPTION_BOOL, offsetof(struct mr_book_options, trades), "true",
     "emit book_trade records", NULL},
    {"alerts", MR_OPTION_BOOL, offsetof(struct mr_book_options, alerts), "true",
     "emit book_alert records; they are counted in any case", NULL},
    {"orders_max", MR_OPTION_INT, offsetof(struct mr_book_options, orders_max), "2097152",
     "orders in the book at a time", NULL},
    {"levels_max", MR_OPTION_INT, offsetof(struct mr_book_options, levels_max), "262144",
     "price levels beyond the best 7 of each side, about", NULL},
    {"unknown_max", MR_OPTION_INT, offsetof(struct mr_book_options, unknown_max), "131072",
     "orders to remember that are not in the book", NULL},
    {0}};

// ---- the quote, before and after

struct watch { // one side of one symbol, as it was before the message
    const struct mr_ranked_level *front;
    struct mr_ranked_level before;
};

static inline struct watch watch(const struct mr_order_book *self, uint16_t locate,
                                 enum mr_side side)
{
    const struct mr_ranked_level *front = mr_levels_front(&self->book.levels, locate, side);
    return (struct watch){front, *front};
}

static __attribute__((noinline)) void report_change(struct mr_op *op, mr_order_message m,
                                                    enum mr_side side,
                                                    const struct mr_ranked_level *before)
{
    struct mr_order_book *self = op->self;
    struct mr_level now, other, was = {0};
    bool is_buy = side == MR_SIDE_BUY;
    if (before->orders > 0)
        was = mr_level_of(side, before);
    mr_book_best(&self->book, m->locate, side, &now);
    mr_book_best(&self->book, m->locate, is_buy ? MR_SIDE_SELL : MR_SIDE_BUY, &other);
    const struct mr_level *bid = is_buy ? &now : &other, *ask = is_buy ? &other : &now;
    bool was_crossed = is_buy ? mr_book_is_crossed(&was, ask) : mr_book_is_crossed(bid, &was);
    mr_book_report_quote(op, m, bid, ask);
    if (mr_book_is_crossed(bid, ask) && !was_crossed)
        mr_book_report_alert(op, m, MR_ALERT_CROSSED, MR_BOOK_COUNT_CROSSED, m->order_ref);
}

static inline void look_again(struct mr_op *op, mr_order_message m, enum mr_side side,
                              const struct watch *watch)
{
    const struct mr_ranked_level *now = watch->front, *before = &watch->before;
    if ((now->shares ^ before->shares) | (now->rank ^ before->rank) |
        (now->orders ^ before->orders))
        report_change(op, m, side, before);
}

// ---- orders that are not in the book

static void remember_absent(struct mr_op *op, uint64_t ref, enum why_absent why)
{
    struct mr_order_book *self = op->self;
    struct mr_order *seat = mr_order_seat(&self->absent, ref);
    struct mr_order order = {.ref = ref, .side = (uint8_t)why};
    if (mr_order_is_seated(seat))
        return;
    if (mr_order_table_is_full(&self->absent)) {
        mr_op_count(op, MR_BOOK_COUNT_UNKNOWN_FULL, 1);
        return;
    }
    mr_order_insert(&self->absent, seat, &order);
    if (why == NEVER_ANNOUNCED)
        mr_op_count(op, MR_BOOK_COUNT_UNKNOWN_ORDERS, 1);
}

static void refers_to_absent(struct mr_op *op, mr_order_message m)
{
    struct mr_order_book *self = op->self;
    const struct mr_order *seat = mr_order_seat(&self->absent, m->order_ref);
    bool is_untracked = mr_order_is_seated(seat) && seat->side == NOT_TRACKED;
    if (!is_untracked)
        remember_absent(op, m->order_ref, NEVER_ANNOUNCED);
    mr_book_report_alert(op, m, MR_ALERT_UNKNOWN_REFERENCE,
                         is_untracked ? MR_BOOK_COUNT_UNTRACKED_REFERENCE
                                      : MR_BOOK_COUNT_UNKNOWN_REFERENCE,
                         m->order_ref);
}

// An order that was to come in and did not: `ref` is its reference.
static void report_refused(struct mr_op *op, mr_order_message m, uint64_t ref,
                           enum mr_book_answer answer)
{
    if (answer == MR_BOOK_DUPLICATE)
        mr_book_report_alert(op, m, MR_ALERT_DUPLICATE_REFERENCE, MR_BOOK_COUNT_DUPLICATE_REFERENCE,
                             ref);
    if (answer == MR_BOOK_FULL) {
        remember_absent(op, ref, NOT_TRACKED);
        mr_book_report_alert(op, m, MR_ALERT_FULL, MR_BOOK_COUNT_FULL, ref);
    }
}

// The order, if it is in the book of the message's own symbol.
static inline const struct mr_order *order_of(const struct mr_order_book *self, mr_order_message m)
{
    const struct mr_order *order = mr_book_find(&self->book, m->order_ref);
    return order != NULL && order->locate == m->locate ? order : NULL;
}

// ---- messages

static void on_add(struct mr_op *op, mr_order_message m)
{
    struct mr_order_book *self = op->self;
    struct mr_order order = {.ref = m->order_ref,
                             .price = m->price,
                             .shares = m->shares,
                             .locate = m->locate,
                             .side = m->side == 'B' ? MR_SIDE_BUY : MR_SIDE_SELL};
    enum mr_side side = order.side;
    struct watch before = watch(self, m->locate, side);
    enum mr_book_answer answer = mr_book_add(&self->book, &order);
    if (MR_UNLIKELY(answer != MR_BOOK_DONE))
        report_refused(op, m, m->order_ref, answer);
    look_again(op, m, side, &before);
}

static char side_letter(const struct mr_order *order)
{
    return order->side == MR_SIDE_BUY ? 'B' : 'S';
}

struct execution {  // what E and C say besides how many shares; X says no more
    bool has_price; // the message's price; otherwise the order's own
    bool printable;
    uint64_t match_number;
};

static void on_reduce(struct mr_op *op, mr_order_message m, const struct execution *executed)
{
    struct mr_order_book *self = op->self;
    const struct mr_order *order = order_of(self, m);
    if (MR_UNLIKELY(order == NULL)) {
        refers_to_absent(op, m);
        if (executed != NULL && executed->has_price && executed->printable)
            mr_book_report_trade(op, m, ' ', m->price, executed->match_number);
        return;
    }
    struct mr_order old;
    enum mr_side side = order->side;
    struct watch before = watch(self, m->locate, side);
    if (mr_book_reduce(&self->book, order, m->shares, &old) == MR_BOOK_OVERFILL)
        mr_book_report_alert(op, m, MR_ALERT_OVERFILL, MR_BOOK_COUNT_OVERFILL, m->order_ref);
    if (executed != NULL && executed->printable)
        mr_book_report_trade(op, m, side_letter(&old), executed->has_price ? m->price : old.price,
                             executed->match_number);
    look_again(op, m, side, &before);
}

static void on_delete(struct mr_op *op, mr_order_message m)
{
    struct mr_order_book *self = op->self;
    const struct mr_order *order = order_of(self, m);
    if (MR_UNLIKELY(order == NULL)) {
        refers_to_absent(op, m);
        return;
    }
    enum mr_side side = order->side;
    struct watch before = watch(self, m->locate, side);
    struct mr_order old;
    mr_book_remove(&self->book, order, &old);
    look_again(op, m, side, &before);
}

// The side of an order that replaces an unknown one is nowhere to be had: it stays out of the book.
static void replace_absent(struct mr_op *op, mr_order_message m, uint64_t new_ref)
{
    struct mr_order_book *self = op->self;
    refers_to_absent(op, m);
    if (mr_book_find(&self->book, new_ref) != NULL)
        report_refused(op, m, new_ref, MR_BOOK_DUPLICATE);
    else
        remember_absent(op, new_ref, NOT_TRACKED);
}

static void on_replace(struct mr_op *op, mr_order_message m, uint64_t new_ref)
{
    struct mr_order_book *self = op->self;
    const struct mr_order *order = order_of(self, m);
    if (MR_UNLIKELY(order == NULL)) {
        replace_absent(op, m, new_ref);
        return;
    }
    enum mr_side side = order->side;
    struct watch before = watch(self, m->locate, side);
    struct mr_order old;
    enum mr_book_answer answer =
        mr_book_replace(&self->book, order, new_ref, m->price, m->shares, &old);
    if (MR_UNLIKELY(answer != MR_BOOK_DONE))
        report_refused(op, m, new_ref, answer);
    look_again(op, m, side, &before);
}

static uint64_t new_order_ref(const void *record)
{
    const struct mr_order_replace *replace = record;
    return replace->new_order_ref;
}

static void on_executed(struct mr_op *op, const void *record)
{
    const struct mr_order_executed *e = record;
    on_reduce(op, record, &(struct execution){false, true, e->match_number});
}

static void on_executed_price(struct mr_op *op, const void *record)
{
    const struct mr_order_executed_price *c = record;
    on_reduce(op, record, &(struct execution){true, c->printable != 'N', c->match_number});
}

static void on_trade(struct mr_op *op, const void *record)
{
    const struct mr_trade *p = record;
    mr_book_report_trade(op, record, p->side, p->price, p->match_number);
}

static void dispatch(struct mr_op *op, const void *record)
{
    const struct mr_record *env = record;
    const struct mr_cross_trade *q = record;
    switch (env->schema_id) {
    case MR_SCHEMA_ORDER_ADD:
    case MR_SCHEMA_ORDER_ADD_MPID:
        on_add(op, record);
        break;
    case MR_SCHEMA_ORDER_EXECUTED:
        on_executed(op, record);
        break;
    case MR_SCHEMA_ORDER_EXECUTED_PRICE:
        on_executed_price(op, record);
        break;
    case MR_SCHEMA_ORDER_CANCEL:
        on_reduce(op, record, NULL);
        break;
    case MR_SCHEMA_ORDER_DELETE:
        on_delete(op, record);
        break;
    case MR_SCHEMA_ORDER_REPLACE:
        on_replace(op, record, new_order_ref(record));
        break;
    case MR_SCHEMA_TRADE:
        on_trade(op, record);
        break;
    case MR_SCHEMA_CROSS_TRADE:
        if (q->shares > 0) // 0: nothing crossed
            mr_book_report_cross(op, q);
        break;
    }
}

static char side_of(const void *record)
{
    const struct mr_order_add *add = record;
    return add->side;
}

static bool is_add(const struct mr_record *record)
{
    return (unsigned)record->schema_id - MR_SCHEMA_ORDER_ADD <=
           MR_SCHEMA_ORDER_ADD_MPID - MR_SCHEMA_ORDER_ADD;
}

// Both sides come as often.
static bool has_bad_side(const struct mr_record *record)
{
    char side = side_of(record);
    return (is_add(record)) & (side != 'B') & (side != 'S');
}

// The longest message that dispatch reads.
union longest_message {
    struct mr_record env;
    struct mr_order_add_mpid add_mpid;
    struct mr_order_replace replace;
    struct mr_cross_trade cross;
};

// The record is still another's to change: what is read of it leads to prefetches only.
static void order_book_foresee(struct mr_op *op, const struct mr_record *record)
{
    struct mr_order_book *self = op->self;
    uint16_t id = record->schema_id;
    if (id < MR_SCHEMA_ORDER_ADD || id > MR_SCHEMA_ORDER_REPLACE)
        return;
    const void *message = record;
    const struct mr_order_add *any = message;
    // Side and price of an add; the others may end before the price.
    bool add = is_add(record);
    size_t price_at =
        offsetof(struct mr_order_add, order_ref) +
        add * (offsetof(struct mr_order_add, price) - offsetof(struct mr_order_add, order_ref));
    struct mr_book_coming coming = {.ref = any->order_ref, .locate = any->locate};
    coming.side = (uint8_t)(add << (any->side != 'B'));
    memcpy(&coming.price, (const uint8_t *)record + price_at, sizeof coming.price);
    if (id == MR_SCHEMA_ORDER_REPLACE)
        mr_book_foresee_new(&self->book, new_order_ref(record));
    mr_book_foresee(&self->book, &coming);
}

static void order_book_apply(struct mr_op *op, struct mr_record *record)
{
    struct mr_order_book *self = op->self;
    if (MR_UNLIKELY(has_bad_side(record))) {
        mr_op_reject(op, record, MR_REASON_BAD_VALUE, "found side '%c', expected B or S",
                     side_of(record));
        return;
    }
    const struct mr_record *message = record;
    _Alignas(8) union longest_message copy;
    if (self->options->pass || record->schema_id == MR_SCHEMA_GAP) {
        // Whoever comes next may change it in place.
        memcpy(&copy, record, mr_min_u64(record->length, sizeof copy));
        message = &copy.env;
        mr_op_pass(op, record);
    }
    dispatch(op, message);
    mr_op_set_count(op, MR_BOOK_COUNT_ORDERS_LIVE, mr_book_orders_live(&self->book));
    mr_op_set_count(op, MR_BOOK_COUNT_LEVELS_LIVE, mr_book_levels_live(&self->book));
}

// ---- set-up

static bool is_same_layout(const struct mr_schema *a, const struct mr_schema *b)
{
    if (a->record_bytes != b->record_bytes || a->field_count != b->field_count)
        return false;
    for (unsigned i = 0; i < a->field_count; i++)
        if (strcmp(a->fields[i].name, b->fields[i].name) != 0 ||
            a->fields[i].type != b->fields[i].type || a->fields[i].offset != b->fields[i].offset)
            return false;
    return true;
}

// The structs of core/market.h are what the messages are read through, so no operator before this
// one may have changed them.
static int check_input(struct mr_op *op, struct mr_error *err)
{
    unsigned found = 0;
    for (unsigned id = MR_SCHEMA_ORDER_ADD; id <= MR_SCHEMA_CROSS_TRADE; id++) {
        const struct mr_schema *schema = mr_schema_set_by_id(&op->in, id);
        if (schema == NULL)
            continue;
        found++;
        if (!is_same_layout(schema, mr_market_schema(id)))
            return mr_config_fail(op->node, err,
                                  "found schema %s with its fields changed by an operator before, "
                                  "expected it as the source emits it",
                                  schema->name);
    }
    if (found == 0)
        return mr_config_fail(op->node, err,
                              "found no order messages in what comes in, expected those of an ITCH "
                              "source (order_add, order_delete, ...)");
    return MR_OK;
}

static int check_limit(struct mr_op *op, const char *name, int64_t value, int64_t max,
                       struct mr_error *err)
{
    if (value >= 1 && value <= max)
        return MR_OK;
    return mr_config_fail(op->node, err, "%s: found %lld, expected 1 to %lld", name,
                          (long long)value, (long long)max);
}

static int add_out(struct mr_op *op, uint16_t id, struct mr_error *err)
{
    if (mr_schema_set_by_id(&op->out, id) != NULL)
        return MR_OK;
    struct mr_schema *schema = mr_schema_copy(mr_market_schema(id));
    int code = mr_schema_set_add(&op->out, schema, err);
    if (code != MR_OK)
        mr_schema_free(schema);
    return code;
}

static int declare_out(struct mr_op *op, struct mr_error *err)
{
    const struct mr_book_options *o = op->options;
    int code = MR_OK;
    if (o->pass)
        code = mr_schema_set_copy(&op->out, &op->in, err);
    else if (mr_schema_set_by_id(&op->in, MR_SCHEMA_GAP) != NULL)
        code = add_out(op, MR_SCHEMA_GAP, err);
    if (code == MR_OK && o->quotes)
        code = add_out(op, MR_SCHEMA_BEST_QUOTE, err);
    if (code == MR_OK && o->trades)
        code = add_out(op, MR_SCHEMA_BOOK_TRADE, err);
    if (code == MR_OK && o->alerts)
        code = add_out(op, MR_SCHEMA_BOOK_ALERT, err);
    return code;
}

static struct mr_book_limits limits(const struct mr_book_options *o)
{
    return (struct mr_book_limits){(uint32_t)o->orders_max, (uint32_t)o->levels_max};
}

static int order_book_open(struct mr_op *op, struct mr_error *err)
{
    const struct mr_book_options *o = op->options;
    int code = check_limit(op, "orders_max", o->orders_max, MR_ORDER_TABLE_MAX, err);
    if (code == MR_OK)
        code = check_limit(op, "levels_max", o->levels_max, MR_LEVELS_MAX, err);
    if (code == MR_OK)
        code = check_limit(op, "unknown_max", o->unknown_max, MR_ORDER_TABLE_MAX, err);
    if (code == MR_OK)
        code = check_input(op, err);
    if (code == MR_OK)
        code = declare_out(op, err);
    if (code != MR_OK)
        return code;
    struct mr_order_book *self = calloc(1, sizeof *self);
    if (self == NULL)
        return mr_fail(err, MR_ERR_MEMORY, "out of memory for order_book");
    self->options = o;
    op->self = self;
    struct mr_book_limits book_limits = limits(o);
    op->state_bytes = mr_book_bytes(&book_limits) + mr_order_table_bytes((uint32_t)o->unknown_max);
    return MR_OK;
}

static int order_book_start(struct mr_op *op, struct mr_error *err)
{
    struct mr_order_book *self = op->self;
    struct mr_book_limits book_limits = limits(self->options);
    struct mr_touch undo = mr_op_state_touch(op);
    (void)err;
    mr_book_attach(&self->book, op->state, &book_limits, undo);
    mr_order_table_attach(&self->absent, (uint8_t *)op->state + mr_book_bytes(&book_limits),
                          (uint32_t)self->options->unknown_max, undo);
    return MR_OK;
}

static void order_book_close(struct mr_op *op)
{
    free(op->self);
}

const struct mr_operator mr_operator_order_book = {
    .name = "order_book",
    .about = "keeps the order book of every symbol: best quotes, trades, alerts",
    .options = options,
    .options_bytes = sizeof(struct mr_book_options),
    .counters = counters,
    .open = order_book_open,
    .start = order_book_start,
    .foresee = order_book_foresee,
    .apply = order_book_apply,
    .close = order_book_close,
};
