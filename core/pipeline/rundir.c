// SPDX-License-Identifier: Apache-2.0
#include "core/pipeline/rundir.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/atomic.h"
#include "core/pipeline/stage.h"

#define PATH_BYTES 512

void mr_rundir_path(const struct mr_pipeline *pipeline, const char *file, char *out,
                    size_t out_bytes)
{
    snprintf(out, out_bytes, "%s/%s", pipeline->directory, file);
}

void mr_rundir_name(struct mr_pipeline *pipeline, const char *shm_root, const char *name)
{
    *pipeline = (struct mr_pipeline){0};
    snprintf(pipeline->name, sizeof pipeline->name, "%s", name);
    snprintf(pipeline->directory, sizeof pipeline->directory, "%s/millrace-%u/%s", shm_root,
             (unsigned)getuid(), name);
}

// Whoever may write in here could hand the stages forged rings: only its owner may.
static int check_private(const char *path, struct mr_error *err)
{
    struct stat status;
    if (stat(path, &status) < 0)
        return mr_fail_errno(err, MR_ERR_SHM, "%s: cannot look at the directory", path);
    if (!S_ISDIR(status.st_mode))
        return mr_fail(err, MR_ERR_SHM, "%s: found a file, expected a directory", path);
    if (status.st_uid != getuid() || (status.st_mode & 022))
        return mr_fail(
            err, MR_ERR_SHM, "%s: found owner %u and mode %04o, expected owner %u and mode 0700",
            path, (unsigned)status.st_uid, (unsigned)status.st_mode & 07777, (unsigned)getuid());
    return MR_OK;
}

int mr_rundir_make(const struct mr_pipeline *pipeline, struct mr_error *err)
{
    char path[PATH_BYTES];
    snprintf(path, sizeof path, "%s", pipeline->directory);
    for (char *slash = path + 1;; slash++) {
        slash = strchr(slash, '/');
        if (slash)
            *slash = 0;
        if (mkdir(path, 0700) < 0 && errno != EEXIST)
            return mr_fail_errno(err, MR_ERR_SHM, "%s: cannot make the directory", path);
        if (!slash)
            break;
        *slash = '/';
    }
    if (access(path, W_OK | X_OK) < 0)
        return mr_fail_errno(err, MR_ERR_SHM, "%s: cannot write in the directory", path);
    return check_private(path, err);
}

static int read_pid(int fd)
{
    char text[32] = "";
    ssize_t length = pread(fd, text, sizeof text - 1, 0);
    return length > 0 ? atoi(text) : 0;
}

int mr_rundir_lock(const struct mr_pipeline *pipeline, int *fd, struct mr_error *err)
{
    char path[PATH_BYTES], text[32];
    mr_rundir_path(pipeline, "run.lock", path, sizeof path);
    *fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (*fd < 0)
        return mr_fail_errno(err, MR_ERR_SHM, "%s: cannot open the lock", path);
    if (flock(*fd, LOCK_EX | LOCK_NB) < 0) {
        int pid = read_pid(*fd);
        close(*fd);
        *fd = -1;
        return mr_fail(err, MR_ERR_BUSY, "pipeline \"%s\" is running already, pid %d (%s is held)",
                       pipeline->name, pid, path);
    }
    int length = snprintf(text, sizeof text, "%d\n", (int)getpid());
    if (ftruncate(*fd, 0) < 0 || pwrite(*fd, text, (size_t)length, 0) != length) {
        mr_fail_errno(err, MR_ERR_SHM, "%s: cannot write the pid", path);
        close(*fd);
        *fd = -1;
        return MR_ERR_SHM;
    }
    return MR_OK;
}

int mr_rundir_supervisor(const struct mr_pipeline *pipeline)
{
    char path[PATH_BYTES];
    mr_rundir_path(pipeline, "run.lock", path, sizeof path);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return 0;
    int pid = flock(fd, LOCK_SH | LOCK_NB) < 0 ? read_pid(fd) : 0;
    close(fd);
    return pid;
}

// What the stage pages and rings say, gathered before anything is concluded.
struct findings {
    unsigned pages, rings;
    bool producer_ended, transform_done, loader_done;
    bool all_finished; // every ring closed and read to its end
    uint64_t accepted;
};

static void look_at_stage(const struct mr_pipeline *pipeline, enum mr_role role,
                          struct mr_leftovers *out, struct findings *found)
{
    char path[PATH_BYTES];
    struct mr_segment segment;
    mr_pipeline_stage_path(pipeline, role, path, sizeof path);
    if (mr_segment_attach(&segment, path, MR_SEGMENT_STAGE, MR_ATTACH_READ_ONLY, NULL) != MR_OK)
        return;
    const struct mr_stage_layout *page = (const void *)((const char *)segment.base + MR_PAGE_BYTES);
    if (segment.bytes >= MR_PAGE_BYTES + sizeof *page) {
        struct mr_stage_slot slot;
        uint32_t phase = mr_load_relaxed_u32(&page->gauges.phase);
        mr_stage_snapshot(page, &slot);
        found->pages++;
        if (role == MR_ROLE_PRODUCER) {
            found->producer_ended = phase == MR_PHASE_DONE || phase == MR_PHASE_FAILED;
            found->accepted = slot.counts[MR_COUNT_IN];
        }
        found->transform_done |= role == MR_ROLE_TRANSFORM && phase == MR_PHASE_DONE;
        found->loader_done |= role == MR_ROLE_LOADER && phase == MR_PHASE_DONE;
        if (mr_segment_is_locked(&segment)) {
            out->state = MR_LEFTOVER_LIVE;
            out->live_pid = page->gauges.pid;
            out->live_role = role;
        }
    }
    out->segment_count++;
    out->total_bytes += segment.bytes;
    mr_segment_detach(&segment);
}

static void look_at_ring(const struct mr_pipeline *pipeline, enum mr_ring_index index,
                         struct mr_leftovers *out, struct findings *found)
{
    char path[PATH_BYTES];
    struct mr_ring ring;
    mr_pipeline_ring_path(pipeline, index, path, sizeof path);
    if (mr_ring_attach(&ring, path, MR_ATTACH_READ_ONLY, NULL) != MR_OK)
        return;
    uint64_t read_pos = mr_load_acquire_u64(&ring.reader_line->read_pos);
    uint64_t write_pos = mr_load_acquire_u64(&ring.writer_line->write_pos);
    found->rings++;
    found->all_finished &= mr_ring_is_finished(&ring);
    out->waiting_bytes += write_pos - read_pos;
    out->segment_count++;
    out->total_bytes += ring.segment.bytes;
    mr_ring_detach(&ring);
}

void mr_rundir_inspect(const struct mr_pipeline *pipeline, struct mr_leftovers *out)
{
    struct findings found = {.all_finished = true};
    *out = (struct mr_leftovers){0};
    for (unsigned role = 0; role < MR_ROLE_COUNT; role++)
        look_at_stage(pipeline, role, out, &found);
    for (unsigned ring = 0; ring < MR_RING_COUNT; ring++)
        look_at_ring(pipeline, ring, out, &found);
    if (out->state == MR_LEFTOVER_LIVE || found.pages + found.rings == 0)
        return;
    // A producer that failed closed its ring behind its last good record: what it accepted arrived.
    if (found.pages == MR_ROLE_COUNT && found.rings == MR_RING_COUNT && found.all_finished &&
        found.producer_ended && found.transform_done && found.loader_done)
        out->state = MR_LEFTOVER_FINISHED;
    else if (found.accepted == 0 && out->waiting_bytes == 0)
        out->state = MR_LEFTOVER_EMPTY;
    else
        out->state = MR_LEFTOVER_UNFINISHED;
}

int mr_rundir_clear(const struct mr_pipeline *pipeline, struct mr_error *err)
{
    char path[PATH_BYTES];
    int code = MR_OK;
    for (unsigned ring = 0; ring < MR_RING_COUNT && code == MR_OK; ring++) {
        mr_pipeline_ring_path(pipeline, ring, path, sizeof path);
        code = mr_segment_unlink(path, err);
    }
    // The pages go last: while one is there, so is the proof of what the rings are.
    for (unsigned role = 0; role < MR_ROLE_COUNT && code == MR_OK; role++) {
        mr_pipeline_stage_path(pipeline, role, path, sizeof path);
        code = mr_segment_unlink(path, err);
    }
    return code;
}

int mr_rundir_save(const struct mr_pipeline *pipeline, const char *file, const char *text,
                   struct mr_error *err)
{
    char path[PATH_BYTES], temporary[PATH_BYTES + 8];
    mr_rundir_path(pipeline, file, path, sizeof path);
    snprintf(temporary, sizeof temporary, "%s.new", path);
    FILE *out = fopen(temporary, "we");
    if (!out)
        return mr_fail_errno(err, MR_ERR_SHM, "%s: cannot write", temporary);
    bool written = fputs(text, out) >= 0;
    if (fclose(out) != 0 || !written || rename(temporary, path) < 0) {
        mr_fail_errno(err, MR_ERR_SHM, "%s: cannot write", path);
        unlink(temporary);
        return MR_ERR_SHM;
    }
    return MR_OK;
}
