// SPDX-License-Identifier: Apache-2.0
// A tap sees what passes, copies it, and knows when it was too slow.
#include <criterion/criterion.h>
#include <string.h>

#include "ringbuf/tap.h"
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
TestSuite(tap, .init = open_fixture, .fini = close_fixture);

static void publish(uint64_t first, uint64_t count, uint32_t length)
{
    for (uint64_t i = 0; i < count; i++)
        cr_assert(ring_fixture_put(&fixture, first + i, length));
    mr_publish(&fixture.writer, mr_tick());
}

static void drain_reader(void)
{
    uint32_t length;
    while (mr_next(&fixture.reader, &length))
        continue;
    mr_release(&fixture.reader, fixture.reader.position, NULL);
}

Test(tap, newest_sees_what_comes_after_it_was_opened)
{
    struct mr_tap tap;
    publish(0, 5, 60);
    mr_tap_open(&tap, &fixture.ring, MR_TAP_NEWEST);
    cr_expect_null(mr_tap_next(&tap));
    publish(5, 2, 60);
    const struct mr_record *record = mr_tap_next(&tap);
    cr_assert_not_null(record);
    cr_expect_eq(record->sequence, 5);
    cr_expect_eq(record->length, 60);
    cr_expect_eq(mr_tap_next(&tap)->sequence, 6);
    cr_expect_null(mr_tap_next(&tap));
    cr_expect_eq(tap.lost_bytes, 0);
    cr_expect_eq(tap.overruns, 0);
    mr_tap_close(&tap);
}

Test(tap, oldest_begins_where_the_reader_is)
{
    struct mr_tap tap;
    publish(0, 3, 60);
    drain_reader();
    publish(3, 3, 60);
    mr_tap_open(&tap, &fixture.ring, MR_TAP_OLDEST);
    for (uint64_t i = 3; i < 6; i++)
        cr_expect_eq(mr_tap_next(&tap)->sequence, i);
    mr_tap_close(&tap);
}

Test(tap, what_it_hands_out_is_a_copy)
{
    struct mr_tap tap;
    mr_tap_open(&tap, &fixture.ring, MR_TAP_NEWEST);
    publish(7, 1, 100);
    const struct mr_record *record = mr_tap_next(&tap);
    cr_assert_not_null(record);
    memset(fixture.ring.data, 0xEE, 200);
    cr_expect_eq(record->sequence, 7);
    cr_expect_eq(((const uint8_t *)record)[99], 7);
    mr_tap_close(&tap);
}

Test(tap, it_works_on_a_read_only_mapping_and_moves_no_cursor)
{
    struct mr_ring ring;
    struct mr_tap tap;
    struct mr_error err;
    uint8_t before[4608 - 4096];
    publish(0, 4, 60);
    memcpy(before, (uint8_t *)fixture.ring.segment.base + 4096, sizeof before);
    cr_assert_eq(mr_ring_attach(&ring, fixture.path, MR_ATTACH_READ_ONLY, &err), MR_OK, "%s",
                 err.text);
    mr_tap_open(&tap, &ring, MR_TAP_OLDEST);
    unsigned seen = 0;
    while (mr_tap_next(&tap))
        seen++;
    cr_expect_eq(seen, 4);
    cr_expect_eq(memcmp(before, (uint8_t *)fixture.ring.segment.base + 4096, sizeof before), 0);
    mr_tap_close(&tap);
    mr_ring_detach(&ring);
}

Test(tap, an_overrun_is_noticed_and_counted)
{
    struct mr_tap tap;
    mr_tap_open(&tap, &fixture.ring, MR_TAP_NEWEST);
    uint64_t sequence = 0;
    for (int lap = 0; lap < 3; lap++) {
        publish(sequence, 60, 1024);
        sequence += 60;
        drain_reader();
    }
    const struct mr_record *record;
    while ((record = mr_tap_next(&tap)))
        cr_expect_eq(((const uint8_t *)record)[500], (uint8_t)record->sequence);
    cr_expect_geq(tap.overruns, 1);
    cr_expect_gt(tap.lost_bytes, 65536);
    cr_expect_leq(tap.lost_bytes, fixture.ring.writer_line->write_pos);
    publish(sequence, 1, 1024);
    record = mr_tap_next(&tap);
    cr_assert_not_null(record, "it goes on with what comes next");
    cr_expect_eq(record->sequence, sequence);
    mr_tap_close(&tap);
}

Test(tap, paddings_are_skipped)
{
    struct mr_tap tap;
    publish(0, 3, 16384);
    publish(3, 1, 16384 - 1000);
    drain_reader();
    mr_tap_open(&tap, &fixture.ring, MR_TAP_NEWEST);
    publish(4, 1, 2000);
    const struct mr_record *record = mr_tap_next(&tap);
    cr_assert_not_null(record);
    cr_expect_eq(record->sequence, 4);
    cr_expect_null(mr_tap_next(&tap));
    mr_tap_close(&tap);
}

Test(tap, the_end)
{
    struct mr_tap tap;
    mr_tap_open(&tap, &fixture.ring, MR_TAP_NEWEST);
    publish(0, 1, 50);
    mr_writer_close(&fixture.writer);
    cr_expect_not(mr_tap_at_end(&tap));
    cr_expect_not_null(mr_tap_next(&tap));
    cr_expect(mr_tap_at_end(&tap));
    mr_tap_close(&tap);
}
