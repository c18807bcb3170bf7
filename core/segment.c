// SPDX-License-Identifier: Apache-2.0
#include "core/segment.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "core/atomic.h"
#include "core/clock.h"
#include "core/segment_fault.h"

#define SEGMENT_BYTES_MIN (2LL * MR_PAGE_BYTES) // the header's page and one for what it is about
#define LOCK_TRIES 20
#define LOCK_RETRY_NS 1000000

static void blank(struct mr_segment *segment, const char *path, enum mr_attach mode)
{
    *segment = (struct mr_segment){.fd = -1, .lock_fd = -1, .mode = mode};
    snprintf(segment->path, sizeof segment->path, "%s", path);
}

// What the kernel maps in: mostly 4 KiB, 16 or 64 with some kernels for aarch64.
static size_t page_bytes(void)
{
    return (size_t)sysconf(_SC_PAGESIZE);
}

static size_t mapped_bytes(const struct mr_segment *segment)
{
    return mr_align_up(segment->bytes, page_bytes());
}

// A page before and one behind the mapping that nobody may touch: what runs out of a segment, faults there.
// Room for a mapping between its guards. A long one begins on a huge page: only such a one can consist of
// them.
static uint8_t *reserve_room(size_t bytes)
{
    size_t guard = page_bytes();
    size_t alignment = bytes < MR_HUGE_PAGE_BYTES ? guard : MR_HUGE_PAGE_BYTES;
    size_t wider = bytes + alignment + 2 * guard;
    uint8_t *room =
        mmap(NULL, wider, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (room == MAP_FAILED)
        return NULL;
    uint8_t *begin = (uint8_t *)mr_align_up((uintptr_t)room + guard, alignment);
    uint8_t *first = begin - guard, *end = begin + bytes + guard;
    if (first > room)
        munmap(room, (size_t)(first - room));
    if (room + wider > end)
        munmap(end, (size_t)(room + wider - end));
    return begin;
}

static void give_room(uint8_t *begin, size_t bytes)
{
    munmap(begin - page_bytes(), bytes + 2 * page_bytes());
}

void mr_segment_detach(struct mr_segment *segment)
{
    if (segment->base) {
        mr_segment_forget(segment);
        give_room(segment->base, mapped_bytes(segment));
    }
    if (segment->fd >= 0)
        close(segment->fd);
    if (segment->lock_fd >= 0)
        close(segment->lock_fd);
    segment->base = NULL;
    segment->fd = segment->lock_fd = -1;
}

static int map(struct mr_segment *segment)
{
    int protection = segment->mode == MR_ATTACH_READ_ONLY ? PROT_READ : PROT_READ | PROT_WRITE;
    uint8_t *room = reserve_room(mapped_bytes(segment));
    if (!room)
        return -1;
    if (mmap(room, segment->bytes, protection, MAP_SHARED | MAP_FIXED, segment->fd, 0) ==
        MAP_FAILED) {
        int saved_errno = errno;
        give_room(room, mapped_bytes(segment));
        errno = saved_errno;
        return -1;
    }
    segment->base = room;
    mr_segment_remember(segment);
    return 0;
}

static int fail_create(struct mr_segment *segment, const char *temporary, struct mr_error *err,
                       const char *what)
{
    struct statvfs fs;
    int saved_errno = errno;
    uint64_t free_bytes = 0;
    bool made = segment->fd >= 0;
    if (made && fstatvfs(segment->fd, &fs) == 0)
        free_bytes = (uint64_t)fs.f_bavail * fs.f_frsize;
    mr_segment_detach(segment);
    unlink(temporary);
    errno = saved_errno;
    if (saved_errno == ENOSPC && !made)
        return mr_fail_errno(err, MR_ERR_SHM,
                             "%s: shared memory has no room for one more file: remove some, or "
                             "mount the file system with more (nr_inodes, size)",
                             segment->path);
    if (saved_errno == ENOSPC)
        return mr_fail(err, MR_ERR_SHM,
                       "%s: shared memory is full: wanted %zu bytes, %llu are free; make what "
                       "the pipeline file asks for (ring.size, dead_letter.size, the operators' "
                       "limits) smaller or the file system larger",
                       segment->path, segment->bytes, (unsigned long long)free_bytes);
    return mr_fail_errno(err, MR_ERR_SHM, "%s: cannot %s", segment->path, what);
}

static void fill_header(struct mr_segment *segment, const char *name, enum mr_segment_kind kind)
{
    struct mr_segment_header *header = segment->base;
    header->layout_version = MR_SEGMENT_LAYOUT_VERSION;
    header->kind = kind;
    header->bytes = segment->bytes;
    header->created_ns = mr_wall_ns();
    header->owner_pid = (uint32_t)getpid();
    header->owner_uid = (uint32_t)getuid();
    snprintf(header->name, sizeof header->name, "%s", name);
    header->tick_hz = (uint64_t)(1e9 / mr_ns_per_tick);
}

// A signal ends the call, and what it had got is given back: a stop that comes now is noticed later.
static int reserve(int fd, size_t bytes)
{
    int failed;
    do {
        failed = posix_fallocate(fd, 0, (off_t)bytes);
    } while (failed == EINTR);
    errno = failed;
    return failed ? -1 : 0;
}

static void temporary_path(const char *path, char *out, size_t out_bytes)
{
    snprintf(out, out_bytes, "%s.new", path);
}

static void lock_path(const char *path, char *out, size_t out_bytes)
{
    snprintf(out, out_bytes, "%s.lock", path);
}

int mr_segment_create(struct mr_segment *segment, const char *path, const char *name,
                      enum mr_segment_kind kind, size_t bytes, mr_segment_fill *fill, void *context,
                      struct mr_error *err)
{
    char temporary[sizeof segment->path + 32];
    blank(segment, path, MR_ATTACH_READ_WRITE);
    if (strlen(path) >= sizeof segment->path)
        return mr_fail(err, MR_ERR_SHM, "%s: path too long, at most %zu bytes", path,
                       sizeof segment->path - 1);
    temporary_path(path, temporary, sizeof temporary);
    unlink(temporary); // of a process that died while it made it
    segment->bytes = bytes;
    segment->fd = open(temporary, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (segment->fd < 0)
        return fail_create(segment, temporary, err, "create the segment");
    if (reserve(segment->fd, bytes) < 0)
        return fail_create(segment, temporary, err, "reserve its memory");
    if (map(segment) < 0)
        return fail_create(segment, temporary, err, "map it");
    fill_header(segment, name, kind);
    if (fill)
        fill(segment->base, context);
    // Pairs with the acquire load in check_header: whoever sees the magic sees the rest.
    mr_store_release_u64(&((struct mr_segment_header *)segment->base)->magic, MR_SEGMENT_MAGIC);
    if (rename(temporary, path) < 0)
        return fail_create(segment, temporary, err, "rename it into place");
    return MR_OK;
}

static int check_header(const struct mr_segment *segment, enum mr_segment_kind kind,
                        struct mr_error *err)
{
    const struct mr_segment_header *header = segment->base;
    uint64_t magic = mr_load_acquire_u64(&header->magic);
    if (magic != MR_SEGMENT_MAGIC)
        return mr_fail(err, MR_ERR_SHM, "%s: byte 0: found magic %#llx, expected %#llx",
                       segment->path, (unsigned long long)magic,
                       (unsigned long long)MR_SEGMENT_MAGIC);
    if (header->layout_version != MR_SEGMENT_LAYOUT_VERSION)
        return mr_fail(err, MR_ERR_SHM, "%s: byte 8: found layout version %u, expected %u",
                       segment->path, header->layout_version, MR_SEGMENT_LAYOUT_VERSION);
    if (header->kind != (uint32_t)kind)
        return mr_fail(err, MR_ERR_SHM, "%s: byte 12: found segment kind %u, expected %u",
                       segment->path, header->kind, kind);
    if (header->bytes != segment->bytes)
        return mr_fail(err, MR_ERR_SHM, "%s: byte 16: the header says %llu bytes, the file has %zu",
                       segment->path, (unsigned long long)header->bytes, segment->bytes);
    return MR_OK;
}

int mr_segment_attach(struct mr_segment *segment, const char *path, enum mr_segment_kind kind,
                      enum mr_attach mode, struct mr_error *err)
{
    struct stat status;
    blank(segment, path, mode);
    segment->fd =
        open(path, (mode == MR_ATTACH_READ_ONLY ? O_RDONLY : O_RDWR) | O_CLOEXEC | O_NOFOLLOW);
    if (segment->fd < 0 || fstat(segment->fd, &status) < 0) {
        mr_fail_errno(err, MR_ERR_SHM, "%s: cannot open the segment", path);
        goto fail;
    }
    if (!S_ISREG(status.st_mode) || status.st_size < SEGMENT_BYTES_MIN) {
        mr_fail(err, MR_ERR_SHM, "%s: found %lld bytes, expected a segment of at least %lld", path,
                (long long)status.st_size, SEGMENT_BYTES_MIN);
        goto fail;
    }
    if (mode == MR_ATTACH_READ_WRITE && status.st_uid != geteuid()) {
        mr_fail(err, MR_ERR_SHM, "%s: belongs to user %u, expected %u", path, status.st_uid,
                geteuid());
        goto fail;
    }
    segment->bytes = (size_t)status.st_size;
    if (map(segment) < 0) {
        mr_fail_errno(err, MR_ERR_SHM, "%s: cannot map %zu bytes", path, segment->bytes);
        goto fail;
    }
    if (check_header(segment, kind, err) == MR_OK)
        return MR_OK;
fail:
    mr_segment_detach(segment);
    return MR_ERR_SHM;
}

static bool map_again(const struct mr_segment *segment, int fd, size_t begin, size_t end)
{
    uint8_t *at = (uint8_t *)segment->base + begin;
    return begin == end ||
           mmap(at, end - begin, PROT_READ, MAP_SHARED | MAP_FIXED, fd, (off_t)begin) == at;
}

int mr_segment_protect(struct mr_segment *segment, size_t writable_at, struct mr_error *err)
{
    struct stat ours, found;
    int fd = open(segment->path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0 || fstat(fd, &found) < 0 || fstat(segment->fd, &ours) < 0) {
        mr_fail_errno(err, MR_ERR_SHM, "%s: cannot open the segment for reading", segment->path);
    } else if (found.st_ino != ours.st_ino || found.st_dev != ours.st_dev) {
        mr_fail(err, MR_ERR_SHM, "%s: was replaced while it was being opened", segment->path);
    } else if (!map_again(segment, fd, 0, writable_at) ||
               !map_again(segment, fd, writable_at + MR_PAGE_BYTES, segment->bytes)) {
        mr_fail_errno(err, MR_ERR_SHM, "%s: cannot map it for reading", segment->path);
    } else {
        close(segment->fd);
        segment->fd = fd;
        return MR_OK;
    }
    if (fd >= 0)
        close(fd);
    return MR_ERR_SHM;
}

int mr_segment_unlink(const char *path, struct mr_error *err)
{
    char temporary[320];
    temporary_path(path, temporary, sizeof temporary);
    unlink(temporary);
    lock_path(path, temporary, sizeof temporary);
    unlink(temporary);
    if (unlink(path) < 0 && errno != ENOENT)
        return mr_fail_errno(err, MR_ERR_SHM, "%s: cannot remove the segment", path);
    return MR_OK;
}

int mr_segment_share(const struct mr_segment *segment, uint32_t gid, struct mr_error *err)
{
    if (fchown(segment->fd, (uid_t)-1, gid) < 0 || fchmod(segment->fd, 0640) < 0)
        return mr_fail_errno(err, MR_ERR_SHM, "%s: cannot be shared with group %u", segment->path,
                             gid);
    return MR_OK;
}

int mr_segment_lock(struct mr_segment *segment, struct mr_error *err)
{
    char path[sizeof segment->path + 32];
    lock_path(segment->path, path, sizeof path);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return mr_fail_errno(err, MR_ERR_SHM, "%s: cannot open the lock", path);
    // Whoever asks mr_segment_is_locked holds a shared lock for a moment: that moment is waited out.
    for (int i = 0; i < LOCK_TRIES; i++) {
        if (flock(fd, LOCK_EX | LOCK_NB) == 0) {
            segment->lock_fd = fd;
            return MR_OK;
        }
        if (errno != EWOULDBLOCK) {
            mr_fail_errno(err, MR_ERR_SHM, "%s: cannot lock the segment", path);
            close(fd);
            return MR_ERR_SHM;
        }
        mr_sleep_until_mono_ns(mr_mono_ns() + LOCK_RETRY_NS);
    }
    close(fd);
    return mr_fail(err, MR_ERR_BUSY, "%s: held by another process", segment->path);
}

bool mr_segment_is_locked(const struct mr_segment *segment)
{
    char path[sizeof segment->path + 32];
    lock_path(segment->path, path, sizeof path);
    // A descriptor of our own: the lock belongs to the open file description, and ours may hold it.
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return errno == EACCES; // another user's
    bool locked = flock(fd, LOCK_SH | LOCK_NB) < 0 && errno == EWOULDBLOCK;
    close(fd);
    return locked;
}
