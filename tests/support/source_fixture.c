// SPDX-License-Identifier: Apache-2.0
#include "tests/support/source_fixture.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/pipeline/stage_private.h"

static void give_up(const struct mr_error *err)
{
    fprintf(stderr, "source fixture: %s\n", err->text);
    abort();
}

static void load_pipeline(struct source_fixture *fixture, const char *source_yaml)
{
    char path[128];
    struct mr_error err;
    FILE *file = fopen(scratch_path(&fixture->scratch, "pipeline.yaml", path, sizeof path), "w");
    if (!file)
        abort();
    fprintf(file,
            "name: fixture\nsource: %s\nsink: {type: ndjson, path: %s/out.ndjson}\n"
            "ring: {size: 16MiB}\nbatch: 4KiB\nshm: %s\n",
            source_yaml, fixture->scratch.directory, fixture->scratch.directory);
    fclose(file);
    if (mr_pipeline_load(&fixture->pipeline, path, NULL, 0, &err) != MR_OK)
        give_up(&err);
}

// As producers/main.c opens it.
static int open_source(struct source_fixture *fixture)
{
    struct mr_stage *stage = fixture->stage;
    struct mr_source_run *run = &fixture->run;
    if (mr_stage_open(stage, &fixture->pipeline, MR_ROLE_PRODUCER, &run->err) != MR_OK)
        give_up(&run->err);
    if (mr_stage_reserve_state(stage, run->source->state_bytes, &run->err) != MR_OK)
        give_up(&run->err);
    int code =
        run->source->declare(run->options, &fixture->pipeline, &stage->out_schemas, &run->err);
    for (unsigned i = 0; run->source->counters && run->source->counters[i]; i++) {
        unsigned index = mr_stage_add_counter(stage, run->source->name, run->source->counters[i]);
        run->counters = i == 0 ? index : run->counters;
    }
    if (code == MR_OK && mr_stage_describe(stage, &run->err) != MR_OK)
        give_up(&run->err);
    run->resumed = stage->shared->epoch != 0;
    memcpy(run->mark, stage->now.mark, sizeof run->mark);
    return code == MR_OK ? run->source->open(run, &run->err) : code;
}

void source_fixture_open(struct source_fixture *fixture, const char *source_yaml)
{
    memset(fixture, 0, sizeof *fixture);
    scratch_open(&fixture->scratch);
    load_pipeline(fixture, source_yaml);
    fixture->stage = calloc(1, sizeof *fixture->stage);
    struct mr_source_run *run = &fixture->run;
    run->stage = fixture->stage;
    if (mr_source_bind(&fixture->pipeline, &run->source, &fixture->options, &run->err) != MR_OK)
        give_up(&run->err);
    run->options = fixture->options;
    fixture->code = open_source(fixture);
}

enum mr_poll source_fixture_poll(struct source_fixture *fixture)
{
    struct mr_stage *stage = fixture->stage;
    uint64_t in = stage->now.counts[MR_COUNT_IN];
    stage->origin_tick = mr_tick();
    enum mr_poll polled = fixture->run.source->poll(&fixture->run);
    if (polled == MR_POLL_IDLE && stage->now.counts[MR_COUNT_IN] == in)
        return polled;
    memcpy(stage->now.mark, fixture->run.mark, sizeof stage->now.mark);
    mr_stage_commit(stage);
    return polled;
}

enum mr_poll source_fixture_drain(struct source_fixture *fixture)
{
    enum mr_poll polled;
    do
        polled = source_fixture_poll(fixture);
    while (polled == MR_POLL_MORE || polled == MR_POLL_IDLE);
    return polled;
}

void source_fixture_restart(struct source_fixture *fixture)
{
    fixture->run.source->close(&fixture->run);
    mr_stage_detach(fixture->stage);
    fixture->code = open_source(fixture);
}

const struct mr_record *source_fixture_next(const struct source_fixture *fixture, unsigned port,
                                            uint64_t *position)
{
    const struct mr_writer *writer = &fixture->stage->writers[port];
    while (*position < writer->position) {
        const void *at = writer->ring->data + (*position & writer->ring->mask);
        const struct mr_record *record = at;
        *position += mr_record_stride(record->length);
        if (record->length >= MR_ENVELOPE_BYTES && !(record->flags & MR_FLAG_PADDING))
            return record;
    }
    return NULL;
}

uint64_t source_fixture_count(const struct source_fixture *fixture, enum mr_count count)
{
    return fixture->stage->now.counts[count];
}

uint64_t source_fixture_counter(const struct source_fixture *fixture, const char *name)
{
    const struct mr_source_run *run = &fixture->run;
    for (unsigned i = 0; run->source->counters[i]; i++)
        if (strcmp(run->source->counters[i], name) == 0)
            return fixture->stage->now.plugin[run->counters + i];
    fprintf(stderr, "source %s has no counter %s\n", run->source->name, name);
    abort();
}

bool source_fixture_balances(const struct source_fixture *fixture)
{
    const uint64_t *counts = fixture->stage->now.counts;
    return counts[MR_COUNT_IN] == counts[MR_COUNT_OUT] + counts[MR_COUNT_FILTERED] +
                                      counts[MR_COUNT_DUPLICATE] + counts[MR_COUNT_LATE] +
                                      counts[MR_COUNT_REJECTED] + counts[MR_COUNT_DROPPED];
}

static int remove_one(const char *path, const struct stat *status, int kind, struct FTW *place)
{
    (void)status, (void)kind, (void)place;
    return remove(path);
}

void source_fixture_close(struct source_fixture *fixture)
{
    if (fixture->run.self)
        fixture->run.source->close(&fixture->run);
    mr_stage_close(fixture->stage, MR_OK, &fixture->run.err);
    mr_pipeline_free(&fixture->pipeline);
    free(fixture->options);
    free(fixture->stage);
    nftw(fixture->scratch.directory, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}
