// SPDX-License-Identifier: Apache-2.0
#include "ringbuf/writer.h"

#include <inttypes.h>
#include <string.h>

#include "ringbuf/bell.h"

#define NOTE_GAP_NS 500

static void mark_corrupt(struct mr_writer *writer)
{
    writer->corrupt = true;
    writer->claim_end = 0; // every claim takes the slow path from now on
}

// The reader is never ahead of the writer, nor more than the ring behind it.
static void check_cursors(struct mr_writer *writer)
{
    if (writer->position % 8 != 0 || writer->position > MR_RING_POSITION_MAX ||
        writer->position - writer->read_pos > writer->ring->capacity)
        mark_corrupt(writer);
}

// A writer that died between the publishing store and the cursor's has left write_pos behind: the
// batch is walked to the zero word behind it.
static uint64_t end_of_published(const struct mr_ring *ring, uint64_t write_pos)
{
    uint64_t end = write_pos;
    while (write_pos % 8 == 0 && end - write_pos < ring->capacity) {
        uint32_t length = mr_load_relaxed_u32(mr_word_at(ring, end));
        if (length == 0 || length & MR_RING_UNPUBLISHED ||
            mr_record_stride(length) > ring->capacity - (end & ring->mask))
            break;
        end += mr_record_stride(length);
    }
    return end;
}

void mr_writer_open(struct mr_writer *writer, struct mr_ring *ring)
{
    mr_bell_setup();
    // The shared words of the writer's line were last written by this side: no ordering is needed.
    *writer = (struct mr_writer){
        .ring = ring,
        .position = end_of_published(ring, mr_load_relaxed_u64(&ring->writer_line->write_pos)),
        .horizon = mr_load_relaxed_u64(&ring->news->horizon),
        .lane_write = mr_load_relaxed_u64(&ring->news->lane_write),
        .head = MR_RING_UNPUBLISHED,
        // Pairs with the release store in mr_release.
        .read_pos = mr_load_acquire_u64(&ring->reader_line->read_pos),
        .lane_read = mr_load_acquire_u64(&ring->reader_line->lane_read),
    };
    writer->published = writer->position;
    writer->zeroed = writer->position;
    writer->touched = writer->position;
    writer->note_gap_ticks = (uint64_t)(NOTE_GAP_NS / mr_ns_per_tick);
    writer->lengths = (uint32_t)mr_min_u64(ring->capacity / 4, 1u << 30) - MR_ENVELOPE_BYTES + 1;
    check_cursors(writer);
    mr_store_relaxed_u32(&ring->news->closed, 0);
}

static void clear_word(uint32_t *word)
{
    if (mr_load_relaxed_u32(word) != 0)
        mr_store_relaxed_u32(word, 0);
}

void mr_writer_recover(struct mr_writer *writer, uint64_t position)
{
    uint64_t visible = writer->published;
    writer->position = position;
    writer->head = MR_RING_UNPUBLISHED;
    mr_abort(writer);
    check_cursors(writer);
    if (position - visible > writer->ring->capacity) // it would run back, or further than a lap
        mark_corrupt(writer);
    // One that died asleep would have the reader ring for it at every release.
    mr_store_relaxed_u32(&writer->ring->writer_sleep->asleep, 0);
    if (writer->corrupt)
        return;
    clear_word(mr_word_at(writer->ring, position));
    if (position != visible)
        mr_publish_batch(writer, position);
    else // what died between the two stores of a publish, or had published nothing
        mr_store_release_u64(&writer->ring->writer_line->write_pos, position);
    mr_ring_wake_reader(writer->ring);
}

// Looks at the reader's cursor. It only ever grows, and never beyond what was published.
static void refresh_read_pos(struct mr_writer *writer)
{
    // Pairs with the release store in mr_release: what the reader has left may be overwritten.
    uint64_t read_pos = mr_load_acquire_u64(&writer->ring->reader_line->read_pos);
    if (read_pos - writer->read_pos > writer->published - writer->read_pos)
        mark_corrupt(writer);
    else
        writer->read_pos = read_pos;
}

// Tells the taps how far bytes may be in the making, before one of them is touched. In steps of a
// sixteenth of the ring, so that the store is rare.
static void raise_horizon(struct mr_writer *writer, uint64_t end)
{
    writer->horizon = end + writer->ring->capacity / 16;
    mr_store_relaxed_u64(&writer->ring->news->horizon, writer->horizon);
    // Pairs with the acquire fence in mr_tap_next: the horizon is seen before the bytes behind it
    // change.
    mr_fence_release();
}

static void write_padding(struct mr_writer *writer, uint64_t bytes)
{
    uint8_t *at = writer->ring->data + (writer->position & writer->ring->mask);
    struct mr_record *padding = (struct mr_record *)(void *)at;
    mr_store_relaxed_u32(&padding->length, (uint32_t)bytes | writer->head);
    memset(at + sizeof padding->length, 0, bytes - sizeof padding->length);
    if (bytes < sizeof *padding)
        return; // the length alone says it: shorter than any record
    padding->flags = MR_FLAG_PADDING;
    if (writer->ring->checksummed)
        padding->checksum = mr_record_checksum(at, (uint32_t)bytes, writer->position);
}

// How far claims may go without another look: to the wrap, the horizon or the reader, and always one
// commit word less than that.
static uint64_t claim_end_now(const struct mr_writer *writer)
{
    uint64_t wrap = (writer->position | writer->ring->mask) + 1;
    uint64_t free_end = writer->read_pos + writer->ring->capacity - MR_RING_SPARE_BYTES;
    return mr_min_u64(wrap, mr_min_u64(free_end, writer->horizon - MR_RING_SPARE_BYTES));
}

struct mr_record *mr_claim_slow(struct mr_writer *writer, uint32_t length)
{
    struct mr_ring *ring = writer->ring;
    if (length < MR_ENVELOPE_BYTES || length > mr_claim_bytes_max(writer) || writer->corrupt)
        return NULL;
    uint64_t stride = mr_record_stride(length);
    uint64_t to_wrap = ring->capacity - (writer->position & ring->mask);
    uint64_t padding = stride > to_wrap ? to_wrap : 0;
    uint64_t end = writer->position + padding + stride + MR_RING_SPARE_BYTES;
    if (end - writer->read_pos > ring->capacity) {
        refresh_read_pos(writer);
        if (writer->corrupt || end - writer->read_pos > ring->capacity)
            return NULL;
    }
    if (end > writer->horizon)
        raise_horizon(writer, end);
    if (padding > 0)
        write_padding(writer, padding);
    // With padding before it the record begins the next lap: the claim after it looks again.
    writer->claim_end = padding > 0 ? writer->position : claim_end_now(writer);
    writer->padding = (uint32_t)padding;
    writer->claimed = length;
    writer->length_word = padding > 0 ? length : length | writer->head;
    if (end - MR_RING_SPARE_BYTES > writer->touched)
        writer->touched = end - MR_RING_SPARE_BYTES;
    uint32_t *word = mr_word_at(ring, writer->position + padding);
    mr_store_relaxed_u32(word, writer->length_word);
    return (struct mr_record *)(void *)word;
}

uint64_t mr_claim_run(struct mr_writer *writer, uint64_t bytes_max)
{
    uint64_t capacity = writer->ring->capacity - MR_RING_SPARE_BYTES;
    uint64_t to_wrap = writer->ring->capacity - (writer->position & writer->ring->mask);
    uint64_t bytes = mr_min_u64(bytes_max, to_wrap);
    if (writer->position + bytes - writer->read_pos > capacity)
        refresh_read_pos(writer);
    if (writer->corrupt)
        return 0;
    bytes = mr_min_u64(bytes, capacity - (writer->position - writer->read_pos));
    uint64_t end = writer->position + bytes;
    if (end + MR_RING_SPARE_BYTES > writer->horizon)
        raise_horizon(writer, end + MR_RING_SPARE_BYTES);
    if (end > writer->touched)
        writer->touched = end;
    return bytes;
}

void mr_commit_run(struct mr_writer *writer, uint64_t bytes, uint64_t records,
                   uint32_t first_length)
{
    if (bytes == 0)
        return;
    mr_store_relaxed_u32(mr_word_at(writer->ring, writer->position), first_length | writer->head);
    if (writer->ring->checksummed)
        mr_record_checksum_run(mr_claimed(writer), bytes, writer->position, first_length);
    writer->position += bytes;
    writer->head = 0;
    writer->unnoted += records;
}

void mr_commit_refused(const struct mr_writer *writer, uint32_t found)
{
    mr_damaged(
        "%s: found length word %#x in a claimed record, expected %#x: its first 8 bytes belong "
        "to the ring",
        writer->ring->segment.path, found, writer->length_word);
}

// Where the reader has not used up the lane, the records wait for a note that stands for them all.
void mr_leave_note(struct mr_writer *writer, uint64_t origin_tick)
{
    struct mr_ring *ring = writer->ring;
    if (writer->lane_write - writer->lane_read >= MR_RING_LANE_NOTES) {
        // Pairs with the release store in use_notes: the reader is done with the notes before it.
        writer->lane_read = mr_load_acquire_u64(&ring->reader_line->lane_read);
        if (writer->lane_write - writer->lane_read >= MR_RING_LANE_NOTES)
            return;
    }
    struct mr_ring_note *note = &ring->lane[writer->lane_write & (MR_RING_LANE_NOTES - 1)];
    note->end_pos = writer->position;
    note->origin_tick = origin_tick;
    note->publish_tick = mr_tick();
    note->records = writer->unnoted;
    writer->unnoted = 0;
    writer->noted_tick = origin_tick;
    writer->lane_write++;
    // Pairs with the acquire load in has_note.
    mr_store_release_u64(&ring->news->lane_write, writer->lane_write);
}

void mr_zero_commit_word(struct mr_writer *writer)
{
    memset(mr_word_at(writer->ring, writer->position), 0, MR_RING_SPARE_BYTES);
    writer->zeroed = writer->position + MR_RING_SPARE_BYTES;
    writer->touched = writer->position;
}

void mr_zero_ahead(struct mr_writer *writer)
{
    uint64_t end = mr_min_u64(writer->position + MR_ZERO_AHEAD_BYTES, writer->claim_end);
    if (end <= writer->zeroed)
        return;
    memset(mr_word_at(writer->ring, writer->zeroed), 0, end - writer->zeroed);
    writer->zeroed = end;
}

void mr_writer_close(struct mr_writer *writer)
{
    mr_publish(writer, mr_tick());
    // Pairs with the acquire load in mr_reader_at_end.
    mr_store_release_u32(&writer->ring->news->closed, 1);
    mr_ring_wake_reader(writer->ring);
}

static bool own_words_stand(const struct mr_writer *writer)
{
    const struct mr_ring *ring = writer->ring;
    return mr_load_relaxed_u64(&ring->writer_line->write_pos) == writer->published &&
           mr_load_relaxed_u64(&ring->news->horizon) == writer->horizon &&
           mr_load_relaxed_u32(&ring->news->closed) == 0;
}

void mr_writer_check(struct mr_writer *writer)
{
    refresh_read_pos(writer);
    if (writer->corrupt || own_words_stand(writer))
        return;
    writer->bad_own_words = true;
    mark_corrupt(writer);
}

int mr_writer_explain(const struct mr_writer *writer, struct mr_error *err)
{
    const struct mr_ring *ring = writer->ring;
    uint64_t write_pos = mr_load_relaxed_u64(&ring->writer_line->write_pos);
    uint64_t read_pos = mr_load_relaxed_u64(&ring->reader_line->read_pos);
    if (writer->bad_own_words)
        return mr_fail(
            err, MR_ERR_CORRUPT,
            "%s: found write position %" PRIu64 ", horizon %" PRIu64 ", closed %u, expected "
            "%" PRIu64 ", %" PRIu64 ", 0: another process writes into the ring",
            ring->segment.path, write_pos, mr_load_relaxed_u64(&ring->news->horizon),
            mr_load_relaxed_u32(&ring->news->closed), writer->published, writer->horizon);
    return mr_fail(err, MR_ERR_CORRUPT,
                   "%s: found read position %" PRIu64 " with write position %" PRIu64
                   ", expected %" PRIu64 " to %" PRIu64,
                   ring->segment.path, read_pos, writer->position, writer->read_pos,
                   writer->published);
}

uint64_t mr_writer_free_bytes(struct mr_writer *writer)
{
    refresh_read_pos(writer);
    if (writer->corrupt)
        return 0;
    uint64_t used = writer->position - writer->read_pos;
    uint64_t kept = mr_claim_bytes_max(writer) + MR_RING_SPARE_BYTES; // the longest padding
    uint64_t free_bytes = writer->ring->capacity - used;
    return free_bytes > kept ? free_bytes - kept : 0;
}
