// SPDX-License-Identifier: Apache-2.0
// The generator: the same seed gives the same bytes, values keep to their hints, records are due on
// time.
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/market.h"
#include "tests/support/producer_fixture.h"

static struct producer_fixture fixture, other;

static void open_fixture(void)
{
    producer_fixture_directory(&fixture);
    producer_fixture_directory(&other);
}
static void close_fixture(void)
{
    producer_fixture_close(&fixture);
    producer_fixture_close(&other);
}
TestSuite(mock, .init = open_fixture, .fini = close_fixture);

static bool same_records(const struct producer_fixture *a, const struct producer_fixture *b)
{
    if (a->records.count != b->records.count)
        return false;
    for (size_t i = 0; i < a->records.count; i++)
        if (a->records.records[i]->length != b->records.records[i]->length ||
            memcmp(a->records.records[i], b->records.records[i], a->records.records[i]->length) !=
                0)
            return false;
    return true;
}

Test(mock, the_textbook_record)
{
    cr_assert_eq(producer_fixture_open(&fixture, "source: {type: mock, count: 20000, seed: 7}"),
                 MR_OK);
    cr_expect_eq(producer_fixture_run(&fixture), MR_POLL_END);
    cr_assert_eq(fixture.records.count, 20000);
    double sum = 0;
    unsigned low = 0, high = 0;
    for (size_t i = 0; i < fixture.records.count; i++) {
        const struct mr_mock *mock = (const void *)fixture.records.records[i];
        cr_assert_eq(mock->env.schema_id, MR_SCHEMA_MOCK);
        cr_assert_eq(mock->env.sequence, i + 1);
        cr_assert(mock->id >= 1 && mock->id <= 1000);
        cr_assert(mock->value >= 0 && mock->value < 100);
        cr_assert_eq(mock->env.event_time_ns, mock->env.ingest_time_ns);
        sum += mock->value;
        low += mock->id == 1;
        high += mock->id == 1000;
    }
    cr_expect(sum / 20000 > 49 && sum / 20000 < 51, "mean %g", sum / 20000);
    cr_expect(low > 5 && low < 50 && high > 5 && high < 50, "both ends are met: %u, %u", low, high);
    cr_expect_eq(fixture.stage->now.counts[MR_COUNT_IN], 20000);
    cr_expect_eq(fixture.stage->now.counts[MR_COUNT_OUT], 20000);
}

Test(mock, same_seed_same_bytes_other_seed_others)
{
    cr_assert_eq(producer_fixture_open(&fixture, "source: {type: mock, count: 500, seed: 7}"),
                 MR_OK);
    cr_assert_eq(
        producer_fixture_open(&other, "batch: 4KiB\nsource: {type: mock, count: 500, seed: 7}"),
        MR_OK);
    producer_fixture_run(&fixture);
    producer_fixture_run(&other);
    cr_expect(same_records(&fixture, &other));
    struct producer_fixture third = {0};
    cr_assert_eq(producer_fixture_open(&third, "source: {type: mock, count: 500, seed: 8}"), MR_OK);
    producer_fixture_run(&third);
    cr_expect_eq(third.records.count, 500);
    cr_expect_not(same_records(&fixture, &third));
    producer_fixture_close(&third);
}

Test(mock, a_restart_goes_on_behind_the_last_commit)
{
    static const char yaml[] = "batch: 4KiB\nsource: {type: mock, count: 1000, seed: 3}";
    cr_assert_eq(producer_fixture_open(&fixture, yaml), MR_OK);
    producer_fixture_poll(&fixture);
    producer_fixture_poll(&fixture);
    cr_expect(fixture.records.count > 0 && fixture.records.count < 1000);
    cr_assert_eq(producer_fixture_restart(&fixture), MR_OK);
    cr_expect(fixture.run.resumed);
    producer_fixture_run(&fixture);
    cr_assert_eq(producer_fixture_open(&other, yaml), MR_OK);
    producer_fixture_run(&other);
    cr_expect_eq(fixture.records.count, 1000);
    cr_expect(same_records(&fixture, &other));
}

static const char declared[] =
    "source: {type: mock, schema: reading, count: 5000}\n"
    "schemas:\n"
    "  - name: reading\n"
    "    fields:\n"
    "      - {name: sensor, type: u16, min: 10, max: 12}\n"
    "      - {name: level, type: i8}\n"
    "      - {name: price, type: decimal(2), min: 0.50, max: 0.75}\n"
    "      - {name: ratio, type: f32, min: -1, max: 1}\n"
    "      - {name: at, type: timestamp}\n"
    "      - {name: on, type: bool}\n"
    "      - {name: side, type: 'enum(buy,sell)'}\n"
    "      - {name: city, type: 'char[8]', values: [oslo, rome]}\n"
    "      - {name: code, type: 'char[20]', length: 15}\n"
    "      - {name: note, type: 'char[4]', nullable: true, nulls: 0.25}\n"
    "      - {name: blob, type: bytes, length: 40}\n";

Test(mock, declared_fields_keep_to_their_hints)
{
    cr_assert_eq(producer_fixture_open(&fixture, declared), MR_OK, "%s", fixture.err.text);
    cr_expect_eq(producer_fixture_run(&fixture), MR_POLL_END);
    cr_assert_eq(fixture.records.count, 5000);
    unsigned sensors[3] = {0}, buys = 0, oslo = 0, nulls = 0;
    for (size_t i = 0; i < 5000; i++) {
        int sensor = atoi(producer_fixture_text(&fixture, i, "sensor"));
        cr_assert(sensor >= 10 && sensor <= 12);
        sensors[sensor - 10]++;
        double price = atof(producer_fixture_text(&fixture, i, "price"));
        cr_assert(price >= 0.5 && price <= 0.75);
        double ratio = atof(producer_fixture_text(&fixture, i, "ratio"));
        cr_assert(ratio >= -1 && ratio <= 1);
        const char *city = producer_fixture_text(&fixture, i, "city");
        cr_assert(strcmp(city, "oslo") == 0 || strcmp(city, "rome") == 0);
        oslo += *city == 'o';
        buys += strcmp(producer_fixture_text(&fixture, i, "side"), "buy") == 0;
        nulls += strcmp(producer_fixture_text(&fixture, i, "note"), "(null)") == 0;
        cr_assert_eq(strlen(producer_fixture_text(&fixture, i, "code")), 15);
        cr_assert_eq(strlen(producer_fixture_text(&fixture, i, "blob")), 40);
    }
    for (unsigned i = 0; i < 3; i++)
        cr_expect(sensors[i] > 1500 && sensors[i] < 1900, "sensor %u: %u", 10 + i, sensors[i]);
    cr_expect(buys > 2300 && buys < 2700);
    cr_expect(oslo > 2300 && oslo < 2700);
    cr_expect(nulls > 1100 && nulls < 1400, "%u nulls", nulls);
    cr_expect_str_eq(producer_fixture_text(&fixture, 1, "at"), "2020-01-01T00:00:00.000001000Z");
}

Test(mock, steps_are_the_same_whenever_they_are_made)
{
    static const char yaml[] =
        "source: {type: mock, interval: 1ms, count: 4, clock: steps, epoch: '2024-02-29'}";
    cr_assert_eq(producer_fixture_open(&fixture, yaml), MR_OK, "%s", fixture.err.text);
    while (producer_fixture_run(&fixture) != MR_POLL_END)
        mr_sleep_until_mono_ns(fixture.run.wake_mono_ns);
    cr_assert_eq(fixture.records.count, 4);
    for (int i = 0; i < 4; i++)
        cr_expect_eq(fixture.records.records[i]->event_time_ns,
                     1709164800000000000LL + i * 1000000LL);
}

// Open loop: a generator that was held up for a while sends everything that was due at once.
Test(mock, what_is_overdue_comes_in_one_burst)
{
    cr_assert_eq(
        producer_fixture_open(&fixture, "source: {type: mock, interval: 1ms, run_time: 30ms}"),
        MR_OK);
    cr_expect_eq(producer_fixture_run(&fixture), MR_POLL_IDLE,
                 "the first is there, the second is not due");
    mr_sleep_until_mono_ns(mr_mono_ns() + 100 * 1000000LL);
    cr_expect_eq(producer_fixture_run(&fixture), MR_POLL_END);
    cr_assert_eq(fixture.records.count, 30);
    for (size_t i = 1; i < 30; i++)
        cr_expect_eq(fixture.records.records[i]->event_time_ns -
                         fixture.records.records[0]->event_time_ns,
                     (int64_t)i * 1000000, "due times do not drift");
    cr_expect_gt(fixture.stage->now.plugin[fixture.run.counters], 20,
                 "overdue records are counted");
}

Test(mock, run_time_ends_a_flat_out_generator)
{
    fixture.counts_only = true;
    int64_t start_ns = mr_mono_ns();
    cr_assert_eq(producer_fixture_open(&fixture, "source: {type: mock, run_time: 0.1s}"), MR_OK);
    cr_expect_eq(producer_fixture_run(&fixture), MR_POLL_END);
    int64_t took_ns = mr_mono_ns() - start_ns;
    cr_expect(took_ns > 90 * 1000000LL && took_ns < 2000 * 1000000LL, "%lld ns",
              (long long)took_ns);
    cr_expect_gt(fixture.seen, 1000);
}

Test(mock, bad_options_name_their_place)
{
    static const char *const cases[][2] = {
        {"source: {type: mock, rate: 5, interval: 1s}", "source.interval: "},
        {"source: {type: mock, rate: -1}", "source.rate: found -1"},
        {"source: {type: mock, schema: nope}", "source.schema: found \"nope\""},
        {"source: {type: mock, epoch: tomorrow}", "source.epoch: found \"tomorrow\""},
        {"source: {type: mock, speed: 1}", "source.speed: unknown key"},
        {"source: {type: mock, schema: s}\nschemas: [{name: s, fields: [{name: a, type: u8, max: "
         "300}]}]",
         "schemas[0].fields[0].max: found \"300\", expected u8"},
        {"source: {type: mock, schema: s}\nschemas: [{name: s, fields: [{name: a, type: u8, min: "
         "3, max: 2}]}]",
         "expected min below max"},
    };
    for (size_t i = 0; i < MR_COUNT_OF(cases); i++) {
        struct producer_fixture bad = {0};
        cr_expect_eq(producer_fixture_open(&bad, cases[i][0]), MR_ERR_CONFIG, "%s", cases[i][0]);
        cr_expect(strstr(bad.err.text, cases[i][1]), "%s: %s", cases[i][0], bad.err.text);
        producer_fixture_close(&bad);
    }
}
