// SPDX-License-Identifier: Apache-2.0
#include "core/pipeline/session.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/disk.h"
#include "core/file_lock.h"
#include "core/journal.h"
#include "core/pipeline/rundir.h"
#include "core/pipeline/stream_path.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

// ---- the file

static void file_path(const char *directory, const char *suffix, char *out, size_t out_bytes)
{
    snprintf(out, out_bytes, "%s/" MR_SESSION_FILE "%s", directory, suffix);
}

// Memory may show more than the disk has, after a sync that failed: what is read is what the disk has.
static int read_slots(int fd, const char *path, struct mr_session *out, struct mr_error *err)
{
    uint8_t bytes[MR_SESSION_FILE_BYTES];
    size_t length = 0;
    ssize_t got = 1;
    if (mr_disk->forget)
        mr_disk->forget(fd, 0);
    while (length < sizeof bytes && got > 0) {
        do
            got = mr_disk->read(fd, bytes + length, sizeof bytes - length, length);
        while (got < 0 && errno == EINTR);
        length += got > 0 ? (size_t)got : 0;
    }
    if (got < 0)
        return mr_fail_errno(err, MR_ERR_OUTPUT, "%s: cannot read", path);
    return mr_session_parse(bytes, length, out, err) == MR_OK ? MR_OK
                                                              : mr_error_within(err, "%s", path);
}

// Not to be tried again, not even for want of room: the next one says 0 whatever the disk has.
static int fail_sync(const char *path, const char *what, struct mr_error *err)
{
    mr_fail_errno(err, MR_ERR_OUTPUT, "%s: cannot sync%s", path, what);
    if (err)
        err->os_errno = 0;
    return MR_ERR_OUTPUT;
}

static int sync_file(int fd, const char *path, struct mr_error *err)
{
    return mr_disk->sync(fd) == 0 ? MR_OK : fail_sync(path, "", err);
}

static int sync_directory(const char *directory, struct mr_error *err)
{
    int fd = mr_disk->open(directory, O_RDONLY | O_DIRECTORY);
    int code = fd >= 0 && mr_disk->sync_directory(fd) == 0
                   ? MR_OK
                   : fail_sync(directory, " the directory", err);
    if (fd >= 0)
        mr_disk->close(fd);
    return code;
}

// *fd is -1 where there is none.
static int open_file(const char *path, int flags, int *fd, struct mr_error *err)
{
    *fd = mr_disk->open(path, flags);
    if (*fd >= 0 || errno == ENOENT || errno == ENOTDIR)
        return MR_OK;
    return mr_fail_errno(err, MR_ERR_OUTPUT, "%s: cannot open", path);
}

int mr_session_read(const char *directory, struct mr_session *out, bool *found,
                    struct mr_error *err)
{
    char path[512];
    int fd;
    *found = false;
    file_path(directory, "", path, sizeof path);
    int code = open_file(path, O_RDONLY, &fd, err);
    if (code != MR_OK || fd < 0)
        return code;
    code = read_slots(fd, path, out, err);
    mr_disk->close(fd);
    *found = code == MR_OK;
    return code;
}

int mr_session_take_up(const char *directory, struct mr_session *out, bool *found,
                       struct mr_error *err)
{
    char path[512];
    int fd;
    *found = false;
    file_path(directory, "", path, sizeof path);
    int code = open_file(path, O_RDWR, &fd, err);
    if (code != MR_OK || fd < 0)
        return code;
    code = mr_file_lock(fd, path, err);
    if (code == MR_OK)
        code = read_slots(fd, path, out, err);
    if (code == MR_OK)
        code = sync_file(fd, path, err);
    mr_disk->close(fd);
    if (code == MR_OK)
        code = sync_directory(directory, err);
    *found = code == MR_OK;
    return code;
}

static int write_at(int fd, const char *path, const void *bytes, size_t length, uint64_t at,
                    struct mr_error *err)
{
    size_t done = 0;
    while (done < length) {
        ssize_t wrote = mr_disk->write(fd, (const uint8_t *)bytes + done, length - done, at + done);
        if (wrote < 0 && errno == EINTR)
            continue;
        if (wrote <= 0)
            return mr_fail_errno(err, MR_ERR_OUTPUT, "%s: cannot write", path);
        done += (size_t)wrote;
    }
    return sync_file(fd, path, err);
}

// Both slots have their place from the beginning: a checkpoint only overwrites.
static int write_whole(const char *path, const struct mr_session *session, struct mr_error *err)
{
    uint8_t bytes[MR_SESSION_FILE_BYTES] = {0};
    memcpy(bytes + session->epoch % 2 * MR_SESSION_SLOT_BYTES, session, sizeof *session);
    int fd = mr_disk->open(path, O_WRONLY | O_CREAT | O_TRUNC);
    if (fd < 0)
        return mr_fail_errno(err, MR_ERR_OUTPUT, "%s: cannot create", path);
    int code = write_at(fd, path, bytes, sizeof bytes, 0, err);
    mr_disk->close(fd);
    return code;
}

int mr_session_create(const char *directory, struct mr_session *session, struct mr_error *err)
{
    char path[512], temporary[512];
    file_path(directory, "", path, sizeof path);
    file_path(directory, ".new", temporary, sizeof temporary);
    mr_session_seal(session, 1);
    int code = write_whole(temporary, session, err);
    if (code == MR_OK && mr_disk->rename(temporary, path) != 0)
        code = mr_fail_errno(err, MR_ERR_OUTPUT, "%s: cannot rename to %s", temporary, path);
    if (code != MR_OK)
        mr_disk->unlink(temporary);
    return code == MR_OK ? sync_directory(directory, err) : code;
}

int mr_session_update(const char *directory, struct mr_session *session, struct mr_error *err)
{
    char path[512];
    struct mr_session next = *session;
    file_path(directory, "", path, sizeof path);
    mr_session_seal(&next, session->epoch + 1);
    int fd = mr_disk->open(path, O_WRONLY);
    if (fd < 0)
        return mr_fail_errno(err, MR_ERR_OUTPUT, "%s: cannot open", path);
    int code = write_at(fd, path, &next, sizeof next, next.epoch % 2 * MR_SESSION_SLOT_BYTES, err);
    mr_disk->close(fd);
    if (code == MR_OK)
        *session = next;
    return code;
}

int mr_session_remove(const char *directory, struct mr_error *err)
{
    char path[512];
    struct mr_disk_status status;
    if (mr_disk->status(directory, &status) != 0 || !status.directory)
        return MR_OK;
    file_path(directory, ".new", path, sizeof path); // of a process that died
    mr_disk->unlink(path);
    file_path(directory, "", path, sizeof path);
    if (mr_disk->unlink(path) != 0 && errno != ENOENT)
        return mr_fail_errno(err, MR_ERR_OUTPUT, "%s: cannot remove", path);
    return sync_directory(directory, err);
}

int mr_session_give_up(const char *directory, bool *found, struct mr_error *err)
{
    char path[512];
    struct mr_disk_status status;
    file_path(directory, "", path, sizeof path);
    *found = mr_disk->status(path, &status) == 0;
    if (!*found)
        return MR_OK;
    int fd = mr_disk->open(directory, O_RDONLY | O_DIRECTORY);
    if (fd < 0)
        return mr_fail_errno(err, MR_ERR_OUTPUT, "%s: cannot open", directory);
    // A loader holds the directory's lock while it lives.
    int code = mr_disk->lock(fd, MR_DISK_LOCK_FILE) == 0
                   ? mr_session_remove(directory, err)
                   : mr_fail_errno(err, MR_ERR_BUSY, "%s: a loader writes to it", directory);
    mr_disk->close(fd);
    return code;
}

int mr_session_link(const struct mr_pipeline *pipeline, const char *directory, struct mr_error *err)
{
    char link[MR_RUNDIR_PATH_BYTES], target[PATH_MAX];
    mr_rundir_path(pipeline, MR_SESSION_LINK, link, sizeof link);
    if (!realpath(directory, target))
        return mr_fail_errno(err, MR_ERR_OUTPUT, "%s: cannot be found", directory);
    unlink(link);
    return symlink(target, link) == 0 ? MR_OK
                                      : mr_fail_errno(err, MR_ERR_SHM, "%s: cannot make", link);
}

bool mr_session_follow_link(const struct mr_pipeline *pipeline, char *directory,
                            size_t directory_bytes)
{
    char link[MR_RUNDIR_PATH_BYTES];
    mr_rundir_path(pipeline, MR_SESSION_LINK, link, sizeof link);
    ssize_t length = readlink(link, directory, directory_bytes);
    if (length <= 0 || (size_t)length >= directory_bytes)
        return false;
    directory[length] = '\0';
    return true;
}

// ---- what a run is to do

bool mr_session_directory(const struct mr_pipeline *pipeline, char *out, size_t out_bytes)
{
    return mr_stream_journal(pipeline, MR_RING_EGRESS, out, out_bytes);
}

uint64_t mr_session_settings(const struct mr_pipeline *pipeline)
{
    static const char *const keys[] = {"source",    "merge", "schemas",
                                       "transform", "sink",  "dead_letter"};
    uint64_t parts[MR_COUNT_OF(keys) + 2 * (size_t)MR_RING_COUNT];
    unsigned count = 0;
    for (unsigned i = 0; i < MR_COUNT_OF(keys); i++)
        parts[count++] = mr_config_digest(mr_config_child(pipeline->root, keys[i]));
    for (unsigned ring = 0; ring < MR_RING_COUNT; ring++) {
        parts[count++] = pipeline->rings[ring].capacity;
        parts[count++] = pipeline->rings[ring].full_policy;
    }
    return XXH3_64bits(parts, sizeof parts);
}

enum mr_again mr_session_again(const struct mr_pipeline *pipeline, const enum mr_again *again)
{
    unsigned gone = 0, sources = mr_pipeline_sources(pipeline);
    enum mr_again most = again[0];
    for (unsigned i = 0; i < sources; i++) {
        gone += again[i] == MR_AGAIN_NEVER;
        most = again[i] > most ? again[i] : most;
    }
    if (gone == sources || sources == 1)
        return most;
    return pipeline->merges_by_time && gone == 0 ? most : MR_AGAIN_MIXED;
}

// Where the journal behind a ring ends, of a session whose stream in it begins at from_pos. Who has a
// session has a journal behind each ring but the first.
static int find_end(const struct mr_pipeline *pipeline, enum mr_ring_index ring, uint64_t from_pos,
                    uint64_t *end_pos, struct mr_error *err)
{
    char journal[MR_STREAM_PATH_BYTES] = "";
    mr_stream_journal(pipeline, ring, journal, sizeof journal);
    if (mr_stream_is_synced(pipeline, ring))
        return mr_journal_end(journal, end_pos, err);
    return mr_journal_whole_end(journal, from_pos, end_pos, err);
}

static int journals_hold_some(const struct mr_pipeline *pipeline, const struct mr_session *session,
                              bool *some, struct mr_error *err)
{
    int code = MR_OK;
    *some = false;
    for (unsigned ring = MR_RING_EGRESS; ring < MR_RING_COUNT && code == MR_OK; ring++) {
        uint64_t end_pos;
        if (mr_ring_is_ingress(ring) || !mr_pipeline_has_ring(pipeline, ring))
            continue;
        code = find_end(pipeline, ring, session->start_pos[ring], &end_pos, err);
        *some |= code == MR_OK && end_pos > session->start_pos[ring];
    }
    return code;
}

// Its loader holds the journal's lock: that run is not cut off, and not to be given up.
static bool is_being_written(const char *directory)
{
    int fd = mr_disk->open(directory, O_RDONLY | O_DIRECTORY);
    bool locked = fd >= 0 && mr_disk->lock(fd, MR_DISK_LOCK_FILE) != 0 && errno == EWOULDBLOCK;
    if (fd >= 0)
        mr_disk->close(fd);
    return locked;
}

static int refuse(const struct mr_pipeline *pipeline, const char *directory, struct mr_error *err)
{
    return mr_fail(err, MR_ERR_OUTPUT,
                   "%s: found a run that was cut off, with other settings (source, schemas, "
                   "operators, sink or ring sizes), expected the same: finish it with its own, or "
                   "give it up with `millrace clean %s`; what it has written stays",
                   directory, pipeline->file);
}

static int refuse_mixed(const struct mr_pipeline *pipeline, const struct mr_session *session,
                        const char *directory, struct mr_error *err)
{
    bool stopped = session->state == MR_SESSION_STOPPED; // by request, or an input failed
    return mr_fail(err, MR_ERR_INPUT,
                   "%s: found a run of several sources that %s: in which order their records were "
                   "taken is not known any more, so it cannot be made again (with `merge: time` it "
                   "can, of sources that can be read again); give it up with `millrace clean %s`: "
                   "what it has written stays, and the next run begins anew behind it",
                   directory, stopped ? "ended before they did" : "was cut off", pipeline->file);
}

int mr_session_plan(const struct mr_pipeline *pipeline, struct mr_session_plan *plan,
                    struct mr_error *err)
{
    char directory[MR_STREAM_PATH_BYTES];
    bool found, some;
    plan->resume = MR_RESUME_NOT;
    if (!mr_session_directory(pipeline, directory, sizeof directory))
        return MR_OK;
    struct mr_session *session = &plan->session;
    int code = mr_session_read(directory, session, &found, err);
    if (code != MR_OK)
        return mr_error_within(err, "`millrace clean %s` gives up the run that it is of",
                               pipeline->file);
    if (!found)
        return MR_OK;
    if (mr_pipeline_sources(pipeline) > 1)
        session->has_checkpoint = 0; // none that we made
    bool same = session->settings == mr_session_settings(pipeline);
    bool mixed = session->again == MR_AGAIN_MIXED;
    if (same && !mixed) {
        plan->resume = session->again == MR_AGAIN_NEVER ? MR_RESUME_BEHIND : MR_RESUME_AGAIN;
        return MR_OK;
    }
    if (!same && session->state == MR_SESSION_STOPPED)
        return MR_OK;
    code = journals_hold_some(pipeline, session, &some, err);
    if (code != MR_OK || !some)
        return code;
    if (is_being_written(directory))
        return mr_fail(err, MR_ERR_BUSY, "%s: locked by another process: another run writes there",
                       directory);
    return same ? refuse_mixed(pipeline, session, directory, err)
                : refuse(pipeline, directory, err);
}

static uint64_t checkpoint_pos(const struct mr_session *session, enum mr_ring_index ring)
{
    const struct mr_stage_slot *stages = session->checkpoint;
    switch (ring) {
    case MR_RING_INGRESS:
        return stages[MR_ROLE_TRANSFORM].in_pos[MR_PORT_MAIN];
    case MR_RING_EGRESS:
        return stages[MR_ROLE_LOADER].in_pos[MR_PORT_MAIN];
    case MR_RING_DEAD_PRODUCER:
        return stages[MR_ROLE_LOADER].in_pos[MR_PORT_DEAD];
    default:
        return stages[MR_ROLE_LOADER].in_pos[MR_PORT_DEAD_2];
    }
}

int mr_session_start_pos(const struct mr_session_plan *plan, const struct mr_pipeline *pipeline,
                         enum mr_ring_index ring, uint64_t *start_pos, struct mr_error *err)
{
    const struct mr_session *session = &plan->session;
    char journal[MR_STREAM_PATH_BYTES];
    uint64_t end_pos;
    *start_pos = 0;
    if (plan->resume == MR_RESUME_AGAIN) {
        *start_pos =
            session->has_checkpoint ? checkpoint_pos(session, ring) : session->start_pos[ring];
        return MR_OK;
    }
    bool behind = plan->resume == MR_RESUME_BEHIND && !mr_ring_is_ingress(ring);
    if (!behind && !mr_stream_appends_to(pipeline, ring, journal, sizeof journal))
        return MR_OK;
    int code = behind ? find_end(pipeline, ring, session->start_pos[ring], &end_pos, err)
                      : mr_journal_end(journal, &end_pos, err);
    if (code == MR_OK)
        *start_pos = mr_align_up(end_pos, pipeline->rings[ring].capacity);
    return code;
}

bool mr_session_slot(const struct mr_session_plan *plan, enum mr_role role,
                     struct mr_stage_slot *slot)
{
    if (plan->resume != MR_RESUME_AGAIN || !plan->session.has_checkpoint ||
        role >= MR_SESSION_STAGES)
        return false;
    *slot = plan->session.checkpoint[role];
    return true;
}
