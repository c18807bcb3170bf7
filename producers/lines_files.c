// SPDX-License-Identifier: Apache-2.0
// Lines from files, one after another or one followed as it grows, and from standard input; the
// resume mark.
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/log.h"
#include "producers/lines_private.h"

#define BATCH_READ_BYTES 1048576UL // of lines, where few of them become records
#define FOLLOW_LOOK_NS 20000000LL

enum mr_poll mr_lines_idle(struct mr_source_run *run, int fd, int64_t timeout_ns)
{
    run->wait_fd = fd;
    run->wake_mono_ns = timeout_ns ? mr_mono_ns() + timeout_ns : 0;
    return MR_POLL_IDLE;
}

int mr_lines_list_files(const struct mr_node *path, struct mr_file_list *list, struct mr_error *err)
{
    const char *pattern;
    int code = MR_OK;
    if (path->kind == MR_NODE_LIST) {
        for (unsigned i = 0; i < path->child_count && code == MR_OK; i++)
            code = mr_lines_list_files(path->children[i], list, err);
        return code;
    }
    if (mr_config_text(path, &pattern, err) != MR_OK)
        return err->code;
    return mr_file_list_add(list, pattern, err) == MR_OK ? MR_OK : mr_config_within(path, err);
}

// ---- marks -------------------------------------------------------------------------------------

static uint64_t path_hash(const char *path)
{
    uint64_t hash = 0xcbf29ce484222325ULL; // FNV-1a
    for (; *path; path++)
        hash = (hash ^ (unsigned char)*path) * 0x100000001b3ULL;
    return hash;
}

void mr_lines_set_mark(struct mr_source_run *run, const struct mr_lines *lines)
{
    const struct mr_line_cursor *cursor = &lines->cursors[0];
    struct mr_lines_mark mark = {.received = lines->reader.received};
    if (cursor->channel && !lines->options.listen) {
        mark.path_hash = path_hash(cursor->channel->name);
        mark.offset = cursor->channel->offset;
        mark.line = cursor->channel->line;
        mark.inode = cursor->channel->inode;
        mark.header_hash = cursor->header_hash;
        mark.flags = cursor->skipping ? MARK_SKIPPING : 0;
    } else if (!cursor->channel && lines->next_file < lines->files.count) {
        mark.path_hash = path_hash(lines->files.paths[lines->next_file]);
        mark.line = 1;
    } else if (lines->files.count > 0) {
        mark.flags = MARK_DONE;
    }
    memcpy(run->mark, &mark, sizeof mark);
}

// Reads the header of a file that is taken up again, before going to the place of the mark.
static int reread_header(struct mr_source_run *run, struct mr_lines *lines,
                         struct mr_line_cursor *cursor, const struct mr_lines_mark *mark,
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

static int go_to_mark(struct mr_source_run *run, struct mr_lines *lines,
                      const struct mr_lines_mark *mark, struct mr_error *err)
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

static int open_channel(struct mr_lines *lines, struct mr_channel *channel, struct mr_error *err)
{
    int code = mr_line_cursor_open(&lines->cursors[0], &lines->reader, channel, err);
    if (code != MR_OK)
        mr_line_cursor_close(&lines->cursors[0]);
    return code;
}

static int open_next_file(struct mr_lines *lines, struct mr_error *err)
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

static int resume_files(struct mr_source_run *run, struct mr_lines *lines, struct mr_error *err)
{
    struct mr_lines_mark mark;
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

static void finish_channel(struct mr_lines *lines)
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

// Nothing more in a followed file for now. Where it was replaced, its end is read and the new one
// opened.
static enum mr_poll follow(struct mr_source_run *run, struct mr_lines *lines)
{
    struct mr_channel *channel = lines->cursors[0].channel;
    bool truncated;
    if (!is_replaced(channel, &truncated))
        return mr_lines_idle(run, lines->inotify, FOLLOW_LOOK_NS);
    mr_info("%s: %s; reading it from its beginning", channel->name,
            truncated ? "was truncated" : "was replaced");
    if (truncated)
        channel->begin = channel->end; // what was held of a line is gone from the file too
    channel->followed = false;
    channel->final = truncated;
    lines->next_file = 0;
    return MR_POLL_MORE;
}

static int open_followed(struct mr_source_run *run, struct mr_lines *lines)
{
    struct stat status;
    if (stat(lines->files.paths[0], &status) < 0)
        return MR_ERR_INPUT; // not there yet
    return open_next_file(lines, &run->err) == MR_OK ? MR_OK : run->err.code;
}

// A file, or standard input, has ended and every line of it is taken. One that failed may be mended: the mark stays in
// it, behind the last whole line.
static enum mr_poll after_file(struct mr_source_run *run, struct mr_lines *lines, bool failed)
{
    bool was_stdin = mr_lines_is_stdin(&lines->options);
    if (failed)
        mr_lines_set_mark(run, lines);
    finish_channel(lines);
    if (failed)
        return MR_POLL_FAILED;
    mr_lines_set_mark(run, lines);
    return was_stdin ? MR_POLL_END : MR_POLL_MORE;
}

static enum mr_poll after_taking(struct mr_source_run *run, struct mr_lines *lines,
                                 enum mr_line_taken taken)
{
    mr_lines_set_mark(run, lines);
    if (taken == MR_TAKEN_FAILED)
        return MR_POLL_FAILED;
    return MR_POLL_MORE;
}

static enum mr_poll poll_channel(struct mr_source_run *run, struct mr_lines *lines)
{
    struct mr_line_cursor *cursor = &lines->cursors[0];
    uint64_t batch_bytes = run->stage->pipeline->batch_bytes_max;
    lines->reader.taken_bytes = 0;
    for (;;) {
        enum mr_line_taken taken = mr_line_reader_take(&lines->reader, cursor, run, batch_bytes);
        if (taken != MR_TAKEN_ALL || lines->reader.taken_bytes >= BATCH_READ_BYTES)
            return after_taking(run, lines, taken);
        if (cursor->channel->final && cursor->csv && lines->options.header && !cursor->has_header)
            mr_warn("%s: found no line, expected a header line", cursor->channel->name);
        if (cursor->channel->final)
            return after_file(run, lines, cursor->channel->torn);
        enum mr_read got = mr_channel_read(cursor->channel, &run->err);
        lines->reader.now_wall_ns = lines->reader.live ? mr_wall_ns() : 0;
        if (got == MR_READ_FAILED && !mr_lines_is_stdin(&lines->options))
            return after_file(run, lines, true); // the half line that is held can be read again
        if (got != MR_READ_NOTHING)
            continue; // also at the end: a last line without line end is taken then
        mr_lines_set_mark(run, lines);
        if (lines->reader.taken_bytes > 0)
            return MR_POLL_MORE;
        return cursor->channel->followed ? follow(run, lines)
                                         : mr_lines_idle(run, cursor->channel->fd, 0);
    }
}

enum mr_poll mr_lines_poll_files(struct mr_source_run *run)
{
    struct mr_lines *lines = run->self;
    drain_inotify(lines->inotify);
    if (lines->cursors[0].channel)
        return poll_channel(run, lines);
    if (lines->options.follow) {
        if (open_followed(run, lines) == MR_OK)
            return MR_POLL_MORE;
        return run->err.code != MR_OK ? MR_POLL_FAILED : mr_lines_idle(run, -1, FOLLOW_LOOK_NS);
    }
    if (lines->next_file == lines->files.count) {
        mr_lines_set_mark(run, lines);
        return MR_POLL_END;
    }
    return open_next_file(lines, &run->err) == MR_OK ? poll_channel(run, lines) : MR_POLL_FAILED;
}

int mr_lines_open_stdin(struct mr_source_run *run, struct mr_lines *lines, struct mr_error *err)
{
    struct mr_lines_mark mark;
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

// Opens the first file and reads its header, so that one that is not what the fields want is refused
// before anything else is touched.
static int open_first_file(struct mr_source_run *run, struct mr_lines *lines, struct mr_error *err)
{
    struct mr_line_cursor *cursor = &lines->cursors[0];
    enum mr_line_taken taken;
    int code = open_next_file(lines, err);
    if (code != MR_OK)
        return code;
    while ((taken = mr_line_reader_take_header(&lines->reader, cursor, run)) == MR_TAKEN_ALL &&
           !cursor->channel->final)
        if (mr_channel_read(cursor->channel, &run->err) == MR_READ_NOTHING)
            break;
    if (taken == MR_TAKEN_FAILED)
        *err = run->err;
    return taken == MR_TAKEN_FAILED ? err->code : MR_OK;
}

int mr_lines_open_files(struct mr_source_run *run, struct mr_lines *lines, struct mr_error *err)
{
    if (lines->options.follow) {
        lines->inotify = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
        lines->files.paths = calloc(1, sizeof *lines->files.paths);
        lines->files.paths[lines->files.count++] = strdup(lines->options.path->text);
        struct stat status;
        if (stat(lines->files.paths[0], &status) < 0)
            return MR_OK;
    } else if (mr_lines_list_files(lines->options.path, &lines->files, err) != MR_OK) {
        return err->code;
    }
    if (run->resumed)
        return resume_files(run, lines, err);
    bool has_header = lines->options.format == MR_LINES_CSV && lines->options.header;
    return has_header && lines->files.count > 0 && !lines->options.follow
               ? open_first_file(run, lines, err)
               : MR_OK;
}
