// SPDX-License-Identifier: Apache-2.0
// What one hop through a ring costs, between two processes pinned to two cores.
//
//   latency     a 64-byte record goes there and comes back on two rings; half the round trip is the
//   hop. raw         the same two cores pass one cache line there and back: what the hardware takes
//   for the
//               least that any two processes can say to each other. Measured in turn with the rings
//               (A B A B), because a host moves its cores about: what counts is the ratio of one
//               run.
//   throughput  records one way in batches, each checked for its sequence and content.
//
// The echo runs in a child process; both only spin. Ticks come from mr_tick().
#ifndef MR_CLI_BENCH_HOP_H
#define MR_CLI_BENCH_HOP_H

#include "cli/bench.h"

struct mr_hop_options {
    uint64_t round_trips; // of each kind in each round
    uint64_t records;     // of the throughput part
    unsigned rounds;      // 1 to MR_BENCH_ROUNDS_MAX
};

struct mr_hop_report {
    int cores[2];
    unsigned rounds;
    struct mr_histogram hop_ns, raw_ns; // of half round trips, all rounds together
    uint64_t hop_p50_ns[MR_BENCH_ROUNDS_MAX];
    uint64_t raw_p50_ns[MR_BENCH_ROUNDS_MAX];
    double records_per_second[MR_BENCH_ROUNDS_MAX];
    uint64_t records;
};

// MR_ERR_LIMIT with fewer than two cores, MR_ERR_CORRUPT where a record came wrong.
int mr_bench_hop(const struct mr_hop_options *options, struct mr_hop_report *report,
                 struct mr_error *err);

#endif
