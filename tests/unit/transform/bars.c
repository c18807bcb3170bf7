// SPDX-License-Identifier: Apache-2.0
// bars: what one bar is, when windows close, what is late, rejected or passed on, and that neither
// batches nor crashes change a byte.
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/chain_fixture.h"

#define SECOND 1000000000LL
#define NOON 1580472000000000000LL // 2020-01-31T12:00:00Z, a multiple of a minute

// tick: symbol char[8], price decimal(2) null, size u32 null
static struct mr_schema_set tick_schemas(void)
{
    struct mr_schema_set set = {0};
    struct mr_error err;
    struct mr_schema *tick = mr_schema_new("tick", MR_SCHEMA_ID_DECLARED);
    mr_schema_add(tick, "symbol", "char[8]", false, &err);
    mr_schema_add(tick, "price", "decimal(2)", true, &err);
    mr_schema_add(tick, "size", "u32", true, &err);
    mr_schema_seal(tick);
    mr_schema_set_add(&set, tick, &err);
    return set;
}

#define BARS(rest) "  - bars: {key: symbol, price: price, volume: size, " rest "}"

struct bench {
    struct chain_fixture chain;
    struct mr_schema_set schemas;
    uint64_t sequence;
};

static void open_bars(struct bench *b, const char *transform)
{
    b->schemas = tick_schemas();
    b->sequence = 0;
    chain_fixture_open(&b->chain, transform, &b->schemas);
}

static void close_bars(struct bench *b)
{
    chain_fixture_close(&b->chain);
    mr_schema_set_clear(&b->schemas);
}

static void fill_tick(struct bench *b, void *record, const char *symbol, int64_t at_ns,
                      int64_t price, int64_t size)
{
    const struct mr_schema *tick = b->schemas.schemas[0];
    struct mr_record *env = record;
    mr_record_init(tick, record);
    env->sequence = ++b->sequence;
    env->event_time_ns = at_ns;
    env->ingest_time_ns = at_ns + 5;
    mr_field_set_text(tick, mr_schema_field(tick, "symbol"), record, symbol, strlen(symbol));
    mr_field_set_i64(tick, mr_schema_field(tick, "price"), record, price);
    mr_field_set_i64(tick, mr_schema_field(tick, "size"), record, size);
}

static void put(struct bench *b, const char *symbol, int64_t at_ns, int64_t price, int64_t size)
{
    _Alignas(8) uint8_t record[256];
    fill_tick(b, record, symbol, at_ns, price, size);
    cr_assert(chain_fixture_put(&b->chain, (const void *)record));
}

static const char *text_of(const struct bench *b, unsigned index)
{
    static char line[512];
    const struct mr_record *record = chain_fixture_at(&b->chain.out, index);
    const struct mr_schema *schema =
        mr_schema_set_by_id(&b->chain.stage->out_schemas, record->schema_id);
    size_t used = (size_t)snprintf(line, sizeof line, "%s", schema->name);
    for (unsigned i = 0; i < schema->field_count; i++) {
        line[used++] = ' ';
        used += mr_field_print(schema, &schema->fields[i], record, line + used, sizeof line - used);
    }
    return line;
}

static void expect(const struct bench *b, unsigned index, const char *text)
{
    cr_assert_str_eq(text_of(b, index), text, "record %u: %s, expected %s", index,
                     text_of(b, index), text);
}

Test(bars, one_bar_per_key_and_window)
{
    struct bench b;
    open_bars(&b, BARS("every: 1s"));
    put(&b, "A", NOON, 1000, 10);
    put(&b, "B", NOON + 1, 500, 1);
    put(&b, "A", NOON + 2, 1200, 30);
    put(&b, "A", NOON + SECOND - 1, 900, 20);
    chain_fixture_commit(&b.chain);
    cr_assert_eq(b.chain.out.count, 0);
    put(&b, "B", NOON + SECOND, 700, 7);
    chain_fixture_commit(&b.chain);
    cr_assert_eq(b.chain.out.count, 2);
    expect(&b, 0,
           "bar A 2020-01-31T12:00:00.000000000Z 2020-01-31T12:00:01.000000000Z 10.00 12.00 9.00 "
           "9.00 60 10.666666666666666 3");
    expect(&b, 1,
           "bar B 2020-01-31T12:00:00.000000000Z 2020-01-31T12:00:01.000000000Z 5.00 5.00 5.00 "
           "5.00 1 5 1");
    const struct mr_record *bar = chain_fixture_at(&b.chain.out, 0);
    cr_assert_eq(bar->event_time_ns, NOON + SECOND);
    cr_assert_eq(bar->ingest_time_ns, NOON + SECOND - 1 + 5);
    cr_assert_eq(bar->sequence, 4);
    chain_fixture_end(&b.chain);
    cr_assert_eq(b.chain.out.count, 3);
    expect(&b, 2,
           "bar B 2020-01-31T12:00:01.000000000Z 2020-01-31T12:00:02.000000000Z 7.00 7.00 7.00 "
           "7.00 7 7 1");
    cr_assert_eq(chain_fixture_counter(&b.chain, "bars.bars"), 3);
    close_bars(&b);
}

Test(bars, disorder_within_a_window_goes_by_event_time)
{
    struct bench b;
    open_bars(&b, BARS("every: 1s"));
    put(&b, "A", NOON + 20, 300, 1);
    put(&b, "A", NOON + 10, 100, 1);
    put(&b, "A", NOON + 20, 400, 1);
    put(&b, "A", NOON + 15, 900, 1);
    chain_fixture_end(&b.chain);
    expect(&b, 0,
           "bar A 2020-01-31T12:00:00.000000000Z 2020-01-31T12:00:01.000000000Z 1.00 9.00 1.00 "
           "4.00 4 4.25 4");
    close_bars(&b);
}

Test(bars, a_late_record_changes_nothing)
{
    struct bench b;
    open_bars(&b, BARS("every: 1s"));
    put(&b, "A", NOON, 100, 1);
    put(&b, "A", NOON + SECOND, 200, 1);
    put(&b, "A", NOON + SECOND - 1, 900, 1);
    chain_fixture_end(&b.chain);
    cr_assert_eq(b.chain.out.count, 2);
    cr_assert_eq(b.chain.stage->now.counts[MR_COUNT_LATE], 1);
    cr_assert_eq(chain_fixture_counter(&b.chain, "bars.late"), 1);
    close_bars(&b);
}

Test(bars, lateness_keeps_several_windows_open)
{
    struct bench b;
    open_bars(&b, BARS("every: 1s, lateness: 1500ms"));
    put(&b, "A", NOON, 100, 1);
    put(&b, "A", NOON + 2 * SECOND, 300, 1); // watermark 0.5 s
    put(&b, "B", NOON + SECOND, 200, 1);
    put(&b, "A", NOON + SECOND / 2, 110, 1); // in time: the window ends at 1 s
    chain_fixture_commit(&b.chain);
    cr_assert_eq(b.chain.out.count, 0);
    put(&b, "A", NOON + 5 * SECOND / 2 - 1, 310, 1); // watermark 1 s - 1 ns
    chain_fixture_commit(&b.chain);
    cr_assert_eq(b.chain.out.count, 0);
    put(&b, "A", NOON + 5 * SECOND / 2, 320, 1); // watermark 1 s
    chain_fixture_commit(&b.chain);
    cr_assert_eq(b.chain.out.count, 1);
    put(&b, "A", NOON + SECOND - 1, 120, 1); // late
    put(&b, "C", NOON + 60 * SECOND, 1, 1);  // closes both others, the older first
    chain_fixture_end(&b.chain);
    cr_assert_eq(b.chain.out.count, 4);
    expect(&b, 0,
           "bar A 2020-01-31T12:00:00.000000000Z 2020-01-31T12:00:01.000000000Z 1.00 1.10 1.00 "
           "1.10 2 1.05 2");
    expect(&b, 1,
           "bar B 2020-01-31T12:00:01.000000000Z 2020-01-31T12:00:02.000000000Z 2.00 2.00 2.00 "
           "2.00 1 2 1");
    expect(&b, 2,
           "bar A 2020-01-31T12:00:02.000000000Z 2020-01-31T12:00:03.000000000Z 3.00 3.20 3.00 "
           "3.20 3 3.1 3");
    cr_assert_eq(b.chain.stage->now.counts[MR_COUNT_LATE], 1);
    close_bars(&b);
}

Test(bars, times_before_the_epoch_round_down)
{
    struct bench b;
    open_bars(&b, BARS("every: 1s"));
    put(&b, "A", -1, 100, 1);
    put(&b, "A", 1, 200, 1);
    chain_fixture_end(&b.chain);
    expect(&b, 0,
           "bar A 1969-12-31T23:59:59.000000000Z 1970-01-01T00:00:00.000000000Z 1.00 1.00 1.00 "
           "1.00 1 1 1");
    close_bars(&b);
}

static void put_null(struct bench *b, const char *field)
{
    _Alignas(8) uint8_t record[256];
    const struct mr_schema *tick = b->schemas.schemas[0];
    fill_tick(b, record, "A", NOON, 100, 1);
    mr_field_set_null(tick, mr_schema_field(tick, field), record, true);
    cr_assert(chain_fixture_put(&b->chain, (const void *)record));
}

Test(bars, what_has_no_price_volume_or_time_is_rejected)
{
    struct bench b;
    open_bars(&b, BARS("every: 1s"));
    put_null(&b, "price");
    put_null(&b, "size");
    put(&b, "A", 0, 100, 1);
    put(&b, "A", INT64_MAX - 5, 100, 1);
    chain_fixture_end(&b.chain);
    cr_assert_eq(b.chain.out.count, 0);
    cr_assert_eq(b.chain.dead.count, 4);
    cr_assert_eq(b.chain.stage->now.counts[MR_COUNT_REJECTED], 4);
    cr_assert_eq(b.chain.stage->now.rejected[MR_REASON_MISSING_FIELD], 3);
    cr_assert_eq(b.chain.stage->now.rejected[MR_REASON_BAD_VALUE], 1);
    close_bars(&b);
}

Test(bars, keys_beyond_keys_max_are_rejected)
{
    struct bench b;
    open_bars(&b, BARS("every: 1s, keys_max: 2"));
    put(&b, "A", NOON, 100, 1);
    put(&b, "B", NOON, 100, 1);
    put(&b, "C", NOON, 100, 1);
    put(&b, "A", NOON, 100, 1);
    put(&b, "C", NOON + SECOND, 100, 1); // a new window, a new count
    chain_fixture_end(&b.chain);
    cr_assert_eq(b.chain.out.count, 3);
    cr_assert_eq(b.chain.stage->now.rejected[MR_REASON_LIMIT], 1);
    cr_assert_eq(chain_fixture_counter(&b.chain, "bars.full"), 1);
    close_bars(&b);
}

Test(bars, pass_hands_records_on_before_the_bars_they_close)
{
    struct bench b;
    open_bars(&b, BARS("every: 1s, pass: true, name: second"));
    put(&b, "A", NOON, 100, 1);
    put(&b, "A", NOON + SECOND, 200, 1);
    put(&b, "A", NOON, 300, 1);
    chain_fixture_end(&b.chain);
    cr_assert_eq(b.chain.out.count, 5);
    expect(&b, 0, "tick A 1.00 1");
    expect(&b, 1, "tick A 2.00 1");
    expect(&b, 2,
           "second A 2020-01-31T12:00:00.000000000Z 2020-01-31T12:00:01.000000000Z 1.00 1.00 1.00 "
           "1.00 1 1 1");
    expect(&b, 3, "tick A 3.00 1");
    cr_assert_eq(chain_fixture_at(&b.chain.out, 1)->flags, 0);
    cr_assert_eq(chain_fixture_at(&b.chain.out, 3)->flags, MR_FLAG_LATE);
    cr_assert_eq(b.chain.stage->now.counts[MR_COUNT_OUT], 3);
    close_bars(&b);
}

Test(bars, without_volume_it_and_vwap_are_null)
{
    struct bench b;
    open_bars(&b, "  - bars: {key: symbol, price: size, every: 1m}");
    put(&b, "A", NOON, 100, 4);
    put(&b, "A", NOON, 100, 6);
    chain_fixture_end(&b.chain);
    expect(&b, 0,
           "bar A 2020-01-31T12:00:00.000000000Z 2020-01-31T12:01:00.000000000Z 4 6 4 6   2");
    close_bars(&b);
}

// ---- options

static void expect_error(const char *transform, const char *part)
{
    struct mr_schema_set set = tick_schemas();
    const char *text = chain_fixture_error(transform, &set);
    cr_assert(strstr(text, part), "found \"%s\", expected \"%s\" in it", text, part);
    mr_schema_set_clear(&set);
}

Test(bars, options_that_cannot_be_are_refused)
{
    expect_error("  - bars: {key: symbol, price: nope, every: 1s}", "no schema with the fields");
    expect_error("  - bars: {on: tick, key: symbol, price: nope, every: 1s}", "\"nope\"");
    expect_error("  - bars: {on: tock, key: symbol, price: price, every: 1s}", "\"tock\"");
    expect_error("  - bars: {on: [tick, tick], key: symbol, price: price, every: 1s}", "twice");
    expect_error("  - bars: {key: symbol, price: symbol, every: 1s}", "char[8]");
    expect_error("  - bars: {key: symbol, price: price}", "every");
    expect_error("  - bars: {key: symbol, price: price, every: 0s}", "every");
    expect_error("  - bars: {key: symbol, price: price, every: 1s, lateness: 1h}", "windows");
    expect_error("  - bars: {key: symbol, price: price, every: 1s, keys_max: 100000000}",
                 "egress ring");
    expect_error("  - bars: {key: symbol, price: price, every: 1s, name: tick, pass: true}",
                 "tick");
}

// ---- against a model

#define MODEL_KEYS 40
#define MODEL_TICKS 60000

struct tick {
    int64_t at_ns, price, size;
    unsigned key;
};

static void random_ticks(struct tick *ticks, unsigned count, uint64_t seed)
{
    int64_t now_ns = NOON;
    for (unsigned i = 0; i < count; i++) {
        now_ns +=
            (int64_t)random_below(&seed, random_below(&seed, 500) == 0 ? 5 * SECOND : 2000000);
        ticks[i].at_ns = now_ns - (int64_t)random_below(&seed, 3 * SECOND);
        ticks[i].price = (int64_t)random_below(&seed, 100000);
        ticks[i].size = 1 + (int64_t)random_below(&seed, 1000);
        ticks[i].key = (unsigned)random_below(&seed, MODEL_KEYS);
    }
}

static int64_t window_of(const struct tick *tick)
{
    return tick->at_ns / SECOND * SECOND; // all after the epoch
}

// Which ticks are late, by the definition: their window had ended by the watermark.
static unsigned mark_late(const struct tick *ticks, unsigned count, int64_t lateness_ns, bool *late)
{
    int64_t max_ns = INT64_MIN;
    unsigned found = 0;
    for (unsigned i = 0; i < count; i++) {
        late[i] = i > 0 && window_of(&ticks[i]) + SECOND <= max_ns - lateness_ns;
        found += late[i];
        if (ticks[i].at_ns > max_ns)
            max_ns = ticks[i].at_ns;
    }
    return found;
}

// The bar of one key and window, from all ticks anew.
static unsigned model_bar(const struct tick *ticks, const bool *late, unsigned count,
                          int64_t start_ns, unsigned key, char *out, size_t out_bytes, double *vwap)
{
    const struct tick *open = NULL, *close = NULL;
    int64_t high = 0, low = 0;
    uint64_t volume = 0, bar_count = 0, weighted = 0;
    for (unsigned i = 0; i < count; i++) {
        const struct tick *t = &ticks[i];
        if (late[i] || t->key != key || window_of(t) != start_ns)
            continue;
        open = !open || t->at_ns < open->at_ns ? t : open;
        close = !close || t->at_ns >= close->at_ns ? t : close;
        high = bar_count == 0 || t->price > high ? t->price : high;
        low = bar_count == 0 || t->price < low ? t->price : low;
        volume += (uint64_t)t->size;
        weighted += (uint64_t)(t->size * t->price);
        bar_count++;
    }
    if (bar_count > 0)
        snprintf(out, out_bytes, "%u %lld %lld %lld %lld %lld %llu %llu", key, (long long)start_ns,
                 (long long)open->price, (long long)high, (long long)low, (long long)close->price,
                 (unsigned long long)volume, (unsigned long long)bar_count);
    *vwap = (double)weighted / (double)volume / 100;
    return (unsigned)bar_count;
}

static int64_t field(const struct bench *b, const struct mr_record *bar, const char *name)
{
    const struct mr_schema *schema =
        mr_schema_set_by_id(&b->chain.stage->out_schemas, bar->schema_id);
    return mr_field_get_i64(mr_schema_field(schema, name), bar);
}

static double real_field(const struct bench *b, const struct mr_record *bar, const char *name)
{
    const struct mr_schema *schema =
        mr_schema_set_by_id(&b->chain.stage->out_schemas, bar->schema_id);
    return mr_field_get_f64(mr_schema_field(schema, name), bar);
}

static void found_bar(const struct bench *b, unsigned index, char *out, size_t out_bytes)
{
    const struct mr_record *bar = chain_fixture_at(&b->chain.out, index);
    const struct mr_schema *schema =
        mr_schema_set_by_id(&b->chain.stage->out_schemas, bar->schema_id);
    size_t length;
    const char *key = mr_field_get_text(mr_schema_field(schema, "symbol"), bar, &length);
    snprintf(out, out_bytes, "%d %lld %lld %lld %lld %lld %lld %lld", atoi(key + 1),
             (long long)field(b, bar, "start"), (long long)field(b, bar, "open"),
             (long long)field(b, bar, "high"), (long long)field(b, bar, "low"),
             (long long)field(b, bar, "close"), (long long)field(b, bar, "volume"),
             (long long)field(b, bar, "count"));
}

static void put_tick(struct bench *b, const struct tick *tick)
{
    char symbol[9];
    snprintf(symbol, sizeof symbol, "K%u", tick->key);
    put(b, symbol, tick->at_ns, tick->price, tick->size);
}

static void check_against_model(const struct bench *b, const struct tick *ticks, const bool *late)
{
    uint64_t in_bars = 0;
    int64_t start_ns = INT64_MIN;
    for (unsigned i = 0; i < b->chain.out.count; i++) {
        char found[256], expected[256] = "none";
        double vwap = -1;
        const struct mr_record *bar = chain_fixture_at(&b->chain.out, i);
        found_bar(b, i, found, sizeof found);
        cr_assert_geq(field(b, bar, "start"), start_ns, "bar %u is out of order", i);
        start_ns = field(b, bar, "start");
        in_bars += model_bar(ticks, late, MODEL_TICKS, start_ns, (unsigned)atoi(found), expected,
                             sizeof expected, &vwap);
        cr_assert_str_eq(found, expected);
        cr_assert_float_eq(real_field(b, bar, "vwap"), vwap, 1e-9, "%s", found);
    }
    cr_assert_eq(in_bars + b->chain.stage->now.counts[MR_COUNT_LATE], MODEL_TICKS);
}

static void run_model(const char *transform, int64_t lateness_ns, uint64_t seed)
{
    struct bench b;
    struct tick *ticks = malloc(MODEL_TICKS * sizeof *ticks);
    bool *late = malloc(MODEL_TICKS * sizeof *late);
    random_ticks(ticks, MODEL_TICKS, seed);
    unsigned late_count = mark_late(ticks, MODEL_TICKS, lateness_ns, late);
    open_bars(&b, transform);
    for (unsigned i = 0; i < MODEL_TICKS; i++)
        put_tick(&b, &ticks[i]);
    chain_fixture_end(&b.chain);
    cr_assert_eq(b.chain.stage->now.counts[MR_COUNT_LATE], late_count);
    cr_assert_gt(late_count, 0);
    check_against_model(&b, ticks, late);
    close_bars(&b);
    free(ticks);
    free(late);
}

Test(bars, agrees_with_the_model)
{
    run_model(BARS("every: 1s"), 0, 1);
}

Test(bars, agrees_with_the_model_with_lateness)
{
    run_model(BARS("every: 1s, lateness: 2300ms"), 2300000000LL, 2);
}

// ---- batches and crashes

static void put_with_crashes(struct bench *b, const struct tick *ticks, unsigned count,
                             uint64_t seed)
{
    unsigned committed = 0, at = 0;
    while (at < count) {
        put_tick(b, &ticks[at++]);
        uint64_t dice = random_below(&seed, 100);
        if (dice < 4) {
            chain_fixture_commit(&b->chain);
            committed = at;
        } else if (dice < 6) {
            chain_fixture_crash(&b->chain);
            at = committed;
            b->sequence = at;
        }
    }
}

Test(bars, crashes_and_batches_do_not_change_a_byte)
{
    enum { TICKS = 3000 };
    struct bench plain, crashing;
    struct tick *ticks = malloc(TICKS * sizeof *ticks);
    random_ticks(ticks, TICKS, 3);
    open_bars(&plain, BARS("every: 1s, lateness: 1s"));
    for (unsigned i = 0; i < TICKS; i++)
        put_tick(&plain, &ticks[i]);
    chain_fixture_end(&plain.chain);
    open_bars(&crashing, BARS("every: 1s, lateness: 1s"));
    put_with_crashes(&crashing, ticks, TICKS, 4);
    chain_fixture_end(&crashing.chain);
    cr_assert_eq(plain.chain.out.used, crashing.chain.out.used);
    for (unsigned i = 0; i < plain.chain.out.count; i++) {
        const struct mr_record *a = chain_fixture_at(&plain.chain.out, i);
        const struct mr_record *c = chain_fixture_at(&crashing.chain.out, i);
        cr_assert_eq(memcmp(&a->sequence, &c->sequence, a->length - 8), 0, "record %u", i);
    }
    close_bars(&plain);
    close_bars(&crashing);
    free(ticks);
}
