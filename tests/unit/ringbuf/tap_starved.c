// SPDX-License-Identifier: Apache-2.0
// A tap that gets no memory for a record has missed it, as one that was too slow: it says so, and goes on.
#include <criterion/criterion.h>

#include "ringbuf/tap.h"
#include "tests/support/failing_alloc.h"
#include "tests/support/ring_fixture.h"

static struct ring_fixture fixture;

static void open_fixture(void)
{
    ring_fixture_open(&fixture, (struct mr_ring_options){0});
}
static void close_fixture(void)
{
    failing_alloc_leave();
    ring_fixture_close(&fixture);
}
TestSuite(tap_starved, .init = open_fixture, .fini = close_fixture);

static uint64_t publish(uint64_t sequence, uint32_t length)
{
    cr_assert(ring_fixture_put(&fixture, sequence, length));
    mr_publish(&fixture.writer, mr_tick());
    return fixture.writer.published;
}

Test(tap_starved, what_there_is_no_room_for_is_lost_and_counted)
{
    struct mr_tap tap;
    mr_tap_open(&tap, &fixture.ring, MR_TAP_NEWEST);
    const uint64_t small_end = publish(1, 60);
    failing_alloc_use(2);
    const struct mr_record *record = mr_tap_next(&tap);
    cr_assert(record && record->sequence == 1);
    const uint64_t large_end = publish(2, 4000);
    cr_expect_null(mr_tap_next(&tap));
    cr_expect(failing_alloc.failed);
    cr_expect_eq(tap.overruns, 1);
    cr_expect_eq(tap.lost_bytes, large_end - small_end);
    publish(3, 60);
    record = mr_tap_next(&tap);
    cr_assert(record && record->sequence == 3, "there is still room for a small one");
    publish(4, 4000);
    record = mr_tap_next(&tap);
    cr_assert(record && record->sequence == 4, "and memory came back");
    cr_expect_eq(tap.overruns, 1);
    mr_tap_close(&tap);
    cr_expect_eq(failing_alloc.kept, 0);
    cr_expect_eq(failing_alloc.count, 3);
}
