// SPDX-License-Identifier: Apache-2.0
// The directory of a run, <shm>/millrace-<uid>/<name>: its rings, its stage pages, and the lock
// that keeps two runs of one pipeline apart.
//
//     run.lock    held (flock) by the process that supervises; holds its pid, for people
//     last.json   the final status of the run that ended last; last.txt the same as text
//
// What an earlier run left there is one of five things, and only that decides what a new run does:
//     none        nothing: start
//     finished    everything that was accepted has arrived: remove it, start anew
//     empty       nothing was ever accepted: remove it, start anew
//     unfinished  accepted records are still on their way: resume
//     live        a process of it is running: leave it alone
#ifndef MR_CORE_PIPELINE_RUNDIR_H
#define MR_CORE_PIPELINE_RUNDIR_H

#include "core/pipeline/pipeline.h"

enum mr_leftover {
    MR_LEFTOVER_NONE,
    MR_LEFTOVER_FINISHED,
    MR_LEFTOVER_EMPTY,
    MR_LEFTOVER_UNFINISHED,
    MR_LEFTOVER_LIVE,
};

struct mr_leftovers {
    enum mr_leftover state;
    uint32_t live_pid;      // LIVE: one of its processes
    enum mr_role live_role; // and what it is
    uint64_t waiting_bytes; // in its rings, not read yet
    uint64_t total_bytes;   // of its segments
    unsigned segment_count;
};

// Makes the directory, 0700, and what is above it. MR_ERR_SHM names the part that could not be
// made.
int mr_rundir_make(const struct mr_pipeline *pipeline, struct mr_error *err);
// Takes run.lock; *fd is to be kept open. MR_ERR_BUSY names the holder's pid.
int mr_rundir_lock(const struct mr_pipeline *pipeline, int *fd, struct mr_error *err);
// The pid that holds run.lock; 0 where nobody does.
int mr_rundir_supervisor(const struct mr_pipeline *pipeline);
void mr_rundir_inspect(const struct mr_pipeline *pipeline, struct mr_leftovers *out);
// Removes rings and stage pages. Only where nothing is live.
int mr_rundir_clear(const struct mr_pipeline *pipeline, struct mr_error *err);
// <directory>/<file>
void mr_rundir_path(const struct mr_pipeline *pipeline, const char *file, char *out,
                    size_t out_bytes);
// Writes <directory>/<file> whole or not at all (a new file, renamed into place).
int mr_rundir_save(const struct mr_pipeline *pipeline, const char *file, const char *text,
                   struct mr_error *err);
// A pipeline of which only name and directory are known: enough for everything in this header and
// for core/pipeline/report.h.
void mr_rundir_name(struct mr_pipeline *pipeline, const char *shm_root, const char *name);

#endif
