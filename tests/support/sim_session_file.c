// SPDX-License-Identifier: Apache-2.0
// The file of a simulated session (core/pipeline/session.h): what the loader does with it, what may stand in it, and
// what the next run makes of it.
//
// Rings are smaller here than any that the file may tell of: positions and capacities stand in it times SCALE. So the
// question whether the journal holds something of a session, where the product compares the two, is asked of those
// sessions only that begin at 0.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/journal.h"
#include "tests/support/scratch.h"
#include "tests/support/sim_session.h"

#define SCALE 64
#define NOWHERE                                                                                    \
    "/dev/null/simulated" // no shared memory is there: the transform's page is this program's

static uint64_t below(struct sim_session *session, uint64_t limit)
{
    return random_below(&session->random, limit);
}

// ---- the pipeline ------------------------------------------------------------------------------
void sim_file_set_up(struct sim_session *session)
{
    static const char *const durabilities[] = {"none", "batch", "record"};
    for (unsigned i = 0; i < MR_COUNT_OF(durabilities); i++) {
        char text[256];
        struct mr_error err;
        struct mr_pipeline *pipeline = &session->pipelines[i];
        snprintf(text, sizeof text,
                 "name: simulated\nsource: {type: mock, count: 1}\nsink: {type: journal, path: "
                 "%s, durability: %s}\n",
                 SIM_JOURNAL_PATH, durabilities[i]);
        if (mr_pipeline_parse(pipeline, text, "simulated.yaml", &err) != MR_OK)
            abort();
        snprintf(pipeline->directory, sizeof pipeline->directory, NOWHERE);
    }
    session->transform = calloc(1, sizeof *session->transform);
    if (!session->transform)
        abort();
    session->transform->shared = calloc(1, sizeof *session->transform->shared);
    if (!session->transform->shared)
        abort();
}

void sim_file_tear_down(struct sim_session *session)
{
    for (unsigned i = 0; i < MR_COUNT_OF(session->pipelines); i++)
        mr_pipeline_free(&session->pipelines[i]);
    free(session->transform->shared);
    free(session->transform);
}

// Of the options that are chosen now: the size of the other ring tells one choice from the next.
static const struct mr_pipeline *pipeline_now(struct sim_session *session, uint64_t settings)
{
    struct mr_pipeline *pipeline = &session->pipelines[session->options.durability];
    pipeline->rings[MR_RING_EGRESS].capacity = session->ring.capacity * SCALE;
    pipeline->rings[MR_RING_INGRESS].capacity = MR_RING_CAPACITY_MIN * (1 + settings);
    return pipeline;
}

// ---- what may stand there ----------------------------------------------------------------------
static bool may_be(const struct sim_session *session, bool there, const struct mr_session *found)
{
    for (unsigned i = 0; i < session->kept_count; i++)
        if (session->kept[i].there == there &&
            (!there || memcmp(&session->kept[i].session, found, sizeof *found) == 0))
            return true;
    return false;
}

static void changes_to(struct sim_session *session, bool there, const struct mr_session *next)
{
    if (may_be(session, there, next))
        return;
    if (session->kept_count == SIM_KEPT_MAX) {
        sim_session_fail(session, "more than %d states of the session's file", SIM_KEPT_MAX);
        return;
    }
    struct sim_kept *kept = &session->kept[session->kept_count++];
    kept->there = there;
    if (there)
        kept->session = *next;
}

static void has_changed(struct sim_session *session, bool there, const struct mr_session *next)
{
    session->kept_count = 0;
    changes_to(session, there, next);
}

static void check_known(struct sim_session *session, bool there, const struct mr_session *found)
{
    unsigned long long epoch = there ? found->epoch : 0;
    struct mr_disk_status status;
    sim_disk_trace(session->disk, "the session's file: %s, epoch %llu", there ? "there" : "none",
                   epoch);
    if (!there && session->cut_off && mr_disk->status(SIM_JOURNAL_PATH, &status) != 0)
        has_changed(session, false,
                    NULL); // with the journal: who never syncs has not synced its name
    if (!may_be(session, there, found))
        sim_session_fail(session, "the session's file is %s (epoch %llu), which it never was",
                         there ? "there" : "not there", epoch);
}

// ---- the loader's part, as consumers/loader/main.c does it -------------------------------------
static int update(struct sim_session *session, enum mr_session_state state)
{
    struct mr_session next = session->file;
    session->file.state = next.state = state;
    mr_session_seal(&next, next.epoch + 1);
    changes_to(session, true, &next);
    int code = mr_session_update(SIM_JOURNAL_PATH, &session->file, &session->err);
    if (code == MR_OK)
        has_changed(session, true, &session->file);
    return code;
}

int sim_file_open(struct sim_session *session)
{
    bool found;
    session->checkpoint = (struct mr_checkpoint){.fd = -1};
    int code = mr_session_take_up(SIM_JOURNAL_PATH, &session->file, &found, &session->err);
    if (code != MR_OK)
        return code;
    check_known(session, found, &session->file);
    if (found)
        has_changed(session, true, &session->file);
    if (found && session->resume == MR_RESUME_AGAIN && session->file.state != MR_SESSION_RUNNING)
        code = update(session, MR_SESSION_RUNNING);
    return code;
}

int sim_file_begin(void *context, struct mr_error *err)
{
    struct sim_session *session = context;
    struct mr_session *file = &session->file;
    if (session->resume == MR_RESUME_AGAIN)
        return MR_OK;
    *file = (struct mr_session){.settings =
                                    mr_session_settings(pipeline_now(session, session->settings)),
                                .again = session->again,
                                .state = MR_SESSION_RUNNING};
    for (unsigned ring = 0; ring < MR_RING_COUNT; ring++)
        file->capacity[ring] = MR_RING_CAPACITY_MIN;
    file->capacity[MR_RING_EGRESS] = session->ring.capacity * SCALE;
    file->start_pos[MR_RING_EGRESS] = session->run.start_pos * SCALE;
    mr_session_seal(file, 1);
    changes_to(session, true, file);
    int code = mr_session_create(SIM_JOURNAL_PATH, file, err);
    if (code == MR_OK)
        has_changed(session, true, file);
    return code;
}

int sim_file_open_checkpoint(struct sim_session *session)
{
    struct mr_checkpoint_options options = {.directory = SIM_JOURNAL_PATH,
                                            .interval_ns = session->options.checkpoint_interval_ns};
    session->stage->pipeline = pipeline_now(session, session->settings);
    int code = mr_checkpoint_open(&session->checkpoint, session->stage, &session->io,
                                  &session->file, &options, &session->err);
    if (code == MR_OK && session->checkpoint.fd >= 0)
        session->checkpoint.upstream_page = session->transform->shared;
    return code;
}

// Nothing stands in any ring at the moment when all that was made so far is through.
static void leave_note(struct sim_session *session)
{
    struct mr_stage_note note = {0};
    note.producer.out_pos[MR_PORT_MAIN] = note.transform.in_pos[MR_PORT_MAIN] =
        session->published_pos;
    note.transform.out_pos[MR_PORT_MAIN] = session->published_pos * SCALE;
    mr_note_leave(session->transform, &note);
}

int sim_file_turn(struct sim_session *session)
{
    struct mr_checkpoint *checkpoint = &session->checkpoint;
    if (session->kept_count > 1 && checkpoint->doing == MR_CHECKPOINT_IDLE &&
        session->file.epoch == checkpoint->next.epoch) {
        has_changed(session, true, &session->file);
        session->checkpoints++;
        sim_disk_trace(session->disk, "checkpoint at %llu",
                       (unsigned long long)session->file.checkpoint[MR_ROLE_LOADER].in_pos[0] /
                           SCALE);
    }
    if (checkpoint->upstream_page && below(session, 4) == 0)
        leave_note(session);
    bool idle = checkpoint->doing == MR_CHECKPOINT_IDLE;
    session->stage->now.in_pos[MR_PORT_MAIN] = session->committed_pos * SCALE;
    int code = mr_checkpoint_poll(checkpoint, session->stage, &session->err);
    if (idle && checkpoint->doing != MR_CHECKPOINT_IDLE)
        changes_to(session, true, &checkpoint->next);
    return code;
}

int sim_file_end(struct sim_session *session)
{
    session->stopped = !sim_source_is_dry(session);
    // One that replaces stays only where its source has failed.
    bool stays = session->options.existing == MR_EXISTING_APPEND || session->settings % 2;
    if (session->stopped && session->again != MR_AGAIN_NEVER && stays)
        return update(session, MR_SESSION_STOPPED);
    changes_to(session, false, NULL);
    int code = mr_session_remove(SIM_JOURNAL_PATH, &session->err);
    if (code == MR_OK)
        has_changed(session, false, NULL);
    return code;
}

// ---- the next run's part -----------------------------------------------------------------------
static int read_file(struct sim_session *session, struct mr_session *found, bool *there)
{
    uint64_t failed = session->disk->failed;
    int code = mr_session_read(SIM_JOURNAL_PATH, found, there, &session->err);
    if (code != MR_OK && session->disk->failed > failed) { // a byte that could not be read
        session->disk->faults.read_error = 0;
        code = mr_session_read(SIM_JOURNAL_PATH, found, there, &session->err);
    }
    return code;
}

bool sim_file_give_up(struct sim_session *session)
{
    bool found;
    changes_to(session, false, NULL);
    int code = mr_session_give_up(SIM_JOURNAL_PATH, &found, &session->err);
    if (code == MR_OK && !session->disk->dead && found)
        has_changed(session, false, NULL);
    return !session->disk->dead;
}

// What the run is to do, by the header's words.
static enum mr_resume expected(const struct sim_session *session, bool same)
{
    if (!same)
        return MR_RESUME_NOT;
    return session->again == MR_AGAIN_NEVER ? MR_RESUME_BEHIND : MR_RESUME_AGAIN;
}

// Refused are other settings while the journal holds something of a run that was cut off.
static bool check_refusal(struct sim_session *session, const struct mr_session *found, bool same)
{
    if (!same && found->state == MR_SESSION_RUNNING &&
        strstr(session->err.text, "found a run that was cut off, with other settings")) {
        session->others++;
        return true;
    }
    sim_session_fail(session, "the next run is refused: %s", session->err.text);
    return false;
}

static void check_start(struct sim_session *session, const struct mr_session *found,
                        uint64_t position)
{
    uint64_t latest_pos = found->has_checkpoint
                              ? mr_max_u64(session->safe_pos, session->session_pos)
                              : session->session_pos;
    if (position < session->session_pos || position > latest_pos)
        sim_session_fail(session, "is made again from %llu, expected %llu to %llu",
                         (unsigned long long)position, (unsigned long long)session->session_pos,
                         (unsigned long long)latest_pos);
}

bool sim_file_plan(struct sim_session *session, enum mr_resume *resume, uint64_t *made_again_pos,
                   bool weak)
{
    bool there;
    struct mr_session found;
    struct mr_session_plan plan;
    const struct mr_pipeline *pipeline =
        pipeline_now(session, session->replacing || below(session, 4) ? session->settings : 0);
    if (read_file(session, &found, &there) != MR_OK) {
        sim_session_fail(session, "no session's file that holds: %s", session->err.text);
        return false;
    }
    check_known(session, there, &found);
    session->disk->faults.read_error = 0;
    bool same = there && found.settings == mr_session_settings(pipeline);
    int code = mr_session_plan(pipeline, &plan, &session->err);
    *resume = plan.resume;
    if (code != MR_OK) {
        if (weak && code == MR_ERR_CORRUPT) {
            session->refused++; // its journal was never synced
            return false;
        }
        return check_refusal(session, &found, same) && sim_file_give_up(session);
    }
    if (plan.resume != expected(session, same))
        sim_session_fail(session, "the next run is to do %d, expected %d", plan.resume,
                         expected(session, same));
    if (plan.resume == MR_RESUME_AGAIN &&
        mr_session_start_pos(&plan, pipeline, MR_RING_EGRESS, made_again_pos, &session->err) ==
            MR_OK) {
        *made_again_pos /= SCALE;
        check_start(session, &found, *made_again_pos);
    }
    return !session->failure[0];
}

void sim_file_check_gone(struct sim_session *session)
{
    struct mr_session found;
    bool there;
    if (read_file(session, &found, &there) != MR_OK || there)
        sim_session_fail(session, "a session's file is left behind a whole run");
}
