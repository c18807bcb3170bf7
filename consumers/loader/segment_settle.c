// SPDX-License-Identifier: Apache-2.0
#include "consumers/loader/segment_settle.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>

#include "core/disk.h"
#include "core/journal_file.h"

#define PIECE_BYTES (64u << 10)

// A power cut can take back that a finished segment was cut to its end: the zeroes of its preallocation
// stand behind it again, where the next segment's positions begin.
static int cut_zeroes(const char *path, int fd, uint64_t next_base, struct mr_error *err)
{
    struct mr_journal_file file;
    uint64_t nonzero_pos;
    if (mr_journal_file_open(&file, path, NULL, NULL) != MR_OK)
        return MR_OK; // whoever reads it says what is wrong with it
    int code = MR_OK;
    if (mr_journal_file_end(&file) > next_base &&
        mr_journal_file_skip_zeroes(&file, next_base, &nonzero_pos, NULL) == MR_OK &&
        nonzero_pos >= mr_journal_file_end(&file) &&
        mr_disk->truncate(fd, file.header.header_bytes + next_base - file.header.base_pos) != 0)
        code = mr_fail_errno(err, MR_ERR_OUTPUT, "%s: cannot cut", path);
    mr_journal_file_close(&file);
    return code;
}

static int settle_one(const struct mr_segment_files *files, uint64_t base_pos, uint64_t next_base,
                      struct mr_error *err)
{
    char path[512];
    mr_journal_segment_path(files->directory, base_pos, path, sizeof path);
    int fd = mr_disk->open(path, O_RDWR);
    int code = fd < 0 ? MR_OK : cut_zeroes(path, fd, next_base, err);
    if (code == MR_OK && (fd < 0 || mr_disk->sync(fd) != 0)) {
        code = mr_fail_errno(err, MR_ERR_OUTPUT, "%s: cannot sync", path);
        err->os_errno = 0; // not to be tried again
    }
    if (fd >= 0)
        mr_disk->close(fd);
    return code;
}

int mr_segment_settle_all(const struct mr_segment_files *files, bool made_again,
                          struct mr_error *err)
{
    uint64_t *bases;
    unsigned count;
    int code = mr_journal_list(files->directory, &bases, &count, err);
    for (unsigned i = 0; code == MR_OK && i < count; i++)
        code = settle_one(files, bases[i], made_again && i + 1 < count ? bases[i + 1] : UINT64_MAX,
                          err);
    free(bases);
    if (code == MR_OK && mr_disk->sync_directory(files->directory_fd) != 0)
        code = mr_fail_errno(err, MR_ERR_OUTPUT, "%s: cannot sync the directory", files->directory);
    return code;
}

static int write_again(const struct mr_segment_files *files, uint64_t bytes, uint64_t at,
                       struct mr_error *err)
{
    uint8_t piece[PIECE_BYTES];
    uint64_t done = 0;
    while (done < bytes) {
        ssize_t read =
            mr_disk->read(files->fd, piece, mr_min_u64(sizeof piece, bytes - done), at + done);
        ssize_t written =
            read > 0 ? mr_disk->write(files->fd, piece, (size_t)read, at + done) : read;
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            return mr_fail_errno(err, MR_ERR_OUTPUT, "%s: byte %" PRIu64 ": cannot write again",
                                 files->path, at + done);
        if (written == 0)
            return mr_fail(err, MR_ERR_OUTPUT,
                           "%s: byte %" PRIu64 ": found the end of the file, expected %" PRIu64
                           " bytes more",
                           files->path, at + done, bytes - done);
        done += (uint64_t)written;
    }
    return MR_OK;
}

int mr_segment_settle_bytes(const struct mr_segment_files *files, uint64_t durable_pos,
                            uint64_t end_pos, struct mr_error *err)
{
    if (durable_pos >= end_pos)
        return MR_OK;
    return write_again(files, end_pos - durable_pos,
                       files->header_bytes + durable_pos - files->base_pos, err);
}
