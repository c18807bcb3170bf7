// SPDX-License-Identifier: Apache-2.0
// Where a journal ends, read from the disk: of what was not known to be durable nothing is taken from memory.
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "core/disk.h"
#include "core/journal.h"
#include "tests/support/journal_bytes.h"

#define LAP 65536
#define BASE (2 * LAP)
#define HEADER_BYTES 4096
#define RECORDS 4

static struct mr_schema_set schemas;
static char *directory;
static uint8_t lap[LAP];
static uint64_t starts[RECORDS], end_pos;
static struct mr_disk disk;
static unsigned forgets;
static uint64_t forgotten_from;

static void forget(int fd, uint64_t from)
{
    (void)fd;
    forgets++;
    forgotten_from = from;
}

static void set_up(void)
{
    schemas = mr_test_schemas();
    directory = mr_test_directory();
    end_pos = BASE;
    for (uint32_t i = 0; i < RECORDS; i++) {
        starts[i] = end_pos;
        end_pos += mr_test_record(&schemas, end_pos, i, 50, lap + end_pos - BASE);
    }
    disk = mr_disk_real;
    disk.forget = forget;
    mr_disk = &disk;
}
static void tear_down(void)
{
    mr_disk = &mr_disk_real;
    mr_test_remove_directory(directory);
    mr_schema_set_clear(&schemas);
}
TestSuite(journal_tail, .init = set_up, .fini = tear_down);

static void expect_tail(uint64_t durable_pos)
{
    struct mr_journal_tail tail;
    struct mr_error err = {0};
    mr_test_segment(directory, &schemas, BASE, BASE, LAP, lap, end_pos - BASE, durable_pos);
    forgets = 0;
    cr_assert_eq(mr_journal_find_tail(directory, &tail, &err), MR_OK, "%s", err.text);
    cr_expect_eq(tail.end_pos, end_pos);
    cr_expect_eq(tail.base_pos, BASE);
    cr_expect_eq(tail.torn_bytes, 0);
}

Test(journal_tail, memory_is_forgotten_from_the_mark_on)
{
    expect_tail(starts[2]);
    cr_expect_eq(forgets, 1);
    cr_expect_eq(forgotten_from, HEADER_BYTES + starts[2] - BASE);
    expect_tail(UINT64_MAX); // none
    cr_expect_eq(forgotten_from, HEADER_BYTES);
    expect_tail(BASE - 8); // nothing of this segment
    cr_expect_eq(forgets, 1);
    cr_expect_eq(forgotten_from, HEADER_BYTES);
}

Test(journal_tail, a_disk_without_memory_has_nothing_to_forget)
{
    disk.forget = NULL;
    expect_tail(starts[2]);
    cr_expect_eq(forgets, 0);
}

// Its sentence says what to do; nothing of it is needed by one who asks only for the code.
Test(journal_tail, damage)
{
    struct mr_journal_tail tail;
    struct mr_error err = {0};
    lap[starts[1] - BASE + 40] ^= 1;
    mr_test_segment(directory, &schemas, BASE, BASE, LAP, lap, end_pos - BASE, end_pos);
    cr_expect_eq(mr_journal_find_tail(directory, &tail, &err), MR_ERR_CORRUPT);
    cr_expect_not_null(strstr(err.text, tail.path), "%s", err.text);
    cr_expect_not_null(strstr(err.text, "was durable; `millrace verify "), "%s", err.text);
    cr_expect_eq(mr_journal_find_tail(directory, &tail, NULL), MR_ERR_CORRUPT);
}
