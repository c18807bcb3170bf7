// SPDX-License-Identifier: Apache-2.0
#include "cli/bench_raw_rtt.h"

#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/pair_cores.h"
#include "core/clock.h"

#define WARM_UP_SHARE 10 // a tenth of the round trips, before the others, is not counted

struct shared {
    uint64_t there __attribute__((aligned(MR_FALSE_SHARING_RANGE)));
    uint64_t back __attribute__((aligned(MR_FALSE_SHARING_RANGE)));
};

static unsigned two_cores(const cpu_set_t *allowed, int cores[2])
{
    unsigned count = 0;
    for (int core = 0; core < CPU_SETSIZE && count < 2; core++)
        if (CPU_ISSET(core, allowed))
            cores[count++] = core;
    return count;
}

static void echo(struct shared *shared, uint64_t count)
{
    for (uint64_t i = 1; i <= count; i++) {
        while (mr_load_acquire_u64(&shared->there) != i) // pairs with the store in ping
            mr_cpu_relax();
        mr_store_release_u64(&shared->back, i);
    }
}

// True where every answer came before the echo's process was gone.
static bool ping(struct shared *shared, uint64_t count, pid_t echo_pid,
                 struct mr_histogram *histogram)
{
    for (uint64_t i = 1; i <= count; i++) {
        uint64_t start = mr_tick(), looks = 0;
        mr_store_release_u64(&shared->there, i);
        while (mr_load_acquire_u64(&shared->back) != i) { // pairs with the store in echo
            if (++looks % (1u << 20) == 0 && waitpid(echo_pid, NULL, WNOHANG) != 0)
                return false;
            mr_cpu_relax();
        }
        if (i > count / WARM_UP_SHARE)
            mr_histogram_add(histogram, mr_ticks_to_ns((int64_t)(mr_tick() - start)), 1);
    }
    waitpid(echo_pid, NULL, 0);
    return true;
}

static int probe(struct shared *shared, const int cores[2], uint64_t count,
                 struct mr_histogram *histogram, struct mr_error *err)
{
    pid_t pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (mr_pair_pin(cores[1]))
            echo(shared, count);
        _exit(0);
    }
    if (pid < 0 || !mr_pair_pin(cores[0]))
        return mr_fail_errno(err, MR_ERR_STAGE, "cannot start the echo process");
    if (!ping(shared, count, pid, histogram))
        return mr_fail(err, MR_ERR_STAGE, "the echo process ended early");
    return MR_OK;
}

int mr_bench_raw_rtt(uint64_t round_trips, struct mr_histogram *rtt_ns, struct mr_error *err)
{
    cpu_set_t before;
    int cores[2];
    if (sched_getaffinity(0, sizeof before, &before) < 0 || two_cores(&before, cores) < 2)
        return mr_fail(err, MR_ERR_LIMIT, "found 1 core to run on, a round trip needs two");
    uint64_t count = round_trips + round_trips / (WARM_UP_SHARE - 1);
    struct shared *shared =
        mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED)
        return mr_fail_errno(err, MR_ERR_MEMORY, "cannot map the shared words");
    int code = probe(shared, cores, count, rtt_ns, err);
    sched_setaffinity(0, sizeof before, &before);
    munmap(shared, sizeof *shared);
    return code;
}

int mr_bench_raw_rtt_least(double *p50_ns, struct mr_error *err)
{
    struct mr_histogram *histogram = calloc(1, sizeof *histogram);
    if (!histogram)
        return mr_fail(err, MR_ERR_MEMORY, "no memory for a histogram");
    int code = mr_bench_raw_rtt(MR_RAW_RTT_PROBE, histogram, err);
    double found_ns = (double)mr_histogram_percentile(histogram, 50);
    free(histogram);
    if (code == MR_OK && (*p50_ns == 0 || found_ns < *p50_ns))
        *p50_ns = found_ns;
    return code == MR_ERR_LIMIT ? MR_OK : code;
}
