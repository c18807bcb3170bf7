// SPDX-License-Identifier: Apache-2.0
// The bare cache line: two processes on two cores pass one line there and back, and nothing else. The least
// that any two processes can say to each other on this machine at this minute; other benchmarks probe it
// before and after what they measure, and give their figures as multiples of it.
#ifndef MR_CLI_BENCH_RAW_RTT_H
#define MR_CLI_BENCH_RAW_RTT_H

#include "core/error.h"
#include "core/histogram.h"

#define MR_RAW_RTT_PROBE 20000 // round trips of a short probe: some milliseconds

// Adds `round_trips` round trips to rtt_ns. Between the first and the second allowed core, on which the two
// processes are pinned meanwhile. MR_ERR_LIMIT with one core.
int mr_bench_raw_rtt(uint64_t round_trips, struct mr_histogram *rtt_ns, struct mr_error *err);
// A short probe: its median replaces *p50_ns where that is 0 or greater. From 0, once before and once after what is
// measured, it leaves the least of both. With one core *p50_ns stays as it is.
int mr_bench_raw_rtt_least(double *p50_ns, struct mr_error *err);

#endif
