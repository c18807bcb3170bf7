// SPDX-License-Identifier: Apache-2.0
// A disk in the place of the real one (core/disk.h) that passes everything on to it, but lets one call fail: the
// n-th of a kind, with the error that it is given. Short reads and writes, too.
//
//     failing_disk_use(FAILING_SYNC, 3, EIO);       // the third sync from here on fails
//     ... the code under test ...
//     cr_assert(failing_disk.failed);               // it has come to it
//     failing_disk_use(FAILING_NONE, 0, 0);         // passes everything on, counts the calls
//     failing_disk_leave();                         // the real disk again
//
// A test that lets each call of a run fail in turn goes up from 1 until `failed` stays false.
#ifndef MR_TESTS_SUPPORT_FAILING_DISK_H
#define MR_TESTS_SUPPORT_FAILING_DISK_H

#include "core/disk.h"

enum failing_call {
    FAILING_OPEN,
    FAILING_READ,
    FAILING_WRITE,
    FAILING_SKIP_HOLE,
    FAILING_SYNC,
    FAILING_SYNC_DIRECTORY,
    FAILING_ALLOCATE,
    FAILING_TRUNCATE,
    FAILING_RENAME,
    FAILING_UNLINK,
    FAILING_MAKE_DIRECTORY,
    FAILING_LIST,
    FAILING_STATUS,
    FAILING_STATUS_OF,
    FAILING_LOCK,
    FAILING_NONE,
};
extern const char *const failing_names[FAILING_NONE]; // for messages

struct failing_disk {
    enum failing_call call;
    unsigned at; // 1: the first
    int why;
    bool forever;         // that one and all of its kind after it
    size_t bytes_max;     // of a read or write; 0: as asked
    unsigned units_bytes; // what direct_units() says; 0: what the real one says
    bool no_direct;       // direct_units() says that it cannot be done
    unsigned calls[FAILING_NONE + 1];
    int open_files; // opened since use(), and not closed
    bool failed;    // it has happened
};
extern struct failing_disk failing_disk;

void failing_disk_use(enum failing_call call, unsigned at, int why);
void failing_disk_leave(void);

#endif
