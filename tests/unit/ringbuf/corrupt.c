// SPDX-License-Identifier: Apache-2.0
// A peer that has gone mad: whatever stands in the shared words, the other side gets an error and
// never leaves the ring's bytes.
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "ringbuf/tap.h"
#include "tests/support/ring_fixture.h"

static struct ring_fixture fixture;

static void open_fixture(void)
{
    ring_fixture_open(&fixture, (struct mr_ring_options){0});
}
static void close_fixture(void)
{
    ring_fixture_close(&fixture);
}
TestSuite(corrupt, .init = open_fixture, .fini = close_fixture);

static void put_at(uint64_t position, const void *bytes, size_t count)
{
    memcpy(fixture.ring.data + (position & fixture.ring.mask), bytes, count);
}

static void expect_corrupt(const char *words)
{
    struct mr_error err = {0};
    uint32_t length;
    cr_expect_null(mr_next(&fixture.reader, &length), "%s", words);
    cr_expect(fixture.reader.corrupt, "%s", words);
    cr_expect_eq(mr_reader_explain(&fixture.reader, &err), MR_ERR_CORRUPT);
    cr_expect_not_null(strstr(err.text, words), "'%s' says nothing of '%s'", err.text, words);
    cr_expect_not_null(strstr(err.text, fixture.path), "'%s' names the ring", err.text);
}

// What mr_next does not see, the check now and then does.
static void expect_corrupt_on_check(const char *words)
{
    uint32_t length;
    cr_expect_null(mr_next(&fixture.reader, &length), "%s", words);
    cr_expect_not(fixture.reader.corrupt, "%s", words);
    mr_reader_check(&fixture.reader);
    expect_corrupt(words);
}

static void expect_bad_length(uint32_t length)
{
    char words[64];
    mr_reader_open(&fixture.reader, &fixture.ring);
    put_at(0, &length, sizeof length);
    snprintf(words, sizeof words, "found record length %u", length);
    expect_corrupt(words);
}

Test(corrupt, lengths)
{
    cr_assert(ring_fixture_put(&fixture, 1, 100));
    mr_publish(&fixture.writer, mr_tick());
    expect_bad_length(1);
    expect_bad_length(7);
    expect_bad_length(9);
    expect_bad_length(35);
    expect_bad_length(16392);
    expect_bad_length(65536);
    expect_bad_length(0x7FFFFFF8);
}

// The commit word says that nothing is there, the writer's cursor that something is.
Test(corrupt, a_commit_word_gone)
{
    static const uint32_t words[] = {0, 100 | MR_RING_UNPUBLISHED, UINT32_MAX, UINT32_MAX - 7};
    cr_assert(ring_fixture_put(&fixture, 1, 100));
    mr_publish(&fixture.writer, mr_tick());
    for (size_t i = 0; i < MR_COUNT_OF(words); i++) {
        char text[64];
        snprintf(text, sizeof text, "found record length %u", words[i]);
        mr_reader_open(&fixture.reader, &fixture.ring);
        put_at(0, &words[i], sizeof words[i]);
        expect_corrupt_on_check(text);
    }
}

// A length that reaches beyond the wrap, at every distance from it that a record can stand at:
// neither the record nor its flags may be looked at.
Test(corrupt, a_length_beyond_the_wrap)
{
    uint32_t garbage = 4096, length;
    for (uint64_t left = 8; left <= 64; left += 8) {
        uint64_t at = fixture.ring.capacity - left;
        fixture.ring.reader_line->read_pos = at;
        put_at(at, &garbage, sizeof garbage);
        mr_reader_open(&fixture.reader, &fixture.ring);
        cr_expect_null(mr_next(&fixture.reader, &length));
        cr_expect(fixture.reader.corrupt);
        cr_expect_eq(fixture.reader.bad_length, 4096);
    }
}

Test(corrupt, write_positions)
{
    static const uint64_t positions[] = {65537,      65544,           1ULL << 40,
                                         UINT64_MAX, UINT64_MAX - 63, UINT64_MAX - 65536};
    for (size_t i = 0; i < MR_COUNT_OF(positions); i++) {
        mr_reader_open(&fixture.reader, &fixture.ring);
        fixture.ring.writer_line->write_pos = positions[i];
        char words[64];
        snprintf(words, sizeof words, "found write position %lu", positions[i]);
        expect_corrupt_on_check(words);
    }
}

// A cursor behind what the records say was not stored yet, or by mistake: the records hold.
Test(corrupt, a_write_position_that_runs_back)
{
    uint32_t length;
    for (int i = 0; i < 3; i++)
        cr_assert(ring_fixture_put(&fixture, 1, 96));
    mr_publish(&fixture.writer, mr_tick());
    while (mr_next(&fixture.reader, &length))
        continue;
    fixture.ring.writer_line->write_pos = 96;
    mr_reader_check(&fixture.reader);
    cr_expect_not(fixture.reader.corrupt);
    cr_expect_eq(mr_peek_bytes(&fixture.reader), 0);
    cr_assert(ring_fixture_put(&fixture, 2, 96));
    mr_publish(&fixture.writer, mr_tick());
    cr_expect_not_null(mr_next(&fixture.reader, &length));
    cr_expect_not(fixture.reader.corrupt);
}

Test(corrupt, write_position_within_a_record)
{
    cr_assert(ring_fixture_put(&fixture, 1, 96));
    mr_publish(&fixture.writer, mr_tick());
    fixture.ring.writer_line->write_pos = 93;
    cr_expect_eq(mr_peek_bytes(&fixture.reader), 0);
    expect_corrupt("found write position 93");
}

Test(corrupt, a_read_position_off_the_grid)
{
    for (uint64_t off = 1; off < 8; off++) {
        fixture.ring.reader_line->read_pos = 65536 - off;
        fixture.ring.writer_line->write_pos = 65536 - off + 4096;
        mr_reader_open(&fixture.reader, &fixture.ring);
        expect_corrupt("expected a multiple of 8");
    }
}

// The reader's cursor, as the writer may find it: no claim may ever reach into what the true reader
// has not released, and none may leave the ring.
Test(corrupt, read_positions)
{
    static const uint64_t positions[] = {8, 65536, 1ULL << 40, UINT64_MAX, UINT64_MAX - 4096};
    for (size_t i = 0; i < MR_COUNT_OF(positions); i++) {
        mr_writer_open(&fixture.writer, &fixture.ring);
        fixture.ring.reader_line->read_pos =
            positions[i]; // nothing was published: 0 is the only right one
        for (uint64_t k = 0; k < 4; k++)
            cr_expect(ring_fixture_put(&fixture, k, 16384 - 8), "the ring is empty");
        cr_expect_not(ring_fixture_put(&fixture, 4, 40), "read_pos %lu", positions[i]);
        cr_expect(fixture.writer.corrupt);
        cr_expect_not(ring_fixture_put(&fixture, 4, 40));
        fixture.ring.reader_line->read_pos = 0;
    }
}

Test(corrupt, a_writer_that_restarts_on_impossible_cursors)
{
    static const struct {
        uint64_t write_pos, read_pos;
    } cursors[] = {{65533, 65528}, {4, 0}, {65544, 0}, {0, 8}, {UINT64_MAX, 0}, {1000, 2000}};
    for (size_t i = 0; i < MR_COUNT_OF(cursors); i++) {
        fixture.ring.writer_line->write_pos = cursors[i].write_pos;
        fixture.ring.news->horizon = UINT64_MAX;
        fixture.ring.reader_line->read_pos = cursors[i].read_pos;
        mr_writer_open(&fixture.writer, &fixture.ring);
        cr_expect(fixture.writer.corrupt, "cursors %lu %lu", cursors[i].write_pos,
                  cursors[i].read_pos);
        cr_expect_eq(mr_writer_free_bytes(&fixture.writer), 0);
        cr_expect_not(ring_fixture_put(&fixture, 1, 40));
    }
}

Test(corrupt, a_writer_taken_back_behind_its_reader)
{
    uint32_t length;
    for (uint64_t i = 0; i < 3; i++)
        cr_assert(ring_fixture_put(&fixture, i, 96));
    mr_publish(&fixture.writer, mr_tick());
    while (mr_next(&fixture.reader, &length))
        continue;
    mr_release(&fixture.reader, fixture.reader.position, NULL);
    mr_writer_open(&fixture.writer, &fixture.ring);
    cr_expect_not(fixture.writer.corrupt);
    mr_writer_recover(&fixture.writer, 96);
    cr_expect(fixture.writer.corrupt);
    cr_expect_not(ring_fixture_put(&fixture, 3, 96));
}

Test(corrupt, timing_notes)
{
    static struct mr_histogram hop, age;
    struct mr_reader_timing timing = {&hop, &age};
    uint64_t random = 5;
    for (int round = 0; round < 200; round++) {
        uint64_t *lane = (uint64_t *)(void *)fixture.ring.lane;
        for (size_t i = 0; i < MR_RING_LANE_NOTES * 4; i++)
            lane[i] = random_next(&random);
        fixture.ring.news->lane_write =
            round % 2 ? random_next(&random)
                      : fixture.reader.lane_read + random_below(&random, 1025);
        mr_reader_origin_tick(&fixture.reader);
        mr_release(&fixture.reader, fixture.reader.released + 8, &timing);
        cr_expect_leq(hop.max_ns, INT64_MAX);
    }
}

static void fill_with_words(uint64_t word)
{
    for (uint64_t at = 0; at < fixture.ring.capacity; at += sizeof word)
        memcpy(fixture.ring.data + at, &word, sizeof word);
}

// Random bytes in the ring and random cursors: whatever the reader hands out lies in the ring
// whole.
Test(corrupt, random_rings)
{
    uint64_t random = random_seed(99);
    uint64_t handed_out = 0, passed = 0, refused = 0;
    for (int round = 0; round < 3000; round++) {
        if (round % 4 == 0)
            fill_with_words(8 * random_below(&random, 40)); // records alike
        for (uint64_t i = 0; i < fixture.ring.capacity; i += 8) {
            uint64_t word =
                random_below(&random, 4) ? 8 * random_below(&random, 40) : random_next(&random);
            memcpy(fixture.ring.data + i, &word, 8);
            i += 8 * random_below(&random, 64);
        }
        uint64_t position = 8 * random_below(&random, 100000);
        fixture.ring.reader_line->read_pos = position;
        fixture.ring.writer_line->write_pos = position + random_below(&random, 70000);
        mr_reader_open(&fixture.reader, &fixture.ring);
        const struct mr_record *record;
        for (uint32_t length; (record = mr_next(&fixture.reader, &length)); handed_out++) {
            const uint8_t *start = (const uint8_t *)record;
            cr_assert(start >= fixture.ring.data && length >= MR_ENVELOPE_BYTES &&
                          start + length <= fixture.ring.data + fixture.ring.capacity,
                      "round %d", round);
            uint32_t kind = mr_record_kind(record);
            passed += mr_pass_alike(&fixture.reader, length, kind, UINT64_MAX);
            cr_assert_leq(fixture.reader.position - position, fixture.ring.capacity);
        }
        refused += fixture.reader.corrupt;
    }
    cr_expect_gt(handed_out, 1000, "%lu", handed_out);
    cr_expect_gt(passed, 100, "%lu", passed);
    cr_expect_gt(refused, 1000, "%lu", refused);
}

Test(corrupt, a_tap_on_random_rings)
{
    uint64_t random = random_seed(98);
    for (int round = 0; round < 1000; round++) {
        struct mr_tap tap;
        for (uint64_t i = 0; i < fixture.ring.capacity; i += 8 * (1 + random_below(&random, 64))) {
            uint64_t word =
                random_below(&random, 4) ? 8 * random_below(&random, 40) : random_next(&random);
            memcpy(fixture.ring.data + i, &word, 8);
        }
        uint64_t position = random_below(&random, 100000);
        fixture.ring.reader_line->read_pos = position;
        fixture.ring.writer_line->write_pos = position + random_below(&random, 70000);
        fixture.ring.news->horizon = position + random_below(&random, 70000);
        mr_tap_open(&tap, &fixture.ring, round % 2 ? MR_TAP_OLDEST : MR_TAP_NEWEST);
        const struct mr_record *record;
        while ((record = mr_tap_next(&tap)))
            cr_assert(record->length >= MR_ENVELOPE_BYTES && record->length <= tap.copy_bytes);
        mr_tap_close(&tap);
    }
}

Test(corrupt, schema_tables)
{
    struct mr_schema_set set = {0};
    struct mr_error err;
    uint64_t random = random_seed(97);
    fixture.ring.news->schemas_ready = 1;
    for (int round = 0; round < 2000; round++) {
        uint8_t *table = fixture.ring.schema_table;
        uint32_t count = (uint32_t)random_below(&random, 80),
                 bytes = (uint32_t)random_next(&random);
        for (size_t i = 0; i < 4096; i++)
            table[i] = (uint8_t)(random_below(&random, 3) ? random_below(&random, 18)
                                                          : random_next(&random));
        memcpy(table, &count, 4);
        bytes = round % 2 ? bytes : bytes % 8192;
        memcpy(table + 4, &bytes, 4);
        err.text[0] = 0;
        int code = mr_ring_schemas(&fixture.ring, &set, &err);
        cr_assert(code == MR_OK || code == MR_ERR_CORRUPT, "%d %s", code, err.text);
        if (code == MR_ERR_CORRUPT)
            cr_assert_neq(err.text[0], 0);
        else
            cr_assert_eq(set.count, count);
        mr_schema_set_clear(&set);
    }
}

static void expect_refused(const char *words)
{
    struct mr_ring ring;
    struct mr_error err = {0};
    cr_expect_eq(mr_ring_attach(&ring, fixture.path, MR_ATTACH_READ_WRITE, &err), MR_ERR_SHM, "%s",
                 words);
    cr_expect_not_null(strstr(err.text, words), "'%s' says nothing of '%s'", err.text, words);
    cr_expect_null(ring.segment.base);
}

Test(corrupt, geometry)
{
    struct mr_ring_geometry *geometry = (void *)((uint8_t *)fixture.ring.segment.base + 128);
    static const uint64_t capacities[] = {0, 1, 65535, 32768, 131072, UINT64_MAX};
    for (size_t i = 0; i < MR_COUNT_OF(capacities); i++) {
        geometry->capacity = capacities[i];
        expect_refused("capacity");
    }
    geometry->capacity = 65536;
    geometry->full_policy = 2;
    expect_refused("policy 2");
    geometry->full_policy = 0;
    geometry->checksummed = 7;
    expect_refused("checksummed 7");
}

Test(corrupt, headers)
{
    struct mr_segment_header *header = fixture.ring.segment.base;
    header->magic++;
    expect_refused("magic");
    header->magic--;
    header->layout_version = 77;
    expect_refused("version 77");
    header->layout_version = MR_SEGMENT_LAYOUT_VERSION;
    header->kind = MR_SEGMENT_STAGE;
    expect_refused("kind 2");
    header->kind = MR_SEGMENT_RING;
    header->bytes += 4096;
    expect_refused("241664 bytes");
}

Test(corrupt, files_cut_short)
{
    static const off_t lengths[] = {0, 1, 79, 4096, 8192, 172032, 172033, 172032 + 65535};
    cr_assert_eq(truncate(fixture.path, 172032 + 65536 + 4096), 0);
    expect_refused("bytes");
    for (size_t i = MR_COUNT_OF(lengths); i-- > 0;) {
        cr_assert_eq(truncate(fixture.path, lengths[i]), 0);
        expect_refused("bytes");
    }
}
