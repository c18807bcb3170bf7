// SPDX-License-Identifier: Apache-2.0
// Many measurements of a pair (cli/pair.h) beside each other, and what may be compared.
//
// A cell is one transport, one size of record and one part. All cells are measured once, in turn, then all
// again (A B C A B C): a host that moves its cores about then does it to all of them alike. Each measurement
// has its own two probes of the bare cache line, right before and right after it, and they decide:
//
//   round trips  kept where the two probes agree within MR_PAIR_STEADY_FACTOR, wherever the rest of the run was:
//                the cores did not move meanwhile. Each is set in proportion to its own probes, and the median
//                of these ratios is the figure, in which rounds of cores near each other and of cores far apart
//                may stand together. The nanoseconds beside it then are of both, and no figure to compare.
//   rates        have nothing of their own to be set in proportion to, and are compared with each other as they
//                are: so all must come from one *regime*. It is the window of MR_PAIR_REGIME_FACTOR from its
//                least to its greatest that holds the most probes of the whole run (a median may fall between
//                two modes of a host, and be near neither); a rate is kept where both its probes are in it.
//
// A ratio is to the mean of the two probes, not to the lesser: what drifts from one to the other drifts through
// what lies between, and the lesser would err always to the same side, the more the less steady the machine is.
//
// Rounds go on until each cell has as many kept ones as were asked for, or the time is up. Medians, minima and
// maxima are over the kept ones. Fewer than MR_PAIR_KEPT_MIN of them decide nothing, and that is said.
#ifndef MR_CLI_PAIR_ROUNDS_H
#define MR_CLI_PAIR_ROUNDS_H

#include "cli/bench.h"
#include "cli/pair.h"

#define MR_PAIR_STEADY_FACTOR 1.15 // half of what a goal of 1.3 times the bare line leaves
#define MR_PAIR_REGIME_FACTOR 1.5
#define MR_PAIR_KEPT_MIN 5

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
    struct mr_pair_spread kept_raw_rtt_ns; // mean of the two probes
    struct mr_pair_spread kept_ratio;      // value to the mean of its two probes
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
    double regime_from_ns;            // the regime's least probe
    double regime_rtt_ns;             // the median of its probes
};

// Runs and judges. MR_OK although cells failed: each says so. MR_ERR_MEMORY.
int mr_pair_rounds_run(struct mr_pair_rounds *rounds, struct mr_pair_cell *cells, unsigned count,
                       struct mr_error *err);
// Decides what is kept and fills what is judged; part of the above.
int mr_pair_rounds_judge(struct mr_pair_rounds *rounds, struct mr_pair_cell *cells, unsigned count,
                         struct mr_error *err);
// Why a cell's figures decide nothing, in a few words; NULL where enough was kept.
const char *mr_pair_why_unjudged(const struct mr_pair_cell *cell);
void mr_pair_rounds_free(struct mr_pair_cell *cells, unsigned count);

#endif
