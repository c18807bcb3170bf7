// SPDX-License-Identifier: Apache-2.0
#include "consumers/loader/output_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "core/clock.h"

#define LOCK_WAIT_NS                                                                               \
    5000000000LL // writes of a killed process were seen to take 2.8 s on a slow disk
#define LOCK_RETRY_NS 20000000LL

// The process that holds a flock on this file, from the kernel's list; 0: unknown.
static int lock_holder(int fd)
{
    struct stat status;
    char line[256], kind[16];
    int pid, holder = 0;
    unsigned long inode;
    FILE *locks = fopen("/proc/locks", "re");
    if (!locks)
        return 0;
    if (fstat(fd, &status) != 0)
        status.st_ino = 0;
    while (!holder && fgets(line, sizeof line, locks))
        if (sscanf(line, "%*s %15s %*s %*s %d %*x:%*x:%lu", kind, &pid, &inode) == 3 &&
            strcmp(kind, "FLOCK") == 0 && inode == status.st_ino)
            holder = pid;
    fclose(locks);
    return holder;
}

static bool try_flock(int fd)
{
    return flock(fd, LOCK_EX | LOCK_NB) == 0;
}

static bool try_record_lock(int fd)
{
    struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    return fcntl(fd, F_OFD_SETLK, &whole) == 0;
}

static int lock_patiently(int fd, const char *path, bool (*try)(int fd), struct mr_error *err)
{
    int64_t until_ns = mr_mono_ns() + LOCK_WAIT_NS;
    while (!try(fd)) {
        if (errno != EWOULDBLOCK && errno != EACCES && errno != EINTR)
            return mr_fail_errno(err, MR_ERR_OUTPUT, "%s: cannot lock", path);
        if (mr_mono_ns() > until_ns)
            return mr_fail(err, MR_ERR_BUSY,
                           "%s: locked by process %d for 5 s: another run writes there", path,
                           lock_holder(fd));
        mr_sleep_until_mono_ns(mr_mono_ns() + LOCK_RETRY_NS);
    }
    return MR_OK;
}

int mr_file_lock(int fd, const char *path, struct mr_error *err)
{
    return lock_patiently(fd, path, try_flock, err);
}

int mr_file_lock_direct(int fd, const char *path, struct mr_error *err)
{
    return lock_patiently(fd, path, try_record_lock, err);
}

int mr_file_pass_direct(int fd, const char *path, struct mr_error *err)
{
    struct flock none = {.l_type = F_UNLCK, .l_whence = SEEK_SET};
    int code = lock_patiently(fd, path, try_record_lock, err);
    if (code == MR_OK && fcntl(fd, F_OFD_SETLK, &none) != 0)
        return mr_fail_errno(err, MR_ERR_OUTPUT, "%s: cannot unlock", path);
    return code;
}

static int make_one(const char *path, struct mr_error *err)
{
    struct stat status;
    if (mkdir(path, 0777) == 0)
        return MR_OK;
    if (errno != EEXIST)
        return mr_fail_errno(err, MR_ERR_OUTPUT, "%s: cannot make the directory", path);
    if (stat(path, &status) == 0 && !S_ISDIR(status.st_mode))
        return mr_fail(err, MR_ERR_OUTPUT, "%s: found a file, expected a directory", path);
    return MR_OK;
}

static int make_up_to(const char *path, size_t length, struct mr_error *err)
{
    char part[512];
    if (length >= sizeof part)
        return mr_fail(err, MR_ERR_OUTPUT, "%s: found a path of %zu bytes, expected under %zu",
                       path, length, sizeof part);
    for (size_t i = 1; i <= length; i++) {
        if (i < length && path[i] != '/')
            continue;
        memcpy(part, path, i);
        part[i] = '\0';
        int code = make_one(part, err);
        if (code != MR_OK)
            return code;
    }
    return MR_OK;
}

int mr_make_directories(const char *path, struct mr_error *err)
{
    return make_up_to(path, strlen(path), err);
}

int mr_make_parents(const char *path, struct mr_error *err)
{
    const char *slash = strrchr(path, '/');
    return !slash || slash == path ? MR_OK : make_up_to(path, (size_t)(slash - path), err);
}

int mr_file_check_name(int fd, const char *path, struct mr_error *err)
{
    struct stat held, named;
    if (fstat(fd, &held) == 0 && stat(path, &named) == 0 && held.st_ino == named.st_ino &&
        held.st_dev == named.st_dev)
        return MR_OK;
    return mr_fail(err, MR_ERR_OUTPUT, "%s: was removed or replaced while it was being written",
                   path);
}
