// SPDX-License-Identifier: Apache-2.0
// The run directory, and what an earlier run has left in it.
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/pipeline/stage.h"

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

// ---- leftovers

// Adds to *taken what it has taken in; *done: it has ended well.
static bool stage_is_alive(const struct mr_pipeline *pipeline, enum mr_role role, uint64_t *taken,
                           bool *done)
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
    *done = mr_load_acquire_u32(&shared->gauges.phase) == MR_PHASE_DONE;
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
    bool done[MR_ROLE_COUNT] = {false};
    for (unsigned i = 0; i < MR_ROLE_COUNT; i++) {
        char path[320];
        mr_pipeline_stage_path(pipeline, i, path, sizeof path);
        stages += access(path, F_OK) == 0;
        if (stage_is_alive(pipeline, i, &taken, &done[i]))
            return MR_LEFTOVERS_ALIVE;
    }
    for (unsigned i = 0; i < MR_RING_COUNT; i++) {
        char path[320];
        mr_pipeline_ring_path(pipeline, i, path, sizeof path);
        found += access(path, F_OK) == 0;
    }
    if (found + stages == 0)
        return MR_LEFTOVERS_NONE;
    // A run that failed before it accepted a record leaves nothing to go on from.
    if (taken == 0)
        return done[MR_ROLE_PRODUCER] && stages < MR_ROLE_COUNT ? MR_LEFTOVERS_EMPTY
                                                                : MR_LEFTOVERS_SPENT;
    // Rings of which nothing is left to read are finished only if all three stages were there: a
    // stage that starts after the others have ended still has its part to do. And the loader must
    // have ended well: one that died over its files has to finish them.
    bool finished =
        stages == MR_ROLE_COUNT && done[MR_ROLE_LOADER] && all_rings_are_finished(pipeline);
    return finished ? MR_LEFTOVERS_SPENT : MR_LEFTOVERS_UNFINISHED;
}
