// SPDX-License-Identifier: Apache-2.0
// The write side: claim → commit | abort, then publish.
//
//     struct mr_writer writer;
//     mr_writer_open(&writer, &ring);
//     struct mr_record *record = mr_claim(&writer, bytes);   // NULL: full
//     ... fill it ...
//     mr_commit(&writer);                                    // part of the batch, still unseen
//     mr_publish(&writer, origin_tick);                      // the whole batch becomes visible at
//     once
//
// A claim that is neither committed nor published leaves no trace: whatever instruction the writer
// dies at, the reader sees whole records or none. One thread of one process at a time writes a
// ring.
#ifndef MR_RINGBUF_WRITER_H
#define MR_RINGBUF_WRITER_H

#include "core/atomic.h"
#include "core/clock.h"
#include "ringbuf/ring.h"

struct mr_writer {
    struct mr_ring *ring;
    uint64_t position;    // end of what is committed, privately
    uint64_t published;   // what the reader may see: the shared write_pos
    uint64_t read_pos;    // private copy of the reader's cursor
    uint64_t horizon;     // private copy of the shared one
    uint64_t batch_count; // records committed since the last publish
    uint32_t claimed;     // length of the open claim; 0: none
    uint32_t padding;     // bytes of padding before the open claim
    uint64_t lane_write;
    uint64_t lane_read;   // private copy of the reader's
    uint64_t noted_count; // records published without a note, because the lane was full
    uint32_t lengths;     // how many there are to choose from, see mr_claim
    bool corrupt;         // the reader's cursor is impossible; mr_claim says NULL from then on
};

// Takes up where the ring's cursors stand.
void mr_writer_open(struct mr_writer *writer, struct mr_ring *ring);
// For a writer that died between a commit elsewhere (core/pipeline/stage.h) and the publish that
// should have followed: publishes everything before `position`, forgets what was written behind it.
void mr_writer_recover(struct mr_writer *writer, uint64_t position);
// The longest record this ring takes: a quarter of its capacity.
static inline uint32_t mr_claim_bytes_max(const struct mr_writer *writer)
{
    return (uint32_t)mr_min_u64(writer->ring->capacity / 4, 1u << 30);
}

// Slow path of mr_claim: looks at the reader's cursor again, pads before the wrap.
struct mr_record *mr_claim_slow(struct mr_writer *writer, uint32_t length);

// Room for a record of `length` bytes, contiguous and 8-byte aligned; its content is undefined but
// for `length`, which is set. NULL where there is no room now (mr_wait_space waits for it), or
// where length is below the envelope's or above mr_claim_bytes_max. One claim at a time.
static inline struct mr_record *mr_claim(struct mr_writer *writer, uint32_t length)
{
    uint64_t stride = mr_record_stride(length);
    uint64_t end = writer->position + stride;
    uint64_t at = writer->position & writer->ring->mask;
    if (MR_UNLIKELY(end > writer->horizon || at + stride > writer->ring->capacity ||
                    end - writer->read_pos > writer->ring->capacity ||
                    length - MR_ENVELOPE_BYTES >= writer->lengths)) // too short or too long
        return mr_claim_slow(writer, length);
    struct mr_record *record = (struct mr_record *)(writer->ring->data + at);
    record->length = length;
    writer->claimed = length;
    return record;
}

// The record that is claimed now, where one is.
static inline struct mr_record *mr_claimed(const struct mr_writer *writer)
{
    uint64_t position = writer->position + writer->padding;
    return (struct mr_record *)(void *)(writer->ring->data + (position & writer->ring->mask));
}

// Makes the claim part of the batch. Zeroes the bytes up to the next multiple of 8 and, in a
// checksummed ring, fills in the checksum: from here on the record is final.
static inline void mr_commit(struct mr_writer *writer)
{
    struct mr_ring *ring = writer->ring;
    uint64_t position = writer->position + writer->padding;
    uint8_t *record = ring->data + (position & ring->mask);
    uint32_t length = writer->claimed;
    uint64_t stride = mr_record_stride(length);
    for (uint64_t i = length; i < stride; i++)
        record[i] = 0;
    ((struct mr_record *)record)->length = length;
    ((struct mr_record *)record)->checksum =
        ring->checksummed ? mr_record_checksum(record, length, position) : 0;
    writer->position = position + stride;
    writer->padding = 0;
    writer->claimed = 0;
    writer->batch_count++;
}

// A run: records end to end, made or moved together. mr_claim_run says how many bytes can be written at
// mr_claimed() without a gap, at most bytes_max, up to the wrap; 0: none without looking further (full, at
// the wrap, a dead ring), which mr_claim does. mr_commit_run makes the first `bytes` of them part of the
// batch: `records` whole records whose lengths stand and whose rounding is zero; a checksummed ring adds
// the checksums. What lies behind was never claimed.
uint64_t mr_claim_run(struct mr_writer *writer, uint64_t bytes_max);
void mr_commit_run(struct mr_writer *writer, uint64_t bytes, uint64_t records);

// Gives the claim back; the room is claimed anew by the next record.
static inline void mr_abort(struct mr_writer *writer)
{
    writer->claimed = 0;
    writer->padding = 0;
}

// Makes everything committed visible, leaves one timing note, and wakes the reader if it sleeps.
// `origin_tick` is when the oldest byte of the batch was first held (mr_tick()).
void mr_publish(struct mr_writer *writer, uint64_t origin_tick);

// End of stream: the reader sees it once it has read everything.
void mr_writer_close(struct mr_writer *writer);
// Counts one record dropped because the ring was full.
static inline void mr_writer_count_drop(struct mr_writer *writer)
{
    struct mr_ring_writer_line *line = writer->ring->writer_line;
    mr_store_relaxed_u64(&line->dropped, line->dropped + 1);
}
// Bytes that can be claimed for sure, wrap included, as of the last look at the reader's cursor.
uint64_t mr_writer_free_bytes(struct mr_writer *writer);

#endif
