// SPDX-License-Identifier: Apache-2.0
#include "tests/support/counting_stage.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define RECORD_BYTES_MAX 200
#define TOUCHES_PER_RECORD 3

void counting_run_open(struct counting_run *run, uint64_t total, unsigned batch)
{
    struct mr_pipeline *pipeline = &run->pipeline;
    memset(run, 0, sizeof *run);
    run->total = total;
    run->batch = batch;
    mr_clock_setup();
    scratch_open(&run->scratch);
    run->sink.kind = MR_NODE_MAP;
    pipeline->sink_node = &run->sink;
    for (int role = 0; role < MR_ROLE_COUNT; role++)
        pipeline->wait[role] = MR_WAIT_YIELD;
    pipeline->batch_bytes_max = 4096;
    snprintf(pipeline->name, sizeof pipeline->name, "counting");
    snprintf(pipeline->directory, sizeof pipeline->directory, "%s/counting",
             run->scratch.directory);
    for (int i = 0; i < MR_RING_COUNT; i++)
        pipeline->rings[i].capacity = MR_RING_CAPACITY_MIN;
    pipeline->rings[MR_RING_EGRESS].checksummed = true;
}

void counting_run_close(struct counting_run *run)
{
    scratch_close(&run->scratch);
}

// ---- the state: a few overlapping places change with each record

struct place {
    uint32_t offset, bytes;
    uint8_t add;
};

static struct place place_of(uint64_t record, unsigned touch)
{
    uint64_t random = record * TOUCHES_PER_RECORD + touch;
    struct place place;
    place.bytes = 1 + (uint32_t)random_below(&random, 40);
    place.offset = (uint32_t)random_below(&random, COUNTING_STATE_BYTES / 8 - place.bytes);
    place.add = (uint8_t)random_next(&random);
    return place;
}

static void add_to(uint8_t *state, struct place place)
{
    for (uint32_t i = 0; i < place.bytes; i++)
        state[place.offset + i] = (uint8_t)(state[place.offset + i] + place.add);
}

bool counting_state_is_right(const uint8_t *state, uint64_t records)
{
    uint8_t expected[COUNTING_STATE_BYTES] = {0};
    for (uint64_t record = 0; record < records; record++)
        for (unsigned touch = 0; touch < TOUCHES_PER_RECORD; touch++)
            add_to(expected, place_of(record, touch));
    return memcmp(state, expected, sizeof expected) == 0;
}

static void modify_state(struct mr_stage *stage, uint64_t record, counting_point *point,
                         void *context)
{
    for (unsigned touch = 0; touch < TOUCHES_PER_RECORD; touch++) {
        struct place place = place_of(record, touch);
        point(context);
        mr_stage_touch(stage, stage->state + place.offset, place.bytes);
        point(context);
        add_to(stage->state, place);
    }
}

// ---- the records

static uint32_t length_of(const struct counting_run *run, uint64_t number)
{
    uint64_t random = number;
    if (number < run->lead_records)
        return run->lead_lengths[number];
    return MR_ENVELOPE_BYTES +
           (uint32_t)random_below(&random, RECORD_BYTES_MAX - MR_ENVELOPE_BYTES);
}

static void fill(struct mr_record *record, uint32_t length, uint64_t number)
{
    record->sequence = number;
    record->event_time_ns = record->ingest_time_ns = (int64_t)number;
    record->schema_id = MR_SCHEMA_ID_DECLARED;
    record->flags = 0;
    memset((uint8_t *)record + MR_ENVELOPE_BYTES, (int)(number & 0xFF), length - MR_ENVELOPE_BYTES);
}

static bool is_whole(const struct counting_run *run, const struct mr_record *record,
                     uint32_t length, uint64_t number)
{
    const uint8_t *payload = (const uint8_t *)record + MR_ENVELOPE_BYTES;
    if (record->sequence != number || length != length_of(run, number) ||
        record->event_time_ns != (int64_t)number)
        return false;
    for (uint32_t i = 0; i < length - MR_ENVELOPE_BYTES; i++)
        if (payload[i] != (uint8_t)number)
            return false;
    return true;
}

static int emit(const struct counting_run *run, struct mr_stage *stage, uint64_t number,
                counting_point *point, void *context, struct mr_error *err)
{
    struct mr_record *record = mr_stage_claim(stage, MR_PORT_MAIN, length_of(run, number));
    point(context);
    if (!record) // halted; why, if not by order, stands in the stage's problem
        return mr_fail(err, stage->problem.code != MR_OK ? stage->problem.code : MR_ERR_STAGE,
                       "no room for record %lu", number);
    fill(record, length_of(run, number), number);
    point(context);
    stage->now.counts[MR_COUNT_IN]++;
    stage->now.counts[MR_COUNT_OUT]++;
    mr_stage_emit(stage, MR_PORT_MAIN);
    point(context);
    modify_state(stage, number, point, context);
    return MR_OK;
}

// ---- the stages

static int describe(struct mr_stage *stage, struct mr_error *err)
{
    struct mr_schema *schema = mr_schema_new("number", MR_SCHEMA_ID_DECLARED);
    int code = mr_schema_add(schema, "rest", "bytes", false, err);
    mr_schema_seal(schema);
    if (code == MR_OK)
        code = mr_schema_set_add(&stage->out_schemas, schema, err);
    return code == MR_OK ? mr_stage_describe(stage, err) : code;
}

static int produce(const struct counting_run *run, struct mr_stage *stage, counting_point *point,
                   void *context, struct mr_error *err)
{
    uint64_t next;
    int code = MR_OK;
    memcpy(&next, stage->now.mark, sizeof next);
    while (next < run->total && code == MR_OK && !stage->halted) {
        for (unsigned i = 0; i < run->batch && next < run->total && code == MR_OK; i++, next++)
            code = emit(run, stage, next, point, context, err);
        memcpy(stage->now.mark, &next, sizeof next);
        point(context);
        mr_stage_commit(stage);
        point(context);
    }
    return code;
}

int counting_produce(const struct counting_run *run, counting_point *point, void *context,
                     struct mr_error *err)
{
    static struct mr_stage stage;
    int code = mr_stage_open(&stage, &run->pipeline, MR_ROLE_PRODUCER, err);
    if (code != MR_OK)
        return code;
    point(context);
    code = mr_stage_reserve_state(&stage, COUNTING_STATE_BYTES, err);
    if (code == MR_OK)
        code = describe(&stage, err);
    point(context);
    if (code == MR_OK)
        code = produce(run, &stage, point, context, err);
    return mr_stage_close(&stage, code, err);
}

static int transform(const struct counting_run *run, struct mr_stage *stage, counting_point *point,
                     void *context, struct mr_error *err)
{
    struct mr_reader *reader = &stage->readers[MR_PORT_MAIN];
    int code = MR_OK;
    while (code == MR_OK && !mr_stage_is_halted(stage) && !mr_reader_at_end(reader)) {
        const struct mr_record *record;
        uint32_t length;
        for (unsigned i = 0; i < run->batch && code == MR_OK && (record = mr_next(reader, &length));
             i++)
            code = emit(run, stage, record->sequence, point, context, err);
        if (reader->corrupt)
            code = mr_reader_explain(reader, err);
        point(context);
        mr_stage_commit(stage);
        point(context);
    }
    return code;
}

int counting_transform(const struct counting_run *run, counting_point *point, void *context,
                       struct mr_error *err)
{
    static struct mr_stage stage;
    int code = mr_stage_open(&stage, &run->pipeline, MR_ROLE_TRANSFORM, err);
    if (code != MR_OK)
        return code;
    point(context);
    code = mr_stage_await_schemas(&stage, err);
    if (code == MR_OK)
        code = mr_stage_reserve_state(&stage, COUNTING_STATE_BYTES, err);
    if (code == MR_OK)
        code = describe(&stage, err);
    point(context);
    if (code == MR_OK)
        code = transform(run, &stage, point, context, err);
    return mr_stage_close(&stage, code, err);
}

// ---- looking at what is there

uint64_t counting_read(const struct counting_run *run, enum mr_ring_index index, uint64_t first)
{
    struct mr_ring ring;
    struct mr_reader reader;
    const struct mr_record *record;
    uint64_t number = first;
    uint32_t length;
    char path[320];
    mr_pipeline_ring_path(&run->pipeline, index, path, sizeof path);
    if (mr_ring_attach(&ring, path, MR_ATTACH_READ_WRITE, NULL) != MR_OK)
        return first == 0 ? 0 : UINT64_MAX; // died before it made its rings
    mr_reader_open(&reader, &ring);
    while ((record = mr_next(&reader, &length)) && is_whole(run, record, length, number))
        number++;
    bool good = !record && !reader.corrupt;
    mr_release(&reader, reader.position, NULL);
    mr_ring_detach(&ring);
    return good ? number - first : UINT64_MAX;
}

int counting_look(const struct counting_run *run, enum mr_role role, struct mr_stage_slot *slot,
                  uint8_t *state, struct mr_error *err)
{
    struct mr_segment segment;
    char path[320], state_path[352];
    mr_pipeline_stage_path(&run->pipeline, role, path, sizeof path);
    int code = mr_segment_attach(&segment, path, MR_SEGMENT_STAGE, MR_ATTACH_READ_ONLY, err);
    if (code != MR_OK)
        return code;
    mr_stage_snapshot((const void *)((uint8_t *)segment.base + MR_PAGE_BYTES), slot);
    mr_segment_detach(&segment);
    snprintf(state_path, sizeof state_path, "%s.state", path);
    code = mr_segment_attach(&segment, state_path, MR_SEGMENT_STATE, MR_ATTACH_READ_ONLY, err);
    if (code != MR_OK)
        return code;
    // The state is the segment's last pages.
    memcpy(state, (uint8_t *)segment.base + segment.bytes - COUNTING_STATE_BYTES,
           COUNTING_STATE_BYTES);
    mr_segment_detach(&segment);
    return MR_OK;
}
