// SPDX-License-Identifier: Apache-2.0
#include "tests/support/wild_writes.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/atomic.h"
#include "core/pipeline/stage.h"
#include "tests/support/scratch.h"

static const struct {
    const char *name;
    unsigned kind;
} files[WILD_SEGMENTS] = {
    {"ingress.ring", MR_SEGMENT_RING},           {"egress.ring", MR_SEGMENT_RING},
    {"dead-producer.ring", MR_SEGMENT_RING},     {"dead-transform.ring", MR_SEGMENT_RING},
    {"producer.stage", MR_SEGMENT_STAGE},        {"transform.stage", MR_SEGMENT_STAGE},
    {"loader.stage", MR_SEGMENT_STAGE},          {"producer.stage.state", MR_SEGMENT_STATE},
    {"transform.stage.state", MR_SEGMENT_STATE},
};

void wild_writes_open(struct wild_writes *wild, const char *directory, uint64_t seed)
{
    *wild = (struct wild_writes){.random = seed};
    for (unsigned i = 0; i < WILD_SEGMENTS; i++) {
        snprintf(wild->segments[i].path, sizeof wild->segments[i].path, "%s/%s", directory,
                 files[i].name);
        wild->segments[i].kind = files[i].kind;
    }
    wild_writes_look(wild);
}

void wild_writes_look(struct wild_writes *wild)
{
    for (unsigned i = 0; i < WILD_SEGMENTS; i++) {
        struct wild_segment *segment = &wild->segments[i];
        struct stat status;
        if (stat(segment->path, &status) < 0 || (segment->base && segment->inode == status.st_ino))
            continue;
        if (segment->base)
            munmap(segment->base, segment->bytes);
        segment->base = NULL;
        int fd = open(segment->path, O_RDWR | O_CLOEXEC);
        if (fd < 0)
            continue;
        if (fstat(fd, &status) == 0 && status.st_size > 0) {
            segment->bytes = (size_t)status.st_size;
            segment->inode = status.st_ino;
            void *base = mmap(NULL, segment->bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
            segment->base = base == MAP_FAILED ? NULL : base;
        }
        close(fd);
    }
}

void wild_writes_close(struct wild_writes *wild)
{
    for (unsigned i = 0; i < WILD_SEGMENTS; i++)
        if (wild->segments[i].base)
            munmap(wild->segments[i].base, wild->segments[i].bytes);
}

// ---- where

static uint64_t below(struct wild_writes *wild, uint64_t limit)
{
    return random_below(&wild->random, limit);
}

struct range {
    uint64_t begin, bytes;
};

// Of a ring: what steers, the beginning of the lane and of the schemas, and where the records are that the
// cursors speak of.
static struct range part_of_ring(struct wild_writes *wild, const struct wild_segment *segment)
{
    static const struct range parts[] = {
        {MR_RING_WRITER_OFFSET, sizeof(struct mr_ring_writer_line)},
        {MR_RING_READER_OFFSET, sizeof(struct mr_ring_reader_line)},
        {MR_RING_READER_SLEEP_OFFSET, sizeof(struct mr_ring_reader_sleep)},
        {MR_RING_WRITER_SLEEP_OFFSET, sizeof(struct mr_ring_writer_sleep)},
        {MR_RING_WRITER_NEWS_OFFSET, sizeof(struct mr_ring_writer_news)},
        {MR_RING_LANE_OFFSET, 8 * sizeof(struct mr_ring_note)},
        {MR_RING_SCHEMA_OFFSET, 512},
    };
    uint64_t at = below(wild, MR_COUNT_OF(parts) + 4),
             capacity = segment->bytes - MR_RING_DATA_OFFSET;
    if (at < MR_COUNT_OF(parts))
        return parts[at];
    const uint8_t *cursor =
        segment->base + (at % 2 ? MR_RING_WRITER_OFFSET : MR_RING_READER_OFFSET);
    uint64_t position =
        mr_load_relaxed_u64((const uint64_t *)(const void *)cursor) % capacity & ~7ULL;
    uint64_t room = capacity - position;
    return (struct range){MR_RING_DATA_OFFSET + position, room < 256 ? room : 256};
}

static struct range part_of_stage(struct wild_writes *wild)
{
    static const struct range parts[] = {
        {MR_PAGE_BYTES, 40},
        {MR_PAGE_BYTES + offsetof(struct mr_stage_layout, gauges), 160},
        {MR_PAGE_BYTES + offsetof(struct mr_stage_layout, gauges), sizeof(struct mr_stage_gauges)},
        {MR_PAGE_BYTES + offsetof(struct mr_stage_layout, plugin_name), 96},
        {MR_PAGE_BYTES + offsetof(struct mr_stage_layout, in_schema_name), 96},
        {MR_PAGE_BYTES + offsetof(struct mr_stage_layout, slots), 2 * sizeof(struct mr_stage_slot)},
        {MR_PAGE_BYTES + offsetof(struct mr_stage_layout, slots), 64},
        {MR_PAGE_BYTES + offsetof(struct mr_stage_layout, slots) + sizeof(struct mr_stage_slot),
         64},
        {MR_PAGE_BYTES + offsetof(struct mr_stage_layout, hop_ns), 64},
    };
    return parts[below(wild, MR_COUNT_OF(parts))];
}

static struct range part_of_state(struct wild_writes *wild)
{
    static const struct range parts[] = {
        {MR_PAGE_BYTES, 16}, {MR_PAGE_BYTES, 16}, {MR_PAGE_BYTES + 16, 4096}};
    return parts[below(wild, MR_COUNT_OF(parts))];
}

static struct range choose_part(struct wild_writes *wild, const struct wild_segment *segment)
{
    uint64_t any = below(wild, 2048);
    if (any < 512)
        return (struct range){0, segment->bytes};
    if (any == 512) // seldom: a header that is not one ends everything
        return (struct range){0, MR_RING_GEOMETRY_OFFSET + sizeof(struct mr_ring_geometry)};
    switch (segment->kind) {
    case MR_SEGMENT_RING:
        return part_of_ring(wild, segment);
    case MR_SEGMENT_STAGE:
        return part_of_stage(wild);
    default:
        return part_of_state(wild);
    }
}

// ---- what

static uint64_t choose_value(struct wild_writes *wild, const struct wild_segment *segment,
                             uint64_t before)
{
    static const uint64_t numbers[] = {
        0,          1,          7,         8,          UINT32_MAX,     UINT32_MAX - 7, 1ULL << 31,
        1ULL << 32, 1ULL << 62, INT64_MAX, 1ULL << 63, UINT64_MAX - 7, UINT64_MAX,     1 << 16};
    uint64_t steps[] = {1, 8, 64, 4096, segment->bytes, 1ULL << below(wild, 64)};
    uint64_t step = steps[below(wild, MR_COUNT_OF(steps))];
    uint64_t elsewhere;
    switch (below(wild, 7)) {
    case 0:
        return random_next(&wild->random);
    case 1:
        return before ^ 1ULL << below(wild, 64);
    case 2:
        return numbers[below(wild, MR_COUNT_OF(numbers))];
    case 3:
        return before + step;
    case 4:
        return before - step;
    case 5:
        memcpy(&elsewhere, segment->base + below(wild, segment->bytes / 8) * 8, sizeof elsewhere);
        return elsewhere;
    default:
        return wild->kept[below(wild, WILD_KEPT)];
    }
}

static void store(uint8_t *at, uint64_t value, unsigned width)
{
    if (width == 8)
        mr_store_relaxed_u64((uint64_t *)(void *)at, value);
    else if (width == 4)
        mr_store_relaxed_u32((uint32_t *)(void *)at, (uint32_t)value);
    else
        *(volatile uint8_t *)at = (uint8_t)value;
}

static struct wild_segment *choose_segment(struct wild_writes *wild)
{
    for (unsigned tries = 0; tries < 4 * WILD_SEGMENTS; tries++) {
        unsigned at = (unsigned)below(wild, WILD_SEGMENTS);
        if (wild->segments[at].base && !(wild->avoided & 1u << at))
            return &wild->segments[at];
    }
    return NULL;
}

bool wild_writes_one(struct wild_writes *wild)
{
    static const unsigned widths[] = {1, 4, 8, 8};
    struct wild_segment *segment = choose_segment(wild);
    if (!segment)
        return false;
    struct range part = choose_part(wild, segment);
    unsigned width = widths[below(wild, MR_COUNT_OF(widths))];
    uint8_t *at = segment->base + ((part.begin + below(wild, part.bytes)) & ~(uint64_t)(width - 1));
    uint64_t before = mr_load_relaxed_u64((const uint64_t *)((uintptr_t)at & ~(uintptr_t)7));
    store(at, choose_value(wild, segment, before), width);
    wild->kept[wild->writes % WILD_KEPT] = before;
    wild->writes++;
    return true;
}
