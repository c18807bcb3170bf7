// SPDX-License-Identifier: Apache-2.0
// Journals that a dead loader has left: one with half a record at its end, to be appended to; one whose segment
// was being written, with bytes in it that were never committed. Who comes next writes the rest of the stream;
// then the journal has the same files with the same bytes as where nobody died.
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "consumers/loader/segment_files.h"
#include "tests/support/journal_bytes.h"
#include "tests/support/scratch.h"
#include "tests/support/singlestep.h"
#include "tests/support/singlestep_worlds.h"

#define SEGMENT_BYTES 65536
#define RECORDS 12
#define NOTE_BYTES 50
#define KEPT                                                                                       \
    7 // of the records: whole in the torn journal, committed in the one that was being written

char singlestep_journal_world[128];
static struct scratch scratch;
static struct mr_schema_set schemas;
static uint8_t stream[4096];
static uint64_t ends[RECORDS + 1]; // of the first n records
static uint64_t next_base = SEGMENT_BYTES;

static void make_stream(uint64_t base)
{
    ends[0] = 0;
    for (unsigned i = 0; i < RECORDS; i++)
        ends[i + 1] =
            ends[i] + mr_test_record(&schemas, base + ends[i], i, NOTE_BYTES + i, stream + ends[i]);
}

void singlestep_journals_open(void)
{
    scratch_open(&scratch);
    scratch_path(&scratch, "journal", singlestep_journal_world, sizeof singlestep_journal_world);
    schemas = mr_test_schemas();
}

void singlestep_journals_close(void)
{
    mr_schema_set_clear(&schemas);
    scratch_close(&scratch);
}

// ---- what the loader does

static struct mr_segment_files files_of_loader(void)
{
    return (struct mr_segment_files){
        .sync = true, .segment_bytes = SEGMENT_BYTES, .name = "egress", .schemas = &schemas};
}

// The same calls as those of the journal sink that appends.
static int append(struct mr_segment_files *files, struct mr_error *err)
{
    struct mr_journal_tail tail;
    int code = mr_segment_files_open(files, singlestep_journal_world, err);
    if (code == MR_OK)
        code = mr_journal_find_tail(singlestep_journal_world, &tail, err);
    if (code != MR_OK)
        return code;
    uint64_t previous_end = tail.base_pos == next_base ? tail.previous_end : tail.end_pos;
    code = mr_segment_files_mend(files, &tail, err);
    if (code == MR_OK)
        code = mr_segment_files_begin(files, next_base, previous_end, err);
    return code;
}

static int resume(struct mr_segment_files *files, struct mr_error *err)
{
    int code = mr_segment_files_open(files, singlestep_journal_world, err);
    return code == MR_OK ? mr_segment_files_resume(files, ends[KEPT], err) : code;
}

typedef int taking_up(struct mr_segment_files *files, struct mr_error *err);

static void run_marking(taking_up *take_up)
{
    struct mr_segment_files files = files_of_loader();
    singlestep_mark();
    if (take_up(&files, NULL) == MR_OK)
        singlestep_mark();
    _exit(1);
}

void singlestep_run_journal(void *unused)
{
    (void)unused;
    run_marking(append);
}

void singlestep_run_resume(void *unused)
{
    (void)unused;
    run_marking(resume);
}

// Takes it up and writes the stream from `position` to its end.
static int finish(taking_up *take_up, uint64_t position, struct mr_error *err)
{
    struct mr_segment_files files = files_of_loader();
    int code = take_up(&files, err);
    uint64_t from = position - files.base_pos, bytes = ends[RECORDS] - from;
    if (code == MR_OK && pwrite(files.fd, stream + from, bytes,
                                (off_t)(files.header_bytes + from)) != (ssize_t)bytes)
        code = mr_fail_errno(err, MR_ERR_OUTPUT, "%s", files.path);
    if (code == MR_OK)
        code = mr_segment_files_finish(&files, files.base_pos + ends[RECORDS], err);
    mr_segment_files_close(&files);
    return code;
}

// In a process of its own, for its locks.
static bool finishes(taking_up *take_up, uint64_t position, char *why, size_t why_bytes)
{
    int pipe_fds[2], status;
    struct mr_error err = {0};
    if (pipe(pipe_fds) < 0)
        abort();
    pid_t pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        int code = finish(take_up, position, &err);
        if (code != MR_OK && write(pipe_fds[1], err.text, strlen(err.text)) < 0)
            code = MR_ERR_INTERNAL;
        _exit(code);
    }
    close(pipe_fds[1]);
    waitpid(pid, &status, 0);
    ssize_t length = status == 0 ? 0 : read(pipe_fds[0], why, why_bytes - 1);
    why[length > 0 ? length : 0] = '\0';
    close(pipe_fds[0]);
    return status == 0;
}

static bool finishes_alike(taking_up *take_up, uint64_t position, const char *expected, char *why,
                           size_t why_bytes)
{
    if (!finishes(take_up, position, why, why_bytes))
        return false;
    bool same = singlestep_is_like(singlestep_journal_world, expected);
    if (!same)
        snprintf(why, why_bytes, "the journal's files are not those of the undisturbed run");
    return same;
}

bool singlestep_check_journal(char *why, size_t why_bytes)
{
    make_stream(next_base);
    return finishes_alike(append, next_base, "journal-undisturbed", why, why_bytes);
}

bool singlestep_check_resume(char *why, size_t why_bytes)
{
    make_stream(0);
    return finishes_alike(resume, ends[KEPT], "resume-undisturbed", why, why_bytes);
}

// ---- worlds

static void make_segment(uint64_t stream_bytes, uint64_t durable_pos)
{
    mkdir(singlestep_journal_world, 0700);
    make_stream(0);
    mr_test_segment(singlestep_journal_world, &schemas, 0, 0, SEGMENT_BYTES, stream, stream_bytes,
                    durable_pos);
}

static bool put_aside_both(taking_up *take_up, uint64_t position, const char *name, char *why,
                           size_t why_bytes)
{
    char expected[64];
    snprintf(expected, sizeof expected, "%s-undisturbed", name);
    bool good = singlestep_put_aside(singlestep_journal_world, name) &&
                finishes(take_up, position, why, why_bytes) &&
                singlestep_put_aside(singlestep_journal_world, expected);
    return good;
}

// KEPT records and half of another.
bool singlestep_prepare_journal(char *why, size_t why_bytes)
{
    make_segment(0, 0);
    make_segment((ends[KEPT] + ends[KEPT + 1]) / 2, ends[2]);
    make_stream(next_base);
    return put_aside_both(append, next_base, "journal", why, why_bytes);
}

// A segment preallocated to its end, more in it than was committed.
bool singlestep_prepare_resume(char *why, size_t why_bytes)
{
    char path[512];
    make_segment(0, 0);
    make_segment((ends[KEPT + 1] + ends[KEPT + 2]) / 2, ends[2]);
    mr_journal_segment_path(singlestep_journal_world, SEGMENT_BYTES, path, sizeof path);
    unlink(path); // of the part before
    mr_journal_segment_path(singlestep_journal_world, 0, path, sizeof path);
    if (truncate(path, SEGMENT_BYTES + MR_PAGE_BYTES) < 0) {
        snprintf(why, why_bytes, "%s: cannot make it longer", path);
        return false;
    }
    return put_aside_both(resume, ends[KEPT], "resume", why, why_bytes);
}
