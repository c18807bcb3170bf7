// SPDX-License-Identifier: Apache-2.0
// What tells a stage that is stalled from one that works, and why it is.
#include "core/pipeline/stall.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#define NOW_NS 50000000000LL

static struct mr_stall look(pid_t pid, int64_t age_ns, enum mr_wait_for waiting_for)
{
    struct mr_stage_gauges gauges = {
        .pid = (uint32_t)pid, .heartbeat_ns = NOW_NS - age_ns, .waiting_for = waiting_for};
    struct mr_stall stall;
    mr_stall_look(&stall, &gauges, NOW_NS);
    return stall;
}

// A child that sleeps or computes until it is killed.
static pid_t start_child(bool computes)
{
    pid_t pid = fork();
    if (pid != 0)
        return pid;
    while (computes)
        ;
    for (;;)
        pause();
}

static void end_child(pid_t pid)
{
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
}

// The kernel's word for a process that was just made or told something takes a moment to be true.
static enum mr_stall_cause cause_within_a_second(pid_t pid, enum mr_stall_cause expected)
{
    enum mr_stall_cause cause = MR_STALL_NONE;
    for (int i = 0; i < 1000 && cause != expected; i++) {
        cause = look(pid, 2 * MR_STALL_AFTER_NS, MR_WAIT_NOTHING).cause;
        usleep(1000);
    }
    return cause;
}

Test(stall, a_heart_that_has_beaten_within_a_second_is_none)
{
    struct mr_stall stall = look(getpid(), MR_STALL_AFTER_NS, MR_WAIT_NOTHING);
    cr_expect_eq(stall.since_ns, 0);
    cr_expect_eq(stall.cause, MR_STALL_NONE);
}

Test(stall, it_is_since_the_last_beat)
{
    struct mr_stall stall = look(getpid(), MR_STALL_AFTER_NS + 1, MR_WAIT_NOTHING);
    cr_expect_eq(stall.since_ns, NOW_NS - MR_STALL_AFTER_NS - 1);
    cr_expect_neq(stall.cause, MR_STALL_NONE);
}

Test(stall, stopped_busy_and_asleep_are_told_apart)
{
    pid_t sleeper = start_child(false), computer = start_child(true);
    cr_expect_eq(cause_within_a_second(sleeper, MR_STALL_ASLEEP), MR_STALL_ASLEEP);
    cr_expect_eq(cause_within_a_second(computer, MR_STALL_BUSY), MR_STALL_BUSY);
    kill(sleeper, SIGSTOP);
    cr_expect_eq(cause_within_a_second(sleeper, MR_STALL_STOPPED), MR_STALL_STOPPED);
    end_child(sleeper);
    end_child(computer);
}

Test(stall, one_that_waits_for_its_device_says_so_itself)
{
    pid_t sleeper = start_child(false);
    cr_expect_eq(cause_within_a_second(sleeper, MR_STALL_ASLEEP), MR_STALL_ASLEEP);
    cr_expect_eq(look(sleeper, 2 * MR_STALL_AFTER_NS, MR_WAIT_DEVICE).cause, MR_STALL_DEVICE);
    end_child(sleeper);
}
