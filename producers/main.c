// SPDX-License-Identifier: Apache-2.0
// The producer process: opens its stage, binds the source the pipeline names, and turns its loop:
// poll, commit, wait. Records and the source's mark become final together in each commit, so a
// producer that dies anywhere is started again and goes on exactly behind its last one.
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/log.h"
#include "core/pipeline/harden.h"
#include "core/pipeline/stage_note.h"
#include "producers/source.h"

// The heart must beat within 100 ms, and a stop be noticed soon.
#define WAIT_SLICE_NS 20000000LL

static int open_source(struct mr_source_run *run, struct mr_error *err)
{
    struct mr_stage *stage = run->stage;
    int code = run->source->declare(run->options, stage->pipeline, &stage->out_schemas, err);
    if (code != MR_OK)
        return code;
    if ((code = mr_stage_reserve_state(stage, run->source->state_bytes, err)) != MR_OK)
        return code;
    bool first = true;
    for (const char *const *name = run->source->counters; name && *name; name++) {
        unsigned index = mr_stage_add_counter(stage, run->source->name, *name);
        if (first)
            run->counters = index;
        first = false;
    }
    run->resumed = mr_load_acquire_u64(&stage->shared->epoch) != 0;
    run->behind = stage->shared->resume == MR_RESUME_BEHIND && !run->resumed;
    mr_store_relaxed_u32(&stage->shared->again, mr_source_again(run->source, run->options));
    memcpy(run->mark, stage->now.mark, sizeof run->mark);
    // The stages behind open their files when the ring is described: not for a source that fails.
    if ((code = run->source->open(run, err)) != MR_OK)
        return code;
    if ((code = mr_stage_describe(stage, err)) != MR_OK)
        run->source->close(run);
    return code;
}

static void await_input(struct mr_source_run *run)
{
    int64_t slice_ns = WAIT_SLICE_NS;
    if (run->wake_mono_ns != 0) {
        int64_t left_ns = run->wake_mono_ns - mr_mono_ns();
        if (left_ns <= 0) {
            mr_stage_beat(run->stage);
            return;
        }
        slice_ns = left_ns < slice_ns ? left_ns : slice_ns;
    }
    if (run->wait_fd >= 0)
        mr_stage_wait_readable(run->stage, run->wait_fd, slice_ns);
    else
        mr_stage_wait(run->stage, MR_WAIT_INPUT, slice_ns);
}

// A batch that is not full: the input has been caught up with, and it is time to let the stages behind look
// at what was published.
static void commit_and_give_way(struct mr_source_run *run)
{
    struct mr_stage *stage = run->stage;
    const struct mr_writer *writer = &stage->writers[MR_PORT_MAIN];
    bool caught_up = writer->position - writer->published < stage->pipeline->batch_bytes_max / 2;
    mr_source_commit(run);
    if (caught_up)
        mr_wait_give_way(&stage->wait, run->wake_mono_ns);
}

// A note for a checkpoint, between batches: what was committed last.
struct notes {
    bool wanted;
    uint64_t beat_tick; // of the stage, when the time was looked at
    int64_t due_ns;
    uint64_t left_pos;
};

static void leave_note(struct mr_source_run *run, struct notes *notes)
{
    const struct mr_stage *stage = run->stage;
    struct mr_stage_note note;
    uint64_t position = stage->now.out_pos[MR_PORT_MAIN];
    if (!notes->wanted || notes->beat_tick == stage->beat_tick)
        return;
    notes->beat_tick = stage->beat_tick;
    int64_t now_ns = mr_mono_ns();
    if (now_ns < notes->due_ns || position == notes->left_pos)
        return;
    notes->due_ns = now_ns + MR_NOTE_INTERVAL_NS;
    notes->left_pos = position;
    memset(&note, 0, sizeof note);
    mr_stage_snapshot(stage->shared, &note.producer);
    note.letters[0] = note.producer.counts[MR_COUNT_REJECTED];
    mr_note_leave(run->stage, &note);
}

// Until the input ends, a stop is asked for or the source fails. Returns the code that the stage
// closes with.
static int turn(struct mr_source_run *run)
{
    struct mr_stage *stage = run->stage;
    uint64_t committed_in = stage->now.counts[MR_COUNT_IN];
    struct notes notes = {.wanted = mr_notes_are_wanted(stage->pipeline) &&
                                    mr_source_again(run->source, run->options) != MR_AGAIN_NEVER};
    stage->end = MR_END_STOPPED;
    while (!mr_stage_is_stopping(stage)) {
        stage->origin_tick = mr_tick();
        run->wake_mono_ns = 0;
        run->wait_fd = -1;
        enum mr_poll polled = run->source->poll(run);
        if (stage->halted) // the batch stays uncommitted: the next process does it again
            return MR_OK;
        if (polled != MR_POLL_IDLE || stage->now.counts[MR_COUNT_IN] != committed_in) {
            commit_and_give_way(run);
            committed_in = stage->now.counts[MR_COUNT_IN];
        }
        if (polled == MR_POLL_FAILED)
            return run->err.code;
        if (polled == MR_POLL_END) {
            stage->end = MR_END_WHOLE;
            break;
        }
        if (polled == MR_POLL_IDLE || run->wake_mono_ns != 0)
            await_input(run);
        leave_note(run, &notes);
    }
    mr_stage_set_phase(stage, MR_PHASE_DRAINING);
    return MR_OK;
}

static int produce(struct mr_source_run *run, bool after_others)
{
    int code = open_source(run, &run->err);
    if (code == MR_OK) {
        if (after_others)
            mr_stage_await_downstream(run->stage);
        mr_stage_set_phase(run->stage, MR_PHASE_RUNNING);
        code = mr_harden_enter(run->stage, &run->err);
        if (code == MR_OK)
            code = turn(run);
        run->source->close(run);
    }
    if (code != MR_OK)
        mr_error_line("%s", run->err.text);
    return mr_stage_close(run->stage, code, &run->err);
}

int mr_producer_main(const struct mr_pipeline *whole, unsigned source, bool after_others)
{
    void *options = NULL;
    const struct mr_pipeline own = mr_pipeline_of_source(whole, source), *pipeline = &own;
    struct mr_source_run run = {.wait_fd = -1, .stage = calloc(1, sizeof(struct mr_stage))};
    if (!run.stage)
        return MR_ERR_MEMORY;
    int code = mr_source_bind(pipeline, &run.source, &options, &run.err);
    run.options = options;
    if (code == MR_OK)
        code = mr_stage_open(run.stage, pipeline, mr_producer_role(source), &run.err);
    if (code == MR_OK)
        code = produce(&run, after_others);
    else
        mr_error_line("%s", run.err.text);
    free(options);
    free(run.stage);
    return code;
}
