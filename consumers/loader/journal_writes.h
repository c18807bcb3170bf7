// SPDX-License-Identifier: Apache-2.0
// How a stretch of the stream comes into a segment file: in blocks.
//
//     written       submitted            accepted
//        |  in flight   |  fills a block    |
//
// A block ends at a fixed place of the file (or at the ring's wrap, or the segment's end), wherever records
// end: the page cache takes whole aligned blocks a third faster than the same bytes cut elsewhere. While
// writes are in flight a block waits until it is full; as soon as none is, what there is goes out as it is,
// and up to MR_JOURNAL_BRIEF_BYTES by the call itself. So a busy stream goes in whole blocks, and a slow one
// at once.
//
// A block is an eighth of the ring, so that its writer goes on meanwhile, within
// MR_JOURNAL_BLOCK_BYTES_MIN and _MAX: the fewer, the fewer wake-ups. It ends at multiples of its size, but one of
// 1 MiB halfway between two: the kernel takes a piece of memory for each aligned part of a write, and the
// larger ones of those are what a virtual machine gives back to its host and has to fetch again
// (docs/PERFORMANCE.md, Loader).
//
// With a descriptor for direct writing, whole pages go past the page cache, from the ring as they are.
// What is left of a page, at either end, goes through the cache: no page is ever written both ways.
#ifndef MR_CONSUMERS_LOADER_JOURNAL_WRITES_H
#define MR_CONSUMERS_LOADER_JOURNAL_WRITES_H

#include "consumers/loader/io.h"
#include "consumers/loader/segment_files.h"
#include "ringbuf/ring.h"

#define MR_JOURNAL_BLOCK_BYTES_MIN (64ULL << 10)
#define MR_JOURNAL_BLOCK_BYTES_MAX (1ULL << 20)
#define MR_JOURNAL_BRIEF_BYTES (64u << 10)
#define MR_JOURNAL_WRITES_MAX 32 // in flight
#define MR_JOURNAL_ENDS_MAX 64

struct mr_journal_write {
    uint64_t end_pos;
    bool done;
};

struct mr_journal_writes {
    struct mr_io *io;
    const struct mr_io_client
        *client; // told with the write's index as tag: mr_journal_writes_done()
    const struct mr_ring *ring;
    const struct mr_segment_files *files;
    uint64_t block_bytes; // a power of two, as the ring's capacity is
    uint64_t shift_bytes; // a block ends so many before a multiple of that
    struct mr_journal_write items[MR_JOURNAL_WRITES_MAX]; // a ring, oldest first
    unsigned first, count;
    uint64_t written_pos;   // everything before it was written
    uint64_t submitted_pos; // everything before it was handed to the I/O layer
    uint64_t accepted_pos;
    // Where records end: one place for each stretch that was accepted. A ring, oldest first.
    uint64_t ends[MR_JOURNAL_ENDS_MAX];
    unsigned first_end, end_count;
    uint64_t ended_pos; // the last such place that mr_journal_writes_ended() has said
};

// io, client, ring and files are set.
void mr_journal_writes_open(struct mr_journal_writes *writes, uint64_t start_pos);
// The stretch up to end_pos, which ends with a record, is to be written. Within one segment.
void mr_journal_writes_accept(struct mr_journal_writes *writes, uint64_t end_pos);
// Hands over what is to go now.
void mr_journal_writes_submit(struct mr_journal_writes *writes);
// A write that was told of has ended well.
void mr_journal_writes_done(struct mr_journal_writes *writes, uint64_t tag);
// The last place at or before `position` where an accepted stretch ends. Positions only grow.
uint64_t mr_journal_writes_ended(struct mr_journal_writes *writes, uint64_t position);

#endif
