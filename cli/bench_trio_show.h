// SPDX-License-Identifier: Apache-2.0
// Prints what came of runs of the trio, for people and as one JSON object.
#ifndef MR_CLI_BENCH_TRIO_SHOW_H
#define MR_CLI_BENCH_TRIO_SHOW_H

#include "cli/bench_trio_runs.h"

void mr_trio_show(struct mr_trio_runs *runs, const char *machine);
void mr_trio_show_json(struct mr_trio_runs *runs, const char *machine);
// <directory>/<rate>-<wait>-<durability>-<hop>.hgrm for each, <wait>-placed where the way itself has
// `placement: auto`: HdrHistogram's percentile text, in microseconds. MR_ERR_OUTPUT.
int mr_trio_save_hgrm(const struct mr_trio_runs *runs, const char *directory, struct mr_error *err);

#endif
