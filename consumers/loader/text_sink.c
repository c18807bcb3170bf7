// SPDX-License-Identifier: Apache-2.0
#include "consumers/loader/text_sink.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "consumers/loader/io.h"
#include "consumers/loader/output_file.h"
#include "consumers/loader/text_file.h"

#define FLUSH_BYTES (256u << 10) // of a set, before it is written
#define PATH_BYTES_MAX 360
#define LOOK_INTERVAL_NS 100000000LL

struct text_buffer {
    char *bytes;
    size_t used, room;
};

struct text_set {
    struct text_buffer buffers[MR_SCHEMAS_MAX]; // by file
    size_t used;                                // in all of them
    uint64_t end_pos;                           // of the stream, what they hold
    unsigned pending;                           // writes that are not done
    bool submitted;
};

// As it stands in the stage's state.
struct text_state {
    uint64_t size_plus_one[MR_SCHEMAS_MAX]; // 0: the file was not begun
};
_Static_assert(sizeof(struct text_state) <= MR_SINK_STATE_BYTES, "state of a sink");

// How far a set was filled, to take back the lines of a stretch whose rest cannot be written now.
struct text_fill {
    size_t used, used_by_file[MR_SCHEMAS_MAX];
};

struct text_sink {
    const struct mr_text_format *format;
    const struct mr_text_options *options;
    struct mr_io_client client;
    struct mr_text_file files[MR_SCHEMAS_MAX];
    unsigned file_count;
    struct mr_record_text *rows; // by index in the schema set
    uint8_t index[UINT16_MAX + 1];
    struct text_set sets[2];
    unsigned filling;
    struct text_fill kept; // of the set being filled, before the stretch at hand
    uint8_t *record;       // private copy of the record at hand
    size_t record_room;
    struct mr_refusal refusal; // of room for a file that is to be begun ...
    int64_t retry_ns;          // ... which is tried again then
    int64_t looked_ns;
    struct mr_error failure;
};

static const char existing_labels[] = "append,replace,refuse";
const struct mr_option mr_text_option_table[] = {
    {"path", MR_OPTION_STRING, offsetof(struct mr_text_options, path), MR_OPTION_REQUIRED,
     "the file; - is standard output; {schema} stands for a schema's name", NULL},
    {"existing", MR_OPTION_ENUM, offsetof(struct mr_text_options, existing), "replace",
     "what a new run does with a file that is there", existing_labels},
    {"fields", MR_OPTION_STRING, offsetof(struct mr_text_options, fields), NULL,
     "names of fields and envelope columns, comma-separated; all fields if not given", NULL},
    {"envelope", MR_OPTION_BOOL, offsetof(struct mr_text_options, envelope), "false",
     "put schema, sequence, event_time, ingest_time and flags before the fields", NULL},
    {0},
};

int mr_text_declare(const void *options, const struct mr_pipeline *pipeline, struct mr_error *err)
{
    const struct mr_text_options *given = options;
    size_t bytes = strlen(given->path);
    if (bytes > 0 && bytes <= PATH_BYTES_MAX)
        return MR_OK;
    return mr_config_fail(pipeline->sink_node, err,
                          "path: found %zu bytes, expected a file's name, at most %d, or -", bytes,
                          PATH_BYTES_MAX);
}

static bool has_file_per_schema(const struct mr_text_format *format, const char *path,
                                const struct mr_schema_set *schemas)
{
    return format->file_per_schema && (schemas->count > 1 || strstr(path, "{schema}") != NULL);
}

int mr_text_check(const struct mr_text_options *options, const struct mr_pipeline *pipeline,
                  const struct mr_text_format *format, const struct mr_schema_set *schemas,
                  struct mr_error *err)
{
    const struct mr_node *node = pipeline->sink_node;
    struct mr_error why;
    if (options->fields && mr_record_text_check(options->fields, schemas, &why) != MR_OK)
        return mr_config_fail(mr_config_child(node, "fields"), err, "%s", why.text);
    if (strcmp(options->path, "-") == 0 && schemas->count > 1 &&
        has_file_per_schema(format, options->path, schemas))
        return mr_config_fail(mr_config_child(node, "path"), err,
                              "found - with records of %u schemas, but a %s file has one; write to "
                              "files, or use ndjson",
                              schemas->count, format->name);
    return MR_OK;
}

// ---- rows --------------------------------------------------------------------------------------
// "schema" and every field, for lines that have to say what they are.
static void open_named_row(struct mr_record_text *row, const struct mr_schema *schema)
{
    char fields[(MR_FIELDS_MAX + 1) * MR_NAME_BYTES] = "schema";
    size_t used = strlen(fields);
    for (unsigned i = 0; i < schema->field_count; i++)
        used +=
            (size_t)snprintf(fields + used, sizeof fields - used, ",%s", schema->fields[i].name);
    mr_record_text_open(row, schema, fields, false);
}

static int open_rows(struct mr_sink_run *run, struct mr_error *err)
{
    struct text_sink *sink = run->self;
    const struct mr_text_options *options = sink->options;
    bool several = run->schemas->count > 1;
    sink->rows = calloc(run->schemas->count, sizeof *sink->rows);
    if (!sink->rows)
        return mr_fail(err, MR_ERR_MEMORY, "%s: out of memory", options->path);
    for (unsigned i = 0; i < run->schemas->count; i++) {
        const struct mr_schema *schema = run->schemas->schemas[i];
        sink->index[schema->id] = (uint8_t)(i + 1);
        if (several && sink->format->names_schema && !options->fields && !options->envelope)
            open_named_row(&sink->rows[i], schema);
        else
            mr_record_text_open(&sink->rows[i], schema, options->fields, options->envelope);
    }
    return MR_OK;
}

// ---- files -------------------------------------------------------------------------------------
static unsigned file_of(const struct text_sink *sink, unsigned schema_index)
{
    return sink->file_count > 1 ? schema_index : 0;
}

static int reserve(struct text_buffer *buffer, size_t bytes, struct mr_error *err)
{
    if (buffer->room - buffer->used >= bytes)
        return MR_OK;
    size_t room = mr_max_u64(2 * buffer->room, mr_align_up(buffer->used + bytes, MR_PAGE_BYTES));
    char *grown = realloc(buffer->bytes, room);
    if (!grown)
        return mr_fail(err, MR_ERR_MEMORY, "text sink: out of memory (%zu bytes)", room);
    buffer->bytes = grown;
    buffer->room = room;
    return MR_OK;
}

static int header_of(struct text_sink *sink, unsigned schema_index, struct text_buffer *out,
                     struct mr_error *err)
{
    if (!sink->format->header)
        return MR_OK;
    const struct mr_record_text *row = &sink->rows[schema_index];
    size_t bytes = sink->format->header(row, NULL, 0);
    int code = reserve(out, bytes, err);
    if (code == MR_OK)
        out->used = sink->format->header(row, out->bytes, bytes);
    return code;
}

static void list_file(struct mr_sink_run *run, const char *path)
{
    size_t used = strlen(run->files);
    if (strcmp(path, "-") != 0)
        snprintf(run->files + used, sizeof run->files - used, "%s%s", used ? "\n" : "", path);
}

static int put_header(struct text_sink *sink, unsigned at, const struct text_buffer *header,
                      struct mr_error *err)
{
    struct text_set *set = &sink->sets[sink->filling];
    struct text_buffer *buffer = &set->buffers[at];
    if (!header->bytes)
        return MR_OK; // a format without one
    int code = reserve(buffer, header->used, err);
    if (code != MR_OK)
        return code;
    memcpy(buffer->bytes + buffer->used, header->bytes, header->used);
    buffer->used += header->used;
    set->used += header->used;
    // The file is begun with it, whatever becomes of the stretch.
    sink->kept.used_by_file[at] += header->used;
    sink->kept.used += header->used;
    return MR_OK;
}

// Begins the file of this schema, or takes it up again, and puts its header into the set that is
// being filled. The size is committed at once: what a dead process had written beyond it is not
// ours.
static int begin_file(struct mr_sink_run *run, unsigned schema_index, struct mr_error *err)
{
    struct text_sink *sink = run->self;
    struct text_state *state = run->state;
    unsigned at = file_of(sink, schema_index);
    struct mr_text_file *file = &sink->files[at];
    struct text_buffer header = {0};
    bool wants_header = true;
    uint64_t committed = state->size_plus_one[at];
    int code = header_of(sink, schema_index, &header, err);
    if (code == MR_OK && committed > 0) {
        code = mr_text_file_resume(file, committed - 1, err);
        wants_header = committed == 1;
    } else if (code == MR_OK) {
        code = mr_text_file_begin(file, sink->options->existing, header.bytes, header.used,
                                  &wants_header, err);
    }
    if (code == MR_OK && wants_header)
        code = put_header(sink, at, &header, err);
    free(header.bytes);
    if (code != MR_OK)
        return code;
    list_file(run, file->path);
    if (committed == 0) {
        mr_sink_set(run, &state->size_plus_one[at], file->size + 1);
        mr_stage_commit(run->stage);
    }
    return MR_OK;
}

static int resume_files(struct mr_sink_run *run, struct mr_error *err)
{
    struct text_sink *sink = run->self;
    const struct text_state *state = run->state;
    int code = MR_OK;
    for (unsigned at = 0; at < sink->file_count && code == MR_OK; at++)
        if (state->size_plus_one[at] > 0 || sink->file_count == 1)
            code = begin_file(run, at, err);
    return code;
}

// The files of several schemas come with their first records: those of an earlier run go now.
static int clear_files(struct text_sink *sink, struct mr_error *err)
{
    for (unsigned at = 0; at < sink->file_count; at++) {
        const char *path = sink->files[at].path;
        if (sink->options->existing == MR_EXISTING_REFUSE && access(path, F_OK) == 0)
            return mr_fail(err, MR_ERR_OUTPUT,
                           "%s: found a file, expected none (sink.existing is refuse)", path);
        if (sink->options->existing == MR_EXISTING_REPLACE && unlink(path) != 0 && errno != ENOENT)
            return mr_fail_errno(err, MR_ERR_OUTPUT, "%s: cannot remove", path);
    }
    return MR_OK;
}

static int open_files(struct mr_sink_run *run, struct mr_error *err)
{
    struct text_sink *sink = run->self;
    const char *path = sink->options->path;
    bool several = has_file_per_schema(sink->format, path, run->schemas);
    sink->file_count = several ? run->schemas->count : 1;
    for (unsigned at = 0; at < sink->file_count; at++)
        mr_text_file_name(&sink->files[at], path, several ? run->schemas->schemas[at]->name : NULL);
    if (run->resumed)
        return resume_files(run, err);
    return sink->file_count > 1 ? clear_files(sink, err) : begin_file(run, 0, err);
}

// ---- writing -----------------------------------------------------------------------------------
static void on_done(void *self, uint64_t tag, int64_t result)
{
    struct text_sink *sink = self;
    unsigned at = (unsigned)tag;
    sink->sets[1 - sink->filling].pending--;
    if (result >= 0) {
        sink->files[at].size += (uint64_t)result;
    } else if (sink->failure.code == MR_OK) {
        errno = (int)-result;
        mr_fail_errno(&sink->failure, MR_ERR_OUTPUT, "%s: cannot write behind byte %" PRIu64,
                      strcmp(sink->files[at].path, "-") ? sink->files[at].path : "standard output",
                      sink->files[at].size);
    }
}

// One set at a time: the lines of a file keep their order, and a pipe gets one write at a time. The
// I/O layer has room for a write to each file.
static void submit(struct mr_sink_run *run)
{
    struct text_sink *sink = run->self;
    struct text_set *set = &sink->sets[sink->filling];
    sink->filling = 1 - sink->filling;
    set->submitted = true;
    set->end_pos = run->handed_pos = run->accepted_pos;
    for (unsigned at = 0; at < sink->file_count; at++) {
        const struct mr_text_file *file = &sink->files[at];
        struct text_buffer *buffer = &set->buffers[at];
        if (buffer->used == 0)
            continue;
        int64_t offset = file->stream ? MR_IO_STREAM : (int64_t)file->size;
        set->pending++;
        if (!mr_io_write(run->io, &sink->client, file->fd, buffer->bytes, buffer->used, offset, at))
            on_done(sink, at, -ENOBUFS);
    }
}

// The set that was submitted is written: it is free again, and its records are where they should
// be.
static void retire(struct mr_sink_run *run)
{
    struct text_sink *sink = run->self;
    struct text_state *state = run->state;
    struct text_set *set = &sink->sets[1 - sink->filling];
    if (!set->submitted || set->pending > 0 || sink->failure.code != MR_OK)
        return;
    for (unsigned at = 0; at < sink->file_count; at++) {
        if (set->buffers[at].used > 0)
            mr_sink_set(run, &state->size_plus_one[at], sink->files[at].size + 1);
        set->buffers[at].used = 0;
    }
    set->used = 0;
    set->submitted = false;
    run->durable_pos = set->end_pos;
}

static bool can_submit(const struct text_sink *sink)
{
    return !sink->sets[1 - sink->filling].submitted && sink->failure.code == MR_OK;
}

static int append_line(struct text_sink *sink, unsigned schema_index,
                       const struct mr_record *record, struct mr_error *err)
{
    struct text_set *set = &sink->sets[sink->filling];
    struct text_buffer *buffer = &set->buffers[file_of(sink, schema_index)];
    const struct mr_record_text *row = &sink->rows[schema_index];
    size_t room = buffer->room - buffer->used;
    size_t bytes = sink->format->line(row, record, buffer->bytes + buffer->used, room);
    if (bytes > room) {
        int code = reserve(buffer, bytes, err);
        if (code != MR_OK)
            return code;
        sink->format->line(row, record, buffer->bytes + buffer->used, bytes);
    }
    buffer->used += bytes;
    set->used += bytes;
    return MR_OK;
}

// The record as it was checked: its bytes in the ring are not looked at twice.
static int copy_record(struct text_sink *sink, const uint8_t *bytes, uint32_t length,
                       struct mr_error *err)
{
    if (length > sink->record_room) {
        uint8_t *grown = realloc(sink->record, mr_align_up(length, MR_PAGE_BYTES));
        if (!grown)
            return mr_fail(err, MR_ERR_MEMORY, "text sink: out of memory (%u bytes)", length);
        sink->record = grown;
        sink->record_room = mr_align_up(length, MR_PAGE_BYTES);
    }
    memcpy(sink->record, bytes, length);
    ((struct mr_record *)(void *)sink->record)->length = length;
    return MR_OK;
}

static int take_record(struct mr_sink_run *run, uint32_t length, struct mr_error *err)
{
    struct text_sink *sink = run->self;
    const struct mr_record *record = (const struct mr_record *)(const void *)sink->record;
    if (record->flags & MR_FLAG_PADDING)
        return MR_OK;
    unsigned index = sink->index[record->schema_id];
    if (index == 0)
        return mr_fail(err, MR_ERR_CORRUPT,
                       "position %" PRIu64
                       ": found schema %u in a record of %u bytes, expected one "
                       "of the ring's",
                       run->accepted_pos, record->schema_id, length);
    int code = MR_OK;
    if (sink->files[file_of(sink, index - 1)].fd < 0)
        code = begin_file(run, index - 1, err);
    return code == MR_OK ? append_line(sink, index - 1, record, err) : code;
}

static int take_bytes(struct mr_sink_run *run, const uint8_t *bytes, size_t left, uint64_t *stride,
                      struct mr_error *err)
{
    uint32_t found;
    memcpy(&found, bytes, sizeof found);
    *stride = mr_record_stride(found);
    if (found < 8 || *stride > left)
        return mr_fail(err, MR_ERR_CORRUPT,
                       "position %" PRIu64 ": found length %u, expected at most %zu",
                       run->accepted_pos, found, left);
    if (found < MR_ENVELOPE_BYTES)
        return MR_OK;
    int code = copy_record(run->self, bytes, found, err);
    return code == MR_OK ? take_record(run, found, err) : code;
}

static void keep_fill(struct text_sink *sink)
{
    const struct text_set *set = &sink->sets[sink->filling];
    sink->kept.used = set->used;
    for (unsigned at = 0; at < sink->file_count; at++)
        sink->kept.used_by_file[at] = set->buffers[at].used;
}

static void take_back(struct text_sink *sink)
{
    struct text_set *set = &sink->sets[sink->filling];
    set->used = sink->kept.used;
    for (unsigned at = 0; at < sink->file_count; at++)
        set->buffers[at].used = sink->kept.used_by_file[at];
}

static int take_stretch(struct mr_sink_run *run, const uint8_t *bytes, size_t length,
                        struct mr_error *err)
{
    uint64_t stride = 0;
    int code = MR_OK;
    for (size_t done = 0; done < length && code == MR_OK; done += stride)
        code = take_bytes(run, bytes + done, length - done, &stride, err);
    return code;
}

// All or nothing: what is written together is committed together, with the sizes of the files.
int mr_text_write(struct mr_sink_run *run, const uint8_t *bytes, size_t length,
                  struct mr_error *err)
{
    struct text_sink *sink = run->self;
    if (sink->sets[sink->filling].used >= FLUSH_BYTES) {
        if (!can_submit(sink))
            return MR_OK;
        submit(run);
    }
    if (sink->refusal.held && mr_mono_ns() < sink->retry_ns)
        return MR_OK;
    keep_fill(sink);
    int code = take_stretch(run, bytes, length, err);
    if (code == MR_OK) {
        mr_device_accept(&sink->refusal);
        run->accepted_pos += length;
    } else if (mr_error_is_no_room(err)) { // for a file that one of these records begins
        take_back(sink);
        mr_device_refuse(&sink->refusal, err, -1);
        sink->retry_ns = mr_mono_ns() + MR_DEVICE_RETRY_NS;
        return MR_OK;
    }
    return code;
}

static int look_around(struct text_sink *sink, struct mr_error *err)
{
    int64_t now_ns = mr_mono_ns();
    if (now_ns - sink->looked_ns < LOOK_INTERVAL_NS)
        return MR_OK;
    sink->looked_ns = now_ns;
    for (unsigned at = 0; at < sink->file_count; at++) {
        const struct mr_text_file *file = &sink->files[at];
        int code =
            file->fd < 0 || file->stream ? MR_OK : mr_file_check_name(file->fd, file->path, err);
        if (code != MR_OK)
            return code;
    }
    return MR_OK;
}

int mr_text_poll(struct mr_sink_run *run, bool idle, struct mr_error *err)
{
    struct text_sink *sink = run->self;
    retire(run);
    if (sink->failure.code != MR_OK) {
        *err = sink->failure;
        return err->code;
    }
    const struct text_set *set = &sink->sets[sink->filling];
    // A set without lines may still cover padding, or records that left none.
    bool covers = set->used > 0 || run->accepted_pos > run->durable_pos;
    if (can_submit(sink) && covers && (idle || set->used >= FLUSH_BYTES))
        submit(run);
    return look_around(sink, err);
}

// ---- opening and ending ------------------------------------------------------------------------
int mr_text_open(struct mr_sink_run *run, const struct mr_text_format *format, struct mr_error *err)
{
    struct text_sink *sink = calloc(1, sizeof *sink);
    if (!sink)
        return mr_fail(err, MR_ERR_MEMORY, "text sink: out of memory");
    run->self = sink;
    sink->format = format;
    sink->options = run->options;
    sink->client = (struct mr_io_client){on_done, sink};
    sink->looked_ns = mr_mono_ns();
    int code = mr_text_check(run->options, run->stage->pipeline, format, run->schemas, err);
    if (code == MR_OK)
        code = open_rows(run, err);
    return code == MR_OK ? open_files(run, err) : code;
}

// A header may be all that there is to write, and nothing waits for it to become durable.
static int write_rest(struct mr_sink_run *run, struct mr_error *err)
{
    struct text_sink *sink = run->self;
    int code = MR_OK;
    while (code == MR_OK && !mr_stage_is_halted(run->stage) &&
           (sink->sets[sink->filling].used > 0 || sink->sets[1 - sink->filling].submitted)) {
        mr_stage_wait(run->stage, MR_WAIT_DEVICE, 0);
        code = mr_io_reap(run->io, LOOK_INTERVAL_NS / 10, err);
        if (code == MR_OK)
            code = mr_text_poll(run, true, err);
    }
    return code;
}

int mr_text_finish(struct mr_sink_run *run, struct mr_error *err)
{
    struct text_sink *sink = run->self;
    int code = write_rest(run, err);
    for (unsigned at = 0; at < sink->file_count && code == MR_OK && !run->stage->halted; at++)
        code = mr_text_file_finish(&sink->files[at], err);
    return code;
}

void mr_text_close(struct mr_sink_run *run)
{
    struct text_sink *sink = run->self;
    if (!sink)
        return;
    for (unsigned at = 0; at < sink->file_count; at++)
        mr_text_file_close(&sink->files[at]);
    for (unsigned i = 0; i < 2; i++)
        for (unsigned at = 0; at < MR_SCHEMAS_MAX; at++)
            free(sink->sets[i].buffers[at].bytes);
    free(sink->rows);
    free(sink->record);
    free(sink);
    run->self = NULL;
}
