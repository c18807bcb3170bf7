// SPDX-License-Identifier: Apache-2.0
// The one I/O layer under all sinks: writes and syncs are submitted, go on while the loader does
// other things, and are reaped later, in any order. Two backends: io_uring (io_uring.c) and, where
// the kernel or a container forbids that, plain system calls (io_pwrite.c). Tests drive it with one
// of their own.
//
// What a backend leaves to be done is done here, once for all: the rest of a short write is
// submitted again, EINTR and EAGAIN are tried again, and no more is in flight than the completion
// queue holds. A write to a file whose file system is full (or whose quota is used up) is tried again, too, until there is
// room (device.h): it stays in flight meanwhile. So a completion says: all of it was written, or it failed
// and why.
//
//     struct mr_io io;
//     mr_io_open(&io, NULL, 64, &err);             // NULL: the best there is
//     struct mr_io_client client = {on_done, self};
//     if (!mr_io_write(&io, &client, fd, bytes, length, offset, tag)) ... full: reap first ...
//     mr_io_reap(&io, wait_ns, &err);           // calls on_done(self, tag, result)
//     mr_io_close(&io);                         // waits for what is in flight
//
// The bytes belong to the backend until their completion. One thread.
#ifndef MR_CONSUMERS_LOADER_IO_H
#define MR_CONSUMERS_LOADER_IO_H

#include <sys/types.h>

#include "consumers/loader/device.h"

#define MR_IO_STREAM                                                                               \
    (-1) // as offset: pipes, sockets, terminals; one write at a time keeps the order
#define MR_IO_DEPTH_MAX 256

enum mr_io_op { MR_IO_WRITE, MR_IO_SYNC };

// What a backend is asked for, and what it says became of it.
struct mr_io_request {
    enum mr_io_op op;
    int fd;
    const uint8_t *bytes;
    size_t length;
    int64_t offset; // or MR_IO_STREAM
    bool brief;     // done sooner than handed to a worker: the backend may do it at once
};
struct mr_io_event {
    unsigned slot;
    int64_t result; // bytes written, perhaps fewer than asked; 0: synced; or -errno
};

struct mr_io_backend {
    const char *name;
    uint32_t gauge; // mr_stage_gauges.io_backend
    // *device is the backend's own. MR_ERR_OUTPUT where it cannot be had here.
    int (*open)(void **device, unsigned depth, struct mr_error *err);
    // May be NULL. Many writes will come from this memory, which stays where it is: the backend may
    // make itself ready for that.
    void (*lend)(void *device, const void *bytes, size_t length);
    // Takes a request; there are never more than `depth`. True: it is with the kernel already; false: with the
    // next reap.
    bool (*submit)(void *device, const struct mr_io_request *request, unsigned slot);
    // Starts what was submitted, waits up to wait_ns (0: not at all) until `wanted` have completed, and
    // returns how many events it wrote to `out`, or -errno where the backend itself has failed. May return
    // with fewer than wanted, never waits for more.
    int (*reap)(void *device, struct mr_io_event *out, unsigned max, unsigned wanted,
                int64_t wait_ns);
    void (*close)(void *device);
    // May be NULL. From now on the device does what submit() asks for, and cannot be made to do more.
    int (*restrict_to_submits)(void *device, struct mr_error *err);
};
extern const struct mr_io_backend mr_io_uring, mr_io_pwrite;

// Who asked: told of each completion, from within mr_io_reap. `result` is the bytes written (all of
// them), 0 for a sync, or -errno.
struct mr_io_client {
    void (*done)(void *self, uint64_t tag, int64_t result);
    void *self;
};

struct mr_io_slot {
    struct mr_io_request request; // what is left to do
    const struct mr_io_client *client;
    uint64_t tag;
    size_t written;
    int64_t begun_ns; // a sync: when
    bool refused;     // not with the backend: waits for room
    struct mr_refusal refusal;
};

struct mr_io {
    const struct mr_io_backend *backend;
    void *device;
    unsigned depth;
    unsigned in_flight;
    unsigned sync_count;    // of those: syncs
    unsigned refused_count; // of those: they wait for room
    int64_t retry_ns;       // when they are tried again
    uint64_t taken_tick;    // when all that was handed over was with the kernel, last ...
    bool starting;          // ... but for some that will be with the next reap
    unsigned free_count;
    unsigned free_slots[MR_IO_DEPTH_MAX];
    struct mr_io_slot slots[MR_IO_DEPTH_MAX];
};

// "auto", "uring" or "pwrite"; the environment variable MILLRACE_IO goes before. *backend is NULL
// for auto. MR_ERR_CONFIG for another word.
int mr_io_choose(const char *choice, const struct mr_io_backend **backend, struct mr_error *err);
// NULL: io_uring, or pwrite where that cannot be had, with one log line. MR_ERR_OUTPUT: there is nothing to close,
// and mr_io_close does nothing.
int mr_io_open(struct mr_io *io, const struct mr_io_backend *backend, unsigned depth,
               struct mr_error *err);
// Many direct writes will come from this memory, which stays mapped until the end. One such memory;
// writes from elsewhere are none the worse.
void mr_io_lend(struct mr_io *io, const void *bytes, size_t length);
// Hardens the backend, where it can be: it takes writes and syncs, and nothing else. Before anything is lent
// or asked for; memory is not lent any more. MR_ERR_OUTPUT.
int mr_io_restrict(struct mr_io *io, struct mr_error *err);
bool mr_io_write(struct mr_io *io, const struct mr_io_client *client, int fd, const void *bytes,
                 size_t length, int64_t offset, uint64_t tag);
// The same for a few bytes that end in the page cache: they are with the kernel when it returns, or with
// the next reaping at the latest.
bool mr_io_write_brief(struct mr_io *io, const struct mr_io_client *client, int fd,
                       const void *bytes, size_t length, int64_t offset, uint64_t tag);
bool mr_io_sync(struct mr_io *io, const struct mr_io_client *client, int fd, uint64_t tag);
// Waits up to wait_ns for a first completion where something is in flight. MR_ERR_OUTPUT where the backend itself
// has failed.
int mr_io_reap(struct mr_io *io, int64_t wait_ns, struct mr_error *err);
// Waits for half of what is in flight, 16 at most: a turn of the caller's for each would take the core from the worker
// that makes the next. While a sync is in flight, for the first that ends: records count as safe with it.
int mr_io_reap_several(struct mr_io *io, int64_t wait_ns, struct mr_error *err);
// Waits for what is in flight; what waits for room is given up.
void mr_io_close(struct mr_io *io);

#endif
