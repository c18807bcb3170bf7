// SPDX-License-Identifier: Apache-2.0
// The loader process: three inputs or more (the egress ring and the dead rings), a sink behind each,
// one I/O layer under all. A turn: walk what is new, hand it over, reap, poll, commit what has
// become durable. When the rings have ended and everything is durable the sinks are finished.
#include <stdlib.h>
#include <unistd.h>

#include "consumers/loader/checkpoint.h"
#include "consumers/loader/device.h"
#include "consumers/loader/intake.h"
#include "consumers/loader/io.h"
#include "consumers/loader/journal_sink.h"
#include "consumers/loader/segment_files.h"
#include "core/clock.h"
#include "core/log.h"
#include "core/pipeline/harden.h"
#include "core/pipeline/session.h"
#include "core/pipeline/stream_path.h"

#define IO_DEPTH 256
#define IO_WAIT_NS 500000        // new records shall not wait for old writes for longer
#define IDLE_WAIT_NS 20000000LL  // the heart beats in between
#define DEVICE_WAIT_NS 5000000LL // while there is no room
#define DEAD_SEGMENT_BYTES (16u << 20)
#define INPUTS MR_STAGE_INPUTS_MAX

struct loader {
    struct mr_stage *stage;
    struct mr_io io;
    struct mr_intake inputs[INPUTS];
    struct mr_refusal refusals[INPUTS]; // of room for a dead-letter journal ...
    int64_t retry_ns[INPUTS];           // ... that is asked for again then
    struct mr_schema_set dead_schemas[INPUTS];
    const struct mr_sink *sink;
    void *options;
    struct mr_journal_options dead_options[INPUTS];
    char dead_path[INPUTS][MR_STREAM_PATH_BYTES];
    char session_path[MR_STREAM_PATH_BYTES]; // empty: the sink has no session
    struct mr_session session;
    struct mr_checkpoint checkpoint;
    struct mr_error err;
};

// In the stage's state: undone with a batch that was not committed.
struct loader_port_state {
    uint64_t opened;
    uint8_t sink[MR_SINK_STATE_BYTES];
};

static const enum mr_ring_index ring_of[INPUTS] = {
    MR_RING_EGRESS,          MR_RING_DEAD_PRODUCER,   MR_RING_DEAD_TRANSFORM,
    MR_RING_DEAD_PRODUCER_2, MR_RING_DEAD_PRODUCER_3, MR_RING_DEAD_PRODUCER_4};

// ---- opening -----------------------------------------------------------------------------------
static int open_sink(struct loader *loader, unsigned port, const struct mr_sink *sink,
                     const void *options)
{
    struct mr_intake *input = &loader->inputs[port];
    struct mr_sink_run *run = &input->run;
    struct loader_port_state *state = (struct loader_port_state *)loader->stage->state + port;
    run->sink = sink;
    run->options = options;
    run->io = &loader->io;
    run->schemas = input->schemas;
    run->state = state->sink;
    run->resumed = state->opened != 0;
    run->resume =
        loader->session_path[0] ? (enum mr_resume)loader->stage->shared->resume : MR_RESUME_NOT;
    run->session_pos = loader->session.start_pos[ring_of[port]];
    run->later = loader->session.again == MR_AGAIN_LATER;
    int code = sink->open(run, &loader->err);
    if (code != MR_OK)
        return code;
    if (!run->resumed)
        mr_sink_set(run, &state->opened, 1);
    mr_stage_commit(loader->stage);
    return MR_OK;
}

static int open_io(struct loader *loader)
{
    const struct mr_io_backend *backend;
    const struct mr_node *io = mr_config_child(loader->stage->pipeline->sink_node, "io");
    int code = mr_io_choose(io ? io->text : NULL, &backend, &loader->err);
    if (code == MR_OK)
        code = mr_io_open(&loader->io, backend, IO_DEPTH, &loader->err);
    if (code == MR_OK && loader->stage->pipeline->harden)
        code = mr_io_restrict(&loader->io, &loader->err);
    if (code == MR_OK)
        mr_store_relaxed_u32(&loader->stage->shared->gauges.io_backend, loader->io.backend->gauge);
    return code;
}

// ---- dead letters ------------------------------------------------------------------------------
static void bind_dead(struct loader *loader, unsigned port)
{
    const struct mr_pipeline *pipeline = loader->stage->pipeline;
    struct mr_journal_options *options = &loader->dead_options[port];
    mr_dead_letter_directory(pipeline, ring_of[port], loader->dead_path[port],
                             sizeof loader->dead_path[port]);
    *options = (struct mr_journal_options){
        .path = loader->dead_path[port],
        .durability = MR_DURABILITY_BATCH,
        .existing = mr_pipeline_appends(pipeline) ? MR_EXISTING_APPEND : MR_EXISTING_REPLACE,
        .segment_bytes = DEAD_SEGMENT_BYTES,
        .sync_bytes = DEAD_SEGMENT_BYTES / 4,
        .sync_interval_ns = IDLE_WAIT_NS,
    };
}

// Letters of an earlier run, whose results this run replaces, would be taken for its own.
static int clear_dead(struct loader *loader, unsigned port, struct mr_error *err)
{
    struct mr_segment_files files = {0};
    bind_dead(loader, port);
    const struct mr_journal_options *options = &loader->dead_options[port];
    if (options->existing != MR_EXISTING_REPLACE || access(options->path, F_OK) != 0)
        return MR_OK;
    int code = mr_segment_files_open(&files, options->path, err);
    if (code == MR_OK)
        code = mr_segment_files_clear(&files, err);
    mr_segment_files_close(&files);
    rmdir(options->path); // stays where something else is in it
    return code;
}

// With the first letter; a run without any leaves no journal.
static int open_dead(struct loader *loader, unsigned port)
{
    struct mr_intake *input = &loader->inputs[port];
    int code = mr_ring_schemas(input->reader->ring, &loader->dead_schemas[port], &loader->err);
    if (code != MR_OK)
        return code;
    bind_dead(loader, port);
    mr_intake_use_schemas(input, &loader->dead_schemas[port]);
    code = open_sink(loader, port, &mr_sink_journal, &loader->dead_options[port]);
    if (code == MR_OK || !mr_error_is_no_room(&loader->err))
        return code;
    mr_device_refuse(&loader->refusals[port], &loader->err, -1);
    loader->retry_ns[port] = mr_mono_ns() + MR_DEVICE_RETRY_NS;
    input->run.sink->close(&input->run);
    input->run.sink = NULL;
    mr_schema_set_clear(&loader->dead_schemas[port]);
    return MR_OK;
}

// The letters wait in their ring until there is room for their journal.
static bool has_unopened(struct loader *loader, unsigned port)
{
    struct mr_intake *input = &loader->inputs[port];
    return !input->run.sink && (mr_peek_bytes(input->reader) > 0 || input->reader->corrupt);
}

static int open_dead_if_due(struct loader *loader, unsigned port)
{
    if (!has_unopened(loader, port) ||
        (loader->refusals[port].held && mr_mono_ns() < loader->retry_ns[port]))
        return MR_OK;
    int code = open_dead(loader, port);
    if (loader->inputs[port].run.sink)
        mr_device_accept(&loader->refusals[port]);
    return code;
}

// ---- the session -------------------------------------------------------------------------------
static enum mr_again again_of(const struct mr_pipeline *pipeline, enum mr_role producer)
{
    struct mr_segment segment;
    struct mr_stage_layout *page;
    if (mr_stage_attach_page(pipeline, producer, MR_ATTACH_READ_ONLY, &segment, &page, NULL) !=
        MR_OK)
        return MR_AGAIN_NEVER;
    enum mr_again again = (enum mr_again)mr_load_acquire_u32(&page->again);
    mr_segment_detach(&segment);
    return again >= MR_AGAIN_SAME && again <= MR_AGAIN_NEVER ? again : MR_AGAIN_NEVER;
}

static enum mr_again sources_again(const struct mr_pipeline *pipeline)
{
    enum mr_again again[MR_PRODUCERS_MAX];
    for (unsigned i = 0; i < mr_pipeline_sources(pipeline); i++)
        again[i] = again_of(pipeline, mr_producer_role(i));
    return mr_session_again(pipeline, again);
}

static int create_session(struct loader *loader, struct mr_error *err)
{
    struct mr_session *session = &loader->session;
    const struct mr_stage *stage = loader->stage;
    *session = (struct mr_session){.settings = mr_session_settings(stage->pipeline),
                                   .again = sources_again(stage->pipeline),
                                   .state = MR_SESSION_RUNNING};
    for (unsigned ring = 0; ring < MR_RING_COUNT; ring++)
        session->capacity[ring] = stage->pipeline->rings[ring].capacity;
    for (unsigned port = 0; port < loader->stage->reader_count; port++)
        session->start_pos[ring_of[port]] = stage->now.in_pos[port];
    return mr_session_create(loader->session_path, session, err);
}

// What was there is in order, and nothing new has been begun.
static int begin_run(void *self, struct mr_error *err)
{
    struct loader *loader = self;
    uint32_t resume = loader->stage->shared->resume;
    int code = MR_OK;
    for (unsigned port = MR_PORT_DEAD; port < INPUTS && resume == MR_RESUME_NOT && code == MR_OK;
         port++)
        code = clear_dead(loader, port, err);
    if (code == MR_OK && loader->session_path[0] && resume != MR_RESUME_AGAIN)
        code = create_session(loader, err);
    return code;
}

static int open_session(struct loader *loader)
{
    bool found;
    if (!mr_session_directory(loader->stage->pipeline, loader->session_path,
                              sizeof loader->session_path)) {
        loader->session_path[0] = '\0';
        return MR_OK;
    }
    int code = mr_session_take_up(loader->session_path, &loader->session, &found, &loader->err);
    const struct loader_port_state *state = (const void *)loader->stage->state;
    bool goes_on =
        loader->stage->shared->resume == MR_RESUME_AGAIN || state[MR_PORT_MAIN].opened != 0;
    if (code != MR_OK || !found || !goes_on || loader->session.state == MR_SESSION_RUNNING)
        return code;
    loader->session.state = MR_SESSION_RUNNING;
    return mr_session_update(loader->session_path, &loader->session, &loader->err);
}

static int open_checkpoint(struct loader *loader)
{
    const struct mr_journal_options *options = loader->options; // only a journal has a session
    struct mr_checkpoint_options wanted = {
        .directory = loader->session_path,
        .interval_ns = options->checkpoint_interval_ns,
        .letter_counters = {loader->inputs[MR_PORT_DEAD].counter,
                            loader->inputs[MR_PORT_DEAD_2].counter},
    };
    int code = mr_session_link(loader->stage->pipeline, loader->session_path, &loader->err);
    return code == MR_OK ? mr_checkpoint_open(&loader->checkpoint, loader->stage, &loader->io,
                                              &loader->session, &wanted, &loader->err)
                         : code;
}

// Every dead letter that the journals hold of the session must have been made again.
static int check_unopened(struct loader *loader, unsigned port)
{
    uint64_t end_pos, begin_pos = loader->stage->now.in_pos[port]; // where this run began
    if (loader->stage->shared->resume != MR_RESUME_AGAIN)
        return MR_OK;
    bind_dead(loader, port);
    int code = mr_journal_end(loader->dead_path[port], &end_pos, &loader->err);
    if (code != MR_OK || end_pos <= begin_pos)
        return code;
    return mr_fail(
        &loader->err, MR_ERR_INPUT,
        "%s: found dead letters of the run that was cut off, but none was made again: the "
        "input is not what it was then; give that run up with `millrace clean`, or give it "
        "the same input",
        loader->dead_path[port]);
}

// A run that was stopped goes on when it is run again: its next one begins with the same stream.
static int end_session(struct loader *loader, enum mr_end end)
{
    struct mr_session *session = &loader->session;
    if (!loader->session_path[0] || end == MR_END_NOT)
        return MR_OK;
    bool stays =
        end == MR_END_FAILED || (end == MR_END_STOPPED && session->again != MR_AGAIN_NEVER &&
                                 mr_pipeline_appends(loader->stage->pipeline));
    if (stays) {
        session->state = MR_SESSION_STOPPED;
        return mr_session_update(loader->session_path, session, &loader->err);
    }
    return mr_session_remove(loader->session_path, &loader->err);
}

// ---- opening the stage -------------------------------------------------------------------------
static int open_main(struct loader *loader)
{
    struct mr_stage *stage = loader->stage;
    int code = mr_sink_bind(stage->pipeline, &loader->sink, &loader->options, &loader->err);
    if (code == MR_OK)
        code =
            mr_stage_reserve_state(stage, INPUTS * sizeof(struct loader_port_state), &loader->err);
    if (code == MR_OK)
        code = open_io(loader);
    if (code == MR_OK)
        code = mr_stage_await_schemas(stage, &loader->err);
    if (code != MR_OK || stage->in_schemas.count == 0)
        return code; // nothing will come: what is there is left alone
    for (unsigned port = 0; port < loader->stage->reader_count; port++)
        mr_intake_open(&loader->inputs[port], stage, port);
    struct mr_intake *input = &loader->inputs[MR_PORT_MAIN];
    mr_intake_use_schemas(input, &stage->in_schemas);
    for (const char *const *name = loader->sink->counters; name && *name; name++) {
        unsigned index = mr_stage_add_counter(stage, loader->sink->name, *name);
        if (name == loader->sink->counters)
            input->run.counters = index;
    }
    loader->inputs[MR_PORT_DEAD].counter = mr_stage_add_counter(stage, "dead_letter", "producer");
    loader->inputs[MR_PORT_DEAD_2].counter =
        mr_stage_add_counter(stage, "dead_letter", "transform");
    for (unsigned port = MR_PORT_DEAD_3; port < stage->reader_count && port < INPUTS; port++)
        loader->inputs[port].counter =
            mr_stage_add_counter(stage, "dead_letter", mr_role_name(mr_ring_writer(ring_of[port])));
    code = open_session(loader);
    bool sink_begins = loader->session_path[0] != '\0';
    if (sink_begins)
        input->run.begin = begin_run;
    input->run.begin_context = loader;
    if (code == MR_OK)
        code = open_sink(loader, MR_PORT_MAIN, loader->sink, loader->options);
    if (code == MR_OK && sink_begins)
        code = open_checkpoint(loader);
    if (code == MR_OK && !sink_begins && !input->run.resumed)
        code = begin_run(loader, &loader->err);
    return code;
}

// ---- a turn ------------------------------------------------------------------------------------
static int take_in(struct loader *loader, unsigned port, bool *moved)
{
    struct mr_intake *input = &loader->inputs[port];
    int code = mr_intake_walk(input, moved, &loader->err);
    return code == MR_OK ? mr_intake_hand_over(input, moved, &loader->err) : code;
}

static int take_in_dead(struct loader *loader, bool *moved)
{
    int code = MR_OK;
    for (unsigned port = MR_PORT_DEAD; port < loader->stage->reader_count && code == MR_OK;
         port++) {
        if (!loader->inputs[port].run.sink)
            code = open_dead_if_due(loader, port);
        if (code == MR_OK && loader->inputs[port].run.sink)
            code = take_in(loader, port, moved);
    }
    return code;
}

// Each sink is asked, also after one has failed: what is durable is committed in any case.
static int settle(struct loader *loader, bool *moved)
{
    int code = MR_OK;
    bool settled = false;
    for (unsigned port = 0; port < loader->stage->reader_count; port++) {
        struct mr_intake *input = &loader->inputs[port];
        struct mr_error err;
        if (!input->run.sink)
            continue;
        int polled = input->run.sink->poll(&input->run, mr_intake_is_idle(input), &err);
        if (polled != MR_OK && code == MR_OK) {
            code = polled;
            loader->err = err;
        }
        settled |= mr_intake_settle(input);
    }
    if (settled)
        mr_stage_commit(loader->stage);
    *moved |= settled;
    return code == MR_OK ? mr_checkpoint_poll(&loader->checkpoint, loader->stage, &loader->err)
                         : code;
}

static bool any_is_busy(struct loader *loader)
{
    bool busy = false;
    for (unsigned port = 0; port < loader->stage->reader_count; port++)
        busy |= mr_intake_is_busy(&loader->inputs[port]) || has_unopened(loader, port);
    return busy;
}

// Waits for completions, though not for long: new records are to go in beside the old. What the kernel
// has not taken yet goes to it without a wait.
static int reap(struct loader *loader, bool moved)
{
    struct mr_intake *input = &loader->inputs[MR_PORT_MAIN];
    uint64_t handed_pos = input->run.handed_pos;
    int64_t wait_ns = 0;
    if (!moved && loader->io.in_flight > 0 && !mr_intake_is_young(input)) {
        mr_stage_wait(loader->stage, MR_WAIT_DEVICE, 0);
        wait_ns = loader->io.refused_count == 0 ? IO_WAIT_NS : DEVICE_WAIT_NS;
    }
    int code = mr_io_reap_several(&loader->io, wait_ns, &loader->err);
    mr_intake_age(input, handed_pos, loader->io.taken_tick);
    return code;
}

// The records first, and straight on to the kernel; dead letters go to it with the next turn.
static int turn(struct loader *loader, bool *moved)
{
    int code = take_in(loader, MR_PORT_MAIN, moved);
    int reaped = reap(loader, *moved || code != MR_OK);
    if (code == MR_OK)
        code = take_in_dead(loader, moved);
    int settled = settle(loader, moved);
    mr_stage_beat(loader->stage);
    return code != MR_OK ? code : reaped != MR_OK ? reaped : settled;
}

// `stopping` holds only if it was known before this look: a stage that is gone may have published its
// last records just before.
static bool inputs_have_ended(struct loader *loader, bool stopping)
{
    bool ended = true;
    for (unsigned port = 0; port < loader->stage->reader_count; port++) {
        struct mr_intake *input = &loader->inputs[port];
        ended &= mr_peek_bytes(input->reader) == 0 && !mr_intake_is_busy(input);
        // A stage before this one that is gone will not end its ring any more.
        if (!stopping)
            ended &= mr_reader_at_end(input->reader);
    }
    return ended;
}

static int run(struct loader *loader)
{
    struct mr_stage *stage = loader->stage;
    while (!stage->halted) {
        bool moved = false, stopping = mr_stage_is_stopping(stage);
        int code = turn(loader, &moved);
        if (code != MR_OK)
            return code;
        if (moved || loader->io.in_flight > 0)
            continue;
        if (inputs_have_ended(loader, stopping))
            return MR_OK;
        if (any_is_busy(loader))
            mr_stage_wait(stage, MR_WAIT_DEVICE, DEVICE_WAIT_NS);
        else
            mr_stage_wait(stage, MR_WAIT_INPUT, IDLE_WAIT_NS);
    }
    return MR_OK;
}

// ---- ending ------------------------------------------------------------------------------------
// After a step that can be done again: true where there was no room for it, and it is to be.
static bool is_due_again(struct loader *loader, unsigned port, int code)
{
    if (code == MR_OK || !mr_error_is_no_room(&loader->err) || mr_stage_is_halted(loader->stage)) {
        mr_device_accept(&loader->refusals[port]);
        return false;
    }
    mr_device_refuse(&loader->refusals[port], &loader->err, -1);
    int64_t until_ns = mr_mono_ns() + MR_DEVICE_RETRY_NS;
    while (mr_mono_ns() < until_ns)
        mr_stage_wait(loader->stage, MR_WAIT_DEVICE, DEVICE_WAIT_NS);
    return true;
}

static int finish_port(struct loader *loader, unsigned port)
{
    struct mr_sink_run *run_of_sink = &loader->inputs[port].run;
    int code;
    do {
        code = run_of_sink->sink->finish(run_of_sink, &loader->err);
    } while (is_due_again(loader, port, code));
    return loader->stage->halted ? MR_OK : code;
}

static int finish(struct loader *loader)
{
    enum mr_end end = mr_stage_end_of(loader->stage->pipeline, MR_ROLE_TRANSFORM);
    int code = MR_OK;
    mr_stage_set_phase(loader->stage, MR_PHASE_DRAINING);
    for (unsigned port = 0; port < loader->stage->reader_count && code == MR_OK; port++) {
        struct mr_sink_run *run_of_sink = &loader->inputs[port].run;
        run_of_sink->whole = end == MR_END_WHOLE;
        if (run_of_sink->sink)
            code = finish_port(loader, port);
        else if (end == MR_END_WHOLE)
            code = check_unopened(loader, port);
    }
    if (code != MR_OK || loader->stage->halted)
        return code;
    do {
        code = end_session(loader, end);
    } while (is_due_again(loader, MR_PORT_MAIN, code));
    return loader->stage->halted ? MR_OK : code;
}

// The I/O first: sinks own the buffers that it writes from.
static void close_all(struct loader *loader)
{
    mr_io_close(&loader->io);
    mr_checkpoint_close(&loader->checkpoint);
    for (unsigned port = 0; port < loader->stage->reader_count; port++) {
        struct mr_sink_run *run_of_sink = &loader->inputs[port].run;
        if (run_of_sink->sink)
            run_of_sink->sink->close(run_of_sink);
        mr_schema_set_clear(&loader->dead_schemas[port]);
    }
    free(loader->options);
}

static void name_files(struct loader *loader)
{
    struct mr_stage_gauges *gauges = &loader->stage->shared->gauges;
    size_t used = 0;
    for (unsigned port = 0; port < loader->stage->reader_count; port++) {
        const struct mr_sink_run *run_of_sink = &loader->inputs[port].run;
        if (!run_of_sink->sink || !run_of_sink->files[0])
            continue;
        int wrote = snprintf(gauges->files + used, sizeof gauges->files - used, "%s%s",
                             used ? "\n" : "", run_of_sink->files);
        used = mr_min_u64(used + (size_t)wrote, sizeof gauges->files - 1);
    }
}

static int load(struct loader *loader)
{
    struct mr_stage *stage = loader->stage;
    int code = open_main(loader);
    if (code == MR_OK && loader->inputs[MR_PORT_MAIN].run.sink) {
        name_files(loader);
        mr_stage_set_phase(stage, MR_PHASE_RUNNING);
        code = mr_harden_enter(stage, &loader->err);
        if (code == MR_OK)
            code = run(loader);
        if (code == MR_OK && !stage->halted)
            code = finish(loader);
    }
    if (loader->sink)
        name_files(loader);
    close_all(loader);
    if (code != MR_OK)
        mr_error_line("%s", loader->err.text);
    mr_device_show(NULL); // the page is about to go
    return mr_stage_close(stage, code, &loader->err);
}

int mr_loader_main(const struct mr_pipeline *pipeline)
{
    struct mr_error err;
    struct mr_stage *stage = calloc(1, sizeof *stage);
    struct loader *loader = calloc(1, sizeof *loader);
    int code = stage && loader ? mr_stage_open(stage, pipeline, MR_ROLE_LOADER, &err)
                               : mr_fail(&err, MR_ERR_MEMORY, "loader: out of memory");
    if (code == MR_OK) {
        loader->stage = stage;
        mr_device_show(&stage->shared->gauges.device);
        code = load(loader);
    } else {
        mr_error_line("%s", err.text);
    }
    free(loader);
    free(stage);
    return code;
}
