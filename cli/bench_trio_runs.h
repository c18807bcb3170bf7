// SPDX-License-Identifier: Apache-2.0
// Several runs of the trio that are to be compared: each way (rate, wait strategy, placement, durability) once a round,
// the ways in turn (A B C A B C), with a probe of the bare cache line before and after each run, and flat
// out with what the file system takes, at the best of several block sizes, from a bare loop of writes
// (cli/bench_raw_write.h); at a rate with what three bare processes need (cli/bench_raw_relay.h).
#ifndef MR_CLI_BENCH_TRIO_RUNS_H
#define MR_CLI_BENCH_TRIO_RUNS_H

#include "cli/bench.h"
#include "cli/bench_trio.h"

#define MR_TRIO_WAYS_MAX 64

struct mr_trio_way {
    double rate;                               // 0: flat out
    const char *wait, *durability, *placement; // placement: none or auto
    // What came of it, over all rounds.
    unsigned rounds, missed; // rounds in which it fell behind its rate
    uint64_t records, verified, overdue, tapped, tap_lost_bytes;
    double records_per_second[MR_BENCH_ROUNDS_MAX];
    double cores[MR_BENCH_ROUNDS_MAX];
    double first_record_ms[MR_BENCH_ROUNDS_MAX];
    double p50_ns[MR_REPORT_HOPS][MR_BENCH_ROUNDS_MAX];
    double
        raw_rtt_ns[MR_BENCH_ROUNDS_MAX]; // the lower of the two medians around the run; 0: one core
    // Of the bare relay around the run, the probe with the least median; 0: no limit here
    double raw_relay_ns[MR_BENCH_ROUNDS_MAX], raw_relay_p99_ns[MR_BENCH_ROUNDS_MAX];
    double
        write_limit[MR_BENCH_ROUNDS_MAX]; // flat out: bytes/s that the file system took right after
    double write_ratio[MR_BENCH_ROUNDS_MAX]; // flat out: the run's own bytes/s by that
    enum mr_placement_kind placement_found;  // the one in force: --set goes before the way's
    uint32_t io_backend;
    struct mr_histogram hops[MR_REPORT_HOPS]; // all rounds together
};

struct mr_trio_runs {
    struct mr_trio_options options; // rate, wait and durability are the ways'
    const char *directory;          // where journals are written; NULL: $TMPDIR or /tmp
    bool no_raw_write;              // leave the bare loop of writes out
    unsigned rounds;
    unsigned way_count;
    struct mr_trio_way *ways;                          // MR_TRIO_WAYS_MAX of them
    void (*before_run)(const struct mr_trio_way *way); // progress; may be NULL
};

// The first error ends it.
int mr_trio_runs(struct mr_trio_runs *runs, struct mr_error *err);

#endif
