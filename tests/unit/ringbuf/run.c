// SPDX-License-Identifier: Apache-2.0
// Runs of records: the bytes are those that one claim and commit a record would have made; a run ends at
// the wrap and where the ring is full.
#include <criterion/criterion.h>
#include <string.h>

#include "tests/support/ring_fixture.h"

#define CAPACITY MR_RING_CAPACITY_MIN
#define RECORD_BYTES 56

static struct ring_fixture fixture;

static void open_fixture(void)
{
    ring_fixture_open(&fixture, (struct mr_ring_options){.checksummed = true});
}
static void close_fixture(void)
{
    ring_fixture_close(&fixture);
}
TestSuite(run, .init = open_fixture, .fini = close_fixture);

static void fill(uint64_t records, uint64_t sequence)
{
    uint8_t *at = (uint8_t *)mr_claimed(&fixture.writer);
    for (uint64_t i = 0; i < records; i++, at += RECORD_BYTES) {
        struct mr_record record = {.length = RECORD_BYTES, .sequence = sequence + i};
        memset(at + MR_RING_OWN_BYTES, (int)i, RECORD_BYTES - MR_RING_OWN_BYTES);
        size_t from = i == 0 ? sizeof record.length : 0; // the first length word is the ring's
        memcpy(at + from, (const uint8_t *)&record + from, sizeof record - from);
    }
}

static void read_all(uint64_t records, uint64_t sequence)
{
    uint32_t length;
    for (uint64_t i = 0; i < records; i++) {
        const struct mr_record *record = mr_next(&fixture.reader, &length);
        cr_assert_not_null(record);
        cr_assert_eq(length, RECORD_BYTES);
        cr_assert_eq(record->sequence, sequence + i);
        cr_assert_eq(record->checksum,
                     mr_record_checksum(record, length, fixture.reader.position - RECORD_BYTES));
    }
    cr_expect_null(mr_next(&fixture.reader, &length));
    mr_release(&fixture.reader, fixture.reader.position, NULL);
}

Test(run, is_part_of_the_batch)
{
    cr_expect_eq(mr_claim_run(&fixture.writer, 1000), 1000);
    fill(17, 1);
    mr_commit_run(&fixture.writer, 17 * RECORD_BYTES, 17, RECORD_BYTES);
    cr_expect_eq(fixture.writer.position, 17 * RECORD_BYTES);
    cr_expect_eq(fixture.writer.unnoted, 17);
    cr_expect_geq(fixture.ring.news->horizon, 1000, "taps are told of all that may change");
    read_all(0, 0);
    mr_publish(&fixture.writer, mr_tick());
    read_all(17, 1);
}

Test(run, ends_where_the_ring_is_full_and_at_the_wrap)
{
    uint64_t records = 1000;
    cr_assert_eq(mr_claim_run(&fixture.writer, 1u << 30), CAPACITY - 8);
    fill(records, 1);
    mr_commit_run(&fixture.writer, records * RECORD_BYTES, records, RECORD_BYTES);
    mr_publish(&fixture.writer, mr_tick());
    uint64_t rest = CAPACITY - records * RECORD_BYTES;
    cr_expect_eq(mr_claim_run(&fixture.writer, CAPACITY), rest - 8, "a commit word's room is kept");
    read_all(records, 1);
    cr_expect_eq(mr_claim_run(&fixture.writer, CAPACITY), rest, "not beyond the wrap");
    while (fixture.writer.position + RECORD_BYTES <= CAPACITY)
        cr_assert(ring_fixture_put(&fixture, 0, RECORD_BYTES));
    cr_expect_lt(mr_claim_run(&fixture.writer, CAPACITY), RECORD_BYTES);
    cr_assert(ring_fixture_put(&fixture, 0, RECORD_BYTES), "a claim pads");
    cr_expect_eq(fixture.writer.position, CAPACITY + RECORD_BYTES);
    cr_expect_eq(mr_claim_run(&fixture.writer, CAPACITY), records * RECORD_BYTES - RECORD_BYTES - 8,
                 "what was released, and no more");
}

Test(run, none_on_a_dead_ring)
{
    fixture.ring.reader_line->read_pos = 8; // ahead of the writer
    cr_expect_eq(mr_claim_run(&fixture.writer, CAPACITY - 8), CAPACITY - 8, "not looked at yet");
    fill(1, 1);
    mr_commit_run(&fixture.writer, RECORD_BYTES, 1, RECORD_BYTES);
    cr_expect_eq(mr_claim_run(&fixture.writer, CAPACITY / 2), CAPACITY / 2);
    fixture.writer.position = CAPACITY; // at the wrap: now more is wanted than is known to be free
    cr_expect_eq(mr_claim_run(&fixture.writer, CAPACITY), 0);
    cr_expect(fixture.writer.corrupt);
}
