// SPDX-License-Identifier: Apache-2.0
// The cores that a process may use: its affinity, and what a control group grants.
#include "core/cores.h"

#include <criterion/criterion.h>
#include <limits.h>
#include <sched.h>

Test(cores, a_quota_is_whole_cores)
{
    cr_expect_eq(mr_cores_quota_of("max 100000\n"), UINT_MAX);
    cr_expect_eq(mr_cores_quota_of("200000 100000\n"), 2);
    cr_expect_eq(mr_cores_quota_of("290000 100000\n"), 2);
    cr_expect_eq(mr_cores_quota_of("50000 100000\n"), 1, "half a core is still one to run on");
    cr_expect_eq(mr_cores_quota_of(""), UINT_MAX);
    cr_expect_eq(mr_cores_quota_of("100000 0\n"), UINT_MAX);
    cr_expect_eq(mr_cores_quota_of("-1 100000\n"), UINT_MAX);
}

Test(cores, the_affinity_is_what_is_allowed)
{
    struct mr_cores all, one;
    cpu_set_t set;
    mr_cores_allowed(&all);
    cr_assert_geq(all.count, 1);
    cr_expect_geq(mr_cores_usable(&all), 1);
    for (unsigned i = 1; i < all.count; i++)
        cr_expect_lt(all.cpu[i - 1], all.cpu[i]);
    for (unsigned i = 0; i < all.count; i++)
        cr_expect_leq(all.physical[i], all.cpu[i]);
    CPU_ZERO(&set);
    CPU_SET(all.cpu[all.count - 1], &set);
    cr_assert_eq(sched_setaffinity(0, sizeof set, &set), 0);
    mr_cores_allowed(&one);
    cr_expect_eq(one.count, 1);
    cr_expect_eq(one.cpu[0], all.cpu[all.count - 1]);
    cr_expect_eq(mr_cores_usable(&one), 1);
}
