// SPDX-License-Identifier: Apache-2.0
#include "cli/bench_scratch.h"

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static const int signals[] = {SIGINT, SIGTERM, SIGHUP};
static volatile sig_atomic_t interrupted;

static void on_signal(int number)
{
    (void)number;
    interrupted = 1;
}

bool mr_bench_interrupted(void)
{
    return interrupted;
}

const volatile sig_atomic_t *mr_bench_stop_word(void)
{
    return &interrupted;
}

int mr_bench_scratch_make(struct mr_bench_scratch *scratch, const char *directory,
                          struct mr_error *err)
{
    const char *fallback = getenv("TMPDIR"), *shm = getenv("MILLRACE_SHM");
    struct sigaction action = {.sa_handler = on_signal};
    if (!directory)
        directory = fallback && fallback[0] ? fallback : "/tmp";
    snprintf(scratch->files, sizeof scratch->files, "%s/millrace-bench.XXXXXX", directory);
    if (!shm || !shm[0])
        shm = "/dev/shm";
    snprintf(scratch->shm, sizeof scratch->shm, "%s/millrace-bench.XXXXXX", shm);
    if (!mkdtemp(scratch->files))
        return mr_fail_errno(err, MR_ERR_OUTPUT, "%s: cannot make a directory there", directory);
    if (!mkdtemp(scratch->shm)) {
        rmdir(scratch->files);
        return mr_fail_errno(err, MR_ERR_SHM, "%s: cannot make a directory there", shm);
    }
    for (unsigned i = 0; i < MR_COUNT_OF(signals); i++)
        sigaction(signals[i], &action, &scratch->before[i]);
    return MR_OK;
}

static int remove_one(const char *path, const struct stat *about, int type, struct FTW *place)
{
    (void)about;
    (void)type;
    if (place->level > 0)
        remove(path); // what cannot be removed is not in the way of the rest
    return 0;
}

static void empty(const char *directory)
{
    nftw(directory, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

void mr_bench_scratch_clear(const struct mr_bench_scratch *scratch)
{
    empty(scratch->files);
    empty(scratch->shm);
}

void mr_bench_scratch_touch(const struct mr_bench_scratch *scratch, uint64_t bytes)
{
    static uint8_t block[1 << 20];
    char path[sizeof scratch->files + 16];
    long pages = sysconf(_SC_AVPHYS_PAGES), page_bytes = sysconf(_SC_PAGESIZE);
    bytes = mr_min_u64(bytes, (uint64_t)(pages > 0 ? pages : 0) / 16 * (uint64_t)page_bytes);
    snprintf(path, sizeof path, "%s/touched", scratch->files);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0)
        return;
    for (uint64_t at = 0; at < bytes && !interrupted; at += sizeof block)
        if (write(fd, block, sizeof block) != (ssize_t)sizeof block)
            break;
    close(fd);
    unlink(path);
}

void mr_bench_scratch_remove(const struct mr_bench_scratch *scratch)
{
    mr_bench_scratch_clear(scratch);
    rmdir(scratch->files);
    rmdir(scratch->shm);
    for (unsigned i = 0; i < MR_COUNT_OF(signals); i++)
        sigaction(signals[i], &scratch->before[i], NULL);
}
