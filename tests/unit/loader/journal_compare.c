// SPDX-License-Identifier: Apache-2.0
// A stream that is made again beside a journal: what is the same passes, whatever differs is said with its byte, and a
// journal that is not what it was is no end of the comparison but an error.
#include "consumers/loader/journal_compare.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/support/failing_disk.h"
#include "tests/support/journal_bytes.h"

#define LAP 65536
#define HEADER_BYTES 4096
#define TIME_AT offsetof(struct mr_record, ingest_time_ns)

static struct mr_schema_set schemas;
static char *directory;
static struct mr_journal_compare compare;
static uint8_t stream[2 * LAP];
static uint64_t ends[2]; // of the two segments' streams; the first one's is LAP

static void set_up(void)
{
    schemas = mr_test_schemas();
    directory = mr_test_directory();
    compare = (struct mr_journal_compare){0};
}
static void tear_down(void)
{
    failing_disk_leave();
    mr_journal_compare_close(&compare);
    mr_test_remove_directory(directory);
    mr_schema_set_clear(&schemas);
}
TestSuite(journal_compare, .init = set_up, .fini = tear_down);

static void segment_path(uint64_t base, char path[512])
{
    mr_journal_segment_path(directory, base, path, 512);
}

// Two laps: records of all lengths, padding of each kind at the end of the first.
static void make_stream(void)
{
    uint64_t at = 0;
    uint32_t id = 0;
    for (; at < LAP - 2000; id++)
        at += mr_test_record(&schemas, at, id, id * 37 % 700, stream + at);
    at += mr_test_padding(at, 8, stream + at);
    at += mr_test_padding(at, 24, stream + at);
    at += mr_test_padding(at, LAP - at, stream + at);
    ends[0] = at;
    for (; at < 2 * LAP - 2000; id++)
        at += mr_test_record(&schemas, at, id, id * 37 % 700, stream + at);
    ends[1] = at;
}

// The first segment's file goes on with zeroes, as if a power cut had taken back that it was cut.
static void write_journal(void)
{
    static uint8_t first[LAP + HEADER_BYTES];
    make_stream();
    memcpy(first, stream, LAP);
    mr_test_segment(directory, &schemas, 0, 0, 2ULL * LAP, first, sizeof first, LAP);
    mr_test_segment(directory, &schemas, LAP, LAP, LAP, stream + LAP, ends[1] - LAP, ends[1]);
}

static int compare_all(bool later, struct mr_error *err)
{
    mr_journal_compare_close(&compare);
    compare.later = later;
    int code = mr_journal_compare_open(&compare, directory, err);
    if (code == MR_OK)
        code = mr_journal_compare(&compare, 0, stream, ends[1], err);
    return code;
}

static void check_sentence(const struct mr_error *err, const char *sentence, uint64_t base)
{
    char path[512];
    segment_path(base, path);
    cr_assert_not_null(strstr(err->text, path), "%s", err->text);
    cr_assert_not_null(strstr(err->text, sentence), "%s: expected %s", err->text, sentence);
}

Test(journal_compare, the_same_passes)
{
    struct mr_error err = {0};
    write_journal();
    cr_assert_eq(compare_all(false, &err), MR_OK, "%s", err.text);
    cr_assert_eq(compare_all(true, &err), MR_OK, "%s", err.text);
}

static void expect_difference(uint64_t position, uint8_t found, struct mr_error *err)
{
    char sentence[160];
    uint64_t base = position / LAP * LAP;
    snprintf(sentence, sizeof sentence,
             ": byte %" PRIu64 " (position %" PRIu64
             "): found %02x in the journal of the run that was cut off, but made %02x again",
             HEADER_BYTES + position - base, position, found, found ^ 0x10);
    check_sentence(err, sentence, base);
}

// Every byte of the last record, of the one over the segment's border and of padding. Made at another time, the time
// it was made at and its checksum are not looked at; those of short padding are none.
static void differ_in_each_byte(uint64_t from, uint64_t to)
{
    for (uint64_t at = from; at < to; at++) {
        struct mr_error err = {0};
        const struct mr_record *record = (const struct mr_record *)(const void *)(stream + from);
        bool of_its_time = record->length >= MR_ENVELOPE_BYTES &&
                           ((at - from >= 4 && at - from < 8) ||
                            (at - from >= TIME_AT && at - from < TIME_AT + sizeof(int64_t)));
        uint8_t found = stream[at];
        stream[at] ^= 0x10;
        cr_assert_eq(compare_all(false, &err), MR_ERR_INPUT);
        expect_difference(at, found, &err);
        cr_assert_eq(compare_all(true, &err), of_its_time ? MR_OK : MR_ERR_INPUT, "byte %zu: %s",
                     (size_t)(at - from), err.text);
        if (!of_its_time)
            expect_difference(at, found, &err);
        stream[at] = found;
    }
}

static uint64_t stride_of(const uint8_t *record)
{
    uint32_t length;
    memcpy(&length, record, sizeof length);
    return mr_record_stride(length);
}

Test(journal_compare, each_byte_that_differs_is_said)
{
    uint64_t at = 0, last = LAP;
    write_journal();
    while (stride_of(stream + at) >= MR_ENVELOPE_BYTES)
        at += stride_of(stream + at);
    while (last + stride_of(stream + last) < ends[1])
        last += stride_of(stream + last);
    differ_in_each_byte(at, at + 8);
    differ_in_each_byte(at + 8, at + 32);
    differ_in_each_byte(at + 32, at + 32 + MR_ENVELOPE_BYTES);
    differ_in_each_byte(LAP, LAP + stride_of(stream + LAP));
    differ_in_each_byte(last, ends[1]);
}

// The stream that is made again has a longer record where the journal ends.
Test(journal_compare, a_record_that_goes_beyond_the_journal)
{
    struct mr_error err = {0};
    uint64_t last = LAP;
    write_journal();
    while (last + stride_of(stream + last) < ends[1])
        last += stride_of(stream + last);
    mr_test_record(&schemas, last, 7, 1500, stream + last);
    for (unsigned later = 0; later < 2; later++) {
        cr_assert_eq(compare_all(later, &err), MR_ERR_INPUT);
        check_sentence(&err, "the input is not what it was then", LAP);
    }
}

// ---- journals that are not what they were ------------------------------------------------------
Test(journal_compare, positions_that_the_journal_does_not_have)
{
    struct mr_error err = {0};
    char path[512];
    write_journal();
    cr_assert_eq(compare_all(false, &err), MR_OK, "%s", err.text);
    cr_assert_eq(mr_journal_compare(&compare, ends[1], stream, 8, &err), MR_ERR_CORRUPT);
    check_sentence(&err, "found no position 12", LAP); // of some 129,000
    segment_path(0, path);
    cr_assert_eq(unlink(path), 0);
    cr_assert_eq(compare_all(false, &err), MR_ERR_CORRUPT);
    check_sentence(&err, "found no position 0, expected it here", LAP);
}

Test(journal_compare, a_journal_that_is_gone)
{
    struct mr_error err = {0};
    make_stream();
    cr_assert_eq(compare_all(false, &err), MR_ERR_INPUT);
    check_sentence(&err, strerror(ENOENT), 0);
    mr_journal_compare_close(&compare);
    cr_assert_eq(mr_journal_compare_open(&compare, "/nowhere/at/all", &err), MR_ERR_INPUT);
    cr_assert_not_null(strstr(err.text, "/nowhere/at/all"), "%s", err.text);
}

#define LARGE (3u << 20) // more than is read at once

static uint8_t *write_large(void)
{
    uint8_t *large = calloc(1, LARGE + LAP);
    uint64_t at = 0;
    cr_assert_not_null(large);
    for (uint32_t id = 0; at < LARGE; id++)
        at += mr_test_record(&schemas, at, id, 30000, large + at);
    mr_test_segment(directory, &schemas, 0, 0, LARGE + LAP, large, at, at);
    return large;
}

// Somebody cuts the file while it is compared: said, and not waited for.
Test(journal_compare, a_file_that_is_cut_meanwhile)
{
    for (unsigned later = 0; later < 2; later++) {
        struct mr_error err = {0};
        char path[512];
        uint8_t *large = write_large();
        compare.later = later;
        cr_assert_eq(mr_journal_compare_open(&compare, directory, &err), MR_OK);
        cr_assert_eq(mr_journal_compare(&compare, 0, large, stride_of(large), &err), MR_OK, "%s",
                     err.text);
        segment_path(0, path);
        cr_assert_eq(truncate(path, LARGE / 2), 0);
        cr_assert_eq(mr_journal_compare(&compare, 0, large, LARGE, &err), MR_ERR_CORRUPT);
        check_sentence(&err, "found its end at position 1568768, expected", 0);
        mr_journal_compare_close(&compare);
        free(large);
    }
}

Test(journal_compare, a_file_that_cannot_be_read)
{
    struct mr_error err = {0};
    uint8_t *large = write_large();
    cr_assert_eq(mr_journal_compare_open(&compare, directory, &err), MR_OK);
    failing_disk_use(FAILING_READ, 2, EIO);
    cr_assert_eq(mr_journal_compare(&compare, 0, large, LARGE, &err), MR_ERR_INPUT);
    cr_assert(failing_disk.failed);
    check_sentence(&err, strerror(EIO), 0);
    free(large);
}
