// SPDX-License-Identifier: Apache-2.0
#include "consumers/loader/segment_files.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "consumers/loader/device.h"
#include "consumers/loader/output_file.h"
#include "consumers/loader/segment_settle.h"
#include "core/disk.h"

#define NEXT_NAME ".next"

// ---- the directory -----------------------------------------------------------------------------
static void remove_next(const struct mr_segment_files *files)
{
    char next[512];
    snprintf(next, sizeof next, "%s/" NEXT_NAME, files->directory);
    mr_disk->unlink(next);
}

int mr_segment_files_open(struct mr_segment_files *files, const char *directory,
                          struct mr_error *err)
{
    files->fd = files->direct_fd = files->next_fd = files->directory_fd = -1;
    snprintf(files->directory, sizeof files->directory, "%s", directory);
    int code = mr_make_directories(directory, err);
    if (code == MR_OK && files->sync)
        code = mr_sync_directories_above(directory, err);
    if (code != MR_OK)
        return code;
    files->directory_fd = mr_disk->open(directory, O_RDONLY | O_DIRECTORY);
    if (files->directory_fd < 0)
        return mr_fail_errno(err, MR_ERR_OUTPUT, "%s: cannot open", directory);
    code = mr_file_lock(files->directory_fd, directory, err);
    if (code == MR_OK) // of a loader that died
        remove_next(files);
    return code;
}

// Only ever once for the same bytes: after a failed sync the next one says 0 whatever is on disk. So not
// even one for want of room may be tried again.
static int fail_sync(const char *path, const char *what, struct mr_error *err)
{
    mr_fail_errno(err, MR_ERR_OUTPUT, "%s: cannot sync%s", path, what);
    err->os_errno = 0;
    return MR_ERR_OUTPUT;
}

static int sync_directory(const struct mr_segment_files *files, struct mr_error *err)
{
    if (!files->sync)
        return MR_OK;
    uint32_t outer = mr_device_call_begins(MR_CALL_SYNC);
    int result = mr_disk->sync_directory(files->directory_fd);
    mr_device_call_ends(outer);
    return result == 0 ? MR_OK : fail_sync(files->directory, " the directory", err);
}

int mr_segment_files_remove(struct mr_segment_files *files, uint64_t from_pos, struct mr_error *err)
{
    uint64_t *bases;
    unsigned count;
    char path[512];
    int code = mr_journal_list(files->directory, &bases, &count, err);
    // The newest first: at any moment what is left is a journal.
    for (unsigned i = count; code == MR_OK && i-- > 0 && bases[i] >= from_pos;) {
        mr_journal_segment_path(files->directory, bases[i], path, sizeof path);
        if (mr_disk->unlink(path) != 0)
            code = mr_fail_errno(err, MR_ERR_OUTPUT, "%s: cannot remove", path);
    }
    free(bases);
    return code == MR_OK ? sync_directory(files, err) : code;
}

int mr_segment_files_clear(struct mr_segment_files *files, struct mr_error *err)
{
    // Also in a run that never syncs: after a power cut the next one would take what is back for its own.
    bool sync = files->sync;
    files->sync = true;
    int code = mr_segment_files_remove(files, 0, err);
    files->sync = sync;
    return code;
}

static void close_segment(struct mr_segment_files *files)
{
    if (files->direct_fd >= 0)
        mr_disk->close(files->direct_fd);
    if (files->fd >= 0)
        mr_disk->close(files->fd);
    files->fd = files->direct_fd = -1;
}

void mr_segment_files_drop_next(struct mr_segment_files *files)
{
    if (files->next_fd < 0)
        return;
    remove_next(files);
    mr_disk->close(files->next_fd);
    files->next_fd = -1;
}

void mr_segment_files_close(struct mr_segment_files *files)
{
    mr_segment_files_drop_next(files);
    close_segment(files);
    if (files->directory_fd >= 0)
        mr_disk->close(files->directory_fd);
    files->directory_fd = -1;
}

// ---- bytes -------------------------------------------------------------------------------------
static int write_at(int fd, const char *path, const void *bytes, size_t length, uint64_t at,
                    struct mr_error *err)
{
    size_t done = 0;
    while (done < length) {
        uint32_t outer = mr_device_call_begins(MR_CALL_WRITE);
        ssize_t n = mr_disk->write(fd, (const uint8_t *)bytes + done, length - done, at + done);
        mr_device_call_ends(outer);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return mr_fail_errno(err, MR_ERR_OUTPUT, "%s: byte %" PRIu64 ": cannot write", path,
                                 at + done);
        done += (size_t)n;
    }
    return MR_OK;
}

static int write_mark(int fd, const char *path, uint64_t header_bytes, uint64_t base_pos,
                      uint64_t durable_pos, struct mr_error *err)
{
    struct mr_journal_mark mark;
    mr_journal_mark_make(base_pos, durable_pos, &mark);
    return write_at(fd, path, &mark, sizeof mark, header_bytes - sizeof mark, err);
}

static int sync_file(const struct mr_segment_files *files, int fd, const char *path,
                     struct mr_error *err)
{
    if (!files->sync)
        return MR_OK;
    uint32_t outer = mr_device_call_begins(MR_CALL_SYNC);
    int result = mr_disk->sync(fd);
    mr_device_call_ends(outer);
    return result == 0 ? MR_OK : fail_sync(path, "", err);
}

// ---- the next segment --------------------------------------------------------------------------
static int preallocate(struct mr_segment_files *files, int fd, uint64_t bytes, struct mr_error *err)
{
    int result;
    uint32_t outer = mr_device_call_begins(MR_CALL_RESERVE);
    do { // a signal ends the call
        result = mr_disk->allocate(fd, bytes);
    } while (result != 0 && errno == EINTR);
    mr_device_call_ends(outer);
    if (result == 0 || errno == EOPNOTSUPP || errno == ENOSYS)
        return MR_OK;
    int why = errno;
    if (mr_disk->truncate(fd, 0) != 0) // give back what it had got
        return mr_fail_errno(err, MR_ERR_OUTPUT, "%s: cannot truncate", files->directory);
    errno = why;
    return mr_fail_errno(err, MR_ERR_OUTPUT,
                         "%s: cannot preallocate a segment: wants %" PRIu64 " bytes, found %" PRIu64
                         " free (sink.segment_size makes it smaller)",
                         files->directory, bytes, mr_disk->free_bytes(fd));
}

static int prepare(struct mr_segment_files *files, struct mr_error *err)
{
    char path[512];
    if (files->next_fd >= 0)
        return MR_OK;
    snprintf(path, sizeof path, "%s/" NEXT_NAME, files->directory);
    int fd = mr_disk->open(path, O_RDWR | O_CREAT | O_TRUNC);
    if (fd < 0)
        return mr_fail_errno(err, MR_ERR_OUTPUT, "%s: cannot create", path);
    int code = mr_file_lock(fd, path, err);
    uint64_t bytes =
        mr_align_up(sizeof(struct mr_journal_header) + mr_schema_table_bytes(files->schemas) +
                        sizeof(struct mr_journal_mark),
                    MR_PAGE_BYTES);
    if (code == MR_OK)
        code = preallocate(files, fd, bytes + files->segment_bytes, err);
    if (code == MR_OK) {
        files->next_fd = fd;
        return MR_OK;
    }
    mr_disk->close(fd);
    mr_disk->unlink(path);
    return code;
}

int mr_segment_files_prepare(struct mr_segment_files *files, struct mr_error *err)
{
    uint32_t outer = mr_device_call_begins(MR_CALL_CHANGE);
    int code = prepare(files, err);
    mr_device_call_ends(outer);
    return code;
}

static int write_header(struct mr_segment_files *files, int fd, const char *path, uint64_t base_pos,
                        uint64_t previous_end, struct mr_error *err)
{
    void *block = NULL;
    size_t block_bytes = 0;
    int code = mr_journal_header_make(base_pos, previous_end, files->segment_bytes, files->name,
                                      files->schemas, &block, &block_bytes, err);
    if (code == MR_OK)
        code = write_at(fd, path, block, block_bytes, 0, err);
    // Without syncs nothing is ever known to be durable, and the mark says so until the end: a loader that
    // died with writes under way leaves holes with records behind them, and that is no damage.
    if (code == MR_OK)
        code = write_mark(fd, path, block_bytes, base_pos, base_pos, err);
    free(block);
    files->header_bytes = block_bytes;
    return code == MR_OK ? sync_file(files, fd, path, err) : code;
}

// What the kernel says of direct I/O on this file, where it does.
static int check_alignment(const struct mr_segment_files *files, struct mr_error *err)
{
    uint32_t memory_bytes, offset_bytes;
    if (!mr_disk->direct_units(files->direct_fd, &memory_bytes, &offset_bytes))
        return MR_OK;
    if (offset_bytes == 0)
        return mr_fail(err, MR_ERR_OUTPUT,
                       "%s: found a file that cannot be written past the page cache here, "
                       "expected one that can (sink.direct)",
                       files->path);
    uint64_t units_bytes = mr_max_u64(offset_bytes, memory_bytes);
    if (units_bytes > MR_PAGE_BYTES)
        return mr_fail(err, MR_ERR_OUTPUT,
                       "%s: found a file system that writes directly only in units of %" PRIu64
                       " bytes, expected at most %d (sink.direct)",
                       files->path, units_bytes, MR_PAGE_BYTES);
    return MR_OK;
}

static int open_direct(struct mr_segment_files *files, struct mr_error *err)
{
    if (!files->direct)
        return MR_OK;
    files->direct_fd = mr_disk->open(files->path, O_WRONLY | O_DIRECT);
    if (files->direct_fd < 0)
        return mr_fail_errno(err, MR_ERR_OUTPUT,
                             "%s: the file system refuses to be written past the page cache "
                             "(sink.direct)",
                             files->path);
    int code = check_alignment(files, err);
    return code == MR_OK ? mr_file_lock_direct(files->direct_fd, files->path, err) : code;
}

static int begin(struct mr_segment_files *files, uint64_t base_pos, uint64_t previous_end,
                 struct mr_error *err)
{
    char next[512];
    int code = prepare(files, err);
    if (code != MR_OK)
        return code;
    snprintf(next, sizeof next, "%s/" NEXT_NAME, files->directory);
    mr_journal_segment_path(files->directory, base_pos, files->path, sizeof files->path);
    code = write_header(files, files->next_fd, next, base_pos, previous_end, err);
    if (code != MR_OK)
        return code;
    if (mr_disk->rename(next, files->path) != 0)
        return mr_fail_errno(err, MR_ERR_OUTPUT, "%s: cannot rename to %s", next, files->path);
    files->fd = files->next_fd;
    files->next_fd = -1;
    files->base_pos = base_pos;
    files->limit_pos = base_pos + files->segment_bytes;
    code = open_direct(files, err);
    return code == MR_OK ? sync_directory(files, err) : code;
}

int mr_segment_files_begin(struct mr_segment_files *files, uint64_t base_pos, uint64_t previous_end,
                           struct mr_error *err)
{
    uint32_t outer = mr_device_call_begins(MR_CALL_CHANGE);
    int code = begin(files, base_pos, previous_end, err);
    mr_device_call_ends(outer);
    return code;
}

static int finish(struct mr_segment_files *files, uint64_t end_pos, struct mr_error *err)
{
    uint64_t bytes = files->header_bytes + end_pos - files->base_pos;
    int code = mr_segment_files_look(files, err);
    if (code != MR_OK)
        return code;
    if (mr_disk->truncate(files->fd, bytes) != 0)
        return mr_fail_errno(err, MR_ERR_OUTPUT, "%s: cannot cut to %" PRIu64 " bytes", files->path,
                             bytes);
    code = write_mark(files->fd, files->path, files->header_bytes, files->base_pos, end_pos, err);
    if (code == MR_OK)
        code = sync_file(files, files->fd, files->path, err);
    if (code == MR_OK || !mr_error_is_no_room(err)) // else it is asked again
        close_segment(files);
    return code;
}

int mr_segment_files_finish(struct mr_segment_files *files, uint64_t end_pos, struct mr_error *err)
{
    if (files->fd < 0)
        return MR_OK;
    uint32_t outer = mr_device_call_begins(MR_CALL_CHANGE);
    int code = finish(files, end_pos, err);
    mr_device_call_ends(outer);
    return code;
}

// ---- going on ----------------------------------------------------------------------------------
int mr_segment_files_look(const struct mr_segment_files *files, struct mr_error *err)
{
    return files->fd < 0 ? MR_OK : mr_file_check_name(files->fd, files->path, err);
}

static int open_locked(struct mr_segment_files *files, struct mr_error *err)
{
    files->fd = mr_disk->open(files->path, O_RDWR);
    if (files->fd < 0)
        return mr_fail_errno(err, MR_ERR_OUTPUT, "%s: cannot open", files->path);
    int code = mr_file_lock(files->fd, files->path, err);
    return code == MR_OK ? mr_file_pass_direct(files->fd, files->path, err) : code;
}

static int check_schemas(const struct mr_segment_files *files, const struct mr_schema_set *found,
                         struct mr_error *err)
{
    return mr_schema_set_same(found, files->schemas)
               ? MR_OK
               : mr_fail(err, MR_ERR_OUTPUT,
                         "%s: found a journal of other schemas; write to another path, or set "
                         "sink.existing to replace",
                         files->directory);
}

int mr_segment_files_cut(struct mr_segment_files *files, const struct mr_journal_tail *tail,
                         struct mr_error *err)
{
    snprintf(files->path, sizeof files->path, "%s", tail->path);
    int code = open_locked(files, err);
    if (code != MR_OK)
        return code;
    files->base_pos = tail->base_pos;
    files->header_bytes = tail->header_bytes;
    // What the mark will say must be so before it can be read.
    code = mr_segment_settle_bytes(files, mr_max_u64(tail->durable_pos, tail->base_pos),
                                   tail->end_pos, err);
    if (code == MR_OK)
        code = mr_segment_settle_all(files, false, err);
    if (code != MR_OK)
        return code;
    // Also in a run that never syncs what it writes itself: this is what the next ones build upon.
    bool sync = files->sync;
    files->sync = true;
    code = mr_segment_files_finish(files, tail->end_pos, err);
    files->sync = sync;
    return code;
}

int mr_segment_files_mend(struct mr_segment_files *files, const struct mr_journal_tail *tail,
                          struct mr_error *err)
{
    struct mr_journal journal;
    int code = mr_journal_open(&journal, tail->path, err);
    if (code != MR_OK)
        return code;
    code = check_schemas(files, &journal.schemas, err);
    mr_journal_close(&journal);
    return code == MR_OK ? mr_segment_files_cut(files, tail, err) : code;
}

int mr_segment_files_resume(struct mr_segment_files *files, uint64_t position, struct mr_error *err)
{
    uint64_t *bases;
    unsigned count, index = 0;
    struct mr_journal journal;
    struct mr_journal_segment segment;
    int code = mr_journal_list(files->directory, &bases, &count, err);
    if (code != MR_OK)
        return code;
    while (index + 1 < count && bases[index + 1] <= position)
        index++;
    uint64_t base = count ? bases[index] : 0;
    files->limit_pos = base + files->segment_bytes;
    // One that was rolled by time ends before it is full, and it must not grow into the next.
    if (index + 1 < count)
        files->limit_pos = mr_min_u64(files->limit_pos, bases[index + 1]);
    free(bases);
    if (count == 0 || base > position || position - base > files->segment_bytes)
        return mr_fail(
            err, MR_ERR_OUTPUT,
            "%s: found no segment that holds position %" PRIu64
            ", where the run that it resumes stopped; `millrace clean` gives that run up",
            files->directory, position);
    mr_journal_segment_path(files->directory, base, files->path, sizeof files->path);
    if ((code = open_locked(files, err)) != MR_OK ||
        (code = mr_journal_open(&journal, files->path, err)) != MR_OK)
        return code;
    mr_journal_segment_now(&journal, &segment);
    mr_journal_close(&journal);
    files->base_pos = segment.base_pos;
    files->header_bytes = segment.header_bytes;
    // What comes now is written anew, also where memory says that it stands there already. That costs the
    // writing of what waits to be written, which a run that never syncs leaves much of, and promises nothing.
    if (mr_disk->forget && files->sync)
        mr_disk->forget(files->fd, segment.header_bytes + position - base);
    // What was committed was written: a file that is shorter was cut since, by a repair perhaps.
    uint64_t bytes = segment.header_bytes + position - base;
    if (segment.file_bytes < bytes)
        return mr_fail(
            err, MR_ERR_OUTPUT,
            "%s: found %" PRIu64 " bytes, expected at least %" PRIu64
            ", where the run that it resumes stopped; `millrace clean` gives that run up",
            files->path, segment.file_bytes, bytes);
    code = open_direct(files, err);
    // Who began it may have died before its name was safe.
    return code == MR_OK ? sync_directory(files, err) : code;
}

// ---- after a power cut -------------------------------------------------------------------------
// Whether the segment's header checks; one that was begun and never synced may be anything. One that cannot
// be read may be whole: that is an error.
static int look_at(const struct mr_segment_files *files, uint64_t base_pos, bool *checks,
                   struct mr_error *err)
{
    char path[512];
    struct mr_journal journal;
    mr_journal_segment_path(files->directory, base_pos, path, sizeof path);
    int code = mr_journal_open(&journal, path, err);
    *checks = code == MR_OK;
    if (*checks)
        mr_journal_close(&journal);
    return code == MR_ERR_CORRUPT ? MR_OK : code;
}

// The last segment that begins at or before the end and reads; what follows it goes.
static int find_last(struct mr_segment_files *files, uint64_t end_pos, uint64_t *base_pos,
                     struct mr_error *err)
{
    uint64_t *bases;
    unsigned count;
    bool found = false, checks;
    int code = mr_journal_list(files->directory, &bases, &count, err);
    for (unsigned i = 0; code == MR_OK && i < count && bases[i] <= end_pos; i++) {
        code = look_at(files, bases[i], &checks, err);
        if (code == MR_OK && checks) {
            *base_pos = bases[i];
            found = true;
        }
    }
    free(bases);
    if (code == MR_OK && !found)
        return mr_fail(err, MR_ERR_CORRUPT, "%s: found no segment that holds position %" PRIu64,
                       files->directory, end_pos);
    return code == MR_OK ? mr_segment_files_remove(files, *base_pos + 1, err) : code;
}

static int adopt_header(struct mr_segment_files *files, uint64_t *durable_pos, struct mr_error *err)
{
    struct mr_journal journal;
    struct mr_journal_segment segment;
    int code = mr_journal_open(&journal, files->path, err);
    if (code != MR_OK)
        return code;
    mr_journal_segment_now(&journal, &segment);
    code = check_schemas(files, &journal.schemas, err);
    files->base_pos = segment.base_pos;
    files->header_bytes = segment.header_bytes;
    files->limit_pos = segment.base_pos + files->segment_bytes;
    *durable_pos = mr_max_u64(segment.durable_pos, segment.base_pos);
    mr_journal_close(&journal);
    return code;
}

// What is kept is made durable before the mark says so.
static int cut_to(struct mr_segment_files *files, uint64_t durable_pos, uint64_t end_pos,
                  struct mr_error *err)
{
    uint64_t bytes = files->header_bytes + end_pos - files->base_pos;
    if (mr_disk->truncate(files->fd, bytes) != 0)
        return mr_fail_errno(err, MR_ERR_OUTPUT, "%s: cannot cut to %" PRIu64 " bytes", files->path,
                             bytes);
    int code = mr_segment_settle_bytes(files, durable_pos, end_pos, err);
    if (code == MR_OK)
        code = mr_segment_settle_all(files, true, err);
    if (code == MR_OK)
        code = write_mark(files->fd, files->path, files->header_bytes, files->base_pos,
                          files->sync ? end_pos : files->base_pos, err);
    // Its room again. Where there is none now, the stream meets that when it comes there.
    if (code == MR_OK &&
        mr_disk->allocate(files->fd, files->header_bytes + files->segment_bytes) != 0 &&
        mr_disk->truncate(files->fd, bytes) != 0)
        code = mr_fail_errno(err, MR_ERR_OUTPUT, "%s: cannot cut to %" PRIu64 " bytes", files->path,
                             bytes);
    return code == MR_OK ? sync_file(files, files->fd, files->path, err) : code;
}

int mr_segment_files_keep(struct mr_segment_files *files, uint64_t end_pos, struct mr_error *err)
{
    uint64_t base_pos = 0, durable_pos = 0;
    int code = find_last(files, end_pos, &base_pos, err);
    if (code != MR_OK)
        return code;
    mr_journal_segment_path(files->directory, base_pos, files->path, sizeof files->path);
    code = open_locked(files, err);
    if (code == MR_OK)
        code = adopt_header(files, &durable_pos, err);
    if (code == MR_OK)
        code = cut_to(files, durable_pos, end_pos, err);
    return code == MR_OK ? open_direct(files, err) : code;
}
