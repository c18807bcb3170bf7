// SPDX-License-Identifier: Apache-2.0
#include "consumers/loader/intake.h"

#include <inttypes.h>

// A span is what is counted, and mostly what is written, together.
#define SPAN_BYTES_MAX (256u << 10)
#define WRITE_BYTES_MAX (1u << 20)

void mr_intake_open(struct mr_intake *intake, struct mr_stage *stage, unsigned port)
{
    *intake = (struct mr_intake){.stage = stage, .port = port, .reader = &stage->readers[port]};
    uint64_t start_pos = stage->now.in_pos[port];
    intake->walked_pos = intake->aged_pos = start_pos;
    intake->run = (struct mr_sink_run){
        .stage = stage,
        .ring = intake->reader->ring,
        .start_pos = start_pos,
        .accepted_pos = start_pos,
        .handed_pos = start_pos,
        .durable_pos = start_pos,
    };
    if (port == MR_PORT_MAIN)
        intake->recount = stage->now.counts[MR_COUNT_IN] - stage->now.counts[MR_COUNT_OUT];
}

static struct mr_intake_span *add_span(struct mr_intake *intake, uint64_t begin_pos)
{
    unsigned at = (intake->first + intake->count++) % MR_INTAKE_SPANS_MAX;
    intake->spans[at] = (struct mr_intake_span){.begin_pos = begin_pos, .end_pos = begin_pos};
    return &intake->spans[at];
}

// The span that is being filled: the last one, until it was handed over, is long enough or has come to
// the ring's wrap. NULL: no room for the one or two that a walk may take.
static struct mr_intake_span *open_span(struct mr_intake *intake)
{
    if (intake->count > 0) {
        unsigned last = (intake->first + intake->count - 1) % MR_INTAKE_SPANS_MAX;
        struct mr_intake_span *span = &intake->spans[last];
        if (span->begin_pos >= intake->run.accepted_pos &&
            span->end_pos - span->begin_pos < SPAN_BYTES_MAX &&
            (span->end_pos & intake->reader->ring->mask) != 0)
            return span;
    }
    return intake->count + 2 <= MR_INTAKE_SPANS_MAX ? add_span(intake, intake->walked_pos) : NULL;
}

static int fail_record(const struct mr_intake *intake, uint16_t schema_id, uint32_t length,
                       uint64_t end_pos, struct mr_error *err)
{
    return mr_fail(err, MR_ERR_CORRUPT,
                   "%s: before position %" PRIu64 ": found a record of schema %u with %u bytes, "
                   "expected one of the ring's schemas with at least its fields",
                   intake->reader->ring->segment.path, end_pos, schema_id, length);
}

void mr_intake_use_schemas(struct mr_intake *intake, const struct mr_schema_set *schemas)
{
    intake->schemas = schemas;
    for (unsigned i = 0; i <= MR_SCHEMA_UNKNOWN; i++)
        intake->bytes_min[i] = i < schemas->count ? schemas->schemas[i]->record_bytes : UINT32_MAX;
}

// The index in the ring's table of a record's schema.
static inline uint8_t schema_index(const struct mr_intake *intake, uint16_t schema_id)
{
    if (MR_LIKELY(intake->port == MR_PORT_MAIN))
        return intake->stage->in_schema_index[schema_id];
    for (unsigned i = 0; i < intake->schemas->count; i++)
        if (intake->schemas->schemas[i]->id == schema_id)
            return (uint8_t)i;
    return MR_SCHEMA_UNKNOWN;
}

// What is counted in a walk. It stays in registers, as the reader does: from one record's length to the place of
// the next is what a walk waits for, and the way through memory would add to that.
struct tally {
    uint64_t records; // of the span
    uint64_t again;   // still to come that are in the stage's counts already
    uint64_t fresh;   // that were not
};

static inline void add_to_tally(struct mr_intake *intake, struct tally *tally, uint8_t index,
                                uint64_t records)
{
    uint64_t again = mr_min_u64(tally->again, records);
    tally->again -= again;
    tally->fresh += records - again;
    tally->records += records;
    intake->stage->now.in_by_schema[index] += records - again;
}

// In a stream of records of one length it is known where the next one stands; in a mixed one to guess costs more
// than it gives.
#define ALIKE_BEFORE 3
struct likeness {
    uint32_t length, kind; // of the last record
    unsigned in_a_row;     // how many like it came before
};

// Takes note of this one: whether the next is to be guessed.
static inline bool note_likeness(struct likeness *likeness, uint32_t length, uint32_t kind)
{
    bool alike = length == likeness->length && kind == likeness->kind;
    likeness->in_a_row = alike ? likeness->in_a_row + 1 : 0;
    likeness->length = length;
    likeness->kind = kind;
    return likeness->in_a_row >= ALIKE_BEFORE;
}

// False: it is of no schema of the ring, or shorter than its fields, and sinks rely on those.
static inline bool count_record(struct mr_intake *intake, struct tally *tally, uint16_t schema_id,
                                uint32_t length)
{
    uint8_t index = schema_index(intake, schema_id);
    if (MR_UNLIKELY(length < intake->bytes_min[index]))
        return false;
    add_to_tally(intake, tally, index, 1);
    return true;
}

static inline void count_alike(struct mr_intake *intake, struct tally *tally,
                               struct mr_reader *reader, const struct likeness *likeness,
                               uint64_t limit_pos)
{
    uint64_t records = mr_pass_alike(reader, likeness->length, likeness->kind, limit_pos);
    add_to_tally(intake, tally, schema_index(intake, (uint16_t)likeness->kind), records);
}

// Dead letters are counted when they are out.
static struct tally begin_tally(const struct mr_intake *intake)
{
    return (struct tally){.again = intake->port == MR_PORT_MAIN ? intake->recount : UINT64_MAX};
}
static void end_tally(struct mr_intake *intake, const struct tally *tally)
{
    if (intake->port != MR_PORT_MAIN)
        return;
    intake->recount = tally->again;
    intake->stage->now.counts[MR_COUNT_IN] += tally->fresh;
}

// Behind padding the next record stands in the next lap, and begins a span there.
static struct mr_intake_span *next_lap(struct mr_intake *intake, struct mr_intake_span *span,
                                       struct tally *tally, uint64_t lap_end)
{
    span->records += tally->records;
    tally->records = 0;
    span->end_pos = lap_end;
    return add_span(intake, lap_end);
}

static int walk_span(struct mr_intake *intake, struct mr_intake_span *span, struct mr_error *err)
{
    struct mr_reader reader = *intake->reader;
    struct tally tally = begin_tally(intake);
    struct likeness likeness = {0};
    const struct mr_record *record;
    uint32_t length;
    int code = MR_OK;
    uint64_t lap_end = (span->begin_pos | reader.ring->mask) + 1;
    uint64_t limit_pos = mr_min_u64(span->begin_pos + SPAN_BYTES_MAX, lap_end);
    while (code == MR_OK && reader.position < limit_pos &&
           (record = mr_next(&reader, &length)) != NULL) {
        if (MR_UNLIKELY(reader.position > lap_end))
            span = next_lap(intake, span, &tally, lap_end);
        uint32_t kind = mr_record_kind(record);
        if (!count_record(intake, &tally, (uint16_t)kind, length))
            code = fail_record(intake, (uint16_t)kind, length, reader.position, err);
        else if (note_likeness(&likeness, length, kind))
            count_alike(intake, &tally, &reader, &likeness, limit_pos);
    }
    span->records += tally.records;
    end_tally(intake, &tally);
    *intake->reader = reader;
    span->end_pos = intake->walked_pos = reader.position;
    return code == MR_OK && reader.corrupt ? mr_reader_explain(intake->reader, err) : code;
}

int mr_intake_walk(struct mr_intake *intake, bool *moved, struct mr_error *err)
{
    // The record's own word, which is needed anyway; the cursor is another line to be fetched.
    if (!mr_has_record(intake->reader))
        return intake->reader->corrupt ? mr_reader_explain(intake->reader, err) : MR_OK;
    struct mr_intake_span *span = open_span(intake);
    if (!span)
        return MR_OK;
    *moved = true;
    if (intake->port == MR_PORT_MAIN)
        intake->seen_tick = mr_tick();
    return walk_span(intake, span, err);
}

// Whole spans up to the ring's wrap, as many as make a good write.
static uint64_t contiguous_end(const struct mr_intake *intake)
{
    uint64_t begin = intake->run.accepted_pos, end = begin;
    uint64_t lap_end = (begin | intake->reader->ring->mask) + 1;
    for (unsigned i = 0; i < intake->count; i++) {
        uint64_t span_end = intake->spans[(intake->first + i) % MR_INTAKE_SPANS_MAX].end_pos;
        if (span_end <= begin)
            continue;
        if (end > begin && (span_end > lap_end || span_end - begin > WRITE_BYTES_MAX))
            break;
        end = span_end;
    }
    return end;
}

int mr_intake_hand_over(struct mr_intake *intake, bool *moved, struct mr_error *err)
{
    struct mr_sink_run *run = &intake->run;
    while (run->accepted_pos < intake->walked_pos) {
        uint64_t before = run->accepted_pos;
        const uint8_t *bytes = mr_peek_at(intake->reader, before);
        int code = run->sink->write(run, bytes, contiguous_end(intake) - before, err);
        if (code != MR_OK)
            return code;
        if (run->accepted_pos == before)
            return MR_OK;
        *moved = true;
    }
    return MR_OK;
}

void mr_intake_age(struct mr_intake *intake, uint64_t position, uint64_t tick)
{
    struct mr_stage_layout *shared = intake->stage->shared;
    if (position != intake->aged_pos && intake->port == MR_PORT_MAIN)
        mr_reader_age(intake->reader, &intake->aged_notes, position, tick, &shared->handed_ns);
    intake->aged_pos = position;
    if (intake->seen_tick != 0)
        mr_reader_note_seen(intake->reader, intake->seen_tick,
                            &(struct mr_reader_sight){&shared->published_ns, &shared->seen_ns});
    intake->seen_tick = 0;
}

static void count_out(struct mr_intake *intake, uint64_t records)
{
    if (intake->port == MR_PORT_MAIN)
        intake->stage->now.counts[MR_COUNT_OUT] += records;
    else
        intake->stage->now.plugin[intake->counter] += records;
}

bool mr_intake_settle(struct mr_intake *intake)
{
    bool moved = false;
    while (intake->count > 0 && intake->spans[intake->first].end_pos <= intake->run.durable_pos) {
        const struct mr_intake_span *span = &intake->spans[intake->first];
        intake->stage->now.in_pos[intake->port] = span->end_pos;
        count_out(intake, span->records);
        intake->first = (intake->first + 1) % MR_INTAKE_SPANS_MAX;
        intake->count--;
        moved = true;
    }
    if (moved)
        mr_store_relaxed_u64(&intake->stage->shared->gauges.durable_pos[intake->port],
                             intake->run.durable_pos);
    return moved;
}
