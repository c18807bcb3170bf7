// SPDX-License-Identifier: Apache-2.0
// Ages that a reader records of what it has handed on and not released yet.
#include <criterion/criterion.h>

#include "tests/support/ring_fixture.h"

static struct ring_fixture fixture;
static struct mr_histogram handed_ns, released_ns;

static void set_up(void)
{
    mr_clock_setup();
    ring_fixture_open(&fixture, (struct mr_ring_options){0});
    handed_ns = released_ns = (struct mr_histogram){0};
}
static void tear_down(void)
{
    ring_fixture_close(&fixture);
}
TestSuite(age, .init = set_up, .fini = tear_down);

static uint64_t publish(unsigned records)
{
    static uint64_t sequence;
    for (unsigned i = 0; i < records; i++)
        cr_assert(ring_fixture_put(&fixture, sequence++, 64));
    fixture.writer.noted_tick = 0; // each publish leaves its note, however soon it comes
    mr_publish(&fixture.writer, mr_tick());
    return fixture.writer.position;
}

static void release(uint64_t position)
{
    struct mr_reader_timing timing = {.age_ns = &released_ns};
    mr_release(&fixture.reader, position, &timing);
}

Test(age, is_recorded_once_and_leaves_the_notes)
{
    uint64_t noted = 0;
    uint64_t first = publish(3), second = publish(4);
    mr_reader_age(&fixture.reader, &noted, first - 8, mr_tick(), &handed_ns);
    cr_assert_eq(handed_ns.count, 0, "not all of the first batch");
    mr_reader_age(&fixture.reader, &noted, first, mr_tick(), &handed_ns);
    mr_reader_age(&fixture.reader, &noted, first, mr_tick(), &handed_ns);
    cr_assert_eq(handed_ns.count, 3);
    mr_reader_age(&fixture.reader, &noted, second, mr_tick(), &handed_ns);
    cr_assert_eq(handed_ns.count, 7);
    release(second);
    cr_assert_eq(released_ns.count, 7);
    cr_assert_leq(handed_ns.max_ns, released_ns.max_ns);
}

Test(age, follows_a_release_that_went_ahead)
{
    uint64_t noted = 0;
    release(publish(5));
    cr_assert_eq(released_ns.count, 5);
    mr_reader_age(&fixture.reader, &noted, publish(2), mr_tick(), &handed_ns);
    cr_assert_eq(handed_ns.count, 2, "what was released has no age any more");
}

Test(age, goes_round_the_lane)
{
    uint64_t noted = 0, position = 0;
    for (unsigned i = 0; i < 3 * MR_RING_LANE_NOTES; i++) {
        position = publish(1);
        mr_reader_age(&fixture.reader, &noted, position, mr_tick(), &handed_ns);
        if (i % 100 == 99)
            release(position);
    }
    release(position);
    cr_assert_eq(handed_ns.count, 3 * MR_RING_LANE_NOTES);
    cr_assert_eq(released_ns.count, 3 * MR_RING_LANE_NOTES);
}

// A count in a damaged ring leads nowhere else.
Test(age, of_a_damaged_lane_ends)
{
    uint64_t noted = 0, position = publish(1);
    mr_store_release_u64(&fixture.ring.news->lane_write, UINT64_MAX / 2);
    mr_reader_age(&fixture.reader, &noted, position, mr_tick(), &handed_ns);
    cr_assert_leq(noted - fixture.reader.lane_read, MR_RING_LANE_NOTES);
}
