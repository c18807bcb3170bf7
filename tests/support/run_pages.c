// SPDX-License-Identifier: Apache-2.0
#include "tests/support/run_pages.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void must(int code, const struct mr_error *err)
{
    if (code == MR_OK)
        return;
    fprintf(stderr, "run_pages: %s\n", err->text);
    abort();
}

void run_pages_open(struct run_pages *run, const char *name)
{
    const struct mr_ring_options options = {.capacity = MR_RING_CAPACITY_MIN};
    char path[320];
    struct mr_error err;
    memset(run, 0, sizeof *run);
    mr_clock_setup();
    scratch_open(&run->scratch);
    snprintf(run->pipeline.name, sizeof run->pipeline.name, "%s", name);
    snprintf(run->pipeline.directory, sizeof run->pipeline.directory, "%s", run->scratch.directory);
    for (unsigned role = 0; role < MR_ROLE_COUNT; role++) {
        struct mr_segment *segment = &run->segments[role];
        size_t bytes = mr_align_up(MR_PAGE_BYTES + sizeof(struct mr_stage_layout), MR_PAGE_BYTES);
        mr_pipeline_stage_path(&run->pipeline, role, path, sizeof path);
        must(mr_segment_create(segment, path, mr_role_name(role), MR_SEGMENT_STAGE, bytes, NULL,
                               NULL, &err),
             &err);
        run->pages[role] = (void *)((char *)segment->base + MR_PAGE_BYTES);
        run->pages[role]->role = role;
    }
    for (unsigned ring = 0; ring < MR_RING_COUNT; ring++) {
        mr_pipeline_ring_path(&run->pipeline, ring, path, sizeof path);
        must(mr_ring_create(&run->rings[ring], path, mr_ring_index_name(ring), &options, &err),
             &err);
    }
}

void run_pages_finish(struct run_pages *run, uint64_t records)
{
    for (unsigned role = 0; role < MR_ROLE_COUNT; role++) {
        struct mr_stage_layout *page = run->pages[role];
        struct mr_stage_slot *slot = &page->slots[page->epoch & 1];
        slot->counts[MR_COUNT_IN] = slot->counts[MR_COUNT_OUT] = records;
        slot->counts[MR_COUNT_EMITTED] = role == MR_ROLE_LOADER ? 0 : records;
        page->gauges.phase = MR_PHASE_DONE;
        page->gauges.started_ns = 1000000000;
        page->gauges.ended_ns = 3000000000;
    }
    for (unsigned ring = 0; ring < MR_RING_COUNT; ring++)
        mr_store_release_u32(&run->rings[ring].news->closed, 1);
}

void run_pages_close(struct run_pages *run)
{
    for (unsigned role = 0; role < MR_ROLE_COUNT; role++)
        mr_segment_detach(&run->segments[role]);
    for (unsigned ring = 0; ring < MR_RING_COUNT; ring++)
        mr_ring_detach(&run->rings[ring]);
    scratch_close(&run->scratch);
}
