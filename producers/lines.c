// SPDX-License-Identifier: Apache-2.0
// NDJSON and CSV lines as records of a declared schema, from files (one, several, or one followed
// as it grows), standard input or TCP connections.
//
// A record's sequence is its line: in a file and on standard input the physical number of its first
// line, so that what an error names can be found; over TCP the lines of all connections counted
// together. The event time is the schema's `time:` field. The ingest time is the wall clock for
// standard input, TCP and a followed file; for files that lie there it is the field that `ingest:`
// names, else the event time, so that reading them again gives the same bytes.
//
// The mark is the file, the byte and the line behind the last whole line taken, so a restart goes
// on exactly there. What standard input and connections had sent to a process that died is gone
// with it: the first record behind a restart, or behind a power cut, bears MR_FLAG_GAP_BEFORE.
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/clock.h"
#include "producers/lines_private.h"

static const struct mr_option line_option_table[] = {
    {"path", MR_OPTION_NODE, offsetof(struct mr_line_options, path), NULL,
     "file, directory or pattern, or a list of them, read in sorted order; - is standard input",
     NULL},
    {"listen", MR_OPTION_STRING, offsetof(struct mr_line_options, listen), NULL,
     "TCP: HOST:PORT, or a port on 127.0.0.1", NULL},
    {"format", MR_OPTION_ENUM, offsetof(struct mr_line_options, format), MR_OPTION_REQUIRED,
     "what a line is", "ndjson,csv"},
    {"schema", MR_OPTION_STRING, offsetof(struct mr_line_options, schema), MR_OPTION_REQUIRED,
     "the declared schema that lines become", NULL},
    {"header", MR_OPTION_BOOL, offsetof(struct mr_line_options, header), "true",
     "CSV: the first line names the columns", NULL},
    {"delimiter", MR_OPTION_STRING, offsetof(struct mr_line_options, delimiter), ",",
     "CSV: between columns; one character or tab", NULL},
    {"quote", MR_OPTION_STRING, offsetof(struct mr_line_options, quote), "\"", "CSV: around values",
     NULL},
    {"prefix", MR_OPTION_BOOL, offsetof(struct mr_line_options, prefix), "false",
     "NDJSON: a word stands before the JSON; its path is @prefix", NULL},
    {"select", MR_OPTION_NODE, offsetof(struct mr_line_options, select), NULL,
     "NAME=VALUE or NAME!=VALUE, or a list: lines that do not match are filtered", NULL},
    {"follow", MR_OPTION_BOOL, offsetof(struct mr_line_options, follow), "false",
     "go on as the file grows, is rotated or truncated", NULL},
    {"line_max", MR_OPTION_SIZE, offsetof(struct mr_line_options, line_max), "1MiB",
     "a longer line is rejected", NULL},
    {"ingest", MR_OPTION_STRING, offsetof(struct mr_line_options, ingest), NULL,
     "files: the timestamp field that is the ingest time", NULL},
    {"connections_max", MR_OPTION_INT, offsetof(struct mr_line_options, connections_max), "64",
     "TCP: connections at the same time; further ones wait", NULL},
    {0},
};

bool mr_lines_is_stdin(const struct mr_line_options *options)
{
    return options->path && options->path->kind == MR_NODE_SCALAR &&
           strcmp(options->path->text, "-") == 0;
}

// ---- options -----------------------------------------------------------------------------------

static int check_options(const struct mr_line_options *options, const struct mr_node *source,
                         struct mr_error *err)
{
    if (!options->path == !options->listen)
        return mr_config_fail(source, err, "found %s, expected one of them",
                              options->path ? "path and listen" : "neither path nor listen");
    if (options->listen && mr_listen_check(options->listen, err) != MR_OK) {
        char text[sizeof err->text];
        memcpy(text, err->text, sizeof text);
        return mr_config_fail(mr_config_child(source, "listen"), err, "%.500s", text);
    }
    if (options->follow &&
        (options->listen || mr_lines_is_stdin(options) || options->path->kind != MR_NODE_SCALAR))
        return mr_config_fail(mr_config_child(source, "follow"), err,
                              "expected follow only with one file as path");
    if (options->connections_max < 1 || options->connections_max > 4096)
        return mr_config_fail(mr_config_child(source, "connections_max"), err,
                              "found %lld, expected 1 to 4096",
                              (long long)options->connections_max);
    return MR_OK;
}

static const struct mr_schema *find_schema(const struct mr_line_options *options,
                                           const struct mr_pipeline *pipeline, struct mr_error *err)
{
    const struct mr_schema *schema = mr_schema_set_by_name(&pipeline->declared, options->schema);
    if (!schema)
        mr_config_fail(mr_config_child(pipeline->source_node, "schema"), err,
                       "found \"%s\", expected the name of a schema declared under schemas",
                       options->schema);
    return schema;
}

static int declare(const void *bound, const struct mr_pipeline *pipeline, struct mr_schema_set *out,
                   struct mr_error *err)
{
    const struct mr_line_options *options = bound;
    struct mr_line_reader reader;
    struct mr_file_list files = {0};
    int code = check_options(options, pipeline->source_node, err);
    const struct mr_schema *schema = code == MR_OK ? find_schema(options, pipeline, err) : NULL;
    if (!schema)
        return err->code;
    code = mr_line_reader_open(&reader, options, pipeline, schema, err);
    mr_line_reader_close(&reader);
    if (code == MR_OK && options->path && !mr_lines_is_stdin(options) && !options->follow)
        code = mr_lines_list_files(options->path, &files, err);
    mr_file_list_free(&files);
    return code == MR_OK ? mr_schema_set_add(out, mr_schema_copy(schema), err) : code;
}

static enum mr_again again_of(const void *bound)
{
    const struct mr_line_options *options = bound;
    if (options->listen || mr_lines_is_stdin(options))
        return MR_AGAIN_NEVER;
    return options->follow ? MR_AGAIN_LATER : MR_AGAIN_SAME;
}

// ---- opening -----------------------------------------------------------------------------------

static int set_up(struct mr_source_run *run, struct mr_lines *lines, struct mr_error *err)
{
    const struct mr_pipeline *pipeline = run->stage->pipeline;
    const struct mr_line_options *options = &lines->options;
    const struct mr_schema *schema = find_schema(options, pipeline, err);
    if (!schema)
        return err->code;
    int code = mr_line_reader_open(&lines->reader, options, pipeline, schema, err);
    if (code != MR_OK)
        return code;
    bool piped = options->listen || mr_lines_is_stdin(options);
    lines->reader.live = piped || options->follow;
    lines->reader.gap_before = piped && (run->resumed || run->behind);
    lines->cursors =
        calloc(options->listen ? (size_t)options->connections_max : 1, sizeof *lines->cursors);
    if (!lines->cursors)
        return mr_fail(err, MR_ERR_MEMORY, "no memory for %lld connections",
                       (long long)options->connections_max);
    if (options->listen)
        return mr_lines_open_listener(run, lines, err);
    return mr_lines_is_stdin(options) ? mr_lines_open_stdin(run, lines, err)
                                      : mr_lines_open_files(run, lines, err);
}

static void close_lines(struct mr_source_run *run)
{
    struct mr_lines *lines = run->self;
    size_t places = lines->options.listen ? (size_t)lines->options.connections_max : 1;
    for (size_t i = 0; lines->cursors && i < places; i++)
        mr_line_cursor_close(&lines->cursors[i]);
    const int descriptors[] = {lines->listener, lines->epoll, lines->inotify};
    for (unsigned i = 0; i < MR_COUNT_OF(descriptors); i++)
        if (descriptors[i] >= 0)
            close(descriptors[i]);
    mr_line_reader_close(&lines->reader);
    mr_file_list_free(&lines->files);
    free(lines->cursors);
    free(lines);
    run->self = NULL;
}

static int open_lines(struct mr_source_run *run, struct mr_error *err)
{
    struct mr_lines *lines = run->self = calloc(1, sizeof *lines);
    if (!lines)
        return mr_fail(err, MR_ERR_MEMORY, "no memory for the lines source");
    lines->options = *(const struct mr_line_options *)run->options;
    lines->listener = lines->epoll = lines->inotify = -1;
    int code = set_up(run, lines, err);
    if (code != MR_OK)
        close_lines(run);
    return code;
}

static enum mr_poll poll_lines(struct mr_source_run *run)
{
    struct mr_lines *lines = run->self;
    return lines->options.listen ? mr_lines_poll_connections(run) : mr_lines_poll_files(run);
}

static const char *const line_counters[] = {"bytes", "lines", "blank_lines", "connections", NULL};

const struct mr_source mr_source_lines = {
    .name = "lines",
    .about = "NDJSON or CSV from files, standard input or TCP",
    .options = line_option_table,
    .options_bytes = sizeof(struct mr_line_options),
    .counters = line_counters,
    .again_of = again_of,
    .declare = declare,
    .open = open_lines,
    .poll = poll_lines,
    .close = close_lines,
};
