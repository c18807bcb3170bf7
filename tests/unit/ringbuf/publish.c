// SPDX-License-Identifier: Apache-2.0
// The commit word: what is visible after a writer has died between any two of its stores, and what a
// claim may not write.
#include <criterion/criterion.h>
#include <signal.h>
#include <string.h>

#include "tests/support/ring_fixture.h"

static struct ring_fixture fixture;

static void open_fixture(void)
{
    ring_fixture_open(&fixture, (struct mr_ring_options){0});
}
static void close_fixture(void)
{
    ring_fixture_close(&fixture);
}
TestSuite(publish, .init = open_fixture, .fini = close_fixture);

static uint32_t word(uint64_t position)
{
    return *mr_word_at(&fixture.ring, position);
}

static void expect_records(uint64_t first, uint64_t count)
{
    uint32_t length;
    for (uint64_t i = 0; i < count; i++) {
        const struct mr_record *record = mr_next(&fixture.reader, &length);
        cr_assert_not_null(record);
        cr_expect_eq(record->sequence, first + i);
    }
    cr_expect_null(mr_next(&fixture.reader, &length));
    cr_expect_not(fixture.reader.corrupt);
}

Test(publish, only_the_first_word_of_a_run_is_held_back)
{
    for (uint64_t i = 0; i < 3; i++)
        cr_assert(ring_fixture_put(&fixture, i, 64));
    cr_expect_eq(word(0), 64 | MR_RING_UNPUBLISHED);
    cr_expect_eq(word(64), 64);
    cr_expect_eq(word(128), 64);
    expect_records(0, 0);
    mr_publish(&fixture.writer, 0);
    cr_expect_eq(word(0), 64);
    cr_expect_eq(word(192), 0);
    expect_records(0, 3);
}

// Whatever stood there before: from the last lap, or from claims that were given back.
Test(publish, behind_a_run_stands_a_zero_word)
{
    uint64_t random = random_seed(11);
    memset(fixture.ring.data, 0xFF, fixture.ring.capacity);
    mr_writer_recover(&fixture.writer, 0);
    for (uint64_t i = 0; i < 20000; i++) {
        uint32_t length = MR_ENVELOPE_BYTES + (uint32_t)random_below(&random, i % 7 ? 60 : 3000);
        struct mr_record *given_back = mr_claim(&fixture.writer, length + 500);
        if (given_back && random_below(&random, 2))
            memset((uint8_t *)given_back + 8, 0xFF, length + 492);
        mr_abort(&fixture.writer);
        cr_assert(ring_fixture_put(&fixture, i, length));
        if (random_below(&random, 3) == 0)
            continue;
        mr_publish(&fixture.writer, 0);
        cr_assert_eq(word(fixture.writer.position), 0, "seed 11, step %lu", i);
        uint32_t found;
        while (mr_next(&fixture.reader, &found))
            continue;
        cr_assert_not(fixture.reader.corrupt);
        cr_assert_eq(fixture.reader.position, fixture.writer.position);
        mr_release(&fixture.reader, fixture.reader.position, NULL);
    }
}

Test(publish, a_writer_that_died_with_an_unpublished_run)
{
    cr_assert(ring_fixture_put(&fixture, 0, 64));
    mr_publish(&fixture.writer, 0);
    cr_assert(ring_fixture_put(&fixture, 1, 64));
    cr_assert(ring_fixture_put(&fixture, 2, 64));
    mr_writer_open(&fixture.writer, &fixture.ring);
    cr_expect_eq(fixture.writer.position, 64);
    expect_records(0, 1);
    cr_assert(ring_fixture_put(&fixture, 3, 40));
    mr_publish(&fixture.writer, 0);
    expect_records(3, 1);
}

// The stage had committed the run elsewhere before it died: it is published as it stands.
Test(publish, a_run_that_was_committed_and_not_published)
{
    for (uint64_t i = 0; i < 3; i++)
        cr_assert(ring_fixture_put(&fixture, i, 64));
    mr_writer_open(&fixture.writer, &fixture.ring);
    mr_writer_recover(&fixture.writer, 192);
    cr_expect_not(fixture.writer.corrupt);
    expect_records(0, 3);
    cr_assert(ring_fixture_put(&fixture, 3, 64));
    mr_publish(&fixture.writer, 0);
    expect_records(3, 1);
}

// Published, read and released, and the cursor never stored: the next writer finds the end.
Test(publish, a_writer_that_died_before_it_stored_its_cursor)
{
    for (uint64_t i = 0; i < 3; i++)
        cr_assert(ring_fixture_put(&fixture, i, 64));
    mr_publish(&fixture.writer, 0);
    expect_records(0, 3);
    mr_release(&fixture.reader, fixture.reader.position, NULL);
    fixture.ring.writer_line->write_pos = 0;
    mr_writer_open(&fixture.writer, &fixture.ring);
    cr_expect_not(fixture.writer.corrupt);
    cr_expect_eq(fixture.writer.position, 192);
    mr_writer_recover(&fixture.writer, 192);
    cr_expect_eq(fixture.ring.writer_line->write_pos, 192);
    cr_assert(ring_fixture_put(&fixture, 3, 64));
    mr_publish(&fixture.writer, 0);
    expect_records(3, 1);
}

Test(publish, the_length_of_a_claim_belongs_to_the_ring, .exit_code = MR_ERR_CORRUPT)
{
    struct mr_record *record = mr_claim(&fixture.writer, 64);
    cr_assert_not_null(record);
    record->length = 64;
    mr_commit(&fixture.writer);
}

Test(publish, lazily_while_the_reader_has_work)
{
    cr_assert(ring_fixture_put(&fixture, 0, 64));
    mr_publish_lazily(&fixture.writer, 0);
    cr_expect_eq(fixture.ring.writer_line->write_pos, 64, "the reader had nothing");
    uint64_t published = 1;
    for (uint64_t i = 1; fixture.writer.published == 64; i++, published = i) {
        cr_assert_leq(i, MR_LAZY_BYTES_MAX / 64);
        cr_assert(ring_fixture_put(&fixture, i, 64));
        mr_publish_lazily(&fixture.writer, 0);
    }
    cr_expect_eq(published, 1 + MR_LAZY_BYTES_MAX / 64);
    expect_records(0, published);
}

Test(publish, released_lazily_when_nothing_is_left)
{
    uint32_t length;
    for (uint64_t i = 0; i < 2; i++)
        cr_assert(ring_fixture_put(&fixture, i, 64));
    mr_publish(&fixture.writer, 0);
    cr_assert_not_null(mr_next(&fixture.reader, &length));
    mr_release_lazily(&fixture.reader, NULL);
    cr_expect_eq(fixture.ring.reader_line->read_pos, 0);
    cr_assert_not_null(mr_next(&fixture.reader, &length));
    mr_release_lazily(&fixture.reader, NULL);
    cr_expect_eq(fixture.ring.reader_line->read_pos, 128);
}

// The last run-out was `ago` before now: far below 0, so that no machine is too slow for it, or a second.
static void take_burst(uint64_t records, int64_t ago_ns)
{
    uint32_t length;
    fixture.reader.run_out_tick = mr_tick() - (uint64_t)((double)ago_ns / mr_ns_per_tick);
    for (uint64_t i = 0; i < records; i++)
        cr_assert(ring_fixture_put(&fixture, i, 64));
    mr_publish(&fixture.writer, 0);
    while (mr_next(&fixture.reader, &length))
        mr_release_lazily(&fixture.reader, NULL);
}
#define JUST_NOW_NS -1000000000
#define LONG_AGO_NS 1000000000

Test(publish, bursts_in_a_row_are_told_from_single_records)
{
    for (uint32_t i = 1; i <= 6; i++) {
        take_burst(8, JUST_NOW_NS);
        cr_expect_eq(fixture.reader.run_outs, i);
    }
    take_burst(1, JUST_NOW_NS);
    cr_expect_eq(fixture.reader.run_outs, 0, "a record by itself is never kept waiting");
    take_burst(8, JUST_NOW_NS);
    take_burst(8, JUST_NOW_NS);
    cr_expect_eq(fixture.reader.run_outs, 2);
    take_burst(8, LONG_AGO_NS);
    cr_expect_eq(fixture.reader.run_outs, 1, "nor a burst by itself");
}
