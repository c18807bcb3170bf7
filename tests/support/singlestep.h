// SPDX-License-Identifier: Apache-2.0
// A process that is killed between any two of its instructions.
//
//     struct singlestep_path path;
//     singlestep_measure(&victim, &path);            // once through, instruction by instruction
//     for each point < path.points:
//         ... put the world as it was ...
//         singlestep_kill(&victim, &path, point);    // runs up to there, SIGKILL
//         ... look at what it has left ...
//     singlestep_path_clear(&path);
//
// The victim runs in a child and says with singlestep_mark() where the stretch begins and, at the second call,
// where it ends. A point is a place in it: before the n-th instruction behind the m-th system call. Up to the
// system call it runs at full speed; then to the last instruction before the point that has not been met since
// that system call, where a breakpoint stands; from there on it is stepped (ptrace).
#ifndef MR_TESTS_SUPPORT_SINGLESTEP_H
#define MR_TESTS_SUPPORT_SINGLESTEP_H

#include "core/base.h"

struct singlestep_victim {
    void (*run)(
        void *context); // in the child; it marks twice, and never returns from the second mark
    void *context;
};

#define SINGLESTEP_SYSCALLS_MAX 4096
struct singlestep_point {
    uint64_t address;
    uint32_t
        fresh; // so many steps before it one was met for the first time since the last system call
};
struct singlestep_path {
    uint32_t syscalls; // in the stretch
    uint32_t
        steps[SINGLESTEP_SYSCALLS_MAX + 1]; // instructions before each one, it included; the rest
    uint64_t points;                        // all of them
    struct singlestep_point *at;
};

// In the victim.
void singlestep_mark(void);

// False where the child cannot be traced, or did not come to its second mark.
bool singlestep_measure(const struct singlestep_victim *victim, struct singlestep_path *path);
void singlestep_path_clear(struct singlestep_path *path);
// False where the child did not come to the stretch, or ended otherwise than by this SIGKILL. Where it comes to
// the end of the stretch before (its way depends on time), it is killed there.
bool singlestep_kill(const struct singlestep_victim *victim, const struct singlestep_path *path,
                     uint64_t point);
// Whether the point stands right before or behind a system call.
bool singlestep_is_edge(const struct singlestep_path *path, uint64_t point);

#endif
