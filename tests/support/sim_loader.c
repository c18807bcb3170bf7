// SPDX-License-Identifier: Apache-2.0
// One life of a simulated session's loader: the turns that the real one takes (consumers/loader/main.c)
// around the real sink.
#include <errno.h>
#include <string.h>

#include "tests/support/scratch.h"
#include "tests/support/sim_session.h"

#define TURNS_MAX 20000

static uint64_t below(struct sim_session *session, uint64_t limit)
{
    return random_below(&session->random, limit);
}

// ---- opening and closing -----------------------------------------------------------------------
static int open_loader(struct sim_session *session)
{
    session->accepted_entry = session->settled_entry;
    const struct mr_io_backend *backend =
        session->plan->backend ? session->plan->backend : &sim_io_backend;
    if (mr_io_open(&session->io, backend, 8 + (unsigned)below(session, 40), &session->err) != MR_OK)
        sim_session_fail(session, "no I/O layer: %s", session->err.text);
    session->run = (struct mr_sink_run){0};
    int code = sim_file_open(session);
    if (code != MR_OK)
        return code;
    session->run = (struct mr_sink_run){
        .sink = &mr_sink_journal,
        .options = &session->options,
        .io = &session->io,
        .ring = &session->ring,
        .schemas = &session->schemas,
        .start_pos = session->committed_pos,
        .accepted_pos = session->committed_pos,
        .handed_pos = session->committed_pos,
        .durable_pos = session->committed_pos,
        .resumed = session->opened,
        .resume = session->resume,
        .session_pos = session->session_pos,
        .begin = sim_file_begin,
        .begin_context = session,
        .stage = session->stage,
        .state = session->stage->state,
    };
    memcpy(session->stage->state, session->committed_state, MR_SINK_STATE_BYTES);
    // Also one that does not come through its opening may have cut and marked what it found.
    session->unsafe |= session->options.durability == MR_DURABILITY_NONE;
    code = mr_sink_journal.open(&session->run, &session->err);
    if (code == MR_OK && !session->disk->dead) {
        session->opened = true;
        session->replacing = false;
        session->cut_off = false;
        session->unsafe = session->options.durability == MR_DURABILITY_NONE;
        if (!session->unsafe) // it has made durable what it builds upon
            session->safe_pos = mr_max_u64(session->safe_pos, session->kept_pos);
        session->stage->epoch++;
        memcpy(session->committed_state, session->stage->state, MR_SINK_STATE_BYTES);
        code = sim_file_open_checkpoint(session);
    }
    return code;
}

static void close_loader(struct sim_session *session)
{
    mr_io_close(&session->io);
    mr_sink_journal.close(&session->run);
    mr_checkpoint_close(&session->checkpoint);
}

// ---- a turn ------------------------------------------------------------------------------------
// Some of the records that wait, up to the ring's wrap.
static uint64_t span_end(const struct sim_session *session, unsigned first, unsigned count)
{
    uint64_t begin_pos = session->entries[first].begin_pos;
    uint64_t lap_end = (begin_pos | session->ring.mask) + 1, end_pos = begin_pos;
    for (unsigned i = first; i < session->published_entry && i < first + count; i++) {
        if (session->entries[i].begin_pos >= lap_end)
            break;
        end_pos = session->entries[i].end_pos;
    }
    return end_pos;
}

static int hand_over(struct sim_session *session)
{
    struct mr_sink_run *run = &session->run;
    while (session->accepted_entry < session->published_entry) {
        uint64_t before = run->accepted_pos;
        uint64_t end_pos =
            span_end(session, session->accepted_entry, 1 + (unsigned)below(session, 8));
        int code = mr_sink_journal.write(run, session->ring_bytes + (before & session->ring.mask),
                                         end_pos - before, &session->err);
        if (code != MR_OK || run->accepted_pos == before)
            return code;
        if (run->accepted_pos > end_pos)
            sim_session_fail(session, "took more than it was given");
        while (session->accepted_entry < session->published_entry &&
               session->entries[session->accepted_entry].end_pos <= run->accepted_pos)
            session->accepted_entry++;
        if (below(session, 4) == 0)
            break;
    }
    return MR_OK;
}

// What the sink calls durable is committed, unless the process did not live to see it.
static void settle(struct sim_session *session)
{
    uint64_t position = session->run.durable_pos;
    if (session->disk->dead || position == session->committed_pos)
        return;
    if (position < session->committed_pos || position > session->run.accepted_pos)
        sim_session_fail(session, "durable_pos goes from %llu to %llu, accepted %llu",
                         (unsigned long long)session->committed_pos, (unsigned long long)position,
                         (unsigned long long)session->run.accepted_pos);
    uint64_t end_pos = session->committed_pos;
    while (session->settled_entry < session->published_entry &&
           session->entries[session->settled_entry].end_pos <= position) {
        const struct sim_entry *entry = &session->entries[session->settled_entry++];
        end_pos = entry->end_pos;
        session->acknowledged += !entry->padding && end_pos > session->counted_pos;
    }
    if (end_pos != position)
        sim_session_fail(session, "durable_pos %llu lies within a record",
                         (unsigned long long)position);
    session->committed_pos = position;
    session->kept_pos = mr_max_u64(session->kept_pos, position);
    if (session->options.durability != MR_DURABILITY_NONE)
        session->safe_pos = mr_max_u64(session->safe_pos, position);
    session->counted_pos = mr_max_u64(session->counted_pos, position);
    sim_disk_trace(session->disk, "acknowledged: %llu", (unsigned long long)position);
}

static int turn(struct sim_session *session)
{
    struct mr_error polled;
    bool settled = session->committed_pos == session->published_pos;
    if (!session->stopped)
        sim_source_make(session, session->plan->one_way ? settled : (unsigned)below(session, 8));
    session->stopped |= session->stops && below(session, 16) == 0;
    int code = hand_over(session);
    int64_t wait_ns = code == MR_OK && below(session, 2) ? 500000 : 0;
    struct mr_error reaped;
    int reap_code = mr_io_reap_several(&session->io, wait_ns, &reaped);
    bool idle = session->accepted_entry == session->published_entry;
    int poll_code = mr_sink_journal.poll(&session->run, idle, &polled);
    settle(session);
    if (code == MR_OK && reap_code == MR_OK && poll_code == MR_OK)
        code = sim_file_turn(session);
    session->disk->now_ns +=
        (int64_t)(below(session, 4) ? below(session, 2000) * 1000 : below(session, 60) * 1000000);
    if (code == MR_OK && reap_code != MR_OK)
        session->err = reaped;
    else if (code == MR_OK && poll_code != MR_OK)
        session->err = polled;
    return code != MR_OK ? code : reap_code != MR_OK ? reap_code : poll_code;
}

// ---- a life ------------------------------------------------------------------------------------
static bool is_through(const struct sim_session *session)
{
    return (sim_source_is_dry(session) || session->stopped) &&
           session->committed_pos == session->published_pos && session->io.in_flight == 0;
}

int sim_loader_live(struct sim_session *session)
{
    session->stopped = false;
    int code = open_loader(session);
    sim_disk_trace(
        session->disk, "opened at %llu%s: %s", (unsigned long long)session->committed_pos,
        session->run.resumed ? ", resumed" : "", code == MR_OK ? "ok" : session->err.text);
    unsigned turns = 0;
    while (code == MR_OK && !is_through(session) && !session->failure[0]) {
        code = turn(session);
        if (++turns == TURNS_MAX) {
            sim_session_fail(session, "stands still at %llu",
                             (unsigned long long)session->committed_pos);
            break;
        }
    }
    session->run.whole = sim_source_is_dry(session);
    if (code == MR_OK && !session->failure[0])
        code = mr_sink_journal.finish(&session->run, &session->err);
    if (code == MR_OK && !session->failure[0])
        code = sim_file_end(session);
    session->stopped &= code == MR_OK;
    close_loader(session);
    session->stopped &= !session->disk->dead;
    return session->disk->dead ? MR_ERR_STAGE : code;
}
