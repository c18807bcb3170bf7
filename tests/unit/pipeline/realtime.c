// SPDX-License-Identifier: Apache-2.0
// Real-time scheduling: refused where it may not be or is not safe, and given up by itself.
#include "core/pipeline/realtime.h"

#include <criterion/criterion.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static struct mr_pipeline pipeline;
static struct mr_node root, node, *children[] = {&node};
static struct mr_error err;

static void open_fixture(void)
{
    root = (struct mr_node){.kind = MR_NODE_MAP, .children = children, .child_count = 1};
    node = (struct mr_node){
        .file = "run.yaml", .line = 9, .key = (char *)"realtime", .path = (char *)"realtime"};
    pipeline = (struct mr_pipeline){.root = &root, .realtime = 1};
}
TestSuite(realtime, .init = open_fixture);

static int policy(void)
{
    return sched_getscheduler(0) & ~SCHED_RESET_ON_FORK;
}

Test(realtime, is_left_alone_where_none_is_asked_for)
{
    pipeline.realtime = 0;
    cr_expect_eq(mr_realtime_enter(&pipeline, &err), MR_OK);
    cr_expect_eq(policy(), SCHED_OTHER);
}

Test(realtime, the_kernels_brake_is_required)
{
    cr_expect(mr_realtime_has_brake("950000\n"));
    cr_expect(mr_realtime_has_brake("1\n"));
    cr_expect_not(mr_realtime_has_brake("-1\n"));
    cr_expect_not(mr_realtime_has_brake("0\n"));
}

Test(realtime, who_may_not_is_refused)
{
    struct rlimit none = {0};
    cr_assert_eq(setrlimit(RLIMIT_RTPRIO, &none), 0);
    if (geteuid() == 0)
        cr_assert_eq(seteuid(65534), 0);
    cr_expect_eq(mr_realtime_enter(&pipeline, &err), MR_ERR_CONFIG);
    cr_expect_str_eq(err.text, "run.yaml:9: realtime: found 1, which this process may not have "
                               "(Operation not permitted): it takes CAP_SYS_NICE, or RLIMIT_RTPRIO "
                               "(`ulimit -r`, LimitRTPRIO= of a unit) of as much");
    cr_expect_eq(policy(), SCHED_OTHER);
    if (geteuid() != getuid())
        cr_assert_eq(seteuid(getuid()), 0);
}

Test(realtime, is_given_up_by_one_that_does_not_sleep)
{
    struct rlimit limit;
    if (mr_realtime_enter(&pipeline, &err) != MR_OK)
        cr_skip_test("%s", err.text);
    cr_expect_eq(policy(), SCHED_FIFO);
    cr_assert_eq(getrlimit(RLIMIT_RTTIME, &limit), 0);
    cr_expect_leq(limit.rlim_cur, 200000);
    cr_expect_leq(limit.rlim_max, 2000000);
    cr_expect_not(mr_realtime_was_lost());
    raise(SIGXCPU); // what the limit sends
    cr_expect_eq(policy(), SCHED_OTHER);
    cr_expect(mr_realtime_was_lost());
    cr_expect_not(mr_realtime_was_lost(), "said once");
}
