// SPDX-License-Identifier: Apache-2.0
#include "core/disk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define FOLIO_BYTES_MAX (128u << 20) // of what a page cache keeps in one piece, on any machine

// ---- bytes -------------------------------------------------------------------------------------
static int real_open(const char *path, int flags)
{
    return open(path, flags | O_CLOEXEC, 0666);
}

static void real_close(int fd)
{
    close(fd);
}

static ssize_t real_read(int fd, void *out, size_t bytes, uint64_t at)
{
    return pread(fd, out, bytes, (off_t)at);
}

static ssize_t real_write(int fd, const void *bytes, size_t length, uint64_t at)
{
    return pwrite(fd, bytes, length, (off_t)at);
}

// Reserved space that the kernel has read, or read ahead, lies in its cache, and that counts as data: it is given up.
static int64_t real_skip_hole(int fd, uint64_t at)
{
    off_t next = lseek(fd, (off_t)at, SEEK_DATA);
    if (next != (off_t)at || posix_fadvise(fd, (off_t)at, 0, POSIX_FADV_DONTNEED) != 0)
        return next;
    return lseek(fd, (off_t)at, SEEK_DATA);
}

static int real_sync(int fd)
{
    return fdatasync(fd);
}

// The kernel keeps a piece of its cache that only a part of is given up: from where it begins, then, whatever
// the size of pieces is here. It also keeps what waits to be written; whether writing that fails is all the same.
static void real_forget(int fd, uint64_t from)
{
    off_t begin = (off_t)(from - from % FOLIO_BYTES_MAX);
    sync_file_range(fd, begin, 0,
                    SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE |
                        SYNC_FILE_RANGE_WAIT_AFTER);
    posix_fadvise(fd, begin, 0, POSIX_FADV_DONTNEED);
}

static int real_sync_directory(int fd)
{
    return fsync(fd);
}

static int real_allocate(int fd, uint64_t bytes)
{
    return fallocate(fd, 0, 0, (off_t)bytes);
}

static int real_truncate(int fd, uint64_t bytes)
{
    return ftruncate(fd, (off_t)bytes);
}

// ---- names -------------------------------------------------------------------------------------
static int real_rename(const char *from, const char *to)
{
    return rename(from, to);
}

static int real_unlink(const char *path)
{
    return unlink(path);
}

static int real_make_directory(const char *path)
{
    return mkdir(path, 0777);
}

static int real_list(const char *directory, int (*each)(void *self, const char *name), void *self)
{
    DIR *entries = opendir(directory);
    if (!entries)
        return -1;
    int result = 0;
    while (result == 0) {
        errno = 0;
        const struct dirent *entry = readdir(entries);
        if (!entry) {
            result = errno == 0 ? 0 : -1;
            break;
        }
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            result = each(self, entry->d_name);
    }
    int why = errno;
    closedir(entries);
    errno = why;
    return result;
}

// ---- what stands there -------------------------------------------------------------------------
static void fill_status(const struct stat *found, struct mr_disk_status *out)
{
    *out = (struct mr_disk_status){
        .device = found->st_dev,
        .inode = found->st_ino,
        .bytes = (uint64_t)found->st_size,
        .directory = S_ISDIR(found->st_mode),
    };
}

static int real_status(const char *path, struct mr_disk_status *out)
{
    struct stat found;
    if (stat(path, &found) != 0)
        return -1;
    fill_status(&found, out);
    return 0;
}

static int real_status_of(int fd, struct mr_disk_status *out)
{
    struct stat found;
    if (fstat(fd, &found) != 0)
        return -1;
    fill_status(&found, out);
    return 0;
}

static uint64_t real_free_bytes(int fd)
{
    struct statvfs space;
    return fstatvfs(fd, &space) == 0 ? (uint64_t)space.f_bavail * space.f_frsize : 0;
}

static bool real_direct_units(int fd, uint32_t *memory_bytes, uint32_t *offset_bytes)
{
#ifdef STATX_DIOALIGN // since Linux 6.1
    struct statx found;
    if (statx(fd, "", AT_EMPTY_PATH, STATX_DIOALIGN, &found) == 0 &&
        (found.stx_mask & STATX_DIOALIGN)) {
        *memory_bytes = found.stx_dio_mem_align;
        *offset_bytes = found.stx_dio_offset_align;
        return true;
    }
#else
    (void)fd, (void)memory_bytes, (void)offset_bytes;
#endif
    return false;
}

// ---- locks -------------------------------------------------------------------------------------
static int record_lock(int fd, short type)
{
    struct flock whole = {.l_type = type, .l_whence = SEEK_SET};
    return fcntl(fd, F_OFD_SETLK, &whole);
}

static int real_lock(int fd, enum mr_disk_lock kind)
{
    return kind == MR_DISK_LOCK_FILE ? flock(fd, LOCK_EX | LOCK_NB) : record_lock(fd, F_WRLCK);
}

static int real_unlock(int fd, enum mr_disk_lock kind)
{
    return kind == MR_DISK_LOCK_FILE ? flock(fd, LOCK_UN) : record_lock(fd, F_UNLCK);
}

const struct mr_disk mr_disk_real = {
    .open = real_open,
    .close = real_close,
    .read = real_read,
    .write = real_write,
    .skip_hole = real_skip_hole,
    .sync = real_sync,
    .sync_directory = real_sync_directory,
    .forget = real_forget,
    .allocate = real_allocate,
    .truncate = real_truncate,
    .rename = real_rename,
    .unlink = real_unlink,
    .make_directory = real_make_directory,
    .list = real_list,
    .status = real_status,
    .status_of = real_status_of,
    .lock = real_lock,
    .unlock = real_unlock,
    .free_bytes = real_free_bytes,
    .direct_units = real_direct_units,
};
const struct mr_disk *mr_disk = &mr_disk_real;
