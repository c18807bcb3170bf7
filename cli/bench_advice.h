// SPDX-License-Identifier: Apache-2.0
// What in this machine's set-up costs Millrace time, how much where that can be measured in a moment or is
// known, and what mends it.
#ifndef MR_CLI_BENCH_ADVICE_H
#define MR_CLI_BENCH_ADVICE_H

#include "core/base.h"

#define MR_ADVICE_MAX 16

struct mr_advice {
    char found[200];
    char costs[200];
    char mend[300];
};

// In the order of what they usually cost, the most first. Returns how many. Takes about half a second: clocks, system calls and idle loops are
// timed.
unsigned mr_bench_advise(struct mr_advice out[MR_ADVICE_MAX]);

#endif
