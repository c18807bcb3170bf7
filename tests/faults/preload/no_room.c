// SPDX-License-Identifier: Apache-2.0
// Loaded before the C library (LD_PRELOAD): below one directory, the k-th call that needs room on its file
// system finds none, and so does every one after it for a while. Half of what is to be written first may
// still be taken, as at the end of a real disk.
//
//   NO_ROOM_BELOW=/dir      which files; nothing is done without it
//   NO_ROOM_AT=k            which call is the first to fail; 0: none, they are only counted
//   NO_ROOM_ERRNO=n         ENOSPC where not given
//   NO_ROOM_MS=n            for so long
//   NO_ROOM_REPORT=/file    a line for each event: "refused CALL PATH MILLISECONDS", "granted CALL PATH
//                           MILLISECONDS" (the first call after there was room again), "calls K" at the end;
//                           the times are of CLOCK_MONOTONIC
//
// What needs room: making a file, a directory or a name, allocating, writing at a place.
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static struct {
    const char *below;
    long at, ms;
    int error, report_fd;
    long calls;
    int64_t until_ms; // 0: nothing was refused yet; afterwards -1
} fault = {.report_fd = -1};

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

static long number(const char *name, long otherwise)
{
    const char *text = getenv(name);
    return text ? atol(text) : otherwise;
}

__attribute__((constructor)) static void set_up(void)
{
    const char *report = getenv("NO_ROOM_REPORT");
    fault.below = getenv("NO_ROOM_BELOW");
    fault.at = number("NO_ROOM_AT", 0);
    fault.ms = number("NO_ROOM_MS", 100);
    fault.error = (int)number("NO_ROOM_ERRNO", ENOSPC);
    if (report)
        fault.report_fd = open(report, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}

__attribute__((destructor)) static void tear_down(void)
{
    if (fault.report_fd >= 0)
        dprintf(fault.report_fd, "calls %ld\n", fault.calls);
}

static void report(const char *what, const char *call, const char *path)
{
    if (fault.report_fd >= 0)
        dprintf(fault.report_fd, "%s %s %s %lld\n", what, call, path, (long long)now_ms());
}

static int is_below(const char *path)
{
    return fault.below && strncmp(path, fault.below, strlen(fault.below)) == 0;
}

// One more call that needs room. Not 0: there is none.
static int refuses(const char *call, const char *path)
{
    if (++fault.calls == fault.at) {
        fault.until_ms = now_ms() + fault.ms;
        report("refused", call, path);
    }
    if (fault.until_ms <= 0)
        return 0;
    if (now_ms() < fault.until_ms) {
        errno = fault.error;
        return 1;
    }
    fault.until_ms = -1;
    report("granted", call, path);
    return 0;
}

static int refuses_fd(const char *call, int fd)
{
    char link[64], path[PATH_MAX];
    if (!fault.below)
        return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    path[length > 0 ? length : 0] = '\0';
    return is_below(path) && refuses(call, path);
}

#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

int open(const char *path, int flags, ...)
{
    va_list args;
    va_start(args, flags);
    mode_t mode = flags & O_CREAT ? va_arg(args, mode_t) : 0;
    va_end(args);
    if ((flags & O_CREAT) && is_below(path) && access(path, F_OK) != 0 && refuses("open", path))
        return -1;
    return NEXT(open)(path, flags, mode);
}

int mkdir(const char *path, mode_t mode)
{
    if (is_below(path) && access(path, F_OK) != 0 && refuses("mkdir", path))
        return -1;
    return NEXT(mkdir)(path, mode);
}

int rename(const char *from, const char *to)
{
    return is_below(to) && refuses("rename", to) ? -1 : NEXT(rename)(from, to);
}

int fallocate(int fd, int mode, off_t at, off_t bytes)
{
    return refuses_fd("fallocate", fd) ? -1 : NEXT(fallocate)(fd, mode, at, bytes);
}

ssize_t pwrite(int fd, const void *bytes, size_t length, off_t at)
{
    int64_t before = fault.until_ms;
    if (!refuses_fd("pwrite", fd))
        return NEXT(pwrite)(fd, bytes, length, at);
    if (before == 0 && length > 1) // the first that is refused still gets a part
        return NEXT(pwrite)(fd, bytes, length / 2, at);
    return -1;
}
