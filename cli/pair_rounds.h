// SPDX-License-Identifier: Apache-2.0
// Many measurements of a pair (cli/pair.h) beside each other, and what may be compared.
//
// A cell is one transport, one size of record and one part. All cells are measured once, in turn, then all
// again (A B C A B C): a host that moves its cores about then does it to all of them alike. Each measurement
// has its own two probes of the bare cache line, right before and right after it. One *regime* is that in
// which the probes are within MR_PAIR_REGIME_FACTOR of the median probe of the whole run; a measurement is
// kept only where both of its probes are. Rounds go on until each cell has as many kept ones as were asked
// for, or the time is up. Medians, minima and maxima are over the kept ones.
#ifndef MR_CLI_PAIR_ROUNDS_H
#define MR_CLI_PAIR_ROUNDS_H

#include "cli/bench.h"
#include "cli/pair.h"

#define MR_PAIR_REGIME_FACTOR 1.5

struct mr_pair_spread {
    double median, min, max;
};

struct mr_pair_cell {
    const struct mr_pair_transport *transport;
    const struct mr_pair_loops *loops;
    enum mr_pair_part part;
    bool with_distribution; // keeps each round trip's time, not only the median
    // Measured, by round:
    double value[MR_BENCH_ROUNDS_MAX]; // round trip: p50 in ns; else records per second
    double raw_rtt_ns[MR_BENCH_ROUNDS_MAX][2];
    struct mr_pair_result *results; // with_distribution: of each round
    unsigned rounds;
    uint64_t records;        // measured and checked, in all rounds
    struct mr_error failure; // code MR_OK: none; a cell that failed is not tried again
    // Judged:
    unsigned kept;
    struct mr_pair_spread kept_value;
    struct mr_pair_spread kept_ratio; // value to the mean of its two probes
    struct mr_histogram *round_trip_ns,
        *one_way_ns; // with_distribution: of the kept rounds together
};

struct mr_pair_rounds {
    struct mr_pair_plan plan;
    unsigned rounds;     // wanted of each cell
    int64_t time_max_ns; // no further round begins when they are had, or when this is over
    void (*progress)(unsigned round, unsigned rounds); // may be NULL; before each round
    // Judged:
    unsigned rounds_run;
    unsigned measured, kept;
    struct mr_pair_spread raw_rtt_ns; // all probes
    double regime_rtt_ns;             // median of the probes of what was kept
};

// Runs and judges. MR_OK although cells failed: each says so. MR_ERR_MEMORY.
int mr_pair_rounds_run(struct mr_pair_rounds *rounds, struct mr_pair_cell *cells, unsigned count,
                       struct mr_error *err);
// Decides what is kept and fills what is judged; part of the above.
int mr_pair_rounds_judge(struct mr_pair_rounds *rounds, struct mr_pair_cell *cells, unsigned count,
                         struct mr_error *err);
void mr_pair_rounds_free(struct mr_pair_cell *cells, unsigned count);

#endif
