// SPDX-License-Identifier: Apache-2.0
#include "core/pipeline/realtime.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#define AWAKE_US_MAX 200000 // then the stage gives it up
#define KILLED_AFTER_US 2000000

static volatile sig_atomic_t was_lost;

// SIGXCPU. The next signal would come a second later; without the class the limit does not count.
static void give_up(int signal_number)
{
    const struct sched_param ordinary = {0};
    int saved_errno = errno;
    (void)signal_number;
    sched_setscheduler(0, SCHED_OTHER, &ordinary);
    was_lost = 1;
    errno = saved_errno;
}

bool mr_realtime_was_lost(void)
{
    bool lost = was_lost;
    was_lost = 0;
    return lost;
}

bool mr_realtime_has_brake(const char *rt_runtime_us)
{
    return atoi(rt_runtime_us) > 0;
}

static bool kernel_has_brake(void)
{
    char text[32] = "";
    FILE *file = fopen("/proc/sys/kernel/sched_rt_runtime_us", "re");
    if (!file)
        return true; // a kernel that has other means (a reserved share for ordinary processes)
    bool read = fgets(text, sizeof text, file) != NULL;
    fclose(file);
    return !read || mr_realtime_has_brake(text);
}

static int watch_over_it(struct mr_error *err)
{
    const struct sigaction action = {.sa_handler = give_up, .sa_flags = SA_RESTART};
    struct rlimit limit;
    if (getrlimit(RLIMIT_RTTIME, &limit) < 0)
        return mr_fail_errno(err, MR_ERR_STAGE, "realtime: cannot read RLIMIT_RTTIME");
    limit.rlim_cur = AWAKE_US_MAX;
    if (limit.rlim_max > KILLED_AFTER_US)
        limit.rlim_max = KILLED_AFTER_US;
    if (limit.rlim_cur > limit.rlim_max)
        limit.rlim_cur = limit.rlim_max;
    if (sigaction(SIGXCPU, &action, NULL) < 0 || setrlimit(RLIMIT_RTTIME, &limit) < 0)
        return mr_fail_errno(err, MR_ERR_STAGE, "realtime: cannot limit it (RLIMIT_RTTIME)");
    return MR_OK;
}

int mr_realtime_enter(const struct mr_pipeline *pipeline, struct mr_error *err)
{
    const struct mr_node *node = mr_config_child(pipeline->root, "realtime");
    const struct sched_param param = {.sched_priority = pipeline->realtime};
    if (pipeline->realtime == 0)
        return MR_OK;
    if (!kernel_has_brake())
        return mr_config_fail(node, err,
                              "found %d, but kernel.sched_rt_runtime_us lets real-time processes "
                              "take all of a core: expected it above 0 (sysctl "
                              "kernel.sched_rt_runtime_us=950000)",
                              pipeline->realtime);
    int code = watch_over_it(err);
    if (code == MR_OK && sched_setscheduler(0, SCHED_FIFO | SCHED_RESET_ON_FORK, &param) < 0)
        return mr_config_fail(node, err,
                              "found %d, which this process may not have (%s): it takes "
                              "CAP_SYS_NICE, or RLIMIT_RTPRIO (`ulimit -r`, LimitRTPRIO= of a "
                              "unit) of as much",
                              pipeline->realtime, strerror(errno));
    return code;
}
