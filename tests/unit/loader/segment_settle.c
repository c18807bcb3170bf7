// SPDX-License-Identifier: Apache-2.0
// What an earlier writer left is made durable before anything is built upon it: every segment is synced, bytes that were
// not known to be durable are written once more, and zeroes that a power cut brought back behind a finished segment go.
#include "consumers/loader/segment_settle.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/support/failing_disk.h"
#include "tests/support/journal_bytes.h"

#define LAP 65536
#define BEHIND 5000 // bytes behind the first segment's stream
#define HEADER_BYTES 4096

static struct mr_schema_set schemas;
static struct mr_segment_files files;
static char *directory;
static struct mr_error err;

static void set_up(void)
{
    schemas = mr_test_schemas();
    directory = mr_test_directory();
    failing_disk_leave();
    files = (struct mr_segment_files){.sync = true};
    cr_assert_eq(mr_segment_files_open(&files, directory, &err), MR_OK);
}
static void tear_down(void)
{
    failing_disk_leave();
    mr_segment_files_close(&files);
    mr_test_remove_directory(directory);
    mr_schema_set_clear(&schemas);
}
TestSuite(segment_settle, .init = set_up, .fini = tear_down);

static void expect_sentence(const char *sentence)
{
    cr_expect_not_null(strstr(err.text, sentence), "%s: expected %s", err.text, sentence);
    cr_expect_not_null(strstr(err.text, directory), "%s", err.text);
}

static void segment_path(uint64_t base, char path[512])
{
    mr_journal_segment_path(directory, base, path, 512);
}

static size_t fill(uint64_t base, uint8_t *lap)
{
    size_t at = 0;
    for (uint32_t id = 0; at < LAP - 2000; id++)
        at += mr_test_record(&schemas, base + at, id, id * 37 % 700, lap + at);
    return at + mr_test_padding(base + at, LAP - at, lap + at);
}

// Two finished segments of a lap each, with room for two; behind the first one zeroes, and this last byte.
static void write_journal(uint8_t last)
{
    static uint8_t bytes[LAP + BEHIND];
    memset(bytes, 0, sizeof bytes);
    fill(LAP, bytes);
    mr_test_segment(directory, &schemas, LAP, LAP, 2ULL * LAP, bytes, LAP, 2ULL * LAP);
    fill(0, bytes);
    bytes[sizeof bytes - 1] = last;
    mr_test_segment(directory, &schemas, 0, 0, 2ULL * LAP, bytes, sizeof bytes, LAP);
}

static void expect_bytes(uint64_t base, size_t expected)
{
    char path[512];
    size_t bytes;
    segment_path(base, path);
    free(mr_test_read_file(path, &bytes));
    cr_expect_eq(bytes, expected, "found %zu, expected %zu", bytes, expected);
}

Test(segment_settle, zeroes_behind_a_finished_segment_go_where_the_stream_is_made_again)
{
    write_journal(0);
    cr_expect_eq(mr_segment_settle_all(&files, false, &err), MR_OK, "%s", err.text);
    expect_bytes(0, HEADER_BYTES + LAP + BEHIND);
    cr_expect_eq(mr_segment_settle_all(&files, true, &err), MR_OK, "%s", err.text);
    expect_bytes(0, HEADER_BYTES + LAP);
    expect_bytes(LAP, HEADER_BYTES + LAP);
    cr_expect_eq(mr_segment_settle_all(&files, true, &err), MR_OK, "%s", err.text);
    expect_bytes(0, HEADER_BYTES + LAP);
}

// What is not nothing is for who reads it to judge; so is a file that cannot be read, or whose header is lost.
Test(segment_settle, nothing_else_is_cut)
{
    char path[512];
    write_journal(1);
    cr_expect_eq(mr_segment_settle_all(&files, true, &err), MR_OK, "%s", err.text);
    expect_bytes(0, HEADER_BYTES + LAP + BEHIND);
    write_journal(0);
    failing_disk_use(FAILING_READ, 1, EIO);
    cr_expect_eq(mr_segment_settle_all(&files, true, &err), MR_OK, "%s", err.text);
    cr_expect(failing_disk.failed);
    failing_disk_leave();
    expect_bytes(0, HEADER_BYTES + LAP + BEHIND);
    segment_path(0, path);
    int fd = open(path, O_WRONLY);
    cr_assert(fd >= 0 && pwrite(fd, "x", 1, 40) == 1);
    close(fd);
    cr_expect_eq(mr_segment_settle_all(&files, true, &err), MR_OK, "%s", err.text);
    expect_bytes(0, HEADER_BYTES + LAP + BEHIND);
}

// Each call may fail but those that only read: the error names the file, and is not one to wait for.
Test(segment_settle, what_cannot_be_made_durable_is_said)
{
    static const struct {
        enum failing_call call;
        unsigned at;
        const char *sentence;
    } cases[] = {
        {FAILING_LIST, 1, ""},
        {FAILING_OPEN, 1, "00000000000000000000.mrj: cannot sync"},
        {FAILING_OPEN, 3, "00000000000000065536.mrj: cannot sync"}, // the first is read, too
        {FAILING_SYNC, 1, "00000000000000000000.mrj: cannot sync"},
        {FAILING_SYNC, 2, "00000000000000065536.mrj: cannot sync"},
        {FAILING_TRUNCATE, 1, "00000000000000000000.mrj: cannot cut"},
        {FAILING_SYNC_DIRECTORY, 1, "cannot sync the directory"},
    };
    write_journal(0);
    for (unsigned i = 0; i < MR_COUNT_OF(cases); i++) {
        write_journal(0);
        failing_disk_use(cases[i].call, cases[i].at, ENOSPC);
        int code = mr_segment_settle_all(&files, true, &err);
        cr_expect(failing_disk.failed);
        failing_disk_leave();
        cr_expect_neq(code, MR_OK, "case %u", i);
        expect_sentence(cases[i].sentence);
        expect_sentence(strerror(ENOSPC));
        if (cases[i].call == FAILING_SYNC)
            cr_expect(!mr_error_is_no_room(&err), "a sync is not repeated");
    }
}

// ---- bytes -------------------------------------------------------------------------------------
static void open_first(void)
{
    write_journal(0);
    segment_path(0, files.path);
    files.fd = mr_disk->open(files.path, O_RDWR);
    cr_assert_geq(files.fd, 0);
    files.header_bytes = HEADER_BYTES;
}

Test(segment_settle, bytes_that_were_not_durable_are_written_once_more)
{
    char path[512];
    size_t bytes;
    open_first();
    segment_path(0, path);
    uint8_t *before = mr_test_read_file(path, &bytes);
    failing_disk_use(FAILING_NONE, 0, 0);
    cr_expect_eq(mr_segment_settle_bytes(&files, 1000, 1000, &err), MR_OK);
    cr_expect_eq(failing_disk.calls[FAILING_WRITE], 0, "there are none");
    cr_expect_eq(mr_segment_settle_bytes(&files, 1000, LAP, &err), MR_OK, "%s", err.text);
    cr_expect_eq(failing_disk.calls[FAILING_WRITE], 1);
    static const enum failing_call calls[] = {FAILING_READ, FAILING_WRITE};
    for (unsigned i = 0; i < MR_COUNT_OF(calls); i++) {
        failing_disk_use(calls[i], 2, EINTR);
        failing_disk.bytes_max = 10000;
        cr_expect_eq(mr_segment_settle_bytes(&files, 0, LAP, &err), MR_OK, "%s", err.text);
        cr_expect_geq(failing_disk.calls[FAILING_WRITE], LAP / 10000);
    }
    failing_disk_leave();
    uint8_t *after = mr_test_read_file(path, &bytes);
    cr_expect_eq(memcmp(before, after, bytes), 0);
    free(before);
    free(after);
}

Test(segment_settle, bytes_that_cannot_be_written_once_more_are_said)
{
    static const enum failing_call calls[] = {FAILING_READ, FAILING_WRITE};
    open_first();
    for (unsigned i = 0; i < MR_COUNT_OF(calls); i++) {
        failing_disk_use(calls[i], 2, EIO);
        failing_disk.bytes_max = 10000;
        cr_expect_eq(mr_segment_settle_bytes(&files, 0, LAP, &err), MR_ERR_OUTPUT);
        expect_sentence("byte 14096: cannot write again");
        expect_sentence(strerror(EIO));
    }
    failing_disk_leave();
    cr_expect_eq(mr_segment_settle_bytes(&files, LAP, 2ULL * LAP, &err), MR_ERR_OUTPUT);
    expect_sentence("byte 74632: found the end of the file, expected 60536 bytes more");
}
