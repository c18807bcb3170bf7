// SPDX-License-Identifier: Apache-2.0
// How a stage comes to its segments: makes or attaches them, in any order of the stages' starts,
// takes its lock, and recovers where the last process left off.
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "core/pipeline/memory.h"
#include "core/pipeline/notify.h"
#include "core/pipeline/placement.h"
#include "core/pipeline/realtime.h"
#include "core/pipeline/report.h"
#include "core/pipeline/rundir.h"
#include "core/pipeline/session.h"
#include "core/pipeline/stage_private.h"

#define SECOND_NS 1000000000LL
#define HALT_AFTER_NS (SECOND_NS * 3 / 10)

// ---- signals
// The first SIGTERM, SIGINT or SIGHUP asks to drain; another one, later than a terminal's copy of the same
// key press could be, to halt at once.

static volatile sig_atomic_t signals_seen;
static int64_t first_signal_ns;

static void on_signal(int number)
{
    (void)number;
    int64_t now_ns = mr_mono_ns();
    if (signals_seen == 0) {
        first_signal_ns = now_ns;
        signals_seen = 1;
    } else if (now_ns - first_signal_ns > HALT_AFTER_NS) {
        signals_seen = 2;
    }
}

static void catch_signals(void)
{
    struct sigaction action = {.sa_handler = on_signal}; // no SA_RESTART: waits shall end
    sigemptyset(&action.sa_mask);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    if (signal(SIGHUP, SIG_IGN) != SIG_IGN) // not where nohup has set it so
        sigaction(SIGHUP, &action, NULL);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN); // a limit on the size of files is an error of the call that meets it
}

int mr_stage_signals_seen(void)
{
    return signals_seen;
}

// ---- rings and the stage's own segment

static int open_ring(struct mr_stage *stage, enum mr_ring_index index,
                     const struct mr_session_plan *plan, struct mr_error *err)
{
    char path[320];
    struct mr_ring *ring = &stage->rings[index];
    struct mr_ring_options options = stage->pipeline->rings[index];
    mr_pipeline_ring_path(stage->pipeline, index, path, sizeof path);
    if (access(path, F_OK) < 0) {
        int code = mr_session_start_pos(plan, stage->pipeline, index, &options.start_pos, err);
        if (code != MR_OK)
            return code;
        return mr_ring_create(ring, path, mr_ring_index_name(index), &options, err);
    }
    int code = mr_ring_attach(ring, path, MR_ATTACH_READ_WRITE, err);
    return code == MR_OK ? mr_stage_check_ring(stage->pipeline, index, ring, err) : code;
}

int mr_stage_check_ring(const struct mr_pipeline *pipeline, enum mr_ring_index index,
                        const struct mr_ring *ring, struct mr_error *err)
{
    const struct mr_ring_options *options = &pipeline->rings[index];
    if (ring->capacity != options->capacity || ring->full_policy != options->full_policy ||
        ring->checksummed != options->checksummed)
        return mr_fail(
            err, MR_ERR_SHM,
            "%s: left by an earlier run with other settings (found %llu bytes, expected %llu); "
            "finish that run with its own pipeline file, or give it up with `millrace clean %s`",
            ring->segment.path, (unsigned long long)ring->capacity,
            (unsigned long long)options->capacity, pipeline->name);
    return MR_OK;
}

struct port {
    enum mr_ring_index ring;
    bool writes;
};

struct ports {
    struct port of[MR_STAGE_INPUTS_MAX + MR_STAGE_OUTPUTS_MAX];
    unsigned count;
};

static void add_port(struct ports *ports, enum mr_ring_index ring, bool writes)
{
    ports->of[ports->count++] = (struct port){ring, writes};
}

// In the order of their numbers (core/pipeline/stage.h).
static struct ports ports_of(const struct mr_pipeline *pipeline, enum mr_role role)
{
    struct ports ports = {.count = 0};
    unsigned sources = mr_pipeline_sources(pipeline);
    if (mr_role_is_producer(role)) {
        add_port(&ports, mr_ingress_ring(mr_role_source(role)), true);
        add_port(&ports, mr_dead_producer_ring(mr_role_source(role)), true);
    } else if (role == MR_ROLE_TRANSFORM) {
        add_port(&ports, MR_RING_INGRESS, false);
        for (unsigned i = 1; i < sources; i++)
            add_port(&ports, mr_ingress_ring(i), false);
        add_port(&ports, MR_RING_EGRESS, true);
        add_port(&ports, MR_RING_DEAD_TRANSFORM, true);
    } else {
        add_port(&ports, MR_RING_EGRESS, false);
        add_port(&ports, MR_RING_DEAD_PRODUCER, false);
        add_port(&ports, MR_RING_DEAD_TRANSFORM, false);
        for (unsigned i = 1; i < sources; i++)
            add_port(&ports, mr_dead_producer_ring(i), false);
    }
    return ports;
}

static int open_rings(struct mr_stage *stage, const struct mr_session_plan *plan,
                      struct mr_error *err)
{
    const struct ports ports = ports_of(stage->pipeline, stage->role);
    int code = MR_OK;
    for (unsigned i = 0; i < ports.count && code == MR_OK; i++)
        code = open_ring(stage, ports.of[i].ring, plan, err);
    return code;
}

// A stage that failed has closed its ring, so that what it had written could be finished; when the run is
// resumed by hand it goes on, and that end is none. Its reader may come before it. (A supervisor takes such ends back
// before it starts its stages; one that comes later is to be read, also by a reader that is started again.)
static void reopen_input(struct mr_stage *stage, enum mr_ring_index index)
{
    struct mr_ring_writer_news *news = stage->rings[index].news;
    struct mr_segment segment;
    struct mr_stage_layout *page;
    if (mr_stage_attach_page(stage->pipeline, mr_ring_writer(index), MR_ATTACH_READ_ONLY, &segment,
                             &page, NULL) != MR_OK)
        return;
    bool works_on = mr_load_acquire_u32(&page->gauges.phase) == MR_PHASE_FAILED &&
                    mr_load_acquire_u32(&news->schemas_ready) == 1;
    if (works_on && !mr_segment_is_locked(&segment))
        mr_store_relaxed_u32(&news->closed, 0);
    mr_segment_detach(&segment);
}

// Only with the stage's lock held: to open a writer is to say that the stream goes on.
static void open_ports(struct mr_stage *stage, bool by_hand)
{
    const struct ports ports = ports_of(stage->pipeline, stage->role);
    for (unsigned i = 0; i < ports.count; i++) {
        struct mr_ring *ring = &stage->rings[ports.of[i].ring];
        if (ports.of[i].writes) {
            mr_writer_open(&stage->writers[stage->writer_count++], ring);
        } else {
            if (by_hand)
                reopen_input(stage, ports.of[i].ring);
            mr_reader_open(&stage->readers[stage->reader_count++], ring);
        }
    }
}

// What a stage was told to do, in one number. A run that is resumed must have been told the same: an old
// mark means nothing in another file, and a journal's second half nothing in another directory.
const char *mr_stage_settings_key(enum mr_role role)
{
    static const char *const keys[] = {"source", "transform", "sink"};
    return mr_role_is_producer(role) ? keys[0] : keys[role];
}

uint64_t mr_stage_settings(const struct mr_pipeline *pipeline, enum mr_role role)
{
    uint64_t digest =
        mr_config_digest(mr_config_child(pipeline->root, mr_stage_settings_key(role)));
    return role == MR_ROLE_TRANSFORM && pipeline->merges_by_time ? ~digest : digest;
}

struct beginning {
    const struct mr_stage *stage;
    const struct mr_session_plan *plan;
};

// At a checkpoint nothing stands in the rings: the cursors of the rings are those of the slot.
static void fill_stage(void *base, void *context)
{
    struct mr_stage_layout *shared = (void *)((uint8_t *)base + MR_PAGE_BYTES);
    const struct beginning *beginning = context;
    const struct mr_stage *stage = beginning->stage;
    unsigned readers = 0, writers = 0;
    shared->resume = beginning->plan->resume;
    if (mr_session_slot(beginning->plan, stage->role, &shared->slots[0]))
        shared->epoch = MR_STAGE_EPOCH_CHECKPOINT;
    const struct ports ports = ports_of(stage->pipeline, stage->role);
    shared->role = stage->role;
    shared->settings = mr_stage_settings(stage->pipeline, stage->role);
    for (unsigned i = 0; i < ports.count; i++) {
        const struct mr_ring *ring = &stage->rings[ports.of[i].ring];
        if (ports.of[i].writes)
            shared->slots[0].out_pos[writers++] =
                mr_load_acquire_u64(&ring->writer_line->write_pos);
        else
            shared->slots[0].in_pos[readers++] = mr_load_acquire_u64(&ring->reader_line->read_pos);
    }
}

static int open_own_segment(struct mr_stage *stage, const struct mr_session_plan *plan,
                            struct mr_error *err)
{
    char path[320];
    struct beginning beginning = {stage, plan};
    mr_pipeline_stage_path(stage->pipeline, stage->role, path, sizeof path);
    size_t bytes = mr_align_up(MR_PAGE_BYTES + sizeof(struct mr_stage_layout), MR_PAGE_BYTES);
    int code;
    if (access(path, F_OK) < 0)
        code = mr_segment_create(&stage->segment, path, mr_role_name(stage->role), MR_SEGMENT_STAGE,
                                 bytes, fill_stage, &beginning, err);
    else
        code =
            mr_segment_attach(&stage->segment, path, MR_SEGMENT_STAGE, MR_ATTACH_READ_WRITE, err);
    if (code != MR_OK)
        return code;
    if (stage->segment.bytes != bytes)
        return mr_fail(err, MR_ERR_SHM,
                       "%s: found %zu bytes, expected %zu: made by another version", path,
                       stage->segment.bytes, bytes);
    if (mr_segment_lock(&stage->segment, err) != MR_OK)
        return mr_error_within(err, "the %s of %s is running already", mr_role_name(stage->role),
                               stage->pipeline->name);
    stage->shared = (void *)((uint8_t *)stage->segment.base + MR_PAGE_BYTES);
    if (stage->shared->settings != mr_stage_settings(stage->pipeline, stage->role))
        return mr_fail(
            err, MR_ERR_SHM,
            "%s: left by an earlier run with another `%s:`; finish that run with its own "
            "settings, or give it up with `millrace clean %s`",
            path, mr_stage_settings_key(stage->role), stage->pipeline->name);
    return MR_OK;
}

// ---- recovery

static int fail_recovery(const struct mr_stage *stage, const struct mr_segment *ring,
                         const char *side, uint64_t position, struct mr_error *err)
{
    return mr_fail(
        err, MR_ERR_CORRUPT,
        "%s: committed %s position %llu is not one that can have been reached in %s; the run "
        "cannot go on, `millrace clean %s` gives it up",
        stage->segment.path, side, (unsigned long long)position, ring->path, stage->pipeline->name);
}

// The slot says where things stood at the last commit; the cursors may lag behind it by what was
// not published any more. (The source mark and the counts come with it.)
static int recover(struct mr_stage *stage, struct mr_error *err)
{
    if (!mr_stage_snapshot(stage->shared, &stage->now))
        return mr_fail(err, MR_ERR_CORRUPT, "%s: byte %d: the epoch changes all the time",
                       stage->segment.path, MR_PAGE_BYTES);
    stage->epoch = mr_load_relaxed_u64(&stage->shared->epoch);
    for (unsigned i = 0; i < stage->reader_count; i++) {
        mr_reader_recover(&stage->readers[i], stage->now.in_pos[i]);
        if (stage->readers[i].corrupt)
            return fail_recovery(stage, &stage->readers[i].ring->segment, "read",
                                 stage->now.in_pos[i], err);
    }
    for (unsigned i = 0; i < stage->writer_count; i++) {
        mr_writer_recover(&stage->writers[i], stage->now.out_pos[i]);
        if (stage->writers[i].corrupt)
            return fail_recovery(stage, &stage->writers[i].ring->segment, "write",
                                 stage->now.out_pos[i], err);
    }
    return MR_OK;
}

static void enter(struct mr_stage *stage)
{
    struct mr_stage_gauges *gauges = &stage->shared->gauges;
    gauges->pid = (uint32_t)getpid();
    gauges->waiting_for = MR_WAIT_NOTHING;
    gauges->wait_version +=
        gauges->wait_version % 2; // the last process died while it changed a wait
    stage->waits.version = gauges->wait_version & ~1u;
    if (gauges->opened_ns == 0)
        gauges->opened_ns = mr_mono_ns();
    gauges->exit_code = 0;
    gauges->starts++;
    gauges->failure[0] = '\0';
    mr_store_relaxed_u32(&stage->shared->end, MR_END_NOT);
    mr_store_release_u32(&gauges->drain_asked, 0);
    mr_stage_beat(stage);
    mr_stage_set_phase(stage, MR_PHASE_STARTING);
    // Timers as exact as the kernel can: paced sources sleep until shortly before their next
    // record.
    prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL);
}

// Only a run whose rings are gone asks the disk how to go on.
static int plan_beginning(const struct mr_stage *stage, struct mr_session_plan *plan,
                          struct mr_error *err)
{
    char path[320];
    bool whole = true;
    const struct ports ports = ports_of(stage->pipeline, stage->role);
    for (unsigned i = 0; i < ports.count; i++) {
        mr_pipeline_ring_path(stage->pipeline, ports.of[i].ring, path, sizeof path);
        whole &= access(path, F_OK) == 0;
    }
    mr_pipeline_stage_path(stage->pipeline, stage->role, path, sizeof path);
    whole &= access(path, F_OK) == 0;
    plan->resume = MR_RESUME_NOT;
    return whole ? MR_OK : mr_session_plan(stage->pipeline, plan, err);
}

// What is looked at, by whoever comes first or again: the others have made theirs.
static int share(const struct mr_stage *stage, struct mr_error *err)
{
    uint32_t gid = stage->pipeline->share_gid;
    int code = gid ? mr_segment_share(&stage->segment, gid, err) : MR_OK;
    for (unsigned i = 0; gid && i < MR_RING_COUNT && code == MR_OK; i++)
        if (stage->rings[i].segment.base)
            code = mr_segment_share(&stage->rings[i].segment, gid, err);
    return code;
}

// Of a ring that it reads a stage writes the page with the cursors, and nothing else.
static int protect_inputs(struct mr_stage *stage, struct mr_error *err)
{
    int code = MR_OK;
    for (unsigned i = 0; stage->pipeline->harden && i < stage->reader_count && code == MR_OK; i++)
        code = mr_segment_protect(&stage->readers[i].ring->segment, MR_RING_WRITER_OFFSET, err);
    return code;
}

static int open_locked(struct mr_stage *stage, struct mr_error *err)
{
    struct mr_session_plan plan;
    int code = MR_OK;
    // A supervisor has done it before it started its stages; they keep what another one of them,
    // failed already, left to be read.
    bool by_hand = mr_rundir_supervisor(stage->pipeline) == 0;
    enum mr_leftovers left = by_hand ? mr_stage_leftovers(stage->pipeline) : MR_LEFTOVERS_NONE;
    if (left == MR_LEFTOVERS_SPENT)
        code = mr_stage_remove_segments(stage->pipeline, err);
    else if (left == MR_LEFTOVERS_STOPPED)
        mr_stage_undo_stops(stage->pipeline);
    if (code == MR_OK)
        code = plan_beginning(stage, &plan, err);
    if (code == MR_OK)
        code = open_rings(stage, &plan, err);
    if (code == MR_OK)
        code = open_own_segment(stage, &plan, err);
    if (code == MR_OK) {
        open_ports(stage, by_hand);
        code = share(stage, err);
    }
    if (code == MR_OK)
        code = protect_inputs(stage, err);
    if (code == MR_OK)
        code = recover(stage, err);
    if (code == MR_OK)
        enter(stage);
    return code;
}

// A stage that is to share a core, or to have one of its own, waits accordingly.
static int take_place(struct mr_stage *stage, struct mr_error *err)
{
    struct mr_cores cores;
    struct mr_place places[MR_ROLE_COUNT];
    const struct mr_pipeline *pipeline = stage->pipeline;
    mr_cores_allowed(&cores);
    int code = mr_placement_plan(&pipeline->placement, &cores, places, err);
    if (code != MR_OK)
        return code;
    const struct mr_place *place = &places[stage->role];
    stage->wait = (struct mr_wait){
        .strategy = pipeline->wait[stage->role], .share = place->share, .keep_ns = place->keep_ns};
    if (pipeline->realtime > 0)
        stage->wait.share =
            MR_CORE_METERED; // a real-time process that burnt time would take it all
    if (place->core >= 0) {
        cpu_set_t set;
        CPU_ZERO(&set);
        CPU_SET(place->core, &set);
        if (sched_setaffinity(0, sizeof set, &set) < 0)
            return mr_fail_errno(err, MR_ERR_STAGE, "placement: cannot run on core %d",
                                 place->core);
    }
    return mr_realtime_enter(pipeline, err);
}

// What was opened so far; the state follows when it is reserved.
static int prepare_memory(const struct mr_stage *stage, struct mr_error *err)
{
    int code = mr_memory_prepare(stage->pipeline, &stage->segment, err);
    for (unsigned i = 0; i < MR_RING_COUNT && code == MR_OK; i++)
        if (stage->rings[i].segment.base)
            code = mr_memory_prepare(stage->pipeline, &stage->rings[i].segment, err);
    return code;
}

static int open_all(struct mr_stage *stage, struct mr_error *err)
{
    int setup_fd;
    int code = take_place(stage, err);
    if (code == MR_OK)
        code = mr_stage_make_run_directory(stage->pipeline, err);
    if (code == MR_OK)
        code = mr_rundir_lock_setup(stage->pipeline, &setup_fd, err);
    if (code != MR_OK)
        return code;
    code = open_locked(stage, err);
    close(setup_fd);
    if (code == MR_OK)
        code = prepare_memory(stage, err);
    if (code != MR_OK)
        mr_stage_detach(stage);
    return code;
}

int mr_stage_open(struct mr_stage *stage, const struct mr_pipeline *pipeline, enum mr_role role,
                  struct mr_error *err)
{
    memset(stage, 0, sizeof *stage);
    stage->pipeline = pipeline;
    stage->role = role;
    stage->segment.fd = -1;
    stage->state_segment.fd = -1;
    memset(stage->in_schema_index, MR_SCHEMA_UNKNOWN, sizeof stage->in_schema_index);
    memset(stage->out_schema_index, MR_SCHEMA_UNKNOWN, sizeof stage->out_schema_index);
    mr_clock_setup();
    catch_signals();
    int code = open_all(stage, err);
    if (code != MR_OK && err)
        mr_rundir_leave_word(pipeline, role, err->text);
    if (code == MR_OK) // the others may be waiting to be started
        mr_notify_ready(mr_phase_name(MR_PHASE_STARTING));
    return code;
}

void mr_stage_detach(struct mr_stage *stage)
{
    for (unsigned i = 0; i < MR_RING_COUNT; i++)
        mr_ring_detach(&stage->rings[i]);
    mr_schema_set_clear(&stage->in_schemas);
    mr_schema_set_clear(&stage->out_schemas);
    if (stage->state_segment.base)
        mr_segment_detach(&stage->state_segment);
    if (stage->segment.base)
        mr_segment_detach(&stage->segment);
    stage->shared = NULL;
}
