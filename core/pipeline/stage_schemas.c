// SPDX-License-Identifier: Apache-2.0
// How stages tell each other what will come, and that they are ready.
#include <stdlib.h>
#include <string.h>

#include "core/dead_letter.h"
#include "core/pipeline/stage_private.h"

#define LOOK_INTERVAL_NS 500000 // how often a stage that waits for another looks

static void index_schemas(const struct mr_schema_set *set, uint8_t *index,
                          char (*names)[MR_NAME_BYTES], uint32_t *count)
{
    for (uint32_t i = 0; i < set->count; i++) {
        index[set->schemas[i]->id] = (uint8_t)i;
        memcpy(names[i], set->schemas[i]->name, MR_NAME_BYTES);
    }
    mr_store_release_u32(count, set->count);
}

// Of one input; none where a stop was asked for or its stream ended before it was described.
static int await_schemas_of(struct mr_stage *stage, struct mr_reader *reader,
                            struct mr_schema_set *schemas, struct mr_error *err)
{
    for (;;) {
        int code = mr_ring_schemas(reader->ring, schemas, err);
        if (code != MR_ERR_BUSY)
            return code;
        if (mr_stage_is_stopping(stage) || mr_reader_at_end(reader))
            return MR_OK;
        mr_stage_beat(stage);
        mr_sleep_until_mono_ns(mr_mono_ns() + LOOK_INTERVAL_NS);
    }
}

// Where one input gives none the others' are not all there is: what would be made of them could not be gone on with.
int mr_stage_await_schemas(struct mr_stage *stage, struct mr_error *err)
{
    unsigned inputs = stage->role == MR_ROLE_TRANSFORM ? stage->reader_count : 1;
    int code = await_schemas_of(stage, &stage->readers[MR_PORT_MAIN], &stage->in_schemas, err);
    for (unsigned i = 1; i < inputs && code == MR_OK && stage->in_schemas.count > 0; i++) {
        struct mr_schema_set more = {0};
        code = await_schemas_of(stage, &stage->readers[i], &more, err);
        if (code == MR_OK && more.count == 0)
            mr_schema_set_clear(&stage->in_schemas);
        if (code == MR_OK && (code = mr_schema_set_merge(&stage->in_schemas, &more, err)) != MR_OK)
            mr_error_within(err, "%s", stage->readers[i].ring->segment.path);
        mr_schema_set_clear(&more);
    }
    if (code == MR_OK)
        index_schemas(&stage->in_schemas, stage->in_schema_index, stage->shared->in_schema_name,
                      &stage->shared->in_schema_count);
    return code;
}

// Running, or through already: a resumed run may have nothing left to do for it.
static bool is_ready(const struct mr_pipeline *pipeline, enum mr_role role)
{
    struct mr_segment segment;
    struct mr_stage_layout *page;
    if (mr_stage_attach_page(pipeline, role, MR_ATTACH_READ_ONLY, &segment, &page, NULL) != MR_OK)
        return false;
    uint32_t phase = mr_load_acquire_u32(&page->gauges.phase);
    bool works = phase == MR_PHASE_RUNNING || phase == MR_PHASE_DRAINING;
    bool ready = phase == MR_PHASE_DONE || (works && mr_segment_is_locked(&segment));
    mr_segment_detach(&segment);
    return ready;
}

void mr_stage_await_downstream(struct mr_stage *stage)
{
    unsigned first = mr_role_is_producer(stage->role) ? MR_ROLE_TRANSFORM : stage->role + 1;
    for (unsigned role = first; role <= MR_ROLE_LOADER; role++)
        while (!is_ready(stage->pipeline, role) && !mr_stage_is_stopping(stage)) {
            mr_stage_beat(stage);
            mr_sleep_until_mono_ns(mr_mono_ns() + LOOK_INTERVAL_NS);
        }
}

static int describe_ring(struct mr_stage *stage, struct mr_ring *ring,
                         const struct mr_schema_set *schemas, struct mr_error *err)
{
    struct mr_schema_set before = {0};
    if (mr_ring_schemas(ring, &before, NULL) == MR_OK) {
        bool same = mr_schema_set_same(&before, schemas);
        mr_schema_set_clear(&before);
        if (!same)
            return mr_fail(
                err, MR_ERR_SHM,
                "%s: left by an earlier run with other schemas; finish that run with its own "
                "pipeline file, or give it up with `millrace clean %s`",
                ring->segment.path, stage->pipeline->name);
    }
    return mr_ring_describe(ring, schemas, err);
}

int mr_stage_describe(struct mr_stage *stage, struct mr_error *err)
{
    struct mr_schema_set letters = {1, {mr_dead_letter_schema()}};
    index_schemas(&stage->out_schemas, stage->out_schema_index, stage->shared->out_schema_name,
                  &stage->shared->out_schema_count);
    // The dead ring first: whoever sees the main ring described may count on both.
    int code = describe_ring(stage, stage->writers[MR_PORT_DEAD].ring, &letters, err);
    if (code == MR_OK)
        code = describe_ring(stage, stage->writers[MR_PORT_MAIN].ring, &stage->out_schemas, err);
    mr_schema_set_clear(&letters);
    stage->described = code == MR_OK;
    return code;
}
