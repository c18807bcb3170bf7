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
        cr_assert(ring_fixture_put(&fixture, i, 16384 - 8));
    mr_publish(&fixture.writer, mr_tick());
    pthread_create(&thread, NULL, release_later, NULL);
    int64_t start_ns = mr_mono_ns();
    while (!mr_claim(&fixture.writer, 100))
        mr_wait_for_space(&wait, &fixture.writer, 100, 15000 * MS);
    cr_expect_lt(mr_mono_ns() - start_ns, 10000 * MS);
    cr_expect_geq(wait.parks, 1);
    pthread_join(thread, NULL);
}

// Room for one record is not worth waking for; an eighth of the ring is, and so is whatever a reader that has nothing
// left to read has let go of.
Test(wait, a_parked_writer_is_woken_for_an_eighth_of_the_ring)
{
    const uint32_t *bell = &fixture.ring.writer_sleep->bell, before = *bell;
    uint32_t length;
    for (uint64_t i = 0; ring_fixture_put(&fixture, i, 1024 - 8); i++)
        continue;
    mr_publish(&fixture.writer, mr_tick());
    fixture.ring.writer_sleep->asleep = 1;
    uint64_t end = fixture.writer.published, capacity = fixture.ring.capacity;
    while (mr_next(&fixture.reader, &length)) {
        uint64_t position = fixture.reader.position, bell_then = *bell;
        mr_release(&fixture.reader, position, NULL);
        bool room = capacity - (end - position) >= capacity / MR_WAKE_PART;
        cr_assert_eq(*bell - bell_then, room, "at %llu of %llu", (unsigned long long)position,
                     (unsigned long long)end);
    }
    cr_expect_eq(fixture.reader.position, end);
    cr_expect_gt(*bell - before, 1);
}

// As after a death between the release and the bell.
Test(wait, a_reader_that_recovers_rings)
{
    uint32_t length;
    cr_assert(ring_fixture_put(&fixture, 0, 100));
    mr_publish(&fixture.writer, mr_tick());
    cr_assert(mr_next(&fixture.reader, &length));
    mr_release(&fixture.reader, fixture.reader.position, NULL);
    uint64_t position = fixture.reader.position;
    uint32_t bell = fixture.ring.writer_sleep->bell;
    fixture.ring.writer_sleep->asleep = 1;
    mr_reader_open(&fixture.reader, &fixture.ring);
    mr_reader_recover(&fixture.reader, position);
    cr_expect_eq(fixture.ring.writer_sleep->bell, bell + 1);
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

// ---- auto: fed with waits, asked what it does

static struct mr_wait auto_on(enum mr_core_share share)
{
    return (struct mr_wait){.strategy = MR_WAIT_AUTO, .share = share};
}

static void learn(struct mr_wait *wait, int64_t waited_ns, int times)
{
    while (times-- > 0)
        mr_wait_learn(wait, waited_ns);
}

Test(wait, auto_stays_awake_where_waits_are_short)
{
    struct mr_wait own = auto_on(MR_CORE_OWN), shared = auto_on(MR_CORE_SHARED);
    cr_expect_eq(mr_wait_next(&own, 0), MR_WAIT_SPIN, "it hopes for the best");
    learn(&own, 100000, 100);
    learn(&shared, 100000, 100);
    cr_expect_eq(mr_wait_next(&own, 0), MR_WAIT_SPIN);
    cr_expect_eq(mr_wait_next(&own, MR_WAIT_PATIENCE_NS), MR_WAIT_SPIN);
    cr_expect_eq(mr_wait_next(&own, MR_WAIT_PATIENCE_NS + 1), MR_WAIT_PARK);
    cr_expect_eq(mr_wait_next(&shared, 0), MR_WAIT_YIELD, "others have work for this core");
    cr_expect_eq(mr_wait_next(&shared, MR_WAIT_PATIENCE_NS + 1), MR_WAIT_PARK);
}

Test(wait, auto_sleeps_at_once_where_waits_are_long)
{
    struct mr_wait wait = auto_on(MR_CORE_OWN);
    learn(&wait, 1000000, 8);
    cr_expect_eq(mr_wait_next(&wait, 0), MR_WAIT_PARK);
    learn(&wait, 1000000, 1000);
    cr_expect_leq(wait.typical_ns, MR_WAIT_PATIENCE_NS);
    learn(&wait, 5000, 16);
    cr_expect_eq(mr_wait_next(&wait, 0), MR_WAIT_SPIN, "it comes back as soon as that pays");
}

Test(wait, one_pause_does_not_put_auto_to_sleep)
{
    struct mr_wait wait = auto_on(MR_CORE_OWN);
    learn(&wait, 20000, 100);
    learn(&wait, 3600 * 1000 * MS, 1);
    cr_expect_eq(mr_wait_next(&wait, 0), MR_WAIT_SPIN);
    learn(&wait, 3600 * 1000 * MS, 3);
    cr_expect_eq(mr_wait_next(&wait, 0), MR_WAIT_PARK, "several do");
}

Test(wait, auto_burns_nothing_where_time_is_rationed)
{
    struct mr_wait wait = auto_on(MR_CORE_METERED);
    learn(&wait, 1000, 100);
    cr_expect_eq(mr_wait_next(&wait, 0), MR_WAIT_PARK);
    cr_expect_eq(mr_wait_early_ns(&wait, 1000 * MS), 0);
}

Test(wait, the_others_do_what_they_are_told_whatever_was_learnt)
{
    for (int strategy = MR_WAIT_SPIN; strategy < MR_WAIT_AUTO; strategy++) {
        struct mr_wait wait = {.strategy = (enum mr_wait_strategy)strategy,
                               .share = MR_CORE_SHARED,
                               .typical_ns = MR_WAIT_PATIENCE_NS};
        cr_expect_eq((int)mr_wait_next(&wait, 0), strategy);
        cr_expect_eq((int)mr_wait_next(&wait, 1000 * MS), strategy);
    }
}

Test(wait, a_known_moment_is_woken_for_a_little_early)
{
    struct mr_wait wait = auto_on(MR_CORE_OWN), park = {.strategy = MR_WAIT_PARK};
    int64_t for_a_second = mr_wait_early_ns(&wait, 1000 * MS);
    cr_expect_gt(for_a_second, 0);
    cr_expect_lt(for_a_second, 100000);
    cr_expect_leq(mr_wait_early_ns(&wait, MS), MS / 100, "never more than a hundredth is burnt");
    cr_expect_eq(mr_wait_early_ns(&park, 1000 * MS), 0);
}

Test(wait, a_known_moment_is_waited_for_by_every_strategy)
{
    for (int strategy = MR_WAIT_SPIN; strategy <= MR_WAIT_AUTO; strategy++)
        for (int share = MR_CORE_OWN; share <= MR_CORE_METERED; share++)
            for (int64_t left_ns = 50000; left_ns < MS; left_ns *= 8) {
                struct mr_wait wait = {.strategy = (enum mr_wait_strategy)strategy,
                                       .share = (enum mr_core_share)share};
                int64_t until_ns = mr_mono_ns() + left_ns;
                mr_wait_until(&wait, until_ns);
                cr_expect_geq(mr_mono_ns(), until_ns);
            }
}

Test(wait, a_reset_ends_a_wait_and_learns_from_it)
{
    struct mr_wait wait = auto_on(MR_CORE_OWN);
    mr_wait_reset(&wait);
    cr_expect_eq(wait.typical_ns, 0, "there was none");
    wait.typical_ns = MR_WAIT_PATIENCE_NS;
    for (int i = 0; i < 3; i++)
        mr_wait_for_data(&wait, readers, 1, 1);
    cr_expect_eq(wait.parks, 3);
    cr_expect_neq(wait.begun_tick, 0);
    wait.typical_ns = 0;
    wait.begun_tick = 1; // long ago
    mr_wait_reset(&wait);
    cr_expect_eq(wait.typical_ns, MR_WAIT_PATIENCE_NS / 8, "%ld", (long)wait.typical_ns);
    mr_wait_reset(&wait);
    cr_expect_eq(wait.typical_ns, MR_WAIT_PATIENCE_NS / 8, "no wait was begun");
}

Test(wait, who_shares_is_found_from_the_cores)
{
    struct mr_wait alone, crowded;
    mr_wait_setup(&alone, MR_WAIT_AUTO, 1);
    mr_wait_setup(&crowded, MR_WAIT_AUTO, 100000);
    cr_expect_eq(alone.share, MR_CORE_OWN);
    cr_expect_eq(crowded.share, MR_CORE_SHARED);
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
