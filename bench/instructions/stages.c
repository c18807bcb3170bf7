// SPDX-License-Identifier: Apache-2.0
// What a stage does with records that it need not look into: the transform without operators moves runs of
// them from ring to ring, the loader walks over them. In batches of 64, all of one kind, or of three lengths in turn.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/instructions/cases.h"
#include "consumers/loader/intake.h"
#include "core/market.h"
#include "tests/support/chain_fixture.h"
#include "tests/support/ring_fixture.h"

#define BATCH 64
#define KINDS 3

static const struct kind {
    uint16_t schema_id;
    uint32_t length;
} kinds[KINDS] = {{MR_SCHEMA_ORDER_ADD, 64}, {MR_SCHEMA_MOCK, 48}, {MR_SCHEMA_ORDER_ADD, 200}};

// Of record n, where so many kinds come in turn.
static const struct kind *kind_of(uint64_t n, unsigned kind_count)
{
    return &kinds[n % kind_count];
}

static void open_schemas(struct mr_schema_set *schemas)
{
    struct mr_error err;
    for (unsigned i = 0; i < 2; i++) {
        struct mr_schema *schema = mr_schema_copy(mr_market_schema(kinds[i].schema_id));
        expect(mr_schema_set_add(schemas, schema, &err) == MR_OK, "stages", err.text);
    }
}

static void put_batch(struct mr_writer *writer, uint64_t *written, unsigned kind_count)
{
    for (unsigned i = 0; i < BATCH; i++, ++*written) {
        const struct kind *kind = kind_of(*written, kind_count);
        struct mr_record *record = mr_claim(writer, kind->length);
        expect(record != NULL, "stages", "no room for a record");
        memset((uint8_t *)record + MR_RING_OWN_BYTES, 0, kind->length - MR_RING_OWN_BYTES);
        record->sequence = *written;
        record->schema_id = kind->schema_id;
        mr_commit(writer);
    }
    mr_publish(writer, 0); // without a note: when one is left depends on the clock
}

static bool is_record(const struct mr_record *record, uint32_t length, uint64_t n,
                      unsigned kind_count)
{
    const struct kind *kind = kind_of(n, kind_count);
    return length == kind->length && record->schema_id == kind->schema_id && record->sequence == n;
}

// ---- the transform's way without operators, with the stage's commit

static void pass_records(struct chain_fixture *fixture, struct mr_writer *feed, uint64_t *written,
                         unsigned kind_count)
{
    struct mr_reader *in = &fixture->stage->readers[MR_PORT_MAIN], *out = &fixture->readers[0];
    const struct mr_record *record;
    uint64_t came = *written;
    for (unsigned i = 0; i < CASE_RECORDS; i += BATCH) {
        put_batch(feed, written, kind_count);
        count_begin();
        mr_chain_pass(&fixture->chain, in, feed->published);
        mr_stage_commit(fixture->stage);
        count_end();
        for (uint32_t length; (record = mr_next(out, &length)) != NULL; came++)
            expect(is_record(record, length, came, kind_count), "transform pass",
                   "a record that came out is not the one that went in");
        mr_release(out, out->position, NULL);
        expect(came == *written, "transform pass", "not every record came out");
    }
}

static void count_pass(const char *name, unsigned kind_count)
{
    struct chain_fixture *fixture = calloc(1, sizeof *fixture);
    struct mr_schema_set schemas = {0};
    struct mr_writer feed;
    uint64_t written = 0;
    open_schemas(&schemas);
    chain_fixture_open(fixture, "  []\n", &schemas);
    mr_writer_open(&feed, fixture->stage->readers[MR_PORT_MAIN].ring);
    pass_records(fixture, &feed, &written, kind_count);
    struct tally tally = tally_start(name);
    pass_records(fixture, &feed, &written, kind_count);
    tally_finish(&tally, CASE_RECORDS);
    chain_fixture_close(fixture);
    mr_schema_set_clear(&schemas);
    free(fixture);
}

// ---- the loader's walk

struct walk {
    struct ring_fixture fixture;
    struct mr_schema_set schemas;
    struct mr_stage
        *stage; // of which only this is there: its page, the reader and the schemas' indices
    struct mr_intake intake;
    uint64_t written;
};

static void open_walk(struct walk *walk)
{
    struct mr_stage *stage = walk->stage = calloc(1, sizeof *stage);
    expect(stage != NULL && (stage->shared = calloc(1, sizeof *stage->shared)) != NULL,
           "loader walk", "no memory");
    open_schemas(&walk->schemas);
    ring_fixture_open(&walk->fixture, (struct mr_ring_options){0});
    stage->readers[MR_PORT_MAIN] = walk->fixture.reader;
    memset(stage->in_schema_index, MR_SCHEMA_UNKNOWN, sizeof stage->in_schema_index);
    for (unsigned i = 0; i < walk->schemas.count; i++)
        stage->in_schema_index[walk->schemas.schemas[i]->id] = (uint8_t)i;
    mr_intake_open(&walk->intake, stage, MR_PORT_MAIN);
    mr_intake_use_schemas(&walk->intake, &walk->schemas);
}

static void close_walk(struct walk *walk)
{
    ring_fixture_close(&walk->fixture);
    mr_schema_set_clear(&walk->schemas);
    free(walk->stage->shared);
    free(walk->stage);
}

// As if a sink had taken and kept all of it.
static void let_go(struct walk *walk)
{
    struct mr_intake *intake = &walk->intake;
    intake->run.accepted_pos = intake->run.durable_pos = intake->walked_pos;
    mr_intake_settle(intake);
    mr_release(intake->reader, intake->walked_pos, NULL);
}

static void walk_records(struct walk *walk, unsigned kind_count)
{
    struct mr_error err;
    for (unsigned i = 0; i < CASE_RECORDS; i += BATCH) {
        int code = MR_OK;
        put_batch(&walk->fixture.writer, &walk->written, kind_count);
        count_begin();
        for (bool moved = true; moved && code == MR_OK;) {
            moved = false;
            code = mr_intake_walk(&walk->intake, &moved, &err);
        }
        count_end();
        expect(code == MR_OK, "loader walk", err.text);
        expect(walk->intake.walked_pos == walk->fixture.writer.published, "loader walk",
               "it stops before the end");
        let_go(walk);
    }
}

static void check_counts(const struct walk *walk, const char *name, unsigned kind_count)
{
    const struct mr_stage_slot *now = &walk->stage->now;
    uint64_t second = kind_count > 1 ? (walk->written + kind_count - 2) / kind_count : 0;
    expect(now->counts[MR_COUNT_IN] == walk->written &&
               now->counts[MR_COUNT_OUT] == walk->written &&
               now->in_by_schema[0] == walk->written - second && now->in_by_schema[1] == second,
           name, "other than the records that were written are counted");
}

static void count_walk(const char *name, unsigned kind_count)
{
    struct walk *walk = calloc(1, sizeof *walk);
    open_walk(walk);
    walk_records(walk, kind_count);
    struct tally tally = tally_start(name);
    walk_records(walk, kind_count);
    tally_finish(&tally, CASE_RECORDS);
    check_counts(walk, name, kind_count);
    close_walk(walk);
    free(walk);
}

void count_stages(void)
{
    count_pass("transform pass, alike", 1);
    count_pass("transform pass, three lengths", KINDS);
    count_walk("loader walk, alike", 1);
    count_walk("loader walk, three lengths", KINDS);
}
