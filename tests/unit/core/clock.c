// SPDX-License-Identifier: Apache-2.0
#include <criterion/criterion.h>
#include <time.h>

#include "core/clock.h"

#define MS 1000000LL

Test(clock, setup_is_quick_and_can_be_repeated)
{
    int64_t start_ns = mr_mono_ns();
    mr_clock_setup();
    double first = mr_ns_per_tick;
    mr_clock_setup();
    cr_expect_lt(mr_mono_ns() - start_ns, 1000 * MS);
    cr_expect_eq(mr_ns_per_tick, first, "measured once");
    cr_expect_gt(mr_ns_per_tick, 0.0);
}

Test(clock, ticks_measure_time)
{
    mr_clock_setup();
    int64_t start_ns = mr_mono_ns();
    uint64_t start_tick = mr_tick();
    mr_sleep_until_mono_ns(start_ns + 50 * MS);
    int64_t by_ticks_ns = mr_ticks_to_ns((int64_t)(mr_tick() - start_tick));
    int64_t by_clock_ns = mr_mono_ns() - start_ns;
    cr_expect_geq(by_clock_ns, 50 * MS);
    cr_expect_lt(llabs(by_ticks_ns - by_clock_ns), by_clock_ns / 20, "%ld and %ld ns", by_ticks_ns,
                 by_clock_ns);
}

Test(clock, without_setup_a_tick_is_a_monotonic_nanosecond)
{
    int64_t before_ns = mr_mono_ns();
    uint64_t tick = mr_tick();
    cr_expect_geq((int64_t)tick, before_ns);
    cr_expect_leq((int64_t)tick, mr_mono_ns());
    cr_expect_eq(mr_ticks_to_ns(12345), 12345);
}

Test(clock, the_wall_clock_is_the_systems)
{
    int64_t seconds = (int64_t)time(NULL);
    int64_t wall_ns = mr_wall_ns();
    cr_expect_leq(llabs(wall_ns / (1000 * MS) - seconds), 2);
}
