// SPDX-License-Identifier: Apache-2.0
#include "ringbuf/tap.h"

#include <stdlib.h>

#include "core/atomic.h"

void mr_tap_open(struct mr_tap *tap, const struct mr_ring *ring, enum mr_tap_start start)
{
    // Both cursors stand between records, always.
    uint64_t position = start == MR_TAP_NEWEST ? mr_load_acquire_u64(&ring->writer_line->write_pos)
                                               : mr_load_acquire_u64(&ring->reader_line->read_pos);
    *tap = (struct mr_tap){.ring = ring, .position = position & ~(uint64_t)7};
}

void mr_tap_close(struct mr_tap *tap)
{
    free(tap->copy);
    tap->copy = NULL;
}

static void start_again_at(struct mr_tap *tap, uint64_t position)
{
    tap->lost_bytes += position - tap->position;
    tap->overruns++;
    tap->position = position & ~(uint64_t)7; // a damaged cursor stays a tap's one trouble
}

// Whether the bytes from tap->position on are still those of this lap. To be asked after copying
// them.
static bool copy_is_good(const struct mr_tap *tap)
{
    // Pairs with the release fence in raise_horizon: if a byte that was copied belongs to the next
    // lap, then the horizon read here is beyond it.
    mr_fence_acquire();
    uint64_t horizon = mr_load_relaxed_u64(&tap->ring->news->horizon);
    return horizon <= tap->position + tap->ring->capacity;
}

static bool make_room(struct mr_tap *tap, uint64_t bytes)
{
    if (bytes <= tap->copy_bytes)
        return true;
    uint8_t *larger = aligned_alloc(MR_CACHE_LINE, mr_align_up(bytes, MR_CACHE_LINE));
    if (!larger)
        return false;
    free(tap->copy);
    tap->copy = larger;
    tap->copy_bytes = mr_align_up(bytes, MR_CACHE_LINE);
    return true;
}

static void copy_words(struct mr_tap *tap, const uint8_t *from, uint64_t bytes)
{
    for (uint64_t i = 0; i < bytes; i += 8)
        *(uint64_t *)(void *)(tap->copy + i) =
            mr_load_relaxed_u64((const uint64_t *)(const void *)(from + i));
}

const struct mr_record *mr_tap_next(struct mr_tap *tap)
{
    const struct mr_ring *ring = tap->ring;
    uint64_t begin = tap->position;
    while (tap->position - begin < ring->capacity) { // more padding than that there cannot be
        // Pairs with the release store in mr_publish_batch.
        uint64_t write_pos = mr_load_acquire_u64(&ring->writer_line->write_pos);
        uint64_t ready = write_pos - tap->position;
        if (ready == 0)
            return NULL;
        const uint8_t *at = ring->data + (tap->position & ring->mask);
        uint32_t length = mr_load_relaxed_u32((const uint32_t *)(const void *)at);
        uint64_t stride = mr_record_stride(length);
        uint64_t to_wrap = ring->capacity - (tap->position & ring->mask);
        if (ready > ring->capacity || length < 8 || stride > ready || stride > to_wrap ||
            !make_room(tap, stride)) {
            start_again_at(tap, write_pos);
            return NULL;
        }
        copy_words(tap, at, stride);
        if (!copy_is_good(tap)) {
            start_again_at(tap, write_pos);
            return NULL;
        }
        tap->position += stride;
        struct mr_record *record = (struct mr_record *)(void *)tap->copy;
        if (length < MR_ENVELOPE_BYTES || record->flags & MR_FLAG_PADDING)
            continue;
        record->length = length;
        return record;
    }
    return NULL;
}

bool mr_tap_at_end(const struct mr_tap *tap)
{
    // Pairs with the release store in mr_writer_close.
    return mr_load_acquire_u32(&tap->ring->news->closed) == 1 &&
           mr_load_acquire_u64(&tap->ring->writer_line->write_pos) == tap->position;
}
