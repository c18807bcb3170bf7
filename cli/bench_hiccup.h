// SPDX-License-Identifier: Apache-2.0
// What this machine does to a loop that does nothing. One process a core, pinned, reads the clock over and
// over; once a microsecond a call is due, and the histogram has how late the loop was for it. Whatever runs
// in between (interrupts, other processes, the hypervisor) is in it, and will be in every other figure of
// the same minute.
#ifndef MR_CLI_BENCH_HICCUP_H
#define MR_CLI_BENCH_HICCUP_H

#include "cli/bench.h"

#define MR_HICCUP_CORES_MAX 64

struct mr_hiccup_profile {
    unsigned count;
    int cores[MR_HICCUP_CORES_MAX];
    uint64_t gaps[MR_HICCUP_CORES_MAX]; // times that the loop stood still for more than 10 us
    struct mr_histogram *late_ns;       // one a core, shared memory
};

// All allowed cores at once, for so long. MR_ERR_STAGE, MR_ERR_MEMORY.
int mr_bench_hiccup(double seconds, struct mr_hiccup_profile *profile, struct mr_error *err);
void mr_hiccup_free(struct mr_hiccup_profile *profile);

#endif
