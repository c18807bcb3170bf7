// SPDX-License-Identifier: Apache-2.0
// The write side: claim → commit | abort, then publish.
//
//     struct mr_writer writer;
//     mr_writer_open(&writer, &ring);
//     struct mr_record *record = mr_claim(&writer, bytes);   // NULL: full
//     mr_record_begin(schema, record);                       // or mr_record_copy(); fill it ...
//     mr_commit(&writer);                                    // part of the batch, still unseen
//     mr_publish(&writer, origin_tick);                      // the whole batch becomes visible at once
//
// The first 8 bytes of a claimed record (length and checksum) belong to the ring: the length word
// may be the batch's commit word, and what is written there is what a reader acts on. mr_commit stops
// the process where it finds them changed.
//
// A claim that is neither committed nor published leaves no trace: whatever instruction the writer
// dies at, the reader sees whole records or none. One thread of one process at a time writes a
// ring.
//
// Who has one record at a time and more of them coming says mr_publish_lazily after each, and
// mr_publish before it waits for anything: the batch grows while the reader has work left.
#ifndef MR_RINGBUF_WRITER_H
#define MR_RINGBUF_WRITER_H

#include "core/atomic.h"
#include "core/clock.h"
#include "ringbuf/bell.h"
#include "ringbuf/ring.h"

struct mr_writer {
    struct mr_ring *ring;
    uint64_t position;  // end of what is committed, privately
    uint64_t published; // where the batch begins, and the commit word stands: the shared write_pos
    uint64_t claim_end; // mr_claim goes so far without a look: wrap, horizon, reader's cursor
    uint64_t read_pos;  // private copy of the reader's cursor
    uint64_t horizon;   // private copy of the shared one
    uint64_t zeroed;    // from position to here nothing but zeroes, unless touched says otherwise
    uint64_t touched;   // end of the furthest claim
    uint64_t unnoted;   // records that no note tells of yet
    uint32_t head;      // MR_RING_UNPUBLISHED where the next claim begins the batch, 0 within it
    uint32_t length_word; // what the open claim's length word must still be at its commit
    uint32_t claimed;     // length of the open claim; 0: none
    uint32_t padding;     // bytes of padding before the open claim
    uint64_t noted_tick;  // origin of the last note
    uint64_t note_gap_ticks;
    uint64_t lane_write;
    uint64_t lane_read; // private copy of the reader's
    uint32_t lengths;   // how many there are to choose from, see mr_claim
    bool corrupt;       // a shared word is impossible; mr_claim says NULL from then on
    bool bad_own_words; // corrupt: what this side wrote was changed by another
};

// Takes up where the ring's cursors stand.
void mr_writer_open(struct mr_writer *writer, struct mr_ring *ring);
// For a writer that died between a commit elsewhere (core/pipeline/stage.h) and the publish that
// should have followed: publishes everything before `position`, forgets what was written behind it. Sets
// corrupt, and publishes nothing, where the position is none that it can have come to.
void mr_writer_recover(struct mr_writer *writer, uint64_t position);
// The longest record this ring takes: a quarter of its capacity.
static inline uint32_t mr_claim_bytes_max(const struct mr_writer *writer)
{
    return writer->lengths + MR_ENVELOPE_BYTES - 1;
}

// Slow path of mr_claim: looks at the reader's cursor again, pads before the wrap.
struct mr_record *mr_claim_slow(struct mr_writer *writer, uint32_t length);

// Room for a record of `length` bytes, contiguous and 8-byte aligned; what stands in it is undefined,
// and its length word is not to be read either: it may be marked as unpublished. NULL where there is no room now (mr_wait_for_space waits for it), or
// where length is below the envelope's or above mr_claim_bytes_max. One claim at a time.
static inline struct mr_record *mr_claim(struct mr_writer *writer, uint32_t length)
{
    uint64_t end = writer->position + mr_record_stride(length);
    if (MR_UNLIKELY(end > writer->claim_end ||
                    length - MR_ENVELOPE_BYTES >= writer->lengths)) // too short or too long
        return mr_claim_slow(writer, length);
    struct mr_record *record =
        (struct mr_record *)(void *)(writer->ring->data + (writer->position & writer->ring->mask));
    writer->length_word = length | writer->head;
    writer->claimed = length;
    if (end > writer->touched)
        writer->touched = end;
    // The reader may be polling it: one store, and the bit says that there is nothing yet.
    mr_store_relaxed_u32(&record->length, writer->length_word);
    return record;
}

// The record that is claimed now, where one is.
static inline struct mr_record *mr_claimed(const struct mr_writer *writer)
{
    uint64_t position = writer->position + writer->padding;
    return (struct mr_record *)(void *)(writer->ring->data + (position & writer->ring->mask));
}

// The process ends here with a message and MR_ERR_CORRUPT: the first 8 bytes of a claimed record were
// written, by its own plugin or through another's mapping. Nothing of the batch is published.
_Noreturn void mr_commit_refused(const struct mr_writer *writer, uint32_t found);

// Makes the claim part of the batch. Zeroes the bytes up to the next multiple of 8 and, in a
// checksummed ring, fills in the checksum: from here on the record is final.
static inline void mr_commit(struct mr_writer *writer)
{
    struct mr_ring *ring = writer->ring;
    uint64_t position = writer->position + writer->padding;
    uint8_t *record = ring->data + (position & ring->mask);
    uint32_t length = writer->claimed;
    uint64_t stride = mr_record_stride(length);
    uint32_t found = mr_load_relaxed_u32(&((struct mr_record *)(void *)record)->length);
    if (MR_UNLIKELY(found != writer->length_word))
        mr_commit_refused(writer, found);
    for (uint64_t i = length; i < stride; i++)
        record[i] = 0;
    ((struct mr_record *)record)->checksum =
        ring->checksummed ? mr_record_checksum(record, length, position) : 0;
    writer->position = position + stride;
    writer->head = 0;
    writer->padding = 0;
    writer->claimed = 0;
    writer->unnoted++;
}

// A run: records end to end, made or moved together. mr_claim_run says how many bytes can be written at
// mr_claimed() without a gap, at most bytes_max, up to the wrap; 0: none without looking further (full, at
// the wrap, a dead ring), which mr_claim does. mr_commit_run makes the first `bytes` of them part of the
// batch: `records` whole records whose lengths stand and whose rounding is zero; only the first one's
// length word is left to the ring, which is told it. A checksummed ring adds the checksums. What lies
// behind was never claimed.
uint64_t mr_claim_run(struct mr_writer *writer, uint64_t bytes_max);
void mr_commit_run(struct mr_writer *writer, uint64_t bytes, uint64_t records,
                   uint32_t first_length);

// Gives the claim back; the room is claimed anew by the next record.
static inline void mr_abort(struct mr_writer *writer)
{
    writer->claimed = 0;
    writer->padding = 0;
}

// ---- parts of mr_publish
static inline uint32_t *mr_word_at(const struct mr_ring *ring, uint64_t position)
{
    return (uint32_t *)(void *)(ring->data + (position & ring->mask));
}
void mr_leave_note(struct mr_writer *writer, uint64_t origin_tick);
void mr_zero_commit_word(struct mr_writer *writer);
void mr_zero_ahead(struct mr_writer *writer);
// The publication: from writer->published to `position`, where the word is zero.
static inline void mr_publish_batch(struct mr_writer *writer, uint64_t position)
{
    struct mr_ring *ring = writer->ring;
    uint32_t *commit_word = mr_word_at(ring, writer->published);
    writer->published = position;
    // Pairs with the acquire load in mr_length_word: whoever sees the bit cleared sees the whole
    // batch, and the zero word behind it.
    mr_store_release_u32(commit_word, mr_load_relaxed_u32(commit_word) & ~MR_RING_UNPUBLISHED);
    // Pairs with the acquire load in mr_peek_slow, and in the taps: bytes before it are final.
    mr_store_release_u64(&ring->writer_line->write_pos, position);
}
// Zeroed ahead of the writer, so that a publish finds its next commit word ready: what a few short
// records take. The lines are the next to be written, so they are fetched a little earlier, no more.
#define MR_ZERO_AHEAD_BYTES 256

// Makes everything committed visible, leaves a timing note if it is time for one, and wakes the
// reader if it sleeps. `origin_tick` is when the oldest byte of the batch was first held (mr_tick());
// 0: unknown, which a later note tells with that of later records.
static inline void mr_publish(struct mr_writer *writer, uint64_t origin_tick)
{
    if (writer->position == writer->published)
        return;
    if (origin_tick != 0 && origin_tick - writer->noted_tick >= writer->note_gap_ticks)
        mr_leave_note(writer, origin_tick);
    if (MR_UNLIKELY(writer->zeroed < writer->position + MR_RING_SPARE_BYTES ||
                    writer->touched > writer->position))
        mr_zero_commit_word(writer);
    mr_publish_batch(writer, writer->position);
    writer->head = MR_RING_UNPUBLISHED;
    mr_ring_wake_reader(writer->ring);
    // After the publication, when nobody waits for it.
    if (writer->zeroed < writer->position + MR_ZERO_AHEAD_BYTES / 2)
        mr_zero_ahead(writer);
}

// A batch this long is published even if the reader has not finished the one before.
#define MR_LAZY_BYTES_MAX 4096
// Publishes if the reader has nothing left to do, or the batch is long enough.
static inline void mr_publish_lazily(struct mr_writer *writer, uint64_t origin_tick)
{
    // Pairs with the release store in mr_release. Mostly a look at a line that nobody has written
    // meanwhile: a reader with work left releases lazily, too.
    if (writer->position - writer->published >= MR_LAZY_BYTES_MAX ||
        mr_load_acquire_u64(&writer->ring->reader_line->read_pos) == writer->published)
        mr_publish(writer, origin_tick);
}

// End of stream: the reader sees it once it has read everything.
void mr_writer_close(struct mr_writer *writer);
// Counts one record dropped because the ring was full.
static inline void mr_writer_count_drop(struct mr_writer *writer)
{
    struct mr_ring_writer_news *news = writer->ring->news;
    mr_store_relaxed_u64(&news->dropped, news->dropped + 1);
}
// Bytes that can be claimed for sure, wrap included, as of the last look at the reader's cursor.
uint64_t mr_writer_free_bytes(struct mr_writer *writer);
// Now and then: whether the reader's cursor is one that it can have come to, and this side's own words
// are what it last stored. If not, sets corrupt.
void mr_writer_check(struct mr_writer *writer);
// Fills err with what is wrong in the ring; MR_ERR_CORRUPT.
int mr_writer_explain(const struct mr_writer *writer, struct mr_error *err);

#endif
