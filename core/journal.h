// SPDX-License-Identifier: Apache-2.0
// The journal: the egress ring's byte stream on disk. A journal is a directory of segment files; a
// segment file is a header and then the ring's bytes, untouched:
//
//     <dir>/00000000000000000000.mrj      base position in the name, 20 digits
//
//   byte 0       8     12            16         24              32     64             72    80
//        +-------+-----+-------------+----------+---------------+------+--------------+-----+--------
//        | magic |vers | header_bytes| base_pos | segment_bytes | name | previous_end | crc | schemas
//        +-------+-----+-------------+----------+---------------+------+--------------+-----+--------
//        ... zeroes ... | durable_pos | check |  stream bytes ...
//                       header_bytes - 16     header_bytes
//
// Position = file offset: byte p of the stream stands at header_bytes + (p - base_pos) of the
// segment with the greatest base_pos <= p. Segments hold whole laps of the ring, so no record spans
// two. Every other file of the directory is no part of the journal.
//
// The header block is sound if magic and version are those below; header_bytes is a multiple of
// 4096, at least 4096, at most 1 MiB, and no more than the file has; crc is right; base_pos is a
// multiple of 8, not below previous_end, and the number in the file's name where that is 20 digits
// and .mrj; base_pos + segment_bytes is below 2^64; and the schema table is sound
// (docs/MEMORY_LAYOUT.md).
//
// The stream is what stands behind the header block, segment_bytes of it at most: what a file has
// beyond that is nothing. Records and padding records, each with its checksum (core/record.h), one
// behind the other at multiples of 8; the bytes between a record's length and the next multiple of
// 8 are zero. Padding shorter than an envelope has no checksum: it is its length, a multiple of 8,
// and zeroes. The end of the stream is the longest prefix of valid records. A length of 0, a record
// that does not fit, whose checksum does not match, or that is no padding and has a schema that the
// header does not have or less than that schema's record_bytes, ends it. Zeroes from a place to the
// stream's last byte are a clean end: they were preallocated.
//
// Segments follow each other. `previous_end` is where the segment before it ended. Mostly that is
// base_pos. A later run that appends begins a new segment at the next lap boundary of its ring, so
// that base_pos > previous_end: the positions between hold nothing, and that is no damage. A
// segment whose previous_end is not the end that the segment before it really has tells of a lost
// or cut segment; that of the first is not looked at. All have the same schema table. Whoever
// deletes old segments deletes the oldest: reading begins at the first that is there.
//
// The durable mark, the last 16 bytes of the header block, says which part of the segment was known
// to be on the disk when the mark was written. It stands outside the header's checksum, is
// rewritten after syncs, and equals the end of the stream in a segment that was finished. It tells
// a tail that a power cut tore (at or beyond the mark: cut off, the stream goes on there) from
// damage (before it: refused). All zero: the writer kept no mark; then a bad place is a torn tail
// unless a valid record or padding with a checksum follows it anywhere at a multiple of 8. (That
// search may give up after hashing 64 times the bytes behind the place and 16 MiB; then it counts
// as found.) A mark whose check does not match is damage that takes no record away.
//
// The verdict, where reading stops:
//   whole    the last segment's stream is used up, or only zeroes are left of it, and nothing is
//            missing before its mark;
//   torn     a bad place (zeroes with something behind them are one) in the last segment, at or
//            beyond its mark, or without mark and with nothing valid behind it;
//   damaged  any other bad place; a stream that ends before its mark; a segment that is not sound,
//            does not follow, or has other schemas: reading stops before it; and a mark that does
//            not match, wherever reading stops: a bad place behind it in the last segment is never
//            called torn.
// A loader that appends judges the last segment alone: it cuts what is torn and refuses what is
// damaged.
//
// Nothing in a finished journal depends on when or how fast it was written: same input, same bytes.
#ifndef MR_CORE_JOURNAL_H
#define MR_CORE_JOURNAL_H

#include "core/schema.h"

#define MR_JOURNAL_MAGIC 0x314c4e524a4c4c4dULL // "MLLJRNL1"
#define MR_JOURNAL_VERSION 1u
#define MR_JOURNAL_SUFFIX ".mrj"
#define MR_JOURNAL_HEADER_BYTES_MAX (1u << 20)

struct mr_journal_header {
    uint64_t magic;
    uint32_t version;
    uint32_t header_bytes; // a multiple of 4096
    uint64_t base_pos;
    uint64_t segment_bytes;   // of stream, at most; a multiple of the ring's capacity
    char name[MR_NAME_BYTES]; // of the ring
    uint64_t previous_end;    // where the segment before this one ended; base_pos in the first
    uint64_t crc;             // XXH3 of the header block with this field and the mark zero
    // schema table (core/schema.h) follows at byte 80
};
_Static_assert(sizeof(struct mr_journal_header) == 80, "journal header");
_Static_assert(offsetof(struct mr_journal_header, name) == 32, "name");
_Static_assert(offsetof(struct mr_journal_header, crc) == 72, "crc");

struct mr_journal_mark { // at header_bytes - 16
    uint64_t durable_pos;
    uint64_t check; // XXH3 of durable_pos, seeded with base_pos
};
_Static_assert(sizeof(struct mr_journal_mark) == 16, "durable mark");

// ---- writing a segment
// Fills a header block without mark for a new segment; *out is malloc'ed, *out_bytes long, ready
// to be written.
int mr_journal_header_make(uint64_t base_pos, uint64_t previous_end, uint64_t segment_bytes,
                           const char *name, const struct mr_schema_set *schemas, void **out,
                           size_t *out_bytes, struct mr_error *err);
void mr_journal_mark_make(uint64_t base_pos, uint64_t durable_pos, struct mr_journal_mark *out);
void mr_journal_segment_path(const char *directory, uint64_t base_pos, char *out, size_t out_bytes);

// ---- checking
// The header block at `bytes`, of which bytes_max are there. Fills `schemas` (an empty set; may
// be NULL). MR_ERR_CORRUPT.
int mr_journal_header_check(const void *bytes, size_t bytes_max, struct mr_schema_set *schemas,
                            struct mr_error *err);

// What stands at one place of the stream: `left` bytes of it are there.
enum mr_journal_found {
    MR_JOURNAL_RECORD,
    MR_JOURNAL_PADDING,
    MR_JOURNAL_ZERO, // a length of 0
    MR_JOURNAL_BAD,
};
// *length: of the record or padding. `problem` (NULL or 160 bytes) gets what was found and
// expected.
enum mr_journal_found mr_journal_examine(const uint8_t *bytes, uint64_t left, uint64_t position,
                                         const struct mr_schema_set *schemas, uint32_t *length,
                                         char *problem);

// ---- reading, segment by segment
//
//     struct mr_journal journal;
//     mr_journal_open(&journal, path, &err);           // a directory, or one segment file
//     while ((record = mr_journal_next(&journal)) != NULL) ...
//     if (journal.stop == MR_JOURNAL_DAMAGED) ... journal.problem says what and where
//     mr_journal_close(&journal);
//
// Files are read, not mapped: a file that a running loader cuts, or a disk error, is an error here
// and no signal. A journal may be read while it is written; its end is then where the reader met
// it.
enum mr_journal_stop {
    MR_JOURNAL_END,  // the clean end: nothing follows, or preallocated zeroes
    MR_JOURNAL_TORN, // a tail that was never durable is cut or does not check; see the mark, above
    MR_JOURNAL_DAMAGED, // something durable does not check, or a segment is missing
};

// What is wrong there, and where.
enum mr_journal_fault_kind {
    MR_JOURNAL_SOUND,
    MR_JOURNAL_FAULT_READ,    // the file cannot be read
    MR_JOURNAL_FAULT_HEADER,  // of a segment, at whose byte 0 `byte` stands
    MR_JOURNAL_FAULT_CHAIN,   // a segment that does not follow the one before it; at byte 64
    MR_JOURNAL_FAULT_SCHEMAS, // other schemas than the segment before it; at byte 80
    MR_JOURNAL_FAULT_MARK,    // the durable mark
    MR_JOURNAL_FAULT_SHORT,   // the stream ends before the mark
    MR_JOURNAL_FAULT_ZERO,    // zeroes where a record should begin
    MR_JOURNAL_FAULT_RECORD,  // any other bytes where a record should begin
};
struct mr_journal_fault {
    enum mr_journal_fault_kind kind;
    const char *path; // of the file; valid until close
    uint64_t byte;    // of the file
};
const char *mr_journal_fault_name(enum mr_journal_fault_kind kind);

struct mr_journal {
    struct mr_schema_set schemas;
    char name[MR_NAME_BYTES];
    uint64_t position;        // of the next record
    uint64_t record_position; // of the record returned last
    enum mr_journal_stop stop;
    struct mr_error problem;        // file, offset, found, expected
    struct mr_journal_fault fault;  // the same for programs
    struct mr_journal_files *files; // private
};

// MR_ERR_INPUT where there is no journal or it cannot be read, MR_ERR_CORRUPT where its first
// header is damaged.
int mr_journal_open(struct mr_journal *journal, const char *path, struct mr_error *err);
// Valid until the next call. NULL at the end; see journal->stop. Checks length and checksum of
// each.
const struct mr_record *mr_journal_next(struct mr_journal *journal);
// Behind a stop that is not the end: goes to the next valid record, in this segment or in a later
// one with the same schemas, and *from, *to (either may be NULL) say which positions were passed
// over. False: there is none.
bool mr_journal_resync(struct mr_journal *journal, uint64_t *from, uint64_t *to);
// Goes to the first record at or after this position.
int mr_journal_seek(struct mr_journal *journal, uint64_t position, struct mr_error *err);
void mr_journal_close(struct mr_journal *journal);

// What is known of the segment that the next record comes from, or the last one came from.
struct mr_journal_segment {
    const char *path; // valid until close
    uint64_t base_pos, previous_end;
    uint64_t header_bytes, file_bytes;
    bool marked;
    uint64_t durable_pos; // where marked
};
unsigned mr_journal_segment_count(const struct mr_journal *journal);
void mr_journal_segment_now(const struct mr_journal *journal, struct mr_journal_segment *out);

// ---- going on with a journal
// Where a journal ends, and
// so where the next run may go on. A run that appends gives its ring the start_pos mr_align_up(end,
// capacity): the loader truncates the last segment to its valid end and begins a new one there. No
// journal at all ends at 0. Reads the whole last segment; MR_ERR_CORRUPT where it is damaged (a
// torn tail is no damage), MR_ERR_INPUT where it cannot be read, MR_ERR_MEMORY.
struct mr_journal_tail {
    uint64_t end_pos;
    uint64_t base_pos;     // of the last segment
    uint64_t durable_pos;  // of its mark; 0: none
    uint64_t previous_end; // of the last segment
    uint64_t header_bytes; // of the last segment; 0: there is no journal
    uint64_t torn_bytes;   // behind end_pos, to be cut; preallocated zeroes not counted
    char path[512];        // of the last segment
};
int mr_journal_find_tail(const char *directory, struct mr_journal_tail *out, struct mr_error *err);
int mr_journal_end(const char *directory, uint64_t *end_pos, struct mr_error *err);

// The same for a journal that was never synced, after a power cut: whatever the marks say, the longest run of
// valid records from the segment that holds from_pos on. 0 where that segment is lost.
int mr_journal_whole_end(const char *directory, uint64_t from_pos, uint64_t *end_pos,
                         struct mr_error *err);

// Base positions of the segments in a directory, ascending; *out is malloc'ed. MR_ERR_INPUT where
// the directory cannot be read.
int mr_journal_list(const char *directory, uint64_t **out, unsigned *count, struct mr_error *err);

#endif
