// SPDX-License-Identifier: Apache-2.0
// Files in memory behind core/disk.h, for who opens and reads them again and again: no system call.
// Files that were put there are read, cut, written to within what they have, renamed, removed; those that are made
// there grow, up to 1 MiB. Whatever has a file in it is a directory. What else a disk does, and every failure of
// one, is tests/support/sim_disk.h.
//
//     memory_disk_use();                              // mr_disk is this one from here on
//     memory_disk_put("/00.mrj", bytes, length);      // borrowed: what reads too far reads behind them
//     ... mr_journal_open(&journal, "/00.mrj", &err) ...
//     memory_disk_clear();
#ifndef MR_TESTS_SUPPORT_MEMORY_DISK_H
#define MR_TESTS_SUPPORT_MEMORY_DISK_H

#include "core/disk.h"

#define MEMORY_DISK_FILES_MAX 16

void memory_disk_use(void);
// A whole path. `bytes` stay the caller's.
void memory_disk_put(const char *path, uint8_t *bytes, size_t length);
void memory_disk_clear(void);

#endif
