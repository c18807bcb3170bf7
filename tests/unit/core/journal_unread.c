// SPDX-License-Identifier: Apache-2.0
// Long segments on a disk that does not give some of their bytes: whichever read it is, reading stops there with file
// and cause, and nothing is said of what was not seen: no end, no torn tail, no damage but that.
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/journal_file.h"
#include "tests/support/failing_disk.h"
#include "tests/support/journal_bytes.h"

#define SEGMENT_BYTES (4u << 20)
#define HEADER_BYTES 4096
#define WINDOW_BYTES (1u << 20) // of a reader
#define NOTE_BYTES 1500
#define RECORDS_MAX 2048

static struct mr_schema_set schemas;
static char *directory;
static char path[512];
static uint8_t *stream; // all of the segment
static uint64_t starts[RECORDS_MAX];
static unsigned records;
static uint64_t end_pos;

static void put_records(uint64_t until)
{
    for (; end_pos + 2000 < until; records++) {
        starts[records] = end_pos;
        end_pos += mr_test_record(&schemas, end_pos, records, NOTE_BYTES, stream + end_pos);
    }
}

static void set_up(void)
{
    schemas = mr_test_schemas();
    directory = mr_test_directory();
    mr_journal_segment_path(directory, 0, path, sizeof path);
    stream = calloc(1, SEGMENT_BYTES);
    cr_assert_not_null(stream);
    records = 0;
    end_pos = 0;
}
static void tear_down(void)
{
    failing_disk_leave();
    mr_test_remove_directory(directory);
    mr_schema_set_clear(&schemas);
    free(stream);
}
TestSuite(journal_unread, .init = set_up, .fini = tear_down, .timeout = 60);

static void write_segment(void)
{
    mr_test_segment(directory, &schemas, 0, 0, SEGMENT_BYTES, stream, SEGMENT_BYTES, UINT64_MAX);
}

static void expect_told(const struct mr_error *err)
{
    cr_expect_eq(err->code, MR_ERR_INPUT, "%s", err->text);
    cr_expect_eq(strncmp(err->text, path, strlen(path)), 0, "%s", err->text);
    cr_expect_not_null(strstr(err->text, ": byte "), "%s", err->text);
    cr_expect_not_null(strstr(err->text, strerror(EIO)), "%s", err->text);
    cr_expect_eq(err->os_errno, EIO);
}

// Reads all with each read refused in turn. Returns how many reads it takes; the last time, which none is refused,
// ends in `stop`.
static unsigned sweep(enum mr_journal_stop stop)
{
    for (unsigned at = 1;; at++) {
        struct mr_journal journal;
        struct mr_error err = {0};
        unsigned count = 0;
        failing_disk_use(FAILING_READ, at, EIO);
        if (mr_journal_open(&journal, path, &err) != MR_OK) {
            expect_told(&err);
            continue;
        }
        while (mr_journal_next(&journal))
            cr_assert_eq(journal.record_position, starts[count++]);
        if (failing_disk.failed) {
            cr_expect_eq(journal.stop, MR_JOURNAL_DAMAGED);
            cr_expect_eq(journal.fault.kind, MR_JOURNAL_FAULT_READ, "read %u: %s", at,
                         journal.problem.text);
            cr_expect_eq(journal.fault.byte, HEADER_BYTES + journal.position);
            expect_told(&journal.problem);
        } else {
            cr_expect_eq(journal.stop, stop, "%s", journal.problem.text);
            cr_expect_eq(count, records);
            cr_expect_eq(journal.position, end_pos);
        }
        mr_journal_close(&journal);
        cr_expect_eq(failing_disk.open_files, 0);
        if (!failing_disk.failed)
            return at - 1;
    }
}

Test(journal_unread, records_and_preallocated_zeroes)
{
    put_records(5 * WINDOW_BYTES / 2);
    write_segment();
    cr_expect_geq(sweep(MR_JOURNAL_END), SEGMENT_BYTES / WINDOW_BYTES, "every window once");
}

// ---- behind a bad place ------------------------------------------------------------------------
// Looks like a record of this length, and is none.
static void put_likely(uint64_t at, uint32_t length, uint8_t flags)
{
    struct mr_record *record = (struct mr_record *)(void *)(stream + at);
    mr_record_init(schemas.schemas[0], record);
    record->length = length;
    record->flags = flags;
    record->checksum = 1;
}

// What a search for valid records meets: bytes, zeroes whose end is that of a reader's window, what looks like records
// (one longer than a window, one too short for its fields, a padding), and bytes to the end.
static void put_garbage(void)
{
    const uint64_t page = 3 * MR_PAGE_BYTES, window_end = WINDOW_BYTES - HEADER_BYTES;
    memset(stream + end_pos, 0xA5, SEGMENT_BYTES - end_pos);
    memset(stream + page, 0, window_end - 8 - page);
    put_likely(end_pos + 512, MR_ENVELOPE_BYTES, 0);
    put_likely(end_pos + 1024, MR_ENVELOPE_BYTES, MR_FLAG_PADDING);
    put_likely(window_end + 512, 3 * WINDOW_BYTES / 2, 0);
}

Test(journal_unread, a_torn_tail)
{
    put_records(3 * MR_PAGE_BYTES - 2000);
    put_garbage();
    write_segment();
    cr_expect_gt(sweep(MR_JOURNAL_TORN), SEGMENT_BYTES / WINDOW_BYTES);
}

Test(journal_unread, a_torn_tail_of_which_the_length_is_asked)
{
    put_records(3 * MR_PAGE_BYTES - 2000);
    put_garbage();
    write_segment();
    for (unsigned at = 1, refused = 0;; at++) {
        struct mr_journal_tail tail;
        struct mr_error err = {0};
        failing_disk_use(FAILING_READ, at, EIO);
        int code = mr_journal_find_tail(directory, &tail, &err);
        cr_expect_eq(failing_disk.open_files, 0);
        if (code == MR_OK) { // what is forgotten first only makes it surer
            cr_expect_eq(tail.end_pos, end_pos);
            cr_expect_eq(tail.torn_bytes, SEGMENT_BYTES - end_pos);
        } else {
            refused++;
            cr_expect_eq(code, MR_ERR_INPUT);
            expect_told(&err);
        }
        if (!failing_disk.failed) {
            cr_expect_gt(refused, 2 * SEGMENT_BYTES / WINDOW_BYTES, "it is read twice");
            break;
        }
    }
}

// What cannot be looked at is passed over, and the reason why reading stopped stays the one that it was.
Test(journal_unread, no_way_on)
{
    put_records(3 * MR_PAGE_BYTES - 2000);
    put_garbage();
    write_segment();
    for (unsigned at = 1;; at++) {
        struct mr_journal journal;
        char before[sizeof journal.problem.text];
        cr_assert_eq(mr_journal_open(&journal, path, NULL), MR_OK);
        while (mr_journal_next(&journal))
            continue;
        memcpy(before, journal.problem.text, sizeof before);
        failing_disk_use(FAILING_READ, at, EIO);
        cr_expect(!mr_journal_resync(&journal, NULL, NULL));
        cr_expect_str_eq(journal.problem.text, before);
        cr_expect_eq(journal.stop, MR_JOURNAL_TORN);
        mr_journal_close(&journal);
        failing_disk_leave();
        if (!failing_disk.failed) {
            cr_expect_gt(at, 4);
            break;
        }
    }
}

// ---- the way there -----------------------------------------------------------------------------
// Where the place itself cannot be read at first, the way from the segment's beginning leads there.
Test(journal_unread, seek_goes_the_long_way)
{
    struct mr_journal journal;
    struct mr_error err = {0};
    put_records(5 * WINDOW_BYTES / 2);
    write_segment();
    const unsigned wanted = records - 10;
    cr_assert_eq(mr_journal_open(&journal, path, &err), MR_OK, "%s", err.text);
    failing_disk_use(FAILING_READ, 1, EIO);
    cr_expect_eq(mr_journal_seek(&journal, starts[wanted], &err), MR_ERR_INPUT);
    expect_told(&err);
    failing_disk_use(FAILING_READ, 2, EIO);
    cr_assert_eq(mr_journal_seek(&journal, starts[wanted], &err), MR_OK, "%s", err.text);
    cr_expect(failing_disk.failed);
    cr_assert_eq(mr_journal_next(&journal)->sequence, wanted);
    cr_expect_eq(journal.record_position, starts[wanted]);
    failing_disk_use(FAILING_READ, 2, EIO);
    cr_assert_eq(mr_journal_seek(&journal, starts[wanted] + 8, &err), MR_OK, "%s", err.text);
    cr_assert_eq(mr_journal_next(&journal)->sequence, wanted + 1, "no record begins there");
    failing_disk_use(FAILING_READ, 2, EIO);
    failing_disk.forever = true;
    cr_assert_eq(mr_journal_seek(&journal, starts[wanted], &err), MR_OK, "%s", err.text);
    cr_expect_null(mr_journal_next(&journal));
    cr_expect_eq(journal.fault.kind, MR_JOURNAL_FAULT_READ);
    expect_told(&journal.problem);
    mr_journal_close(&journal);
}

Test(journal_unread, the_whole_end)
{
    put_records(5 * WINDOW_BYTES / 2);
    write_segment();
    for (unsigned at = 1, refused = 0;; at++) {
        struct mr_error err = {0};
        uint64_t found_pos = 0, without_text_pos;
        failing_disk_use(FAILING_READ, at, EIO);
        int code = mr_journal_whole_end(directory, 0, &found_pos, &err);
        bool failed = failing_disk.failed;
        failing_disk_use(FAILING_READ, at, EIO);
        cr_expect_eq(mr_journal_whole_end(directory, 0, &without_text_pos, NULL), code);
        if (!failed) {
            cr_expect_eq(code, MR_OK, "%s", err.text);
            cr_expect_eq(found_pos, end_pos);
            cr_expect_geq(refused, SEGMENT_BYTES / WINDOW_BYTES);
            break;
        }
        refused++;
        cr_expect_eq(code, MR_ERR_INPUT);
        expect_told(&err);
    }
}

// ---- holes -------------------------------------------------------------------------------------
// Bytes behind a hole are found, whether or not the file system says where it is.
Test(journal_unread, what_stands_behind_a_hole)
{
    const uint64_t behind = 3u << 20;
    for (int can_say = 0; can_say < 2; can_say++) {
        struct mr_journal_file file;
        struct mr_error err = {0};
        uint64_t found_pos = 0;
        mr_test_segment(directory, &schemas, 0, 0, SEGMENT_BYTES, stream, 0, UINT64_MAX);
        int fd = mr_disk_real.open(path, 2);
        cr_assert_eq(mr_disk_real.write(fd, "end", 3, HEADER_BYTES + behind), 3);
        mr_disk_real.close(fd);
        failing_disk_use(can_say ? FAILING_NONE : FAILING_SKIP_HOLE, 1, EINVAL);
        failing_disk.forever = true;
        cr_assert_eq(mr_journal_file_open(&file, path, NULL, &err), MR_OK, "%s", err.text);
        cr_expect_eq(mr_journal_file_skip_zeroes(&file, 64, &found_pos, &err), MR_OK);
        cr_expect_eq(found_pos, behind, "can say: %d", can_say);
        mr_journal_file_close(&file);
    }
}
