// SPDX-License-Identifier: Apache-2.0
#include "core/file_lock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "core/clock.h"
#include "core/disk.h"
#include "core/log.h"

#define LIVING_WAIT_NS 5000000000LL // another run that is just about to end
#define DEAD_WAIT_NS                                                                               \
    60000000000LL // writes of a killed process that a slow disk takes its time over
#define SAY_AFTER_NS 200000000LL
#define LOCK_RETRY_NS 20000000LL

// The process that holds a flock on this file, from the kernel's list; 0: unknown.
static int lock_holder(int fd)
{
    struct mr_disk_status status;
    char line[256], kind[16];
    int pid, holder = 0;
    unsigned major_number, minor_number;
    unsigned long inode;
    FILE *locks = fopen("/proc/locks", "re");
    if (!locks)
        return 0;
    if (mr_disk->status_of(fd, &status) != 0)
        status.inode = 0;
    while (!holder && fgets(line, sizeof line, locks))
        if (sscanf(line, "%*s %15s %*s %*s %d %x:%x:%lu", kind, &pid, &major_number, &minor_number,
                   &inode) == 5 &&
            strcmp(kind, "FLOCK") == 0 && inode == status.inode &&
            makedev(major_number, minor_number) == status.device)
            holder = pid;
    fclose(locks);
    return holder;
}

// Gone, or dead and not yet buried. What it wrote last may still be on its way.
static bool is_dead(int pid)
{
    char path[64], state = 'X';
    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    FILE *file = pid > 0 ? fopen(path, "re") : NULL;
    if (!file)
        return true;
    int found = fscanf(file, "%*d (%*[^)]) %c", &state); // else it has gone meanwhile
    (void)found;
    fclose(file);
    return strchr("ZX", state) != NULL;
}

static void say_wait(const char *path, int holder)
{
    if (!is_dead(holder))
        mr_info("%s: locked by process %d; waiting for it to end", path, holder);
    else if (holder > 0)
        mr_info("%s: waiting for the last writes of process %d, which is dead, to reach the disk",
                path, holder);
    else
        mr_info("%s: waiting for the last writes of a dead process to reach the disk", path);
}

static int lock_patiently(int fd, const char *path, enum mr_disk_lock kind, struct mr_error *err)
{
    int64_t begun_ns = mr_mono_ns();
    bool said = false;
    while (mr_disk->lock(fd, kind) != 0) {
        if (errno != EWOULDBLOCK && errno != EACCES && errno != EINTR)
            return mr_fail_errno(err, MR_ERR_OUTPUT, "%s: cannot lock", path);
        int64_t waited_ns = mr_mono_ns() - begun_ns;
        // Who lives holds the flock, too: a lock of records that is held beside one's own flock is a dead one's.
        int holder = kind == MR_DISK_LOCK_FILE ? lock_holder(fd) : 0;
        if (waited_ns > (is_dead(holder) ? DEAD_WAIT_NS : LIVING_WAIT_NS))
            return mr_fail(err, MR_ERR_BUSY,
                           "%s: locked by process %d for %lld s: another run writes there", path,
                           holder, (long long)(waited_ns / 1000000000));
        if (waited_ns > SAY_AFTER_NS && !said) {
            say_wait(path, holder);
            said = true;
        }
        mr_sleep_until_mono_ns(mr_mono_ns() + LOCK_RETRY_NS);
    }
    if (said)
        mr_info("%s: locked after %.1f s", path, (double)(mr_mono_ns() - begun_ns) / 1e9);
    return MR_OK;
}

int mr_file_lock(int fd, const char *path, struct mr_error *err)
{
    return lock_patiently(fd, path, MR_DISK_LOCK_FILE, err);
}

int mr_file_lock_direct(int fd, const char *path, struct mr_error *err)
{
    return lock_patiently(fd, path, MR_DISK_LOCK_RECORDS, err);
}

int mr_file_pass_direct(int fd, const char *path, struct mr_error *err)
{
    int code = lock_patiently(fd, path, MR_DISK_LOCK_RECORDS, err);
    if (code == MR_OK && mr_disk->unlock(fd, MR_DISK_LOCK_RECORDS) != 0)
        return mr_fail_errno(err, MR_ERR_OUTPUT, "%s: cannot unlock", path);
    return code;
}

int mr_file_pass(const char *path, struct mr_error *err)
{
    int fd = mr_disk->open(path, O_RDWR);
    if (fd < 0 && (errno == EACCES || errno == EROFS || errno == EPERM))
        return MR_OK; // nor can a loader of ours have written it
    if (fd < 0)
        return mr_fail_errno(err, MR_ERR_INPUT, "%s", path);
    int code = mr_file_lock(fd, path, err);
    if (code == MR_OK)
        code = mr_file_pass_direct(fd, path, err);
    mr_disk->close(fd);
    return code;
}
