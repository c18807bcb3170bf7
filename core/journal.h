// SPDX-License-Identifier: Apache-2.0
// The journal: the egress ring's byte stream on disk. A journal is a directory of segment files; a
// segment file is a header and then the ring's bytes, untouched:
//
//     <dir>/00000000000000000000.mrj      base position in the name, 20 digits
//
//   byte 0       8     12            16           24              32                64       72
//        +-------+-----+-------------+------------+---------------+-----------------+--------+---------
//        | magic |vers | header_bytes| base_pos   | segment_bytes | name            | crc    |
//        schemas...
//        +-------+-----+-------------+------------+---------------+-----------------+--------+---------
//
// Position = file offset: byte p of the stream stands at header_bytes + (p - base_pos) of the
// segment with base_pos <= p. Segments hold whole laps of the ring, so no record spans two. The end
// of the stream is the longest prefix of valid records: a length of 0, a record that does not fit
// or a checksum that does not match ends it (preallocated space is zero). Nothing in a journal
// depends on when or how fast it was written: same input, same bytes.
#ifndef MR_CORE_JOURNAL_H
#define MR_CORE_JOURNAL_H

#include "core/schema.h"

#define MR_JOURNAL_MAGIC 0x314c4e524a4c4c4dULL // "MLLJRNL1"
#define MR_JOURNAL_VERSION 1u
#define MR_JOURNAL_SUFFIX ".mrj"

struct mr_journal_header {
    uint64_t magic;
    uint32_t version;
    uint32_t header_bytes; // a multiple of 4096
    uint64_t base_pos;
    uint64_t segment_bytes;   // of stream, at most; a multiple of the ring's capacity
    char name[MR_NAME_BYTES]; // of the ring
    uint64_t crc; // XXH3 of the header's bytes with this field zero, schema table included
    // schema table (core/schema.h) follows at byte 72
};
_Static_assert(sizeof(struct mr_journal_header) == 72, "journal header");
_Static_assert(offsetof(struct mr_journal_header, name) == 32, "name");
_Static_assert(offsetof(struct mr_journal_header, crc) == 64, "crc");

// Fills a header block for a new segment; *out is malloc'ed, *out_bytes long, ready to be written.
int mr_journal_header_make(uint64_t base_pos, uint64_t segment_bytes, const char *name,
                           const struct mr_schema_set *schemas, void **out, size_t *out_bytes,
                           struct mr_error *err);
int mr_journal_header_check(const void *bytes, size_t bytes_max, struct mr_schema_set *schemas,
                            struct mr_error *err); // MR_ERR_CORRUPT
void mr_journal_segment_path(const char *directory, uint64_t base_pos, char *out, size_t out_bytes);

// Reading, segment by segment, mapped read-only:
//
//     struct mr_journal journal;
//     mr_journal_open(&journal, path, &err);           // a directory, or one segment file
//     while ((record = mr_journal_next(&journal)) != NULL) ...
//     if (journal.stop == MR_JOURNAL_DAMAGED) ... journal.problem says what and where
//     mr_journal_close(&journal);
enum mr_journal_stop {
    MR_JOURNAL_END,     // the clean end: nothing follows, or preallocated zeroes
    MR_JOURNAL_TORN,    // the last record is cut or does not check, and nothing valid follows
    MR_JOURNAL_DAMAGED, // valid records follow the place that does not check, or a segment is
                        // missing
};

struct mr_journal {
    struct mr_schema_set schemas;
    char name[MR_NAME_BYTES];
    uint64_t position;        // of the next record
    uint64_t record_position; // of the record returned last
    enum mr_journal_stop stop;
    struct mr_error problem;        // file, offset, found, expected
    struct mr_journal_files *files; // private
};

int mr_journal_open(struct mr_journal *journal, const char *path, struct mr_error *err);
// Valid until the next call. NULL at the end; see journal->stop. Checks length and checksum of
// each.
const struct mr_record *mr_journal_next(struct mr_journal *journal);
// Goes to the first record at or after this position (a record's position from an earlier reading).
int mr_journal_seek(struct mr_journal *journal, uint64_t position, struct mr_error *err);
void mr_journal_close(struct mr_journal *journal);

#endif
