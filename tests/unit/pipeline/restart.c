// SPDX-License-Identifier: Apache-2.0
// When a stage that died is started again, and when not any more.
#include "core/pipeline/restart.h"

#include <criterion/criterion.h>

#define MS 1000000LL
#define SECOND 1000000000LL

static struct mr_supervise supervise = {.restart = MR_RESTART_ON_FAILURE,
                                        .backoff_ns = 100 * MS,
                                        .backoff_max_ns = 500 * MS,
                                        .limit = 5,
                                        .within_ns = 60 * SECOND};
static struct mr_restarts restarts;

// The wait before the next process, where there is one.
static int64_t wait_at(int64_t now_ns)
{
    int64_t due_ns;
    return mr_restart_due(&supervise, &restarts, now_ns, &due_ns) ? due_ns - now_ns : -1;
}

Test(restart, at_once_then_twice_as_long_up_to_the_most)
{
    const int64_t expected[] = {0, 100 * MS, 200 * MS, 400 * MS, 500 * MS};
    for (unsigned i = 0; i < 5; i++)
        cr_expect_eq(wait_at(i * SECOND), expected[i]);
    cr_expect_eq(wait_at(5 * SECOND), -1, "the limit");
    cr_expect_eq(restarts.count, 5);
}

Test(restart, what_is_long_past_does_not_count)
{
    for (unsigned i = 0; i < 5; i++)
        wait_at(i * SECOND);
    // The first three are more than 60 s old by then.
    cr_expect_eq(wait_at(63 * SECOND), 200 * MS);
    cr_expect_eq(restarts.count, 3);
    cr_expect_eq(wait_at(1000 * SECOND), 0);
    cr_expect_eq(restarts.count, 1);
}

Test(restart, never)
{
    supervise.restart = MR_RESTART_NEVER;
    cr_expect_eq(wait_at(SECOND), -1);
}

Test(restart, the_greatest_limit_fits)
{
    supervise.limit = MR_RESTART_LIMIT_MAX;
    for (unsigned i = 0; i < MR_RESTART_LIMIT_MAX; i++)
        cr_assert_neq(wait_at(i * MS), -1);
    cr_expect_eq(wait_at(200 * MS), -1);
}

Test(restart, a_backoff_of_nothing)
{
    supervise.backoff_ns = supervise.backoff_max_ns = 0;
    for (unsigned i = 0; i < 5; i++)
        cr_expect_eq(wait_at(i), 0);
}

// By code: what stays as it is is not tried again.
Test(restart, what_may_pass)
{
    const bool expected[] = {
        [MR_OK] = false,         [MR_ERR_INTERNAL] = false, [MR_ERR_USAGE] = false,
        [MR_ERR_CONFIG] = false, [MR_ERR_INPUT] = false,    [MR_ERR_OUTPUT] = true,
        [MR_ERR_SHM] = true,     [MR_ERR_BUSY] = true,      [MR_ERR_CORRUPT] = false,
        [MR_ERR_STAGE] = true,   [MR_ERR_BALANCE] = false,  [MR_ERR_MEMORY] = true,
        [MR_ERR_LIMIT] = false,  [MR_ERR_LIMIT + 1] = false};
    for (int code = MR_OK; code <= MR_ERR_LIMIT + 1; code++)
        cr_expect_eq(mr_code_may_pass(code), expected[code], "%s", mr_code_name(code));
}
