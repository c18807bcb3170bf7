// SPDX-License-Identifier: Apache-2.0
// Where a journal ends of which nothing is known to be durable, and other verdicts on what a power cut, a bad disk or a
// stranger may leave: the end is the longest valid run, and what cannot be read is never called an end.
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/journal_file.h"
#include "tests/support/failing_disk.h"
#include "tests/support/journal_bytes.h"

#define LAP 65536
#define SEGMENTS 3
#define EACH 6
#define HEADER_BYTES 4096

static struct mr_schema_set schemas;
static char *directory;
static uint64_t ends[SEGMENTS], starts[SEGMENTS * EACH];
static uint8_t lap[LAP];

static void path_of(unsigned segment, char path[512])
{
    mr_journal_segment_path(directory, (uint64_t)segment * LAP, path, 512);
}

static void set_up(void)
{
    schemas = mr_test_schemas();
    directory = mr_test_directory();
    for (unsigned s = 0; s < SEGMENTS; s++) {
        uint64_t base = (uint64_t)s * LAP, at = base;
        for (uint32_t i = s * EACH; i < (s + 1) * EACH; i++) {
            starts[i] = at;
            at += mr_test_record(&schemas, at, i, 50, lap + at - base);
        }
        ends[s] = at;
        mr_test_segment(directory, &schemas, base, s ? ends[s - 1] : 0, LAP, lap, at - base,
                        UINT64_MAX);
    }
}
static void tear_down(void)
{
    failing_disk_leave();
    mr_test_remove_directory(directory);
    mr_schema_set_clear(&schemas);
}
TestSuite(journal_whole, .init = set_up, .fini = tear_down, .timeout = 60);

static void change(unsigned segment, uint64_t at, uint8_t bits)
{
    char path[512];
    path_of(segment, path);
    mr_test_change_file(path, at, bits);
}

static uint64_t whole_end(uint64_t from_pos)
{
    struct mr_error err = {0};
    uint64_t end = 1;
    cr_assert_eq(mr_journal_whole_end(directory, from_pos, &end, &err), MR_OK, "%s", err.text);
    return end;
}

Test(journal_whole, is_the_end_of_the_last_segment)
{
    cr_expect_eq(whole_end(0), ends[2]);
    cr_expect_eq(whole_end(LAP), ends[2]);
    cr_expect_eq(whole_end(LAP + 1), ends[2]);
    cr_expect_eq(whole_end(100 * LAP), ends[2]);
}

Test(journal_whole, none_ends_at_zero)
{
    uint64_t end = 1;
    char path[512];
    snprintf(path, sizeof path, "%s/none", directory);
    cr_expect_eq(mr_journal_whole_end(path, 0, &end, NULL), MR_OK);
    cr_expect_eq(end, 0);
    for (unsigned i = 0; i < SEGMENTS; i++) {
        path_of(i, path);
        cr_assert_eq(unlink(path), 0);
    }
    cr_expect_eq(whole_end(0), 0);
}

Test(journal_whole, ends_before_the_first_bad_record)
{
    change(1, HEADER_BYTES + starts[EACH + 2] - LAP + 40, 1);
    cr_expect_eq(whole_end(0), starts[EACH + 2], "the third segment does not follow that");
    cr_expect_eq(whole_end(2 * LAP), ends[2],
                 "asked for from the third on, what stands there counts");
}

Test(journal_whole, ends_before_a_header_that_is_lost)
{
    change(1, 40, 1);
    cr_expect_eq(whole_end(0), ends[0]);
    cr_expect_eq(whole_end(LAP), ends[0], "one that does not read is as good as none");
}

Test(journal_whole, ends_before_a_gap)
{
    char path[512];
    path_of(1, path);
    cr_assert_eq(unlink(path), 0);
    cr_expect_eq(whole_end(0), ends[0]);
}

// What was read before is not there any longer, or its first header is not: then nothing is known of it.
Test(journal_whole, of_a_segment_that_is_lost)
{
    char path[512];
    change(0, 40, 1);
    cr_expect_eq(whole_end(0), 0, "the first header does not read, and nothing comes before it");
    path_of(0, path);
    cr_assert_eq(unlink(path), 0);
    cr_expect_eq(whole_end(0), 0);
    cr_expect_eq(whole_end(LAP - 1), 0);
    cr_expect_eq(whole_end(LAP), ends[2], "from there on all is there");
}

// Each call in turn: an error with file and cause, or the right end.
Test(journal_whole, a_disk_that_refuses_is_no_end)
{
    static const enum failing_call calls[] = {FAILING_OPEN,   FAILING_READ,      FAILING_LIST,
                                              FAILING_STATUS, FAILING_STATUS_OF, FAILING_LOCK};
    for (unsigned i = 0; i < MR_COUNT_OF(calls); i++)
        for (unsigned at = 1;; at++) {
            struct mr_error err = {0};
            uint64_t end = 0;
            failing_disk_use(calls[i], at, EIO);
            int code = mr_journal_whole_end(directory, 0, &end, &err);
            if (!failing_disk.failed)
                break;
            if (code == MR_OK) {
                cr_expect_eq(end, ends[2], "%s %u", failing_names[calls[i]], at);
                continue;
            }
            cr_expect(code == MR_ERR_INPUT || code == MR_ERR_OUTPUT, "%s %u: %s",
                      failing_names[calls[i]], at, err.text);
            cr_expect_not_null(strstr(err.text, directory), "%s", err.text);
            cr_expect_not_null(strstr(err.text, strerror(EIO)), "%s", err.text);
        }
}

// A journal that may be read and not written: no loader of this user is at it, so there is nobody to wait for.
Test(journal_whole, of_another_user)
{
    static const int reasons[] = {EACCES, EROFS, EPERM};
    for (unsigned i = 0; i < MR_COUNT_OF(reasons); i++) {
        uint64_t end = 0;
        failing_disk_use(FAILING_OPEN, 1, reasons[i]);
        cr_expect_eq(mr_journal_whole_end(directory, 0, &end, NULL), MR_OK);
        cr_expect(failing_disk.failed);
        cr_expect_eq(end, ends[2]);
    }
}

// ---- the search behind a bad place -------------------------------------------------------------
// A disk that refuses while a verdict is looked for: torn is said only of what is known to be so.
Test(journal_whole, what_cannot_be_looked_at_is_not_called_torn)
{
    char path[512];
    path_of(2, path);
    change(2, HEADER_BYTES + starts[2 * EACH + 2] - 2 * LAP + 40, 1);
    cr_assert_eq(truncate(path, HEADER_BYTES + 3 * 1048576), 0);
    for (unsigned at = 1;; at++) {
        struct mr_journal journal;
        struct mr_error err = {0};
        failing_disk_use(FAILING_READ, at, EIO);
        int code = mr_journal_open(&journal, path, &err);
        if (code == MR_OK) {
            while (mr_journal_next(&journal))
                continue;
            cr_expect_eq(journal.stop, MR_JOURNAL_DAMAGED, "read %u: %s", at, journal.problem.text);
            mr_journal_close(&journal);
        }
        if (!failing_disk.failed)
            break;
    }
}

// Large lengths, one behind the other, with nothing valid behind them: the search gives up instead of hashing
// forever, and what it has not seen the end of counts as damaged.
Test(journal_whole, a_search_gives_up)
{
    const size_t bytes = 4u << 20;
    uint8_t *stream = calloc(1, bytes);
    struct mr_journal journal;
    struct mr_error err;
    cr_assert_not_null(stream);
    mr_test_record(&schemas, 0, 0, 50, stream);
    for (size_t at = 0; at + 64 < bytes;
         at += 32) { // each looks like a record of half of what is left
        struct mr_record *record = (struct mr_record *)(void *)(stream + at);
        mr_record_init(schemas.schemas[0], stream + at);
        record->length = (uint32_t)((bytes - at) / 2);
        record->checksum = 1;
    }
    mr_test_remove_directory(directory);
    directory = mr_test_directory();
    mr_test_segment(directory, &schemas, 0, 0, bytes, stream, bytes, UINT64_MAX);
    cr_assert_eq(mr_journal_open(&journal, directory, &err), MR_OK, "%s", err.text);
    cr_expect_null(mr_journal_next(&journal));
    cr_expect_eq(journal.stop, MR_JOURNAL_DAMAGED, "%s", journal.problem.text);
    cr_expect(!mr_journal_resync(&journal, NULL, NULL));
    mr_journal_close(&journal);
    free(stream);
}

// ---- the way on over segments ------------------------------------------------------------------
Test(journal_whole, resync_passes_over_segments)
{
    struct mr_journal journal;
    struct mr_error err;
    uint64_t from = 0, to = 0;
    unsigned count = 0;
    struct mr_schema_set other = mr_test_schemas();
    change(0, HEADER_BYTES + starts[EACH - 1] + 40, 1);
    change(1, 40, 1); // a header that is lost ...
    mr_test_segment(directory, &other, 3 * LAP, ends[2], LAP, lap, ends[2] - 2 * LAP, UINT64_MAX);
    other.schemas[0]->name[0] = 'S'; // ... and behind the sound one other schemas
    mr_schema_seal(other.schemas[0]);
    mr_test_segment(directory, &other, 3 * LAP, ends[2], LAP, lap, ends[2] - 2 * LAP, UINT64_MAX);
    cr_assert_eq(mr_journal_open(&journal, directory, &err), MR_OK, "%s", err.text);
    while (mr_journal_next(&journal))
        count++;
    cr_expect_eq(count, EACH - 1);
    cr_expect_eq(journal.stop, MR_JOURNAL_DAMAGED);
    cr_expect_not_null(strstr(journal.problem.text, "segments follow"), "%s", journal.problem.text);
    cr_assert(mr_journal_resync(&journal, &from, &to));
    cr_expect_eq(from, starts[EACH - 1]);
    cr_expect_eq(to, 2 * LAP);
    for (count = 0; mr_journal_next(&journal); count++)
        continue;
    cr_expect_eq(count, EACH);
    cr_expect_eq(journal.fault.kind, MR_JOURNAL_FAULT_SCHEMAS);
    cr_expect(!mr_journal_resync(&journal, NULL, NULL), "records of other schemas are not read");
    mr_journal_close(&journal);
    mr_schema_set_clear(&other);
}

// A bad mark anywhere makes of a torn tail damage: what was durable is not known then.
Test(journal_whole, a_bad_mark_and_a_torn_tail)
{
    for (unsigned marked = 0; marked < SEGMENTS; marked++) {
        struct mr_journal journal;
        char path[512];
        change(marked, HEADER_BYTES - 12, 1);
        path_of(2, path);
        cr_assert_eq(truncate(path, HEADER_BYTES + (off_t)(ends[2] - 2 * LAP) - 8), 0);
        cr_assert_eq(mr_journal_open(&journal, directory, NULL), MR_OK);
        while (mr_journal_next(&journal))
            continue;
        cr_expect_eq(journal.position, starts[SEGMENTS * EACH - 1]);
        cr_expect_eq(journal.stop, MR_JOURNAL_DAMAGED, "segment %u", marked);
        mr_journal_close(&journal);
        change(marked, HEADER_BYTES - 12, 1);
    }
}

// A file that is cut while it is read ends where it was cut.
Test(journal_whole, cut_while_it_is_read)
{
    const size_t bytes = 3u << 20;
    uint8_t *stream = calloc(1, bytes);
    struct mr_journal journal;
    char path[512];
    size_t at = 0, first = 0;
    cr_assert_not_null(stream);
    for (uint32_t i = 0; at + 2000 < bytes; i++) {
        at += mr_test_record(&schemas, at, i, 1500, stream + at);
        first = first ? first : at;
    }
    mr_test_remove_directory(directory);
    directory = mr_test_directory();
    mr_test_segment(directory, &schemas, 0, 0, 1u << 22, stream, at, UINT64_MAX);
    path_of(0, path);
    cr_assert_eq(mr_journal_open(&journal, directory, NULL), MR_OK);
    cr_assert_not_null(mr_journal_next(&journal));
    const uint64_t whole = (2u << 20) / first;
    cr_assert_eq(truncate(path, (off_t)(HEADER_BYTES + whole * first + 20)), 0);
    uint64_t count = 1;
    while (mr_journal_next(&journal))
        count++;
    cr_expect_eq(count, whole);
    cr_expect_eq(journal.position, whole * first);
    cr_expect_eq(journal.stop, MR_JOURNAL_TORN, "%s", journal.problem.text);
    mr_journal_close(&journal);
    free(stream);
}

Test(journal_whole, seek_to_the_one_segment_and_to_no_record)
{
    struct mr_journal journal;
    char path[512];
    path_of(1, path);
    cr_assert_eq(mr_journal_open(&journal, path, NULL), MR_OK);
    cr_assert_eq(mr_journal_seek(&journal, starts[EACH + 3], NULL), MR_OK);
    cr_expect_eq(mr_journal_next(&journal)->sequence, EACH + 3);
    cr_assert_eq(mr_journal_seek(&journal, starts[EACH + 3] + 8, NULL), MR_OK);
    cr_expect_eq(mr_journal_next(&journal)->sequence, EACH + 4, "no record begins there");
    cr_assert_eq(mr_journal_seek(&journal, ends[1] + 8, NULL), MR_OK);
    cr_expect_null(mr_journal_next(&journal));
    mr_journal_close(&journal);
}
