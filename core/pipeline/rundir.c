// SPDX-License-Identifier: Apache-2.0
#include "core/pipeline/rundir.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/atomic.h"
#include "core/clock.h"
#include "core/log.h"
#include "core/pipeline/stage.h"

void mr_rundir_path(const struct mr_pipeline *pipeline, const char *file, char *out,
                    size_t out_bytes)
{
    snprintf(out, out_bytes, "%s/%s", pipeline->directory, file);
}

void mr_rundir_name(struct mr_pipeline *pipeline, const char *shm_root, unsigned uid,
                    const char *name)
{
    *pipeline = (struct mr_pipeline){0};
    snprintf(pipeline->name, sizeof pipeline->name, "%s", name);
    snprintf(pipeline->directory, sizeof pipeline->directory, "%s/millrace-%u/%s", shm_root, uid,
             name);
}

static int check_owner(const char *path, unsigned uid, struct mr_error *err)
{
    struct stat status;
    if (lstat(path, &status) < 0)
        return MR_OK; // nothing there
    if (!S_ISDIR(status.st_mode))
        return mr_fail(err, MR_ERR_SHM, "%s: expected a directory", path);
    if (status.st_uid != uid)
        return mr_fail(err, MR_ERR_SHM, "%s: belongs to user %u, expected %u", path, status.st_uid,
                       uid);
    return MR_OK;
}

int mr_rundir_check_owner(const struct mr_pipeline *pipeline, unsigned uid, struct mr_error *err)
{
    char parent[sizeof pipeline->directory];
    snprintf(parent, sizeof parent, "%s", pipeline->directory);
    char *slash = strrchr(parent, '/');
    if (slash)
        *slash = '\0';
    int code = check_owner(parent, uid, err);
    return code == MR_OK ? check_owner(pipeline->directory, uid, err) : code;
}

#define RUN_LOCK_RETRY_NS 1000000LL
#define RUN_LOCK_TRIES 2000 // 2 s
#define SETUP_LOCK_RETRY_NS 500000LL
#define SETUP_LOCK_TRIES 10000 // 5 s

// "PID", or "PID CODE" once the run is concluded.
static struct mr_rundir_before read_lock(int fd)
{
    struct mr_rundir_before found = {0};
    char text[64] = "";
    if (pread(fd, text, sizeof text - 1, 0) > 0)
        found.concluded = sscanf(text, "%d %d", &found.pid, &found.code) == 2;
    return found;
}

// Opens and locks. A file that `millrace clean` has taken away between the two is opened anew.
static int open_locked(const char *path, int *fd)
{
    struct stat status;
    do {
        *fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (*fd < 0 || flock(*fd, LOCK_EX | LOCK_NB) < 0)
            return -1;
        if (fstat(*fd, &status) == 0 && status.st_nlink > 0)
            return 0;
        close(*fd);
    } while (true);
}

static bool is_alive(int pid)
{
    struct pollfd end = {.fd = pid > 0 ? pidfd_open(pid, 0) : -1, .events = POLLIN};
    if (end.fd < 0)
        return pid > 0 && errno != ESRCH;
    bool ended = poll(&end, 1, 0) == 1;
    close(end.fd);
    return !ended;
}

// False where a living supervisor has it, or nothing could be opened. Others have it for a moment: whoever looks whether
// it is held, and the copy of a supervisor that was killed while it made of that copy a stage.
static bool take_lock(const char *path, int *fd, struct mr_rundir_before *holder)
{
    for (int i = 0;; i++) {
        bool taken = open_locked(path, fd) == 0;
        if (*fd < 0)
            return false;
        *holder = read_lock(*fd);
        if (taken || is_alive(holder->pid) || i == RUN_LOCK_TRIES)
            return taken;
        close(*fd);
        mr_sleep_until_mono_ns(mr_mono_ns() + RUN_LOCK_RETRY_NS);
    }
}

static int write_lock(int fd, const struct mr_rundir_before *content)
{
    char text[64], code[16] = "-";
    if (content->concluded)
        snprintf(code, sizeof code, "%d", content->code);
    // Of one length: it takes the place of what stands there with one call, whoever dies.
    int length = snprintf(text, sizeof text, "%-11d %-11s\n", content->pid, code);
    return pwrite(fd, text, (size_t)length, 0) == length ? 0 : -1;
}

int mr_rundir_lock(const struct mr_pipeline *pipeline, int *fd, struct mr_rundir_before *before,
                   struct mr_error *err)
{
    char path[MR_RUNDIR_PATH_BYTES];
    struct mr_rundir_before holder, ours = {.pid = (int)getpid()};
    int code = MR_OK;
    mr_rundir_path(pipeline, "run.lock", path, sizeof path);
    bool taken = take_lock(path, fd, &holder);
    if (*fd < 0)
        return mr_fail_errno(err, MR_ERR_SHM, "%s: cannot open the lock", path);
    if (before && holder.concluded) { // still so, if we die before we have repeated it
        ours.concluded = true;
        ours.code = holder.code;
    }
    if (!taken)
        code = mr_fail(err, MR_ERR_BUSY, "pipeline \"%s\" is running already, pid %d (%s is held)",
                       pipeline->name, holder.pid, path);
    else if (write_lock(*fd, &ours) < 0)
        code = mr_fail_errno(err, MR_ERR_SHM, "%s: cannot write the pid", path);
    if (before)
        *before = holder;
    if (code != MR_OK) {
        close(*fd);
        *fd = -1;
    }
    return code;
}

void mr_rundir_conclude(int fd, int code)
{
    struct mr_rundir_before ours = {.pid = (int)getpid(), .concluded = true, .code = code};
    if (write_lock(fd, &ours) < 0)
        mr_warn("cannot note that the run has ended: %s", strerror(errno));
}

void mr_rundir_disown(int fd)
{
    if (ftruncate(fd, 0) < 0)
        mr_warn("cannot clear the run's lock: %s", strerror(errno));
}

void mr_rundir_unlock(int fd, const struct mr_rundir_before *before)
{
    if (before && before->pid ? write_lock(fd, before) : ftruncate(fd, 0))
        mr_warn("cannot give the run's lock back: %s", strerror(errno));
    close(fd);
}

int mr_rundir_lock_setup(const struct mr_pipeline *pipeline, int *fd, struct mr_error *err)
{
    char path[MR_RUNDIR_PATH_BYTES];
    mr_rundir_path(pipeline, "setup.lock", path, sizeof path);
    *fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (*fd < 0)
        return mr_fail_errno(err, MR_ERR_SHM, "%s: cannot create", path);
    for (int i = 0; i < SETUP_LOCK_TRIES; i++) {
        if (flock(*fd, LOCK_EX | LOCK_NB) == 0)
            return MR_OK;
        mr_sleep_until_mono_ns(mr_mono_ns() + SETUP_LOCK_RETRY_NS);
    }
    close(*fd);
    return mr_fail(err, MR_ERR_BUSY, "%s: held by another process for 5 s", path);
}

int mr_rundir_clear(const struct mr_pipeline *pipeline, struct mr_error *err)
{
    int setup_fd;
    int code = mr_rundir_lock_setup(pipeline, &setup_fd, err);
    if (code != MR_OK)
        return code;
    if (mr_stage_leftovers(pipeline) == MR_LEFTOVERS_ALIVE)
        code = mr_fail(err, MR_ERR_BUSY, "%s: a stage has just started; left alone",
                       pipeline->directory);
    else
        code = mr_stage_remove_segments(pipeline, err);
    close(setup_fd);
    return code;
}

int mr_rundir_supervisor(const struct mr_pipeline *pipeline)
{
    char path[MR_RUNDIR_PATH_BYTES];
    mr_rundir_path(pipeline, "run.lock", path, sizeof path);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return 0;
    int pid = flock(fd, LOCK_SH | LOCK_NB) < 0 ? read_lock(fd).pid : 0;
    close(fd);
    return pid;
}

static void look_at_stage(const struct mr_pipeline *pipeline, enum mr_role role,
                          struct mr_rundir_contents *out)
{
    char path[MR_RUNDIR_PATH_BYTES], state[MR_RUNDIR_PATH_BYTES + 8];
    struct mr_segment segment;
    struct mr_stage_layout *page;
    struct stat status;
    mr_pipeline_stage_path(pipeline, role, path, sizeof path);
    snprintf(state, sizeof state, "%s.state", path);
    if (stat(state, &status) == 0) {
        out->segment_count++;
        out->total_bytes += (uint64_t)status.st_size;
    }
    if (mr_stage_attach_page(pipeline, role, MR_ATTACH_READ_ONLY, &segment, &page, NULL) != MR_OK)
        return;
    if (mr_segment_is_locked(&segment)) {
        out->live_pid = page->gauges.pid;
        out->live_role = role;
    }
    out->segment_count++;
    out->total_bytes += segment.bytes;
    mr_segment_detach(&segment);
}

static void look_at_ring(const struct mr_pipeline *pipeline, enum mr_ring_index index,
                         struct mr_rundir_contents *out)
{
    char path[MR_RUNDIR_PATH_BYTES];
    struct mr_ring ring;
    mr_pipeline_ring_path(pipeline, index, path, sizeof path);
    if (mr_ring_attach(&ring, path, MR_ATTACH_READ_ONLY, NULL) != MR_OK)
        return;
    uint64_t read_pos = mr_load_acquire_u64(&ring.reader_line->read_pos);
    out->waiting_bytes +=
        mr_ring_used_bytes(mr_load_acquire_u64(&ring.writer_line->write_pos), read_pos);
    out->segment_count++;
    out->total_bytes += ring.segment.bytes;
    mr_ring_detach(&ring);
}

void mr_rundir_look(const struct mr_pipeline *pipeline, struct mr_rundir_contents *out)
{
    *out = (struct mr_rundir_contents){0};
    for (unsigned role = 0; role < MR_ROLE_COUNT; role++)
        look_at_stage(pipeline, role, out);
    for (unsigned ring = 0; ring < MR_RING_COUNT; ring++)
        look_at_ring(pipeline, ring, out);
}

int mr_rundir_save(const struct mr_pipeline *pipeline, const char *file, const char *text,
                   struct mr_error *err)
{
    char path[MR_RUNDIR_PATH_BYTES], temporary[MR_RUNDIR_PATH_BYTES + 8];
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

static void word_file(enum mr_role role, char *out, size_t out_bytes)
{
    snprintf(out, out_bytes, "%s.word", mr_role_name(role));
}

void mr_rundir_leave_word(const struct mr_pipeline *pipeline, enum mr_role role, const char *text)
{
    char file[64], word[1100];
    if (mr_rundir_supervisor(pipeline) == 0)
        return;
    word_file(role, file, sizeof file);
    snprintf(word, sizeof word, "%d %s\n", (int)getpid(), text);
    mr_rundir_save(pipeline, file, word, NULL); // without it the log line is all there is
}

void mr_rundir_forget_word(const struct mr_pipeline *pipeline, enum mr_role role)
{
    char file[64], path[MR_RUNDIR_PATH_BYTES];
    word_file(role, file, sizeof file);
    mr_rundir_path(pipeline, file, path, sizeof path);
    unlink(path);
}

bool mr_rundir_take_word(const struct mr_pipeline *pipeline, enum mr_role role, int pid, char *out,
                         size_t out_bytes)
{
    char file[64], path[MR_RUNDIR_PATH_BYTES], line[1100];
    word_file(role, file, sizeof file);
    mr_rundir_path(pipeline, file, path, sizeof path);
    FILE *in = fopen(path, "re");
    if (!in)
        return false;
    bool read = fgets(line, sizeof line, in) != NULL;
    fclose(in);
    unlink(path);
    const char *text = read ? strchr(line, ' ') : NULL;
    if (!text || atoi(line) != pid)
        return false;
    snprintf(out, out_bytes, "%.*s", (int)strcspn(text + 1, "\n"), text + 1);
    return true;
}
