// SPDX-License-Identifier: Apache-2.0
// The run directory, and what an earlier run has left in it.
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/pipeline/rundir.h"
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
    enum mr_end end = (enum mr_end)mr_load_acquire_u32(&page->end);
    mr_segment_detach(&segment);
    return end;
}

// ---- leftovers

struct found {
    unsigned rings, stages;
    bool taken;               // a stage has taken a record in, or cannot be read
    bool strange;             // one cannot be read
    bool done[MR_ROLE_COUNT]; // it has ended well
};

static bool stage_is_alive(const struct mr_pipeline *pipeline, enum mr_role role,
                           struct found *found)
{
    struct mr_segment segment;
    struct mr_stage_layout *page;
    struct mr_stage_slot slot;
    int code = mr_stage_attach_page(pipeline, role, MR_ATTACH_READ_ONLY, &segment, &page, NULL);
    bool there = access(segment.path, F_OK) == 0;
    found->stages += there;
    if (code == MR_OK) {
        mr_stage_snapshot(page, &slot);
        found->taken |= slot.counts[MR_COUNT_IN] > 0;
        found->done[role] = mr_load_acquire_u32(&page->gauges.phase) == MR_PHASE_DONE;
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
    if (found.rings + found.stages == 0)
        return MR_LEFTOVERS_NONE;
    // A stage makes its rings before its page: pages alone are left by one who died removing them.
    if (found.rings == 0 && !found.strange)
        return MR_LEFTOVERS_SPENT;
    // A run that failed before it accepted a record leaves nothing to go on from.
    if (!found.taken)
        return found.done[MR_ROLE_PRODUCER] && found.stages < MR_ROLE_COUNT ? MR_LEFTOVERS_EMPTY
                                                                            : MR_LEFTOVERS_SPENT;
    // Rings of which nothing is left to read are finished only if all three stages were there: a
    // stage that starts after the others have ended still has its part to do. And the loader must
    // have ended well: one that died over its files has to finish them.
    bool finished = found.stages == MR_ROLE_COUNT && found.done[MR_ROLE_LOADER] &&
                    all_rings_are_finished(pipeline);
    return finished ? MR_LEFTOVERS_SPENT : MR_LEFTOVERS_UNFINISHED;
}
