// SPDX-License-Identifier: Apache-2.0
// Repair on a disk that refuses: whatever call fails, the error names the file, every record is still in the journal
// or in a .cut file, and the same repair, done again, comes to the same end.
#include "consumers/loader/journal_repair.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/support/failing_disk.h"
#include "tests/support/journal_bytes.h"
#include "tests/support/whole_repair.h"

#define LAP 65536
#define SEGMENTS 3
#define EACH 8
#define RECORDS (SEGMENTS * EACH)
#define HEADER_BYTES 4096
#define PIECE_BYTES_MAX 3000

static struct mr_schema_set schemas;
static char *directory;
static uint64_t starts[RECORDS], ends[SEGMENTS];

static void set_up(void)
{
    schemas = mr_test_schemas();
    directory = mr_test_directory();
}
static void tear_down(void)
{
    failing_disk_leave();
    mr_test_remove_directory(directory);
    mr_schema_set_clear(&schemas);
}
TestSuite(journal_repair, .init = set_up, .fini = tear_down, .timeout = 120);

static void segment_path(unsigned segment, char path[512])
{
    mr_journal_segment_path(directory, (uint64_t)segment * LAP, path, 512);
}

static void write_segment(unsigned segment, const struct mr_schema_set *set)
{
    static uint8_t lap[LAP];
    uint64_t base = (uint64_t)segment * LAP, at = base;
    for (uint32_t i = segment * EACH; i < (segment + 1) * EACH; i++) {
        starts[i] = at;
        at += mr_test_record(set, at, i, 100 + i, lap + at - base);
    }
    ends[segment] = at;
    mr_test_segment(directory, set, base, segment ? ends[segment - 1] : 0, LAP, lap, at - base, at);
}

// An empty directory, then the three segments.
static void write_journal(void)
{
    mr_test_remove_directory(directory);
    directory = mr_test_directory();
    for (unsigned i = 0; i < SEGMENTS; i++)
        write_segment(i, &schemas);
}

// ---- damages -----------------------------------------------------------------------------------
static void change(unsigned segment, uint64_t at, uint8_t bits)
{
    char path[512];
    segment_path(segment, path);
    mr_test_change_file(path, at, bits);
}

static uint64_t byte_of(unsigned record)
{
    return HEADER_BYTES + starts[record] - (uint64_t)(record / EACH) * LAP;
}

static void a_record_of_the_first(void)
{
    change(0, byte_of(3) + 40, 1);
}
static void a_record_of_the_last(void)
{
    change(2, byte_of(RECORDS - 3) + 40, 1);
}
static void the_header_of_the_middle(void)
{
    change(1, 40, 1);
}
static void the_header_of_the_first(void)
{
    change(0, 40, 1);
}
static void every_header(void)
{
    for (unsigned i = 0; i < SEGMENTS; i++)
        change(i, 40, 1);
}
static void the_mark_of_the_last(void)
{
    change(2, HEADER_BYTES - 12, 1);
}
static void the_mark_and_a_record(void)
{
    change(1, HEADER_BYTES - 12, 1);
    change(2, byte_of(RECORDS - 3) + 40, 1);
}
static void the_middle_is_gone(void)
{
    char path[512];
    segment_path(1, path);
    cr_assert_eq(unlink(path), 0);
}
static void other_schemas_in_the_last(void)
{
    struct mr_schema_set other = mr_test_schemas();
    other.schemas[0]->name[0] = 'S';
    mr_schema_seal(other.schemas[0]);
    write_segment(2, &other);
    mr_schema_set_clear(&other);
}
static void the_last_is_short(void)
{
    char path[512];
    segment_path(2, path);
    cr_assert_eq(truncate(path, (off_t)byte_of(RECORDS - 2)), 0);
}
static void a_hole_in_the_last(void)
{
    char path[512];
    size_t bytes;
    segment_path(2, path);
    uint8_t *file = mr_test_read_file(path, &bytes);
    memset(file + byte_of(RECORDS - 3), 0, byte_of(RECORDS - 2) - byte_of(RECORDS - 3));
    mr_test_write_file(path, file, bytes);
    free(file);
}
static void a_header_and_the_stream_behind_it(void)
{
    change(1, 40, 1);
    change(1, HEADER_BYTES + 40, 1);
}

static void the_middle_header_and_its_mark(void)
{
    change(1, 40, 1);
    change(1, HEADER_BYTES - 12, 1);
}
static void cut_and_lose_header(uint64_t bytes)
{
    char path[512];
    segment_path(2, path);
    change(2, 40, 1);
    cr_assert_eq(truncate(path, (off_t)bytes), 0);
}
static void the_last_is_a_header_that_is_lost(void)
{
    cut_and_lose_header(HEADER_BYTES);
}
static void the_last_is_less_than_a_header(void)
{
    cut_and_lose_header(100);
}
static void the_last_is_a_header_that_is_lost_and_zeroes(void)
{
    char path[512];
    cut_and_lose_header(HEADER_BYTES);
    segment_path(2, path);
    cr_assert_eq(truncate(path, HEADER_BYTES + LAP), 0);
}
static void the_middle_is_gone_and_the_last_header(void)
{
    the_middle_is_gone();
    change(2, 40, 1);
}
static void the_first_goes_over_the_middle_header(void)
{
    static uint8_t laps[2 * LAP];
    uint64_t end = LAP + 4096;
    char path[512];
    size_t bytes;
    segment_path(0, path);
    uint8_t *file = mr_test_read_file(path, &bytes);
    memcpy(laps, file + HEADER_BYTES, ends[0]);
    mr_test_padding(ends[0], end - ends[0], laps + ends[0]);
    mr_test_segment(directory, &schemas, 0, 0, 2ULL * LAP, laps, end, end);
    change(1, 40, 1);
    free(file);
}

static const struct damage {
    const char *name;
    void (*do_it)(void);
    unsigned kept;     // records of the journal afterwards
    uint32_t lost;     // bit i: record i is not whole anywhere
    uint32_t unopened; // bit i: stands in a file whose header is lost
} damages[] = {
    {"a record of the first segment", a_record_of_the_first, 3, 1u << 3, 0},
    {"a record of the last segment", a_record_of_the_last, RECORDS - 3, 1u << (RECORDS - 3), 0},
    {"the middle header", the_header_of_the_middle, RECORDS, 0, 0},
    {"the first header", the_header_of_the_first, RECORDS, 0, 0},
    {"every header", every_header, 0, 0, 0xFFFFFF},
    {"the last mark", the_mark_of_the_last, RECORDS, 0, 0},
    {"a mark and a record", the_mark_and_a_record, RECORDS - 3, 1u << (RECORDS - 3), 0},
    {"the middle segment is gone", the_middle_is_gone, EACH, 0x00FF00, 0},
    {"other schemas in the last segment", other_schemas_in_the_last, 2 * EACH, 0, 0},
    {"the last segment is short", the_last_is_short, RECORDS - 2, 3u << (RECORDS - 2), 0},
    {"a hole in the last segment", a_hole_in_the_last, RECORDS - 3, 1u << (RECORDS - 3), 0},
    {"a header and what follows", a_header_and_the_stream_behind_it, EACH, 1u << EACH, 0x00FF00},
    {"the middle header and its mark", the_middle_header_and_its_mark, RECORDS, 0, 0},
    {"a lost header alone", the_last_is_a_header_that_is_lost, 2 * EACH, 0xFF0000, 0},
    {"less than a header", the_last_is_less_than_a_header, 2 * EACH, 0xFF0000, 0},
    {"a lost header and zeroes", the_last_is_a_header_that_is_lost_and_zeroes, 2 * EACH, 0xFF0000,
     0},
    {"one gone, and the next header", the_middle_is_gone_and_the_last_header, EACH, 0x00FF00,
     0xFF0000},
    {"a lost header before the end", the_first_goes_over_the_middle_header, EACH, 0, 0x00FF00},
};

// ---- what is there -----------------------------------------------------------------------------
// The records of one file, damage passed over, as bits.
static uint32_t records_of(const char *path)
{
    struct mr_journal journal;
    const struct mr_record *record;
    uint32_t found = 0;
    if (mr_journal_open(&journal, path, NULL) != MR_OK)
        return 0;
    do {
        while ((record = mr_journal_next(&journal)) != NULL)
            found |= 1u << record->sequence;
    } while (mr_journal_resync(&journal, NULL, NULL));
    mr_journal_close(&journal);
    return found;
}

// Of all files, .cut ones among them, but not those that were not finished.
static uint32_t records_anywhere(void)
{
    uint32_t found = 0;
    DIR *entries = opendir(directory);
    const struct dirent *entry;
    cr_assert_not_null(entries);
    while ((entry = readdir(entries)) != NULL) {
        char path[768];
        snprintf(path, sizeof path, "%s/%s", directory, entry->d_name);
        if (entry->d_name[0] != '.' && !strstr(entry->d_name, ".part"))
            found |= records_of(path);
    }
    closedir(entries);
    return found;
}

static void check_repaired(const struct damage *damage)
{
    struct mr_journal journal;
    unsigned count = 0;
    uint32_t expected = 0xFFFFFF & ~damage->lost & ~damage->unopened;
    uint32_t found = records_anywhere();
    cr_assert_eq(found & expected, expected, "%s: found %06x", damage->name, found);
    if (mr_journal_open(&journal, directory, NULL) == MR_OK) {
        while (mr_journal_next(&journal))
            count++;
        cr_assert_eq(journal.stop, MR_JOURNAL_END, "%s: %s", damage->name, journal.problem.text);
        mr_journal_close(&journal);
    }
    cr_assert_eq(count, damage->kept, "%s: kept %u", damage->name, count);
}

Test(journal_repair, what_is_cut_is_kept)
{
    for (unsigned i = 0; i < MR_COUNT_OF(damages); i++) {
        struct mr_error err = {0};
        write_journal();
        damages[i].do_it();
        cr_assert_eq(repair_wholly(directory, &err), MR_OK, "%s: %s", damages[i].name, err.text);
        check_repaired(&damages[i]);
    }
}

// What is cut of a segment's end and the segment behind it, which is moved, begin at one position: either has a name.
Test(journal_repair, a_tail_where_the_next_segment_begins)
{
    static uint8_t lap[LAP];
    char first[512], second[512], path[540];
    struct mr_error err = {0};
    size_t bytes = mr_test_record(&schemas, 0, 1, 101, lap), moved, cut;
    mr_test_segment(directory, &schemas, 0, 0, LAP, lap, bytes, bytes);
    mr_test_record(&schemas, bytes, 2, 102, lap);
    mr_test_segment(directory, &schemas, bytes, bytes, LAP, lap, bytes, 2 * bytes);
    mr_journal_segment_path(directory, 0, first, sizeof first);
    mr_journal_segment_path(directory, bytes, second, sizeof second);
    uint8_t *before = mr_test_read_file(second, &moved);
    FILE *end = fopen(first, "ab");
    cr_assert(end && fwrite("garbage!", 8, 1, end) == 1 && fclose(end) == 0);
    cr_assert_eq(repair_wholly(directory, &err), MR_OK, "%s", err.text);
    snprintf(path, sizeof path, "%s.cut", second);
    uint8_t *after = mr_test_read_file(path, &cut);
    cr_assert(cut == moved && memcmp(before, after, cut) == 0, "the segment");
    free(before);
    free(after);
    snprintf(path, sizeof path, "%s.cut.1", second);
    after = mr_test_read_file(path, &cut);
    cr_assert(cut > 8 && memcmp(after + cut - 8, "garbage!", 8) == 0, "the tail");
    free(after);
}

// The text begins with the journal's directory, something in it, or a directory above it.
static bool names_the_place(const char *text)
{
    size_t length = strcspn(text, ":");
    return strstr(text, directory) || (length > 0 && strncmp(text, directory, length) == 0);
}

// False: the repair did not come to that call.
static bool repair_with_failure(const struct damage *damage, enum failing_call call, unsigned at)
{
    struct mr_error err = {0};
    write_journal();
    damage->do_it();
    uint32_t before = records_anywhere();
    failing_disk_use(call, at, EIO);
    failing_disk.bytes_max = PIECE_BYTES_MAX; // files are read and written in pieces
    int code = repair_wholly(directory, &err);
    bool failed = failing_disk.failed;
    failing_disk_leave();
    if (code != MR_OK) {
        cr_assert(failed, "%s: %s", damage->name, err.text);
        cr_assert(code == MR_ERR_INPUT || code == MR_ERR_OUTPUT || code == MR_ERR_CORRUPT,
                  "%s, %s %u: code %d, %s", damage->name, failing_names[call], at, code, err.text);
        cr_assert(names_the_place(err.text), "%s, %s %u: the file is named: %s", damage->name,
                  failing_names[call], at, err.text);
    }
    uint32_t after = records_anywhere();
    cr_assert_eq(after & before, before, "%s, %s %u: lost records: %06x of %06x", damage->name,
                 failing_names[call], at, after, before);
    cr_assert_eq(repair_wholly(directory, &err), MR_OK, "%s, %s %u: %s", damage->name,
                 failing_names[call], at, err.text);
    return failed;
}

static void fail_each(enum failing_call call)
{
    unsigned failures = 0;
    for (unsigned i = 0; i < MR_COUNT_OF(damages); i++)
        for (unsigned at = 1; repair_with_failure(&damages[i], call, at); at++)
            failures++;
    cr_assert_gt(failures, 0, "%s", failing_names[call]);
}

Test(journal_repair, open_fails)
{
    fail_each(FAILING_OPEN);
}
Test(journal_repair, read_fails)
{
    fail_each(FAILING_READ);
}
Test(journal_repair, write_fails)
{
    fail_each(FAILING_WRITE);
}
Test(journal_repair, sync_fails)
{
    fail_each(FAILING_SYNC);
    fail_each(FAILING_SYNC_DIRECTORY);
}
Test(journal_repair, truncate_fails)
{
    fail_each(FAILING_TRUNCATE);
}
Test(journal_repair, rename_fails)
{
    fail_each(FAILING_RENAME);
}
Test(journal_repair, status_fails)
{
    fail_each(FAILING_STATUS);
    fail_each(FAILING_STATUS_OF);
}
Test(journal_repair, list_fails)
{
    fail_each(FAILING_LIST);
}
Test(journal_repair, lock_fails)
{
    fail_each(FAILING_LOCK);
}

// Interruptions and short transfers are none.
Test(journal_repair, interrupted)
{
    static const enum failing_call calls[] = {FAILING_READ, FAILING_WRITE};
    for (unsigned i = 0; i < MR_COUNT_OF(damages); i++)
        for (unsigned call = 0; call < MR_COUNT_OF(calls); call++)
            for (unsigned at = 1; at < 40; at += 3) {
                struct mr_error err = {0};
                write_journal();
                damages[i].do_it();
                failing_disk_use(calls[call], at, EINTR);
                failing_disk.bytes_max = PIECE_BYTES_MAX;
                cr_assert_eq(repair_wholly(directory, &err), MR_OK, "%s: %s", damages[i].name,
                             err.text);
                failing_disk_leave();
                check_repaired(&damages[i]);
            }
}

Test(journal_repair, there_is_no_journal)
{
    struct mr_repair work;
    struct mr_error err;
    char path[512];
    snprintf(path, sizeof path, "%s/none", directory);
    cr_assert_eq(mr_repair_open(&work, path, &err), MR_ERR_INPUT);
    cr_assert_not_null(strstr(err.text, path), "%s", err.text);
    mr_repair_close(&work);
    mr_test_write_file(path, "hello", 5);
    cr_assert_eq(mr_repair_open(&work, path, &err), MR_ERR_INPUT);
    cr_assert_not_null(strstr(err.text, "found a file"), "%s", err.text);
    mr_repair_close(&work);
    cr_assert_eq(mr_repair_open(&work, directory, &err), MR_OK);
    cr_assert_eq(mr_repair_plan(&work, &err), MR_OK);
    cr_assert_eq(work.count, 0);
    mr_repair_close(&work);
}
