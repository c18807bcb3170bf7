// SPDX-License-Identifier: Apache-2.0
// One core, block by block: decode (timed), compare with the messages, apply to the book (timed).
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cli/bench_itch.h"
#include "consumers/transform/book.h"
#include "consumers/transform/operator.h"
#include "core/clock.h"
#include "core/formats/itch.h"

#define HUNDREDTHS 100

struct block {
    const uint8_t *messages[MR_ITCH_BLOCK];
    _Alignas(MR_CACHE_LINE) uint8_t records[MR_ITCH_BLOCK][MR_ITCH_RECORD_BYTES_MAX];
    unsigned count;
};

struct core {
    const struct mr_itch_feed *feed;
    struct mr_itch_symbols symbols;
    struct mr_book book;
    struct mr_itch_digest digest;
    size_t at;
    uint64_t sequence;
    int64_t decode_ns, book_ns;
    struct block block;
};

// ---- decode

static bool decode_block(struct core *core)
{
    struct block *block = &core->block;
    const struct mr_itch_feed *feed = core->feed;
    for (block->count = 0; block->count < MR_ITCH_BLOCK && core->at < feed->length;
         block->count++) {
        size_t length = mr_get_be16(feed->bytes + core->at);
        const uint8_t *message = feed->bytes + core->at + 2;
        if (mr_itch_check(message, length) != MR_ITCH_GOOD)
            return false;
        core->at += 2 + length;
        block->messages[block->count] = message;
        struct mr_record *record = (struct mr_record *)(void *)block->records[block->count];
        mr_itch_decode(message, &core->symbols, 0, ++core->sequence, record);
        record->length = mr_itch_types[message[0]].record_bytes; // a ring would write it
    }
    return true;
}

// Every record says what its message did: encoded again, the bytes are the same, and the symbol is the one
// that the locate was announced with.
static bool is_block_right(const struct core *core)
{
    const struct block *block = &core->block;
    uint8_t again[MR_ITCH_LENGTH_MAX];
    for (unsigned i = 0; i < block->count; i++) {
        const void *record = block->records[i];
        const struct mr_order_add *any =
            record; // symbol stands elsewhere in two of the order messages' kind
        const uint8_t *message = block->messages[i];
        size_t length = mr_itch_encode(record, mr_get_be16(message + 3), 0, again);
        if (length != mr_itch_types[message[0]].length || memcmp(again, message, length) != 0 ||
            any->env.sequence != core->sequence - block->count + i + 1 || any->env.flags != 0)
            return false;
        bool names_order = any->env.schema_id >= MR_SCHEMA_ORDER_ADD &&
                           any->env.schema_id <= MR_SCHEMA_ORDER_REPLACE;
        if (names_order && memcmp(any->symbol, &core->symbols.text[any->locate], 8) != 0)
            return false;
    }
    return true;
}

// ---- the book

static bool is_order_message(const struct mr_order_add *any)
{
    return any->env.schema_id >= MR_SCHEMA_ORDER_ADD &&
           any->env.schema_id <= MR_SCHEMA_ORDER_REPLACE;
}

static bool is_add(const struct mr_order_add *any)
{
    return any->env.schema_id <= MR_SCHEMA_ORDER_ADD_MPID;
}

static void foresee(struct core *core, const void *record)
{
    const struct mr_order_add *any = record; // they all begin as an add does
    const struct mr_order_replace *replace = record;
    if (!is_order_message(any))
        return;
    struct mr_book_coming coming = {.ref = any->order_ref, .locate = any->locate};
    if (is_add(any)) {
        coming.side = any->side == 'B' ? MR_SIDE_BUY : MR_SIDE_SELL;
        coming.price = any->price;
    } else if (any->env.schema_id == MR_SCHEMA_ORDER_REPLACE) {
        mr_book_foresee_new(&core->book, replace->new_order_ref);
    }
    mr_book_foresee(&core->book, &coming);
}

static bool add(struct core *core, const struct mr_order_add *any, enum mr_side side)
{
    struct mr_order order = {.ref = any->order_ref,
                             .price = any->price,
                             .shares = any->shares,
                             .locate = any->locate,
                             .side = (uint8_t)side};
    return mr_book_add(&core->book, &order) == MR_BOOK_DONE;
}

static void fold_trade(struct core *core, const void *record, const struct mr_order *order)
{
    const struct mr_order_add *any = record;
    const struct mr_order_executed_price *c = record;
    const struct mr_cross_trade *q = record;
    uint16_t id = any->env.schema_id;
    if (id == MR_SCHEMA_ORDER_EXECUTED)
        mr_itch_fold_trade(&core->digest, any->env.sequence, any->locate, order->price,
                           any->shares);
    else if ((id == MR_SCHEMA_ORDER_EXECUTED_PRICE && c->printable != 'N') || id == MR_SCHEMA_TRADE)
        mr_itch_fold_trade(&core->digest, any->env.sequence, any->locate, any->price, any->shares);
    else if (id == MR_SCHEMA_CROSS_TRADE && q->shares > 0)
        mr_itch_fold_trade(&core->digest, q->env.sequence, q->locate, q->price, q->shares);
}

static bool change(struct core *core, const void *record, const struct mr_order *order)
{
    const struct mr_order_add *any = record;
    const struct mr_order_replace *replace = record;
    struct mr_order before;
    if (any->env.schema_id == MR_SCHEMA_ORDER_REPLACE)
        return mr_book_replace(&core->book, order, replace->new_order_ref, any->price, any->shares,
                               &before) == MR_BOOK_DONE;
    if (any->env.schema_id != MR_SCHEMA_ORDER_DELETE)
        return mr_book_reduce(&core->book, order, any->shares, &before) == MR_BOOK_DONE;
    mr_book_remove(&core->book, order, &before);
    return true;
}

static void fold_quote(struct core *core, const struct mr_order_add *any, enum mr_side side,
                       const struct mr_level *now)
{
    bool is_buy = side == MR_SIDE_BUY;
    struct mr_level other;
    mr_book_best(&core->book, any->locate, is_buy ? MR_SIDE_SELL : MR_SIDE_BUY, &other);
    const struct mr_level *b = is_buy ? now : &other, *a = is_buy ? &other : now;
    struct mr_itch_best bid = {b->price, b->orders, b->shares},
                        ask = {a->price, a->orders, a->shares};
    mr_itch_fold_quote(&core->digest, any->env.sequence, any->locate, &bid, &ask);
}

// What the operator does with a message, but for writing records.
static bool apply(struct core *core, const void *record)
{
    const struct mr_order_add *any = record;
    if (!is_order_message(any)) {
        fold_trade(core, record, NULL);
        return true;
    }
    const struct mr_order *order = is_add(any) ? NULL : mr_book_find(&core->book, any->order_ref);
    if (!is_add(any) && order == NULL)
        return false;
    enum mr_side side = order ? order->side : any->side == 'B' ? MR_SIDE_BUY : MR_SIDE_SELL;
    struct mr_level before, now;
    mr_book_best(&core->book, any->locate, side, &before);
    fold_trade(core, record, order);
    bool good = order ? change(core, record, order) : add(core, any, side);
    mr_book_best(&core->book, any->locate, side, &now);
    if (now.price != before.price || now.shares != before.shares || now.orders != before.orders)
        fold_quote(core, any, side, &now);
    return good;
}

static bool apply_block(struct core *core)
{
    const struct block *block = &core->block;
    bool good = true;
    for (unsigned i = 0; i < MR_FORESIGHT && i < block->count; i++)
        foresee(core, block->records[i]);
    for (unsigned i = 0; i < block->count && good; i++) {
        if (i + MR_FORESIGHT < block->count)
            foresee(core, block->records[i + MR_FORESIGHT]);
        good = apply(core, block->records[i]);
    }
    return good;
}

// ---- both

static int64_t note(struct mr_histogram *histogram, int64_t ns, unsigned count)
{
    if (count == MR_ITCH_BLOCK)
        mr_histogram_add(histogram, ns * HUNDREDTHS / count, count);
    return ns;
}

static int go_through(struct core *core, struct mr_itch_bench_report *report, struct mr_error *err)
{
    const char *wrong = NULL;
    while (core->at < core->feed->length && !wrong) {
        int64_t start_ns = mr_mono_ns();
        bool decoded = decode_block(core);
        int64_t decoded_ns = mr_mono_ns();
        if (!decoded || !is_block_right(core))
            wrong = "is not decoded to what it says";
        int64_t checked_ns = mr_mono_ns();
        if (!wrong && !apply_block(core))
            wrong = "does not fit the book";
        int64_t end_ns = mr_mono_ns();
        core->decode_ns += note(&report->decode, decoded_ns - start_ns, core->block.count);
        core->book_ns += note(&report->book, end_ns - checked_ns, core->block.count);
    }
    if (!wrong && memcmp(&core->digest, &core->feed->expected, sizeof core->digest) != 0)
        wrong = "or one before it gives another best quote or trade than the book checked against";
    if (!wrong && mr_book_orders_live(&core->book) != core->feed->orders_live)
        wrong = "or one before it leaves other orders than the book checked against";
    if (!wrong)
        return MR_OK;
    return mr_fail(err, MR_ERR_CORRUPT, "message %" PRIu64 " %s", core->sequence, wrong);
}

int mr_itch_bench_core(const struct mr_itch_feed *feed, struct mr_itch_bench_report *report,
                       struct mr_itch_bench_round *round, struct mr_error *err)
{
    static const struct mr_book_limits limits = {MR_ITCH_BENCH_ORDERS_MAX,
                                                 MR_ITCH_BENCH_LEVELS_MAX};
    uint64_t book_bytes = mr_book_bytes(&limits);
    struct core *core = aligned_alloc(MR_CACHE_LINE, mr_align_up(sizeof *core, MR_CACHE_LINE));
    void *memory = mr_itch_bench_memory(book_bytes);
    if (!core || !memory) {
        free(core);
        free(memory);
        return mr_fail(err, MR_ERR_MEMORY, "no memory for a book of %" PRIu64 " bytes", book_bytes);
    }
    memset(core, 0, sizeof *core);
    core->feed = feed;
    mr_book_attach(&core->book, memory, &limits, MR_TOUCH_NONE);
    int code = go_through(core, report, err);
    round->decode_ns = (double)core->decode_ns / (double)feed->messages;
    round->book_ns = (double)core->book_ns / (double)feed->messages;
    report->found = core->digest;
    free(memory);
    free(core);
    return code;
}
