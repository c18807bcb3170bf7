// SPDX-License-Identifier: Apache-2.0
#include "cli/bench_hiccup.h"

#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/pair_cores.h"
#include "core/clock.h"
#include "core/cores.h"

#define DUE_EVERY_NS 1000
#define GAP_NS 10000

struct shared {
    uint64_t gaps[MR_HICCUP_CORES_MAX];
    struct mr_histogram late_ns[];
};

static size_t shared_bytes(unsigned count)
{
    return sizeof(struct shared) + count * sizeof(struct mr_histogram);
}

static void watch(struct mr_histogram *late_ns, uint64_t *gaps, double seconds)
{
    double ns_per_tick = mr_ns_per_tick;
    uint64_t period = (uint64_t)(DUE_EVERY_NS / ns_per_tick);
    uint64_t gap = (uint64_t)(GAP_NS / ns_per_tick);
    uint64_t before = mr_tick(), due = before + period;
    uint64_t end = before + (uint64_t)(seconds * 1e9 / ns_per_tick);
    while (before < end) {
        uint64_t now = mr_tick();
        *gaps += now - before > gap;
        for (; due <= now; due += period)
            mr_histogram_add(late_ns, (int64_t)((double)(now - due) * ns_per_tick), 1);
        before = now;
    }
}

static pid_t start(struct shared *shared, unsigned at, int core, double seconds)
{
    pid_t pid = fork();
    if (pid != 0)
        return pid;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (!mr_pair_pin(core))
        _exit(1);
    watch(&shared->late_ns[at], &shared->gaps[at], seconds);
    _exit(0);
}

int mr_bench_hiccup(double seconds, struct mr_hiccup_profile *profile, struct mr_error *err)
{
    struct mr_cores cores;
    pid_t pids[MR_HICCUP_CORES_MAX];
    int code = MR_OK;
    mr_cores_allowed(&cores);
    *profile = (struct mr_hiccup_profile){0};
    unsigned count = (unsigned)mr_min_u64(cores.count, MR_HICCUP_CORES_MAX), started = 0;
    struct shared *shared = mmap(NULL, shared_bytes(count), PROT_READ | PROT_WRITE,
                                 MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    if (shared == MAP_FAILED)
        return mr_fail_errno(err, MR_ERR_MEMORY, "cannot map %u histograms", count);
    for (; started < count; started++)
        if ((pids[started] = start(shared, started, cores.cpu[started], seconds)) < 0)
            break;
    if (started < count)
        code = mr_fail_errno(err, MR_ERR_STAGE, "cannot start a process a core");
    for (unsigned i = 0; i < started; i++) {
        int status = 0;
        waitpid(pids[i], &status, 0);
        if (status != 0 && code == MR_OK)
            code = mr_fail(err, MR_ERR_STAGE, "the process on core %d ended with %d", cores.cpu[i],
                           status);
        profile->cores[i] = cores.cpu[i];
        profile->gaps[i] = shared->gaps[i];
    }
    profile->count = started;
    profile->late_ns = shared->late_ns;
    if (code != MR_OK)
        mr_hiccup_free(profile);
    return code;
}

void mr_hiccup_free(struct mr_hiccup_profile *profile)
{
    if (profile->late_ns)
        munmap((uint8_t *)profile->late_ns - offsetof(struct shared, late_ns),
               shared_bytes(profile->count));
    profile->late_ns = NULL;
}
