// SPDX-License-Identifier: Apache-2.0
// What is shown of a run while it runs: a block of a few lines, or one line. On a terminal the
// block is drawn again and again in the same place, and what the stages log appears above it.
#ifndef MR_CLI_PROGRESS_H
#define MR_CLI_PROGRESS_H

#include "core/pipeline/report.h"

// Records per second between two looks.
struct mr_rate {
    int64_t last_ns;
    uint64_t last_count;
    double per_second;
};
void mr_rate_update(struct mr_rate *rate, int64_t now_ns, uint64_t count);

// The block: title, rings with their fill, who waits for whom, latencies, and the chain of waits in a
// sentence. Lines end in '\n'.
void mr_progress_block(const struct mr_report *report, const struct mr_rate *rate, FILE *out);
// One line, for logs; a second one where somebody waits for room, for the device, or for a stage that is
// stalled or gone.
void mr_progress_line(const struct mr_report *report, const struct mr_rate *rate, FILE *out);

enum mr_progress_mode { MR_PROGRESS_NONE, MR_PROGRESS_LINES, MR_PROGRESS_BLOCK };

struct mr_progress {
    enum mr_progress_mode mode;
    const struct mr_pipeline *pipeline;
    struct mr_report *report;
    struct mr_rate rate;
    unsigned drawn_lines;
    int log_fd;   // BLOCK: the stages write their log lines here ...
    off_t log_at; // ... and so far they have been shown
};

// The run's directory must be there. MR_ERR_SHM where the log cannot be made.
int mr_progress_open(struct mr_progress *progress, const struct mr_pipeline *pipeline,
                     enum mr_progress_mode mode, struct mr_error *err);
int64_t mr_progress_tick_ns(const struct mr_progress *progress);
void mr_progress_tick(void *progress);
// Takes the block away and shows the rest of the log.
void mr_progress_close(struct mr_progress *progress);

#endif
