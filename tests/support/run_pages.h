// SPDX-License-Identifier: Apache-2.0
// The segments of a run, made by hand: the pages of its stages and its rings, of which a test says what
// stands in them.
//
//     struct run_pages run;
//     run_pages_open(&run, "itch");
//     run.pages[MR_ROLE_PRODUCER]->slots[0].counts[MR_COUNT_IN] = 7;
//     ... mr_report_read(report, &run.pipeline, &err) ...
//     run_pages_close(&run);
#ifndef MR_TESTS_SUPPORT_RUN_PAGES_H
#define MR_TESTS_SUPPORT_RUN_PAGES_H

#include "core/pipeline/stage.h"
#include "tests/support/scratch.h"

struct run_pages {
    struct scratch scratch;
    struct mr_pipeline pipeline;
    struct mr_segment segments[MR_ROLE_COUNT];
    struct mr_stage_layout *pages[MR_ROLE_COUNT];
    struct mr_ring rings[MR_RING_COUNT];
};

// Everything zero, rings empty and open. Three stages and four rings.
void run_pages_open(struct run_pages *run, const char *name);
// With a producer, and two rings, for each of so many sources.
void run_pages_open_several(struct run_pages *run, const char *name, unsigned sources);
void run_pages_close(struct run_pages *run);
// A run that took `records` in from each source and has ended well: every stage done, every ring closed.
void run_pages_finish(struct run_pages *run, uint64_t records);

#endif
