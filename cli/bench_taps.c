// SPDX-License-Identifier: Apache-2.0
#include "cli/bench_taps.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ringbuf/tap.h"

#define LOOK_INTERVAL_US 1000 // as long as nothing new is there

static void look(const char *ring_path, struct mr_bench_tap_seen *seen)
{
    struct mr_ring ring;
    struct mr_tap tap;
    while (mr_ring_attach(&ring, ring_path, MR_ATTACH_READ_ONLY, NULL) != MR_OK)
        usleep(LOOK_INTERVAL_US);
    mr_tap_open(&tap, &ring, MR_TAP_OLDEST);
    while (!mr_tap_at_end(&tap)) {
        while (mr_tap_next(&tap))
            seen->records++;
        seen->lost_bytes = tap.lost_bytes;
        usleep(LOOK_INTERVAL_US);
    }
    mr_tap_close(&tap);
    mr_ring_detach(&ring);
}

int mr_bench_taps_start(struct mr_bench_taps *taps, unsigned count, const char *ring_path,
                        struct mr_error *err)
{
    *taps = (struct mr_bench_taps){0};
    if (count == 0)
        return MR_OK;
    taps->seen = mmap(NULL, MR_BENCH_TAPS_MAX * sizeof *taps->seen, PROT_READ | PROT_WRITE,
                      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (taps->seen == MAP_FAILED)
        return mr_fail_errno(err, MR_ERR_MEMORY, "cannot map the taps' counts");
    while (taps->count < count && taps->count < MR_BENCH_TAPS_MAX) {
        pid_t pid = fork();
        if (pid == 0) {
            prctl(PR_SET_PDEATHSIG, SIGKILL);
            look(ring_path, &taps->seen[taps->count]);
            _exit(0);
        }
        if (pid < 0)
            return mr_fail_errno(err, MR_ERR_STAGE, "cannot start a tap");
        taps->pids[taps->count++] = pid;
    }
    return MR_OK;
}

void mr_bench_taps_stop(struct mr_bench_taps *taps, uint64_t *records, uint64_t *lost_bytes)
{
    *records = *lost_bytes = 0;
    for (unsigned i = 0; i < taps->count; i++) {
        kill(taps->pids[i], SIGKILL);
        waitpid(taps->pids[i], NULL, 0);
        *records += taps->seen[i].records;
        *lost_bytes += taps->seen[i].lost_bytes;
    }
    if (taps->count > 0)
        munmap(taps->seen, MR_BENCH_TAPS_MAX * sizeof *taps->seen);
}
