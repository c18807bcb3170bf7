// SPDX-License-Identifier: Apache-2.0
// Journals read where memory runs out, at each allocation in turn: it is said so, with the file's name, nothing is
// kept, and nothing is taken for an end or for damage.
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "core/journal_file.h"
#include "tests/support/failing_alloc.h"
#include "tests/support/failing_disk.h"
#include "tests/support/journal_bytes.h"

#define SEGMENT_BYTES (4u << 20)
#define SMALL 8               // records, in the first segment
#define LONG_BYTES (3u << 19) // of a note that a reader's window has to grow for
#define GARBAGE_BYTES 100     // behind it

static struct mr_schema_set schemas;
static char *directory;
static uint64_t first_end_pos, end_pos;

static void set_up(void)
{
    uint8_t *stream = calloc(1, SEGMENT_BYTES);
    cr_assert_not_null(stream);
    schemas = mr_test_schemas();
    directory = mr_test_directory();
    for (uint32_t i = 0; i < SMALL; i++)
        first_end_pos += mr_test_record(&schemas, first_end_pos, i, 50, stream + first_end_pos);
    mr_test_segment(directory, &schemas, 0, 0, SEGMENT_BYTES, stream, first_end_pos, UINT64_MAX);
    size_t bytes = mr_test_record(&schemas, SEGMENT_BYTES, SMALL, LONG_BYTES, stream);
    memset(stream + bytes, 0xA5, GARBAGE_BYTES);
    mr_test_segment(directory, &schemas, SEGMENT_BYTES, first_end_pos, SEGMENT_BYTES, stream,
                    bytes + GARBAGE_BYTES, UINT64_MAX);
    end_pos = SEGMENT_BYTES + bytes;
    free(stream);
}
static void tear_down(void)
{
    failing_alloc_leave();
    failing_disk_leave();
    mr_test_remove_directory(directory);
    mr_schema_set_clear(&schemas);
}
TestSuite(journal_starved, .init = set_up, .fini = tear_down);

// Returns how many allocations it takes; each has failed once. One that it can do without is told by MR_OK, after
// act() has looked at what came of it.
static unsigned starve(int (*act)(struct mr_error *err))
{
    for (unsigned at = 1;; at++) {
        struct mr_error err = {0};
        failing_disk_use(FAILING_NONE, 0, 0); // counts the files that are left open
        failing_alloc_use(at);
        int code = act(&err);
        failing_alloc_leave();
        cr_expect_eq(failing_alloc.kept, 0, "%u: %u kept", at, failing_alloc.kept);
        cr_expect_eq(failing_disk.open_files, 0, "%u", at);
        if (!failing_alloc.failed) {
            cr_expect_eq(code, MR_OK, "%s", err.text);
            return at - 1;
        }
        if (code == MR_OK)
            continue;
        cr_expect_eq(code, MR_ERR_MEMORY, "%u: %d, %s", at, code, err.text);
        cr_expect_not_null(strstr(err.text, "out of memory"), "%u: %s", at, err.text);
        cr_expect(strstr(err.text, directory) || strncmp(err.text, "journal", 7) == 0, "%u: %s", at,
                  err.text);
    }
}

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
        cr_expect_eq(journal.fault.kind, MR_JOURNAL_FAULT_READ, "%s", journal.problem.text);
        *err = journal.problem;
        code = err->code;
    } else {
        cr_expect_eq(journal.stop, MR_JOURNAL_TORN);
        cr_expect_eq(journal.position, end_pos);
        cr_expect_eq(count, SMALL + 1);
    }
    mr_journal_close(&journal);
    return code;
}
Test(journal_starved, reading)
{
    cr_expect_geq(starve(read_all), 8,
                  "journal, paths, schemas and window of two segments, a long record");
}

static int seek(struct mr_error *err)
{
    struct mr_journal journal;
    int code = mr_journal_open(&journal, directory, err);
    if (code != MR_OK)
        return code;
    code = mr_journal_seek(&journal, SEGMENT_BYTES, err);
    if (code == MR_OK)
        cr_expect_eq(journal.position, SEGMENT_BYTES);
    mr_journal_close(&journal);
    return code;
}
Test(journal_starved, seeking)
{
    cr_expect_geq(starve(seek), 6);
}

static int find_tail(struct mr_error *err)
{
    struct mr_journal_tail tail;
    int code = mr_journal_find_tail(directory, &tail, err);
    if (code != MR_OK)
        return code;
    cr_expect_eq(tail.end_pos, end_pos);
    cr_expect_eq(tail.torn_bytes, mr_align_up(GARBAGE_BYTES, 8));
    return code;
}
Test(journal_starved, the_tail)
{
    cr_expect_geq(starve(find_tail), 7);
}

static int whole_end(struct mr_error *err)
{
    uint64_t found_pos;
    int code = mr_journal_whole_end(directory, 0, &found_pos, err);
    if (code == MR_OK)
        cr_expect_eq(found_pos, end_pos);
    return code;
}
Test(journal_starved, the_whole_end)
{
    cr_expect_geq(starve(whole_end), 9);
}

// More than one allocation's worth of names.
static int list(struct mr_error *err)
{
    uint64_t *bases;
    unsigned count;
    int code = mr_journal_list(directory, &bases, &count, err);
    if (code == MR_OK)
        cr_expect_eq(count, 6);
    else
        cr_expect(!bases && count == 0);
    free(bases);
    return code;
}
Test(journal_starved, the_list)
{
    for (unsigned i = 2; i < 6; i++)
        mr_test_segment(directory, &schemas, i * (uint64_t)SEGMENT_BYTES, end_pos, SEGMENT_BYTES,
                        (const uint8_t *)"", 0, UINT64_MAX);
    cr_expect_eq(starve(list), 3);
}

static int make_header(struct mr_error *err)
{
    void *header = NULL;
    size_t bytes;
    int code =
        mr_journal_header_make(0, 0, SEGMENT_BYTES, "egress", &schemas, &header, &bytes, err);
    cr_expect_eq(header == NULL, code != MR_OK);
    free(header);
    return code;
}
Test(journal_starved, a_header)
{
    cr_expect_eq(starve(make_header), 1);
}
