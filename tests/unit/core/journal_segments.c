// SPDX-License-Identifier: Apache-2.0
// The borders between a journal's segments: what may follow, what may not, and the way over what does not.
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/journal_file.h"
#include "tests/support/journal_bytes.h"

#define LAP 65536
#define EACH 6 // records of a segment
#define HEADER_BYTES 4096

static struct mr_schema_set schemas;
static char *directory;
static uint64_t starts[3 * EACH + 1], ends[3];
static uint8_t lap[LAP];

static void path_of(uint64_t base, char path[512])
{
    mr_journal_segment_path(directory, base, path, 512);
}

// The segment's bytes into `lap`; returns how many.
static size_t fill(unsigned segment, uint64_t base)
{
    uint64_t at = base;
    memset(lap, 0, sizeof lap);
    for (uint32_t i = segment * EACH; i < (segment + 1) * EACH; i++) {
        starts[i] = at;
        at += mr_test_record(&schemas, at, i, 50, lap + at - base);
    }
    ends[segment] = at;
    return at - base;
}

static void write_segments(void)
{
    for (unsigned s = 0; s < 3; s++) {
        size_t bytes = fill(s, (uint64_t)s * LAP);
        mr_test_segment(directory, &schemas, (uint64_t)s * LAP, s ? ends[s - 1] : 0, LAP, lap,
                        bytes, UINT64_MAX);
    }
}

static void set_up(void)
{
    schemas = mr_test_schemas();
    directory = mr_test_directory();
    write_segments();
}
static void tear_down(void)
{
    mr_test_remove_directory(directory);
    mr_schema_set_clear(&schemas);
}
TestSuite(journal_segments, .init = set_up, .fini = tear_down);

static void change(uint64_t base, uint64_t at, uint8_t bits)
{
    char path[512];
    path_of(base, path);
    mr_test_change_file(path, at, bits);
}

// Reads to the stop; returns how many records.
static unsigned read_on(struct mr_journal *journal)
{
    unsigned count = 0;
    while (mr_journal_next(journal))
        count++;
    return count;
}

static void open_all(struct mr_journal *journal)
{
    struct mr_error err;
    cr_assert_eq(mr_journal_open(journal, directory, &err), MR_OK, "%s", err.text);
}

// Its bytes were there, and are wrong: damage of a header, not a file that cannot be read.
Test(journal_segments, a_damaged_header_ends_reading_before_it)
{
    struct mr_journal journal;
    char path[512];
    path_of(LAP, path);
    change(LAP, 40, 1);
    open_all(&journal);
    cr_expect_eq(read_on(&journal), EACH);
    cr_expect_eq(journal.position, ends[0]);
    cr_expect_eq(journal.stop, MR_JOURNAL_DAMAGED);
    cr_expect_eq(journal.fault.kind, MR_JOURNAL_FAULT_HEADER);
    cr_expect_str_eq(journal.fault.path, path);
    cr_expect_eq(journal.fault.byte, 0);
    cr_expect_eq(journal.problem.code, MR_ERR_CORRUPT);
    cr_expect_eq(strncmp(journal.problem.text, path, strlen(path)), 0, "%s", journal.problem.text);
    cr_expect_not_null(strstr(journal.problem.text, "byte 72: found header checksum"), "%s",
                       journal.problem.text);
    mr_journal_close(&journal);
}

Test(journal_segments, zeroes_before_a_further_segment_are_no_end)
{
    struct mr_journal journal;
    char path[512], expected[700];
    path_of(0, path);
    cr_assert_eq(truncate(path, HEADER_BYTES + LAP), 0);
    snprintf(expected, sizeof expected,
             "%s: byte %zu (position %zu): found a length of 0, expected a record; segments follow",
             path, (size_t)(HEADER_BYTES + ends[0]), (size_t)ends[0]);
    open_all(&journal);
    cr_expect_eq(read_on(&journal), EACH);
    cr_expect_eq(journal.stop, MR_JOURNAL_DAMAGED);
    cr_expect_eq(journal.fault.kind, MR_JOURNAL_FAULT_ZERO);
    cr_expect_str_eq(journal.problem.text, expected);
    mr_journal_close(&journal);
}

// Of two marks that do not match, the first is told; all records are read.
Test(journal_segments, the_first_bad_mark_is_told)
{
    struct mr_journal journal;
    char path[512];
    for (unsigned s = 0; s < 3; s++)
        change((uint64_t)s * LAP, HEADER_BYTES - 16, (uint8_t)(1u << s));
    path_of(0, path);
    open_all(&journal);
    cr_expect_eq(read_on(&journal), 3 * EACH);
    cr_expect_eq(journal.stop, MR_JOURNAL_DAMAGED);
    cr_expect_eq(journal.fault.kind, MR_JOURNAL_FAULT_MARK);
    cr_expect_str_eq(journal.fault.path, path);
    cr_expect_eq(journal.fault.byte, HEADER_BYTES - 16);
    cr_expect_not_null(strstr(journal.problem.text, "found a durable mark of 1 whose check"), "%s",
                       journal.problem.text);
    mr_journal_close(&journal);
}

// A segment that begins where reading has been already would give records twice.
Test(journal_segments, resync_does_not_go_back)
{
    struct mr_journal journal;
    uint64_t from, to;
    char path[512];
    const uint64_t inside = starts[2] + 8; // of the first segment
    size_t bytes = fill(1, inside);
    mr_test_segment(directory, &schemas, inside, 0, LAP, lap, bytes, UINT64_MAX);
    write_segments();
    change(0, HEADER_BYTES + starts[EACH - 1] + 40, 1);
    path_of(2 * LAP, path);
    cr_assert_eq(unlink(path), 0);
    open_all(&journal);
    cr_expect_eq(read_on(&journal), EACH - 1);
    cr_assert(mr_journal_resync(&journal, &from, &to));
    cr_expect_eq(from, starts[EACH - 1]);
    cr_expect_eq(to, LAP);
    cr_expect_eq(read_on(&journal), EACH);
    mr_journal_close(&journal);
}

Test(journal_segments, resync_need_not_say_where)
{
    struct mr_journal journal;
    change(0, HEADER_BYTES + starts[1] + 40, 1);
    open_all(&journal);
    cr_expect_eq(read_on(&journal), 1);
    cr_assert(mr_journal_resync(&journal, NULL, NULL));
    cr_expect_eq(journal.position, starts[2]);
    cr_expect_eq(read_on(&journal), 3 * EACH - 2);
    cr_expect_eq(journal.stop, MR_JOURNAL_END, "%s", journal.problem.text);
    mr_journal_close(&journal);
}

// ---- names -------------------------------------------------------------------------------------
Test(journal_segments, every_other_file_is_no_part_of_it)
{
    static const char *const names[] = {"LOCK", "00000000000000196608.mrj.new", "196608.mrj",
                                        "99999999999999999999.mrj", "0000000000000019660x.mrj"};
    uint64_t *bases;
    unsigned count;
    struct mr_journal journal;
    for (unsigned i = 0; i < MR_COUNT_OF(names); i++) {
        char path[512];
        snprintf(path, sizeof path, "%s/%s", directory, names[i]);
        mr_test_write_file(path, "no segment", 10);
    }
    cr_assert_eq(mr_journal_list(directory, &bases, &count, NULL), MR_OK);
    cr_assert_eq(count, 3);
    for (unsigned i = 0; i < count; i++)
        cr_expect_eq(bases[i], i * LAP, "ascending");
    free(bases);
    open_all(&journal);
    cr_expect_eq(mr_journal_segment_count(&journal), 3);
    cr_expect_eq(read_on(&journal), 3 * EACH);
    cr_expect_eq(journal.stop, MR_JOURNAL_END);
    mr_journal_close(&journal);
}

// A copy by itself may be named as one likes.
Test(journal_segments, one_file_of_any_name)
{
    struct mr_journal journal;
    struct mr_error err;
    char path[512], copy[600];
    path_of(LAP, path);
    snprintf(copy, sizeof copy, "%s/copy", directory);
    cr_assert_eq(rename(path, copy), 0);
    cr_assert_eq(mr_journal_open(&journal, copy, &err), MR_OK, "%s", err.text);
    cr_expect_eq(journal.position, LAP);
    cr_expect_eq(read_on(&journal), EACH);
    cr_expect_eq(journal.stop, MR_JOURNAL_END);
    cr_assert_eq(mr_journal_seek(&journal, starts[EACH + 2], NULL), MR_OK);
    cr_expect_eq(mr_journal_next(&journal)->sequence, EACH + 2);
    mr_journal_close(&journal);
}

Test(journal_segments, one_that_never_opened_may_be_closed)
{
    struct mr_journal journal;
    char path[600];
    snprintf(path, sizeof path, "%s/none", directory);
    cr_assert_eq(mr_journal_open(&journal, path, NULL), MR_ERR_INPUT);
    mr_journal_close(&journal);
    open_all(&journal);
    mr_journal_close(&journal);
    mr_journal_close(&journal);
    cr_expect_null(journal.files);
    cr_expect_eq(journal.schemas.count, 0);
}

// ---- a position in padding ---------------------------------------------------------------------
Test(journal_segments, seek_into_padding)
{
    struct mr_journal journal;
    uint8_t stream[4096];
    size_t first = mr_test_record(&schemas, 0, 0, 50, stream);
    size_t bytes = first + mr_test_padding(first, 64, stream + first);
    bytes += mr_test_record(&schemas, bytes, 1, 50, stream + bytes);
    mr_test_remove_directory(directory);
    directory = mr_test_directory();
    mr_test_segment(directory, &schemas, 0, 0, LAP, stream, bytes, UINT64_MAX);
    open_all(&journal);
    for (uint64_t position = first; position <= first + 64; position += 4) {
        cr_assert_eq(mr_journal_seek(&journal, position, NULL), MR_OK);
        const struct mr_record *record = mr_journal_next(&journal);
        cr_assert_not_null(record, "%zu", (size_t)position);
        cr_expect_eq(record->sequence, 1, "%zu", (size_t)position);
        cr_expect_eq(journal.record_position, first + 64);
    }
    mr_journal_close(&journal);
}
