// SPDX-License-Identifier: Apache-2.0
// Reading journals from a disk that refuses: whatever call fails, it is told with file and cause, and is never
// taken for an end of the stream.
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/journal.h"
#include "tests/support/failing_disk.h"
#include "tests/support/journal_bytes.h"

#define LAP 65536
#define RECORDS 30
#define SECOND 10 // of them stand in the second segment

static struct mr_schema_set schemas;
static char *directory;
static uint64_t end_pos;
static uint64_t starts[RECORDS];

// Two segments; the second is preallocated, and its mark stands at `durable_pos` (UINT64_MAX: none).
static void write_journal(uint64_t durable_pos)
{
    static uint8_t lap[LAP];
    char path[512];
    uint64_t at = 0;
    memset(lap, 0, sizeof lap);
    for (uint32_t i = 0; i < RECORDS - SECOND; i++) {
        starts[i] = at;
        at += mr_test_record(&schemas, at, i, 100, lap + at);
    }
    mr_test_segment(directory, &schemas, 0, 0, LAP, lap, at, at);
    uint64_t first_end = at, position = LAP;
    memset(lap, 0, sizeof lap);
    for (uint32_t i = RECORDS - SECOND; i < RECORDS; i++) {
        starts[i] = position;
        position += mr_test_record(&schemas, position, i, 100, lap + position - LAP);
    }
    end_pos = position;
    mr_test_segment(directory, &schemas, LAP, first_end, LAP, lap, position - LAP, durable_pos);
    mr_journal_segment_path(directory, LAP, path, sizeof path);
    cr_assert_eq(truncate(path, 4096 + LAP), 0);
}

static void set_up(void)
{
    schemas = mr_test_schemas();
    directory = mr_test_directory();
    write_journal(UINT64_MAX);
}
static void tear_down(void)
{
    failing_disk_leave();
    mr_test_remove_directory(directory);
    mr_schema_set_clear(&schemas);
}
TestSuite(journal_refused, .init = set_up, .fini = tear_down);

// ---- what is done with a journal ---------------------------------------------------------------
static int read_all(struct mr_error *err)
{
    struct mr_journal journal;
    const struct mr_record *record;
    uint64_t count = 0;
    int code = mr_journal_open(&journal, directory, err);
    if (code != MR_OK)
        return code;
    while ((record = mr_journal_next(&journal)) != NULL)
        cr_assert_eq(record->sequence, count++);
    if (journal.stop == MR_JOURNAL_DAMAGED) {
        cr_assert_eq(journal.fault.kind, MR_JOURNAL_FAULT_READ, "%s", journal.problem.text);
        *err = journal.problem;
        code = MR_ERR_INPUT;
    } else {
        cr_assert_eq(count, RECORDS);
        cr_assert_eq(journal.stop, MR_JOURNAL_END);
    }
    mr_journal_close(&journal);
    return code;
}

static int seek_each(struct mr_error *err)
{
    struct mr_journal journal;
    int code = mr_journal_open(&journal, directory, err);
    if (code != MR_OK)
        return code;
    for (unsigned i = RECORDS; code == MR_OK && i-- > 0;) {
        code = mr_journal_seek(&journal, starts[i], err);
        const struct mr_record *record = code == MR_OK ? mr_journal_next(&journal) : NULL;
        if (code == MR_OK && !record) {
            cr_assert_eq(journal.fault.kind, MR_JOURNAL_FAULT_READ);
            *err = journal.problem;
            code = MR_ERR_INPUT;
        } else if (record) {
            cr_assert_eq(record->sequence, i);
        }
    }
    mr_journal_close(&journal);
    return code;
}

static int find_tail(struct mr_error *err)
{
    struct mr_journal_tail tail;
    int code = mr_journal_find_tail(directory, &tail, err);
    if (code != MR_OK)
        return code;
    cr_assert_eq(tail.end_pos, end_pos);
    cr_assert_eq(tail.base_pos, LAP);
    cr_assert_eq(tail.torn_bytes, 0);
    return code;
}

static unsigned sweep(int (*act)(struct mr_error *err), enum failing_call call, int why)
{
    for (unsigned at = 1;; at++) {
        struct mr_error err = {0};
        failing_disk_use(call, at, why);
        int code = act(&err);
        if (!failing_disk.failed) {
            cr_assert_eq(code, MR_OK, "%s", err.text);
            return at - 1;
        }
        if (code == MR_OK && act == find_tail && call == FAILING_STATUS)
            continue; // the list of the directory says what it would have said
        cr_assert_eq(code, MR_ERR_INPUT, "%s %u: %d, %s", failing_names[call], at, code, err.text);
        cr_assert_not_null(strstr(err.text, directory), "the file is named: %s", err.text);
        cr_assert_not_null(strstr(err.text, strerror(why)), "the cause is named: %s", err.text);
    }
}

Test(journal_refused, each_call_of_a_reader_may_fail)
{
    static const enum failing_call calls[] = {FAILING_OPEN, FAILING_READ, FAILING_LIST,
                                              FAILING_STATUS, FAILING_STATUS_OF};
    for (unsigned i = 0; i < MR_COUNT_OF(calls); i++)
        cr_expect_gt(sweep(read_all, calls[i], EIO), 0, "%s", failing_names[calls[i]]);
    for (unsigned i = 0; i < MR_COUNT_OF(calls); i++)
        cr_expect_gt(sweep(seek_each, calls[i], EACCES), 0, "%s", failing_names[calls[i]]);
    for (unsigned i = 0; i < MR_COUNT_OF(calls); i++)
        sweep(find_tail, calls[i], EIO);
    cr_expect_gt(sweep(find_tail, FAILING_READ, EIO), 1);
}

// A file system that cannot say where its holes are, interruptions, short reads: nobody notices.
Test(journal_refused, what_is_no_failure)
{
    struct mr_error err = {0};
    failing_disk_use(FAILING_SKIP_HOLE, 1, EINVAL);
    failing_disk.forever = true;
    cr_assert_eq(read_all(&err), MR_OK, "%s", err.text);
    cr_assert(failing_disk.failed);
    for (unsigned at = 1; at < 8; at++) {
        failing_disk_use(FAILING_READ, at, EINTR);
        failing_disk.bytes_max = 1000 * at;
        cr_assert_eq(read_all(&err), MR_OK, "%s", err.text);
        cr_assert(failing_disk.failed);
    }
}
