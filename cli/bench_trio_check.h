// SPDX-License-Identifier: Apache-2.0
// Reads a journal of generated records back and compares every byte of every record with what the generator
// made: sequence, times, content; the journal's reader checks lengths and checksums.
#ifndef MR_CLI_BENCH_TRIO_CHECK_H
#define MR_CLI_BENCH_TRIO_CHECK_H

#include "core/pipeline/pipeline.h"

struct mr_trio_stream {
    const char *schema; // declared in the pipeline file
    double period_ns;   // between the records' event times, which begin at the generator's epoch
    uint64_t records;   // so many, and no more
};

// *verified: how many were found good, also where one was not. MR_ERR_CORRUPT names it; MR_ERR_STAGE after
// a signal.
int mr_trio_check(const char *journal_path, const struct mr_pipeline *pipeline,
                  const struct mr_trio_stream *stream, uint64_t *verified, struct mr_error *err);

#endif
