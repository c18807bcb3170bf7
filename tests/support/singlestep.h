// SPDX-License-Identifier: Apache-2.0
// A process that is killed between any two of its instructions.
//
//     struct singlestep_path path;
//     singlestep_measure(&victim, &path);            // once through, instruction by instruction
//     for each point < path.points:                  // or only path.worlds[0..world_count-1].first
//         ... put the world as it was ...
//         singlestep_kill(&victim, &path, point);    // runs up to there, SIGKILL
//         ... look at what it has left ...
//     singlestep_path_clear(&path);
//
// The victim runs in a child and says with singlestep_mark() where the stretch begins and, at the second call,
// where it ends. A point is a place in it: before the n-th instruction behind the m-th system call. Up to the
// system call it runs at full speed; then to the last instruction before the point that has not been met since
// that system call, where a breakpoint stands; from there on it is stepped (ptrace).
//
// What a killed process leaves is its world: the files of a directory, which are its shared memory, too. While it is
// measured, the world is compared after every instruction (singlestep_watch.h). Points between which no byte of it
// changed and no system call ran leave the same: they are one world here, and one kill stands for all of
// them. That the killed process has left that very world, byte for byte, is looked at after each kill.
#ifndef MR_TESTS_SUPPORT_SINGLESTEP_H
#define MR_TESTS_SUPPORT_SINGLESTEP_H

#include "core/base.h"
#include "tests/support/singlestep_watch.h"

struct singlestep_victim {
    void (*run)(
        void *context); // in the child; it marks twice, and never returns from the second mark
    void *context;
    const char *world; // the directory; nothing shared that it can write lies elsewhere
};

#define SINGLESTEP_SYSCALLS_MAX 4096
struct singlestep_point {
    uint64_t address;
    uint32_t
        fresh; // so many steps before it one was met for the first time since the last system call
    uint32_t world;
};
struct singlestep_world {
    uint64_t first; // point; the others follow it
    struct singlestep_print print;
};
struct singlestep_path {
    uint32_t syscalls; // in the stretch
    uint32_t
        steps[SINGLESTEP_SYSCALLS_MAX + 1]; // instructions before each one, it included; the rest
    uint64_t points;                        // all of them
    struct singlestep_point *at;
    uint32_t world_count;
    struct singlestep_world *worlds;
    struct singlestep_cradle *cradle; // private
};

// In the victim.
void singlestep_mark(void);

// False where the child cannot be traced, writes shared memory that is not of its world, or did not come to its
// second mark.
bool singlestep_measure(const struct singlestep_victim *victim, struct singlestep_path *path);
// Whether it was measured or not.
void singlestep_path_clear(struct singlestep_path *path);

enum singlestep_end {
    SINGLESTEP_KILLED, // there, and it left the world that was measured there
    SINGLESTEP_ASTRAY, // it went another way than when it was measured, or left something else
    SINGLESTEP_FAILED, // it did not come to the stretch, or ended otherwise than by this SIGKILL
};
enum singlestep_end singlestep_kill(const struct singlestep_victim *victim,
                                    const struct singlestep_path *path, uint64_t point);

#endif
