// SPDX-License-Identifier: Apache-2.0
// What the file system takes when nothing is asked of it but to write: a fio-like loop over the
// loader's own I/O layer, in several ways, so that a sink's rate has something of the same minute to be
// measured against.
//
// A way is a backend, a block size, how many blocks are in flight and after how many bytes the file is
// synced. The file is preallocated, as fio does it, and written from one end to the other from a few
// blocks of noise that stay where they are: nothing is made, walked or checked.
//
// A way that is fed writes what another process has copied into shared memory a moment before, as a ring's reader
// does: lines that another core has just written, two processes and the kernel's workers on the cores there are.
// Of records, their checks and a journal it knows nothing either: it is what is left for a sink to reach.
#ifndef MR_CLI_BENCH_RAW_WRITE_H
#define MR_CLI_BENCH_RAW_WRITE_H

#include <signal.h>

#include "consumers/loader/io.h"
#include "consumers/loader/sink.h"

#define MR_RAW_DEPTH_MAX 32

struct mr_raw_way {
    const struct mr_io_backend *backend;
    uint64_t block_bytes;
    unsigned depth; // blocks in flight, at most MR_RAW_DEPTH_MAX
    bool fed;
    uint64_t sync_bytes; // a sync after each so many; 0: none
};

#define MR_RAW_WAYS_MAX 8
// The ways that are tried for a mode, none of them fed, without those of a backend that cannot be had here; returns
// how many.
unsigned mr_raw_ways(enum mr_durability durability, bool direct,
                     struct mr_raw_way out[MR_RAW_WAYS_MAX]);
// Writes `bytes` to a new file at `path`, and removes it. *ns: from the first write to the last one's
// (or the last sync's) end; *cpu_ns of this process's threads meanwhile. MR_ERR_OUTPUT. A stop that is
// asked for ends it early.
int mr_raw_write(const char *path, uint64_t bytes, const struct mr_raw_way *way, bool direct,
                 const volatile sig_atomic_t *stop, int64_t *ns, int64_t *cpu_ns,
                 struct mr_error *err);

#endif
