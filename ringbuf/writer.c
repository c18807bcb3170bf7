// SPDX-License-Identifier: Apache-2.0
#include "ringbuf/writer.h"

#include <string.h>

#include "ringbuf/bell.h"

static void mark_corrupt(struct mr_writer *writer)
{
    writer->corrupt = true;
    writer->horizon = 0; // every claim takes the slow path from now on
}

// The reader is never ahead of the writer, nor more than the ring behind it.
static void check_cursors(struct mr_writer *writer)
{
    if (writer->position % 8 != 0 || writer->position - writer->read_pos > writer->ring->capacity)
        mark_corrupt(writer);
}

void mr_writer_open(struct mr_writer *writer, struct mr_ring *ring)
{
    // The shared words of the writer's line were last written by this side: no ordering is needed.
    *writer = (struct mr_writer){
        .ring = ring,
        .position = mr_load_relaxed_u64(&ring->writer_line->write_pos),
        .horizon = mr_load_relaxed_u64(&ring->writer_line->horizon),
        .lane_write = mr_load_relaxed_u64(&ring->writer_line->lane_write),
        // Pairs with the release store in mr_release.
        .read_pos = mr_load_acquire_u64(&ring->reader_line->read_pos),
        .lane_read = mr_load_acquire_u64(&ring->reader_line->lane_read),
    };
    writer->published = writer->position;
    writer->lengths = mr_claim_bytes_max(writer) - MR_ENVELOPE_BYTES + 1;
    check_cursors(writer);
    mr_store_relaxed_u32(&ring->writer_line->closed, 0);
}

void mr_writer_recover(struct mr_writer *writer, uint64_t position)
{
    writer->position = position;
    writer->published = position;
    check_cursors(writer);
    mr_abort(writer);
    // One that died asleep would have the reader ring for it at every release.
    mr_store_relaxed_u32(&writer->ring->writer_sleep->asleep, 0);
    // Pairs with the acquire load in mr_peek_bytes.
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
    mr_store_relaxed_u64(&writer->ring->writer_line->horizon, writer->horizon);
    // Pairs with the acquire fence in mr_tap_next: the horizon is seen before the bytes behind it
    // change.
    mr_fence_release();
}

static void write_padding(struct mr_writer *writer, uint64_t bytes)
{
    uint8_t *at = writer->ring->data + (writer->position & writer->ring->mask);
    memset(at, 0, bytes);
    struct mr_record *padding = (struct mr_record *)(void *)at;
    padding->length = (uint32_t)bytes;
    if (bytes < sizeof *padding)
        return; // the length alone says it: shorter than any record
    padding->flags = MR_FLAG_PADDING;
    if (writer->ring->checksummed)
        padding->checksum = mr_record_checksum(at, padding->length, writer->position);
}

struct mr_record *mr_claim_slow(struct mr_writer *writer, uint32_t length)
{
    struct mr_ring *ring = writer->ring;
    if (length < MR_ENVELOPE_BYTES || length > mr_claim_bytes_max(writer) || writer->corrupt)
        return NULL;
    uint64_t stride = mr_record_stride(length);
    uint64_t to_wrap = ring->capacity - (writer->position & ring->mask);
    uint64_t padding = stride > to_wrap ? to_wrap : 0;
    uint64_t end = writer->position + padding + stride;
    if (end - writer->read_pos > ring->capacity) {
        refresh_read_pos(writer);
        if (writer->corrupt || end - writer->read_pos > ring->capacity)
            return NULL;
    }
    if (end > writer->horizon)
        raise_horizon(writer, end);
    if (padding > 0)
        write_padding(writer, padding);
    writer->padding = (uint32_t)padding;
    struct mr_record *record =
        (struct mr_record *)(void *)(ring->data + ((writer->position + padding) & ring->mask));
    record->length = length;
    writer->claimed = length;
    return record;
}

uint64_t mr_claim_run(struct mr_writer *writer, uint64_t bytes_max)
{
    uint64_t capacity = writer->ring->capacity;
    uint64_t to_wrap = capacity - (writer->position & writer->ring->mask);
    uint64_t bytes = mr_min_u64(bytes_max, to_wrap);
    if (writer->position + bytes - writer->read_pos > capacity)
        refresh_read_pos(writer);
    if (writer->corrupt)
        return 0;
    bytes = mr_min_u64(bytes, capacity - (writer->position - writer->read_pos));
    if (writer->position + bytes > writer->horizon)
        raise_horizon(writer, writer->position + bytes);
    return bytes;
}

void mr_commit_run(struct mr_writer *writer, uint64_t bytes, uint64_t records)
{
    if (writer->ring->checksummed)
        mr_record_checksum_run(mr_claimed(writer), bytes, writer->position);
    writer->position += bytes;
    writer->batch_count += records;
}

// One note a publish; where the reader has not used up the lane, the records wait for the next
// note.
static void leave_note(struct mr_writer *writer, uint64_t origin_tick)
{
    struct mr_ring *ring = writer->ring;
    writer->noted_count += writer->batch_count;
    if (writer->lane_write - writer->lane_read >= MR_RING_LANE_NOTES) {
        // Pairs with the release store in mr_release: the reader is done with the notes before it.
        writer->lane_read = mr_load_acquire_u64(&ring->reader_line->lane_read);
        if (writer->lane_write - writer->lane_read >= MR_RING_LANE_NOTES)
            return;
    }
    struct mr_ring_note *note = &ring->lane[writer->lane_write & (MR_RING_LANE_NOTES - 1)];
    note->end_pos = writer->position;
    note->origin_tick = origin_tick;
    note->publish_tick = mr_tick();
    note->records = writer->noted_count;
    writer->noted_count = 0;
    writer->lane_write++;
    // Pairs with the acquire load in mr_release.
    mr_store_release_u64(&ring->writer_line->lane_write, writer->lane_write);
}

void mr_publish(struct mr_writer *writer, uint64_t origin_tick)
{
    struct mr_ring *ring = writer->ring;
    if (writer->position == writer->published)
        return;
    leave_note(writer, origin_tick);
    writer->batch_count = 0;
    writer->published = writer->position;
    // Pairs with the acquire load in mr_peek_bytes: whoever sees the position sees the records.
    mr_store_release_u64(&ring->writer_line->write_pos, writer->position);
    mr_ring_wake_reader(ring);
}

void mr_writer_close(struct mr_writer *writer)
{
    mr_publish(writer, mr_tick());
    // Pairs with the acquire load in mr_reader_at_end.
    mr_store_release_u32(&writer->ring->writer_line->closed, 1);
    mr_ring_wake_reader(writer->ring);
}

uint64_t mr_writer_free_bytes(struct mr_writer *writer)
{
    refresh_read_pos(writer);
    uint64_t used = writer->position - writer->read_pos;
    uint64_t longest_padding = mr_claim_bytes_max(writer);
    uint64_t free_bytes = writer->ring->capacity - used;
    return free_bytes > longest_padding ? free_bytes - longest_padding : 0;
}
