// SPDX-License-Identifier: Apache-2.0
// Any bytes in the small files of a run's directory: what a stage left as its last word, and who held the run. The
// first byte chooses which. The file is in memory, behind the calls that core/pipeline/rundir.c makes: to make, open,
// lock and remove one takes the kernel ten times as long as it is looked at.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/pipeline/rundir.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

#define WORD_PID 42
#define LOCK_FD (1 << 20) // more than there are

static struct {
    uint8_t bytes[4096];
    size_t size;
    bool there, open;
} kept;

static void put(const uint8_t *bytes, size_t size)
{
    kept.size = mr_min_u64(size, sizeof kept.bytes);
    memcpy(kept.bytes, bytes, kept.size);
    kept.there = true;
}

static FILE *open_word(const char *path)
{
    (void)path;
    return fmemopen(kept.bytes, kept.size, "r");
}

static int remove_word(const char *path)
{
    (void)path;
    kept.there = false;
    return 0;
}

static int open_lock(const char *path)
{
    (void)path;
    kept.open = true;
    return LOCK_FD;
}

static void must_be_open(int fd)
{
    if (fd != LOCK_FD || !kept.open)
        abort();
}

static int close_lock(int fd)
{
    must_be_open(fd);
    kept.open = false;
    return 0;
}

static int lock(int fd)
{
    must_be_open(fd);
    return 0;
}

static int status_of_lock(int fd, struct stat *out)
{
    must_be_open(fd);
    *out = (struct stat){.st_nlink = 1};
    return 0;
}

static ssize_t read_from_lock(int fd, void *out, size_t bytes, off_t at)
{
    if (at != 0)
        abort();
    size_t there = mr_min_u64(bytes, kept.size);
    must_be_open(fd);
    memcpy(out, kept.bytes, there);
    return (ssize_t)there;
}

static ssize_t write_to_lock(int fd, const void *bytes, size_t length, off_t at)
{
    if (at != 0 || length > sizeof kept.bytes)
        abort();
    must_be_open(fd);
    memcpy(kept.bytes, bytes, length);
    kept.size = kept.size > length ? kept.size : length;
    return (ssize_t)length;
}

static int cut_lock(int fd, size_t bytes)
{
    must_be_open(fd);
    kept.size = bytes;
    return 0;
}

#define fopen(path, mode) open_word(path)
#define unlink(path) remove_word(path)
#define open(path, ...) open_lock(path)
#define close(fd) close_lock(fd)
#define flock(fd, kind) lock(fd)
#define fstat(fd, out) status_of_lock(fd, out)
#define pread(fd, out, bytes, at) read_from_lock(fd, out, bytes, at)
#define pwrite(fd, bytes, length, at) write_to_lock(fd, bytes, length, at)
#define ftruncate(fd, bytes) cut_lock(fd, bytes)

#include "core/pipeline/rundir.c"

static const struct mr_pipeline pipeline = {.name = "fuzz", .directory = "/run"};

static void look_at_word(void)
{
    char text[200];
    if (mr_rundir_take_word(&pipeline, MR_ROLE_PRODUCER, WORD_PID, text, sizeof text) &&
        (strnlen(text, sizeof text) == sizeof text || strchr(text, '\n')))
        abort();
    if (kept.there) // it is said once
        abort();
}

static void look_at_lock(void)
{
    int fd;
    struct mr_rundir_before before;
    struct mr_error err;
    if (mr_rundir_lock(&pipeline, &fd, &before, &err) != MR_OK)
        abort();
    mr_rundir_unlock(fd, &before);
    if (kept.open)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    if (size == 0)
        return 0;
    put(bytes + 1, size - 1);
    if (bytes[0] % 2)
        look_at_lock();
    else
        look_at_word();
    return 0;
}
