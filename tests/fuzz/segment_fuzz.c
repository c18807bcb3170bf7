// SPDX-License-Identifier: Apache-2.0
// Any bytes as a ring in shared memory, from its segment header to its records: it is refused with a sentence, or
// attached, its schemas read, and reader and tap go through it without leaving it. Of the first byte's bits, one
// each gives the header, the geometry and the cursors what they should be, so that what stands behind is met.
#include <stdlib.h>
#include <string.h>

#include "ringbuf/reader.h"
#include "ringbuf/tap.h"
#include "tests/support/scratch.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

enum { SEAL_HEADER = 1, SEAL_GEOMETRY = 2, SEAL_CURSORS = 4 };
#define STEPS_MAX 10000

static struct scratch scratch;
static struct mr_ring made;
static char path[128];
static uint8_t sound[MR_RING_WRITER_OFFSET]; // header and geometry as they were made

static void close_at_exit(void)
{
    mr_ring_detach(&made);
    scratch_close(&scratch);
}

static void make_ring(void)
{
    const struct mr_ring_options options = {.capacity = MR_RING_CAPACITY_MIN};
    scratch_open(&scratch);
    scratch_path(&scratch, "ring", path, sizeof path);
    if (mr_ring_create(&made, path, "fuzz", &options, NULL) != MR_OK)
        abort();
    memcpy(sound, made.segment.base, sizeof sound);
    atexit(close_at_exit);
}

// The input's next bytes, up to `room`, at `offset`; zeroes behind them. `seal`: what was there at first.
static void put(const uint8_t **bytes, size_t *size, size_t offset, size_t room, bool seal)
{
    uint8_t *at = (uint8_t *)made.segment.base + offset;
    size_t taken = mr_min_u64(*size, room);
    memcpy(at, *bytes, taken);
    memset(at + taken, 0, room - taken);
    if (seal)
        memcpy(at, sound + offset, room);
    *bytes += taken;
    *size -= taken;
}

static void read_ring(struct mr_ring *ring)
{
    struct mr_schema_set schemas = {0};
    struct mr_reader reader;
    struct mr_tap tap;
    struct mr_error err = {0};
    uint32_t length;
    unsigned steps = 0;
    if (mr_ring_schemas(ring, &schemas, &err) != MR_OK && err.text[0] == '\0')
        abort();
    mr_tap_open(&tap, ring, MR_TAP_OLDEST);
    while (steps++ < STEPS_MAX && mr_tap_next(&tap))
        ;
    mr_tap_close(&tap);
    mr_reader_open(&reader, ring);
    for (steps = 0; steps < STEPS_MAX && mr_next(&reader, &length) != NULL; steps++)
        ;
    mr_reader_check(&reader);
    if (reader.corrupt && (mr_reader_explain(&reader, &err) == MR_OK || err.text[0] == '\0'))
        abort();
    mr_schema_set_clear(&schemas);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct mr_ring ring;
    struct mr_error err = {0};
    if (!made.segment.base)
        make_ring();
    if (size == 0)
        return 0;
    unsigned seal = *bytes++;
    size--;
    put(&bytes, &size, 0, MR_RING_GEOMETRY_OFFSET, seal & SEAL_HEADER);
    put(&bytes, &size, MR_RING_GEOMETRY_OFFSET, MR_RING_GEOMETRY_OFFSET, seal & SEAL_GEOMETRY);
    put(&bytes, &size, MR_RING_WRITER_OFFSET, MR_RING_LANE_OFFSET - MR_RING_WRITER_OFFSET, false);
    put(&bytes, &size, MR_RING_SCHEMA_OFFSET, MR_PAGE_BYTES, false);
    size_t data_bytes = mr_align_up(mr_min_u64(size, MR_RING_CAPACITY_MIN / 2), 8);
    put(&bytes, &size, MR_RING_DATA_OFFSET, MR_RING_CAPACITY_MIN / 2, false);
    if (seal & SEAL_CURSORS) {
        made.writer_line->write_pos = data_bytes;
        made.reader_line->read_pos = 0;
        made.news->schemas_ready = 1;
    }
    if (mr_ring_attach(&ring, path, MR_ATTACH_READ_WRITE, &err) == MR_OK) {
        read_ring(&ring);
        mr_ring_detach(&ring);
    } else if (err.text[0] == '\0') {
        abort();
    }
    return 0;
}
