// SPDX-License-Identifier: Apache-2.0
#include "ringbuf/ring.h"

#include <string.h>
#include <unistd.h>

#include "core/atomic.h"
#include "core/clock.h"

#define AWAIT_POLL_NS 1000000

static void point_into(struct mr_ring *ring)
{
    uint8_t *base = ring->segment.base;
    ring->writer_line = (void *)(base + MR_RING_WRITER_OFFSET);
    ring->reader_line = (void *)(base + MR_RING_READER_OFFSET);
    ring->reader_sleep = (void *)(base + MR_RING_READER_SLEEP_OFFSET);
    ring->writer_sleep = (void *)(base + MR_RING_WRITER_SLEEP_OFFSET);
    ring->news = (void *)(base + MR_RING_WRITER_NEWS_OFFSET);
    ring->lane = (void *)(base + MR_RING_LANE_OFFSET);
    ring->schema_table = base + MR_RING_SCHEMA_OFFSET;
    ring->data = base + MR_RING_DATA_OFFSET;
}

// Private copies of what never changes, checked against the segment's true size.
static int adopt_geometry(struct mr_ring *ring, struct mr_error *err)
{
    struct mr_ring_geometry geometry;
    point_into(ring);
    memcpy(&geometry, (const uint8_t *)ring->segment.base + MR_RING_GEOMETRY_OFFSET,
           sizeof geometry);
    uint64_t data_bytes = ring->segment.bytes - MR_RING_DATA_OFFSET;
    if (!mr_is_power_of_two(geometry.capacity) || geometry.capacity < MR_RING_CAPACITY_MIN ||
        geometry.capacity > MR_RING_CAPACITY_MAX || geometry.capacity != data_bytes)
        return mr_fail(
            err, MR_ERR_SHM,
            "%s: byte %d: found capacity %llu, expected a power of two equal to the %llu "
            "bytes of data",
            ring->segment.path, MR_RING_GEOMETRY_OFFSET, (unsigned long long)geometry.capacity,
            (unsigned long long)data_bytes);
    if (geometry.full_policy > MR_FULL_DROP_NEWEST || geometry.checksummed > 1)
        return mr_fail(err, MR_ERR_SHM,
                       "%s: byte %d: found policy %u, checksummed %u, expected 0 or 1",
                       ring->segment.path, MR_RING_GEOMETRY_OFFSET + 16, geometry.full_policy,
                       geometry.checksummed);
    const struct mr_segment_header *header = ring->segment.base;
    memcpy(ring->name, header->name, sizeof ring->name - 1);
    ring->start_pos = geometry.start_pos;
    ring->capacity = geometry.capacity;
    ring->mask = geometry.capacity - 1;
    ring->full_policy = geometry.full_policy;
    ring->checksummed = geometry.checksummed == 1;
    return MR_OK;
}

static void fill_ring(void *base, void *context)
{
    const struct mr_ring_options *options = context;
    struct mr_ring_geometry *geometry = (void *)((uint8_t *)base + MR_RING_GEOMETRY_OFFSET);
    struct mr_ring_writer_line *writer = (void *)((uint8_t *)base + MR_RING_WRITER_OFFSET);
    struct mr_ring_reader_line *reader = (void *)((uint8_t *)base + MR_RING_READER_OFFSET);
    struct mr_ring_writer_news *news = (void *)((uint8_t *)base + MR_RING_WRITER_NEWS_OFFSET);
    geometry->capacity = options->capacity;
    geometry->start_pos = options->start_pos;
    geometry->full_policy = options->full_policy;
    geometry->checksummed = options->checksummed;
    writer->write_pos = options->start_pos;
    news->horizon = options->start_pos;
    reader->read_pos = options->start_pos;
}

int mr_ring_create(struct mr_ring *ring, const char *path, const char *name,
                   const struct mr_ring_options *options, struct mr_error *err)
{
    struct mr_ring_options wanted = *options;
    memset(ring, 0, sizeof *ring);
    ring->segment.fd = -1;
    if (!mr_is_power_of_two(wanted.capacity) || wanted.capacity < MR_RING_CAPACITY_MIN ||
        wanted.capacity > MR_RING_CAPACITY_MAX)
        return mr_fail(err, MR_ERR_CONFIG,
                       "ring %s: found capacity %llu, expected a power of two from %d to %llu",
                       name, (unsigned long long)wanted.capacity, MR_RING_CAPACITY_MIN,
                       MR_RING_CAPACITY_MAX);
    if (wanted.start_pos % 8 != 0)
        return mr_fail(err, MR_ERR_INTERNAL, "ring %s: start position %llu is not a multiple of 8",
                       name, (unsigned long long)wanted.start_pos);
    int code = mr_segment_create(&ring->segment, path, name, MR_SEGMENT_RING,
                                 MR_RING_DATA_OFFSET + wanted.capacity, fill_ring, &wanted, err);
    return code == MR_OK ? adopt_geometry(ring, err) : code;
}

int mr_ring_attach(struct mr_ring *ring, const char *path, enum mr_attach mode,
                   struct mr_error *err)
{
    memset(ring, 0, sizeof *ring);
    int code = mr_segment_attach(&ring->segment, path, MR_SEGMENT_RING, mode, err);
    if (code != MR_OK)
        return code;
    if (ring->segment.bytes <= MR_RING_DATA_OFFSET)
        code = mr_fail(err, MR_ERR_SHM, "%s: found %zu bytes, expected more than %d", path,
                       ring->segment.bytes, MR_RING_DATA_OFFSET);
    else
        code = adopt_geometry(ring, err);
    if (code != MR_OK)
        mr_ring_detach(ring);
    return code;
}

void mr_ring_detach(struct mr_ring *ring)
{
    if (ring->segment.base)
        mr_segment_detach(&ring->segment);
}

int mr_ring_describe(struct mr_ring *ring, const struct mr_schema_set *schemas,
                     struct mr_error *err)
{
    size_t bytes = mr_schema_table_bytes(schemas);
    if (bytes > MR_RING_SCHEMA_BYTES_MAX)
        return mr_fail(err, MR_ERR_CONFIG, "%s: the schemas take %zu bytes, a ring has room for %u",
                       ring->segment.path, bytes, MR_RING_SCHEMA_BYTES_MAX);
    mr_schema_table_write(schemas, ring->schema_table);
    // Pairs with the acquire load in mr_ring_schemas.
    mr_store_release_u32(&ring->news->schemas_ready, 1);
    return MR_OK;
}

int mr_ring_schemas(const struct mr_ring *ring, struct mr_schema_set *out, struct mr_error *err)
{
    // Pairs with the release store in mr_ring_describe.
    if (mr_load_acquire_u32(&ring->news->schemas_ready) != 1)
        return mr_fail(err, MR_ERR_BUSY, "%s: its writer has not described it yet",
                       ring->segment.path);
    if (mr_schema_table_read(out, ring->schema_table, MR_RING_SCHEMA_BYTES_MAX, err) != MR_OK)
        return mr_error_within(err, "%s: schema table at byte %d", ring->segment.path,
                               MR_RING_SCHEMA_OFFSET);
    return MR_OK;
}

int mr_ring_await(struct mr_ring *ring, const char *path, enum mr_attach mode, int64_t timeout_ns,
                  struct mr_schema_set *schemas, struct mr_error *err)
{
    int64_t deadline_ns = mr_mono_ns() + timeout_ns;
    for (;;) {
        bool may_come = access(path, F_OK) < 0;
        int code = mr_ring_attach(ring, path, mode, err);
        if (code == MR_OK) {
            code = mr_ring_schemas(ring, schemas, err);
            may_come = code == MR_ERR_BUSY;
            if (code != MR_OK)
                mr_ring_detach(ring);
        }
        if (code == MR_OK || !may_come || mr_mono_ns() >= deadline_ns)
            return code;
        mr_sleep_until_mono_ns(mr_mono_ns() + AWAIT_POLL_NS);
    }
}

bool mr_ring_is_finished(const struct mr_ring *ring)
{
    // Pairs with the release stores in mr_writer_close and mr_release.
    return mr_load_acquire_u32(&ring->news->closed) == 1 &&
           mr_load_acquire_u64(&ring->reader_line->read_pos) ==
               mr_load_acquire_u64(&ring->writer_line->write_pos);
}
