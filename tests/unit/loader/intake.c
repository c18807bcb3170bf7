// SPDX-License-Identifier: Apache-2.0
// What lies between a ring and a sink: spans, counts, a sink that is busy or fails, and rings that lie.
#include "consumers/loader/intake.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/journal_bytes.h"
#include "tests/support/ring_fixture.h"

static struct ring_fixture ring;
static struct mr_schema_set schemas;
static struct mr_stage *stage;
static struct mr_stage_layout *page;
static struct mr_intake intake;

// ---- a sink that takes what it is let take ------------------------------------------------------
static struct {
    uint64_t takes_max; // bytes, before it is busy
    uint64_t taken;
    unsigned calls;
    int code; // of the next write
} sink;

static int sink_write(struct mr_sink_run *run, const uint8_t *bytes, size_t length,
                      struct mr_error *err)
{
    sink.calls++;
    if (sink.code != MR_OK)
        return mr_fail(err, sink.code, "the sink refuses");
    cr_assert_eq(bytes, ring.ring.data + (run->accepted_pos & ring.ring.mask));
    cr_assert_leq((run->accepted_pos & ring.ring.mask) + length, ring.ring.capacity,
                  "nothing goes over the wrap");
    if (sink.taken + length > sink.takes_max)
        return MR_OK;
    sink.taken += length;
    run->accepted_pos += length;
    run->handed_pos = run->accepted_pos;
    return MR_OK;
}
static const struct mr_sink the_sink = {.name = "test", .write = sink_write};

static void open_at(unsigned port, uint64_t capacity, uint64_t counted_in)
{
    schemas = mr_test_schemas();
    ring_fixture_open(&ring, (struct mr_ring_options){.capacity = capacity});
    stage = calloc(1, sizeof *stage);
    page = calloc(1, sizeof *page);
    cr_assert(stage && page);
    stage->shared = page;
    stage->readers[port] = ring.reader;
    stage->readers[port].ring = &ring.ring;
    stage->now.counts[MR_COUNT_IN] = counted_in;
    memset(stage->in_schema_index, MR_SCHEMA_UNKNOWN, sizeof stage->in_schema_index);
    stage->in_schema_index[schemas.schemas[0]->id] = 0;
    sink.takes_max = UINT64_MAX;
    sink.taken = sink.calls = 0;
    sink.code = MR_OK;
    mr_intake_open(&intake, stage, port);
    mr_intake_use_schemas(&intake, &schemas);
    intake.run.sink = &the_sink;
    intake.counter = 5;
}

static void tear_down(void)
{
    ring_fixture_close(&ring);
    mr_schema_set_clear(&schemas);
    free(stage);
    free(page);
}
TestSuite(intake, .fini = tear_down);

// A record of the schema with this length (0: as long as its fields); false: no room.
static bool put(uint16_t schema_id, uint32_t length)
{
    if (length == 0)
        length = schemas.schemas[0]->record_bytes;
    struct mr_record *record = mr_claim(&ring.writer, length);
    if (!record)
        return false;
    memset((uint8_t *)record + 8, 0, length - 8);
    record->schema_id = schema_id;
    mr_commit(&ring.writer);
    return true;
}
static bool put_some(unsigned count, uint32_t length)
{
    bool room = true;
    for (unsigned i = 0; i < count && room; i++)
        room = put(schemas.schemas[0]->id, length);
    mr_publish(&ring.writer, 1);
    return room;
}

static void walk_all(void)
{
    struct mr_error err = {0};
    for (bool moved = true; moved;) {
        moved = false;
        cr_assert_eq(mr_intake_walk(&intake, &moved, &err), MR_OK, "%s", err.text);
    }
}

static void release(void)
{
    intake.run.durable_pos = intake.run.accepted_pos;
    mr_intake_settle(&intake);
    mr_release(intake.reader, stage->now.in_pos[intake.port], NULL);
}

// ---- what is counted ---------------------------------------------------------------------------
Test(intake, counts_as_in_when_walked_and_as_out_when_durable)
{
    struct mr_error err;
    bool moved = false;
    open_at(MR_PORT_MAIN, 0, 0);
    cr_expect_eq(mr_intake_walk(&intake, &moved, &err), MR_OK);
    cr_expect(!moved, "nothing is there");
    put_some(7, 0);
    walk_all();
    cr_expect_eq(stage->now.counts[MR_COUNT_IN], 7);
    cr_expect_eq(stage->now.in_by_schema[0], 7);
    cr_expect(mr_intake_is_busy(&intake) && !mr_intake_is_idle(&intake));
    cr_expect_eq(mr_intake_hand_over(&intake, &moved, &err), MR_OK);
    cr_expect(moved && mr_intake_is_young(&intake) && mr_intake_is_idle(&intake));
    cr_expect(!mr_intake_settle(&intake), "nothing is durable yet");
    cr_expect_eq(stage->now.counts[MR_COUNT_OUT], 0);
    mr_intake_age(&intake, intake.run.handed_pos, mr_tick());
    mr_intake_age(&intake, intake.run.handed_pos, mr_tick());
    cr_expect(!mr_intake_is_young(&intake));
    intake.run.durable_pos = intake.run.accepted_pos;
    cr_expect(mr_intake_settle(&intake));
    cr_expect_eq(stage->now.counts[MR_COUNT_OUT], 7);
    cr_expect_eq(stage->now.in_pos[MR_PORT_MAIN], intake.run.durable_pos);
    cr_expect_eq(page->gauges.durable_pos[MR_PORT_MAIN], intake.run.durable_pos);
    cr_expect(!mr_intake_is_busy(&intake));
}

// What was handed over grows no more: records that come behind it are counted with the next.
Test(intake, what_was_handed_over_is_closed)
{
    struct mr_error err = {0};
    bool moved;
    open_at(MR_PORT_MAIN, 0, 0);
    put_some(2, 0);
    walk_all();
    put_some(1, 0);
    walk_all();
    cr_expect_eq(intake.count, 1, "not handed over yet: it grows");
    cr_expect_eq(mr_intake_hand_over(&intake, &moved, &err), MR_OK);
    uint64_t first = intake.run.accepted_pos;
    put_some(5, 0);
    walk_all();
    cr_expect_eq(intake.count, 2);
    cr_expect_eq(mr_intake_hand_over(&intake, &moved, &err), MR_OK);
    intake.run.durable_pos = first;
    cr_expect(mr_intake_settle(&intake));
    cr_expect_eq(stage->now.counts[MR_COUNT_OUT], 3);
    cr_expect_eq(stage->now.in_pos[MR_PORT_MAIN], first);
    release();
    cr_expect_eq(stage->now.counts[MR_COUNT_OUT], 8);
}

// What a process that died had counted as in, and not as out, is walked again and not counted again.
Test(intake, counts_once_what_is_walked_twice)
{
    open_at(MR_PORT_MAIN, 0, 4);
    put_some(7, 0);
    walk_all();
    cr_expect_eq(stage->now.counts[MR_COUNT_IN], 7);
    cr_expect_eq(stage->now.in_by_schema[0], 3);
}

// Runs of records alike, of two schemas and three lengths, across laps: each is counted once, under its own schema, and what was
// counted already ends within a run.
Test(intake, runs_of_records_alike)
{
    const uint64_t counted = 1003;
    uint64_t put_count = 0, by_schema[2] = {0};
    open_at(MR_PORT_MAIN, 0, counted);
    struct mr_schema *other = mr_schema_new("other", schemas.schemas[0]->id + 1);
    cr_assert_eq(mr_schema_add(other, "id", "u32", false, NULL), MR_OK);
    mr_schema_seal(other);
    cr_assert_eq(mr_schema_set_add(&schemas, other, NULL), MR_OK);
    mr_intake_use_schemas(&intake, &schemas);
    stage->in_schema_index[other->id] = 1;
    for (unsigned run = 0; put_count < 20000; run++) {
        const unsigned of = run % 5 == 4;
        uint32_t length = schemas.schemas[of]->record_bytes + run % 3 * 8;
        for (unsigned i = 0; i < 1 + run * 7 % 40; i++) {
            while (!put(schemas.schemas[of]->id, length)) {
                mr_publish(&ring.writer, 1);
                walk_all();
                intake.run.accepted_pos = intake.walked_pos;
                release();
            }
            by_schema[of] += put_count >= counted;
            put_count++;
        }
    }
    mr_publish(&ring.writer, 1);
    walk_all();
    intake.run.accepted_pos = intake.walked_pos;
    release();
    cr_expect_gt(ring.writer.published, 10 * ring.ring.capacity);
    cr_expect_eq(stage->now.in_pos[MR_PORT_MAIN], ring.writer.published);
    cr_expect_eq(stage->now.counts[MR_COUNT_IN], put_count);
    cr_expect_eq(stage->now.counts[MR_COUNT_OUT], put_count);
    cr_expect_eq(stage->now.in_by_schema[0], by_schema[0]);
    cr_expect_eq(stage->now.in_by_schema[1], by_schema[1]);
}

Test(intake, dead_letters_have_a_counter_of_their_own)
{
    struct mr_error err;
    bool moved;
    open_at(MR_PORT_DEAD, 0, 0);
    put_some(3, 0);
    walk_all();
    cr_expect_eq(mr_intake_hand_over(&intake, &moved, &err), MR_OK);
    mr_intake_age(&intake, intake.run.handed_pos, mr_tick());
    release();
    cr_expect_eq(stage->now.counts[MR_COUNT_IN], 0);
    cr_expect_eq(stage->now.counts[MR_COUNT_OUT], 0);
    cr_expect_eq(stage->now.plugin[5], 3);
}

// Many laps with padding at their ends: each record is handed over and counted once, in pieces within a lap.
Test(intake, over_many_laps)
{
    struct mr_error err = {0};
    uint64_t put_count = 0;
    bool moved;
    open_at(MR_PORT_MAIN, 0, 0);
    for (unsigned turn = 0; turn < 400; turn++) {
        while (put(schemas.schemas[0]->id, 1000 + turn % 7 * 100))
            put_count++;
        mr_publish(&ring.writer, 1);
        walk_all();
        sink.takes_max = turn % 3 ? UINT64_MAX : sink.taken; // busy now and then
        cr_assert_eq(mr_intake_hand_over(&intake, &moved, &err), MR_OK);
        release();
    }
    sink.takes_max = UINT64_MAX;
    cr_assert_eq(mr_intake_hand_over(&intake, &moved, &err), MR_OK);
    release();
    cr_expect_gt(sink.taken, 10 * ring.ring.capacity);
    cr_expect_eq(sink.taken, ring.writer.published);
    cr_expect_eq(stage->now.counts[MR_COUNT_IN], put_count);
    cr_expect_eq(stage->now.counts[MR_COUNT_OUT], put_count);
}

// ---- a sink that is slow, or fails ---------------------------------------------------------------
// A busy sink gets nothing more; when there is room for no more spans, walking waits, too.
Test(intake, a_busy_sink_stops_it)
{
    struct mr_error err = {0};
    bool moved = false;
    open_at(MR_PORT_MAIN, 64u << 20, 0);
    while (put(schemas.schemas[0]->id, 60000))
        continue;
    mr_publish(&ring.writer, 1);
    sink.takes_max = 0;
    walk_all();
    cr_expect_lt(intake.walked_pos, ring.writer.published, "the spans are used up");
    cr_expect_geq(intake.count, MR_INTAKE_SPANS_MAX - 1);
    cr_expect_eq(mr_intake_hand_over(&intake, &moved, &err), MR_OK);
    cr_expect(!moved);
    cr_expect_eq(sink.calls, 1);
    sink.takes_max = UINT64_MAX;
    for (unsigned turn = 0; turn < 100; turn++) {
        cr_assert_eq(mr_intake_hand_over(&intake, &moved, &err), MR_OK);
        release();
        walk_all();
    }
    cr_expect_eq(sink.taken, ring.writer.published);
    cr_expect_eq(stage->now.counts[MR_COUNT_OUT], stage->now.counts[MR_COUNT_IN]);
}

Test(intake, a_failing_sink_is_said)
{
    struct mr_error err = {0};
    bool moved = false;
    open_at(MR_PORT_MAIN, 0, 0);
    put_some(3, 0);
    walk_all();
    sink.code = MR_ERR_OUTPUT;
    cr_expect_eq(mr_intake_hand_over(&intake, &moved, &err), MR_ERR_OUTPUT);
    cr_expect_str_eq(err.text, "the sink refuses");
    cr_expect(!moved);
    cr_expect(!mr_intake_settle(&intake));
    cr_expect_eq(stage->now.in_pos[MR_PORT_MAIN], 0, "nothing is given back to the ring");
}

// ---- rings that lie ----------------------------------------------------------------------------
static void expect_corrupt(const char *sentence)
{
    struct mr_error err = {0};
    bool moved = true;
    int code = MR_OK;
    for (unsigned turn = 0; turn < 4 && code == MR_OK; turn++) {
        mr_reader_check(intake.reader); // as a wait in vain does, now and then
        code = mr_intake_walk(&intake, &moved, &err);
    }
    cr_expect_eq(code, MR_ERR_CORRUPT);
    cr_expect_not_null(strstr(err.text, ring.ring.segment.path), "%s", err.text);
    cr_expect_not_null(strstr(err.text, sentence), "%s", err.text);
}

Test(intake, a_schema_that_the_ring_does_not_have)
{
    for (unsigned port = MR_PORT_MAIN; port <= MR_PORT_DEAD; port++) {
        open_at(port, 0, 0);
        put_some(2, 0);
        put(4711, 0);
        mr_publish(&ring.writer, 1);
        expect_corrupt("found a record of schema 4711");
        cr_expect_eq(stage->now.counts[MR_COUNT_IN], port == MR_PORT_MAIN ? 2 : 0);
        if (port == MR_PORT_MAIN)
            tear_down();
    }
}

Test(intake, a_record_shorter_than_its_fields)
{
    open_at(MR_PORT_MAIN, 0, 0);
    put_some(1, MR_ENVELOPE_BYTES);
    expect_corrupt("expected one of the ring's schemas with at least its fields");
}

// A length that the ring cannot hold, before anything else and behind records that are sound.
Test(intake, a_length_that_cannot_be)
{
    for (unsigned before = 0; before < 3; before += 2) {
        open_at(MR_PORT_MAIN, 0, 0);
        put_some(before, 0);
        uint64_t at = ring.writer.published;
        put_some(1, 0);
        uint32_t length = 0x7FFFFFF0;
        memcpy(ring.ring.data + at, &length, sizeof length);
        expect_corrupt("found");
        cr_expect_eq(stage->now.counts[MR_COUNT_IN], before, "what is sound is counted");
        expect_corrupt("found");
        if (before == 0)
            tear_down();
    }
}

// A length that lies in the midst of a run of records alike, and a record of no schema: what is before them is counted, they are named.
Test(intake, a_lie_within_a_run)
{
    for (unsigned lie = 0; lie < 2; lie++) {
        open_at(MR_PORT_MAIN, 0, 0);
        put_some(20, 0);
        uint64_t at = ring.writer.published;
        put_some(20, 0);
        uint32_t length = 0x7FFFFFF0;
        if (lie == 0)
            memcpy(ring.ring.data + at, &length, sizeof length);
        else
            memset(ring.ring.data + at + offsetof(struct mr_record, schema_id), 0x77, 2);
        expect_corrupt(lie == 0 ? "found" : "found a record of schema 30583");
        cr_expect_eq(stage->now.counts[MR_COUNT_IN], 20);
        if (lie == 0)
            tear_down();
    }
}

// The writer's cursor beyond what a ring can hold: the ring is corrupt, at once and from then on.
Test(intake, a_cursor_that_cannot_be)
{
    open_at(MR_PORT_MAIN, 0, 0);
    put_some(2, 0);
    walk_all();
    ring.ring.writer_line->write_pos += 2 * ring.ring.capacity;
    expect_corrupt("found");
    expect_corrupt("found");
    cr_expect_eq(stage->now.counts[MR_COUNT_IN], 2);
}
