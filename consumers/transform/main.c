// SPDX-License-Identifier: Apache-2.0
// The transform process: a reader for each producer, in turn, one chain, one commit per batch.
#include <stdlib.h>

#include "consumers/transform/merge.h"
#include "core/log.h"
#include "core/pipeline/harden.h"
#include "core/pipeline/rundir.h"
#include "core/pipeline/session.h"
#include "core/pipeline/stage_note.h"

#define WAIT_NS 20000000 // one step of waiting; the heart beats in between

struct transform {
    struct mr_stage stage;
    struct mr_chain chain;
    struct mr_lookahead ahead[MR_PRODUCERS_MAX]; // of each input
    uint64_t taken_pos[MR_PRODUCERS_MAX];        // behind the last record taken from each
    bool whole[MR_PRODUCERS_MAX]; // by time: it has been read to its source's own end
    bool cut;                     // by time: a source has ended before that
    bool chain_open;
    bool stopping;                         // seen before the last look at the input
    struct mr_segment upstream;            // the producer's page, where its notes are passed on
    struct mr_stage_layout *upstream_page; // NULL: they are not
    struct mr_stage_note note;             // taken up
    uint64_t note_seen;
    bool has_note; // on the way to it
};

// ---- notes -------------------------------------------------------------------------------------
static void open_notes(struct transform *t)
{
    const struct mr_pipeline *pipeline = t->stage.pipeline;
    if (!mr_notes_are_wanted(pipeline) || mr_chain_state_bytes(&t->chain) > 0)
        return;
    if (mr_stage_attach_page(pipeline, MR_ROLE_PRODUCER, MR_ATTACH_READ_ONLY, &t->upstream,
                             &t->upstream_page, NULL) != MR_OK)
        t->upstream_page = NULL;
}

static void close_notes(struct transform *t)
{
    if (t->upstream_page)
        mr_segment_detach(&t->upstream);
}

// Where this batch is to end: where the producer ended one of its own, if it has told.
static uint64_t batch_end(struct transform *t, uint64_t start, uint64_t end_pos)
{
    if (!t->upstream_page)
        return end_pos;
    if (!t->has_note)
        t->has_note = mr_note_take(t->upstream_page, &t->note_seen, &t->note) &&
                      t->note.producer.out_pos[MR_PORT_MAIN] > start;
    return t->has_note ? mr_min_u64(end_pos, t->note.producer.out_pos[MR_PORT_MAIN]) : end_pos;
}

// After a commit.
static void pass_note(struct transform *t)
{
    const struct mr_stage *stage = &t->stage;
    if (!t->has_note || stage->now.in_pos[MR_PORT_MAIN] < t->note.producer.out_pos[MR_PORT_MAIN])
        return;
    t->has_note = false;
    if (stage->now.in_pos[MR_PORT_MAIN] != t->note.producer.out_pos[MR_PORT_MAIN])
        return;
    t->note.transform = stage->now;
    t->note.letters[1] = mr_chain_letters(&t->chain);
    mr_note_leave(&t->stage, &t->note);
}

// ---- batches -----------------------------------------------------------------------------------

// Takes an input's records through the chain, up to end_pos, to the end of its turn (NULL: it has no end), or to what
// one commit holds.
static void take(struct transform *t, unsigned input, const struct mr_turn *turn, uint64_t end_pos)
{
    struct mr_reader *reader = &t->stage.readers[input];
    struct mr_lookahead *ahead = &t->ahead[input];
    while (t->taken_pos[input] < end_pos && !t->chain.failed &&
           !mr_stage_should_commit(&t->stage)) {
        const struct mr_upcoming *upcoming = mr_lookahead_peek(ahead, reader, &t->chain);
        if (!upcoming || (turn && !mr_turn_has(turn, upcoming->record)))
            return;
        ahead->first++;
        if (mr_chain_apply(&t->chain, upcoming->record, upcoming->length))
            t->taken_pos[input] = upcoming->end_pos;
        if (MR_UNLIKELY(t->stage.halted))
            return;
    }
}

// The batch ends at what was taken, which may be before what was looked at.
static void commit(struct transform *t)
{
    struct mr_stage *stage = &t->stage;
    const unsigned inputs = stage->reader_count;
    uint64_t looked_at[MR_PRODUCERS_MAX];
    for (unsigned i = 0; i < inputs; i++) {
        looked_at[i] = stage->readers[i].position;
        stage->readers[i].position = t->taken_pos[i];
    }
    mr_stage_commit(stage);
    for (unsigned i = 0; i < inputs; i++)
        stage->readers[i].position = looked_at[i];
    pass_note(t);
}

// After what was taken. *took is set where that was anything. A batch in which the stage was halted stays uncommitted.
static int end_batch(struct transform *t, const struct mr_reader *reader, bool any, bool *took,
                     struct mr_error *err)
{
    if (MR_UNLIKELY(t->stage.halted))
        return MR_OK;
    if (any) {
        *took = true;
        commit(t);
    }
    if (MR_UNLIKELY(t->chain.failed)) {
        *err = t->chain.err;
        return err->code;
    }
    return MR_UNLIKELY(reader->corrupt) ? mr_reader_explain(reader, err) : MR_OK;
}

// One batch from one input.
static int run_batch(struct transform *t, unsigned input, bool *took, struct mr_error *err)
{
    struct mr_stage *stage = &t->stage;
    struct mr_reader *reader = &stage->readers[input];
    uint64_t start = t->taken_pos[input];
    uint64_t end_pos = batch_end(t, start, start + stage->pipeline->batch_bytes_max);
    stage->origin_tick = mr_reader_origin_tick(reader);
    if (mr_chain_is_empty(&t->chain)) {
        mr_chain_pass(&t->chain, reader, end_pos);
        t->taken_pos[input] = reader->position;
    }
    take(t, input, NULL, end_pos);
    if (MR_UNLIKELY(stage->origin_tick == 0)) // what was taken may have come since
        stage->origin_tick = mr_reader_origin_tick(reader);
    return end_batch(t, reader, t->taken_pos[input] != start, took, err);
}

// One batch from all inputs, by event time. *waits_for: the input that shows nothing, where no turn is left.
static int run_merged_batch(struct transform *t, bool *took, unsigned *waits_for,
                            struct mr_error *err)
{
    struct mr_stage *stage = &t->stage;
    struct mr_turn turn;
    uint64_t left = stage->pipeline->batch_bytes_max;
    bool any = false;
    while (
        mr_merge_next(t->ahead, stage->readers, stage->reader_count, t->whole, &t->chain, &turn)) {
        uint64_t start = t->taken_pos[turn.input];
        if (!any)
            stage->origin_tick = mr_reader_origin_tick(&stage->readers[turn.input]);
        take(t, turn.input, &turn, start + left);
        uint64_t bytes = t->taken_pos[turn.input] - start;
        any |= bytes > 0;
        if (bytes == 0 || bytes >= left)
            break;
        left -= bytes;
    }
    *waits_for = turn.input < stage->reader_count ? turn.input : MR_PORT_MAIN;
    return end_batch(t, &stage->readers[*waits_for], any, took, err);
}

// ---- the loop ----------------------------------------------------------------------------------

// Whether the end has come, after a look that found nothing: the writers closed their rings, or we are
// to stop. The latter holds only if it was known before the look, for the last records may just
// have come.
static bool is_over(struct transform *t)
{
    bool ended = true;
    for (unsigned i = 0; i < t->stage.reader_count; i++)
        ended &= mr_lookahead_is_empty(&t->ahead[i]) && mr_reader_at_end(&t->stage.readers[i]);
    // A producer that has just come back has taken its end back: there is one later.
    if (ended && mr_stage_end_of_producers(t->stage.pipeline) != MR_END_NOT)
        return true;
    bool known = t->stopping;
    t->stopping = mr_stage_is_stopping(&t->stage);
    return known && t->stopping;
}

// An input that shows nothing, at the end of its ring: whether that is its source's own, or the stream is cut there.
// Of a ring that was closed and has no end its producer has just come back: there is one later.
static bool look_at_end(struct transform *t, unsigned input)
{
    struct mr_stage *stage = &t->stage;
    if (!mr_reader_at_end(&stage->readers[input]))
        return false;
    enum mr_end end = mr_stage_end_of(stage->pipeline, mr_producer_role(input));
    t->whole[input] = end == MR_END_WHOLE;
    t->cut = mr_end_is_cut(end);
    return end != MR_END_NOT;
}

static int run_merged(struct transform *t, struct mr_error *err)
{
    struct mr_stage *stage = &t->stage;
    while (!stage->halted && !t->cut) {
        bool took = false;
        unsigned waits_for;
        int code = run_merged_batch(t, &took, &waits_for, err);
        if (code != MR_OK)
            return code;
        if (took || (!t->whole[waits_for] && look_at_end(t, waits_for)))
            continue;
        if (is_over(t)) {
            t->cut = t->stopping;
            return MR_OK;
        }
        if (!t->stopping)
            mr_stage_wait_for(stage, waits_for, WAIT_NS);
    }
    return MR_OK;
}

static int run_as_they_come(struct transform *t, struct mr_error *err)
{
    struct mr_stage *stage = &t->stage;
    while (!stage->halted) {
        bool took = false;
        int code = MR_OK;
        for (unsigned i = 0; i < stage->reader_count && code == MR_OK && !stage->halted; i++)
            code = run_batch(t, i, &took, err);
        if (code != MR_OK || (!took && is_over(t)))
            return code;
        if (!took && !t->stopping)
            mr_stage_wait(stage, MR_WAIT_INPUT, WAIT_NS);
    }
    return MR_OK;
}

static int run(struct transform *t, struct mr_error *err)
{
    struct mr_stage *stage = &t->stage;
    mr_stage_set_phase(stage, MR_PHASE_RUNNING);
    for (unsigned i = 0; i < stage->reader_count; i++)
        t->taken_pos[i] = stage->now.in_pos[i];
    return mr_pipeline_merges(stage->pipeline) ? run_merged(t, err) : run_as_they_come(t, err);
}

// Whether what the operators hold back is let go. Not where the input may yet go on, in a run that makes
// this stream again (core/pipeline/session.h): it would be made once more, and differ.
static bool is_to_drain(const struct mr_stage *stage, enum mr_end input)
{
    char journal[MR_RUNDIR_PATH_BYTES];
    if (!mr_session_directory(stage->pipeline, journal, sizeof journal))
        return true;
    if (input == MR_END_STOPPED)
        return stage->shared->resume != MR_RESUME_AGAIN;
    return input != MR_END_FAILED;
}

static int drain(struct transform *t, struct mr_error *err)
{
    struct mr_stage *stage = &t->stage;
    mr_stage_set_phase(stage, MR_PHASE_DRAINING);
    if (t->cut) { // what the operators hold back belongs to what is still to come
        stage->end = MR_END_STOPPED;
        return MR_OK;
    }
    uint64_t emitted = stage->now.counts[MR_COUNT_EMITTED];
    stage->end = mr_stage_end_of_producers(stage->pipeline);
    if (is_to_drain(stage, stage->end))
        mr_chain_drain(&t->chain);
    if (stage->halted)
        return MR_OK;
    mr_stage_commit(stage);
    if (stage->end == MR_END_STOPPED && stage->now.counts[MR_COUNT_EMITTED] != emitted)
        stage->end = MR_END_WHOLE; // no longer input would give that
    if (t->chain.failed)
        *err = t->chain.err;
    return t->chain.failed ? err->code : MR_OK;
}

static int set_up(struct transform *t, struct mr_error *err)
{
    struct mr_stage *stage = &t->stage;
    int code = mr_chain_open(&t->chain, stage->pipeline, &stage->in_schemas, err);
    t->chain_open = code == MR_OK;
    if (code == MR_OK)
        code = mr_stage_reserve_state(stage, mr_chain_state_bytes(&t->chain), err);
    if (code == MR_OK)
        code = mr_schema_set_copy(&stage->out_schemas, mr_chain_out(&t->chain), err);
    if (code == MR_OK)
        code = mr_stage_describe(stage, err);
    open_notes(t);
    bool foresees = t->chain_open && mr_chain_foresees(&t->chain);
    for (unsigned i = 0; i < stage->reader_count; i++)
        t->ahead[i].depth = foresees ? MR_FORESIGHT : 0;
    return code == MR_OK ? mr_chain_start(&t->chain, stage, err) : code;
}

static int run_stage(struct transform *t, struct mr_error *err)
{
    int code = mr_stage_await_schemas(&t->stage, err);
    if (code != MR_OK || t->stage.in_schemas.count == 0)
        return code; // nothing will come
    code = set_up(t, err);
    if (code == MR_OK)
        code = mr_harden_enter(&t->stage, err);
    if (code == MR_OK)
        code = run(t, err);
    return code == MR_OK && !t->stage.halted ? drain(t, err) : code;
}

int mr_transform_main(const struct mr_pipeline *pipeline)
{
    struct mr_error err = {0};
    struct transform *t = calloc(1, sizeof *t);
    if (!t)
        return MR_ERR_MEMORY;
    int code = mr_stage_open(&t->stage, pipeline, MR_ROLE_TRANSFORM, &err);
    if (code == MR_OK) {
        code = run_stage(t, &err);
        close_notes(t);
        if (t->chain_open)
            mr_chain_close(&t->chain);
        if (code != MR_OK)
            mr_error_line("%s", err.text);
        code = mr_stage_close(&t->stage, code, &err);
    } else {
        mr_error_line("%s", err.text);
    }
    free(t);
    return code;
}
