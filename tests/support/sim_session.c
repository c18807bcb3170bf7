// SPDX-License-Identifier: Apache-2.0
#include "tests/support/sim_session.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/journal.h"
#include "tests/support/journal_bytes.h"
#include "tests/support/scratch.h"

#define LIFE_STEPS_MAX 200 // dies at one of them, or later than it lives

struct sim_session *sim_session_new(void)
{
    struct sim_session *session = calloc(1, sizeof *session);
    if (!session)
        abort();
    session->disk = sim_disk_new();
    session->schemas = mr_test_schemas();
    session->stream = malloc(SIM_STREAM_BYTES_MAX);
    session->entries = calloc(SIM_ENTRIES_MAX, sizeof *session->entries);
    session->before.stream = malloc(SIM_STREAM_BYTES_MAX);
    session->before.entries = calloc(SIM_ENTRIES_MAX, sizeof *session->entries);
    session->segment = calloc(1, sizeof *session->segment);
    session->ring_bytes = aligned_alloc(MR_PAGE_BYTES, SIM_RING_BYTES_MAX);
    session->stage = calloc(1, sizeof *session->stage);
    if (!session->stream || !session->entries || !session->segment || !session->ring_bytes ||
        !session->stage || !session->before.stream || !session->before.entries)
        abort();
    session->stage->undo = calloc(1, sizeof *session->stage->undo + MR_UNDO_BYTES);
    session->stage->state = calloc(1, MR_SINK_STATE_BYTES);
    if (!session->stage->undo || !session->stage->state)
        abort();
    session->stage->state_bytes = MR_SINK_STATE_BYTES;
    sim_file_set_up(session);
    snprintf(session->segment->name, sizeof session->segment->name, "egress");
    session->ring.segment.base = (void *)session->segment;
    session->ring.data = session->ring_bytes;
    session->ring.checksummed = true;
    return session;
}

void sim_session_free(struct sim_session *session)
{
    if (!session)
        return;
    sim_file_tear_down(session);
    sim_disk_free(session->disk);
    mr_schema_set_clear(&session->schemas);
    free(session->stream);
    free(session->entries);
    free(session->before.stream);
    free(session->before.entries);
    free(session->segment);
    free(session->ring_bytes);
    free(session->stage->undo);
    free(session->stage->state);
    free(session->stage);
    free(session);
}

void sim_session_fail(struct sim_session *session, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    if (!session->failure[0]) // the first one tells the cause
        vsnprintf(session->failure, sizeof session->failure, format, args);
    va_end(args);
}

static uint64_t below(struct sim_session *session, uint64_t limit)
{
    return random_below(&session->random, limit);
}

// ---- choices -----------------------------------------------------------------------------------
void sim_session_choose_options(struct sim_session *session)
{
    bool direct = !session->plan->one_way && below(session, 4) == 0;
    uint64_t capacity = 1024ULL << below(session, 3);
    if (direct)
        capacity = SIM_RING_BYTES_MAX / (1 + below(session, 2));
    session->ring.capacity = capacity;
    session->options = (struct mr_journal_options){
        .path = SIM_JOURNAL_PATH,
        .durability = session->plan->one_way ? MR_DURABILITY_RECORD : (int)below(session, 3),
        .existing = MR_EXISTING_APPEND,
        .segment_bytes = capacity * (1 + below(session, direct ? 3 : 4)),
        .roll_after_ns = below(session, 4) ? 0 : 40000000,
        .sync_bytes = 1 + below(session, capacity),
        .sync_interval_ns = (int64_t)below(session, 40) * 1000000,
        .direct = direct,
        .checkpoint_interval_ns = (int64_t)below(session, 3) * 1000000,
    };
    session->settings++;
    session->again = below(session, 3) ? MR_AGAIN_SAME : MR_AGAIN_NEVER;
    if (session->plan->one_way) {
        session->options.segment_bytes = 64 * 1024;
        session->options.roll_after_ns = 0;
    }
}

static void begin(struct sim_session *session, uint64_t seed, const struct sim_plan *plan,
                  bool trace)
{
    uint64_t random = seed;
    session->plan = plan;
    session->random = random_next(&random);
    session->entry_count = 0;
    session->next_id = 0;
    session->committed_pos = session->kept_pos = session->safe_pos = session->session_pos =
        session->counted_pos = 0;
    session->resume = MR_RESUME_NOT;
    session->failure[0] = '\0';
    session->settings = session->generation = 0;
    session->replacing = session->never_synced_lost = false;
    session->doubtful_pos = session->doubtful_end_pos = 0;
    sim_disk_reset(session->disk, random_next(&random));
    session->disk->trace = trace;
    sim_disk_use(session->disk);
    sim_session_choose_options(session);
    session->disk->allocates = below(session, 8) > 0;
    session->made_pos = session->behind_pos = 0;
    session->unsafe = session->cut_off = false;
    session->kept[0].there = false;
    session->kept_count = 1;
    session->records_goal = plan->records ? plan->records : 10 + (uint32_t)below(session, 60);
    sim_source_new_ring(session, session->ring.capacity, 0);
    sim_disk_trace(session->disk, "ring %llu, segment %llu, durability %d%s",
                   (unsigned long long)session->ring.capacity,
                   (unsigned long long)session->options.segment_bytes, session->options.durability,
                   session->options.direct ? ", direct" : "");
}

void sim_session_set_faults(struct sim_session *session, bool wanted)
{
    session->faults_now = wanted;
    session->disk->faults = wanted ? session->plan->faults : (struct sim_faults){0};
}

static bool names_cause(const char *text)
{
    static const int causes[] = {EIO, ENOSPC, ECANCELED, EBUSY};
    for (unsigned i = 0; i < MR_COUNT_OF(causes); i++)
        if (strstr(text, strerror(causes[i])))
            return true;
    return false;
}

static void check_error(struct sim_session *session)
{
    const char *text = session->err.text;
    if (!session->faults_now || session->disk->failed == 0)
        sim_session_fail(session, "the loader stops: %s", text);
    else if (text[0] != '/' || !names_cause(text))
        sim_session_fail(session, "an error that names no file, or no cause: %s", text);
    session->errors++;
    session->cut_off |= session->unsafe; // a device that fails may have lost what was never synced
}

static void check_end(struct sim_session *session)
{
    sim_session_set_faults(session, false);
    if (session->committed_pos != session->published_pos || !sim_source_is_dry(session))
        sim_session_fail(session, "ended at %llu of %llu",
                         (unsigned long long)session->committed_pos,
                         (unsigned long long)session->published_pos);
    sim_file_check_gone(session);
    if (sim_check_journal(session, false))
        sim_check_damage(session);
}

// What memory alone showed when a sync failed is owed to nobody, and may be there or not: what a loader that never
// syncs has written, and what one that took over from a dead one found unsynced, and has not come to sync.
static void doubt(struct sim_session *session)
{
    session->never_synced_lost |= session->unsafe;
    session->cut_off |= session->unsafe;
    if (session->kept_pos <= session->safe_pos)
        return;
    if (session->doubtful_end_pos == 0)
        session->doubtful_pos = session->safe_pos;
    session->doubtful_end_pos = mr_max_u64(session->doubtful_end_pos, session->start_pos);
    session->kept_pos = session->safe_pos;
}

static void live(struct sim_session *session)
{
    for (unsigned life = 1; !session->failure[0]; life++) {
        bool last = life >= session->plan->lives;
        sim_session_set_faults(session, !last);
        if (session->plan->ends && !last)
            session->disk->die_at = session->disk->steps + 1 + below(session, LIFE_STEPS_MAX);
        session->stops = session->plan->ends && !last && below(session, 6) == 0;
        int code = sim_loader_live(session);
        if (session->disk->misuse[0])
            sim_session_fail(session, "%s", session->disk->misuse);
        if (session->failure[0])
            return;
        if (code == MR_OK && !session->stopped) {
            check_end(session);
            return;
        }
        if (!session->disk->dead && !session->stopped)
            check_error(session);
        if (session->disk->failed_syncs > 0)
            doubt(session);
        if (session->failure[0] || !sim_restart(session))
            return;
    }
}

bool sim_session_run(struct sim_session *session, uint64_t seed, const struct sim_plan *plan,
                     bool trace)
{
    begin(session, seed, plan, trace);
    live(session);
    return !session->failure[0];
}
