// SPDX-License-Identifier: Apache-2.0
// Every shared offset and size as a literal number: whoever moves one must change it here too, and
// the layout version with it. docs/MEMORY_LAYOUT.md has the same numbers.
#include <criterion/criterion.h>
#include <string.h>

#include "core/clock.h"
#include "ringbuf/ring.h"
#include "tests/support/scratch.h"

#define AT(type, member, offset, bytes)                                                            \
    do {                                                                                           \
        cr_expect_eq(offsetof(struct type, member), (size_t)(offset), #type "." #member " at %zu", \
                     offsetof(struct type, member));                                               \
        cr_expect_eq(sizeof(((struct type *)0)->member), (size_t)(bytes));                         \
    } while (0)

Test(layout, segment_header)
{
    cr_expect_eq(MR_SEGMENT_MAGIC, 0x314341524c4c494dULL);
    cr_expect_eq(memcmp(&(uint64_t){MR_SEGMENT_MAGIC}, "MILLRAC1", 8), 0);
    cr_expect_eq(MR_SEGMENT_LAYOUT_VERSION, 3);
    cr_expect_eq(sizeof(struct mr_segment_header), 80);
    AT(mr_segment_header, magic, 0, 8);
    AT(mr_segment_header, layout_version, 8, 4);
    AT(mr_segment_header, kind, 12, 4);
    AT(mr_segment_header, bytes, 16, 8);
    AT(mr_segment_header, created_ns, 24, 8);
    AT(mr_segment_header, owner_pid, 32, 4);
    AT(mr_segment_header, owner_uid, 36, 4);
    AT(mr_segment_header, name, 40, 32);
    AT(mr_segment_header, tick_hz, 72, 8);
}

Test(layout, parts_of_the_ring)
{
    cr_expect_eq(MR_RING_GEOMETRY_OFFSET, 128);
    cr_expect_eq(MR_RING_WRITER_OFFSET, 4096);
    cr_expect_eq(MR_RING_READER_OFFSET, 4224);
    cr_expect_eq(MR_RING_READER_SLEEP_OFFSET, 4352);
    cr_expect_eq(MR_RING_WRITER_SLEEP_OFFSET, 4480);
    cr_expect_eq(MR_RING_WRITER_NEWS_OFFSET, 4608);
    cr_expect_eq(MR_RING_UNPUBLISHED, 0x80000000u);
    cr_expect_eq(MR_RING_LANE_OFFSET, 8192);
    cr_expect_eq(MR_RING_LANE_NOTES, 1024);
    cr_expect_eq(MR_RING_SCHEMA_OFFSET, 40960);
    cr_expect_eq(MR_RING_SCHEMA_BYTES_MAX, 131072);
    cr_expect_eq(MR_RING_DATA_OFFSET, 172032);
    cr_expect_eq(MR_RING_CAPACITY_MIN, 65536);
    cr_expect_eq(MR_RING_CAPACITY_MAX, 68719476736ULL);
}

Test(layout, geometry)
{
    cr_expect_eq(sizeof(struct mr_ring_geometry), 24);
    AT(mr_ring_geometry, capacity, 0, 8);
    AT(mr_ring_geometry, start_pos, 8, 8);
    AT(mr_ring_geometry, full_policy, 16, 4);
    AT(mr_ring_geometry, checksummed, 20, 4);
    cr_expect_eq(MR_FULL_BLOCK, 0);
    cr_expect_eq(MR_FULL_DROP_NEWEST, 1);
}

Test(layout, cursors)
{
    cr_expect_eq(sizeof(struct mr_ring_writer_line), 8);
    AT(mr_ring_writer_line, write_pos, 0, 8);
    cr_expect_eq(sizeof(struct mr_ring_writer_news), 32);
    AT(mr_ring_writer_news, horizon, 0, 8);
    AT(mr_ring_writer_news, lane_write, 8, 8);
    AT(mr_ring_writer_news, closed, 16, 4);
    AT(mr_ring_writer_news, schemas_ready, 20, 4);
    AT(mr_ring_writer_news, dropped, 24, 8);
    cr_expect_eq(sizeof(struct mr_ring_reader_line), 16);
    AT(mr_ring_reader_line, read_pos, 0, 8);
    AT(mr_ring_reader_line, lane_read, 8, 8);
    cr_expect_eq(sizeof(struct mr_ring_reader_sleep), 8);
    AT(mr_ring_reader_sleep, asleep, 0, 4);
    AT(mr_ring_reader_sleep, bell, 4, 4);
    cr_expect_eq(sizeof(struct mr_ring_writer_sleep), 8);
    AT(mr_ring_writer_sleep, asleep, 0, 4);
    AT(mr_ring_writer_sleep, bell, 4, 4);
}

Test(layout, timing_note)
{
    cr_expect_eq(sizeof(struct mr_ring_note), 32);
    AT(mr_ring_note, end_pos, 0, 8);
    AT(mr_ring_note, origin_tick, 8, 8);
    AT(mr_ring_note, publish_tick, 16, 8);
    AT(mr_ring_note, records, 24, 8);
}

Test(layout, record)
{
    cr_expect_eq(MR_ENVELOPE_BYTES, 36);
    cr_expect_eq(sizeof(struct mr_record), 36);
    AT(mr_record, length, 0, 4);
    AT(mr_record, checksum, 4, 4);
    AT(mr_record, sequence, 8, 8);
    AT(mr_record, event_time_ns, 16, 8);
    AT(mr_record, ingest_time_ns, 24, 8);
    AT(mr_record, schema_id, 32, 2);
    AT(mr_record, flags, 34, 2);
    cr_expect_eq(MR_FLAG_PADDING, 1);
    cr_expect_eq(MR_FLAG_GAP_BEFORE, 2);
    cr_expect_eq(MR_FLAG_LATE, 4);
    cr_expect_eq(MR_FLAG_CORRECTED, 8);
    cr_expect_eq(MR_FLAG_UNKNOWN_REF, 16);
    cr_expect_eq(MR_FLAG_CROSSED, 32);
}

Test(layout, schema_field)
{
    cr_expect_eq(sizeof(struct mr_field), 128);
    AT(mr_field, name, 0, 32);
    AT(mr_field, type, 32, 1);
    AT(mr_field, scale, 33, 1);
    AT(mr_field, bytes, 34, 2);
    AT(mr_field, offset, 36, 4);
    AT(mr_field, null_bit, 40, 2);
    AT(mr_field, unit, 48, 16);
    AT(mr_field, labels, 64, 64);
    cr_expect_eq(MR_TYPE_U8, 1);
    cr_expect_eq(MR_TYPE_I64, 8);
    cr_expect_eq(MR_TYPE_DECIMAL, 11);
    cr_expect_eq(MR_TYPE_BYTES, 17);
}

// The same numbers in a ring as it is made, byte by byte.
Test(layout, a_ring_as_it_is_made)
{
    struct scratch scratch;
    struct mr_ring ring;
    struct mr_error err;
    char path[256];
    struct mr_ring_options options = {.capacity = 65536,
                                      .start_pos = 3 * 65536,
                                      .full_policy = MR_FULL_DROP_NEWEST,
                                      .checksummed = true};
    mr_clock_setup();
    scratch_open(&scratch);
    scratch_path(&scratch, "ring", path, sizeof path);
    cr_assert_eq(mr_ring_create(&ring, path, "lay", &options, &err), MR_OK, "%s", err.text);
    const uint8_t *base = ring.segment.base;
    uint64_t u64;
    uint32_t u32;
    cr_expect_eq(ring.segment.bytes, 172032 + 65536);
    cr_expect_eq(memcmp(base, "MILLRAC1", 8), 0);
    cr_expect_eq(memcmp(base + 8, "\3\0\0\0\1\0\0\0", 8), 0, "version 3, kind ring");
    memcpy(&u64, base + 16, 8);
    cr_expect_eq(u64, 172032 + 65536);
    cr_expect_str_eq((const char *)base + 40, "lay");
    memcpy(&u64, base + 128, 8);
    cr_expect_eq(u64, 65536, "capacity");
    memcpy(&u64, base + 136, 8);
    cr_expect_eq(u64, 3 * 65536, "start_pos");
    memcpy(&u32, base + 144, 4);
    cr_expect_eq(u32, 1, "full policy");
    memcpy(&u32, base + 148, 4);
    cr_expect_eq(u32, 1, "checksummed");
    memcpy(&u64, base + 4096, 8);
    cr_expect_eq(u64, 3 * 65536, "write_pos");
    memcpy(&u64, base + 4224, 8);
    cr_expect_eq(u64, 3 * 65536, "read_pos");
    cr_expect_eq((const uint8_t *)ring.writer_line - base, 4096);
    cr_expect_eq((const uint8_t *)ring.reader_line - base, 4224);
    cr_expect_eq((const uint8_t *)ring.reader_sleep - base, 4352);
    cr_expect_eq((const uint8_t *)ring.writer_sleep - base, 4480);
    cr_expect_eq((const uint8_t *)ring.news - base, 4608);
    cr_expect_eq((const uint8_t *)ring.lane - base, 8192);
    cr_expect_eq((const uint8_t *)ring.schema_table - base, 40960);
    cr_expect_eq(ring.data - base, 172032);
    mr_ring_detach(&ring);
    scratch_close(&scratch);
}
