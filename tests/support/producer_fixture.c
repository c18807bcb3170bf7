// SPDX-License-Identifier: Apache-2.0
#include "tests/support/producer_fixture.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/pipeline/stage_private.h"

void producer_fixture_directory(struct producer_fixture *fixture)
{
    memset(fixture, 0, sizeof *fixture);
    strcpy(fixture->directory, "/dev/shm/millrace-unit.XXXXXX");
    if (!mkdtemp(fixture->directory)) {
        perror(fixture->directory);
        abort();
    }
    mr_clock_setup();
}

static void path_in(const struct producer_fixture *fixture, const char *name, char *out,
                    size_t out_bytes)
{
    snprintf(out, out_bytes, "%s/%s", fixture->directory, name);
}

void producer_fixture_put_file(struct producer_fixture *fixture, const char *name,
                               const void *bytes, size_t length)
{
    char path[256];
    path_in(fixture, name, path, sizeof path);
    FILE *file = fopen(path, "w");
    if (!file || fwrite(bytes, 1, length, file) != length || fclose(file) != 0) {
        perror(path);
        abort();
    }
}

static void write_pipeline(struct producer_fixture *fixture, const char *yaml)
{
    char path[256];
    path_in(fixture, "pipeline.yaml", path, sizeof path);
    FILE *file = fopen(path, "w");
    fprintf(file, "name: unit\nshm: %s\nring: {size: 4MiB}\nsink: {type: journal, path: %s/out}\n",
            fixture->directory, fixture->directory);
    for (const char *at = yaml; *at; at++) {
        if (strncmp(at, "@DIR@", 5) == 0) {
            fputs(fixture->directory, file);
            at += 4;
        } else {
            fputc(*at, file);
        }
    }
    fputc('\n', file);
    fclose(file);
}

static int open_stage(struct producer_fixture *fixture)
{
    struct mr_source_run *run = &fixture->run;
    memset(run, 0, sizeof *run);
    fixture->stage = run->stage = calloc(1, sizeof *fixture->stage);
    int code = mr_stage_open(run->stage, &fixture->pipeline, MR_ROLE_PRODUCER, &fixture->err);
    if (code != MR_OK)
        return code;
    code = mr_source_bind(&fixture->pipeline, &run->source, &fixture->options, &fixture->err);
    run->options = fixture->options;
    if (code == MR_OK)
        code = run->source->declare(run->options, &fixture->pipeline, &run->stage->out_schemas,
                                    &fixture->err);
    if (code == MR_OK)
        code = mr_stage_reserve_state(run->stage, run->source->state_bytes, &fixture->err);
    for (const char *const *name = run->source ? run->source->counters : NULL;
         code == MR_OK && name && *name; name++) {
        unsigned index = mr_stage_add_counter(run->stage, run->source->name, *name);
        if (name == run->source->counters)
            run->counters = index;
    }
    if (code == MR_OK)
        code = mr_stage_describe(run->stage, &fixture->err);
    run->resumed = run->stage->shared->epoch != 0;
    memcpy(run->mark, run->stage->now.mark, sizeof run->mark);
    mr_reader_open(&fixture->main, &run->stage->rings[MR_RING_INGRESS]);
    mr_reader_open(&fixture->dead, &run->stage->rings[MR_RING_DEAD_PRODUCER]);
    if (code == MR_OK && (code = run->source->open(run, &fixture->err)) != MR_OK)
        run->self = NULL; // as in the producer: what failed to open is not closed
    return code;
}

int producer_fixture_open(struct producer_fixture *fixture, const char *yaml)
{
    char path[256];
    if (fixture->directory[0] == '\0')
        producer_fixture_directory(fixture);
    write_pipeline(fixture, yaml);
    path_in(fixture, "pipeline.yaml", path, sizeof path);
    int code = mr_pipeline_load(&fixture->pipeline, path, NULL, 0, &fixture->err);
    return code == MR_OK ? open_stage(fixture) : code;
}

static void keep(struct kept_records *list, const struct mr_record *record, uint32_t length)
{
    if (list->count == list->room) {
        list->room = list->room ? 2 * list->room : 64;
        list->records = realloc(list->records, list->room * sizeof(struct mr_record *));
    }
    list->records[list->count] = malloc(length);
    memcpy(list->records[list->count++], record, length);
}

static void drain(struct producer_fixture *fixture, struct mr_reader *reader,
                  struct kept_records *list)
{
    uint32_t length;
    const struct mr_record *record;
    while ((record = mr_next(reader, &length)) != NULL) {
        fixture->seen += list == &fixture->records;
        if (!fixture->counts_only || list == &fixture->letters)
            keep(list, record, length);
    }
    mr_release(reader, reader->position, NULL);
}

enum mr_poll producer_fixture_poll(struct producer_fixture *fixture)
{
    fixture->stage->origin_tick = mr_tick();
    fixture->last = fixture->run.source->poll(&fixture->run);
    mr_source_commit(&fixture->run);
    drain(fixture, &fixture->main, &fixture->records);
    drain(fixture, &fixture->dead, &fixture->letters);
    return fixture->last;
}

enum mr_poll producer_fixture_run(struct producer_fixture *fixture)
{
    while (producer_fixture_poll(fixture) == MR_POLL_MORE)
        ;
    return fixture->last;
}

static void close_stage(struct producer_fixture *fixture)
{
    if (fixture->run.self)
        fixture->run.source->close(&fixture->run);
    if (fixture->stage && fixture->stage->shared)
        mr_stage_detach(fixture->stage);
    free(fixture->options);
    free(fixture->stage);
    fixture->options = NULL;
    fixture->stage = NULL;
}

int producer_fixture_restart(struct producer_fixture *fixture)
{
    close_stage(fixture);
    return open_stage(fixture);
}

static int remove_entry(const char *path, const struct stat *status, int kind, struct FTW *place)
{
    (void)status, (void)kind, (void)place;
    return remove(path);
}

static void free_list(struct kept_records *list)
{
    for (size_t i = 0; i < list->count; i++)
        free(list->records[i]);
    free(list->records);
}

void producer_fixture_close(struct producer_fixture *fixture)
{
    close_stage(fixture);
    mr_pipeline_free(&fixture->pipeline);
    free_list(&fixture->records);
    free_list(&fixture->letters);
    nftw(fixture->directory, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

const char *producer_fixture_text(const struct producer_fixture *fixture, size_t i,
                                  const char *field)
{
    static char texts[4][256];
    static unsigned turn;
    char *out = texts[turn++ % 4];
    if (i >= fixture->records.count)
        return "(no such record)";
    const struct mr_record *record = fixture->records.records[i];
    const struct mr_schema *schema =
        mr_schema_set_by_id(&fixture->stage->out_schemas, record->schema_id);
    const struct mr_field *found = schema ? mr_schema_field(schema, field) : NULL;
    if (!found)
        return "(no such field)";
    if (mr_field_is_null(schema, found, record))
        return "(null)";
    mr_field_print(schema, found, record, out, sizeof texts[0]);
    return out;
}

static const struct mr_dead_letter *letter(const struct producer_fixture *fixture, size_t i)
{
    return i < fixture->letters.count ? (const void *)fixture->letters.records[i] : NULL;
}

const char *producer_fixture_detail(const struct producer_fixture *fixture, size_t i)
{
    static char text[MR_DEAD_LETTER_DETAIL_BYTES + 1];
    if (!letter(fixture, i))
        return "(no such letter)";
    memcpy(text, letter(fixture, i)->detail, MR_DEAD_LETTER_DETAIL_BYTES);
    return text;
}

const char *producer_fixture_reason(const struct producer_fixture *fixture, size_t i)
{
    static char text[sizeof((struct mr_dead_letter *)0)->reason + 1];
    if (!letter(fixture, i))
        return "(no such letter)";
    memcpy(text, letter(fixture, i)->reason, sizeof text - 1);
    return text;
}

long long number_of_command(const char *command)
{
    long long number = -1;
    FILE *pipe = popen(command, "r");
    if (!pipe)
        return -1;
    if (fscanf(pipe, "%lld", &number) != 1)
        number = -1;
    return pclose(pipe) == 0 ? number : -1;
}

uint64_t producer_fixture_count(const struct producer_fixture *fixture, enum mr_count kind)
{
    return fixture->stage->now.counts[kind];
}

bool producer_fixture_balances(const struct producer_fixture *fixture)
{
    const uint64_t *counts = fixture->stage->now.counts;
    return counts[MR_COUNT_IN] ==
           counts[MR_COUNT_OUT] + counts[MR_COUNT_FILTERED] + counts[MR_COUNT_REJECTED];
}
