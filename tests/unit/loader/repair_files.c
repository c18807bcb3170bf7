// SPDX-License-Identifier: Apache-2.0
// What a repair does to single files: where their bytes end, which names what is cut gets, and that nothing is cut which
// is not saved; a disk that keeps nothing of what it is given ends in an error.
#include "consumers/loader/journal_repair_files.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/support/failing_disk.h"
#include "tests/support/journal_bytes.h"
#include "tests/support/whole_repair.h"

#define HEADER_BYTES 4096
#define SEGMENT_BYTES (2u << 20)
#define RECORDS 12
#define MANY 60 // records, more bytes than are read at once
#define BAD 3   // the record that is damaged

static struct mr_schema_set schemas;
static char *directory;
static struct mr_error err;
static char segment[512];
static uint64_t starts[MANY + 1];

static void set_up(void)
{
    schemas = mr_test_schemas();
    directory = mr_test_directory();
    mr_journal_segment_path(directory, 0, segment, sizeof segment);
    failing_disk_leave();
}
static void tear_down(void)
{
    failing_disk_leave();
    mr_test_remove_directory(directory);
    mr_schema_set_clear(&schemas);
}
TestSuite(repair_files, .init = set_up, .fini = tear_down, .timeout = 120);

static void expect_sentence(const char *sentence)
{
    cr_expect_not_null(strstr(err.text, sentence), "%s: expected %s", err.text, sentence);
    cr_expect_not_null(strstr(err.text, directory), "%s", err.text);
}

// ---- where bytes end ---------------------------------------------------------------------------
#define FILE_BYTES 200003 // several pieces, and no multiple of 8

static uint64_t data_end(uint64_t last, uint64_t from)
{
    static uint8_t bytes[FILE_BYTES];
    char path[512];
    uint64_t end = 0;
    snprintf(path, sizeof path, "%s/data", directory);
    memset(bytes, 0, sizeof bytes);
    bytes[0] = bytes[last] = 1;
    mr_test_write_file(path, bytes, sizeof bytes);
    cr_assert_eq(mr_repair_data_end(path, from, &end, &err), MR_OK, "%s", err.text);
    return end;
}

Test(repair_files, data_ends_behind_its_last_byte)
{
    static const uint64_t places[] = {8,
                                      15,
                                      16,
                                      3000,
                                      65535,
                                      65536,
                                      131072,
                                      199999,
                                      FILE_BYTES / 2,
                                      FILE_BYTES - 9,
                                      FILE_BYTES - 1};
    for (unsigned i = 0; i < MR_COUNT_OF(places); i++) {
        uint64_t behind = mr_min_u64(mr_align_up(places[i] + 1, 8), FILE_BYTES);
        cr_expect_eq(data_end(places[i], 8), behind, "byte %" PRIu64, places[i]);
        cr_expect_eq(data_end(places[i], places[i] / 8 * 8), behind, "byte %" PRIu64, places[i]);
        if (behind < FILE_BYTES)
            cr_expect_eq(data_end(places[i], behind), behind, "nothing is behind it");
    }
    cr_expect_eq(data_end(0, FILE_BYTES), FILE_BYTES);
}

Test(repair_files, data_that_cannot_be_read)
{
    char path[512];
    uint64_t end;
    snprintf(path, sizeof path, "%s/data", directory);
    cr_expect_eq(mr_repair_data_end(path, 0, &end, &err), MR_ERR_INPUT);
    expect_sentence(strerror(ENOENT));
    data_end(0, 0);
    failing_disk_use(FAILING_READ, 2, EIO);
    cr_expect_eq(mr_repair_data_end(path, 8, &end, &err), MR_ERR_INPUT);
    expect_sentence("data: byte 68931: ");
    failing_disk_use(FAILING_STATUS_OF, 1, EIO);
    cr_expect_eq(mr_repair_data_end(path, 8, &end, &err), MR_ERR_INPUT);
    expect_sentence(strerror(EIO));
}

// ---- a journal to be cut -----------------------------------------------------------------------
// One segment of large records, of which one is damaged: what is cut takes several pieces.
static void write_damaged_of(uint32_t records)
{
    static uint8_t stream[SEGMENT_BYTES];
    for (uint32_t i = 0; i < records; i++)
        starts[i + 1] =
            starts[i] + mr_test_record(&schemas, starts[i], i, 30000, stream + starts[i]);
    stream[starts[BAD] + 100] ^= 1;
    mr_test_segment(directory, &schemas, 0, 0, SEGMENT_BYTES, stream, starts[records],
                    starts[records]);
}

static void write_damaged(void)
{
    write_damaged_of(RECORDS);
}

static void damage_header(void)
{
    mr_test_change_file(segment, 40, 1);
}

static void cut_path(const char *behind, char path[600])
{
    char name[512];
    mr_journal_segment_path(directory, starts[BAD], name, sizeof name);
    snprintf(path, 600, "%s.cut%s", name, behind);
}

// Records of a file, from `first` on one behind the other, the damaged one passed over; returns the one that would be next.
static unsigned read_records(const char *path, unsigned first)
{
    struct mr_journal journal;
    const struct mr_record *record;
    cr_assert_eq(mr_journal_open(&journal, path, &err), MR_OK, "%s", err.text);
    do {
        while ((record = mr_journal_next(&journal)) != NULL)
            cr_assert_eq(record->sequence, first++);
        first += first == BAD;
    } while (mr_journal_resync(&journal, NULL, NULL));
    mr_journal_close(&journal);
    return first;
}

static void expect_repaired(const char *behind)
{
    char path[600];
    cut_path(behind, path);
    cr_expect_eq(read_records(segment, 0), BAD + 1);
    cr_expect_eq(read_records(path, BAD + 1), RECORDS);
}

// What a repair that was killed just behind its saving leaves: the .cut file, and the journal as it was.
static uint8_t *leave_saved(size_t *bytes)
{
    char path[600];
    write_damaged();
    cr_assert_eq(repair_wholly(directory, &err), MR_OK, "%s", err.text);
    expect_repaired("");
    write_damaged();
    cut_path("", path);
    return mr_test_read_file(path, bytes);
}

static bool is_there(const char *behind)
{
    char path[600];
    cut_path(behind, path);
    return access(path, F_OK) == 0;
}

Test(repair_files, what_was_saved_is_not_saved_again)
{
    size_t bytes;
    free(leave_saved(&bytes));
    cr_assert_eq(repair_wholly(directory, &err), MR_OK, "%s", err.text);
    expect_repaired("");
    cr_expect(!is_there(".1"));
}

// A .cut file that holds something else stays as it is, however little it differs.
Test(repair_files, what_is_there_is_not_overwritten)
{
    size_t bytes;
    char path[600], next[600];
    uint8_t *saved = leave_saved(&bytes);
    const size_t places[] = {0, 50, HEADER_BYTES, HEADER_BYTES + 70000, bytes - 1};
    cut_path("", path);
    cut_path(".1", next);
    for (unsigned i = 0; i <= MR_COUNT_OF(places); i++) {
        size_t length = i < MR_COUNT_OF(places) ? bytes : bytes - 8, found;
        if (i < MR_COUNT_OF(places))
            saved[places[i]] ^= 1;
        mr_test_write_file(path, saved, length);
        write_damaged();
        cr_assert_eq(repair_wholly(directory, &err), MR_OK, "%s", err.text);
        expect_repaired(".1");
        uint8_t *after = mr_test_read_file(path, &found);
        cr_assert(found == length && memcmp(after, saved, length) == 0, "case %u", i);
        free(after);
        if (i < MR_COUNT_OF(places))
            saved[places[i]] ^= 1;
        cr_assert_eq(unlink(next), 0);
    }
    free(saved);
}

// One that cannot be looked at counts as something else; nothing is cut before it is saved, wherever.
Test(repair_files, each_call_over_what_was_saved_may_fail)
{
    static const enum failing_call calls[] = {FAILING_OPEN, FAILING_READ, FAILING_STATUS_OF,
                                              FAILING_STATUS};
    for (unsigned i = 0; i < MR_COUNT_OF(calls); i++) {
        unsigned at = 0, elsewhere = 0;
        do {
            size_t bytes;
            char next[600];
            free(leave_saved(&bytes));
            failing_disk_use(calls[i], ++at, EIO);
            int code = repair_wholly(directory, &err);
            failing_disk_leave();
            cr_assert(code == MR_OK || failing_disk.failed, "%s", err.text);
            if (code != MR_OK)
                cr_assert_eq(repair_wholly(directory, &err), MR_OK, "%s %u: %s",
                             failing_names[calls[i]], at, err.text);
            cut_path(".1", next);
            expect_repaired("");
            if (unlink(next) == 0)
                elsewhere++;
        } while (failing_disk.failed);
        cr_expect_gt(at, 3, "%s", failing_names[calls[i]]);
        // Without its status it is there, and it is the same.
        cr_expect_eq(elsewhere > 0, calls[i] != FAILING_STATUS, "%s", failing_names[calls[i]]);
    }
}

// What is read in the middle of a file, too: it is said, nothing is lost, and done again it comes to the same end.
Test(repair_files, each_read_of_much_may_fail)
{
    unsigned at = 0, errors = 0;
    do {
        char path[600];
        write_damaged_of(MANY);
        failing_disk_use(FAILING_READ, ++at, EIO);
        int code = repair_wholly(directory, &err);
        failing_disk_leave();
        cr_assert(code == MR_OK || failing_disk.failed, "%u: %s", at, err.text);
        errors += code != MR_OK;
        if (code != MR_OK)
            expect_sentence(strerror(EIO));
        cr_assert_eq(repair_wholly(directory, &err), MR_OK, "%u: %s", at, err.text);
        cut_path("", path);
        cr_assert_eq(read_records(segment, 0), BAD + 1);
        cr_assert_eq(read_records(path, BAD + 1), MANY);
        cr_assert_eq(unlink(path), 0);
    } while (failing_disk.failed);
    cr_expect_gt(errors, 30);
}

// ---- names -------------------------------------------------------------------------------------
static int all_are_there(const char *path, struct mr_disk_status *out)
{
    return mr_disk_real.status(strstr(path, ".cut") ? directory : path, out);
}

static void expect_nothing_changed(const uint8_t *before, size_t bytes)
{
    size_t found;
    uint8_t *after = mr_test_read_file(segment, &found);
    cr_expect(found == bytes && memcmp(before, after, bytes) == 0);
    free(after);
}

// Without a free name nothing is cut, moved or made again.
Test(repair_files, every_name_is_taken)
{
    struct mr_disk disk = *mr_disk;
    disk.status = all_are_there;
    for (unsigned headers = 0; headers < 3; headers++) {
        size_t bytes;
        write_damaged();
        if (headers > 0)
            damage_header(); // alone: the segment is moved
        if (headers > 1)     // or made again from this one
            mr_test_segment(directory, &schemas, SEGMENT_BYTES, starts[RECORDS], SEGMENT_BYTES,
                            (const uint8_t *)"", 0, UINT64_MAX);
        uint8_t *before = mr_test_read_file(segment, &bytes);
        mr_disk = &disk;
        cr_expect_eq(repair_wholly(directory, &err), MR_ERR_OUTPUT);
        failing_disk_leave();
        expect_sentence("found 10000 .cut files, expected fewer");
        expect_nothing_changed(before, bytes);
        free(before);
    }
}

// ---- a disk that lies --------------------------------------------------------------------------
static ssize_t keeps_nothing(int fd, const void *bytes, size_t length, uint64_t at)
{
    (void)fd, (void)bytes, (void)at;
    return (ssize_t)length;
}

Test(repair_files, a_disk_that_keeps_nothing)
{
    struct mr_disk disk = *mr_disk;
    size_t bytes;
    write_damaged();
    uint8_t *file = mr_test_read_file(segment, &bytes);
    file[starts[BAD] + HEADER_BYTES + 100] ^= 1; // whole again,
    file[HEADER_BYTES - 12] ^= 1;                // but for the mark
    mr_test_write_file(segment, file, bytes);
    disk.write = keeps_nothing;
    mr_disk = &disk;
    cr_expect_eq(repair_wholly(directory, &err), MR_ERR_INTERNAL);
    expect_sentence("found damage after 12 rounds of repair");
    expect_nothing_changed(file, bytes);
    free(file);
}
