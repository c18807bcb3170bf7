// SPDX-License-Identifier: Apache-2.0
// The real three processes, as `millrace run` starts them: a generator (or up to four), a transform that lets everything
// pass, a journal in a directory of its own. Open loop: at a rate, each record is due at a time that does
// not depend on those before it, and its latency counts from then; or flat out.
//
// Afterwards the journal is read back: every record must be there, in order, with the right sequence,
// times, content and checksum, and the counts must balance. A run that fell behind its rate, or kept it by sending
// much of it late, in bursts, is `missed`.
#ifndef MR_CLI_BENCH_TRIO_H
#define MR_CLI_BENCH_TRIO_H

#include "cli/args.h"
#include "cli/bench_scratch.h"
#include "core/pipeline/report.h"

// A record is its envelope, a u32, up to three u64 and, in longer ones, text.
#define MR_TRIO_RECORD_BYTES_MIN 40
#define MR_TRIO_RECORD_BYTES_MAX 4096

struct mr_trio_options {
    double rate;                    // records per second, of all generators together; 0: flat out
    double seconds;                 // of a run at a rate, warm-up included
    uint64_t records;               // of a run flat out, of all generators together
    unsigned producers;             // 1 to MR_PRODUCERS_MAX, a source each
    uint64_t record_bytes;          // a multiple of 8
    const char *wait, *durability;  // as a pipeline file has them
    const char *placement;          // "none" or "auto"; one among `sets` goes before
    const struct mr_arg_list *sets; // overrides of the pipeline file; may be NULL
    unsigned taps;                  // processes that look at the egress ring meanwhile
};

struct mr_trio_result {
    uint64_t records;  // made by the generators
    uint64_t overdue;  // of them, made more than 1 ms late
    uint64_t verified; // found good in the journal
    double seconds;    // first record to last: made (at a rate), written and synced (flat out)
    double records_per_second;
    double cores;           // CPU time of the processes by the time it took, warm-up apart
    double first_record_ms; // from the start of the run to the first record that was made
    bool missed;
    enum mr_placement_kind placement; // that was in force
    uint32_t io_backend;
    uint64_t tapped, tap_lost_bytes; // by all taps together
    struct mr_histogram
        hops[MR_REPORT_HOPS]; // without warm-up: the first quarter of a run at a rate
};

// MR_ERR_CORRUPT where a record came wrong, MR_ERR_BALANCE where the counts disagree, MR_ERR_STAGE after a
// signal. `result` is large: not for the stack.
int mr_bench_trio(const struct mr_bench_scratch *scratch, const struct mr_trio_options *options,
                  struct mr_trio_result *result, struct mr_error *err);

#endif
