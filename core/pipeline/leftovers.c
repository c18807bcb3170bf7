// SPDX-License-Identifier: Apache-2.0
// The run directory, and what an earlier run has left in it.
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/pipeline/rundir.h"
#include "core/pipeline/session.h"
#include "core/pipeline/stage.h"

// ---- the run directory

// In a place where everybody may make directories: it has to be one, no link to one, and ours.
static int make_directory(const char *path, mode_t mode, gid_t gid, struct mr_error *err)
{
    if (mkdir(path, 0700) < 0 && errno != EEXIST)
        return mr_fail_errno(err, MR_ERR_SHM, "%s: cannot create the run directory", path);
    struct stat status;
    if (lstat(path, &status) < 0 || !S_ISDIR(status.st_mode))
        return mr_fail(err, MR_ERR_SHM, "%s: expected a directory", path);
    if (status.st_uid != geteuid())
        return mr_fail(err, MR_ERR_SHM, "%s: belongs to user %u, expected %u", path, status.st_uid,
                       geteuid());
    bool shared = gid != (gid_t)-1;
    if ((shared && status.st_gid != gid && chown(path, (uid_t)-1, gid) < 0) ||
        ((status.st_mode & 0777) != mode && chmod(path, mode) < 0))
        return mr_fail_errno(err, MR_ERR_SHM, "%s: cannot set its group and mode", path);
    return MR_OK;
}

// The parent is of all runs of the user: who may look at one of them may pass through it.
static mode_t parent_mode(const char *parent, bool shared)
{
    struct stat status;
    bool passable = lstat(parent, &status) == 0 && (status.st_mode & 0777) == 0711;
    return shared || passable ? 0711 : 0700;
}

int mr_stage_make_run_directory(const struct mr_pipeline *pipeline, struct mr_error *err)
{
    char parent[sizeof pipeline->directory];
    snprintf(parent, sizeof parent, "%s", pipeline->directory);
    char *slash = strrchr(parent, '/');
    if (slash)
        *slash = '\0';
    bool shared = pipeline->share_gid != 0;
    int code = make_directory(parent, parent_mode(parent, shared), (gid_t)-1, err);
    if (code != MR_OK)
        return code;
    return make_directory(pipeline->directory, shared ? 0750 : 0700,
                          shared ? pipeline->share_gid : (gid_t)-1, err);
}

// ---- pages of stages

int mr_stage_attach_page(const struct mr_pipeline *pipeline, enum mr_role role, enum mr_attach mode,
                         struct mr_segment *segment, struct mr_stage_layout **page,
                         struct mr_error *err)
{
    char path[320];
    mr_pipeline_stage_path(pipeline, role, path, sizeof path);
    int code = mr_segment_attach(segment, path, MR_SEGMENT_STAGE, mode, err);
    if (code != MR_OK)
        return code;
    *page = (void *)((uint8_t *)segment->base + MR_PAGE_BYTES);
    if (segment->bytes >= MR_PAGE_BYTES + sizeof **page)
        return MR_OK;
    mr_segment_detach(segment);
    return mr_fail(err, MR_ERR_SHM, "%s: found %zu bytes, expected at least %zu", path,
                   segment->bytes, MR_PAGE_BYTES + sizeof **page);
}

enum mr_end mr_stage_end_of(const struct mr_pipeline *pipeline, enum mr_role role)
{
    struct mr_segment segment;
    struct mr_stage_layout *page;
    if (mr_stage_attach_page(pipeline, role, MR_ATTACH_READ_ONLY, &segment, &page, NULL) != MR_OK)
        return MR_END_NOT;
    // Pairs with the release store in mr_writer_close, which comes after it.
    uint32_t end = mr_load_acquire_u32(&page->end);
    mr_segment_detach(&segment);
    return end <= MR_END_FAILED ? (enum mr_end)end : MR_END_NOT;
}

enum mr_end mr_stage_end_of_producers(const struct mr_pipeline *pipeline)
{
    static const unsigned gravity[] = {
        [MR_END_WHOLE] = 0, [MR_END_STOPPED] = 1, [MR_END_NOT] = 2, [MR_END_FAILED] = 3};
    enum mr_end all = MR_END_WHOLE;
    for (unsigned i = 0; i < mr_pipeline_sources(pipeline); i++) {
        enum mr_end end = mr_stage_end_of(pipeline, mr_producer_role(i));
        if (gravity[end] > gravity[all])
            all = end;
    }
    return all;
}

// ---- leftovers

struct found {
    unsigned rings, pages;    // that are there
    unsigned stages;          // those of the trio, which any run has
    bool taken;               // a stage has taken a record in, or cannot be read
    bool strange;             // one cannot be read
    bool done[MR_ROLE_COUNT]; // it has ended well
    bool producer_done;       // one of them has
    bool several;             // there is more than one
    bool cut;                 // the stream has ended, and not with its sources
};

static bool stage_is_alive(const struct mr_pipeline *pipeline, enum mr_role role,
                           struct found *found)
{
    struct mr_segment segment;
    struct mr_stage_layout *page;
    struct mr_stage_slot slot;
    int code = mr_stage_attach_page(pipeline, role, MR_ATTACH_READ_ONLY, &segment, &page, NULL);
    bool there = access(segment.path, F_OK) == 0;
    found->pages += there;
    found->stages += there && role <= MR_ROLE_LOADER;
    found->several |= there && role > MR_ROLE_LOADER;
    if (code == MR_OK) {
        mr_stage_snapshot(page, &slot);
        found->taken |= slot.counts[MR_COUNT_IN] > 0;
        found->done[role] = mr_load_acquire_u32(&page->gauges.phase) == MR_PHASE_DONE;
        found->producer_done |= found->done[role] && mr_role_is_producer(role);
        found->cut |= role == MR_ROLE_TRANSFORM &&
                      mr_end_is_cut((enum mr_end)mr_load_acquire_u32(&page->end));
        mr_segment_detach(&segment);
    } else {
        found->strange |= there; // another version's, or damaged: not ours to take away
        found->taken |= there;
    }
    return mr_segment_is_locked(&segment);
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

// Where a producer's stream was cut the transform's was, even if that had ended well (with what its operators let go of).
static void find_cuts(const struct mr_pipeline *pipeline, bool *cut)
{
    for (unsigned role = 0; role < MR_ROLE_COUNT; role++)
        cut[role] = mr_end_is_cut(mr_stage_end_of(pipeline, role));
    for (unsigned i = 0; i < mr_pipeline_sources(pipeline); i++)
        cut[MR_ROLE_TRANSFORM] |= cut[mr_producer_role(i)];
}

static void reopen_ring(const struct mr_pipeline *pipeline, enum mr_ring_index index)
{
    struct mr_ring ring;
    char path[320];
    mr_pipeline_ring_path(pipeline, index, path, sizeof path);
    if (mr_ring_attach(&ring, path, MR_ATTACH_READ_WRITE, NULL) != MR_OK)
        return;
    mr_store_relaxed_u32(&ring.news->closed, 0);
    mr_ring_detach(&ring);
}

// What a stage has come to, which is not the end of what it does: neither how its stream ended (of one that was cut),
// nor that its process did, which would be taken for that of the next one before that has entered its page.
static void forget_end(const struct mr_pipeline *pipeline, enum mr_role role, bool cut)
{
    struct mr_segment segment;
    struct mr_stage_layout *page;
    if (mr_stage_attach_page(pipeline, role, MR_ATTACH_READ_WRITE, &segment, &page, NULL) != MR_OK)
        return;
    if (cut)
        mr_store_relaxed_u32(&page->end, MR_END_NOT);
    if (mr_load_relaxed_u32(&page->end) != MR_END_WHOLE)
        mr_store_release_u32(&page->gauges.phase, MR_PHASE_OFF);
    mr_segment_detach(&segment);
}

// The rings first and the loader last: who dies over it leaves an end that the next one finds, or an open ring, which is
// none.
void mr_stage_undo_stops(const struct mr_pipeline *pipeline)
{
    bool cut[MR_ROLE_COUNT];
    find_cuts(pipeline, cut);
    for (unsigned i = 0; i < MR_RING_COUNT; i++)
        if (cut[mr_ring_writer(i)])
            reopen_ring(pipeline, i);
    for (unsigned role = 0; role < MR_ROLE_COUNT; role++)
        if (role != MR_ROLE_LOADER)
            forget_end(pipeline, role, cut[role]);
    forget_end(pipeline, MR_ROLE_LOADER, cut[MR_ROLE_LOADER]);
}

// The rings first, a stage's page last: what is left by one who died over it is known for what it is.
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
        code = mr_segment_unlink(state, err);
        if (code == MR_OK)
            code = mr_segment_unlink(path, err);
        mr_rundir_forget_word(pipeline, i);
    }
    return code;
}

// Of several sources that were stopped: whether the next run is to go on with what is here. Where nothing is in flight
// a stream merged by time can be made again from the disk, one by arrival cannot. One that has other settings now, or whose
// journal is gone, begins anew; one that cannot be read is not given up over that.
static bool is_kept(const struct mr_pipeline *pipeline, const struct found *found, bool finished)
{
    char journal[MR_RUNDIR_PATH_BYTES];
    struct mr_session session;
    bool there, all = found->rings == 2 * (found->pages - 1); // none has been removed
    if (!found->several || !found->cut || !found->done[MR_ROLE_LOADER] || !all)
        return false;
    if (!finished)
        return true;
    if (!mr_session_follow_link(pipeline, journal, sizeof journal))
        return false;
    if (mr_session_read(journal, &session, &there, NULL) != MR_OK)
        return true;
    bool same = !pipeline->root || session.settings == mr_session_settings(pipeline);
    return there && same && session.again == MR_AGAIN_MIXED;
}

enum mr_leftovers mr_stage_leftovers(const struct mr_pipeline *pipeline)
{
    struct found found = {0};
    for (unsigned i = 0; i < MR_ROLE_COUNT; i++)
        if (stage_is_alive(pipeline, i, &found))
            return MR_LEFTOVERS_ALIVE;
    for (unsigned i = 0; i < MR_RING_COUNT; i++) {
        char path[320];
        mr_pipeline_ring_path(pipeline, i, path, sizeof path);
        found.rings += access(path, F_OK) == 0;
    }
    if (found.rings + found.pages == 0)
        return MR_LEFTOVERS_NONE;
    // A stage makes its rings before its page: pages alone are left by one who died removing them.
    if (found.rings == 0 && !found.strange)
        return MR_LEFTOVERS_SPENT;
    // A run that failed before it accepted a record leaves nothing to go on from.
    if (!found.taken)
        return found.producer_done && found.stages < MR_TRIO ? MR_LEFTOVERS_EMPTY
                                                             : MR_LEFTOVERS_SPENT;
    // Rings of which nothing is left to read are finished only if all three stages were there: a
    // stage that starts after the others have ended still has its part to do. And the loader must
    // have ended well: one that died over its files has to finish them. A further producer that was not there
    // has not closed its ring, which the transform has made.
    bool finished =
        found.stages == MR_TRIO && found.done[MR_ROLE_LOADER] && all_rings_are_finished(pipeline);
    if (is_kept(pipeline, &found, finished))
        return MR_LEFTOVERS_STOPPED;
    return finished ? MR_LEFTOVERS_SPENT : MR_LEFTOVERS_UNFINISHED;
}
