// SPDX-License-Identifier: Apache-2.0
// The ring in shared memory: one writer, one reader, and any number of taps that only look.
//
// Concept. The ring is a byte stream that never ends: a position is a 64-bit count of bytes since
// the stream began, and byte p stands at data[p mod capacity]. The writer owns write_pos:
// everything before it is whole and final. The reader owns read_pos: everything before it may be
// overwritten. Each side keeps a private copy of the other's cursor and looks at the shared one
// only when the copy says "full" or "empty". Records are contiguous: where one does not fit before
// the wrap, a padding record fills the rest. Records start at multiples of 8.
//
// What becomes visible at once is a batch: the records since the last publish. Its first length word is
// the commit word. Until the batch is published that word is zero, or the length with
// MR_RING_UNPUBLISHED set; clearing the bit publishes the whole batch. So a reader polls the very line
// that it reads next, and a record of a cache line moves to the other core in one transfer. write_pos
// follows at once, for those who look at bytes rather than records (loader, taps, supervisor).
// Behind the batch stands a zero word, the next commit word; it is written before the batch is published,
// mostly long before, so that the publishing store does not wait for it.
//
//           0         read_pos              write_pos        claimed          capacity
//   data    |  free   | whole records       | being written  |  free          |
//                     ^ reader's cursor     ^ writer's cursor                 ^ wrap
//
// Layout of the segment, in bytes:
//
//        0  segment header                        (core/segment.h)
//      128  struct mr_ring_geometry               written once, at creation
//     4096  struct mr_ring_writer_line            written by the writer at each publish
//     4224  struct mr_ring_reader_line            written by the reader at each release
//     4352  struct mr_ring_reader_sleep           written by the reader when it goes to sleep
//     4480  struct mr_ring_writer_sleep           written by the writer when it goes to sleep
//     4608  struct mr_ring_writer_news            written by the writer now and then
//     8192  timing lane, 1024 notes of 32 bytes   written by the writer
//    40960  schema table, up to 128 KiB           written by the writer before its first record
//   172032  data, `capacity` bytes
#ifndef MR_RINGBUF_LAYOUT_H
#define MR_RINGBUF_LAYOUT_H

#include "core/segment.h"

enum mr_full_policy {
    MR_FULL_BLOCK,       // the writer waits
    MR_FULL_DROP_NEWEST, // the record at hand is dropped and counted
};

#define MR_RING_GEOMETRY_OFFSET 128
#define MR_RING_WRITER_OFFSET 4096
#define MR_RING_READER_OFFSET 4224
#define MR_RING_READER_SLEEP_OFFSET 4352
#define MR_RING_WRITER_SLEEP_OFFSET 4480
#define MR_RING_WRITER_NEWS_OFFSET 4608
#define MR_RING_LANE_OFFSET 8192
#define MR_RING_LANE_NOTES 1024 // a power of two
#define MR_RING_SCHEMA_OFFSET 40960
#define MR_RING_SCHEMA_BYTES_MAX (128u << 10)
#define MR_RING_DATA_OFFSET 172032
#define MR_RING_CAPACITY_MIN (64u << 10)
#define MR_RING_CAPACITY_MAX (1ULL << 36)
#define MR_RING_UNPUBLISHED (1u << 31) // in a commit word: no record has a length that long
// No stream comes so far. A cursor beyond it is damage, and sums of positions never overflow.
#define MR_RING_POSITION_MAX (1ULL << 62)
// Free at all times: the commit word behind the last batch.
#define MR_RING_SPARE_BYTES 8

struct mr_ring_geometry {
    uint64_t capacity;    // bytes of data, a power of two
    uint64_t start_pos;   // the stream's first position in this ring (a journal that is appended to
                          // goes on)
    uint32_t full_policy; // mr_full_policy
    uint32_t checksummed; // 1: every record carries its checksum
};

// How far the bytes are final. Paired with mr_ring_reader_line.
struct mr_ring_writer_line {
    uint64_t write_pos; // release by the writer; acquired by whoever looks at bytes
};

struct mr_ring_reader_line {
    uint64_t read_pos;  // release by the reader; acquired by the writer
    uint64_t lane_read; // notes used so far
};

// What the writer has to say less often than at each publish; on a line of its own, so that the
// reader keeps its copy of it.
struct mr_ring_writer_news {
    uint64_t horizon; // no byte at or beyond it was ever touched; taps check it after copying
    uint64_t
        lane_write;  // notes written so far; released before the batch that the last one is about
    uint32_t closed; // 1: no record will ever follow write_pos (end of stream)
    uint32_t schemas_ready; // 1: the schema table stands
    uint64_t dropped;       // records dropped under MR_FULL_DROP_NEWEST
};

// A futex word and a flag for each side that may sleep. They stand on lines of their own: the peer
// reads the flag at every publish, and the line stays shared in its cache until somebody really
// sleeps.
struct mr_ring_reader_sleep {
    uint32_t asleep; // set by the reader before it looks a last time; read by the writer after it
                     // published
    uint32_t bell;   // rung (incremented) by the writer
};
struct mr_ring_writer_sleep {
    uint32_t asleep; // set by the writer before it looks a last time; read by the reader after it
                     // released
    uint32_t bell;   // rung by the reader
};

// The timing lane: latency is not a record's business, so a publish leaves a note here, and the
// reader attributes it to the positions it releases. Half a microsecond lies between notes at
// least: where publishes come closer together, the next note stands for the batches before it, too.
struct mr_ring_note {
    uint64_t end_pos;      // the publish made everything before it visible
    uint64_t origin_tick;  // when the feed's oldest byte in it was first held, by the first stage
    uint64_t publish_tick; // when this ring's writer published it
    uint64_t records;      // how many records became visible since the note before
};

_Static_assert(sizeof(struct mr_segment_header) <= MR_RING_GEOMETRY_OFFSET,
               "header before geometry");
_Static_assert(MR_RING_READER_OFFSET - MR_RING_WRITER_OFFSET == MR_FALSE_SHARING_RANGE,
               "own lines");
_Static_assert(sizeof(struct mr_ring_writer_line) <= MR_CACHE_LINE, "one line");
_Static_assert(sizeof(struct mr_ring_reader_line) <= MR_CACHE_LINE, "one line");
_Static_assert(sizeof(struct mr_ring_writer_news) <= MR_CACHE_LINE, "one line");
_Static_assert(MR_RING_WRITER_NEWS_OFFSET + MR_FALSE_SHARING_RANGE <= MR_RING_LANE_OFFSET, "room");
_Static_assert(MR_RING_WRITER_NEWS_OFFSET + sizeof(struct mr_ring_writer_news) <=
                   MR_RING_WRITER_OFFSET + MR_PAGE_BYTES,
               "all that a reader writes is in one page");
_Static_assert(sizeof(struct mr_ring_note) == 32, "note size");
_Static_assert(MR_RING_LANE_OFFSET + MR_RING_LANE_NOTES * sizeof(struct mr_ring_note) ==
                   MR_RING_SCHEMA_OFFSET,
               "lane ends where the schemas begin");
_Static_assert(MR_RING_SCHEMA_OFFSET + MR_RING_SCHEMA_BYTES_MAX == MR_RING_DATA_OFFSET,
               "schema area");
_Static_assert(MR_RING_DATA_OFFSET % MR_PAGE_BYTES == 0, "data begins on a page");

#endif
