// SPDX-License-Identifier: Apache-2.0
// Waiting: each strategy does what its name says, a sleeper is woken by the other side, and a
// time-out ends every wait.
#include <criterion/criterion.h>
#include <pthread.h>
#include <sched.h>

#include "ringbuf/wait.h"
#include "tests/support/ring_fixture.h"

#define MS 1000000LL

static struct ring_fixture fixture;
static struct mr_reader *readers[] = {&fixture.reader};

static void open_fixture(void)
{
    ring_fixture_open(&fixture, (struct mr_ring_options){0});
}
static void close_fixture(void)
{
    ring_fixture_close(&fixture);
}
TestSuite(wait, .init = open_fixture, .fini = close_fixture, .timeout = 20);

static int64_t wait_once_ns(struct mr_wait *wait, int64_t timeout_ns)
{
    int64_t start_ns = mr_mono_ns();
    mr_wait_for_data(wait, readers, 1, timeout_ns);
    return mr_mono_ns() - start_ns;
}

Test(wait, spin_and_yield_return_at_once)
{
    struct mr_wait wait;
    for (int strategy = MR_WAIT_SPIN; strategy <= MR_WAIT_YIELD; strategy++) {
        mr_wait_setup(&wait, (enum mr_wait_strategy)strategy, 2);
        int64_t shortest_ns = INT64_MAX;
        for (int i = 0; i < 20; i++) {
            int64_t waited_ns = wait_once_ns(&wait, 10000 * MS);
            shortest_ns = waited_ns < shortest_ns ? waited_ns : shortest_ns;
        }
        cr_expect_lt(shortest_ns, MS);
        cr_expect_eq(wait.parks, 0);
    }
}

Test(wait, park_sleeps_until_the_timeout)
{
    struct mr_wait wait;
    mr_wait_setup(&wait, MR_WAIT_PARK, 2);
    int64_t waited_ns = wait_once_ns(&wait, 30 * MS);
    cr_expect_geq(waited_ns, 29 * MS);
    cr_expect_lt(waited_ns, 5000 * MS);
    cr_expect_eq(wait.parks, 1);
    cr_expect_eq(fixture.ring.reader_sleep->asleep, 0, "it says that it is awake again");
}

Test(wait, park_does_not_sleep_on_what_is_there)
{
    struct mr_wait wait;
    mr_wait_setup(&wait, MR_WAIT_PARK, 2);
    cr_assert(ring_fixture_put(&fixture, 1, 40));
    mr_publish(&fixture.writer, mr_tick());
    cr_expect_lt(wait_once_ns(&wait, 10000 * MS), 5000 * MS);
}

static void *publish_later(void *unused)
{
    (void)unused;
    while (!mr_load_acquire_u32(&fixture.ring.reader_sleep->asleep))
        sched_yield();
    mr_sleep_until_mono_ns(mr_mono_ns() + 20 * MS);
    ring_fixture_put(&fixture, 1, 40);
    mr_publish(&fixture.writer, mr_tick());
    return NULL;
}

Test(wait, a_publish_wakes_the_parked_reader)
{
    struct mr_wait wait;
    pthread_t thread;
    mr_wait_setup(&wait, MR_WAIT_PARK, 2);
    pthread_create(&thread, NULL, publish_later, NULL);
    int64_t start_ns = mr_mono_ns();
    while (mr_peek_bytes(&fixture.reader) == 0)
        mr_wait_for_data(&wait, readers, 1, 15000 * MS);
    cr_expect_lt(mr_mono_ns() - start_ns, 10000 * MS, "the bell was rung, not the time-out met");
    pthread_join(thread, NULL);
}

static void *close_later(void *unused)
{
    (void)unused;
    while (!mr_load_acquire_u32(&fixture.ring.reader_sleep->asleep))
        sched_yield();
    mr_writer_close(&fixture.writer);
    return NULL;
}

Test(wait, the_end_of_the_stream_wakes_too)
{
    struct mr_wait wait;
    pthread_t thread;
    mr_wait_setup(&wait, MR_WAIT_PARK, 2);
    pthread_create(&thread, NULL, close_later, NULL);
    int64_t start_ns = mr_mono_ns();
    while (!mr_reader_at_end(&fixture.reader))
        mr_wait_for_data(&wait, readers, 1, 15000 * MS);
    cr_expect_lt(mr_mono_ns() - start_ns, 10000 * MS);
    pthread_join(thread, NULL);
}

static void *release_later(void *unused)
{
    uint32_t length;
    (void)unused;
    while (!mr_load_acquire_u32(&fixture.ring.writer_sleep->asleep))
        sched_yield();
    mr_sleep_until_mono_ns(mr_mono_ns() + 20 * MS);
    mr_next(&fixture.reader, &length);
    mr_release(&fixture.reader, fixture.reader.position, NULL);
    return NULL;
}

Test(wait, a_release_wakes_the_parked_writer)
{
    struct mr_wait wait;
    pthread_t thread;
    mr_wait_setup(&wait, MR_WAIT_PARK, 2);
    for (uint64_t i = 0; i < 4; i++)
        cr_assert(ring_fixture_put(&fixture, i, 16384));
    mr_publish(&fixture.writer, mr_tick());
    pthread_create(&thread, NULL, release_later, NULL);
    int64_t start_ns = mr_mono_ns();
    while (!mr_claim(&fixture.writer, 100))
        mr_wait_for_space(&wait, &fixture.writer, 100, 15000 * MS);
    cr_expect_lt(mr_mono_ns() - start_ns, 10000 * MS);
    cr_expect_geq(wait.parks, 1);
    pthread_join(thread, NULL);
}

Test(wait, several_rings_at_once)
{
    struct ring_fixture other;
    struct mr_wait wait;
    ring_fixture_open(&other, (struct mr_ring_options){0});
    struct mr_reader *both[] = {&other.reader, &fixture.reader};
    pthread_t thread;
    mr_wait_setup(&wait, MR_WAIT_PARK, 2);
    pthread_create(&thread, NULL, publish_later, NULL);
    int64_t start_ns = mr_mono_ns();
    while (mr_peek_bytes(&fixture.reader) == 0)
        mr_wait_for_data(&wait, both, 2, 15000 * MS);
    cr_expect_lt(mr_mono_ns() - start_ns, 10000 * MS, "the second ring's bell is heard");
    pthread_join(thread, NULL);
    ring_fixture_close(&other);
}

Test(wait, auto_spins_then_yields_then_parks)
{
    struct mr_wait wait;
    mr_wait_setup(&wait, MR_WAIT_AUTO, 2);
    uint32_t polite = wait.spins_max + wait.yields_max;
    for (uint32_t i = 0; i < polite; i++)
        mr_wait_for_data(&wait, readers, 1, 1);
    cr_expect_eq(wait.parks, 0);
    for (int i = 0; i < 3; i++)
        mr_wait_for_data(&wait, readers, 1, 1);
    cr_expect_eq(wait.parks, 3);
    mr_wait_reset(&wait);
    mr_wait_for_data(&wait, readers, 1, 1);
    cr_expect_eq(wait.parks, 3, "after work it begins anew");
}

Test(wait, auto_spins_less_where_cores_are_short)
{
    struct mr_wait alone, crowded;
    mr_wait_setup(&alone, MR_WAIT_AUTO, 1);
    mr_wait_setup(&crowded, MR_WAIT_AUTO, 100000);
    cr_expect_lt(crowded.spins_max, alone.spins_max);
}

Test(wait, allowed_cores_follow_the_affinity)
{
    cpu_set_t all, one;
    cr_assert_eq(sched_getaffinity(0, sizeof all, &all), 0);
    cr_expect_geq(mr_allowed_cores(), 1);
    cr_expect_leq(mr_allowed_cores(), CPU_COUNT(&all));
    CPU_ZERO(&one);
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
        if (CPU_ISSET(cpu, &all) && CPU_COUNT(&one) == 0)
            CPU_SET(cpu, &one);
    cr_assert_eq(sched_setaffinity(0, sizeof one, &one), 0);
    cr_expect_eq(mr_allowed_cores(), 1);
}
