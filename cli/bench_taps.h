// SPDX-License-Identifier: Apache-2.0
// Processes that look at a ring in passing while a benchmark runs, as `millrace tap` does: what they cost
// those who write and read it. Each counts the records it saw, and what it lost.
#ifndef MR_CLI_BENCH_TAPS_H
#define MR_CLI_BENCH_TAPS_H

#include <sys/types.h>

#include "core/error.h"

#define MR_BENCH_TAPS_MAX 16

struct mr_bench_tap_seen {
    uint64_t records, lost_bytes;
};
struct mr_bench_taps {
    unsigned count;
    pid_t pids[MR_BENCH_TAPS_MAX];
    struct mr_bench_tap_seen *seen; // shared with them
};

// They wait until the ring is there, and end when it ends.
int mr_bench_taps_start(struct mr_bench_taps *taps, unsigned count, const char *ring_path,
                        struct mr_error *err);
// Ends those that are still there; the sums of what they saw and lost.
void mr_bench_taps_stop(struct mr_bench_taps *taps, uint64_t *records, uint64_t *lost_bytes);

#endif
