// SPDX-License-Identifier: Apache-2.0
// Any bytes in the small files of a run's directory: what a stage left as its last word, and who held the run. The
// first byte chooses which.
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/pipeline/rundir.h"
#include "tests/support/scratch.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

#define WORD_PID 42

static struct scratch scratch;
static struct mr_pipeline pipeline;
static char word_path[128], lock_path[128];

static void close_at_exit(void)
{
    scratch_close(&scratch);
}

static void start(void)
{
    scratch_open(&scratch);
    snprintf(pipeline.name, sizeof pipeline.name, "fuzz");
    snprintf(pipeline.directory, sizeof pipeline.directory, "%s", scratch.directory);
    scratch_path(&scratch, "producer.word", word_path, sizeof word_path);
    scratch_path(&scratch, "run.lock", lock_path, sizeof lock_path);
    atexit(close_at_exit);
}

static void put(const char *path, const uint8_t *bytes, size_t size)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0 || write(fd, bytes, size) != (ssize_t)size || close(fd) < 0)
        abort();
}

static void take_word(void)
{
    char text[200];
    if (mr_rundir_take_word(&pipeline, MR_ROLE_PRODUCER, WORD_PID, text, sizeof text) &&
        (strnlen(text, sizeof text) == sizeof text || strchr(text, '\n')))
        abort();
    if (access(word_path, F_OK) == 0) // it is said once
        abort();
}

static void take_lock(void)
{
    int fd;
    struct mr_rundir_before before;
    struct mr_error err;
    if (mr_rundir_lock(&pipeline, &fd, &before, &err) != MR_OK)
        abort();
    mr_rundir_unlock(fd, &before);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    if (!scratch.directory[0])
        start();
    if (size == 0)
        return 0;
    put(bytes[0] % 2 ? lock_path : word_path, bytes + 1, size - 1);
    if (bytes[0] % 2)
        take_lock();
    else
        take_word();
    return 0;
}
