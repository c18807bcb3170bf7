// SPDX-License-Identifier: Apache-2.0
// The record: an envelope and a fixed-layout struct behind it. The same bytes stand in the ring and
// in the journal; little-endian, 8-byte aligned, described by a schema (core/schema.h).
//
//   byte 0        4         8                16               24               32   34   36
//        +--------+---------+----------------+----------------+----------------+----+----+--------
//        | length | checksum|    sequence    |  event time    |  ingest time   | id | fl | fields
//        +--------+---------+----------------+----------------+----------------+----+----+--------
//
// The envelope ends at byte 36, so a 4-byte field may follow at once and an order-add with all its
// fields fits one cache line. Records start at multiples of 8; the space from `length` up to the
// next multiple is zero.
#ifndef MR_CORE_RECORD_H
#define MR_CORE_RECORD_H

#include "core/base.h"

enum mr_record_flag {
    MR_FLAG_PADDING = 1 << 0,     // fills the ring up to its wrap; no record; readers skip it
    MR_FLAG_GAP_BEFORE = 1 << 1,  // the source lost something just before this record
    MR_FLAG_LATE = 1 << 2,        // behind the watermark by more than the allowed lateness
    MR_FLAG_CORRECTED = 1 << 3,   // a value was replaced by its declared default or clamped
    MR_FLAG_UNKNOWN_REF = 1 << 4, // refers to an order, a symbol ... that was never announced
    MR_FLAG_CROSSED = 1 << 5,     // best bid at or above best offer
};

// Member alignment is natural; `packed` only takes away the four trailing bytes that C would add.
struct __attribute__((packed, aligned(4))) mr_record {
    uint32_t length; // whole record in bytes, envelope included, rounding excluded
    uint32_t
        checksum; // over bytes 8..length, seeded with the position; 0 in a ring without journal
    uint64_t sequence; // the source's own number of this record (message, line, packet sequence)
    int64_t event_time_ns;  // since the Unix epoch, by the source's clock; 0 where it gives none
    int64_t ingest_time_ns; // when the feed was first held (wall clock; captures and files: their
                            // own time)
    uint16_t schema_id;
    uint16_t flags; // mr_record_flag
};

#define MR_ENVELOPE_BYTES 36
_Static_assert(sizeof(struct mr_record) == MR_ENVELOPE_BYTES, "envelope size");
_Static_assert(offsetof(struct mr_record, sequence) == 8, "sequence");
_Static_assert(offsetof(struct mr_record, event_time_ns) == 16, "event time");
_Static_assert(offsetof(struct mr_record, ingest_time_ns) == 24, "ingest time");
_Static_assert(offsetof(struct mr_record, schema_id) == 32, "schema id");
_Static_assert(offsetof(struct mr_record, flags) == 34, "flags");

// Schema and flags at once: records of the same kind are treated alike.
static inline uint32_t mr_record_kind(const struct mr_record *record)
{
    uint32_t kind;
    __builtin_memcpy(&kind, (const uint8_t *)record + offsetof(struct mr_record, schema_id),
                     sizeof kind);
    return kind;
}

// Length and checksum: in a record claimed in a ring the ring writes them (ringbuf/writer.h).
#define MR_RING_OWN_BYTES 8

// Bytes a record of this length takes in a ring or journal.
static inline uint64_t mr_record_stride(uint32_t length)
{
    return mr_align_up(length, 8);
}

// Copies a record and what rounds it up, all but the first 8 bytes, which the ring writes itself. Both
// are 8-byte aligned and have room for the stride; `length` is at least the envelope's. Short records are
// copied here, without the call that memcpy of an unknown length is: the last piece may overlap the one
// before it.
#define MR_COPY_INLINE_BYTES 256
static inline void mr_record_copy(void *to, const void *from, uint32_t length)
{
    uint8_t *out = (uint8_t *)to; // C++ reads this, too
    const uint8_t *in = (const uint8_t *)from;
    uint64_t bytes = mr_record_stride(length), at = 24;
    if (MR_UNLIKELY(bytes > MR_COPY_INLINE_BYTES)) {
        __builtin_memcpy(out + MR_RING_OWN_BYTES, in + MR_RING_OWN_BYTES,
                         bytes - MR_RING_OWN_BYTES);
        return;
    }
    __builtin_memcpy(out + MR_RING_OWN_BYTES, in + MR_RING_OWN_BYTES, 16);
    for (; at + 16 < bytes; at += 16)
        __builtin_memcpy(out + at, in + at, 16);
    __builtin_memcpy(out + bytes - 16, in + bytes - 16, 16);
}

// XXH3 (low 32 bits) of bytes 8..length with the position as seed: a record that was moved,
// repeated or left over from an earlier lap does not check.
uint32_t mr_record_checksum(const void *record, uint32_t length, uint64_t position);
// Fills in the checksums of `bytes` of records that stand end to end from `position`.
void mr_record_checksum_run(void *records, uint64_t bytes, uint64_t position,
                            uint32_t first_length);

#endif
