// SPDX-License-Identifier: Apache-2.0
// Whether a world has changed: a directory of plain files that a process writes through its mappings and by system
// calls. What a process that is killed leaves is in it, and nowhere else.
//
//     struct singlestep_watch *watch = singlestep_watch_open(world);
//     singlestep_watch_covers(watch, pid);     // no shared memory of this process lies elsewhere
//     ... one instruction ...
//     if (singlestep_watch_changed(watch)) ... // a byte of a file that is there
//     ... one system call ...
//     singlestep_watch_reload(watch);          // files may have come, gone, been cut
//     singlestep_watch_close(watch);
//
// Files are compared byte for byte with a copy from the last look. Their holes are not looked at: a page that is
// touched for the first time, be it to write a zero, makes the file hold one block more, or ends a hole where its
// room had been reserved; that counts as a change.
#ifndef MR_TESTS_SUPPORT_SINGLESTEP_WATCH_H
#define MR_TESTS_SUPPORT_SINGLESTEP_WATCH_H

#include <sys/types.h>

#include "core/base.h"

struct singlestep_watch;
struct singlestep_watch *singlestep_watch_open(const char *world);
void singlestep_watch_close(struct singlestep_watch *watch);
bool singlestep_watch_changed(struct singlestep_watch *watch);
void singlestep_watch_reload(struct singlestep_watch *watch);
// Says on standard output which mapping does not.
bool singlestep_watch_covers(const struct singlestep_watch *watch, pid_t pid);

// Names, lengths and bytes of all files (XXH3, 128 bits). A hole is what zeroes are.
struct singlestep_print {
    uint64_t low, high;
};
struct singlestep_print singlestep_watch_print(const struct singlestep_watch *watch);

#endif
