// SPDX-License-Identifier: Apache-2.0
#include "tests/support/chain_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/pipeline/stage_private.h"

static void die(const struct mr_error *err)
{
    fprintf(stderr, "chain fixture: %s\n", err->text);
    abort();
}

static void load_pipeline(struct chain_fixture *fixture)
{
    char path[128];
    struct mr_error err;
    FILE *file = fopen(scratch_path(&fixture->scratch, "pipeline.yaml", path, sizeof path), "w");
    if (!file)
        abort();
    fprintf(file,
            "name: unit\nsource: {type: mock}\nsink: {type: journal, path: unit.journal}\n"
            "ring: {size: 4MiB}\ntransform:\n%s\n",
            fixture->transform);
    fclose(file);
    if (mr_pipeline_load(&fixture->pipeline, path, NULL, 0, &err) != MR_OK)
        die(&err);
    scratch_path(&fixture->scratch, "run", fixture->pipeline.directory,
                 sizeof fixture->pipeline.directory);
}

static int open_stage(struct chain_fixture *fixture, struct mr_error *err)
{
    struct mr_stage *stage = fixture->stage;
    int code = mr_stage_open(stage, &fixture->pipeline, MR_ROLE_TRANSFORM, err);
    if (code != MR_OK)
        return code;
    code = mr_ring_describe(stage->readers[MR_PORT_MAIN].ring, &fixture->in, err);
    if (code == MR_OK)
        code = mr_stage_await_schemas(stage, err);
    if (code == MR_OK)
        code = mr_chain_open(&fixture->chain, &fixture->pipeline, &stage->in_schemas, err);
    if (code == MR_OK)
        code = mr_stage_reserve_state(stage, mr_chain_state_bytes(&fixture->chain), err);
    if (code == MR_OK)
        code = mr_schema_set_copy(&stage->out_schemas, mr_chain_out(&fixture->chain), err);
    if (code == MR_OK)
        code = mr_stage_describe(stage, err);
    return code == MR_OK ? mr_chain_start(&fixture->chain, stage, err) : code;
}

static void open_or_die(struct chain_fixture *fixture)
{
    struct mr_error err;
    if (open_stage(fixture, &err) != MR_OK)
        die(&err);
    for (unsigned i = 0; i < 2; i++)
        mr_reader_open(&fixture->readers[i], fixture->stage->writers[i].ring);
}

static void set_up(struct chain_fixture *fixture, const char *transform,
                   const struct mr_schema_set *in)
{
    struct mr_error err;
    memset(fixture, 0, sizeof *fixture);
    scratch_open(&fixture->scratch);
    fixture->transform = strdup(transform);
    fixture->stage = calloc(1, sizeof *fixture->stage);
    if (mr_schema_set_copy(&fixture->in, in, &err) != MR_OK)
        die(&err);
    load_pipeline(fixture);
}

void chain_fixture_open(struct chain_fixture *fixture, const char *transform,
                        const struct mr_schema_set *in)
{
    set_up(fixture, transform, in);
    open_or_die(fixture);
}

static void tear_down(struct chain_fixture *fixture)
{
    mr_pipeline_free(&fixture->pipeline);
    mr_schema_set_clear(&fixture->in);
    free(fixture->stage);
    free(fixture->transform);
    free(fixture->out.bytes);
    free(fixture->out.offsets);
    free(fixture->dead.bytes);
    free(fixture->dead.offsets);
    scratch_close(&fixture->scratch);
}

const char *chain_fixture_error(const char *transform, const struct mr_schema_set *in)
{
    static struct mr_error err;
    struct chain_fixture fixture;
    struct mr_chain chain;
    err.text[0] = '\0';
    set_up(&fixture, transform, in);
    if (mr_chain_open(&chain, &fixture.pipeline, in, &err) == MR_OK)
        mr_chain_close(&chain);
    tear_down(&fixture);
    return err.text;
}

static void append(struct record_list *list, const struct mr_record *record, uint32_t length)
{
    size_t stride = mr_record_stride(length);
    if (list->used + stride > list->capacity) {
        list->capacity = 2 * list->capacity + stride + MR_PAGE_BYTES;
        list->bytes = realloc(list->bytes, list->capacity);
    }
    if ((list->count & (list->count + 1)) == 0) // 0, 1, 3, 7 ...
        list->offsets = realloc(list->offsets, (2 * list->count + 1) * sizeof *list->offsets);
    memcpy(list->bytes + list->used, record, length);
    list->offsets[list->count++] = list->used;
    list->used += stride;
}

static void collect(struct mr_reader *reader, struct record_list *list)
{
    uint32_t length;
    const struct mr_record *record;
    while ((record = mr_next(reader, &length)) != NULL)
        append(list, record, length);
    mr_release(reader, reader->position, NULL);
}

void chain_fixture_commit(struct chain_fixture *fixture)
{
    mr_stage_commit(fixture->stage);
    collect(&fixture->readers[0], &fixture->out);
    collect(&fixture->readers[1], &fixture->dead);
}

bool chain_fixture_put(struct chain_fixture *fixture, const struct mr_record *record)
{
    bool good = mr_chain_apply(&fixture->chain, record, record->length);
    if (mr_stage_should_commit(fixture->stage))
        chain_fixture_commit(fixture);
    return good && !fixture->chain.failed;
}

void chain_fixture_end(struct chain_fixture *fixture)
{
    chain_fixture_commit(fixture);
    mr_chain_drain(&fixture->chain);
    chain_fixture_commit(fixture);
}

void chain_fixture_crash(struct chain_fixture *fixture)
{
    mr_chain_close(&fixture->chain);
    mr_stage_detach(fixture->stage);
    open_or_die(fixture);
}

const struct mr_record *chain_fixture_at(const struct record_list *list, unsigned index)
{
    if (index >= list->count)
        abort();
    return (const struct mr_record *)(const void *)(list->bytes + list->offsets[index]);
}

uint64_t chain_fixture_counter(const struct chain_fixture *fixture, const char *name)
{
    const struct mr_stage *stage = fixture->stage;
    for (unsigned i = 0; i < stage->shared->plugin_count; i++)
        if (strcmp(stage->shared->plugin_name[i], name) == 0)
            return stage->now.plugin[i];
    fprintf(stderr, "chain fixture: no counter %s\n", name);
    abort();
}

static void check_balance(const struct chain_fixture *fixture)
{
    const uint64_t *counts = fixture->stage->now.counts;
    uint64_t fates = 0;
    for (unsigned i = MR_COUNT_OUT; i <= MR_COUNT_DROPPED; i++)
        fates += counts[i];
    if (counts[MR_COUNT_IN] == fates)
        return;
    fprintf(stderr, "chain fixture: %llu in, %llu with a fate\n",
            (unsigned long long)counts[MR_COUNT_IN], (unsigned long long)fates);
    abort();
}

void chain_fixture_close(struct chain_fixture *fixture)
{
    check_balance(fixture);
    mr_chain_close(&fixture->chain);
    mr_stage_close(fixture->stage, MR_OK, NULL);
    tear_down(fixture);
}
