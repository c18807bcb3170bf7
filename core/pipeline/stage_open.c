// SPDX-License-Identifier: Apache-2.0
// How a stage comes to its segments: makes or attaches them, in any order of the stages' starts,
// takes its lock, and recovers where the last process left off.
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/dead_letter.h"
#include "core/journal.h"
#include "core/pipeline/stage_private.h"
#include "core/pipeline/stream_path.h"

#define SECOND_NS 1000000000LL
#define HALT_AFTER_NS (SECOND_NS * 3 / 10)
#define LOOK_INTERVAL_NS (SECOND_NS / 2000)
#define SETUP_LOCK_RETRY_NS (SECOND_NS / 100)
#define SETUP_LOCK_TRIES 500

// ---- signals
// The first SIGTERM or SIGINT asks to drain; another one, later than a terminal's copy of the same
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
    signal(SIGPIPE, SIG_IGN);
}

int mr_stage_signals_seen(void)
{
    return signals_seen;
}

// ---- the run directory


static int make_directory(const char *path, struct mr_error *err)
{
    if (mkdir(path, 0700) < 0 && errno != EEXIST)
        return mr_fail_errno(err, MR_ERR_SHM, "%s: cannot create the run directory", path);
    struct stat status;
    if (stat(path, &status) < 0 || !S_ISDIR(status.st_mode))
        return mr_fail(err, MR_ERR_SHM, "%s: expected a directory", path);
    if (status.st_uid != geteuid())
        return mr_fail(err, MR_ERR_SHM, "%s: belongs to user %u, expected %u", path, status.st_uid,
                       geteuid());
    return MR_OK;
}

int mr_stage_make_run_directory(const struct mr_pipeline *pipeline, struct mr_error *err)
{
    char parent[sizeof pipeline->directory];
    snprintf(parent, sizeof parent, "%s", pipeline->directory);
    char *slash = strrchr(parent, '/');
    if (slash)
        *slash = '\0';
    int code = make_directory(parent, err);
    return code == MR_OK ? make_directory(pipeline->directory, err) : code;
}

// Held while segments are looked for and made, so that stages started together agree on them.
static int lock_setup(const struct mr_pipeline *pipeline, int *fd, struct mr_error *err)
{
    char path[sizeof pipeline->directory + 16];
    snprintf(path, sizeof path, "%s/setup.lock", pipeline->directory);
    *fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (*fd < 0)
        return mr_fail_errno(err, MR_ERR_SHM, "%s: cannot create", path);
    for (int i = 0; i < SETUP_LOCK_TRIES; i++) {
        if (flock(*fd, LOCK_EX | LOCK_NB) == 0)
            return MR_OK;
        mr_sleep_until_mono_ns(mr_mono_ns() + SETUP_LOCK_RETRY_NS);
    }
    close(*fd);
    return mr_fail(err, MR_ERR_BUSY, "%s: held by another process for 5 s", path);
}

// ---- leftovers


// Adds to *taken what it has taken in.
static bool stage_is_alive(const struct mr_pipeline *pipeline, enum mr_role role, uint64_t *taken)
{
    struct mr_segment segment;
    char path[320];
    mr_pipeline_stage_path(pipeline, role, path, sizeof path);
    if (mr_segment_attach(&segment, path, MR_SEGMENT_STAGE, MR_ATTACH_READ_ONLY, NULL) != MR_OK)
        return false;
    bool alive = mr_segment_is_locked(&segment);
    const struct mr_stage_layout *shared = (const void *)((uint8_t *)segment.base + MR_PAGE_BYTES);
    struct mr_stage_slot slot;
    mr_stage_snapshot(shared, &slot);
    *taken += slot.counts[MR_COUNT_IN];
    mr_segment_detach(&segment);
    return alive;
}

static bool all_rings_are_finished(const struct mr_pipeline *pipeline)
{
    bool finished = true;
    for (unsigned i = 0; i < MR_RING_COUNT; i++) {
        struct mr_ring ring;
        char path[320];
        mr_pipeline_ring_path(pipeline, i, path, sizeof path);
        if (mr_ring_attach(&ring, path, MR_ATTACH_READ_ONLY, NULL) != MR_OK) {
            finished &=
                access(path, F_OK) < 0; // one that cannot be read is not known to be finished
            continue;
        }
        finished &= mr_ring_is_finished(&ring);
        mr_ring_detach(&ring);
    }
    return finished;
}

int mr_stage_remove_segments(const struct mr_pipeline *pipeline, struct mr_error *err)
{
    char path[320], state[352];
    int code = MR_OK;
    for (unsigned i = 0; i < MR_RING_COUNT && code == MR_OK; i++) {
        mr_pipeline_ring_path(pipeline, i, path, sizeof path);
        code = mr_segment_unlink(path, err);
    }
    for (unsigned i = 0; i < MR_ROLE_COUNT && code == MR_OK; i++) {
        mr_pipeline_stage_path(pipeline, i, path, sizeof path);
        snprintf(state, sizeof state, "%s.state", path);
        code = mr_segment_unlink(path, err);
        if (code == MR_OK)
            code = mr_segment_unlink(state, err);
    }
    return code;
}

enum mr_leftovers mr_stage_leftovers(const struct mr_pipeline *pipeline)
{
    uint64_t taken = 0;
    unsigned found = 0, stages = 0;
    for (unsigned i = 0; i < MR_ROLE_COUNT; i++) {
        char path[320];
        mr_pipeline_stage_path(pipeline, i, path, sizeof path);
        stages += access(path, F_OK) == 0;
        if (stage_is_alive(pipeline, i, &taken))
            return MR_LEFTOVERS_ALIVE;
    }
    for (unsigned i = 0; i < MR_RING_COUNT; i++) {
        char path[320];
        mr_pipeline_ring_path(pipeline, i, path, sizeof path);
        found += access(path, F_OK) == 0;
    }
    if (found + stages == 0)
        return MR_LEFTOVERS_NONE;
    // No record was ever accepted: a run that failed at its start leaves nothing to go on from.
    // Rings of which nothing is left to read are finished only if all three stages were there: a
    // stage that starts after the others have ended still has its part to do.
    bool finished = stages == MR_ROLE_COUNT && all_rings_are_finished(pipeline);
    return taken == 0 || finished ? MR_LEFTOVERS_SPENT : MR_LEFTOVERS_UNFINISHED;
}

// ---- rings and the stage's own segment


// A journal that is appended to goes on where it ends: so does the stream of the ring that feeds
// it.
static int find_start_pos(const struct mr_pipeline *pipeline, enum mr_ring_index index,
                          struct mr_ring_options *options, struct mr_error *err)
{
    char journal[MR_STREAM_PATH_BYTES];
    uint64_t end_pos = 0;
    if (!mr_stream_appends_to(pipeline, index, journal, sizeof journal))
        return MR_OK;
    int code = mr_journal_end(journal, &end_pos, err);
    options->start_pos = mr_align_up(end_pos, options->capacity);
    return code;
}

static int open_ring(struct mr_stage *stage, enum mr_ring_index index, struct mr_error *err)
{
    char path[320];
    struct mr_ring *ring = &stage->rings[index];
    struct mr_ring_options options = stage->pipeline->rings[index];
    mr_pipeline_ring_path(stage->pipeline, index, path, sizeof path);
    if (access(path, F_OK) < 0) {
        int code = find_start_pos(stage->pipeline, index, &options, err);
        if (code != MR_OK)
            return code;
        return mr_ring_create(ring, path, mr_ring_index_name(index), &options, err);
    }
    int code = mr_ring_attach(ring, path, MR_ATTACH_READ_WRITE, err);
    if (code != MR_OK)
        return code;
    if (ring->capacity != options.capacity || ring->full_policy != options.full_policy ||
        ring->checksummed != options.checksummed)
        return mr_fail(
            err, MR_ERR_SHM,
            "%s: left by an earlier run with other settings (found %llu bytes, expected %llu); "
            "finish that run with its own pipeline file, or give it up with `millrace clean %s`",
            path, (unsigned long long)ring->capacity, (unsigned long long)options.capacity,
            stage->pipeline->name);
    return MR_OK;
}

struct port {
    enum mr_ring_index ring;
    bool writes;
};

static const struct port *ports_of(enum mr_role role, unsigned *count)
{
    static const struct port producer[] = {{MR_RING_INGRESS, true}, {MR_RING_DEAD_PRODUCER, true}};
    static const struct port transform[] = {
        {MR_RING_INGRESS, false}, {MR_RING_EGRESS, true}, {MR_RING_DEAD_TRANSFORM, true}};
    static const struct port loader[] = {
        {MR_RING_EGRESS, false}, {MR_RING_DEAD_PRODUCER, false}, {MR_RING_DEAD_TRANSFORM, false}};
    static const struct port *const all[] = {producer, transform, loader};
    *count = role == MR_ROLE_PRODUCER ? 2 : 3;
    return all[role];
}

static int open_rings(struct mr_stage *stage, struct mr_error *err)
{
    unsigned count;
    const struct port *ports = ports_of(stage->role, &count);
    int code = MR_OK;
    for (unsigned i = 0; i < count && code == MR_OK; i++)
        code = open_ring(stage, ports[i].ring, err);
    return code;
}

// Only with the stage's lock held: to open a writer is to say that the stream goes on.
static void open_ports(struct mr_stage *stage)
{
    unsigned count;
    const struct port *ports = ports_of(stage->role, &count);
    for (unsigned i = 0; i < count; i++) {
        struct mr_ring *ring = &stage->rings[ports[i].ring];
        if (ports[i].writes)
            mr_writer_open(&stage->writers[stage->writer_count++], ring);
        else
            mr_reader_open(&stage->readers[stage->reader_count++], ring);
    }
}

static void fill_stage(void *base, void *context)
{
    struct mr_stage_layout *shared = (void *)((uint8_t *)base + MR_PAGE_BYTES);
    struct mr_stage *stage = context;
    unsigned count, readers = 0, writers = 0;
    const struct port *ports = ports_of(stage->role, &count);
    shared->role = stage->role;
    for (unsigned i = 0; i < count; i++) {
        const struct mr_ring *ring = &stage->rings[ports[i].ring];
        if (ports[i].writes)
            shared->slots[0].out_pos[writers++] =
                mr_load_acquire_u64(&ring->writer_line->write_pos);
        else
            shared->slots[0].in_pos[readers++] = mr_load_acquire_u64(&ring->reader_line->read_pos);
    }
}

static int open_own_segment(struct mr_stage *stage, struct mr_error *err)
{
    char path[320];
    mr_pipeline_stage_path(stage->pipeline, stage->role, path, sizeof path);
    size_t bytes = mr_align_up(MR_PAGE_BYTES + sizeof(struct mr_stage_layout), MR_PAGE_BYTES);
    int code;
    if (access(path, F_OK) < 0)
        code = mr_segment_create(&stage->segment, path, mr_role_name(stage->role), MR_SEGMENT_STAGE,
                                 bytes, fill_stage, stage, err);
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
    return MR_OK;
}

// ---- recovery


// The slot says where things stood at the last commit; the cursors may lag behind it by what was
// not published any more. (The source mark and the counts come with it.)
static void recover(struct mr_stage *stage)
{
    mr_stage_snapshot(stage->shared, &stage->now);
    for (unsigned i = 0; i < stage->reader_count; i++)
        mr_reader_recover(&stage->readers[i], stage->now.in_pos[i]);
    for (unsigned i = 0; i < stage->writer_count; i++)
        mr_writer_recover(&stage->writers[i], stage->now.out_pos[i]);
}

static void enter(struct mr_stage *stage)
{
    struct mr_stage_gauges *gauges = &stage->shared->gauges;
    gauges->pid = (uint32_t)getpid();
    gauges->waiting_for = MR_WAIT_NOTHING;
    gauges->exit_code = 0;
    gauges->failure[0] = '\0';
    mr_store_release_u32(&gauges->drain_asked, 0);
    mr_stage_beat(stage);
    mr_stage_set_phase(stage, MR_PHASE_STARTING);
    // Timers as exact as the kernel can: paced sources sleep until shortly before their next
    // record.
    prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL);
}

static int open_locked(struct mr_stage *stage, struct mr_error *err)
{
    int code = MR_OK;
    if (mr_stage_leftovers(stage->pipeline) == MR_LEFTOVERS_SPENT)
        code = mr_stage_remove_segments(stage->pipeline, err);
    if (code == MR_OK)
        code = open_rings(stage, err);
    if (code == MR_OK)
        code = open_own_segment(stage, err);
    if (code == MR_OK) {
        open_ports(stage);
        recover(stage);
        enter(stage);
    }
    return code;
}

int mr_stage_open(struct mr_stage *stage, const struct mr_pipeline *pipeline, enum mr_role role,
                  struct mr_error *err)
{
    int setup_fd;
    memset(stage, 0, sizeof *stage);
    stage->pipeline = pipeline;
    stage->role = role;
    stage->segment.fd = -1;
    stage->state_segment.fd = -1;
    memset(stage->in_schema_index, MR_SCHEMA_UNKNOWN, sizeof stage->in_schema_index);
    memset(stage->out_schema_index, MR_SCHEMA_UNKNOWN, sizeof stage->out_schema_index);
    mr_clock_setup();
    catch_signals();
    mr_wait_setup(&stage->wait, pipeline->wait, MR_ROLE_COUNT);
    int code = mr_stage_make_run_directory(pipeline, err);
    if (code == MR_OK)
        code = lock_setup(pipeline, &setup_fd, err);
    if (code != MR_OK)
        return code;
    code = open_locked(stage, err);
    close(setup_fd);
    if (code != MR_OK)
        mr_stage_detach(stage);
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

// ---- state


// An undo log that belongs to the epoch that was never committed is applied backwards: newest
// first, so that of several old values of one place the oldest is the one that stays.
static int roll_back(struct mr_stage *stage, struct mr_error *err)
{
    struct mr_undo_log *undo = stage->undo;
    if (undo->epoch != stage->shared->epoch + 1)
        return MR_OK;
    uint64_t used = undo->used;
    while (used > 0) {
        struct mr_undo_trailer trailer;
        if (used > MR_UNDO_BYTES || used < sizeof trailer)
            return mr_fail(err, MR_ERR_CORRUPT,
                           "%s: undo log: found %llu bytes used, expected at most %d",
                           stage->state_segment.path, (unsigned long long)used, MR_UNDO_BYTES);
        memcpy(&trailer, undo->entries + used - sizeof trailer, sizeof trailer);
        uint64_t entry_bytes = mr_align_up(trailer.bytes, 8) + sizeof trailer;
        if (entry_bytes > used ||
            (uint64_t)trailer.offset + trailer.bytes > stage->shared->state_bytes)
            return mr_fail(err, MR_ERR_CORRUPT, "%s: undo log at %llu: found offset %u, %u bytes",
                           stage->state_segment.path, (unsigned long long)used, trailer.offset,
                           trailer.bytes);
        used -= entry_bytes;
        memcpy(stage->state + trailer.offset, undo->entries + used, trailer.bytes);
        // Entries are applied again if this process dies here: that does no harm.
        undo->used = used;
    }
    return MR_OK;
}

int mr_stage_reserve_state(struct mr_stage *stage, uint64_t state_bytes, struct mr_error *err)
{
    char path[352];
    uint64_t undo_bytes = mr_align_up(sizeof(struct mr_undo_log) + MR_UNDO_BYTES, MR_PAGE_BYTES);
    size_t bytes = MR_PAGE_BYTES + undo_bytes + mr_align_up(state_bytes, MR_PAGE_BYTES);
    int code;
    if (state_bytes == 0)
        return MR_OK;
    if (state_bytes > UINT32_MAX)
        return mr_fail(err, MR_ERR_CONFIG,
                       "the operators want %llu bytes of state, at most 4 GiB can be",
                       (unsigned long long)state_bytes);
    snprintf(path, sizeof path, "%s.state", stage->segment.path);
    if (access(path, F_OK) < 0) {
        code = mr_segment_create(&stage->state_segment, path, mr_role_name(stage->role),
                                 MR_SEGMENT_STATE, bytes, NULL, NULL, err);
    } else {
        code = mr_segment_attach(&stage->state_segment, path, MR_SEGMENT_STATE,
                                 MR_ATTACH_READ_WRITE, err);
        if (code == MR_OK && stage->state_segment.bytes != bytes)
            code = mr_fail(
                err, MR_ERR_SHM,
                "%s: found %zu bytes, expected %zu: left by another pipeline file; give it up "
                "with `millrace clean %s`",
                path, stage->state_segment.bytes, bytes, stage->pipeline->name);
    }
    if (code != MR_OK)
        return code;
    stage->undo = (void *)((uint8_t *)stage->state_segment.base + MR_PAGE_BYTES);
    stage->state = (uint8_t *)stage->undo + undo_bytes;
    stage->shared->state_bytes = state_bytes;
    return roll_back(stage, err);
}

// ---- schemas


static void index_schemas(const struct mr_schema_set *set, uint8_t *index,
                          char (*names)[MR_NAME_BYTES], uint32_t *count)
{
    for (uint32_t i = 0; i < set->count; i++) {
        index[set->schemas[i]->id] = (uint8_t)i;
        memcpy(names[i], set->schemas[i]->name, MR_NAME_BYTES);
    }
    mr_store_release_u32(count, set->count);
}

int mr_stage_await_schemas(struct mr_stage *stage, struct mr_error *err)
{
    struct mr_ring *ring = stage->readers[MR_PORT_MAIN].ring;
    for (;;) {
        int code = mr_ring_schemas(ring, &stage->in_schemas, err);
        if (code == MR_OK) {
            index_schemas(&stage->in_schemas, stage->in_schema_index, stage->shared->in_schema_name,
                          &stage->shared->in_schema_count);
            return MR_OK;
        }
        if (code != MR_ERR_BUSY)
            return code;
        if (mr_stage_is_stopping(stage) || mr_reader_at_end(&stage->readers[MR_PORT_MAIN]))
            return MR_OK;
        mr_stage_beat(stage);
        mr_sleep_until_mono_ns(mr_mono_ns() + LOOK_INTERVAL_NS);
    }
}

// Running, or through already: a resumed run may have nothing left to do for it.
static bool is_ready(const struct mr_pipeline *pipeline, enum mr_role role)
{
    struct mr_segment segment;
    char path[320];
    mr_pipeline_stage_path(pipeline, role, path, sizeof path);
    if (mr_segment_attach(&segment, path, MR_SEGMENT_STAGE, MR_ATTACH_READ_ONLY, NULL) != MR_OK)
        return false;
    const struct mr_stage_layout *shared = (const void *)((uint8_t *)segment.base + MR_PAGE_BYTES);
    uint32_t phase = mr_load_acquire_u32(&shared->gauges.phase);
    bool works = phase == MR_PHASE_RUNNING || phase == MR_PHASE_DRAINING;
    bool ready = phase == MR_PHASE_DONE || (works && mr_segment_is_locked(&segment));
    mr_segment_detach(&segment);
    return ready;
}

void mr_stage_await_downstream(struct mr_stage *stage)
{
    for (unsigned role = stage->role + 1; role < MR_ROLE_COUNT; role++)
        while (!is_ready(stage->pipeline, role) && !mr_stage_is_stopping(stage)) {
            mr_stage_beat(stage);
            mr_sleep_until_mono_ns(mr_mono_ns() + LOOK_INTERVAL_NS);
        }
}

static int describe_ring(struct mr_stage *stage, struct mr_ring *ring,
                         const struct mr_schema_set *schemas, struct mr_error *err)
{
    struct mr_schema_set before = {0};
    if (mr_ring_schemas(ring, &before, NULL) == MR_OK) {
        size_t bytes = mr_schema_table_bytes(schemas);
        void *table = malloc(bytes);
        bool same = table && mr_schema_table_bytes(&before) == bytes;
        if (same) {
            mr_schema_table_write(schemas, table);
            same = memcmp(table, ring->schema_table, bytes) == 0;
        }
        free(table);
        mr_schema_set_clear(&before);
        if (!same)
            return mr_fail(
                err, MR_ERR_SHM,
                "%s: left by an earlier run with other schemas; finish that run with its own "
                "pipeline file, or give it up with `millrace clean %s`",
                ring->segment.path, stage->pipeline->name);
    }
    return mr_ring_describe(ring, schemas, err);
}

int mr_stage_describe(struct mr_stage *stage, struct mr_error *err)
{
    struct mr_schema_set letters = {0};
    index_schemas(&stage->out_schemas, stage->out_schema_index, stage->shared->out_schema_name,
                  &stage->shared->out_schema_count);
    // The dead ring first: whoever sees the main ring described may count on both.
    int code = mr_schema_set_add(&letters, mr_dead_letter_schema(), err);
    if (code == MR_OK)
        code = describe_ring(stage, stage->writers[MR_PORT_DEAD].ring, &letters, err);
    if (code == MR_OK)
        code = describe_ring(stage, stage->writers[MR_PORT_MAIN].ring, &stage->out_schemas, err);
    mr_schema_set_clear(&letters);
    return code;
}
