// SPDX-License-Identifier: Apache-2.0
#include "tests/support/fuzzed_source.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "producers/lines_private.h"

static struct fuzzed_source *opened;
static struct {
    int fd;
    const uint8_t *bytes;
    size_t size;
} file; // of the one source

static void close_at_exit(void)
{
    source_fixture_close(&opened->fixture);
}

void fuzzed_source_open(struct fuzzed_source *source, const char *yaml)
{
    char path[32], whole[2048];
    file.fd = memfd_create("input", MFD_CLOEXEC);
    snprintf(path, sizeof path, "/proc/self/fd/%d", file.fd);
    const char *place = strstr(yaml, "%s");
    snprintf(whole, sizeof whole, "%.*s%s%s", place ? (int)(place - yaml) : (int)strlen(yaml), yaml,
             place ? path : "", place ? place + 2 : "");
    source_fixture_open(&source->fixture, whole);
    struct mr_stage *stage = source->fixture.stage;
    mr_reader_open(&source->main, &stage->rings[MR_RING_INGRESS]);
    mr_reader_open(&source->dead, &stage->rings[MR_RING_DEAD_PRODUCER]);
    opened = source;
    atexit(close_at_exit);
}

static void take_records(struct fuzzed_source *source)
{
    uint32_t length;
    char text[256];
    const struct mr_record *record;
    while ((record = mr_next(&source->main, &length)) != NULL) {
        const struct mr_schema *schema =
            mr_schema_set_by_id(&source->fixture.stage->out_schemas, record->schema_id);
        if (!schema || length != record->length || length < schema->record_bytes)
            abort();
        for (unsigned i = 0; i < schema->field_count; i++)
            mr_field_print(schema, &schema->fields[i], record, text, sizeof text);
    }
    mr_release(&source->main, source->main.position, NULL);
    while (mr_next(&source->dead, &length) != NULL)
        ;
    mr_release(&source->dead, source->dead.position, NULL);
}

const uint8_t *fuzzed_source_bytes(size_t *size)
{
    *size = file.size;
    return file.bytes;
}

void fuzzed_source_write(void)
{
    if (ftruncate(file.fd, 0) < 0 ||
        pwrite(file.fd, file.bytes, file.size, 0) != (ssize_t)file.size)
        abort();
}

// The list of files is read again, from its first.
static int begin_lines(struct mr_source_run *run)
{
    struct mr_lines *lines = run->self;
    if (lines->cursors[0].channel)
        mr_line_cursor_close(&lines->cursors[0]);
    lines->next_file = 0;
    lines->reader.received = 0;
    lines->reader.gap_before = false;
    return MR_OK;
}

static int begin(struct mr_source_run *run)
{
    if (run->self && strcmp(run->source->name, "lines") == 0)
        return begin_lines(run);
    if (run->self)
        run->source->close(run);
    int code = run->source->open(run, &run->err);
    if (code != MR_OK)
        run->self = NULL;
    return code;
}

void fuzzed_source_read(struct fuzzed_source *source, const uint8_t *bytes, size_t size)
{
    file.bytes = bytes;
    file.size = size;
    fuzzed_source_read_again(source);
}

void fuzzed_source_read_again(struct fuzzed_source *source)
{
    struct source_fixture *fixture = &source->fixture;
    struct mr_source_run *run = &fixture->run;
    enum mr_poll polled;
    memset(run->mark, 0, sizeof run->mark);
    run->resumed = false;
    run->err = (struct mr_error){0};
    if (begin(run) != MR_OK) {
        if (run->err.text[0] == '\0')
            abort();
        return;
    }
    do {
        polled = source_fixture_poll(fixture);
        take_records(source);
    } while (polled == MR_POLL_MORE || polled == MR_POLL_IDLE);
    if (!source_fixture_balances(fixture) || (polled == MR_POLL_FAILED && !run->err.text[0]))
        abort();
}
