// SPDX-License-Identifier: Apache-2.0
// What one hop through a ring costs, between two processes pinned to two cores (cli/pair.h), beside what the
// hardware takes in the same run:
//
//   round trip      a 64-byte record there and back on two rings; beside it the bare cache line, there and back
//   one at a time   64-byte records one way, each published and released by itself
//   batches         the same in batches, for records of each size; beside them a plain copy between the two
//                   cores, and what making and checking the records costs without moving them
//
// Every record's sequence and content are checked where it arrives, in the measurement.
#ifndef MR_CLI_BENCH_HOP_H
#define MR_CLI_BENCH_HOP_H

#include "cli/pair_rounds.h"

#define MR_HOP_RECORD_BYTES 64 // of round trips and of records one at a time
#define MR_HOP_CELLS_MAX 24
#define MR_HOP_RTT_RATIO_GOAL 1.3  // round trip to the bare cache line's, at most
#define MR_HOP_COPY_RATIO_GOAL 0.8 // bytes in batches to those of a plain copy, at least

struct mr_hop_options {
    uint64_t round_trips; // per measurement, at most
    uint64_t records;     // per measurement, at most
    int64_t ns_max;       // per measurement
    unsigned rounds;      // 1 to MR_BENCH_ROUNDS_MAX
};

struct mr_hop_report {
    int cores[2];
    int cache_level; // the nearest cache that both cores share; 0: none that is known
    struct mr_pair_rounds rounds;
    struct mr_pair_cell cells[MR_HOP_CELLS_MAX];
    unsigned cells_count;
    // Among the cells:
    struct mr_pair_cell *round_trip, *one_at_a_time;
    struct mr_pair_cell *batches, *handling; // `sizes` each, the same sizes
    unsigned sizes;
    struct mr_pair_cell *copies; // of blocks
    unsigned copies_count;
    uint64_t records;                // checked in all
    const struct mr_pair_cell *copy; // the fastest of them; NULL: none was kept
    double copy_bytes_per_second;
};

// MR_ERR_LIMIT with fewer than two cores, MR_ERR_CORRUPT where a record came wrong.
int mr_bench_hop(const struct mr_hop_options *options, struct mr_hop_report *report,
                 struct mr_error *err);
void mr_bench_hop_free(struct mr_hop_report *report);

// ---- what is printed (cli/bench_hop_show.c)
void mr_bench_hop_json(const struct mr_hop_report *report, const char *machine);
void mr_bench_hop_show(const struct mr_hop_report *report);

#endif
