// SPDX-License-Identifier: Apache-2.0
// One stage's process as its supervisor holds it: started, or adopted from a supervisor that was killed; told to
// stop; collected when it is gone.
//
// Adoption. The page of a stage names its process, and its lock says that this process lives. Both are true together
// only while no process can come or enter its page: with setup.lock held. So: lock held, pid read, pidfd opened, and
// the lock still held: then the pidfd is of the process that holds it, and a pid that was reused meanwhile is
// noticed.
#ifndef MR_CORE_PIPELINE_CHILD_H
#define MR_CORE_PIPELINE_CHILD_H

#include <signal.h>
#include <sys/types.h>

#include "core/pipeline/restart.h"
#include "core/pipeline/stall.h"

enum mr_child_state {
    MR_CHILD_OFF,
    MR_CHILD_RUNNING,
    MR_CHILD_WAITING, // gone; to be started again at due_ns
    MR_CHILD_ENDED,   // by itself, with MR_OK
    MR_CHILD_HALTED,  // because it was told to
    MR_CHILD_FAILED,  // with an error, or killed
};

struct mr_child {
    const struct mr_pipeline *pipeline;
    enum mr_role role;
    enum mr_child_state state;
    pid_t pid;
    int pidfd;
    bool adopted;   // not our child: how it ended stands in its page alone
    uint32_t asked; // mr_stop_ask: what it was told
    int64_t asked_since_ns;
    int64_t started_ns; // monotonic: this process
    unsigned starts;    // by us
    int64_t due_ns;     // WAITING
    struct mr_restarts restarts;
    struct mr_stall stall; // as it was last said
    uint32_t phase;        // mr_stage_phase, as it was last seen
};

// How every stage is started: this program, as a person would start it.
struct mr_child_program {
    const char *path;        // NULL: this one
    const char *file;        // the pipeline file
    const char *const *sets; // and its overrides
    unsigned set_count;
    int stderr_fd;           // -1: ours
    const sigset_t *signals; // what it is to have blocked
};

int mr_child_start(struct mr_child *child, const struct mr_child_program *program,
                   struct mr_error *err);
// Where the stage's process lives, takes it as `child` (RUNNING); else leaves it as it is. MR_ERR_SHM where it lives
// with other settings than the pipeline's. With setup.lock held.
int mr_child_adopt(struct mr_child *child, struct mr_error *err);

// How it ended.
struct mr_child_end {
    int code;   // mr_code
    int signal; // that killed it; 0: none, or one that is not known
    bool died;  // without a word of its own
};
// For one whose pidfd is readable: gives it up, and says how it ended; err where not well. The word in its page
// counts before its exit status. False: it has not ended.
bool mr_child_collect(struct mr_child *child, struct mr_child_end *end, struct mr_error *err);
// How the last process of a stage ended that has none, by its page. False: its page says nothing of an end.
bool mr_child_read_end(const struct mr_child *child, struct mr_child_end *end,
                       struct mr_error *err);
// Tells it to stop, through its page; by signal where it has none yet: then it has accepted nothing either. To be
// said again and again until it ends, because a stage clears the word when it enters its page. One that does not halt
// is killed in the end.
void mr_child_tell(struct mr_child *child, uint32_t ask);
// Whether it is stalled now; says so in the log when that begins and when it ends.
void mr_child_watch(struct mr_child *child);

#endif
