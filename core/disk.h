// SPDX-License-Identifier: Apache-2.0
// The file system as the journal needs it: every file operation of its writer and of its recovery goes
// through here, so that a test can stand in the disk's place, fail any call, and cut the power between
// any two of them (tests/support/sim_disk.h). The bytes of the stream, and the syncs behind them, go
// through the loader's I/O layer (consumers/loader/io.h), on descriptors that were opened here.
//
//     int fd = mr_disk->open(path, O_RDWR | O_CREAT);
//     if (fd < 0) return mr_fail_errno(err, MR_ERR_OUTPUT, "%s: cannot create", path);
//     ... mr_disk->write(fd, header, header_bytes, 0), mr_disk->sync(fd) ...
//     if (mr_disk->rename(next, path) != 0 || mr_disk->sync_directory(directory_fd) != 0) ...
//     mr_disk->close(fd);
//
// Errors are the system's own: -1, and errno says why.
//
// What a caller may rely on after a power cut, and nothing beyond it:
//   - bytes, and a size, that a later sync() of the file, which said 0, has covered;
//   - names (created, renamed, removed, directories too) that a later sync_directory() of the
//     directory they stand in has covered. To sync a file makes its bytes safe, not its name.
// Of everything else any part may be there and any may not, in units of a sector (512 bytes): whole
// sectors are old or new. A rename is one: the old name or the new one, never neither.
//
// A sync that failed is not to be repeated: the next one says 0, and the bytes are in the page cache
// and not on the disk. Who wants them there writes them once more.
//
// One disk is in use per process; a test sets another one before anything is opened.
#ifndef MR_CORE_DISK_H
#define MR_CORE_DISK_H

#include <sys/types.h>

#include "core/base.h"

#define MR_SECTOR_BYTES 512 // what a disk writes whole or not at all

// Both are exclusive, belong to the open file, do not meet each other, and are given free when the
// writes of a dead holder's descriptor have drained.
enum mr_disk_lock {
    MR_DISK_LOCK_FILE,    // flock
    MR_DISK_LOCK_RECORDS, // of the whole file, by fcntl (F_OFD_SETLK)
};

struct mr_disk_status {
    uint64_t device, inode; // together: which file it is, whatever its name
    uint64_t bytes;
    bool directory;
};

struct mr_disk {
    // Flags as of open(2); a new file gets the mode 0666, less the umask. Never inherited by a child.
    int (*open)(const char *path, int flags);
    void (*close)(int fd);
    ssize_t (*read)(int fd, void *out, size_t bytes, uint64_t at);
    ssize_t (*write)(int fd, const void *bytes, size_t length, uint64_t at);
    // The first byte at or after `at` that is not in a hole; -1 with ENXIO where only a hole follows.
    int64_t (*skip_hole)(int fd, uint64_t at);
    int (*sync)(int fd); // bytes and size (fdatasync)
    int (*sync_directory)(int fd);
    // May be NULL. What memory holds of the file from `from` on is given up, so that it is read from the disk
    // again; what waits to be written is written first. After a failed sync the two differ: pages that did
    // not reach the disk count as written, and on some file systems the same bytes written over them would
    // not reach it either.
    void (*forget)(int fd, uint64_t from);
    int (*allocate)(int fd, uint64_t bytes); // the file is so long then, and its room is its own
    int (*truncate)(int fd, uint64_t bytes);
    int (*rename)(const char *from, const char *to);
    int (*unlink)(const char *path);
    int (*make_directory)(const char *path);
    // Calls each() with every name but "." and "..", in no order, until it does not return 0; returns
    // what it returned last, -1 where the directory cannot be read.
    int (*list)(const char *directory, int (*each)(void *self, const char *name), void *self);
    int (*status)(const char *path, struct mr_disk_status *out);
    int (*status_of)(int fd, struct mr_disk_status *out);
    int (*lock)(int fd, enum mr_disk_lock kind); // at once, or -1 with EWOULDBLOCK or EACCES
    int (*unlock)(int fd, enum mr_disk_lock kind);
    uint64_t (*free_bytes)(int fd); // of the file system, for an ordinary user; 0 where unknown
    // What memory and offsets of direct I/O (O_DIRECT) must be multiples of; 0: it cannot be done on
    // this file. False where the kernel does not say.
    bool (*direct_units)(int fd, uint32_t *memory_bytes, uint32_t *offset_bytes);
};

extern const struct mr_disk mr_disk_real;
extern const struct mr_disk *mr_disk; // mr_disk_real, unless a test says otherwise

#endif
