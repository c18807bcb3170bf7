// SPDX-License-Identifier: Apache-2.0
// A journal's files on a disk with moods: calls that a signal ends, room that is refused at any step of a segment's end and
// the next one's beginning, direct writing that cannot be; and what a power cut leaves of files.
#include "consumers/loader/segment_files.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/support/failing_disk.h"
#include "tests/support/journal_bytes.h"
#include "tests/support/journal_feed.h"

#define RECORDS 300 // some four laps, two segments
#define HEADER_BYTES 4096

static char *directory;
static struct feed feed;
static struct mr_error err;

static void set_up(void)
{
    directory = mr_test_directory();
    failing_disk_leave();
}
static void tear_down(void)
{
    failing_disk_leave();
    mr_test_remove_directory(directory);
}
TestSuite(segment_files, .init = set_up, .fini = tear_down, .timeout = 120);

static void prepare(const char *name)
{
    feed_prepare(&feed, directory, name, &mr_io_pwrite, 0);
    feed_give_state(&feed);
}

static void write_journal(const char *name)
{
    prepare(name);
    cr_assert_eq(feed_open(&feed, &err), MR_OK, "%s", err.text);
    cr_assert_eq(feed_records(&feed, RECORDS, 10, &err), MR_OK, "%s", err.text);
    feed_finish(&feed);
}

static void remove_journal(const char *name)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    mr_test_remove_directory(strdup(path));
}

static void expect_sentence(const char *sentence)
{
    cr_expect_not_null(strstr(err.text, sentence), "%s: expected %s", err.text, sentence);
    cr_expect_not_null(strstr(err.text, directory), "%s", err.text);
}

// ---- calls that are not carried out at once ----------------------------------------------------
Test(segment_files, calls_that_a_signal_ends_are_made_again)
{
    static const enum failing_call calls[] = {FAILING_WRITE, FAILING_ALLOCATE};
    write_journal("whole");
    for (unsigned i = 0; i < MR_COUNT_OF(calls); i++) {
        unsigned at = 0;
        do {
            failing_disk_use(calls[i], ++at, EINTR);
            failing_disk.bytes_max = 1000; // and writes are short
            write_journal("one");
            failing_disk_leave();
            feed_check_same(directory, "whole", "one");
            remove_journal("one");
        } while (failing_disk.failed);
        cr_expect_gt(at, 2, "%s", failing_names[calls[i]]);
    }
}

// File systems that cannot preallocate: the segment grows as it is written.
Test(segment_files, goes_without_what_the_file_system_does_not_have)
{
    static const int reasons[] = {EOPNOTSUPP, ENOSYS};
    write_journal("whole");
    for (unsigned i = 0; i < MR_COUNT_OF(reasons); i++) {
        failing_disk_use(FAILING_ALLOCATE, 1, reasons[i]);
        failing_disk.forever = true;
        write_journal("one");
        cr_assert(failing_disk.failed);
        failing_disk_leave();
        feed_check_same(directory, "whole", "one");
        remove_journal("one");
    }
}

// ---- no room -----------------------------------------------------------------------------------
// At each step that ends a segment and begins the next: the stream waits, is told why, and goes on by itself.
static void run_without_room_at(enum failing_call call, unsigned at, int durability)
{
    prepare("one");
    feed.options.durability = durability;
    cr_assert_eq(feed_open(&feed, &err), MR_OK, "%s", err.text);
    failing_disk_use(call, at, ENOSPC);
    cr_assert_eq(feed_records(&feed, RECORDS, 10, &err), MR_OK, "%s %u: %s", failing_names[call],
                 at, err.text);
    cr_expect(!mr_device_is_refused(), "%s %u: there was room again", failing_names[call], at);
    feed_finish(&feed);
    failing_disk_leave();
    feed_check_same(directory, "whole", "one");
    cr_assert_eq(feed_count(directory, "one", MR_JOURNAL_END), RECORDS);
    remove_journal("one");
}

Test(segment_files, no_room_at_any_step_of_a_roll)
{
    static const enum failing_call calls[] = {FAILING_OPEN, FAILING_ALLOCATE, FAILING_WRITE,
                                              FAILING_TRUNCATE, FAILING_RENAME};
    static const unsigned times[] = {1, 1, 3, 1, 1}; // of each in one roll
    write_journal("whole");
    for (unsigned i = 0; i < MR_COUNT_OF(calls); i++)
        for (unsigned at = 1; at <= 2 * times[i]; at++) {
            // A run without syncs has no mark before its segment's end.
            run_without_room_at(calls[i], (at + 1) / 2,
                                at % 2 ? MR_DURABILITY_NONE : MR_DURABILITY_BATCH);
            cr_expect(failing_disk.failed, "%s %u", failing_names[calls[i]], at);
        }
}

// A sync is not repeated, whatever its reason: room there, the next one would say 0 and mean nothing.
Test(segment_files, a_sync_without_room_ends_the_run)
{
    static const enum failing_call calls[] = {FAILING_SYNC, FAILING_SYNC_DIRECTORY};
    for (unsigned i = 0; i < MR_COUNT_OF(calls); i++) {
        prepare("one");
        cr_assert_eq(feed_open(&feed, &err), MR_OK, "%s", err.text);
        failing_disk_use(calls[i], 1, ENOSPC);
        cr_assert_eq(feed_records(&feed, RECORDS, 10, &err), MR_ERR_OUTPUT);
        cr_assert(failing_disk.failed);
        expect_sentence("cannot sync");
        expect_sentence(strerror(ENOSPC));
        cr_expect(!mr_error_is_no_room(&err));
        feed_drop(&feed);
        failing_disk_leave();
        remove_journal("one");
    }
}

// What a file got of a preallocation that failed is given back; where that cannot be, both are no error to wait on.
static int no_truncate(int fd, uint64_t bytes)
{
    (void)fd, (void)bytes;
    errno = EIO;
    return -1;
}

Test(segment_files, room_that_cannot_be_given_back_is_said)
{
    struct mr_disk disk;
    prepare("one");
    failing_disk_use(FAILING_ALLOCATE, 1, ENOSPC);
    disk = *mr_disk;
    disk.truncate = no_truncate;
    mr_disk = &disk;
    cr_expect_eq(feed_open(&feed, &err), MR_ERR_OUTPUT);
    expect_sentence("cannot truncate");
    expect_sentence(strerror(EIO));
    cr_expect(!mr_error_is_no_room(&err));
}

// ---- direct writing ----------------------------------------------------------------------------
static bool says_nothing(int fd, uint32_t *memory_bytes, uint32_t *offset_bytes)
{
    (void)fd, (void)memory_bytes, (void)offset_bytes;
    return false;
}
static bool memory_in_large_units(int fd, uint32_t *memory_bytes, uint32_t *offset_bytes)
{
    (void)fd;
    *memory_bytes = 16384;
    *offset_bytes = 512;
    return true;
}

static int open_direct(bool (*direct_units)(int fd, uint32_t *memory_bytes, uint32_t *offset_bytes))
{
    struct mr_disk disk = *mr_disk;
    if (direct_units)
        disk.direct_units = direct_units;
    mr_disk = &disk;
    prepare("one");
    feed.options.direct = true;
    feed.options.existing = MR_EXISTING_REPLACE;
    int code = feed_open(&feed, &err);
    if (code == MR_OK)
        feed_drop(&feed);
    failing_disk_leave();
    return code;
}

Test(segment_files, direct_writing_in_units_that_are_too_large)
{
    failing_disk_use(FAILING_NONE, 0, 0);
    failing_disk.units_bytes = 8192;
    cr_expect_eq(open_direct(NULL), MR_ERR_OUTPUT);
    expect_sentence("writes directly only in units of 8192 bytes, expected at most 4096");
    cr_expect_eq(open_direct(memory_in_large_units), MR_ERR_OUTPUT);
    expect_sentence("writes directly only in units of 16384 bytes, expected at most 4096");
    failing_disk_use(FAILING_NONE, 0, 0);
    failing_disk.no_direct = true;
    cr_expect_eq(open_direct(NULL), MR_ERR_OUTPUT);
    expect_sentence("cannot be written past the page cache here");
}

Test(segment_files, direct_writing_where_the_kernel_does_not_say_in_which_units)
{
    cr_expect_eq(open_direct(says_nothing), MR_OK, "%s", err.text);
}

// Each call that opens for direct writing: the open itself, and the lock that is its own.
Test(segment_files, direct_writing_that_is_refused)
{
    static const enum failing_call calls[] = {FAILING_OPEN, FAILING_LOCK};
    if (open_direct(says_nothing) != MR_OK)
        cr_skip("files cannot be written directly here: %s", err.text);
    for (unsigned i = 0; i < MR_COUNT_OF(calls); i++) {
        unsigned at = 0;
        do {
            failing_disk_use(calls[i], ++at, EIO);
            int code = open_direct(says_nothing);
            cr_assert_eq(code != MR_OK, failing_disk.failed, "%s %u", failing_names[calls[i]], at);
            if (code != MR_OK)
                cr_expect_not_null(strstr(err.text, strerror(EIO)), "%s", err.text);
        } while (failing_disk.failed);
        cr_expect_gt(at, 2);
    }
}

// ---- what a power cut leaves -------------------------------------------------------------------
static void cut_off(unsigned records, int durability)
{
    prepare("one");
    feed.options.durability = durability;
    cr_assert_eq(feed_open(&feed, &err), MR_OK, "%s", err.text);
    cr_assert_eq(feed_records(&feed, records, 10, &err), MR_OK, "%s", err.text);
    feed_drop(&feed);
}

static int take_up(int durability)
{
    prepare("one");
    feed.options.durability = durability;
    feed.run.resume = MR_RESUME_AGAIN;
    return feed_open(&feed, &err);
}

static void finish_again(void)
{
    cr_assert_eq(feed_records(&feed, RECORDS, 10, &err), MR_OK, "%s", err.text);
    feed_finish(&feed);
    feed_check_same(directory, "whole", "one");
}

static int no_allocate(int fd, uint64_t bytes)
{
    (void)fd, (void)bytes;
    errno = ENOSPC;
    return -1;
}

// Its room cannot be had again: the stream meets that when it comes there, and what is free is enough till then.
Test(segment_files, taken_up_without_room)
{
    write_journal("whole");
    cut_off(100, MR_DURABILITY_BATCH);
    failing_disk_use(FAILING_ALLOCATE, 1, ENOSPC);
    cr_assert_eq(take_up(MR_DURABILITY_BATCH), MR_OK, "%s", err.text);
    cr_expect(failing_disk.failed);
    finish_again();
}

Test(segment_files, taken_up_and_not_cut_again)
{
    cut_off(100, MR_DURABILITY_BATCH);
    failing_disk_use(FAILING_TRUNCATE, 2,
                     EIO); // the first one cuts to the end, this one what was allocated
    struct mr_disk disk = *mr_disk;
    disk.allocate = no_allocate;
    mr_disk = &disk;
    cr_assert_eq(take_up(MR_DURABILITY_BATCH), MR_ERR_OUTPUT);
    cr_expect(failing_disk.failed);
    expect_sentence("cannot cut to");
    expect_sentence(strerror(EIO));
}

static void segment_path(uint64_t base, char path[512])
{
    char journal[480];
    snprintf(journal, sizeof journal, "%s/one", directory);
    mr_journal_segment_path(journal, base, path, 512);
}

static void lose_header(uint64_t base)
{
    char path[512];
    segment_path(base, path);
    cr_assert_eq(truncate(path, 0), 0);
    cr_assert_eq(truncate(path, HEADER_BYTES), 0);
}

// A segment that was begun and whose header did not reach the disk is none, and goes.
Test(segment_files, taken_up_before_a_header_that_is_lost)
{
    write_journal("whole");
    cut_off(RECORDS - 20, MR_DURABILITY_NONE); // in the second segment
    lose_header(2 * FEED_LAP);
    cr_assert_eq(take_up(MR_DURABILITY_NONE), MR_OK, "%s", err.text);
    finish_again();
}

Test(segment_files, nothing_that_could_be_kept)
{
    struct mr_segment_files files = {.sync = true};
    char path[512];
    cut_off(10, MR_DURABILITY_BATCH);
    lose_header(0);
    snprintf(path, sizeof path, "%s/one", directory);
    cr_assert_eq(mr_segment_files_open(&files, path, &err), MR_OK);
    cr_expect_eq(mr_segment_files_keep(&files, 4000, &err), MR_ERR_CORRUPT);
    expect_sentence("found no segment that holds position 4000");
    segment_path(0, path);
    cr_expect_eq(access(path, F_OK), 0, "it is not removed");
    mr_segment_files_close(&files);
}
