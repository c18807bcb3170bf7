// SPDX-License-Identifier: Apache-2.0
#include "core/pipeline/stage.h"

#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/dead_letter.h"
#include "core/log.h"
#include "core/pipeline/notify.h"
#include "core/pipeline/realtime.h"
#include "core/pipeline/report.h"
#include "core/pipeline/stage_private.h"

#define MILLISECOND_NS 1000000LL
#define BEAT_INTERVAL_NS (10 * MILLISECOND_NS)
#define UPSTREAM_LOOK_INTERVAL_NS (50 * MILLISECOND_NS)
#define WAIT_MAX_NS (50 * MILLISECOND_NS)
#define NAMEABLE_NS (500 * MILLISECOND_NS) // a wait that a drain is not expected to take
#define COPY_TRIES_MAX 100   // one that was stopped at that very moment is taken as it is
#define SNAPSHOT_TRIES 10000 // no stage commits so often while a slot is copied

// ---- gauges -------------------------------------------------------------------------------------

void mr_stage_set_phase(struct mr_stage *stage, enum mr_stage_phase phase)
{
    stage->phase = phase;
    mr_store_release_u32(&stage->shared->gauges.phase, phase);
    if (phase == MR_PHASE_DRAINING || phase == MR_PHASE_DONE || phase == MR_PHASE_FAILED)
        mr_notify_stopping(mr_phase_name(phase));
    else
        mr_notify_status("%s", mr_phase_name(phase));
}

static void note_used(struct mr_stage *stage, unsigned port)
{
    uint64_t *max = &stage->shared->gauges.used_bytes_max[port];
    const struct mr_writer *writer = &stage->writers[port];
    uint64_t used = mr_ring_used_bytes(writer->published,
                                       mr_load_relaxed_u64(&writer->ring->reader_line->read_pos));
    if (used > *max)
        mr_store_relaxed_u64(max, used);
}

static uint32_t asked(const struct mr_stage *stage)
{
    uint32_t by_signal = (uint32_t)mr_stage_signals_seen();
    uint32_t by_page = mr_load_acquire_u32(&stage->shared->gauges.drain_asked);
    if (by_page > MR_STOP_HALT)
        by_page = MR_STOP_NONE; // nobody asks for that: find_damage will say so
    return by_signal > by_page ? by_signal : by_page;
}

// Who told it to drain and sees nothing happen hears why.
static void say_what_drain_waits_for(struct mr_stage *stage)
{
    bool room = stage->waits.why == MR_WAIT_OUTPUT;
    if (stage->drain_waits_said || (!room && stage->waits.why != MR_WAIT_DEVICE) ||
        asked(stage) != MR_STOP_DRAIN || mr_mono_ns() - stage->waits.since_ns < NAMEABLE_NS)
        return;
    stage->drain_waits_said = true;
    mr_warn("told to drain, and waits for %s%s first; a second signal halts at once, and the next "
            "start goes on from here",
            room ? "room in " : "its device",
            room ? stage->writers[stage->waits.port].ring->segment.path : "");
}

static void beat_at(struct mr_stage *stage, uint64_t now_tick)
{
    if (mr_ticks_to_ns((int64_t)(now_tick - stage->beat_tick)) < BEAT_INTERVAL_NS)
        return;
    stage->beat_tick = now_tick;
    mr_notify_alive();
    if (MR_UNLIKELY(mr_realtime_was_lost()))
        mr_warn("realtime: the %s had not slept for 200 ms of its time: it goes on with ordinary "
                "scheduling",
                mr_role_name(stage->role));
    mr_store_relaxed_u64((uint64_t *)&stage->shared->gauges.heartbeat_ns, (uint64_t)mr_mono_ns());
    mr_store_relaxed_u64(&stage->shared->gauges.parks, stage->wait.parks);
    for (unsigned port = 0; port < stage->writer_count; port++)
        note_used(stage, port);
    say_what_drain_waits_for(stage);
    mr_stage_look_for_damage(stage);
}

void mr_stage_beat(struct mr_stage *stage)
{
    beat_at(stage, mr_tick());
}

// How long the wait that now ends has lasted. That of an input was over when the last look for it was; what
// follows was work, and is in a hurry: it need not look at a clock for this.
static uint64_t waited_ns(const struct mr_stage *stage)
{
    uint64_t until_tick = stage->waits.why == MR_WAIT_INPUT ? stage->wait.last_tick : mr_tick();
    int64_t lasted_ns = mr_ticks_to_ns((int64_t)(until_tick - stage->waits.since_tick));
    return lasted_ns > 0 ? (uint64_t)lasted_ns : 0;
}

static void note_begin(struct mr_stage *stage)
{
    stage->waits.since_tick = mr_tick();
    stage->waits.since_ns = stage->shared->gauges.waiting_since_ns = mr_mono_ns();
}

// False: it waits for that already.
static bool begin_waiting(struct mr_stage *stage, enum mr_wait_for why, unsigned port)
{
    struct mr_stage_gauges *gauges = &stage->shared->gauges;
    if (stage->waits.why == why && stage->waits.port == port)
        return false;
    // Who looks takes the values that stand between two equal, even versions. Pairs with the loads in
    // mr_stage_copy_gauges.
    mr_store_relaxed_u32(&gauges->wait_version, ++stage->waits.version);
    mr_fence_release();
    if (stage->waits.why != MR_WAIT_NOTHING)
        gauges->waited_ns[stage->waits.why] += waited_ns(stage);
    if (why != MR_WAIT_NOTHING)
        note_begin(stage);
    stage->waits.port = gauges->waiting_port = port;
    stage->waits.why = gauges->waiting_for = why;
    mr_store_release_u32(&gauges->wait_version, ++stage->waits.version);
    return true;
}

static void end_waiting(struct mr_stage *stage)
{
    if (stage->waits.why != MR_WAIT_NOTHING)
        begin_waiting(stage, MR_WAIT_NOTHING, 0);
    mr_wait_reset(&stage->wait);
}

unsigned mr_stage_add_counter(struct mr_stage *stage, const char *plugin, const char *name)
{
    unsigned index = stage->plugin_count;
    if (index == MR_STAGE_PLUGIN_COUNTS - 1)
        mr_warn("more than %d plugin counters: %s.%s and what follows share the last",
                MR_STAGE_PLUGIN_COUNTS, plugin, name);
    if (index >= MR_STAGE_PLUGIN_COUNTS - 1)
        index = MR_STAGE_PLUGIN_COUNTS - 1;
    else
        stage->plugin_count++;
    snprintf(stage->shared->plugin_name[index], sizeof stage->shared->plugin_name[index], "%s.%s",
             plugin, name);
    mr_store_release_u32(&stage->shared->plugin_count, index + 1);
    return index;
}

// ---- stopping -----------------------------------------------------------------------------------

static bool is_gone(const struct mr_pipeline *pipeline, enum mr_role role)
{
    struct mr_segment segment;
    mr_pipeline_stage_path(pipeline, role, segment.path, sizeof segment.path);
    return !mr_segment_is_locked(&segment);
}

// Whether the processes of the stages before this one are gone. Their locks tell; asked rarely.
static bool upstream_is_gone(struct mr_stage *stage)
{
    int64_t now_ns = mr_mono_ns();
    if (now_ns - stage->upstream_seen_ns < UPSTREAM_LOOK_INTERVAL_NS)
        return stage->upstream_gone;
    stage->upstream_seen_ns = now_ns;
    stage->upstream_gone = true;
    if (stage->role == MR_ROLE_LOADER)
        stage->upstream_gone = is_gone(stage->pipeline, MR_ROLE_TRANSFORM);
    for (unsigned i = 0;
         i < mr_pipeline_sources(stage->pipeline) && stage->role == MR_ROLE_TRANSFORM; i++)
        stage->upstream_gone &= is_gone(stage->pipeline, mr_producer_role(i));
    return stage->upstream_gone;
}

bool mr_stage_is_halted(struct mr_stage *stage)
{
    stage->halted |= asked(stage) >= MR_STOP_HALT;
    return stage->halted;
}

// A producer stops when it is told to. The others then see their input end, which is how they
// drain; they stop at a signal only where nobody is there any more to end it.
bool mr_stage_is_stopping(const struct mr_stage *stage)
{
    struct mr_stage *mutable_stage = (struct mr_stage *)stage;
    uint32_t ask = asked(stage);
    if (ask >= MR_STOP_HALT)
        mutable_stage->halted = true;
    if (stage->halted)
        return true;
    if (ask == MR_STOP_NONE)
        return false;
    return mr_role_is_producer(stage->role) || upstream_is_gone(mutable_stage);
}

// ---- waiting ------------------------------------------------------------------------------------

void mr_stage_wait(struct mr_stage *stage, enum mr_wait_for why, int64_t timeout_ns)
{
    struct mr_reader *readers[MR_STAGE_PORTS_MAX];
    begin_waiting(stage, why, MR_PORT_MAIN);
    if (timeout_ns > WAIT_MAX_NS)
        timeout_ns = WAIT_MAX_NS;
    if (why == MR_WAIT_INPUT && stage->reader_count > 0) {
        for (unsigned i = 0; i < stage->reader_count; i++)
            readers[i] = &stage->readers[i];
        mr_wait_for_data(&stage->wait, readers, stage->reader_count, timeout_ns);
    } else {
        mr_wait_until(&stage->wait, mr_mono_ns() + timeout_ns);
    }
    beat_at(stage, stage->wait.last_tick);
}

void mr_stage_wait_for(struct mr_stage *stage, unsigned port, int64_t timeout_ns)
{
    struct mr_reader *reader = &stage->readers[port];
    begin_waiting(stage, MR_WAIT_INPUT, port);
    mr_wait_for_data(&stage->wait, &reader, 1, timeout_ns < WAIT_MAX_NS ? timeout_ns : WAIT_MAX_NS);
    mr_stage_beat(stage);
}

void mr_stage_wait_readable(struct mr_stage *stage, int fd, int64_t timeout_ns)
{
    struct pollfd readable = {.fd = fd, .events = POLLIN};
    struct timespec timeout = {.tv_nsec = timeout_ns < WAIT_MAX_NS ? timeout_ns : WAIT_MAX_NS};
    begin_waiting(stage, MR_WAIT_INPUT, MR_PORT_MAIN);
    ppoll(&readable, 1, &timeout, NULL);
    stage->wait.last_tick = mr_tick();
    mr_stage_beat(stage);
}

// ---- a batch ------------------------------------------------------------------------------------

// The reader has let go of everything that was published, and still there is no room: what this
// batch wants to write at once is larger than the ring.
static bool batch_outgrew_ring(const struct mr_writer *writer)
{
    return mr_load_acquire_u64(&writer->ring->reader_line->read_pos) == writer->published;
}

static struct mr_record *claim_waiting(struct mr_stage *stage, struct mr_writer *writer,
                                       uint32_t length)
{
    struct mr_record *record;
    while (!(record = mr_claim(writer, length))) {
        const struct mr_ring *ring = writer->ring;
        if (batch_outgrew_ring(writer) && !(record = mr_claim(writer, length)))
            mr_fail(&stage->problem, MR_ERR_LIMIT,
                    "%s: one batch writes more than the ring holds (%llu bytes); make it larger",
                    ring->segment.path, (unsigned long long)ring->capacity);
        if (record)
            break;
        if (writer->corrupt)
            mr_writer_explain(writer, &stage->problem);
        if (stage->problem.code != MR_OK || asked(stage) >= MR_STOP_HALT) {
            stage->halted = true;
            return NULL;
        }
        unsigned port = (unsigned)(writer - stage->writers);
        if (begin_waiting(stage, MR_WAIT_OUTPUT, port))
            note_used(stage, port);
        mr_wait_for_space(&stage->wait, writer, length, WAIT_MAX_NS);
        mr_stage_beat(stage);
    }
    end_waiting(stage);
    return record;
}

struct mr_record *mr_stage_claim_slow(struct mr_stage *stage, unsigned port, uint32_t length)
{
    struct mr_writer *writer = &stage->writers[port];
    if (length > mr_claim_bytes_max(writer) || length < MR_ENVELOPE_BYTES)
        return NULL;
    if (writer->ring->full_policy == MR_FULL_DROP_NEWEST && !writer->corrupt) {
        mr_writer_count_drop(writer);
        return NULL;
    }
    return claim_waiting(stage, writer, length);
}

// Text into a fixed field, zeroes behind it.
static void put_text(char *field, size_t field_bytes, const char *text)
{
    memset(field, 0, field_bytes);
    memcpy(field, text, strnlen(text, field_bytes));
}

void mr_stage_reject(struct mr_stage *stage, enum mr_reason reason, uint64_t source_sequence,
                     int64_t event_time_ns, const void *raw, size_t raw_bytes, const char *format,
                     ...)
{
    char detail[MR_DEAD_LETTER_DETAIL_BYTES + 1];
    size_t kept = mr_min_u64(raw_bytes, mr_claim_bytes_max(&stage->writers[MR_PORT_DEAD]) -
                                            (uint64_t)sizeof(struct mr_dead_letter));
    struct mr_dead_letter *letter = (void *)mr_stage_claim(
        stage, MR_PORT_DEAD, (uint32_t)(sizeof(struct mr_dead_letter) + kept));
    if (!letter)
        return; // halted: the batch will not be committed
    va_list args;
    va_start(args, format);
    vsnprintf(detail, sizeof detail, format, args);
    va_end(args);
    letter->env.sequence = source_sequence;
    letter->env.event_time_ns = event_time_ns;
    letter->env.ingest_time_ns = event_time_ns;
    letter->env.schema_id = MR_DEAD_LETTER_ID;
    letter->env.flags = 0;
    letter->raw_length = raw_bytes > UINT32_MAX ? UINT32_MAX : (uint32_t)raw_bytes;
    put_text(letter->reason, sizeof letter->reason, mr_reason_name(reason));
    put_text(letter->stage, sizeof letter->stage, mr_role_name(stage->role));
    put_text(letter->detail, sizeof letter->detail, detail);
    memcpy(letter->raw, raw, kept);
    mr_stage_emit(stage, MR_PORT_DEAD);
    stage->now.counts[MR_COUNT_REJECTED]++;
    stage->now.rejected[reason]++;
}

// A slot's members up to the counts by schema are always written; of those only the schemas in use.
static void fill_slot(const struct mr_stage *stage, struct mr_stage_slot *slot)
{
    const struct mr_stage_slot *now = &stage->now;
    memcpy(slot, now, offsetof(struct mr_stage_slot, in_by_schema));
    memcpy(slot->in_by_schema, now->in_by_schema, stage->in_schemas.count * sizeof(uint64_t));
    memcpy(slot->out_by_schema, now->out_by_schema, stage->out_schemas.count * sizeof(uint64_t));
    memcpy(slot->mark, now->mark, sizeof slot->mark);
}

static void publish_cursors(struct mr_stage *stage)
{
    uint64_t origin_tick = stage->origin_tick;
    // A first stage holds what it publishes since now. For another, an origin that the notes do not
    // tell is told by a later note, together with that of later records.
    if (origin_tick == 0 && stage->reader_count == 0)
        origin_tick = mr_tick();
    for (unsigned i = 0; i < stage->writer_count; i++)
        mr_publish(&stage->writers[i], origin_tick);
    struct mr_reader_timing timing = {&stage->shared->hop_ns, &stage->shared->age_ns};
    unsigned main_inputs = stage->role == MR_ROLE_TRANSFORM ? stage->reader_count : 1;
    for (unsigned i = 0; i < stage->reader_count; i++)
        mr_release(&stage->readers[i], stage->now.in_pos[i], i < main_inputs ? &timing : NULL);
}

void mr_stage_commit(struct mr_stage *stage)
{
    struct mr_stage_layout *shared = stage->shared;
    bool moved = false;
    for (unsigned i = 0; i < stage->writer_count; i++) {
        moved |= stage->writers[i].position != stage->writers[i].published;
        stage->now.out_pos[i] = stage->writers[i].position;
    }
    for (unsigned i = 0; i < stage->reader_count; i++) {
        if (stage->role != MR_ROLE_LOADER)
            stage->now.in_pos[i] = stage->readers[i].position;
        moved |= stage->now.in_pos[i] != stage->readers[i].released;
    }
    if (shared->gauges.started_ns == 0 && stage->now.counts[MR_COUNT_IN] > 0)
        shared->gauges.started_ns = mr_mono_ns();
    uint64_t epoch = stage->epoch + 1;
    // The slot of two epochs ago changes only after the last one is seen to stand. Pairs with the
    // acquire fence in mr_stage_snapshot.
    mr_fence_release();
    fill_slot(stage, &shared->slots[epoch & 1]);
    // The commit. Pairs with the acquire loads in mr_stage_snapshot.
    mr_store_release_u64(&shared->epoch, epoch);
    stage->epoch = epoch;
    publish_cursors(stage);
    stage->origin_tick = 0;
    if (moved)
        end_waiting(stage);
    mr_stage_beat(stage);
}

static int explain_halt(struct mr_stage *stage)
{
    struct mr_error *why = &stage->problem;
    if (why->code != MR_OK) {
        mr_error_line("%s", why->text);
        return why->code;
    }
    mr_fail(why, MR_ERR_STAGE, "halted: the batch at hand was left to the next start");
    mr_info("%s", why->text); // as it was told
    return why->code;
}

int mr_stage_close(struct mr_stage *stage, int code, const struct mr_error *err)
{
    struct mr_stage_gauges *gauges = &stage->shared->gauges;
    if (code == MR_OK && stage->halted) {
        code = explain_halt(stage);
        err = &stage->problem;
    }
    if (!stage->halted)
        mr_store_relaxed_u32(&stage->shared->end, code == MR_OK ? stage->end : MR_END_FAILED);
    // What may pass is tried again: the stream is cut there, it has not ended.
    if (!stage->halted && !mr_code_may_pass(code))
        for (unsigned i = 0; i < stage->writer_count; i++) {
            // What was written after the last commit is not part of the stream.
            mr_writer_recover(&stage->writers[i], stage->writers[i].published);
            mr_writer_close(&stage->writers[i]);
        }
    gauges->exit_code = (uint32_t)code;
    if (code != MR_OK && err)
        snprintf(gauges->failure, sizeof gauges->failure, "%.*s", (int)sizeof gauges->failure - 1,
                 err->text);
    end_waiting(stage);
    gauges->ended_ns = mr_mono_ns();
    mr_stage_set_phase(stage, code == MR_OK ? MR_PHASE_DONE : MR_PHASE_FAILED);
    mr_stage_detach(stage);
    return code;
}

void mr_stage_copy_gauges(const struct mr_stage_layout *shared, struct mr_stage_gauges *out)
{
    for (unsigned tries = 0; tries < COPY_TRIES_MAX; tries++) {
        // Pairs with the stores in begin_waiting.
        uint32_t before = mr_load_acquire_u32(&shared->gauges.wait_version);
        *out = shared->gauges;
        mr_fence_acquire();
        if (before % 2 == 0 && mr_load_relaxed_u32(&shared->gauges.wait_version) == before)
            break;
    }
    out->failure[sizeof out->failure - 1] = '\0';
    out->files[sizeof out->files - 1] = '\0';
    out->device.refused_what[sizeof out->device.refused_what - 1] = '\0';
}

bool mr_stage_snapshot(const struct mr_stage_layout *shared, struct mr_stage_slot *out)
{
    for (unsigned tries = 0; tries < SNAPSHOT_TRIES; tries++) {
        // Pairs with the release store in mr_stage_commit.
        uint64_t before = mr_load_acquire_u64(&shared->epoch);
        memcpy(out, &shared->slots[before & 1], sizeof *out);
        mr_fence_acquire();
        // The slot that holds is written again only after the next epoch began.
        if (mr_load_relaxed_u64(&shared->epoch) == before)
            return true;
    }
    return false;
}
