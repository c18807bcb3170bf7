// SPDX-License-Identifier: Apache-2.0
// Reads a journal of generated records back and compares every byte of every record with what the generator
// made: sequence, times, content; the journal's reader checks lengths and checksums. Of several sources, each
// has a seed of its own, and event times that are later than the first one's by as many ns as it has sources before
// it: so a record says whose it is. Each source's records must be there in their own order.
#ifndef MR_CLI_BENCH_TRIO_CHECK_H
#define MR_CLI_BENCH_TRIO_CHECK_H

#include "core/pipeline/pipeline.h"

struct mr_trio_stream {
    const char *schema; // declared in the pipeline file
    double
        period_ns; // between a source's event times, the first of which begin at the generator's epoch
    unsigned sources;
    uint64_t records[MR_PRODUCERS_MAX]; // of each source so many, and no more
};

// Seed and epoch of a source, by its number from 0, as a pipeline file has them.
#define MR_TRIO_SEED(source) (1 + (source))
#define MR_TRIO_EPOCH "2020-01-01T00:00:00.%09uZ"

// *verified: how many were found good, also where one was not. MR_ERR_CORRUPT names it; MR_ERR_STAGE after
// a signal.
int mr_trio_check(const char *journal_path, const struct mr_pipeline *pipeline,
                  const struct mr_trio_stream *stream, uint64_t *verified, struct mr_error *err);

#endif
