// SPDX-License-Identifier: Apache-2.0
#include "cli/bench_itch.h"

#include <stdlib.h>
#include <string.h>

#include "consumers/transform/book.h"
#include "core/clock.h"
#include "core/formats/itch.h"
#include "gen/itch_session.h"

#define ORDERS_MAX (1u << 20)
#define LEVELS_MAX (1u << 18)

struct feed {
    uint8_t *bytes;
    size_t length;
    uint64_t messages;
    struct mr_itch_symbols *symbols;
    void *book_block;
    uint64_t book_bytes;
};

static const struct mr_book_limits limits = {ORDERS_MAX, LEVELS_MAX};

static int make_session(const struct mr_itch_bench_options *options, struct feed *feed,
                        struct mr_error *err)
{
    struct mr_itch_session_options session_options = {.messages = options->messages,
                                                      .seed = options->seed};
    struct mr_itch_session *session;
    size_t room = options->messages * MR_ITCH_FRAME_BYTES_MAX + MR_ITCH_FRAME_BYTES_MAX, filled;
    int code = mr_itch_session_open(&session, &session_options, err);
    if (code != MR_OK)
        return code;
    feed->bytes = malloc(room);
    if (feed->bytes)
        while ((filled = mr_itch_session_fill(session, feed->bytes + feed->length,
                                              room - feed->length)) > 0)
            feed->length += filled;
    feed->messages = mr_itch_session_messages(session);
    mr_itch_session_close(session);
    return feed->bytes ? MR_OK : mr_fail(err, MR_ERR_MEMORY, "no memory for %zu bytes", room);
}

// Whether what the message says about orders fits the book.
static bool apply(struct mr_book *book, const void *record)
{
    const struct mr_order_add *any = record; // they all begin as an add does
    const struct mr_order_replace *replace = record;
    struct mr_order before;
    uint16_t id = any->env.schema_id;
    if (id < MR_SCHEMA_ORDER_ADD || id > MR_SCHEMA_ORDER_REPLACE)
        return true;
    if (id == MR_SCHEMA_ORDER_ADD || id == MR_SCHEMA_ORDER_ADD_MPID) {
        struct mr_order order = {.ref = any->order_ref,
                                 .price = any->price,
                                 .shares = any->shares,
                                 .locate = any->locate,
                                 .side = any->side == 'B' ? MR_SIDE_BUY : MR_SIDE_SELL};
        return mr_book_add(book, &order) == MR_BOOK_DONE;
    }
    const struct mr_order *order = mr_book_find(book, any->order_ref);
    if (order == NULL)
        return false;
    if (id == MR_SCHEMA_ORDER_REPLACE)
        return mr_book_replace(book, order, replace->new_order_ref, any->price, any->shares,
                               &before) == MR_BOOK_DONE;
    if (id != MR_SCHEMA_ORDER_DELETE)
        return mr_book_reduce(book, order, any->shares, &before) == MR_BOOK_DONE;
    mr_book_remove(book, order, &before);
    return true;
}

// Goes through the feed once. `book`: NULL to decode only. Returns ns; -1 where a message is not right.
static int64_t go_through(const struct feed *feed, struct mr_book *book)
{
    _Alignas(MR_CACHE_LINE) uint8_t record[MR_ITCH_RECORD_BYTES_MAX];
    struct mr_record *decoded = (struct mr_record *)(void *)record;
    uint64_t sequence = 0;
    memset(feed->symbols, 0, sizeof *feed->symbols);
    int64_t start_ns = mr_mono_ns();
    for (size_t at = 0; at < feed->length;) {
        size_t length = mr_get_be16(feed->bytes + at);
        const uint8_t *message = feed->bytes + at + 2;
        at += 2 + length;
        if (mr_itch_check(message, length) != MR_ITCH_GOOD)
            return -1;
        mr_itch_decode(message, feed->symbols, 0, ++sequence, decoded);
        if (book && !apply(book, record))
            return -1;
    }
    int64_t ns = mr_mono_ns() - start_ns;
    return sequence == feed->messages ? ns : -1;
}

static int run_round(const struct feed *feed, struct mr_itch_bench_report *report,
                     struct mr_error *err)
{
    struct mr_book book;
    memset(feed->book_block, 0, feed->book_bytes);
    mr_book_attach(&book, feed->book_block, &limits, MR_TOUCH_NONE);
    int64_t decode_ns = go_through(feed, NULL);
    int64_t book_ns = go_through(feed, &book);
    if (decode_ns < 0 || book_ns < 0)
        return mr_fail(err, MR_ERR_CORRUPT, "the session did not %s",
                       decode_ns < 0 ? "decode" : "fit the book");
    report->decoded_per_second[report->rounds] = (double)feed->messages * 1e9 / (double)decode_ns;
    report->booked_per_second[report->rounds] = (double)feed->messages * 1e9 / (double)book_ns;
    report->orders_live = mr_book_orders_live(&book);
    report->rounds++;
    return MR_OK;
}

int mr_bench_itch(const struct mr_itch_bench_options *options, struct mr_itch_bench_report *report,
                  struct mr_error *err)
{
    struct feed feed = {.book_bytes = mr_align_up(mr_book_bytes(&limits), MR_CACHE_LINE)};
    memset(report, 0, sizeof *report);
    int code = make_session(options, &feed, err);
    feed.symbols = malloc(sizeof *feed.symbols);
    feed.book_block = aligned_alloc(MR_CACHE_LINE, feed.book_bytes);
    if (code == MR_OK && (!feed.symbols || !feed.book_block))
        code = mr_fail(err, MR_ERR_MEMORY, "no memory for a book of %llu bytes",
                       (unsigned long long)feed.book_bytes);
    report->messages = feed.messages;
    report->bytes = feed.length;
    while (code == MR_OK && report->rounds < options->rounds)
        code = run_round(&feed, report, err);
    free(feed.bytes);
    free(feed.symbols);
    free(feed.book_block);
    return code;
}
