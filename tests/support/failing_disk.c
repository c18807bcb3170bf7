// SPDX-License-Identifier: Apache-2.0
#include "tests/support/failing_disk.h"

#include <errno.h>

struct failing_disk failing_disk;

const char *const failing_names[FAILING_NONE] = {
    [FAILING_OPEN] = "open",
    [FAILING_READ] = "read",
    [FAILING_WRITE] = "write",
    [FAILING_SKIP_HOLE] = "skip_hole",
    [FAILING_SYNC] = "sync",
    [FAILING_SYNC_DIRECTORY] = "sync_directory",
    [FAILING_ALLOCATE] = "allocate",
    [FAILING_TRUNCATE] = "truncate",
    [FAILING_RENAME] = "rename",
    [FAILING_UNLINK] = "unlink",
    [FAILING_MAKE_DIRECTORY] = "make_directory",
    [FAILING_LIST] = "list",
    [FAILING_STATUS] = "status",
    [FAILING_STATUS_OF] = "status_of",
    [FAILING_LOCK] = "lock",
};

static bool fails(enum failing_call call)
{
    unsigned count = ++failing_disk.calls[call];
    bool now = call == failing_disk.call &&
               (count == failing_disk.at || (failing_disk.forever && count > failing_disk.at));
    if (now) {
        failing_disk.failed = true;
        errno = failing_disk.why;
    }
    return now;
}

static size_t cut(size_t bytes)
{
    return failing_disk.bytes_max && bytes > failing_disk.bytes_max ? failing_disk.bytes_max
                                                                    : bytes;
}

static int open_file(const char *path, int flags)
{
    int fd = fails(FAILING_OPEN) ? -1 : mr_disk_real.open(path, flags);
    failing_disk.open_files += fd >= 0;
    return fd;
}
static void close_file(int fd)
{
    failing_disk.open_files--;
    mr_disk_real.close(fd);
}
static ssize_t read_bytes(int fd, void *out, size_t bytes, uint64_t at)
{
    return fails(FAILING_READ) ? -1 : mr_disk_real.read(fd, out, cut(bytes), at);
}
static ssize_t write_bytes(int fd, const void *bytes, size_t length, uint64_t at)
{
    return fails(FAILING_WRITE) ? -1 : mr_disk_real.write(fd, bytes, cut(length), at);
}
static int64_t skip_hole(int fd, uint64_t at)
{
    return fails(FAILING_SKIP_HOLE) ? -1 : mr_disk_real.skip_hole(fd, at);
}
static int sync_bytes(int fd)
{
    return fails(FAILING_SYNC) ? -1 : mr_disk_real.sync(fd);
}
static int sync_directory(int fd)
{
    return fails(FAILING_SYNC_DIRECTORY) ? -1 : mr_disk_real.sync_directory(fd);
}
static int allocate(int fd, uint64_t bytes)
{
    return fails(FAILING_ALLOCATE) ? -1 : mr_disk_real.allocate(fd, bytes);
}
static int truncate_file(int fd, uint64_t bytes)
{
    return fails(FAILING_TRUNCATE) ? -1 : mr_disk_real.truncate(fd, bytes);
}
static int rename_file(const char *from, const char *to)
{
    return fails(FAILING_RENAME) ? -1 : mr_disk_real.rename(from, to);
}
static int unlink_file(const char *path)
{
    return fails(FAILING_UNLINK) ? -1 : mr_disk_real.unlink(path);
}
static int make_directory(const char *path)
{
    return fails(FAILING_MAKE_DIRECTORY) ? -1 : mr_disk_real.make_directory(path);
}
static int list(const char *directory, int (*each)(void *self, const char *name), void *self)
{
    return fails(FAILING_LIST) ? -1 : mr_disk_real.list(directory, each, self);
}
static int status(const char *path, struct mr_disk_status *out)
{
    return fails(FAILING_STATUS) ? -1 : mr_disk_real.status(path, out);
}
static int status_of(int fd, struct mr_disk_status *out)
{
    return fails(FAILING_STATUS_OF) ? -1 : mr_disk_real.status_of(fd, out);
}
static int lock(int fd, enum mr_disk_lock kind)
{
    return fails(FAILING_LOCK) ? -1 : mr_disk_real.lock(fd, kind);
}
static bool direct_units(int fd, uint32_t *memory_bytes, uint32_t *offset_bytes)
{
    if (!failing_disk.no_direct && failing_disk.units_bytes == 0)
        return mr_disk_real.direct_units(fd, memory_bytes, offset_bytes);
    *memory_bytes = *offset_bytes = failing_disk.units_bytes;
    return true;
}

void failing_disk_use(enum failing_call call, unsigned at, int why)
{
    static struct mr_disk disk;
    disk = mr_disk_real;
    disk.open = open_file;
    disk.close = close_file;
    disk.read = read_bytes;
    disk.write = write_bytes;
    disk.skip_hole = skip_hole;
    disk.sync = sync_bytes;
    disk.sync_directory = sync_directory;
    disk.allocate = allocate;
    disk.truncate = truncate_file;
    disk.rename = rename_file;
    disk.unlink = unlink_file;
    disk.make_directory = make_directory;
    disk.list = list;
    disk.status = status;
    disk.status_of = status_of;
    disk.lock = lock;
    disk.direct_units = direct_units;
    failing_disk = (struct failing_disk){.call = call, .at = at, .why = why};
    mr_disk = &disk;
}

void failing_disk_leave(void)
{
    mr_disk = &mr_disk_real;
}
