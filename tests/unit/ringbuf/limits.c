// SPDX-License-Identifier: Apache-2.0
// The ends of what a ring takes: a lap without a gap, a lane without room, sizes and positions that no ring has,
// and what stands in shared words that nobody can have written.
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "ringbuf/tap.h"
#include "tests/support/ring_fixture.h"

static struct ring_fixture fixture;
static struct mr_error err;

static void open_fixture(void)
{
    ring_fixture_open(&fixture, (struct mr_ring_options){0});
}
static void close_fixture(void)
{
    ring_fixture_close(&fixture);
}
TestSuite(limits, .init = open_fixture, .fini = close_fixture, .timeout = 30);

// Length words as a writer could never have left them: one behind the other, all around.
static void fill_with_words(uint32_t length)
{
    for (uint64_t at = 0; at < fixture.ring.capacity; at += mr_record_stride(length))
        memcpy(fixture.ring.data + at, &length, sizeof length);
}

static void publish_record(uint64_t origin_tick)
{
    cr_assert(ring_fixture_put(&fixture, 1, 40));
    fixture.writer.noted_tick = 0;
    mr_publish(&fixture.writer, origin_tick);
}

// ---- making and attaching

Test(limits, a_start_off_the_grid_is_refused)
{
    struct mr_ring ring;
    struct mr_ring_options options = {.capacity = MR_RING_CAPACITY_MIN, .start_pos = 4};
    cr_expect_eq(mr_ring_create(&ring, fixture.path, "other", &options, &err), MR_ERR_INTERNAL);
    cr_expect_not_null(strstr(err.text, "start position 4"), "%s", err.text);
}

Test(limits, a_ring_in_no_directory_is_refused)
{
    struct mr_ring ring;
    struct mr_ring_options options = {.capacity = MR_RING_CAPACITY_MIN};
    cr_expect_eq(mr_ring_create(&ring, "/dev/shm/none/of/these", "other", &options, &err),
                 MR_ERR_SHM);
    cr_expect_null(ring.segment.base);
    mr_ring_detach(&ring); // nothing to give back
}

Test(limits, a_segment_without_room_for_data_is_refused)
{
    struct mr_segment segment;
    struct mr_ring ring;
    char path[256];
    scratch_path(&fixture.scratch, "short", path, sizeof path);
    cr_assert_eq(mr_segment_create(&segment, path, "short", MR_SEGMENT_RING, MR_RING_DATA_OFFSET,
                                   NULL, NULL, &err),
                 MR_OK, "%s", err.text);
    mr_segment_detach(&segment);
    cr_expect_eq(mr_ring_attach(&ring, path, MR_ATTACH_READ_WRITE, &err), MR_ERR_SHM);
    cr_expect_not_null(strstr(err.text, "expected more than"), "%s", err.text);
}

Test(limits, a_capacity_beyond_the_most_is_refused)
{
    struct mr_ring ring;
    struct mr_ring_geometry *geometry =
        (void *)((uint8_t *)fixture.ring.segment.base + MR_RING_GEOMETRY_OFFSET);
    geometry->capacity = 2 * MR_RING_CAPACITY_MAX;
    cr_expect_eq(mr_ring_attach(&ring, fixture.path, MR_ATTACH_READ_WRITE, &err), MR_ERR_SHM);
    cr_expect_not_null(strstr(err.text, "found capacity 137438953472"), "%s", err.text);
}

Test(limits, schemas_beyond_the_tables_room_are_refused)
{
    struct mr_schema_set set = {0};
    for (unsigned i = 0; i < MR_SCHEMAS_MAX; i++) {
        char name[MR_NAME_BYTES];
        snprintf(name, sizeof name, "schema_%u", i);
        struct mr_schema *schema = mr_schema_new(name, (uint16_t)(MR_SCHEMA_ID_DECLARED + i));
        for (unsigned k = 0; k < 63; k++) {
            snprintf(name, sizeof name, "a_long_name_for_a_field_%02u", k);
            cr_assert_eq(mr_schema_add(schema, name, "u64", false, &err), MR_OK, "%s", err.text);
        }
        mr_schema_seal(schema);
        cr_assert_eq(mr_schema_set_add(&set, schema, &err), MR_OK, "%s", err.text);
    }
    cr_expect_eq(mr_ring_describe(&fixture.ring, &set, &err), MR_ERR_CONFIG);
    cr_expect_not_null(strstr(err.text, "has room for 131072"), "%s", err.text);
    cr_expect_eq(fixture.ring.news->schemas_ready, 0);
    mr_schema_set_clear(&set);
}

// ---- the writer

// No zero word anywhere: the walk to the end of what was published ends after a lap.
Test(limits, a_writer_that_finds_a_whole_lap_published)
{
    fill_with_words(64);
    mr_writer_open(&fixture.writer, &fixture.ring);
    cr_expect_eq(fixture.writer.position, fixture.ring.capacity);
    cr_expect_not(ring_fixture_put(&fixture, 1, 40));
}

Test(limits, a_writer_that_finds_a_length_beyond_the_wrap_stops_before_it)
{
    uint32_t length = MR_RING_CAPACITY_MIN + 8;
    memcpy(fixture.ring.data, &length, sizeof length);
    mr_writer_open(&fixture.writer, &fixture.ring);
    cr_expect_eq(fixture.writer.position, 0);
}

Test(limits, padding_in_a_checksummed_ring_has_its_checksum)
{
    struct mr_record padding;
    uint64_t at = 4 * 15000;
    ring_fixture_close(&fixture);
    ring_fixture_open(&fixture, (struct mr_ring_options){.checksummed = true});
    for (uint64_t i = 0; i < 4; i++)
        cr_assert(ring_fixture_put(&fixture, i, 15000));
    mr_publish(&fixture.writer, 0);
    uint32_t length;
    for (uint64_t i = 0; i < 3; i++)
        cr_assert_not_null(mr_next(&fixture.reader, &length));
    mr_release(&fixture.reader, fixture.reader.position, NULL);
    cr_assert(ring_fixture_put(&fixture, 4, 15000));
    mr_publish(&fixture.writer, 0);
    memcpy(&padding, fixture.ring.data + at, sizeof padding);
    cr_assert(padding.flags & MR_FLAG_PADDING);
    cr_expect_eq(padding.checksum, mr_record_checksum(fixture.ring.data + at, padding.length, at));
}

Test(limits, an_empty_run_is_none)
{
    mr_commit_run(&fixture.writer, 0, 0, 0);
    cr_expect_eq(fixture.writer.position, 0);
    cr_expect_eq(fixture.writer.head, MR_RING_UNPUBLISHED);
}

Test(limits, a_run_without_checksums)
{
    uint32_t length = 48;
    cr_assert_geq(mr_claim_run(&fixture.writer, 96), 96);
    uint8_t *at = (uint8_t *)mr_claimed(&fixture.writer);
    memset(at, 0, 96);
    memcpy(at, &length, sizeof length);
    memcpy(at + 48, &length, sizeof length);
    mr_commit_run(&fixture.writer, 96, 2, length);
    mr_publish(&fixture.writer, 0);
    for (unsigned i = 0; i < 2; i++) {
        const struct mr_record *record = mr_next(&fixture.reader, &length);
        cr_assert_not_null(record);
        cr_expect_eq(length, 48);
        cr_expect_eq(record->checksum, 0);
    }
}

// ---- the timing lane

Test(limits, a_full_lane_is_read_in_one_go_and_the_note_after_it_stands_for_all_that_waited)
{
    static struct mr_histogram hop, age;
    struct mr_reader_timing timing = {&hop, &age};
    uint32_t length;
    for (uint64_t i = 0; i < MR_RING_LANE_NOTES + 5; i++)
        publish_record(mr_tick());
    cr_expect_eq(fixture.ring.news->lane_write, MR_RING_LANE_NOTES);
    cr_expect_eq(fixture.writer.unnoted, 5);
    while (mr_next(&fixture.reader, &length))
        continue;
    mr_release(&fixture.reader, fixture.reader.position, &timing);
    cr_expect_eq(hop.count, MR_RING_LANE_NOTES);
    publish_record(mr_tick());
    cr_expect_eq(fixture.ring.news->lane_write, MR_RING_LANE_NOTES + 1);
    cr_expect_eq(fixture.ring.lane[0].records, 6);
}

Test(limits, a_note_is_used_where_nothing_more_is_released)
{
    static struct mr_histogram hop;
    struct mr_reader_timing timing = {.hop_ns = &hop};
    uint32_t length;
    publish_record(0);
    cr_assert_not_null(mr_next(&fixture.reader, &length));
    mr_release(&fixture.reader, fixture.reader.position, &timing);
    cr_expect_eq(hop.count, 0, "no note was left");
    fixture.writer.noted_tick = 0;
    mr_leave_note(&fixture.writer, mr_tick());
    cr_expect_neq(mr_reader_origin_tick(&fixture.reader), 0);
    mr_release(&fixture.reader, fixture.reader.position, &timing);
    cr_expect_eq(hop.count, 1);
    mr_release(&fixture.reader, fixture.reader.position, &timing);
    cr_expect_eq(hop.count, 1);
}

// What came after a look is left to the next one, though it is there when this one is told of.
Test(limits, what_is_seen_was_published_before)
{
    static struct mr_histogram published, seen;
    struct mr_reader_sight sight = {.published_ns = &published, .seen_ns = &seen};
    publish_record(mr_tick());
    uint64_t look_tick = mr_tick();
    fixture.writer.noted_tick = 0;
    publish_record(mr_tick());
    mr_reader_note_seen(&fixture.reader, look_tick, &sight);
    cr_expect_eq(seen.count, 1);
    mr_reader_note_seen(&fixture.reader, mr_tick(), &sight);
    cr_expect_eq(seen.count, 2);
    cr_expect_eq(published.count, 2);
}

Test(limits, a_count_of_notes_that_cannot_be_is_passed_over)
{
    static struct mr_histogram published, seen;
    struct mr_reader_sight sight = {.published_ns = &published, .seen_ns = &seen};
    publish_record(mr_tick());
    mr_reader_note_seen(&fixture.reader, mr_tick(), &sight);
    mr_reader_note_seen(&fixture.reader, mr_tick(), &sight);
    cr_expect_eq(seen.count, 1, "once each");
    fixture.ring.news->lane_write = 1ULL << 40;
    mr_reader_note_seen(&fixture.reader, mr_tick(), &sight);
    cr_expect_eq(seen.count, 1);
    cr_expect_eq(mr_reader_origin_tick(&fixture.reader), 0);
}

// ---- the reader

Test(limits, a_reader_takes_no_more_than_a_lap)
{
    uint32_t length;
    fill_with_words(16384);
    for (unsigned i = 0; i < 4; i++)
        cr_assert_not_null(mr_next(&fixture.reader, &length));
    cr_expect_null(mr_next(&fixture.reader, &length), "the first one again, not released");
    cr_expect(fixture.reader.corrupt);
    cr_expect_eq(mr_peek_bytes(&fixture.reader), 0);
}

Test(limits, a_write_position_more_than_a_lap_behind)
{
    fixture.ring.reader_line->read_pos = 2 * fixture.ring.capacity;
    fixture.ring.writer_line->write_pos = 8;
    mr_reader_open(&fixture.reader, &fixture.ring);
    cr_expect_eq(mr_peek_bytes(&fixture.reader), 0);
    cr_expect(fixture.reader.corrupt && fixture.reader.bad_write_pos);
    fixture.ring.news->closed = 1;
    cr_expect_not(mr_reader_at_end(&fixture.reader), "damage is not an end");
}

Test(limits, a_lazy_release_waits_for_the_last_record_or_an_eighth_of_the_ring)
{
    uint32_t length;
    for (uint64_t i = 0; i < 4; i++)
        cr_assert(ring_fixture_put(&fixture, i, 5000));
    mr_publish(&fixture.writer, 0);
    cr_expect_eq(mr_peek_bytes(&fixture.reader), 4 * 5000);
    cr_assert_not_null(mr_next(&fixture.reader, &length));
    mr_release_lazily(&fixture.reader, NULL);
    cr_expect_eq(fixture.ring.reader_line->read_pos, 0);
    cr_assert_not_null(mr_next(&fixture.reader, &length));
    mr_release_lazily(&fixture.reader, NULL);
    cr_expect_eq(fixture.ring.reader_line->read_pos, 10000, "more than 8192 bytes");
    cr_assert_not_null(mr_next(&fixture.reader, &length));
    cr_assert_not_null(mr_next(&fixture.reader, &length));
    mr_release_lazily(&fixture.reader, NULL);
    cr_expect_eq(fixture.ring.reader_line->read_pos, 20000);
}

// ---- taps

Test(limits, a_tap_among_nothing_but_padding_comes_to_an_end)
{
    struct mr_tap tap;
    mr_tap_open(&tap, &fixture.ring, MR_TAP_NEWEST);
    cr_expect_not(mr_tap_at_end(&tap));
    fill_with_words(8);
    fixture.ring.writer_line->write_pos = fixture.ring.news->horizon = fixture.ring.capacity;
    cr_expect_null(mr_tap_next(&tap));
    cr_expect_eq(tap.position, fixture.ring.capacity);
    cr_expect_eq(tap.overruns, 0);
    mr_tap_close(&tap);
}

// Each is passed over, and the tap goes on with what comes next.
Test(limits, a_tap_on_lengths_and_positions_that_cannot_be)
{
    static const struct {
        uint64_t position, write_pos;
        uint32_t length;
    } cases[] = {{0, 2 * MR_RING_CAPACITY_MIN, 64},
                 {0, 64, 7},
                 {0, 64, 72},
                 {MR_RING_CAPACITY_MIN - 64, MR_RING_CAPACITY_MIN + 64, 72}};
    for (unsigned i = 0; i < MR_COUNT_OF(cases); i++) {
        struct mr_tap tap;
        fixture.ring.reader_line->read_pos = cases[i].position;
        fixture.ring.writer_line->write_pos = cases[i].write_pos;
        memcpy(fixture.ring.data + (cases[i].position & fixture.ring.mask), &cases[i].length, 4);
        mr_tap_open(&tap, &fixture.ring, MR_TAP_OLDEST);
        cr_expect_null(mr_tap_next(&tap), "case %u", i);
        cr_expect_eq(tap.overruns, 1, "case %u", i);
        cr_expect_eq(tap.position, cases[i].write_pos, "case %u", i);
        mr_tap_close(&tap);
    }
}

Test(limits, two_taps_each_see_everything)
{
    struct mr_tap taps[2];
    for (unsigned i = 0; i < 2; i++)
        mr_tap_open(&taps[i], &fixture.ring, i ? MR_TAP_OLDEST : MR_TAP_NEWEST);
    for (uint64_t sequence = 0; sequence < 200; sequence++) {
        cr_assert(ring_fixture_put(&fixture, sequence, 40 + (uint32_t)sequence));
        mr_publish(&fixture.writer, 0);
        const struct mr_record *first = mr_tap_next(&taps[0]);
        cr_assert(first && first->sequence == sequence);
        if (sequence % 50 < 49)
            continue;
        for (uint64_t k = sequence - 49; k <= sequence; k++) {
            const struct mr_record *second = mr_tap_next(&taps[1]);
            cr_assert(second && second->sequence == k && second->length == 40 + k);
        }
    }
    cr_expect_eq(taps[0].overruns + taps[1].overruns, 0);
    for (unsigned i = 0; i < 2; i++)
        mr_tap_close(&taps[i]);
}
