// SPDX-License-Identifier: Apache-2.0
// A segment is one shared-memory file with a header that says what it is. Create, attach, detach,
// unlink.
//
//   byte 0     8    12   16         24        32     36   40                72        80
//        +-----+----+----+----------+---------+------+----+-----------------+---------+----
//        |magic|vers|kind|  bytes   | created |owner |uid | name            | tick_hz | to 4096
//        +-----+----+----+----------+---------+------+----+-----------------+---------+----
//
// A segment is made under a temporary name, filled, given its magic last, and renamed into place:
// no process ever sees half of one. All of it is preallocated (tmpfs overcommits; the page that
// cannot be had would be a SIGBUS later). Files are 0600 in a directory of 0700; one that is to be read by a
// group too is made so with mr_segment_share. Symbolic links are not followed, and only what belongs to this
// user is attached for writing.
#ifndef MR_CORE_SEGMENT_H
#define MR_CORE_SEGMENT_H

#include "core/error.h"

#define MR_SEGMENT_MAGIC 0x314341524c4c494dULL // "MILLRAC1", little-endian
#define MR_SEGMENT_LAYOUT_VERSION 3u

#define MR_HUGE_PAGE_BYTES (2u << 20)

enum mr_segment_kind { MR_SEGMENT_RING = 1, MR_SEGMENT_STAGE = 2, MR_SEGMENT_STATE = 3 };
enum mr_attach { MR_ATTACH_READ_WRITE, MR_ATTACH_READ_ONLY };

struct mr_segment_header {
    uint64_t magic; // written last
    uint32_t layout_version;
    uint32_t kind;      // mr_segment_kind
    uint64_t bytes;     // whole segment
    int64_t created_ns; // wall clock
    uint32_t owner_pid; // who made it; for people, never for decisions (PIDs are reused)
    uint32_t owner_uid;
    char name[MR_NAME_BYTES];
    uint64_t tick_hz; // the rate of mr_tick() on the host that made it
};
_Static_assert(sizeof(struct mr_segment_header) <= MR_PAGE_BYTES, "header fits its page");
_Static_assert(offsetof(struct mr_segment_header, bytes) == 16, "bytes");
_Static_assert(offsetof(struct mr_segment_header, name) == 40, "name");
_Static_assert(offsetof(struct mr_segment_header, tick_hz) == 72, "tick rate");

struct mr_segment {
    void *base; // NULL when not attached
    size_t bytes;
    int fd;
    int lock_fd; // -1: not locked by us
    enum mr_attach mode;
    char path[256];
};

// Called on the zeroed, mapped segment before anyone else can see it; fills what follows the
// header.
typedef void mr_segment_fill(void *base, void *context);

// Makes path (its directory must exist); one process at a time makes the same one. MR_ERR_SHM where memory is short or the directory not
// writable: the text says how many bytes were wanted and how many are free. On success it is
// attached read-write.
int mr_segment_create(struct mr_segment *segment, const char *path, const char *name,
                      enum mr_segment_kind kind, size_t bytes, mr_segment_fill *fill, void *context,
                      struct mr_error *err);
// Checks magic, version, kind and size against the file's size. MR_ERR_SHM with `expected`/`found`.
int mr_segment_attach(struct mr_segment *segment, const char *path, enum mr_segment_kind kind,
                      enum mr_attach mode, struct mr_error *err);
void mr_segment_detach(struct mr_segment *segment);
// Of an attached segment leaves only the page at `writable_at` writable for this process. The rest is mapped
// anew through a descriptor that is open for reading only, so no later call can make it writable, either; the
// one that was writable is closed, and a lock on it given up.
int mr_segment_protect(struct mr_segment *segment, size_t writable_at, struct mr_error *err);
// Removes the name, and what a process left that died while it made the segment.
int mr_segment_unlink(const char *path, struct mr_error *err);
// Lets a group read the segment.
int mr_segment_share(const struct mr_segment *segment, uint32_t gid, struct mr_error *err);
// Tries the segment's exclusive lock, which its owner holds while it lives. MR_ERR_BUSY if held. It is on a
// file beside the segment, <path>.lock, which is its user's alone: who may only read cannot hold it.
int mr_segment_lock(struct mr_segment *segment, struct mr_error *err);
// Ends the process with one line that says what is wrong in shared memory, and MR_ERR_CORRUPT: for damage
// found so deep in a structure that nothing can go on. What was not committed is taken back by the next
// process (core/pipeline/stage.h).
_Noreturn void mr_damaged(const char *format, ...) MR_PRINTF(1, 2) __attribute__((cold));
// Once per process: a page of a segment that is gone (the file was cut, or memory could not be had) ends it
// in the same way, with the segment's path, instead of by SIGBUS. A fault anywhere else does what it did.
void mr_segment_catch_faults(void);
// Whether some process holds the lock; true for another user, who cannot tell. Only segment->path is looked
// at.
bool mr_segment_is_locked(const struct mr_segment *segment);

#endif
