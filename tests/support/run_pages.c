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

static void make_page(struct run_pages *run, enum mr_role role)
{
    struct mr_segment *segment = &run->segments[role];
    size_t bytes = mr_align_up(MR_PAGE_BYTES + sizeof(struct mr_stage_layout), MR_PAGE_BYTES);
    char path[320];
    struct mr_error err;
    mr_pipeline_stage_path(&run->pipeline, role, path, sizeof path);
    must(mr_segment_create(segment, path, mr_role_name(role), MR_SEGMENT_STAGE, bytes, NULL, NULL,
                           &err),
         &err);
    run->pages[role] = (void *)((char *)segment->base + MR_PAGE_BYTES);
    run->pages[role]->role = role;
}

static void make_ring(struct run_pages *run, enum mr_ring_index ring)
{
    const struct mr_ring_options options = {.capacity = MR_RING_CAPACITY_MIN};
    char path[320];
    struct mr_error err;
    mr_pipeline_ring_path(&run->pipeline, ring, path, sizeof path);
    must(mr_ring_create(&run->rings[ring], path, mr_ring_index_name(ring), &options, &err), &err);
}

void run_pages_open(struct run_pages *run, const char *name)
{
    run_pages_open_several(run, name, 1);
}

void run_pages_open_several(struct run_pages *run, const char *name, unsigned sources)
{
    memset(run, 0, sizeof *run);
    mr_clock_setup();
    scratch_open(&run->scratch);
    snprintf(run->pipeline.name, sizeof run->pipeline.name, "%s", name);
    snprintf(run->pipeline.directory, sizeof run->pipeline.directory, "%s", run->scratch.directory);
    run->pipeline.source_count = sources;
    for (unsigned role = 0; role < MR_ROLE_COUNT; role++)
        if (mr_pipeline_has_role(&run->pipeline, role))
            make_page(run, role);
    for (unsigned ring = 0; ring < MR_RING_COUNT; ring++)
        if (mr_pipeline_has_ring(&run->pipeline, ring))
            make_ring(run, ring);
}

void run_pages_finish(struct run_pages *run, uint64_t records)
{
    for (unsigned role = 0; role < MR_ROLE_COUNT; role++) {
        struct mr_stage_layout *page = run->pages[role];
        if (!page)
            continue;
        struct mr_stage_slot *slot = &page->slots[page->epoch & 1];
        unsigned sources = mr_role_is_producer(role) ? 1 : mr_pipeline_sources(&run->pipeline);
        slot->counts[MR_COUNT_IN] = slot->counts[MR_COUNT_OUT] = records * sources;
        slot->counts[MR_COUNT_EMITTED] = role == MR_ROLE_LOADER ? 0 : records * sources;
        page->gauges.phase = MR_PHASE_DONE;
        page->gauges.started_ns = 1000000000;
        page->gauges.ended_ns = 3000000000;
    }
    for (unsigned ring = 0; ring < MR_RING_COUNT; ring++)
        if (run->rings[ring].news)
            mr_store_release_u32(&run->rings[ring].news->closed, 1);
}

void run_pages_close(struct run_pages *run)
{
    for (unsigned role = 0; role < MR_ROLE_COUNT; role++)
        if (run->pages[role])
            mr_segment_detach(&run->segments[role]);
    for (unsigned ring = 0; ring < MR_RING_COUNT; ring++)
        if (run->rings[ring].news)
            mr_ring_detach(&run->rings[ring]);
    scratch_close(&run->scratch);
}
