// SPDX-License-Identifier: Apache-2.0
// What follows the end of a simulated session's loader: the disk is what it is then, and where the ring is gone,
// the next run finds out how to go on.
#include <string.h>

#include "core/journal.h"
#include "tests/support/scratch.h"
#include "tests/support/sim_session.h"

static uint64_t below(struct sim_session *session, uint64_t limit)
{
    return random_below(&session->random, limit);
}

// Where the journal ends, asked as a run that begins asks it. A byte that cannot be read is no end.
static int find_end(struct sim_session *session, bool whole, uint64_t *end_pos)
{
    uint64_t failed = session->disk->failed;
    for (;;) {
        int code = whole ? mr_journal_whole_end(SIM_JOURNAL_PATH, session->session_pos, end_pos,
                                                &session->err)
                         : mr_journal_end(SIM_JOURNAL_PATH, end_pos, &session->err);
        if (code == MR_OK || session->disk->failed == failed)
            return code;
        failed = session->disk->failed;
        session->disk->faults.read_error = 0;
    }
}

static bool check_end_pos(struct sim_session *session, uint64_t end_pos, uint64_t required_pos)
{
    sim_disk_trace(session->disk, "the journal ends at %llu, at least %llu expected",
                   (unsigned long long)end_pos, (unsigned long long)required_pos);
    if (end_pos < required_pos)
        sim_session_fail(session, "lost: the journal ends at %llu, acknowledged was %llu",
                         (unsigned long long)end_pos, (unsigned long long)required_pos);
    if (end_pos > session->made_pos)
        sim_session_fail(session, "the journal ends at %llu, made was no more than %llu",
                         (unsigned long long)end_pos, (unsigned long long)session->made_pos);
    session->kept_pos = 0; // a segment that was only begun moves the end and holds nothing
    for (unsigned i = 0; i < session->entry_count && session->entries[i].end_pos <= end_pos; i++)
        session->kept_pos = session->entries[i].end_pos;
    return !session->failure[0];
}

// What follows goes behind the journal's end. True: goes on.
static bool go_on_behind(struct sim_session *session, uint64_t required_pos, bool weak)
{
    uint64_t end_pos;
    if (find_end(session, false, &end_pos) != MR_OK) {
        if (!weak)
            sim_session_fail(session, "recovery refuses what the end left: %s", session->err.text);
        session->refused++;
        return false;
    }
    if (!check_end_pos(session, end_pos, weak ? 0 : required_pos))
        return false;
    sim_source_forget(session, end_pos);
    sim_session_set_faults(session, false);
    if (!sim_check_journal(session, weak)) {
        session->refused++; // a segment in its middle was never synced
        return false;
    }
    if (session->resume == MR_RESUME_NOT)
        sim_session_choose_options(session);
    else
        session->behinds++;
    session->session_pos = mr_align_up(end_pos, session->ring.capacity);
    session->behind_pos = end_pos;
    sim_source_new_ring(session, session->ring.capacity, session->session_pos);
    return true;
}

static void remember(struct sim_session *session)
{
    struct sim_made *before = &session->before;
    before->entry_count = session->entry_count;
    memcpy(before->entries, session->entries, session->entry_count * sizeof *before->entries);
    memcpy(before->stream, session->stream, session->made_pos);
    sim_session_choose_options(session);
    session->options.existing = MR_EXISTING_REPLACE;
    session->replacing = true;
    sim_disk_trace(session->disk, "it is to be replaced");
}

// Another journal in the place of what is there, whatever that is.
static bool replace(struct sim_session *session)
{
    sim_session_set_faults(session, false);
    if (!session->replacing)
        remember(session);
    sim_source_forget(session, 0);
    session->generation++;
    session->kept_pos = session->safe_pos = session->counted_pos = 0;
    session->session_pos = session->behind_pos = 0;
    session->doubtful_pos = session->doubtful_end_pos = 0;
    sim_source_new_ring(session, session->ring.capacity, 0);
    return true;
}

// What the ring held is made again, from the session's beginning or its checkpoint.
static bool make_again(struct sim_session *session, uint64_t start_pos, uint64_t required_pos,
                       bool weak)
{
    uint64_t end_pos;
    bool whole = session->options.durability == MR_DURABILITY_NONE;
    int code = find_end(session, whole, &end_pos);
    if (weak && (code != MR_OK || end_pos < session->behind_pos)) {
        session->refused++; // what stood there before this session was never synced
        return false;
    }
    if (code != MR_OK) {
        sim_session_fail(session, "recovery refuses what the end left: %s", session->err.text);
    } else if (check_end_pos(session, end_pos, required_pos)) {
        sim_session_set_faults(session, false);
        sim_source_new_ring(session, session->ring.capacity, start_pos);
        session->agains++;
    }
    return !session->failure[0];
}

static void end(struct sim_session *session, bool power)
{
    session->cut_off |= power && session->unsafe;
    sim_disk_restart(session->disk, power ? SIM_POWER_LOST : SIM_PROCESS_DIED);
    if (power)
        session->power_cuts++;
    else
        session->process_deaths++;
}

// The next run's user gives up the one before, now and then, with ends of its own. True: the power went in one.
static bool give_up(struct sim_session *session)
{
    bool power = false;
    while (below(session, 6) == 0) {
        session->disk->die_at = session->disk->steps + 1 + below(session, 8);
        if (sim_file_give_up(session))
            break;
        bool cut = below(session, 2) == 0;
        end(session, cut);
        power |= cut;
    }
    session->disk->die_at = 0;
    return power;
}

// The ring is gone: the next run finds out. False: it cannot go on with what is there.
static bool go_on(struct sim_session *session, bool power)
{
    uint64_t start_pos;
    // After a failed sync memory may show what the disk has not: seen by one, and not by the next.
    bool safe_only = power || session->disk->failed_syncs > 0, weak = session->cut_off;
    uint64_t required_pos = safe_only ? session->safe_pos : session->kept_pos;
    if (!sim_file_plan(session, &session->resume, &start_pos, weak))
        return false;
    if (session->resume == MR_RESUME_NOT && (session->replacing || below(session, 6) == 0))
        return replace(session);
    return session->resume == MR_RESUME_AGAIN ? make_again(session, start_pos, required_pos, weak)
                                              : go_on_behind(session, required_pos, weak);
}

// A journal of which nothing was promised is given up, by hand, and another one made in its place.
static bool start_over(struct sim_session *session)
{
    sim_session_set_faults(session, false);
    session->resume = MR_RESUME_NOT;
    return sim_file_give_up(session) && replace(session);
}

bool sim_restart(struct sim_session *session)
{
    bool power = (session->plan->ends || session->plan->cuts_after_error) && below(session, 2) == 0;
    session->made_pos = mr_max_u64(session->made_pos, session->published_pos);
    end(session, power);
    if (session->replacing)
        sim_check_either(session);
    if (session->never_synced_lost)
        sim_disk_drop_lost(session->disk); // else it could happen at any time, unseen by everybody
    else if (!power && !session->stopped && below(session, 3) > 0)
        return true; // the ring is there
    session->never_synced_lost = false;
    power |= give_up(session);
    bool goes_on = go_on(session, power) || (!session->failure[0] && start_over(session));
    return goes_on && !session->failure[0];
}
