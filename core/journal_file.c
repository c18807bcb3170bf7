// SPDX-License-Identifier: Apache-2.0
#include "core/journal_file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "core/disk.h"

#define WINDOW_BYTES (1u << 20)

// Reads up to `bytes` at `at`; *got is less only at the end of the file.
static int read_at(struct mr_journal_file *file, uint8_t *out, uint64_t bytes, uint64_t at,
                   uint64_t *got, struct mr_error *err)
{
    *got = 0;
    while (*got < bytes) {
        ssize_t n = mr_disk->read(file->fd, out + *got, bytes - *got, at + *got);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return mr_fail_errno(err, MR_ERR_INPUT, "%s: byte %" PRIu64, file->path, at + *got);
        if (n == 0)
            break;
        *got += (uint64_t)n;
    }
    return MR_OK;
}

// Moves the window so that it holds file bytes at..at+bytes, as far as the file goes.
static int window_move(struct mr_journal_file *file, uint64_t at, uint64_t bytes,
                       struct mr_error *err)
{
    // No more than there is: most files that are looked at only for their headers are short.
    uint64_t most = mr_min_u64(WINDOW_BYTES, mr_align_up(file->file_bytes, MR_PAGE_BYTES));
    uint64_t room = mr_max_u64(mr_align_up(bytes, MR_PAGE_BYTES), most);
    if (room > file->window_room) {
        uint8_t *grown = realloc(file->window, room);
        if (!grown)
            return mr_fail(err, MR_ERR_MEMORY, "%s: out of memory (%" PRIu64 " bytes)", file->path,
                           room);
        file->window = grown;
        file->window_room = room;
    }
    file->window_at = at;
    file->window_bytes = 0;
    return read_at(file, file->window, room, at, &file->window_bytes, err);
}

static int read_header(struct mr_journal_file *file, struct mr_schema_set *schemas,
                       struct mr_error *err)
{
    int code = window_move(file, 0, mr_min_u64(MR_JOURNAL_HEADER_BYTES_MAX, file->file_bytes), err);
    if (code != MR_OK)
        return code;
    code = mr_journal_header_check(file->window, file->window_bytes, schemas, err);
    if (code != MR_OK) {
        mr_error_within(err, "%s", file->path);
        return code;
    }
    memcpy(&file->header, file->window, sizeof file->header);
    uint64_t behind = file->file_bytes - mr_min_u64(file->header.header_bytes, file->file_bytes);
    file->stream_bytes = mr_min_u64(behind, file->header.segment_bytes);
    return MR_OK;
}

static void read_mark(struct mr_journal_file *file)
{
    struct mr_journal_mark found, expected;
    memcpy(&found, file->window + file->header.header_bytes - sizeof found, sizeof found);
    mr_journal_mark_make(file->header.base_pos, found.durable_pos, &expected);
    if (found.durable_pos == 0 && found.check == 0)
        return;
    file->mark_is_bad = found.check != expected.check;
    file->marked = !file->mark_is_bad;
    file->durable_pos = found.durable_pos;
}

static int check_name(const struct mr_journal_file *file, struct mr_error *err)
{
    uint64_t base_pos;
    if (!mr_journal_segment_base(file->path, &base_pos) || base_pos == file->header.base_pos)
        return MR_OK;
    return mr_fail(err, MR_ERR_CORRUPT,
                   "%s: byte 16: found base position %" PRIu64 ", expected that of the name",
                   file->path, file->header.base_pos);
}

int mr_journal_file_open(struct mr_journal_file *file, const char *path,
                         struct mr_schema_set *schemas, struct mr_error *err)
{
    struct mr_disk_status status;
    *file = (struct mr_journal_file){.fd = -1, .path = path};
    file->fd = mr_disk->open(path, O_RDONLY);
    if (file->fd < 0 || mr_disk->status_of(file->fd, &status) != 0) {
        mr_fail_errno(err, MR_ERR_INPUT, "%s", path);
        mr_journal_file_close(file);
        return MR_ERR_INPUT;
    }
    file->file_bytes = status.bytes;
    int code = read_header(file, schemas, err);
    if (code == MR_OK && (code = check_name(file, err)) != MR_OK && schemas)
        mr_schema_set_clear(schemas);
    if (code == MR_OK)
        read_mark(file);
    else
        mr_journal_file_close(file);
    return code;
}

void mr_journal_file_close(struct mr_journal_file *file)
{
    if (file->fd >= 0)
        mr_disk->close(file->fd);
    free(file->window);
    file->fd = -1;
    file->window = NULL;
    file->window_room = file->window_bytes = 0;
}

const uint8_t *mr_journal_file_look(struct mr_journal_file *file, uint64_t position, uint64_t bytes,
                                    uint64_t *left, struct mr_error *err)
{
    uint64_t offset = position - file->header.base_pos;
    uint64_t at = file->header.header_bytes + offset;
    *left = file->stream_bytes - mr_min_u64(offset, file->stream_bytes);
    bytes = mr_min_u64(bytes, *left);
    if (at < file->window_at || at + bytes > file->window_at + file->window_bytes) {
        if (window_move(file, at, bytes, err) != MR_OK)
            return NULL;
        if (file->window_bytes < bytes) { // cut since it was opened
            file->stream_bytes = offset + file->window_bytes;
            *left = file->window_bytes;
        }
    }
    return file->window + (at - file->window_at);
}

static uint64_t file_offset(const struct mr_journal_file *file, uint64_t position)
{
    return file->header.header_bytes + position - file->header.base_pos;
}

// Where the file has data again; unchanged where it cannot say, or what is there has been read already.
static uint64_t skip_hole(const struct mr_journal_file *file, uint64_t position)
{
    int64_t at = (int64_t)file_offset(file, position);
    if ((uint64_t)at < file->window_at + file->window_bytes)
        return position;
    int64_t next = mr_disk->skip_hole(file->fd, (uint64_t)at);
    if (next < 0 && errno == ENXIO)
        return mr_journal_file_end(file);
    if (next <= at)
        return position;
    return mr_min_u64(position + (uint64_t)(next - at) / 8 * 8, mr_journal_file_end(file));
}

// From page to page of the file: one that was read in part lies in the kernel's cache, and is no hole.
int mr_journal_file_skip_zeroes(struct mr_journal_file *file, uint64_t position, uint64_t *out,
                                struct mr_error *err)
{
    static const uint8_t zeroes[MR_PAGE_BYTES];
    for (;;) {
        uint64_t left, to_page = sizeof zeroes - file_offset(file, position) % sizeof zeroes;
        const uint8_t *bytes = mr_journal_file_look(file, position, to_page, &left, err);
        if (!bytes)
            return err ? err->code : MR_ERR_INPUT;
        uint64_t here = mr_min_u64(left, to_page);
        uint64_t at = 0;
        if (here > 0 && memcmp(bytes, zeroes, here) == 0) {
            position = skip_hole(file, position + here);
            continue;
        }
        while (at < here && memcmp(bytes + at, zeroes, mr_min_u64(8, here - at)) == 0)
            at += 8;
        *out = mr_min_u64(position + at, mr_journal_file_end(file));
        return MR_OK;
    }
}
