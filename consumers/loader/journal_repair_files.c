// SPDX-License-Identifier: Apache-2.0
#include "consumers/loader/journal_repair_files.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "consumers/loader/output_file.h"
#include "core/disk.h"
#include "core/journal_file.h"

#define PIECE_BYTES (64u << 10)
#define NAMES_MAX 10000
#define RECORD_BYTES_MAX                                                                           \
    (1u << 20) // of a segment's first record, if its header is to be made again

// ---- bytes -------------------------------------------------------------------------------------
// Up to `bytes` at `at`; fewer only where the file ends. Negative: errno says.
static int64_t read_up_to(int fd, uint8_t *out, uint64_t bytes, uint64_t at)
{
    uint64_t got = 0;
    while (got < bytes) {
        ssize_t n = mr_disk->read(fd, out + got, bytes - got, at + got);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        if (n == 0)
            break;
        got += (uint64_t)n;
    }
    return (int64_t)got;
}

static int write_all(int fd, const char *path, const uint8_t *bytes, uint64_t length, uint64_t at,
                     struct mr_error *err)
{
    uint64_t done = 0;
    while (done < length) {
        ssize_t n = mr_disk->write(fd, bytes + done, length - done, at + done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return mr_fail_errno(err, MR_ERR_OUTPUT, "%s: byte %" PRIu64 ": cannot write", path,
                                 at + done);
        done += (uint64_t)n;
    }
    return MR_OK;
}

static int sync_and_close(int fd, const char *path, int code, struct mr_error *err)
{
    if (code == MR_OK && mr_disk->sync(fd) != 0)
        code = mr_fail_errno(err, MR_ERR_OUTPUT, "%s: cannot sync", path);
    mr_disk->close(fd);
    return code;
}

// The file, locked: writes of a dead loader have drained.
static int open_locked(const char *path, int *fd, struct mr_error *err)
{
    *fd = mr_disk->open(path, O_RDWR);
    if (*fd < 0)
        return mr_fail_errno(err, MR_ERR_OUTPUT, "%s: cannot open", path);
    int code = mr_file_lock(*fd, path, err);
    if (code == MR_OK)
        code = mr_file_pass_direct(*fd, path, err);
    if (code != MR_OK)
        mr_disk->close(*fd);
    return code;
}

int mr_repair_data_end(const char *path, uint64_t from, uint64_t *out, struct mr_error *err)
{
    struct mr_disk_status status;
    uint8_t bytes[PIECE_BYTES];
    int fd = mr_disk->open(path, O_RDONLY);
    int code = MR_OK;
    *out = from;
    if (fd < 0 || mr_disk->status_of(fd, &status) != 0)
        code = mr_fail_errno(err, MR_ERR_INPUT, "%s", path);
    for (uint64_t end = code == MR_OK ? status.bytes : 0; end > from && *out == from;) {
        uint64_t at = end - from > PIECE_BYTES ? end - PIECE_BYTES : from;
        int64_t got = read_up_to(fd, bytes, end - at, at);
        if (got < 0) {
            code = mr_fail_errno(err, MR_ERR_INPUT, "%s: byte %" PRIu64, path, at);
            break;
        }
        while (got > 0 && bytes[got - 1] == 0)
            got--;
        if (got > 0) // records end at multiples of 8, and perhaps in zeroes
            *out = mr_min_u64(mr_align_up(at + (uint64_t)got, 8), status.bytes);
        end = at;
    }
    if (fd >= 0)
        mr_disk->close(fd);
    return code;
}

// ---- names -------------------------------------------------------------------------------------
static void cut_name(const char *path, unsigned number, char *out)
{
    int used = snprintf(out, 512, "%.490s.cut", path);
    if (number > 0)
        snprintf(out + used, (size_t)(512 - used), ".%u", number);
}

static bool is_there(const char *path)
{
    struct mr_disk_status status;
    return mr_disk->status(path, &status) == 0 || errno != ENOENT;
}

static int fail_names(const char *path, struct mr_error *err)
{
    return mr_fail(err, MR_ERR_OUTPUT, "%s: found %u .cut files, expected fewer", path, NAMES_MAX);
}

int mr_repair_free_name(const char *path, char *out, struct mr_error *err)
{
    for (unsigned number = 0; number < NAMES_MAX; number++) {
        cut_name(path, number, out);
        if (!is_there(out))
            return MR_OK;
    }
    return fail_names(path, err);
}

// ---- saving what is cut ------------------------------------------------------------------------
// What stands before the bytes in the file that gets them. Of a stream: a header, so that it is a segment of
// its own that begins where they did. Of a header: nothing.
static int cut_header(const struct mr_repair_step *step, void **block, size_t *block_bytes,
                      struct mr_error *err)
{
    struct mr_schema_set schemas = {0};
    struct mr_journal_file file;
    *block = NULL;
    *block_bytes = 0;
    if (step->kind == MR_REPAIR_HEADER)
        return MR_OK;
    int code = mr_journal_file_open(&file, step->path, &schemas, err);
    if (code != MR_OK)
        return code;
    uint64_t bytes = mr_max_u64(file.header.segment_bytes, step->to_byte - step->from_byte);
    code = mr_journal_header_make(step->position, step->position, bytes, file.header.name, &schemas,
                                  block, block_bytes, err);
    mr_journal_file_close(&file);
    mr_schema_set_clear(&schemas);
    return code;
}

// What becomes of the bytes that a step takes away, one stretch after the other: written into a .cut file, or looked
// for in one that is there. `at`: of that file.
struct cut_file {
    int fd;
    const char *path;
    int (*take)(const struct cut_file *cut, const uint8_t *bytes, uint64_t length, uint64_t at,
                struct mr_error *err);
};

static int write_stretch(const struct cut_file *cut, const uint8_t *bytes, uint64_t length,
                         uint64_t at, struct mr_error *err)
{
    return write_all(cut->fd, cut->path, bytes, length, at, err);
}

static int find_stretch(const struct cut_file *cut, const uint8_t *bytes, uint64_t length,
                        uint64_t at, struct mr_error *err)
{
    uint8_t found[PIECE_BYTES];
    for (uint64_t done = 0; done < length;) {
        uint64_t piece = mr_min_u64(sizeof found, length - done);
        if (read_up_to(cut->fd, found, piece, at + done) != (int64_t)piece ||
            memcmp(found, bytes + done, piece) != 0)
            return mr_fail(err, MR_ERR_OUTPUT, "%s: byte %" PRIu64 ": found other bytes", cut->path,
                           at + done);
        done += piece;
    }
    return MR_OK;
}

// The stream's bytes, then the header before them: a file without one is none that was finished.
static int take_bytes(const struct mr_repair_step *step, const struct cut_file *cut,
                      const void *block, size_t block_bytes, struct mr_error *err)
{
    uint8_t bytes[PIECE_BYTES];
    int from = mr_disk->open(step->path, O_RDONLY);
    uint64_t at = step->from_byte, to_at = block_bytes;
    int code = from >= 0 ? MR_OK : mr_fail_errno(err, MR_ERR_INPUT, "%s", step->path);
    while (code == MR_OK && at < step->to_byte) {
        uint64_t wanted = mr_min_u64(sizeof bytes, step->to_byte - at);
        if (read_up_to(from, bytes, wanted, at) == (int64_t)wanted)
            code = cut->take(cut, bytes, wanted, to_at, err);
        else
            code = mr_fail_errno(err, MR_ERR_INPUT, "%s: byte %" PRIu64 ": cannot read", step->path,
                                 at);
        at += wanted;
        to_at += wanted;
    }
    if (code == MR_OK)
        code = cut->take(cut, block, block_bytes, 0, err); // nothing, of a header
    if (from >= 0)
        mr_disk->close(from);
    return code;
}

// Whether this .cut file, which is there, holds what the step would save.
static bool is_saved_there(const struct mr_repair_step *step, const char *path, const void *block,
                           size_t block_bytes)
{
    struct mr_disk_status status;
    struct cut_file cut = {mr_disk->open(path, O_RDONLY), path, find_stretch};
    if (cut.fd < 0)
        return false;
    bool same = mr_disk->status_of(cut.fd, &status) == 0 &&
                status.bytes == block_bytes + step->to_byte - step->from_byte &&
                take_bytes(step, &cut, block, block_bytes, NULL) == MR_OK;
    mr_disk->close(cut.fd);
    return same;
}

// Whether another step of the plan will put its bytes there.
static bool is_planned(const struct mr_repair *repair, const struct mr_repair_step *step)
{
    for (unsigned i = 0; i < repair->count; i++)
        if (&repair->steps[i] != step && strcmp(repair->steps[i].aside, step->aside) == 0)
            return true;
    return false;
}

int mr_repair_cut_name(const struct mr_repair *repair, struct mr_repair_step *step,
                       const char *path, struct mr_error *err)
{
    void *block = NULL;
    size_t block_bytes = 0;
    int code = cut_header(step, &block, &block_bytes, err);
    if (code != MR_OK)
        return code;
    bool found = false;
    for (unsigned number = 0; !found && number < NAMES_MAX; number++) {
        cut_name(path, number, step->aside);
        found = !is_planned(repair, step) &&
                (!is_there(step->aside) || is_saved_there(step, step->aside, block, block_bytes));
    }
    free(block);
    return found ? MR_OK : fail_names(path, err);
}

static int save(struct mr_repair *repair, const struct mr_repair_step *step, struct mr_error *err)
{
    char part[540];
    void *block = NULL;
    size_t block_bytes = 0;
    struct mr_disk_status status;
    if (mr_disk->status(step->aside, &status) == 0) // by a repair that was killed
        return MR_OK;
    if (errno != ENOENT) // nothing is cut that is not known to be saved
        return mr_fail_errno(err, MR_ERR_INPUT, "%s", step->aside);
    int code = cut_header(step, &block, &block_bytes, err);
    if (code != MR_OK)
        return code;
    snprintf(part, sizeof part, "%s.part", step->aside);
    int fd = mr_disk->open(part, O_RDWR | O_CREAT | O_TRUNC);
    if (fd < 0)
        code = mr_fail_errno(err, MR_ERR_OUTPUT, "%s: cannot create", part);
    else
        code = sync_and_close(
            fd, part,
            take_bytes(step, &(struct cut_file){fd, part, write_stretch}, block, block_bytes, err),
            err);
    free(block);
    if (code == MR_OK && mr_disk->rename(part, step->aside) != 0)
        code = mr_fail_errno(err, MR_ERR_OUTPUT, "%s: cannot rename to %s", part, step->aside);
    if (code == MR_OK && mr_disk->sync_directory(repair->files.directory_fd) != 0)
        code = mr_fail_errno(err, MR_ERR_OUTPUT, "%s: cannot sync the directory",
                             repair->files.directory);
    return code;
}

// ---- headers -----------------------------------------------------------------------------------
// The donor's header with the step's positions, for the file as it is. MR_ERR_CORRUPT: it cannot be.
static int make_header(const struct mr_repair_step *step, void **block, size_t *block_bytes,
                       struct mr_error *err)
{
    struct mr_schema_set schemas = {0};
    struct mr_journal_file donor;
    struct mr_disk_status status;
    uint64_t base_pos = 0;
    mr_journal_segment_base(step->path, &base_pos);
    if (mr_disk->status(step->path, &status) != 0)
        return mr_fail_errno(err, MR_ERR_INPUT, "%s", step->path);
    int code = mr_journal_file_open(&donor, step->donor, &schemas, err);
    if (code != MR_OK)
        return code;
    uint64_t bytes = donor.header.header_bytes;
    // Farther away a segment of its own stood between.
    if (status.bytes < bytes || step->position > base_pos ||
        base_pos - step->position >= donor.header.segment_bytes)
        code = mr_fail(err, MR_ERR_CORRUPT, "%s: cannot make a header from that of %s", step->path,
                       step->donor);
    else
        code = mr_journal_header_make(base_pos, step->position,
                                      mr_max_u64(donor.header.segment_bytes, status.bytes - bytes),
                                      donor.header.name, &schemas, block, block_bytes, err);
    mr_journal_file_close(&donor);
    mr_schema_set_clear(&schemas);
    return code;
}

// The old mark stays where it matches.
static int keep_mark(int fd, const char *path, uint8_t *block, size_t block_bytes,
                     struct mr_error *err)
{
    struct mr_journal_mark found, expected;
    uint64_t base_pos = 0, at = block_bytes - sizeof found;
    if (read_up_to(fd, (uint8_t *)&found, sizeof found, at) != sizeof found)
        return mr_fail_errno(err, MR_ERR_INPUT, "%s: byte %" PRIu64 ": cannot read", path, at);
    mr_journal_segment_base(path, &base_pos);
    mr_journal_mark_make(base_pos, found.durable_pos, &expected);
    if (found.check == expected.check)
        memcpy(block + at, &found, sizeof found);
    return MR_OK;
}

// What is read of the first record, or zeroes behind the end of the file.
static int read_first(const char *path, uint64_t at, uint8_t *bytes, int64_t *got,
                      struct mr_error *err)
{
    int fd = mr_disk->open(path, O_RDONLY);
    *got = fd < 0 ? -1 : read_up_to(fd, bytes, RECORD_BYTES_MAX, at);
    int code = *got >= 0 ? MR_OK : mr_fail_errno(err, MR_ERR_INPUT, "%s: byte %" PRIu64, path, at);
    if (fd >= 0)
        mr_disk->close(fd);
    return code;
}

// Whether the stream begins with a record, as far as it is there, or with zeroes.
static int stream_begins(const struct mr_repair_step *step, uint64_t header_bytes, bool *begins,
                         struct mr_error *err)
{
    struct mr_schema_set schemas = {0};
    struct mr_journal_file donor;
    uint64_t base_pos = 0;
    uint32_t length;
    int64_t got;
    uint8_t *bytes = calloc(1, RECORD_BYTES_MAX);
    if (!bytes)
        return mr_fail(err, MR_ERR_MEMORY, "%s: out of memory", step->path);
    mr_journal_segment_base(step->path, &base_pos);
    int code = read_first(step->path, header_bytes, bytes, &got, err);
    if (code == MR_OK)
        code = mr_journal_file_open(&donor, step->donor, &schemas, err);
    if (code == MR_OK) {
        *begins = got == 0 || mr_journal_examine(bytes, (uint64_t)got, base_pos, &schemas, &length,
                                                 NULL) != MR_JOURNAL_BAD;
        mr_journal_file_close(&donor);
        mr_schema_set_clear(&schemas);
    }
    free(bytes);
    return code;
}

int mr_repair_header_fits(struct mr_repair_step *step, bool *fits, struct mr_error *err)
{
    size_t block_bytes = 0;
    void *block = NULL;
    *fits = false;
    int code = make_header(step, &block, &block_bytes, err);
    free(block);
    if (code == MR_OK)
        code = stream_begins(step, block_bytes, fits, err);
    step->from_byte = 0;
    step->to_byte = block_bytes;
    return code == MR_ERR_CORRUPT ? MR_OK : code;
}

static int change_header(const struct mr_repair_step *step, struct mr_error *err)
{
    size_t block_bytes = 0;
    void *block;
    int fd;
    int code = make_header(step, &block, &block_bytes, err);
    if (code != MR_OK)
        return code;
    code = open_locked(step->path, &fd, err);
    if (code == MR_OK) {
        code = keep_mark(fd, step->path, block, block_bytes, err);
        if (code == MR_OK)
            code = write_all(fd, step->path, block, block_bytes, 0, err);
        code = sync_and_close(fd, step->path, code, err);
    }
    free(block);
    return code;
}

// ---- the changes -------------------------------------------------------------------------------
static int change_mark(const struct mr_repair_step *step, struct mr_error *err)
{
    struct mr_journal_mark mark;
    uint64_t base_pos = 0;
    int fd;
    int code = open_locked(step->path, &fd, err);
    if (code != MR_OK)
        return code;
    mr_journal_segment_base(step->path, &base_pos);
    mr_journal_mark_make(base_pos, step->position, &mark);
    code = write_all(fd, step->path, (const uint8_t *)&mark, sizeof mark, step->from_byte, err);
    return sync_and_close(fd, step->path, code, err);
}

static int change_name(struct mr_repair *repair, const struct mr_repair_step *step,
                       struct mr_error *err)
{
    int fd;
    int code = open_locked(step->path, &fd, err);
    if (code != MR_OK)
        return code;
    if (mr_disk->rename(step->path, step->aside) != 0)
        code =
            mr_fail_errno(err, MR_ERR_OUTPUT, "%s: cannot rename to %s", step->path, step->aside);
    else if (mr_disk->sync_directory(repair->files.directory_fd) != 0)
        code = mr_fail_errno(err, MR_ERR_OUTPUT, "%s: cannot sync the directory",
                             repair->files.directory);
    mr_disk->close(fd);
    return code;
}

static int change_end(struct mr_repair *repair, const struct mr_repair_step *step,
                      struct mr_error *err)
{
    struct mr_journal_tail tail = {.end_pos = step->position};
    struct mr_journal_file file;
    int code = mr_journal_file_open(&file, step->path, NULL, err);
    if (code != MR_OK)
        return code;
    tail.base_pos = file.header.base_pos;
    tail.header_bytes = file.header.header_bytes;
    mr_journal_file_close(&file);
    snprintf(tail.path, sizeof tail.path, "%s", step->path);
    return mr_segment_files_cut(&repair->files, &tail, err);
}

int mr_repair_save(struct mr_repair *repair, const struct mr_repair_step *step,
                   struct mr_error *err)
{
    bool takes_bytes = step->kind == MR_REPAIR_CUT || step->kind == MR_REPAIR_HEADER;
    return takes_bytes && step->aside[0] ? save(repair, step, err) : MR_OK;
}

int mr_repair_change(struct mr_repair *repair, const struct mr_repair_step *step,
                     struct mr_error *err)
{
    switch (step->kind) {
    case MR_REPAIR_HEADER:
        return change_header(step, err);
    case MR_REPAIR_MARK:
        return change_mark(step, err);
    case MR_REPAIR_CUT:
        return change_end(repair, step, err);
    case MR_REPAIR_ASIDE:
    default:
        return change_name(repair, step, err);
    }
}
