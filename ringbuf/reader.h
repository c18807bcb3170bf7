// SPDX-License-Identifier: Apache-2.0
// The read side: peek → release, whole batches, nothing copied.
//
//     struct mr_reader reader;
//     mr_reader_open(&reader, &ring);
//     uint32_t length;
//     const struct mr_record *record;
//     while ((record = mr_next(&reader, &length)) != NULL)    // NULL: nothing more now, or corrupt
//         ... use the first `length` bytes ...
//     if (reader.corrupt) ... mr_reader_explain(&reader, &err) ...
//     mr_release(&reader, reader.position, NULL);             // the writer may overwrite them now
//
// Two ways to look: mr_next goes from record to record and learns from each one's length word whether
// it is there (ringbuf/layout.h), touching no other line, and mr_pass_alike over many that are alike;
// mr_peek_bytes asks write_pos how many bytes are final, for who moves bytes and not records.
//
// Who takes one record at a time says mr_release_lazily after each: the writer hears of it when the
// reader has nothing left, or has used up a part of the ring. Where the reader keeps running out right behind
// a busy writer it then rests for 4 us before it returns: both are up to three times as fast for it.
//
// The reader trusts nothing in shared memory: it reads each length once, checks it against what is
// left before the wrap and of the ring, and from then on uses only its own copy. A damaged ring gives
// an error that says where, not a crash. Of a record's other bytes only those can be relied on that
// the caller has copied.
#ifndef MR_RINGBUF_READER_H
#define MR_RINGBUF_READER_H

#include "core/atomic.h"
#include "core/clock.h"
#include "core/histogram.h"
#include "ringbuf/ring.h"

struct mr_reader {
    struct mr_ring *ring;
    uint64_t position;     // next byte to look at
    uint64_t released;     // the shared read_pos
    uint64_t write_pos;    // private copy of the writer's cursor
    uint32_t length_range; // of records: from MR_ENVELOPE_BYTES so far up
    uint64_t lane_read;
    uint64_t lane_write;
    uint64_t lane_seen;    // notes told by mr_reader_note_seen
    uint32_t run_outs;     // in a row, each behind a burst: see mr_release_lazily
    uint64_t run_out_tick; // the last one
    bool corrupt;
    bool bad_write_pos;  // corrupt: the writer's cursor it was, not a length
    bool bad_read_pos;   // corrupt: this side's own, as another process left it
    uint32_t bad_length; // corrupt: what was found at `position`
};

// Where latencies go when positions are released; either may be NULL.
struct mr_reader_timing {
    struct mr_histogram *hop_ns; // publish to release
    struct mr_histogram *age_ns; // origin to release
};

// The same when what was published is seen for the first time.
struct mr_reader_sight {
    struct mr_histogram *published_ns; // origin to publish
    struct mr_histogram *seen_ns;      // origin to the look
};

void mr_reader_open(struct mr_reader *reader, struct mr_ring *ring);
// For a reader that died between a commit elsewhere and the release that should have followed. Sets
// corrupt where the position is none that it can have come to.
void mr_reader_recover(struct mr_reader *reader, uint64_t position);

// Bytes that can be looked at without a gap: from reader->position to the wrap or the writer's
// cursor. A cursor further than the ring is long, or off the grid, is damage and sets corrupt; one
// that lags behind what mr_next has seen has not been stored yet.
uint64_t mr_peek_slow(struct mr_reader *reader);
static inline uint64_t mr_peek_bytes(struct mr_reader *reader)
{
    uint64_t ready = reader->write_pos - reader->position;
    if ((int64_t)ready <= 0 && (ready = mr_peek_slow(reader)) == 0)
        return 0;
    uint64_t to_wrap = reader->ring->capacity - (reader->position & reader->ring->mask);
    return ready < to_wrap ? ready : to_wrap;
}
static inline const uint8_t *mr_peek_at(const struct mr_reader *reader, uint64_t position)
{
    return reader->ring->data + (position & reader->ring->mask);
}

// Zero, or a length that is still to be published: nothing there.
static inline bool mr_is_published(uint32_t length_word)
{
    return (int32_t)length_word > 0;
}
static inline uint32_t mr_length_word(const struct mr_reader *reader)
{
    // Pairs with the release store in mr_publish_batch.
    return mr_load_acquire_u32(
        (const uint32_t *)(const void *)mr_peek_at(reader, reader->position));
}
static inline bool mr_has_record(const struct mr_reader *reader)
{
    return !reader->corrupt && mr_is_published(mr_length_word(reader));
}

// The next record, paddings skipped; *length is its checked length. NULL where nothing is there now
// or reader->corrupt was set.
const struct mr_record *mr_next_checked(struct mr_reader *reader, uint32_t *length);
static inline const struct mr_record *mr_next(struct mr_reader *reader, uint32_t *length)
{
    const struct mr_ring *ring = reader->ring;
    if (MR_UNLIKELY(reader->corrupt)) // its position may be none
        return NULL;
    uint64_t at = reader->position & ring->mask;
    const struct mr_record *record = (const void *)(ring->data + at);
    // Pairs with the release store in mr_publish_batch.
    uint32_t found = mr_load_acquire_u32(&record->length);
    uint64_t stride = mr_record_stride(found), end = reader->position + stride;
    if (!mr_is_published(found))
        return NULL;
    // Not a record like any other: padding, or damage. The flags only of one that ends before the wrap.
    if (MR_UNLIKELY(found - MR_ENVELOPE_BYTES > reader->length_range ||
                    at + stride > ring->capacity || end - reader->released > ring->capacity ||
                    record->flags & MR_FLAG_PADDING)) {
        struct mr_reader copy = *reader; // that the reader itself can be in registers
        record = mr_next_checked(&copy, &found);
        *reader = copy;
    } else {
        reader->position = end;
    }
    *length = found;
    return record;
}

// Passes over the records that follow, to limit_pos at most, as long as each is of this length, which must be what
// mr_next returned just now, and of this kind; says how many. For who only counts: where the next one begins does not
// wait for what this one says, and nothing but length, schema and flags is looked at.
static inline uint64_t mr_pass_alike(struct mr_reader *reader, uint32_t length, uint32_t kind,
                                     uint64_t limit_pos)
{
    const struct mr_ring *ring = reader->ring;
    uint64_t stride = mr_record_stride(length), count = 0, position = reader->position;
    uint64_t end_pos = mr_min_u64(limit_pos, reader->released + ring->capacity);
    end_pos = mr_min_u64(end_pos, (position | ring->mask) + 1); // within a lap
    const struct mr_record *record = (const void *)mr_peek_at(reader, position);
    // The acquire pairs with the release store in mr_publish_batch.
    while (position + stride <= end_pos && mr_load_acquire_u32(&record->length) == length &&
           mr_record_kind(record) == kind) {
        position += stride;
        record = (const void *)((const uint8_t *)record + stride);
        count++;
    }
    reader->position = position;
    return count;
}

// Frees everything before `position` for the writer, records latencies, wakes the writer if it
// sleeps.
void mr_release(struct mr_reader *reader, uint64_t position, const struct mr_reader_timing *timing);
// Records how old everything before `position` was at `tick` that was not looked at so far, without
// releasing it: a reader that hands records on before it may let go of them. *noted: the notes used for
// that, 0 at first.
void mr_reader_age(struct mr_reader *reader, uint64_t *noted, uint64_t position, uint64_t tick,
                   struct mr_histogram *age_ns);
// A look at `tick` has found something: attributes what was published by then and not told of so far. Before it is
// released, but the work on it need not wait for that. From the writer's notes, so one that publishes without a note
// is not counted.
void mr_reader_note_seen(struct mr_reader *reader, uint64_t tick,
                         const struct mr_reader_sight *sight);
// Part of mr_release_lazily: nothing more is there now, and this many bytes were since the last release.
void mr_rest_after_burst(struct mr_reader *reader, uint64_t bytes);
// Releases what was looked at, if nothing more is there now or the eighth part of the ring is used up; rests where it
// keeps running out.
static inline void mr_release_lazily(struct mr_reader *reader,
                                     const struct mr_reader_timing *timing)
{
    uint64_t bytes = reader->position - reader->released;
    bool more = mr_has_record(reader);
    if (more && bytes < reader->ring->capacity / 8)
        return;
    mr_release(reader, reader->position, timing);
    if (!more)
        mr_rest_after_burst(reader, bytes);
}
// Now and then while nothing comes: compares the length word with the writer's cursor, which mr_next
// never looks at. Where the cursor says that there is a record and the word does not, the ring is
// damaged: sets corrupt. So it is where this side's own cursor is not what it last stored.
void mr_reader_check(struct mr_reader *reader);
// The oldest origin tick among the notes of what is not released yet; 0 where there is none. A
// stage hands it on with what it makes of the batch.
uint64_t mr_reader_origin_tick(struct mr_reader *reader);
// True once the writer has closed the ring and everything before the end was looked at.
bool mr_reader_at_end(struct mr_reader *reader);
// Fills err with what is wrong in the ring and at which position; MR_ERR_CORRUPT.
int mr_reader_explain(const struct mr_reader *reader, struct mr_error *err);

#endif
