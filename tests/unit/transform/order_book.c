// SPDX-License-Identifier: Apache-2.0
// order_book: what it says of each message, on messages written by hand, on real files with numbers
// that an independent pass found, and line by line against tests/model/book_model.py.
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/formats/itch.h"
#include "gen/itch_session.h"
#include "tests/support/chain_fixture.h"

#define START_NS 1580385600000000000LL
#define LOCATE 7

struct bench {
    struct chain_fixture chain;
    struct mr_schema_set schemas;
    uint64_t sequence;
    unsigned looked_at; // records of chain.out
};

static void open_book(struct bench *b, const char *options)
{
    char transform[256];
    struct mr_error err;
    memset(b, 0, sizeof *b);
    mr_market_schemas_range(&b->schemas, MR_SCHEMA_ITCH_FIRST, MR_SCHEMA_ITCH_LAST, &err);
    mr_market_schemas_range(&b->schemas, MR_SCHEMA_GAP, MR_SCHEMA_GAP, &err);
    snprintf(transform, sizeof transform, "  - order_book: {%s}", options);
    chain_fixture_open(&b->chain, transform, &b->schemas);
}

static void close_book(struct bench *b)
{
    chain_fixture_close(&b->chain);
    mr_schema_set_clear(&b->schemas);
}

static uint64_t counter(const struct bench *b, const char *name)
{
    char full[96];
    snprintf(full, sizeof full, "order_book.%s", name);
    return chain_fixture_counter(&b->chain, full);
}

// ---- a record as the model writes it

static const char *const alert_kinds[] = {"unknown_reference", "crossed", "overfill",
                                          "duplicate_reference", "full"};

static void quote_line(const struct mr_best_quote *q, char *out, size_t out_bytes)
{
    snprintf(out, out_bytes, "quote %llu %u %u %llu %u %u %llu %u %d",
             (unsigned long long)q->env.sequence, q->locate, q->bid_price,
             (unsigned long long)q->bid_shares, q->bid_orders, q->ask_price,
             (unsigned long long)q->ask_shares, q->ask_orders,
             (q->env.flags & MR_FLAG_CROSSED) != 0);
}

static void trade_line(const struct mr_book_trade *t, char *out, size_t out_bytes)
{
    snprintf(out, out_bytes, "trade %llu %u %c %llu %u %llu %llu",
             (unsigned long long)t->env.sequence, t->locate, t->side == ' ' ? '-' : t->side,
             (unsigned long long)t->shares, t->price, (unsigned long long)t->match_number,
             (unsigned long long)t->order_ref);
}

static void alert_line(const struct mr_book_alert *a, char *out, size_t out_bytes)
{
    snprintf(out, out_bytes, "alert %llu %u %s %c %llu", (unsigned long long)a->env.sequence,
             a->locate, alert_kinds[a->kind], a->message_type, (unsigned long long)a->order_ref);
}

static void line_of(const struct mr_record *record, char *out, size_t out_bytes)
{
    const void *bytes = record;
    if (record->schema_id == MR_SCHEMA_BEST_QUOTE)
        quote_line(bytes, out, out_bytes);
    else if (record->schema_id == MR_SCHEMA_BOOK_TRADE)
        trade_line(bytes, out, out_bytes);
    else if (record->schema_id == MR_SCHEMA_BOOK_ALERT)
        alert_line(bytes, out, out_bytes);
    else
        snprintf(out, out_bytes, "schema %u", record->schema_id);
}

// What came out since the last look, one line each, joined by "; ".
static const char *news(struct bench *b)
{
    static char text[2048];
    size_t used = 0;
    text[0] = '\0';
    chain_fixture_commit(&b->chain);
    for (; b->looked_at < b->chain.out.count; b->looked_at++) {
        char line[256];
        line_of(chain_fixture_at(&b->chain.out, b->looked_at), line, sizeof line);
        used += (size_t)snprintf(text + used, sizeof text - used, "%s%s", used ? "; " : "", line);
    }
    return text;
}

static void expect(struct bench *b, const char *expected)
{
    const char *found = news(b);
    cr_assert_str_eq(found, expected, "found \"%s\", expected \"%s\"", found, expected);
}

// ---- messages by hand

static void put(struct bench *b, void *message, uint16_t schema_id, uint16_t locate)
{
    const struct mr_schema *schema = mr_market_schema(schema_id);
    struct mr_order_add *m = message; // locate and symbol stand there in all that are used here
    m->env.length = schema->record_bytes;
    m->env.schema_id = schema_id;
    m->env.sequence = ++b->sequence;
    m->env.event_time_ns = m->env.ingest_time_ns = START_NS + (int64_t)b->sequence;
    m->locate = locate;
    memcpy(m->symbol, "MILL\0\0\0", 8);
    cr_assert(chain_fixture_put(&b->chain, &m->env));
}

static void add(struct bench *b, uint64_t ref, char side, uint32_t shares, uint32_t price)
{
    struct mr_order_add m = {.side = side, .order_ref = ref, .shares = shares, .price = price};
    put(b, &m, MR_SCHEMA_ORDER_ADD, LOCATE);
}

static void execute(struct bench *b, uint64_t ref, uint32_t shares)
{
    struct mr_order_executed m = {.order_ref = ref, .shares = shares, .match_number = 99};
    put(b, &m, MR_SCHEMA_ORDER_EXECUTED, LOCATE);
}

static void execute_at(struct bench *b, uint64_t ref, uint32_t shares, uint32_t price,
                       char printable)
{
    struct mr_order_executed_price m = {.order_ref = ref,
                                        .shares = shares,
                                        .price = price,
                                        .printable = printable,
                                        .match_number = 98};
    put(b, &m, MR_SCHEMA_ORDER_EXECUTED_PRICE, LOCATE);
}

static void cancel(struct bench *b, uint64_t ref, uint32_t shares)
{
    struct mr_order_cancel m = {.order_ref = ref, .shares = shares};
    put(b, &m, MR_SCHEMA_ORDER_CANCEL, LOCATE);
}

static void delete_of(struct bench *b, uint64_t ref, uint16_t locate)
{
    struct mr_order_delete m = {.order_ref = ref};
    _Alignas(8) uint8_t room[sizeof(struct mr_order_add)] = {0};
    memcpy(room, &m, sizeof m);
    put(b, room, MR_SCHEMA_ORDER_DELETE, locate);
}

static void replace(struct bench *b, uint64_t ref, uint64_t new_ref, uint32_t shares,
                    uint32_t price)
{
    struct mr_order_replace m = {
        .order_ref = ref, .new_order_ref = new_ref, .shares = shares, .price = price};
    put(b, &m, MR_SCHEMA_ORDER_REPLACE, LOCATE);
}

Test(order_book, quotes_when_the_best_changes_and_only_then)
{
    struct bench b;
    open_book(&b, "");
    add(&b, 1, 'B', 100, 5000);
    expect(&b, "quote 1 7 5000 100 1 0 0 0 0");
    add(&b, 2, 'S', 50, 5100);
    expect(&b, "quote 2 7 5000 100 1 5100 50 1 0");
    add(&b, 3, 'B', 10, 4900); // behind the best
    expect(&b, "");
    add(&b, 4, 'B', 20, 5000);
    expect(&b, "quote 4 7 5000 120 2 5100 50 1 0");
    cancel(&b, 1, 40);
    expect(&b, "quote 5 7 5000 80 2 5100 50 1 0");
    delete_of(&b, 1, LOCATE);
    expect(&b, "quote 6 7 5000 20 1 5100 50 1 0");
    replace(&b, 4, 5, 20, 4800);
    expect(&b, "quote 7 7 4900 10 1 5100 50 1 0");
    delete_of(&b, 2, LOCATE);
    expect(&b, "quote 8 7 4900 10 1 0 0 0 0");
    cr_assert_eq(counter(&b, "orders_live"), 2);
    cr_assert_eq(counter(&b, "levels_live"), 2);
    cr_assert_eq(b.chain.stage->now.counts[MR_COUNT_FILTERED], 1);
    cr_assert_eq(b.chain.stage->now.counts[MR_COUNT_OUT], 7);
    close_book(&b);
}

Test(order_book, derived_records_have_the_envelope_and_symbol_of_their_message)
{
    struct bench b;
    open_book(&b, "");
    add(&b, 1, 'B', 100, 5000);
    chain_fixture_commit(&b.chain);
    const void *record = chain_fixture_at(&b.chain.out, 0);
    const struct mr_best_quote *quote = record;
    cr_assert_eq(quote->env.length, 80);
    cr_assert_eq(quote->env.sequence, 1);
    cr_assert_eq(quote->env.event_time_ns, START_NS + 1);
    cr_assert_eq(quote->env.ingest_time_ns, START_NS + 1);
    cr_assert_eq(quote->env.flags, 0);
    cr_assert_eq(memcmp(quote->symbol, "MILL\0\0\0", 8), 0);
    close_book(&b);
}

Test(order_book, trades_of_executions)
{
    struct bench b;
    open_book(&b, "quotes: false");
    add(&b, 1, 'S', 100, 5000);
    execute(&b, 1, 30);
    expect(&b, "trade 2 7 S 30 5000 99 1");
    execute_at(&b, 1, 10, 4990, 'Y');
    expect(&b, "trade 3 7 S 10 4990 98 1");
    execute_at(&b, 1, 10, 4990, 'N'); // a cross reports it
    expect(&b, "");
    cancel(&b, 1, 50);
    expect(&b, "");
    cr_assert_eq(counter(&b, "orders_live"), 0);
    cr_assert_eq(counter(&b, "trades"), 2);
    close_book(&b);
}

Test(order_book, trades_that_no_displayed_order_took_part_in)
{
    struct bench b;
    open_book(&b, "");
    struct mr_trade p = {.side = 'B', .shares = 5, .price = 777, .match_number = 3};
    put(&b, &p, MR_SCHEMA_TRADE, LOCATE);
    expect(&b, "trade 1 7 B 5 777 3 0");
    struct mr_cross_trade q = {.shares = 5000000000, .price = 778, .match_number = 4};
    put(&b, &q, MR_SCHEMA_CROSS_TRADE, LOCATE);
    expect(&b, "trade 2 7 - 5000000000 778 4 0");
    q.shares = 0;
    put(&b, &q, MR_SCHEMA_CROSS_TRADE, LOCATE);
    expect(&b, "");
    close_book(&b);
}

Test(order_book, crossed_is_flagged_throughout_and_alerted_once)
{
    struct bench b;
    open_book(&b, "");
    add(&b, 1, 'B', 100, 5000);
    add(&b, 2, 'S', 100, 5001);
    news(&b);
    add(&b, 3, 'S', 10, 5000); // locked counts
    expect(&b, "quote 3 7 5000 100 1 5000 10 1 1; alert 3 7 crossed A 3");
    add(&b, 4, 'B', 5, 5002);
    expect(&b, "quote 4 7 5002 5 1 5000 10 1 1");
    delete_of(&b, 3, LOCATE);
    expect(&b, "quote 5 7 5002 5 1 5001 100 1 1");
    delete_of(&b, 4, LOCATE);
    expect(&b, "quote 6 7 5000 100 1 5001 100 1 0");
    replace(&b, 2, 5, 100, 4000);
    expect(&b, "quote 7 7 5000 100 1 4000 100 1 1; alert 7 7 crossed U 2");
    cr_assert_eq(counter(&b, "crossed"), 2);
    close_book(&b);
}

Test(order_book, unknown_orders_are_reported_and_stay_out)
{
    struct bench b;
    open_book(&b, "");
    execute(&b, 50, 10);
    expect(&b, "alert 1 7 unknown_reference E 50");
    const struct mr_record *alert = chain_fixture_at(&b.chain.out, 0);
    cr_assert(alert->flags & MR_FLAG_UNKNOWN_REF);
    cancel(&b, 50, 10);
    expect(&b, "alert 2 7 unknown_reference X 50");
    execute_at(&b, 51, 10, 4000, 'Y'); // it happened, at this price; on which side nobody knows
    expect(&b, "alert 3 7 unknown_reference C 51; trade 3 7 - 10 4000 98 51");
    replace(&b, 50, 52, 10, 4000);
    expect(&b, "alert 4 7 unknown_reference U 50");
    delete_of(&b, 52, LOCATE);
    expect(&b, "alert 5 7 unknown_reference D 52");
    cr_assert_eq(counter(&b, "unknown_reference"), 4);
    cr_assert_eq(counter(&b, "unknown_orders"), 2);
    cr_assert_eq(counter(&b, "untracked_reference"), 1);
    cr_assert_eq(counter(&b, "orders_live"), 0);
    close_book(&b);
}

Test(order_book, an_order_of_another_symbol_is_unknown)
{
    struct bench b;
    open_book(&b, "");
    add(&b, 1, 'B', 100, 5000);
    news(&b);
    delete_of(&b, 1, LOCATE + 1);
    expect(&b, "alert 2 8 unknown_reference D 1");
    cr_assert_eq(counter(&b, "orders_live"), 1);
    close_book(&b);
}

Test(order_book, overfill_and_duplicates_are_reported)
{
    struct bench b;
    open_book(&b, "");
    add(&b, 1, 'B', 100, 5000);
    add(&b, 2, 'B', 10, 4000);
    news(&b);
    add(&b, 1, 'S', 1, 6000);
    expect(&b, "alert 3 7 duplicate_reference A 1");
    execute(&b, 1, 101);
    expect(&b, "alert 4 7 overfill E 1; trade 4 7 B 101 5000 99 1; quote 4 7 4000 10 1 0 0 0 0");
    add(&b, 3, 'B', 10, 3000);
    replace(&b, 2, 3, 10, 9000);
    expect(&b, "alert 6 7 duplicate_reference U 3; quote 6 7 3000 10 1 0 0 0 0");
    cr_assert_eq(counter(&b, "overfill"), 1);
    cr_assert_eq(counter(&b, "duplicate_reference"), 2);
    close_book(&b);
}

Test(order_book, a_full_book_says_so_and_knows_what_it_left_out)
{
    struct bench b;
    open_book(&b, "orders_max: 2, unknown_max: 1");
    add(&b, 1, 'B', 100, 5000);
    add(&b, 2, 'B', 100, 5000);
    news(&b);
    add(&b, 3, 'B', 100, 5000);
    expect(&b, "alert 3 7 full A 3");
    delete_of(&b, 3, LOCATE);
    expect(&b, "alert 4 7 unknown_reference D 3");
    cr_assert_eq(counter(&b, "full"), 1);
    cr_assert_eq(counter(&b, "untracked_reference"), 1);
    delete_of(&b, 8, LOCATE); // one order more than can be remembered
    cr_assert_eq(counter(&b, "unknown_reference"), 1);
    cr_assert_eq(counter(&b, "unknown_orders"), 0);
    cr_assert_eq(counter(&b, "unknown_full"), 1);
    close_book(&b);
}

Test(order_book, pass_puts_the_message_first)
{
    struct bench b;
    open_book(&b, "pass: true");
    add(&b, 1, 'B', 100, 5000);
    expect(&b, "schema 11; quote 1 7 5000 100 1 0 0 0 0");
    add(&b, 2, 'B', 100, 4000);
    expect(&b, "schema 11");
    cr_assert_eq(b.chain.stage->now.counts[MR_COUNT_OUT], 2);
    close_book(&b);
}

Test(order_book, gaps_always_go_on)
{
    struct bench b;
    open_book(&b, "");
    struct mr_gap gap = {.env = {.length = sizeof gap, .schema_id = MR_SCHEMA_GAP}, .lost = 3};
    cr_assert(chain_fixture_put(&b.chain, &gap.env));
    expect(&b, "schema 33");
    close_book(&b);
}

Test(order_book, what_is_switched_off_is_counted_but_not_sent)
{
    struct bench b;
    open_book(&b, "quotes: no, trades: no, alerts: no");
    add(&b, 1, 'B', 100, 5000);
    execute(&b, 1, 1);
    execute(&b, 2, 1);
    expect(&b, "");
    cr_assert_eq(counter(&b, "quotes"), 2);
    cr_assert_eq(counter(&b, "trades"), 1);
    cr_assert_eq(counter(&b, "unknown_reference"), 1);
    close_book(&b);
}

Test(order_book, a_side_that_is_none_is_rejected)
{
    struct bench b;
    open_book(&b, "pass: true");
    add(&b, 1, 'X', 100, 5000);
    expect(&b, "");
    cr_assert_eq(b.chain.dead.count, 1);
    cr_assert_eq(b.chain.stage->now.rejected[MR_REASON_BAD_VALUE], 1);
    close_book(&b);
}

Test(order_book, options_and_inputs_that_cannot_be_are_refused)
{
    struct mr_schema_set itch = {0}, mock = {0};
    struct mr_error err;
    mr_market_schemas_range(&itch, MR_SCHEMA_ITCH_FIRST, MR_SCHEMA_ITCH_LAST, &err);
    mr_market_schemas_range(&mock, MR_SCHEMA_MOCK, MR_SCHEMA_MOCK, &err);
    const char *text = chain_fixture_error("  - order_book: {orders_max: 0}", &itch);
    cr_assert(strstr(text, "orders_max"), "%s", text);
    text = chain_fixture_error("  - order_book: {levels_max: 999999999}", &itch);
    cr_assert(strstr(text, "levels_max"), "%s", text);
    text = chain_fixture_error("  - order_book:", &mock);
    cr_assert(strstr(text, "no order messages"), "%s", text);
    cr_assert_str_eq(chain_fixture_error("  - order_book:", &itch), "");
    mr_schema_set_clear(&itch);
    mr_schema_set_clear(&mock);
}

// ---- files

static const char *sample_path(const char *name)
{
    static char path[512];
    const char *samples = getenv("MILLRACE_SAMPLES");
    snprintf(path, sizeof path, "%s/itch/%s", samples ? samples : "../shared/data", name);
    if (access(path, R_OK) == 0)
        return path;
    cr_skip_test("no sample file itch/%s (MILLRACE_SAMPLES)", name);
    return NULL;
}

static uint8_t *read_file(const char *path, size_t *bytes)
{
    FILE *file = fopen(path, "rb");
    cr_assert_not_null(file, "%s", path);
    fseek(file, 0, SEEK_END);
    *bytes = (size_t)ftell(file);
    rewind(file);
    uint8_t *content = malloc(*bytes);
    cr_assert_eq(fread(content, 1, *bytes, file), *bytes);
    fclose(file);
    return content;
}

// All frames through the book; with `seed`, it is killed at random times and takes up from its
// commits.
static void put_frames(struct bench *b, const uint8_t *content, size_t bytes, uint64_t seed)
{
    struct mr_itch_symbols *symbols = calloc(1, sizeof *symbols);
    size_t at = 0, committed = 0;
    uint64_t committed_sequence = 0;
    while (at + 2 <= bytes) {
        _Alignas(8) uint8_t record[MR_ITCH_RECORD_BYTES_MAX];
        size_t length = (size_t)content[at] << 8 | content[at + 1];
        cr_assert_eq(mr_itch_check(content + at + 2, length), MR_ITCH_GOOD, "at %zu", at);
        mr_itch_decode(content + at + 2, symbols, START_NS, ++b->sequence, (void *)record);
        ((struct mr_record *)(void *)record)->length = mr_itch_types[content[at + 2]].record_bytes;
        cr_assert(chain_fixture_put(&b->chain, (const void *)record));
        at += 2 + length;
        uint64_t dice = seed ? random_below(&seed, 200) : 100;
        if (dice == 0) {
            chain_fixture_crash(&b->chain);
            at = committed;
            b->sequence = committed_sequence;
        } else if (dice <= 4) {
            chain_fixture_commit(&b->chain);
            committed = at;
            committed_sequence = b->sequence;
        }
    }
    chain_fixture_end(&b->chain);
    free(symbols);
}

static void put_file(struct bench *b, const char *path)
{
    size_t bytes;
    uint8_t *content = read_file(path, &bytes);
    put_frames(b, content, bytes, 0);
    free(content);
}

// Each line of the model, counters at its end, against what came out of the operator.
static void compare_with_model(struct bench *b, const char *path)
{
    char command[700], line[300], found[300], name[64];
    unsigned long long value;
    unsigned at = 0, counters = 0;
    snprintf(command, sizeof command, "python3 tests/model/book_model.py '%s'", path);
    FILE *model = popen(command, "r");
    cr_assert_not_null(model);
    while (fgets(line, sizeof line, model)) {
        line[strcspn(line, "\n")] = '\0';
        if (sscanf(line, "count %63s %llu", name, &value) == 2) {
            cr_assert_eq(counter(b, name), value, "%s: %llu, the model says %llu", name,
                         (unsigned long long)counter(b, name), value);
            counters++;
            continue;
        }
        cr_assert_lt(at, b->chain.out.count, "nothing for \"%s\"", line);
        line_of(chain_fixture_at(&b->chain.out, at++), found, sizeof found);
        cr_assert_str_eq(found, line, "record %u: \"%s\", the model says \"%s\"", at, found, line);
    }
    cr_assert_eq(pclose(model), 0);
    cr_assert_eq(at, b->chain.out.count);
    cr_assert_eq(counters, 10);
}

// Numbers of an independent pass over the file: 1,114 messages refer to 758 orders that neither an
// add nor a replace in the file made; 95 more to orders that replaced such ones.
Test(order_book, the_premarket_sample)
{
    struct bench b;
    const char *path = sample_path("20200130-0400-premarket.itch");
    open_book(&b, "");
    put_file(&b, path);
    cr_assert_eq(b.chain.stage->now.counts[MR_COUNT_IN], 12932);
    cr_assert_eq(counter(&b, "unknown_reference"), 1114);
    cr_assert_eq(counter(&b, "unknown_orders"), 758);
    cr_assert_eq(counter(&b, "untracked_reference"), 95);
    cr_assert_eq(counter(&b, "crossed"), 0);
    cr_assert_eq(counter(&b, "overfill"), 0);
    cr_assert_eq(counter(&b, "duplicate_reference"), 0);
    cr_assert_eq(counter(&b, "quotes"), 5838);
    cr_assert_eq(counter(&b, "trades"), 64);
    cr_assert_eq(counter(&b, "orders_live"), 2506);
    cr_assert_eq(counter(&b, "levels_live"), 1973);
    compare_with_model(&b, path);
    close_book(&b);
}

Test(order_book, the_open_sample)
{
    struct bench b;
    const char *path = sample_path("20191230-0930-open.itch");
    open_book(&b, "");
    put_file(&b, path);
    cr_assert_eq(counter(&b, "unknown_reference"), 394);
    cr_assert_eq(counter(&b, "trades"), 6);
    compare_with_model(&b, path);
    close_book(&b);
}

static uint8_t *generate(uint64_t messages, uint64_t seed, size_t *bytes)
{
    struct mr_itch_session *session;
    struct mr_error err;
    struct mr_itch_session_options options = {.messages = messages, .seed = seed, .symbols = 50};
    size_t capacity = messages * MR_ITCH_FRAME_BYTES_MAX, filled;
    uint8_t *content = malloc(capacity);
    cr_assert_eq(mr_itch_session_open(&session, &options, &err), MR_OK, "%s", err.text);
    *bytes = 0;
    while ((filled = mr_itch_session_fill(session, content + *bytes, capacity - *bytes)) > 0)
        *bytes += filled;
    mr_itch_session_close(session);
    return content;
}

// The generator's orders live consistent lives: nothing is unknown, nothing crosses.
Test(order_book, a_generated_session)
{
    struct bench b;
    size_t bytes;
    char path[128];
    uint8_t *content = generate(100000, 5, &bytes);
    open_book(&b, "");
    scratch_path(&b.chain.scratch, "session.itch", path, sizeof path);
    FILE *file = fopen(path, "wb");
    cr_assert_eq(fwrite(content, 1, bytes, file), bytes);
    fclose(file);
    put_frames(&b, content, bytes, 0);
    cr_assert_eq(counter(&b, "unknown_reference"), 0);
    cr_assert_eq(counter(&b, "overfill"), 0);
    cr_assert_eq(counter(&b, "duplicate_reference"), 0);
    cr_assert_gt(counter(&b, "quotes"), 10000);
    compare_with_model(&b, path);
    close_book(&b);
    free(content);
}

Test(order_book, crashes_and_batches_do_not_change_a_byte)
{
    struct bench plain, crashing;
    size_t bytes;
    uint8_t *content = generate(6000, 6, &bytes);
    open_book(&plain, "orders_max: 1500, unknown_max: 500");
    put_frames(&plain, content, bytes, 0);
    open_book(&crashing, "orders_max: 1500, unknown_max: 500");
    put_frames(&crashing, content, bytes, 7);
    cr_assert_eq(plain.chain.out.count, crashing.chain.out.count);
    for (unsigned i = 0; i < plain.chain.out.count; i++) {
        const struct mr_record *a = chain_fixture_at(&plain.chain.out, i);
        const struct mr_record *c = chain_fixture_at(&crashing.chain.out, i);
        cr_assert_eq(memcmp(&a->sequence, &c->sequence, a->length - 8), 0, "record %u", i);
    }
    cr_assert_eq(memcmp(plain.chain.stage->state, crashing.chain.stage->state,
                        mr_chain_state_bytes(&plain.chain.chain)),
                 0);
    close_book(&plain);
    close_book(&crashing);
    free(content);
}
