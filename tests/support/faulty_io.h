// SPDX-License-Identifier: Apache-2.0
// A backend of the I/O layer that does what real ones do rarely: short writes, interruptions,
// failures at the n-th call, completions late and in the wrong order. What it writes, it writes to
// the real file.
#ifndef MR_TESTS_SUPPORT_FAULTY_IO_H
#define MR_TESTS_SUPPORT_FAULTY_IO_H

#include "consumers/loader/io.h"

struct faulty_io {
    size_t write_bytes_max;    // 0: as asked
    unsigned interrupt_each;   // every n-th call says -EINTR or -EAGAIN, in turn; 0: none
    bool backwards;            // the newest request is done first
    unsigned events_max;       // per reap; 0: all
    unsigned fail_write_after; // this many writes succeed, then they fail; 0: none fails
    int fail_write_errno;
    unsigned fail_sync_after; // this many syncs succeed, the next one fails; 0: none fails
    int direct_fd;            // whose writes are whole pages; 0: none is
    // What happened.
    unsigned writes, syncs, failed_syncs, syncs_after_failure;
    unsigned wanted;                      // by the last reap
    unsigned direct_writes, off_the_grid; // of those: not whole pages
};

extern struct faulty_io faulty_io; // of the one layer that is open
extern const struct mr_io_backend faulty_io_backend;

#endif
