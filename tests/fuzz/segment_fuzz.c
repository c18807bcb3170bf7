// SPDX-License-Identifier: Apache-2.0
// Any bytes in a ring in shared memory, from its segment header to its records: it is refused with a sentence, or
// attached, its schemas read, and reader, tap and writer go through it without leaving it.
//
// The input is a list of {area, offset (2 bytes), length, bytes} that are written over a sound ring with records in
// it: header and geometry, cursors, timing lane, schema table, records. A ring whose header is touched is attached
// anew.
#include <stdlib.h>
#include <string.h>

#include "ringbuf/reader.h"
#include "ringbuf/tap.h"
#include "ringbuf/writer.h"
#include "tests/support/journal_bytes.h"
#include "tests/support/scratch.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

#define STEPS_MAX 10000
#define RECORDS 12
#define NOTE_BYTES 20
#define BEHIND_BYTES 64
#define PATCH_HEAD_BYTES 4
#define PATCHES_MAX 64

static struct scratch scratch;
static struct mr_ring made;
static char path[128];
static uint8_t sound_words[MR_PAGE_BYTES]; // the page of the cursors, as it was

enum area { HEADER, WORDS, LANE, SCHEMAS, DATA, AREAS };
static struct {
    size_t offset, bytes;
} areas[AREAS] = {
    [HEADER] = {0, MR_RING_GEOMETRY_OFFSET + sizeof(struct mr_ring_geometry)},
    [WORDS] = {MR_RING_WRITER_OFFSET, MR_RING_WRITER_NEWS_OFFSET - MR_RING_WRITER_OFFSET +
                                          sizeof(struct mr_ring_writer_news)},
    [LANE] = {MR_RING_LANE_OFFSET, RECORDS * sizeof(struct mr_ring_note) + BEHIND_BYTES},
    [SCHEMAS] = {MR_RING_SCHEMA_OFFSET, BEHIND_BYTES},
    [DATA] = {MR_RING_DATA_OFFSET, BEHIND_BYTES},
};

static struct patch {
    uint8_t *at, before[UINT8_MAX];
    size_t bytes;
} patches[PATCHES_MAX];

static void close_at_exit(void)
{
    mr_ring_detach(&made);
    scratch_close(&scratch);
}

static void write_records(const struct mr_schema_set *schemas)
{
    _Alignas(8) uint8_t record[512];
    struct mr_writer writer;
    mr_writer_open(&writer, &made);
    for (uint32_t i = 0; i < RECORDS; i++) {
        mr_test_record(schemas, writer.position, i, NOTE_BYTES + i, record);
        uint32_t length = ((struct mr_record *)(void *)record)->length;
        struct mr_record *out = mr_claim(&writer, length);
        const size_t from = offsetof(struct mr_record, sequence);
        memcpy((uint8_t *)out + from, record + from, length - from);
        mr_commit(&writer);
        mr_publish(&writer, 1);
    }
    areas[DATA].bytes += writer.position;
}

static void make_ring(void)
{
    const struct mr_ring_options options = {.capacity = MR_RING_CAPACITY_MIN};
    struct mr_schema_set schemas = mr_test_schemas();
    scratch_open(&scratch);
    scratch_path(&scratch, "ring", path, sizeof path);
    if (mr_ring_create(&made, path, "fuzz", &options, NULL) != MR_OK)
        abort();
    mr_schema_table_write(&schemas, made.schema_table);
    made.news->schemas_ready = 1;
    areas[SCHEMAS].bytes += mr_schema_table_bytes(&schemas);
    write_records(&schemas);
    mr_schema_set_clear(&schemas);
    memcpy(sound_words, (uint8_t *)made.segment.base + MR_RING_WRITER_OFFSET, sizeof sound_words);
    atexit(close_at_exit);
}

static void apply(struct patch *patch, const uint8_t *head, size_t length)
{
    unsigned area = head[0] % AREAS;
    size_t offset = (head[1] | head[2] << 8) % areas[area].bytes;
    patch->at = (uint8_t *)made.segment.base + areas[area].offset + offset;
    patch->bytes = mr_min_u64(length, areas[area].bytes - offset);
    memcpy(patch->before, patch->at, patch->bytes);
    memcpy(patch->at, head + PATCH_HEAD_BYTES, patch->bytes);
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
    const struct mr_record *record;
    for (steps = 0; steps < STEPS_MAX && (record = mr_next(&reader, &length)) != NULL; steps++)
        if (steps % 2 == 0)
            mr_pass_alike(&reader, length, mr_record_kind(record), UINT64_MAX);
    mr_release(&reader, reader.position, NULL);
    mr_reader_check(&reader);
    if (reader.corrupt && (mr_reader_explain(&reader, &err) == MR_OK || err.text[0] == '\0'))
        abort();
    mr_schema_set_clear(&schemas);
}

static void look_as_writer(struct mr_ring *ring)
{
    struct mr_writer writer;
    struct mr_error err = {0};
    mr_writer_open(&writer, ring);
    mr_writer_check(&writer);
    if (mr_writer_free_bytes(&writer) > ring->capacity)
        abort();
    if (writer.corrupt && (mr_writer_explain(&writer, &err) == MR_OK || err.text[0] == '\0'))
        abort();
}

static void attach_and_read(void)
{
    struct mr_ring ring;
    struct mr_error err = {0};
    if (mr_ring_attach(&ring, path, MR_ATTACH_READ_WRITE, &err) == MR_OK) {
        read_ring(&ring);
        mr_ring_detach(&ring);
    } else if (err.text[0] == '\0') {
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    unsigned count = 0;
    bool header = false;
    if (!made.segment.base)
        make_ring();
    while (size > PATCH_HEAD_BYTES && count < PATCHES_MAX) {
        size_t length = mr_min_u64(bytes[3], size - PATCH_HEAD_BYTES);
        header |= bytes[0] % AREAS == HEADER;
        apply(&patches[count++], bytes, length);
        bytes += PATCH_HEAD_BYTES + length;
        size -= PATCH_HEAD_BYTES + length;
    }
    if (header) {
        attach_and_read();
    } else {
        look_as_writer(&made);
        read_ring(&made);
    }
    while (count-- > 0)
        memcpy(patches[count].at, patches[count].before, patches[count].bytes);
    memcpy((uint8_t *)made.segment.base + MR_RING_WRITER_OFFSET, sound_words, sizeof sound_words);
    return 0;
}
