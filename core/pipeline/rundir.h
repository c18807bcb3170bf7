// SPDX-License-Identifier: Apache-2.0
// The directory of a run, <shm>/millrace-<uid>/<name>, as those see it who start runs and who look
// at them. Beside the rings and stage pages (core/pipeline/stage.h) it holds
//
//     run.lock    held (flock) by the process that supervises; holds its pid, and once the run has been concluded
//                 its exit code. Emptied at the end: what stands in it, though nobody holds it, is of a
//                 supervisor that was killed
//     setup.lock  held for a moment by whoever makes or removes segments, or wants none to be made
//     <role>.word what a stage of a supervisor said that failed before it had a page
//     last.json   the final status of the run that ended last; last.txt the same as text
#ifndef MR_CORE_PIPELINE_RUNDIR_H
#define MR_CORE_PIPELINE_RUNDIR_H

#include "core/pipeline/pipeline.h"

#define MR_RUNDIR_PATH_BYTES 512
#define MR_LAST_JSON "last.json"
#define MR_LAST_TEXT "last.txt"

struct mr_rundir_contents {
    uint32_t live_pid;      // of a stage that runs; 0: none does
    enum mr_role live_role; // and which it is
    uint64_t waiting_bytes; // in its rings, not read yet
    uint64_t total_bytes;   // of its segments
    unsigned segment_count;
};

// <directory>/<file>
void mr_rundir_path(const struct mr_pipeline *pipeline, const char *file, char *out,
                    size_t out_bytes);
// Whoever held run.lock before and did not give it back.
struct mr_rundir_before {
    int pid; // 0: nobody
    bool concluded;
    int code; // of the run that was concluded
};
// Takes run.lock; *fd is to be kept open. `before` may be NULL: what it says is then forgotten. A run that was
// concluded stays so until mr_rundir_unlock: whoever is killed meanwhile leaves that to the next.
// MR_ERR_BUSY names the holder's pid.
int mr_rundir_lock(const struct mr_pipeline *pipeline, int *fd, struct mr_rundir_before *before,
                   struct mr_error *err);
// The run has ended, its report is saved, and it will exit with `code`: not to be done again by anybody.
void mr_rundir_conclude(int fd, int code);
// Held, and by nobody whose end somebody is to hear of.
void mr_rundir_disown(int fd);
// Gives it back; where `before` is given, as it was found.
void mr_rundir_unlock(int fd, const struct mr_rundir_before *before);
// Takes setup.lock, waiting for up to 5 s; close(*fd) gives it back.
int mr_rundir_lock_setup(const struct mr_pipeline *pipeline, int *fd, struct mr_error *err);
// Removes the segments under setup.lock. MR_ERR_BUSY where a stage is alive.
int mr_rundir_clear(const struct mr_pipeline *pipeline, struct mr_error *err);
// The pid that holds run.lock; 0 where nobody does.
int mr_rundir_supervisor(const struct mr_pipeline *pipeline);
void mr_rundir_look(const struct mr_pipeline *pipeline, struct mr_rundir_contents *out);
// Writes <directory>/<file> whole or not at all (a new file, renamed into place).
int mr_rundir_save(const struct mr_pipeline *pipeline, const char *file, const char *text,
                   struct mr_error *err);
// The sentence of a stage that failed before it had a page to leave it in, for the supervisor that started
// it; and what that finds there of this process, once. One that was started by hand says it in its log alone.
void mr_rundir_leave_word(const struct mr_pipeline *pipeline, enum mr_role role, const char *text);
bool mr_rundir_take_word(const struct mr_pipeline *pipeline, enum mr_role role, int pid, char *out,
                         size_t out_bytes);
// Nobody asked for it: the supervisor was killed first.
void mr_rundir_forget_word(const struct mr_pipeline *pipeline, enum mr_role role);
// A pipeline of which only name and directory are known: enough for everything in this header, for
// mr_stage_leftovers and for core/pipeline/report.h.
void mr_rundir_name(struct mr_pipeline *pipeline, const char *shm_root, unsigned uid,
                    const char *name);
// Where anybody may make directories: whether what stands there is this user's. MR_OK where nothing does.
int mr_rundir_check_owner(const struct mr_pipeline *pipeline, unsigned uid, struct mr_error *err);

#endif
