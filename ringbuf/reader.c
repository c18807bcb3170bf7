// SPDX-License-Identifier: Apache-2.0
#include "ringbuf/reader.h"

#include <inttypes.h>

#include "ringbuf/bell.h"

static bool position_is_sound(uint64_t position)
{
    return position % 8 == 0 && position <= MR_RING_POSITION_MAX;
}

void mr_reader_open(struct mr_reader *reader, struct mr_ring *ring)
{
    mr_bell_setup();
    // read_pos was last written by this side: no ordering is needed.
    uint64_t position = mr_load_relaxed_u64(&ring->reader_line->read_pos);
    uint64_t lane_read = mr_load_relaxed_u64(&ring->reader_line->lane_read);
    *reader = (struct mr_reader){
        .ring = ring,
        .position = position,
        .released = position,
        .write_pos = position,
        // The longest is what mr_claim gives.
        .length_range = (uint32_t)mr_min_u64(ring->capacity / 4, INT32_MAX) - MR_ENVELOPE_BYTES,
        .lane_read = lane_read,
        .lane_write = lane_read,
        .lane_seen = lane_read,
    };
    reader->corrupt = reader->bad_read_pos = !position_is_sound(position);
}

void mr_reader_recover(struct mr_reader *reader, uint64_t position)
{
    uint64_t left = position - reader->released;
    // Nothing but a lap at most lies between: else it would run back, or further.
    if (!position_is_sound(position) || left > reader->ring->capacity)
        reader->corrupt = reader->bad_read_pos = true;
    if (reader->corrupt)
        return;
    reader->position = position;
    reader->write_pos = position;
    // One that died asleep would have the writer ring for it at every publish.
    mr_store_relaxed_u32(&reader->ring->reader_sleep->asleep, 0);
    mr_release(reader, position, NULL);
    // One that died between its release and the bell has left the writer asleep.
    mr_ring_wake_writer(reader->ring, position);
}

static uint64_t cursor_failed(struct mr_reader *reader)
{
    reader->corrupt = true;
    reader->bad_write_pos = true;
    return 0;
}

uint64_t mr_peek_slow(struct mr_reader *reader)
{
    uint64_t capacity = reader->ring->capacity;
    if (reader->corrupt)
        return 0;
    // Pairs with the release store of write_pos in mr_publish_batch.
    uint64_t write_pos = mr_load_acquire_u64(&reader->ring->writer_line->write_pos);
    int64_t ready = (int64_t)(write_pos - reader->position);
    int64_t looked_at = (int64_t)(reader->position - reader->released);
    if (write_pos % 8 != 0 || ready > (int64_t)capacity - looked_at || ready < -(int64_t)capacity)
        return cursor_failed(reader);
    if (ready <= 0)
        return 0;
    reader->write_pos = write_pos;
    return (uint64_t)ready;
}

// A reader at the writer's heels asks for the very line that is being written, over and over, and the writer waits
// for it to come back: each burst costs both some transfers of a line, however short it is. Some bursts in a row say
// that the writer is busy and stays so; then the reader looks away, and finds so much when it comes back that it
// seldom runs out from then on. Where records come singly, or bursts now and then, it looks again at once.
#define BURST_BYTES 512
#define BURSTS 4
#define REST_NS 4000LL
#define IN_A_ROW_NS (10 * REST_NS) // from one burst's end to the next one's, at most

void mr_rest_after_burst(struct mr_reader *reader, uint64_t bytes)
{
    uint64_t now_tick = mr_tick();
    bool in_a_row = mr_ticks_to_ns((int64_t)(now_tick - reader->run_out_tick)) < IN_A_ROW_NS;
    reader->run_outs = bytes < BURST_BYTES ? 0 : in_a_row ? reader->run_outs + 1 : 1;
    reader->run_out_tick = now_tick;
    if (reader->run_outs < BURSTS)
        return;
    while (mr_ticks_to_ns((int64_t)(mr_tick() - now_tick)) < REST_NS)
        mr_cpu_relax();
}

const struct mr_record *mr_next_checked(struct mr_reader *reader, uint32_t *length)
{
    const struct mr_ring *ring = reader->ring;
    for (;;) {
        uint32_t found = mr_length_word(reader);
        if (!mr_is_published(found))
            return NULL;
        const uint8_t *bytes = mr_peek_at(reader, reader->position);
        uint64_t stride = mr_record_stride(found), end = reader->position + stride;
        // Padding may be as short as 8 bytes: length 8 and nothing else.
        bool padding = found < MR_ENVELOPE_BYTES;
        if (stride > ring->capacity - (reader->position & ring->mask) ||
            end - reader->released > ring->capacity || found < 8 ||
            found > reader->length_range + MR_ENVELOPE_BYTES || (padding && found % 8 != 0)) {
            reader->corrupt = true;
            reader->bad_length = found;
            return NULL;
        }
        if (!padding) // only now is it known that the flags lie before the wrap
            padding = ((const struct mr_record *)(const void *)bytes)->flags & MR_FLAG_PADDING;
        reader->position = end;
        if (!padding) {
            *length = found;
            return (const struct mr_record *)(const void *)bytes;
        }
    }
}

void mr_reader_check(struct mr_reader *reader)
{
    if (mr_load_relaxed_u64(&reader->ring->reader_line->read_pos) != reader->released)
        reader->corrupt = reader->bad_read_pos = true;
    if (!position_is_sound(mr_load_relaxed_u64(&reader->ring->writer_line->write_pos)))
        reader->corrupt = reader->bad_write_pos = true;
    if (reader->corrupt)
        return;
    // The cursor first: it is stored after the word that it speaks of.
    if (mr_peek_bytes(reader) == 0 || mr_has_record(reader))
        return;
    reader->bad_length = mr_length_word(reader);
    reader->corrupt = true;
}

// The lane's fill, looked at anew where the private copy says empty. A count that cannot be is
// damage to a diagnostic only: the notes are skipped.
static bool has_note(struct mr_reader *reader)
{
    if (reader->lane_read != reader->lane_write)
        return true;
    // Pairs with the release store in mr_leave_note.
    reader->lane_write = mr_load_acquire_u64(&reader->ring->news->lane_write);
    if (reader->lane_write - reader->lane_read > MR_RING_LANE_NOTES)
        reader->lane_read = reader->lane_write;
    return reader->lane_read != reader->lane_write;
}

static const struct mr_ring_note *note_at(const struct mr_reader *reader, uint64_t index)
{
    return &reader->ring->lane[index & (MR_RING_LANE_NOTES - 1)];
}

static void use_notes(struct mr_reader *reader, uint64_t position,
                      const struct mr_reader_timing *timing)
{
    uint64_t first = reader->lane_read;
    uint64_t now = 0;
    // One lap of the lane at most, whoever writes it meanwhile.
    for (unsigned used = 0; used < MR_RING_LANE_NOTES && has_note(reader); used++) {
        const struct mr_ring_note *note = note_at(reader, reader->lane_read);
        if ((int64_t)(note->end_pos - position) > 0)
            break;
        reader->lane_read++;
        if (!timing)
            continue;
        if (now == 0)
            now = mr_tick();
        if (timing->hop_ns)
            mr_histogram_add(timing->hop_ns, mr_ticks_to_ns((int64_t)(now - note->publish_tick)),
                             note->records);
        if (timing->age_ns)
            mr_histogram_add(timing->age_ns, mr_ticks_to_ns((int64_t)(now - note->origin_tick)),
                             note->records);
    }
    if (reader->lane_read != first)
        // Pairs with the acquire load in mr_leave_note: the slots may be written again.
        mr_store_release_u64(&reader->ring->reader_line->lane_read, reader->lane_read);
}

void mr_reader_age(struct mr_reader *reader, uint64_t *noted, uint64_t position, uint64_t tick,
                   struct mr_histogram *age_ns)
{
    // Pairs with the release store in mr_leave_note.
    uint64_t lane_write = mr_load_acquire_u64(&reader->ring->news->lane_write);
    if (*noted < reader->lane_read || lane_write - *noted > MR_RING_LANE_NOTES)
        *noted = reader->lane_read;
    for (; *noted - reader->lane_read < MR_RING_LANE_NOTES && *noted != lane_write; ++*noted) {
        const struct mr_ring_note *note = note_at(reader, *noted);
        if ((int64_t)(note->end_pos - position) > 0)
            return;
        mr_histogram_add(age_ns, mr_ticks_to_ns((int64_t)(tick - note->origin_tick)),
                         note->records);
    }
}

void mr_release(struct mr_reader *reader, uint64_t position, const struct mr_reader_timing *timing)
{
    if (position == reader->released && reader->lane_read == reader->lane_write)
        return;
    reader->released = position;
    // Pairs with the acquire load in refresh_read_pos: what is released is no longer looked at.
    mr_store_release_u64(&reader->ring->reader_line->read_pos, position);
    use_notes(reader, position, timing);
    mr_ring_wake_writer(reader->ring, position);
}

void mr_reader_note_seen(struct mr_reader *reader, uint64_t tick,
                         const struct mr_reader_sight *sight)
{
    // Pairs with the release store in mr_leave_note.
    uint64_t lane_write = mr_load_acquire_u64(&reader->ring->news->lane_write);
    if (lane_write - reader->lane_seen > MR_RING_LANE_NOTES)
        reader->lane_seen = lane_write; // damage to a diagnostic: skipped
    for (; reader->lane_seen != lane_write; reader->lane_seen++) {
        const struct mr_ring_note *note = note_at(reader, reader->lane_seen);
        if ((int64_t)(tick - note->publish_tick) < 0)
            return;
        mr_histogram_add(sight->published_ns,
                         mr_ticks_to_ns((int64_t)(note->publish_tick - note->origin_tick)),
                         note->records);
        mr_histogram_add(sight->seen_ns, mr_ticks_to_ns((int64_t)(tick - note->origin_tick)),
                         note->records);
    }
}

uint64_t mr_reader_origin_tick(struct mr_reader *reader)
{
    return has_note(reader) ? note_at(reader, reader->lane_read)->origin_tick : 0;
}

bool mr_reader_at_end(struct mr_reader *reader)
{
    // Pairs with the release store in mr_writer_close: after it, write_pos is the last.
    if (mr_load_acquire_u32(&reader->ring->news->closed) != 1)
        return false;
    return mr_peek_bytes(reader) == 0 && !reader->corrupt;
}

int mr_reader_explain(const struct mr_reader *reader, struct mr_error *err)
{
    const struct mr_ring *ring = reader->ring;
    uint64_t write_pos = mr_load_acquire_u64(&ring->writer_line->write_pos);
    if (reader->bad_read_pos && position_is_sound(reader->position))
        return mr_fail(err, MR_ERR_CORRUPT,
                       "%s: byte %d: found read position %" PRIu64 ", expected %" PRIu64,
                       ring->segment.path, MR_RING_READER_OFFSET,
                       mr_load_relaxed_u64(&ring->reader_line->read_pos), reader->released);
    if (reader->bad_read_pos)
        return mr_fail(err, MR_ERR_CORRUPT,
                       "%s: found read position %" PRIu64 ", expected a multiple of 8 up to %llu",
                       ring->segment.path, reader->position, MR_RING_POSITION_MAX);
    if (reader->bad_write_pos)
        return mr_fail(err, MR_ERR_CORRUPT,
                       "%s: found write position %" PRIu64 ", expected %" PRIu64 " to %" PRIu64,
                       ring->segment.path, write_pos, reader->position,
                       reader->released + ring->capacity);
    return mr_fail(
        err, MR_ERR_CORRUPT,
        "%s: position %" PRIu64 " (byte %" PRIu64 " of the segment): found record length %u, "
        "expected %d to %" PRIu64,
        ring->segment.path, reader->position, MR_RING_DATA_OFFSET + (reader->position & ring->mask),
        reader->bad_length, MR_ENVELOPE_BYTES,
        mr_min_u64(ring->capacity / 4,
                   mr_min_u64(ring->capacity - (reader->position & ring->mask),
                              reader->released + ring->capacity - reader->position)));
}
