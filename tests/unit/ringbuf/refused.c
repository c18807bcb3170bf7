// SPDX-License-Identifier: Apache-2.0
// Kernels that refuse membarrier or futex_waitv, and waits that must not sleep at all.
#include <criterion/criterion.h>
#include <errno.h>

#include "ringbuf/wait.h"
#include "tests/support/emulated.h"
#include "tests/support/refusal.h"
#include "tests/support/ring_fixture.h"

#define SECOND_NS 1000000000LL
#define LONG_NS (60 * SECOND_NS) // a wait that is slept to its end runs into the suite's time-out

static struct ring_fixture fixture, other;
static struct mr_reader *both[] = {&fixture.reader, &other.reader};
static struct mr_wait park;

static void open_fixture(void)
{
    ring_fixture_open(&fixture, (struct mr_ring_options){0});
    ring_fixture_open(&other, (struct mr_ring_options){0});
    mr_wait_setup(&park, MR_WAIT_PARK, 2);
}
static void close_fixture(void)
{
    ring_fixture_close(&fixture);
    ring_fixture_close(&other);
}
TestSuite(refused, .init = open_fixture, .fini = close_fixture, .timeout = 30);

static void fill_ring(void)
{
    while (ring_fixture_put(&fixture, 1, 8192))
        continue;
    mr_publish(&fixture.writer, 0);
}

// A wake-up may be missed then: no sleep is long, and a publish fences for itself.
Test(refused, without_membarrier_sleeps_are_short)
{
    refuse_call("membarrier", EPERM);
    mr_bell_setup();
    cr_expect_not(mr_bell_is_fenced_by_others);
    mr_wait_for_data(&park, both, 1, LONG_NS);
    mr_wait_for_data(&park, both, 2, LONG_NS);
    fill_ring();
    mr_wait_for_space(&park, &fixture.writer, 8192, LONG_NS);
    cr_expect_eq(park.parks, 3);
    cr_expect_eq(fixture.ring.writer_sleep->asleep, 0);
    uint32_t before = fixture.ring.writer_sleep->bell, length;
    fixture.ring.writer_sleep->asleep = 1;
    cr_assert_not_null(mr_next(&fixture.reader, &length));
    mr_release(&fixture.reader, fixture.reader.position, NULL);
    cr_expect_eq(fixture.ring.writer_sleep->bell, before + 1, "and who sleeps is rung for");
}

Test(refused, without_futex_waitv_a_sleep_on_several_is_short)
{
    refuse_call("futex_waitv", ENOSYS);
    mr_wait_for_data(&park, both, 2, LONG_NS);
    cr_expect_eq(park.parks, 1);
    cr_expect_eq(fixture.ring.reader_sleep->asleep + other.ring.reader_sleep->asleep, 0);
}

// Nine readers: the first eight can wake a sleeper, and no more are slept on.
Test(refused, more_readers_than_can_be_slept_on)
{
    if (mr_test_emulated())
        cr_skip("an emulator does not sleep on several words");
    struct mr_reader *nine[9];
    for (unsigned i = 0; i < 9; i++)
        nine[i] = i < 8 ? &fixture.reader : &other.reader;
    int64_t start_ns = mr_mono_ns();
    mr_wait_for_data(&park, nine, 9, 20000000);
    cr_expect_geq(mr_mono_ns() - start_ns, 19000000);
    cr_expect_eq(park.parks, 1);
}

Test(refused, nobody_sleeps_on_a_damaged_ring)
{
    other.reader.corrupt = true;
    mr_wait_for_data(&park, &both[1], 1, LONG_NS);
    mr_wait_for_data(&park, both, 2, LONG_NS);
    cr_expect_eq(park.parks, 2);
}

Test(refused, nobody_sleeps_on_a_ring_that_is_closed_or_has_a_record)
{
    mr_writer_close(&fixture.writer);
    mr_wait_for_data(&park, both, 1, LONG_NS);
    cr_assert(ring_fixture_put(&other, 1, 64));
    mr_publish(&other.writer, 0);
    mr_wait_for_data(&park, both, 2, LONG_NS);
    cr_expect_eq(park.parks, 2);
    mr_wait_setup(&park, MR_WAIT_SPIN, 2);
    mr_wait_for_data(&park, both, 2, LONG_NS);
    cr_expect_eq(park.parks, 0);
}

Test(refused, a_closed_ring_does_not_keep_others_from_being_waited_for)
{
    if (mr_test_emulated())
        cr_skip("an emulator does not sleep on several words");
    mr_writer_close(&fixture.writer);
    int64_t start_ns = mr_mono_ns();
    mr_wait_for_data(&park, both, 2, 20000000);
    cr_expect_geq(mr_mono_ns() - start_ns, 19000000);
}

// What mr_next never looks at is looked at every 64th wait in vain.
Test(refused, a_wait_in_vain_looks_for_damage)
{
    mr_wait_setup(&park, MR_WAIT_YIELD, 2);
    other.ring.writer_line->write_pos = 128; // and no record stands there
    for (unsigned i = 0; i < 63; i++)
        mr_wait_for_data(&park, both, 2, LONG_NS);
    cr_expect_not(other.reader.corrupt);
    mr_wait_for_data(&park, both, 2, LONG_NS);
    cr_expect(other.reader.corrupt);
    cr_expect_not(fixture.reader.corrupt);
}

Test(refused, a_writer_with_room_does_not_sleep_and_claims_nothing)
{
    mr_wait_for_space(&park, &fixture.writer, 8192, LONG_NS);
    cr_expect_eq(fixture.writer.claimed, 0);
    cr_expect_eq(fixture.writer.position, 0);
}

Test(refused, a_writer_that_spins_or_yields_returns_at_once)
{
    fill_ring();
    for (int strategy = MR_WAIT_SPIN; strategy <= MR_WAIT_YIELD; strategy++) {
        mr_wait_setup(&park, (enum mr_wait_strategy)strategy, 2);
        mr_wait_for_space(&park, &fixture.writer, 8192, LONG_NS);
        cr_expect_eq(park.parks, 0);
        cr_expect_neq(park.begun_tick, 0);
    }
}

static bool gives_way(enum mr_wait_strategy strategy, enum mr_core_share share, int64_t keep_ns,
                      int64_t due_in_ns)
{
    uint64_t now_tick = mr_tick();
    struct mr_wait wait = {
        .strategy = strategy, .share = share, .keep_ns = keep_ns, .given_tick = now_tick};
    mr_wait_give_way(&wait, due_in_ns ? mr_mono_ns() + due_in_ns : 0);
    return wait.given_tick != now_tick;
}

Test(refused, only_a_shared_core_is_given_away_when_its_time_is_up_or_nothing_is_due)
{
    cr_expect_not(gives_way(MR_WAIT_SPIN, MR_CORE_SHARED, 0, LONG_NS));
    cr_expect_not(gives_way(MR_WAIT_AUTO, MR_CORE_OWN, 0, LONG_NS));
    cr_expect(gives_way(MR_WAIT_AUTO, MR_CORE_SHARED, 0, 0), "it has had its time");
    cr_expect_not(gives_way(MR_WAIT_AUTO, MR_CORE_SHARED, LONG_NS, 0), "work is there");
    cr_expect_not(gives_way(MR_WAIT_AUTO, MR_CORE_SHARED, LONG_NS, -1), "or overdue");
    cr_expect(gives_way(MR_WAIT_AUTO, MR_CORE_SHARED, LONG_NS, SECOND_NS), "none for a second");
}
