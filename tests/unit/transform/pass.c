// SPDX-License-Identifier: Apache-2.0
// A chain without operators moves whole runs. What comes out, and every count, is what one record at a
// time gives: over laps of the rings, with records that may not pass among them.
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "core/market.h"
#include "tests/support/chain_fixture.h"

#define ROUNDS 300
#define ROUND_BYTES (100u << 10)
#define RECORD_BYTES_MAX 704 // with its rounding

static struct chain_fixture by_runs, one_by_one;
static struct mr_writer feed;

static void open_fixtures(void)
{
    struct mr_schema_set in = {0};
    struct mr_error err;
    for (unsigned i = 0; i < 2; i++)
        cr_assert_eq(mr_schema_set_add(
                         &in,
                         mr_schema_copy(mr_market_schema(i ? MR_SCHEMA_ORDER_ADD : MR_SCHEMA_MOCK)),
                         &err),
                     MR_OK);
    chain_fixture_open(&by_runs, "  []\n", &in);
    chain_fixture_open(&one_by_one, "  []\n", &in);
    mr_schema_set_clear(&in);
    mr_writer_open(&feed, by_runs.stage->readers[MR_PORT_MAIN].ring);
}
static void close_fixtures(void)
{
    chain_fixture_close(&by_runs);
    chain_fixture_close(&one_by_one);
}
TestSuite(pass, .init = open_fixtures, .fini = close_fixtures);

// Mostly good ones of two schemas in stretches; now and then a schema that nobody declared, or one that is
// shorter than its fields.
static uint32_t make_record(unsigned *seed, uint64_t sequence, struct mr_record *record)
{
    uint8_t *bytes = (uint8_t *)record;
    uint32_t length = 64 + (uint32_t)rand_r(seed) % (RECORD_BYTES_MAX - 64);
    for (uint32_t i = 0; i < length; i++)
        bytes[i] = (uint8_t)rand_r(seed);
    record->flags = 0;
    record->checksum = 0; // as in the ingress ring, which has none: dead letters show it
    record->sequence = sequence;
    record->schema_id = sequence / 5 % 2 ? MR_SCHEMA_MOCK : MR_SCHEMA_ORDER_ADD;
    if (rand_r(seed) % 200 == 0)
        record->schema_id = 77;
    if (rand_r(seed) % 200 == 0)
        length = MR_ENVELOPE_BYTES + (uint32_t)rand_r(seed) % 4;
    record->length = length;
    return length;
}

static void put(const struct mr_record *record, uint32_t length)
{
    struct mr_record *out = mr_claim(&feed, length);
    cr_assert_not_null(out);
    memcpy((uint8_t *)out + MR_RING_OWN_BYTES, (const uint8_t *)record + MR_RING_OWN_BYTES,
           length - MR_RING_OWN_BYTES);
    mr_commit(&feed);
}

// As the transform process does it: runs, and one record where no run goes on.
static void take_all(void)
{
    struct mr_reader *reader = &by_runs.stage->readers[MR_PORT_MAIN];
    const struct mr_record *record;
    uint32_t length;
    do {
        mr_chain_pass(&by_runs.chain, reader, reader->position + (16u << 10));
        if ((record = mr_next(reader, &length)) != NULL)
            cr_assert(mr_chain_apply(&by_runs.chain, record, length));
        if (mr_stage_should_commit(by_runs.stage))
            chain_fixture_commit(&by_runs);
    } while (record);
    chain_fixture_commit(&by_runs);
    cr_expect_not(reader->corrupt);
}

static void compare(const struct record_list *a, const struct record_list *b)
{
    cr_assert_eq(a->count, b->count);
    cr_assert_eq(a->used, b->used);
    for (unsigned i = 0; i < a->count; i++) {
        const struct mr_record *left = chain_fixture_at(a, i), *right = chain_fixture_at(b, i);
        cr_assert_eq(left->length, right->length);
        cr_assert_eq(memcmp(left, right, left->length), 0, "record %u, checksum included", i);
    }
}

Test(pass, gives_what_one_record_at_a_time_gives)
{
    uint8_t bytes[RECORD_BYTES_MAX] __attribute__((aligned(8)));
    struct mr_record *record = (void *)bytes;
    unsigned seed = 3;
    uint64_t sequence = 0;
    for (unsigned round = 0; round < ROUNDS; round++) {
        for (uint64_t used = 0; used < ROUND_BYTES; used += RECORD_BYTES_MAX) {
            uint32_t length = make_record(&seed, ++sequence, record);
            put(record, length);
            cr_assert(chain_fixture_put(&one_by_one, record));
        }
        mr_publish(&feed, mr_tick());
        take_all();
    }
    chain_fixture_commit(&one_by_one);
    cr_expect_gt(by_runs.out.used, 3 * by_runs.stage->writers[0].ring->capacity / 2, "some laps");
    cr_expect_gt(by_runs.dead.count, 100);
    compare(&by_runs.out, &one_by_one.out);
    compare(&by_runs.dead, &one_by_one.dead);
    const struct mr_stage_slot *a = &by_runs.stage->now, *b = &one_by_one.stage->now;
    cr_expect_arr_eq(a->counts, b->counts, sizeof a->counts);
    cr_expect_arr_eq(a->rejected, b->rejected, sizeof a->rejected);
    cr_expect_arr_eq(a->in_by_schema, b->in_by_schema, sizeof a->in_by_schema);
    cr_expect_arr_eq(a->out_by_schema, b->out_by_schema, sizeof a->out_by_schema);
}

Test(pass, most_records_go_in_runs)
{
    struct mr_mock record = {.env = {.length = sizeof record, .schema_id = MR_SCHEMA_MOCK}};
    struct mr_reader *reader = &by_runs.stage->readers[MR_PORT_MAIN];
    for (unsigned i = 0; i < 1000; i++)
        put(&record.env, sizeof record);
    mr_publish(&feed, mr_tick());
    mr_chain_pass(&by_runs.chain, reader, reader->position + (1u << 20));
    cr_expect_eq(reader->position, 1000 * sizeof record);
    cr_expect_eq(by_runs.stage->now.counts[MR_COUNT_OUT], 1000);
    chain_fixture_commit(&by_runs);
    chain_fixture_commit(&one_by_one);
}

Test(pass, a_length_that_cannot_be_ends_the_run)
{
    struct mr_mock record = {.env = {.length = sizeof record, .schema_id = MR_SCHEMA_MOCK}};
    struct mr_reader *reader = &by_runs.stage->readers[MR_PORT_MAIN];
    static const uint32_t lengths[] = {0, 8, 24, 35, 1u << 20, UINT32_MAX};
    for (unsigned i = 0; i < MR_COUNT_OF(lengths); i++) {
        put(&record.env, sizeof record);
        struct mr_record *bad = mr_claimed(&feed);
        put(&record.env, sizeof record);
        put(&record.env, sizeof record);
        bad->length = lengths[i];
        mr_publish(&feed, mr_tick());
        uint64_t before = reader->position;
        mr_chain_pass(&by_runs.chain, reader, reader->position + 3 * sizeof record);
        cr_expect_eq(reader->position, before + sizeof record, "length %u", lengths[i]);
        reader->position = before + 3 * sizeof record;
        mr_stage_commit(by_runs.stage);
    }
    cr_expect_eq(by_runs.stage->now.counts[MR_COUNT_IN], MR_COUNT_OF(lengths));
}
