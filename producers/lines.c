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
// with it: the first record behind a restart bears MR_FLAG_GAP_BEFORE.
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/log.h"
#include "producers/line_reader.h"

#define EVENTS_MAX 16
#define BATCH_READ_BYTES (1024 * 1024) // of lines, where few of them become records
#define FOLLOW_LOOK_NS (20 * 1000 * 1000LL)

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

enum { MARK_SKIPPING = 1, MARK_DONE = 2 };
struct lines_mark {
    uint64_t path_hash;   // of the file's path
    uint64_t offset;      // unpacked bytes
    uint64_t line;        // that begins there
    uint64_t header_hash; // 0: none
    uint64_t inode;       // of a followed file
    uint64_t received;    // lines of all channels
    uint32_t flags;
    uint32_t reserved;
};
_Static_assert(sizeof(struct lines_mark) <= MR_STAGE_MARK_BYTES, "mark fits");

struct lines {
    struct mr_line_reader reader;
    struct mr_line_options options;
    struct mr_file_list files;
    unsigned next_file;
    struct mr_line_cursor *cursors; // files, standard input: one; TCP: connections_max
    unsigned open_count;
    int listener, epoll, inotify;
    bool listening; // the listener is in the epoll set
};

// ---- options -----------------------------------------------------------------------------------

static bool is_stdin(const struct mr_line_options *options)
{
    return options->path && options->path->kind == MR_NODE_SCALAR &&
           strcmp(options->path->text, "-") == 0;
}

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
        (options->listen || is_stdin(options) || options->path->kind != MR_NODE_SCALAR))
        return mr_config_fail(mr_config_child(source, "follow"), err,
                              "expected follow only with one file as path");
    if (options->connections_max < 1 || options->connections_max > 4096)
        return mr_config_fail(mr_config_child(source, "connections_max"), err,
                              "found %lld, expected 1 to 4096",
                              (long long)options->connections_max);
    return MR_OK;
}

// The error of a file, with the place in the pipeline file that names it.
static int fail_file(const struct mr_node *node, struct mr_error *err)
{
    char text[sizeof err->text];
    int code = err->code;
    memcpy(text, err->text, sizeof text);
    mr_config_fail(node, err, "%.800s", text);
    return err->code = code;
}

static int list_files(const struct mr_node *path, struct mr_file_list *list, struct mr_error *err)
{
    const char *pattern;
    int code = MR_OK;
    if (path->kind == MR_NODE_LIST) {
        for (unsigned i = 0; i < path->child_count && code == MR_OK; i++)
            code = list_files(path->children[i], list, err);
        return code;
    }
    if (mr_config_text(path, &pattern, err) != MR_OK)
        return err->code;
    return mr_file_list_add(list, pattern, err) == MR_OK ? MR_OK : fail_file(path, err);
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
    if (code == MR_OK && options->path && !is_stdin(options) && !options->follow)
        code = list_files(options->path, &files, err);
    mr_file_list_free(&files);
    return code == MR_OK ? mr_schema_set_add(out, mr_schema_copy(schema), err) : code;
}

// ---- marks -------------------------------------------------------------------------------------

static uint64_t path_hash(const char *path)
{
    uint64_t hash = 0xcbf29ce484222325ULL; // FNV-1a
    for (; *path; path++)
        hash = (hash ^ (unsigned char)*path) * 0x100000001b3ULL;
    return hash;
}

static void set_mark(struct mr_source_run *run, const struct lines *lines)
{
    const struct mr_line_cursor *cursor = &lines->cursors[0];
    struct lines_mark mark = {.received = lines->reader.received};
    if (cursor->channel && !lines->options.listen) {
        mark.path_hash = path_hash(cursor->channel->name);
        mark.offset = cursor->channel->offset;
        mark.line = cursor->channel->line;
        mark.inode = cursor->channel->inode;
        mark.header_hash = cursor->header_hash;
        mark.flags = cursor->skipping ? MARK_SKIPPING : 0;
    } else if (!cursor->channel && lines->next_file == lines->files.count &&
               lines->files.count > 0) {
        mark.flags = MARK_DONE;
    }
    memcpy(run->mark, &mark, sizeof mark);
}

// Reads the header of a file that is taken up again, before going to the place of the mark.
static int reread_header(struct mr_source_run *run, struct lines *lines,
                         struct mr_line_cursor *cursor, const struct lines_mark *mark,
                         struct mr_error *err)
{
    enum mr_line_taken taken;
    while ((taken = mr_line_reader_take_header(&lines->reader, cursor, run)) == MR_TAKEN_ALL)
        if (mr_channel_read(cursor->channel, err) != MR_READ_SOME)
            break;
    if (taken == MR_TAKEN_FAILED)
        *err = run->err;
    else if (taken != MR_TAKEN_BATCH || cursor->header_hash != mark->header_hash)
        mr_fail(err, MR_ERR_INPUT,
                "%s: found another header than the last run did, expected the same file",
                cursor->channel->name);
    return taken == MR_TAKEN_BATCH && cursor->header_hash == mark->header_hash ? MR_OK : err->code;
}

static int go_to_mark(struct mr_source_run *run, struct lines *lines, const struct lines_mark *mark,
                      struct mr_error *err)
{
    struct mr_line_cursor *cursor = &lines->cursors[0];
    int code = MR_OK;
    if (cursor->csv && lines->options.header && mark->header_hash != 0)
        code = reread_header(run, lines, cursor, mark, err);
    if (code == MR_OK && (mark->header_hash != 0 || !cursor->csv || !lines->options.header)) {
        code = mr_channel_seek(cursor->channel, mark->offset, err);
        cursor->channel->line = mark->line;
        mr_line_cursor_reset(cursor);
        cursor->skipping = mark->flags & MARK_SKIPPING;
    }
    return code;
}

// ---- files -------------------------------------------------------------------------------------

static int open_channel(struct lines *lines, struct mr_channel *channel, struct mr_error *err)
{
    int code = mr_line_cursor_open(&lines->cursors[0], &lines->reader, channel, err);
    if (code != MR_OK)
        mr_line_cursor_close(&lines->cursors[0]);
    return code;
}

static int open_next_file(struct lines *lines, struct mr_error *err)
{
    struct mr_channel *channel;
    const char *path = lines->files.paths[lines->next_file];
    int code = mr_channel_open_file(&channel, path, mr_line_reader_capacity(&lines->reader), err);
    if (code != MR_OK)
        return code;
    lines->next_file++;
    channel->followed = lines->options.follow;
    if (lines->inotify >= 0)
        inotify_add_watch(lines->inotify, path,
                          IN_MODIFY | IN_ATTRIB | IN_MOVE_SELF | IN_DELETE_SELF | IN_CLOSE_WRITE);
    return open_channel(lines, channel, err);
}

static int resume_files(struct mr_source_run *run, struct lines *lines, struct mr_error *err)
{
    struct lines_mark mark;
    memcpy(&mark, run->mark, sizeof mark);
    lines->reader.received = mark.received;
    if (mark.flags & MARK_DONE)
        lines->next_file = lines->files.count;
    if (mark.flags & MARK_DONE || mark.path_hash == 0)
        return MR_OK;
    for (unsigned i = 0; i < lines->files.count; i++) {
        if (path_hash(lines->files.paths[i]) != mark.path_hash)
            continue;
        lines->next_file = i;
        int code = open_next_file(lines, err);
        bool replaced = lines->options.follow && code == MR_OK &&
                        lines->cursors[0].channel->inode != mark.inode;
        return code == MR_OK && !replaced ? go_to_mark(run, lines, &mark, err) : code;
    }
    return mr_fail(err, MR_ERR_INPUT,
                   "the file that the last run was reading is not among the %u found now",
                   lines->files.count);
}

static void finish_channel(struct lines *lines)
{
    mr_line_cursor_close(&lines->cursors[0]);
}

// A followed file was replaced or cut: what is left of the old one is its end.
static bool is_replaced(const struct mr_channel *channel, bool *truncated)
{
    struct stat by_name, by_fd;
    *truncated = fstat(channel->fd, &by_fd) == 0 &&
                 (uint64_t)by_fd.st_size < channel->offset + mr_channel_held(channel);
    return *truncated || (stat(channel->name, &by_name) == 0 &&
                          (by_name.st_ino != by_fd.st_ino || by_name.st_dev != by_fd.st_dev));
}

static void drain_inotify(int fd)
{
    char events[4096];
    while (fd >= 0 && read(fd, events, sizeof events) > 0)
        ;
}

static enum mr_poll idle(struct mr_source_run *run, int fd, int64_t timeout_ns)
{
    run->wait_fd = fd;
    run->wake_mono_ns = timeout_ns ? mr_mono_ns() + timeout_ns : 0;
    return MR_POLL_IDLE;
}

// Nothing more in a followed file for now. Where it was replaced, its end is read and the new one
// opened.
static enum mr_poll follow(struct mr_source_run *run, struct lines *lines)
{
    struct mr_channel *channel = lines->cursors[0].channel;
    bool truncated;
    if (!is_replaced(channel, &truncated))
        return idle(run, lines->inotify, FOLLOW_LOOK_NS);
    mr_info("%s: %s; reading it from its beginning", channel->name,
            truncated ? "was truncated" : "was replaced");
    if (truncated)
        channel->begin = channel->end; // what was held of a line is gone from the file too
    channel->followed = false;
    channel->final = truncated;
    lines->next_file = 0;
    return MR_POLL_MORE;
}

static int open_followed(struct mr_source_run *run, struct lines *lines)
{
    struct stat status;
    if (stat(lines->files.paths[0], &status) < 0)
        return MR_ERR_INPUT; // not there yet
    return open_next_file(lines, &run->err) == MR_OK ? MR_OK : run->err.code;
}

// A file, or standard input, has ended and every line of it is taken.
static enum mr_poll after_file(struct mr_source_run *run, struct lines *lines, bool failed)
{
    bool was_stdin = is_stdin(&lines->options);
    finish_channel(lines);
    set_mark(run, lines);
    if (failed)
        return MR_POLL_FAILED;
    return was_stdin ? MR_POLL_END : MR_POLL_MORE;
}

static enum mr_poll after_taking(struct mr_source_run *run, struct lines *lines,
                                 enum mr_line_taken taken)
{
    set_mark(run, lines);
    if (taken == MR_TAKEN_FAILED)
        return MR_POLL_FAILED;
    return MR_POLL_MORE;
}

static enum mr_poll poll_channel(struct mr_source_run *run, struct lines *lines)
{
    struct mr_line_cursor *cursor = &lines->cursors[0];
    uint64_t batch_bytes = run->stage->pipeline->batch_bytes_max;
    lines->reader.taken_bytes = 0;
    for (;;) {
        enum mr_line_taken taken = mr_line_reader_take(&lines->reader, cursor, run, batch_bytes);
        if (taken != MR_TAKEN_ALL || lines->reader.taken_bytes >= BATCH_READ_BYTES)
            return after_taking(run, lines, taken);
        if (cursor->channel->final)
            return after_file(run, lines, cursor->channel->torn);
        enum mr_read got = mr_channel_read(cursor->channel, &run->err);
        lines->reader.now_wall_ns = lines->reader.live ? mr_wall_ns() : 0;
        if (got != MR_READ_NOTHING)
            continue; // also at the end: a last line without line end is taken then
        set_mark(run, lines);
        if (lines->reader.taken_bytes > 0)
            return MR_POLL_MORE;
        return cursor->channel->followed ? follow(run, lines) : idle(run, cursor->channel->fd, 0);
    }
}

static enum mr_poll poll_files(struct mr_source_run *run)
{
    struct lines *lines = run->self;
    drain_inotify(lines->inotify);
    if (lines->cursors[0].channel)
        return poll_channel(run, lines);
    if (lines->options.follow) {
        if (open_followed(run, lines) == MR_OK)
            return MR_POLL_MORE;
        return run->err.code != MR_OK ? MR_POLL_FAILED : idle(run, -1, FOLLOW_LOOK_NS);
    }
    if (lines->next_file == lines->files.count) {
        set_mark(run, lines);
        return MR_POLL_END;
    }
    return open_next_file(lines, &run->err) == MR_OK ? poll_channel(run, lines) : MR_POLL_FAILED;
}

// ---- connections -------------------------------------------------------------------------------

static void watch(struct lines *lines, int fd, uint32_t index)
{
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = index};
    epoll_ctl(lines->epoll, EPOLL_CTL_ADD, fd, &event);
}

// While every place is taken, connections wait in the kernel.
static void watch_listener(struct lines *lines)
{
    bool room = lines->open_count < (uint64_t)lines->options.connections_max;
    if (room == lines->listening)
        return;
    if (room)
        watch(lines, lines->listener, UINT32_MAX);
    else
        epoll_ctl(lines->epoll, EPOLL_CTL_DEL, lines->listener, NULL);
    lines->listening = room;
}

static bool accept_connection(struct mr_source_run *run, struct lines *lines)
{
    uint32_t place = 0;
    struct mr_channel *channel;
    if (lines->open_count == (uint64_t)lines->options.connections_max)
        return false;
    channel = mr_accept(lines->listener, mr_line_reader_capacity(&lines->reader));
    if (!channel)
        return false;
    while (lines->cursors[place].channel)
        place++;
    if (mr_line_cursor_open(&lines->cursors[place], &lines->reader, channel, NULL) != MR_OK) {
        mr_line_cursor_close(&lines->cursors[place]);
        return false;
    }
    lines->open_count++;
    watch(lines, channel->fd, place);
    mr_source_count(run, MR_LINES_CONNECTIONS, 1);
    return true;
}

static void close_connection(struct lines *lines, struct mr_line_cursor *cursor)
{
    mr_line_cursor_close(cursor); // closing takes it out of the epoll set
    lines->open_count--;
}

// Every whole line that is held, committing in between where there are many: nothing that was
// received may stay in memory only.
static enum mr_line_taken take_all(struct mr_source_run *run, struct lines *lines,
                                   struct mr_line_cursor *cursor)
{
    enum mr_line_taken taken;
    while ((taken = mr_line_reader_take(&lines->reader, cursor, run, UINT64_MAX)) ==
           MR_TAKEN_BATCH) {
        set_mark(run, lines);
        mr_source_commit(run);
    }
    return taken;
}

// False where the stage was halted.
static bool read_connection(struct mr_source_run *run, struct lines *lines,
                            struct mr_line_cursor *cursor)
{
    struct mr_error problem = {0};
    enum mr_read got = mr_channel_read(cursor->channel, &problem);
    lines->reader.now_wall_ns = mr_wall_ns();
    enum mr_line_taken taken = take_all(run, lines, cursor);
    if (taken == MR_TAKEN_HALTED)
        return false;
    if (taken == MR_TAKEN_FAILED)
        mr_warn("%s; the connection is closed", run->err.text);
    else if (got == MR_READ_FAILED)
        mr_warn("%s", problem.text);
    if (taken == MR_TAKEN_FAILED || cursor->channel->final)
        close_connection(lines, cursor);
    run->err.code = MR_OK;
    return true;
}

static enum mr_poll poll_connections(struct mr_source_run *run)
{
    struct lines *lines = run->self;
    struct epoll_event events[EVENTS_MAX];
    watch_listener(lines);
    int count = epoll_wait(lines->epoll, events, EVENTS_MAX, 0);
    for (int i = 0; i < count; i++) {
        if (events[i].data.u32 == UINT32_MAX)
            while (accept_connection(run, lines))
                ;
        else if (!read_connection(run, lines, &lines->cursors[events[i].data.u32]))
            break;
    }
    set_mark(run, lines);
    return count > 0 ? MR_POLL_MORE : idle(run, lines->epoll, 0);
}

// ---- opening -----------------------------------------------------------------------------------

static int open_listener(struct mr_source_run *run, struct lines *lines, struct mr_error *err)
{
    struct lines_mark mark;
    char bound[256];
    memcpy(&mark, run->mark, sizeof mark);
    int code = mr_listen(lines->options.listen, &lines->listener, bound, sizeof bound, err);
    if (code != MR_OK)
        return code;
    lines->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (lines->epoll < 0)
        return mr_fail_errno(err, MR_ERR_INPUT, "%s: cannot wait for connections", bound);
    mr_info("listening on %s", bound);
    lines->reader.numbers_run_on = true;
    lines->reader.received = run->resumed ? mark.received : 0;
    return MR_OK;
}

static int open_stdin(struct mr_source_run *run, struct lines *lines, struct mr_error *err)
{
    struct lines_mark mark;
    memcpy(&mark, run->mark, sizeof mark);
    struct mr_channel *channel =
        mr_channel_of_descriptor(STDIN_FILENO, "-", mr_line_reader_capacity(&lines->reader));
    if (!channel)
        return mr_fail(err, MR_ERR_MEMORY, "no memory to read standard input");
    if (run->resumed && mark.line > 0)
        channel->line = mark.line;
    int code = open_channel(lines, channel, err);
    if (code == MR_OK && lines->cursors[0].csv)
        lines->cursors[0].csv->line = channel->line;
    return code;
}

static int open_files(struct mr_source_run *run, struct lines *lines, struct mr_error *err)
{
    if (lines->options.follow) {
        lines->inotify = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
        lines->files.paths = calloc(1, sizeof *lines->files.paths);
        lines->files.paths[lines->files.count++] = strdup(lines->options.path->text);
        struct stat status;
        if (stat(lines->files.paths[0], &status) < 0)
            return MR_OK;
    } else if (list_files(lines->options.path, &lines->files, err) != MR_OK) {
        return err->code;
    }
    return run->resumed ? resume_files(run, lines, err) : MR_OK;
}

static int set_up(struct mr_source_run *run, struct lines *lines, struct mr_error *err)
{
    const struct mr_pipeline *pipeline = run->stage->pipeline;
    const struct mr_line_options *options = &lines->options;
    const struct mr_schema *schema = find_schema(options, pipeline, err);
    if (!schema)
        return err->code;
    int code = mr_line_reader_open(&lines->reader, options, pipeline, schema, err);
    if (code != MR_OK)
        return code;
    bool piped = options->listen || is_stdin(options);
    lines->reader.live = piped || options->follow;
    lines->reader.gap_before = piped && run->resumed;
    lines->cursors =
        calloc(options->listen ? (size_t)options->connections_max : 1, sizeof *lines->cursors);
    if (!lines->cursors)
        return mr_fail(err, MR_ERR_MEMORY, "no memory for %lld connections",
                       (long long)options->connections_max);
    if (options->listen)
        return open_listener(run, lines, err);
    return is_stdin(options) ? open_stdin(run, lines, err) : open_files(run, lines, err);
}

static void close_lines(struct mr_source_run *run)
{
    struct lines *lines = run->self;
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
}

static int open_lines(struct mr_source_run *run, struct mr_error *err)
{
    struct lines *lines = run->self = calloc(1, sizeof *lines);
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
    struct lines *lines = run->self;
    return lines->options.listen ? poll_connections(run) : poll_files(run);
}

static const char *const line_counters[] = {"bytes", "lines", "blank_lines", "connections", NULL};

const struct mr_source mr_source_lines = {
    .name = "lines",
    .about = "NDJSON or CSV from files, standard input or TCP",
    .options = line_option_table,
    .options_bytes = sizeof(struct mr_line_options),
    .counters = line_counters,
    .declare = declare,
    .open = open_lines,
    .poll = poll_lines,
    .close = close_lines,
};
