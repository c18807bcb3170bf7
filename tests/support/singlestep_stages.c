// SPDX-License-Identifier: Apache-2.0
// Stages that count (counting_stage.h), on rings that are filled up to shortly before their wrap: so the first batch that
// is stepped crosses it, with padding before it. A second one follows in the same process.
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/counting_stage.h"
#include "tests/support/singlestep.h"
#include "tests/support/singlestep_worlds.h"

#define BATCH 2
#define LEAD 4
#define RECORDS 10
#define STEPPED_BATCHES 2
// Left before the wrap; no record of the batch fits into either.
#define PADDING_BYTES 40      // a padding record
#define SHORT_PADDING_BYTES 8 // its length, and nothing else
// The points of counting_stage.c: two while it opens; 9 for each record, and one before and one after its commit.
#define POINTS_OF_OPENING 2
#define POINTS_OF_BATCH (9 * BATCH + 2)

typedef int counting_stage(const struct counting_run *run, counting_point *point, void *context,
                           struct mr_error *err);

static struct counting_run run;
char singlestep_stage_world[256];

void singlestep_stages_open(void)
{
    counting_run_open(&run, RECORDS, BATCH);
    snprintf(singlestep_stage_world, sizeof singlestep_stage_world, "%s", run.pipeline.directory);
}

void singlestep_stages_close(void)
{
    counting_run_close(&run);
}

// ---- what the processes do at their points

static enum mr_ring_index output_of(counting_stage *stage)
{
    return stage == counting_produce ? MR_RING_INGRESS : MR_RING_EGRESS;
}

static void live_on(void *unused)
{
    (void)unused;
}

struct lead {
    bool consumes;
    enum mr_ring_index ring;
    uint64_t points, commits, consumed;
};

// Dies when the lead is committed; its reader takes the records at once, if any.
static void lead_on(void *context)
{
    struct lead *lead = context;
    uint64_t point = lead->points++;
    if (point < POINTS_OF_OPENING ||
        (point - POINTS_OF_OPENING) % POINTS_OF_BATCH != POINTS_OF_BATCH - 1)
        return;
    if (lead->consumes)
        lead->consumed += counting_read(&run, lead->ring, lead->consumed);
    if (++lead->commits == LEAD / BATCH)
        _exit(MR_OK);
}

// Marks where the first batch begins and where the last was committed.
static void mark_batches(void *context)
{
    uint64_t point = (*(uint64_t *)context)++;
    if (point == POINTS_OF_OPENING - 1 ||
        point == POINTS_OF_OPENING + STEPPED_BATCHES * POINTS_OF_BATCH - 1)
        singlestep_mark();
}

// Marks where the stage has opened, and where its state is in order.
static void mark_opened(void *context)
{
    (void)context;
    singlestep_mark();
}

// Marks where its state is in order and its output described.
static void mark_described(void *context)
{
    uint64_t point = (*(uint64_t *)context)++;
    if (point == POINTS_OF_OPENING - 1)
        singlestep_mark();
}

static void run_marking(counting_stage *stage, counting_point *point)
{
    uint64_t points = 0;
    _exit(stage(&run, point, &points, NULL));
}

void singlestep_run_create(void *unused)
{
    (void)unused;
    singlestep_mark();
    run_marking(counting_produce, mark_described);
}

void singlestep_run_produce(void *unused)
{
    (void)unused;
    run_marking(counting_produce, mark_batches);
}

void singlestep_run_transform(void *unused)
{
    (void)unused;
    run_marking(counting_transform, mark_batches);
}

void singlestep_run_open(void *unused)
{
    (void)unused;
    singlestep_mark();
    run_marking(counting_transform, mark_opened);
}

void singlestep_run_roll_back(void *unused)
{
    (void)unused;
    run_marking(counting_transform, mark_opened);
}

// In a process of its own.
static bool runs(counting_stage *stage, counting_point *point, void *context)
{
    int status;
    struct mr_error err = {0};
    pid_t pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        int code = stage(&run, point, context, &err);
        if (code != MR_OK)
            printf("%s\n", err.text);
        fflush(stdout);
        _exit(code);
    }
    waitpid(pid, &status, 0);
    return status == 0;
}

static bool runs_lead(counting_stage *stage, bool consumes)
{
    struct lead lead = {.consumes = consumes, .ring = output_of(stage)};
    return runs(stage, lead_on, &lead);
}

// ---- worlds

static bool say(bool good, const char *what, char *why, size_t why_bytes)
{
    if (!good)
        snprintf(why, why_bytes, "%s", what);
    return good;
}

// Nothing is there. The first records fill the ingress ring up to so many bytes before its wrap, the egress ring, if
// it has the same capacity, too.
static void begin_anew(uint32_t before_wrap_bytes, uint64_t egress_capacity)
{
    uint32_t longest = MR_RING_CAPACITY_MIN / 4;
    mr_stage_remove_segments(&run.pipeline, NULL);
    run.pipeline.rings[MR_RING_EGRESS].capacity = egress_capacity;
    run.lead_records = before_wrap_bytes > 0 ? LEAD : 0;
    for (unsigned i = 0; i < LEAD; i++)
        run.lead_lengths[i] = i < LEAD - 1 ? longest : longest - before_wrap_bytes;
}

bool singlestep_prepare_create(char *why, size_t why_bytes)
{
    begin_anew(0, MR_RING_CAPACITY_MIN);
    return say(singlestep_put_aside(singlestep_stage_world, "create"), "cannot put nothing aside",
               why, why_bytes);
}

bool singlestep_prepare_produce(char *why, size_t why_bytes)
{
    begin_anew(PADDING_BYTES, MR_RING_CAPACITY_MIN);
    return say(runs_lead(counting_produce, true) &&
                   singlestep_put_aside(singlestep_stage_world, "produce"),
               "cannot make the ring that is filled up to its wrap", why, why_bytes);
}

// The producer has filled its ring, the transform has taken that, the rest came.
static bool prepare_reader(const char *name, char *why, size_t why_bytes)
{
    return say(runs_lead(counting_produce, false) && runs_lead(counting_transform, true) &&
                   runs(counting_produce, live_on, NULL) &&
                   singlestep_put_aside(singlestep_stage_world, name),
               "cannot make the rings that are filled up to their wraps", why, why_bytes);
}

bool singlestep_prepare_transform(char *why, size_t why_bytes)
{
    begin_anew(PADDING_BYTES, MR_RING_CAPACITY_MIN);
    return prepare_reader("transform", why, why_bytes);
}

// Only the ring that is read wraps.
bool singlestep_prepare_padding(char *why, size_t why_bytes)
{
    begin_anew(SHORT_PADDING_BYTES, 2 * MR_RING_CAPACITY_MIN);
    return prepare_reader("padding", why, why_bytes);
}

// How far the transform has committed and what its state is; what of it others can see.
struct seen {
    struct mr_stage_slot slot;
    uint8_t state[COUNTING_STATE_BYTES];
    uint64_t in_pos, out_pos;
    bool more_out; // behind out_pos: published, though its cursor does not say so yet
};

static bool attach(enum mr_ring_index index, struct mr_ring *ring)
{
    char path[320];
    mr_pipeline_ring_path(&run.pipeline, index, path, sizeof path);
    return mr_ring_attach(ring, path, MR_ATTACH_READ_ONLY, NULL) == MR_OK;
}

static bool look(struct seen *seen)
{
    struct mr_ring in, out;
    if (counting_look(&run, MR_ROLE_TRANSFORM, &seen->slot, seen->state, NULL) != MR_OK ||
        !attach(MR_RING_INGRESS, &in) || !attach(MR_RING_EGRESS, &out))
        return false;
    seen->in_pos = mr_load_acquire_u64(&in.reader_line->read_pos);
    seen->out_pos = mr_load_acquire_u64(&out.writer_line->write_pos);
    uint32_t word;
    memcpy(&word, out.data + (seen->out_pos & out.mask), sizeof word);
    seen->more_out = mr_is_published(word);
    mr_ring_detach(&in);
    mr_ring_detach(&out);
    return true;
}

// What others see lags behind the slot by a batch that has padding in it, before the wrap.
static bool died_before_publishing(const struct seen *seen)
{
    const uint64_t wrap = MR_RING_CAPACITY_MIN;
    return seen->in_pos < wrap && seen->slot.in_pos[MR_PORT_MAIN] > wrap && seen->out_pos < wrap &&
           seen->slot.out_pos[MR_PORT_MAIN] > wrap && !seen->more_out;
}

static bool died_in_batch(const struct seen *seen)
{
    return seen->slot.counts[MR_COUNT_IN] == LEAD && !counting_state_is_right(seen->state, LEAD);
}

// Kills the transform in its first batch, backwards from its end, until it has left what is wanted.
static bool leaves(bool (*wanted)(const struct seen *seen), const char *name)
{
    static struct singlestep_path path;
    static struct seen seen;
    const char *world = singlestep_stage_world;
    const struct singlestep_victim victim = {singlestep_run_transform, NULL, world};
    bool found = false,
         good = singlestep_take_back(world, "transform") && singlestep_measure(&victim, &path);
    for (uint32_t i = 2 * path.world_count / 3; good && !found && i-- > 0;) {
        good = singlestep_take_back(world, "transform") &&
               singlestep_kill(&victim, &path, path.worlds[i].first) == SINGLESTEP_KILLED;
        found = good && look(&seen) && wanted(&seen);
    }
    singlestep_path_clear(&path);
    return found && singlestep_put_aside(world, name);
}

bool singlestep_prepare_open(char *why, size_t why_bytes)
{
    return singlestep_prepare_transform(why, why_bytes) &&
           say(leaves(died_before_publishing, "open"), "it never died before it published", why,
               why_bytes);
}

bool singlestep_prepare_roll_back(char *why, size_t why_bytes)
{
    return singlestep_prepare_transform(why, why_bytes) &&
           say(leaves(died_in_batch, "roll-back"), "it never died with its state changed", why,
               why_bytes);
}

// ---- the judge

static bool is_complete(enum mr_role role, char *why, size_t why_bytes)
{
    struct mr_stage_slot slot;
    uint8_t state[COUNTING_STATE_BYTES];
    return say(counting_look(&run, role, &slot, state, NULL) == MR_OK,
               "the stage's segments cannot be read", why, why_bytes) &&
           say(slot.counts[MR_COUNT_IN] == RECORDS && slot.counts[MR_COUNT_EMITTED] == RECORDS,
               "the counts are not those of each record once", why, why_bytes) &&
           say(counting_state_is_right(state, RECORDS), "the state is not that of each record once",
               why, why_bytes);
}

static bool completes(counting_stage *stage, enum mr_role role, char *why, size_t why_bytes)
{
    enum mr_ring_index ring = output_of(stage);
    uint64_t lead = run.lead_records, before = counting_read(&run, ring, lead);
    if (before == UINT64_MAX || before % BATCH != 0)
        return say(false, "a part of a batch is visible, or a torn record", why, why_bytes);
    if (!say(runs(stage, live_on, NULL), "the next process failed", why, why_bytes))
        return false;
    uint64_t after = counting_read(&run, ring, lead + before);
    if (after == UINT64_MAX || lead + before + after != RECORDS) {
        snprintf(why, why_bytes,
                 "%" PRIu64 " records before, then %" PRIu64 ", expected %" PRIu64 " in all",
                 before, after, RECORDS - lead);
        return false;
    }
    return is_complete(role, why, why_bytes);
}

bool singlestep_check_produce(char *why, size_t why_bytes)
{
    return completes(counting_produce, MR_ROLE_PRODUCER, why, why_bytes);
}

bool singlestep_check_transform(char *why, size_t why_bytes)
{
    return completes(counting_transform, MR_ROLE_TRANSFORM, why, why_bytes);
}
