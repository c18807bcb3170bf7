// SPDX-License-Identifier: Apache-2.0
// One segment file open for reading: its checked header, and a window over its bytes.
#ifndef MR_CORE_JOURNAL_FILE_H
#define MR_CORE_JOURNAL_FILE_H

#include "core/journal.h"

struct mr_journal_file {
    int fd;           // -1: none
    const char *path; // borrowed
    struct mr_journal_header header;
    uint64_t file_bytes; // as found when it was opened, or shorter where a read met the end sooner
    uint64_t stream_bytes; // of them, that can be stream
    bool marked;
    bool mark_is_bad; // its check does not match; then the segment is not `marked`
    uint64_t durable_pos;
    uint8_t *window; // file bytes window_at up to window_at + window_bytes
    uint64_t window_at, window_bytes, window_room;
};

// Opens and checks the header; `schemas` (empty, or NULL) gets its table. MR_ERR_INPUT where it
// cannot be read, MR_ERR_CORRUPT where the header is damaged; the text begins with the path.
int mr_journal_file_open(struct mr_journal_file *file, const char *path,
                         struct mr_schema_set *schemas, struct mr_error *err);
void mr_journal_file_close(struct mr_journal_file *file);
// `bytes` (at least 8, fewer only where the file ends) of the stream at position; *left says how
// many are there. 8-byte aligned, valid until the next look. NULL on a read error or without
// memory; err says.
const uint8_t *mr_journal_file_look(struct mr_journal_file *file, uint64_t position, uint64_t bytes,
                                    uint64_t *left, struct mr_error *err);
// The first position at or after this one whose 8 bytes are not all zero; the stream's end where
// there is none. Skips holes.
int mr_journal_file_skip_zeroes(struct mr_journal_file *file, uint64_t position, uint64_t *out,
                                struct mr_error *err);

// True for a path that ends in "<20 digits>.mrj", of a number that a u64 holds.
bool mr_journal_segment_base(const char *path, uint64_t *base_pos);

static inline uint64_t mr_journal_file_end(const struct mr_journal_file *file)
{
    return file->header.base_pos + file->stream_bytes;
}

#endif
