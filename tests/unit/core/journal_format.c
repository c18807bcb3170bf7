// SPDX-License-Identifier: Apache-2.0
// The journal's bytes, one wrong field at a time, with checksums that are right: what a stranger may have made. Each
// error says which byte, what was found and what was expected.
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "core/journal_file.h"
#include "tests/support/journal_bytes.h"

static struct mr_schema_set schemas;
static uint8_t *block;
static size_t block_bytes;

static void set_up(void)
{
    void *made;
    schemas = mr_test_schemas();
    cr_assert_eq(
        mr_journal_header_make(4096, 64, 65536, "egress", &schemas, &made, &block_bytes, NULL),
        MR_OK);
    block = made;
}
static void tear_down(void)
{
    free(block);
    mr_schema_set_clear(&schemas);
}
TestSuite(journal_format, .init = set_up, .fini = tear_down);

// The checksum as docs/MEMORY_LAYOUT.md and core/journal.h have it: crc and mark count as zero.
static void seal(void)
{
    uint64_t crc;
    memset(block + offsetof(struct mr_journal_header, crc), 0, sizeof crc);
    memset(block + block_bytes - sizeof(struct mr_journal_mark), 0, sizeof(struct mr_journal_mark));
    crc = XXH3_64bits(block, block_bytes);
    memcpy(block + offsetof(struct mr_journal_header, crc), &crc, sizeof crc);
}

static void expect_refused(size_t bytes_max, const char *sentence)
{
    struct mr_schema_set found = {0};
    struct mr_error err = {0};
    cr_expect_eq(mr_journal_header_check(block, bytes_max, &found, &err), MR_ERR_CORRUPT);
    cr_expect_not_null(strstr(err.text, sentence), "%s", err.text);
    mr_schema_set_clear(&found);
}

static void set_u32(size_t at, uint32_t value)
{
    memcpy(block + at, &value, sizeof value);
}
static void set_u64(size_t at, uint64_t value)
{
    memcpy(block + at, &value, sizeof value);
}

Test(journal_format, a_sound_header)
{
    struct mr_schema_set found = {0};
    seal();
    cr_expect_eq(mr_journal_header_check(block, block_bytes, &found, NULL), MR_OK);
    cr_expect(mr_schema_set_same(&found, &schemas));
    cr_expect_eq(mr_journal_header_check(block, block_bytes, NULL, NULL), MR_OK);
    mr_schema_set_clear(&found);
}

Test(journal_format, header_fields)
{
    expect_refused(79, "found 79 bytes");
    expect_refused(block_bytes - 1, "byte 12");
    set_u32(12, 2048);
    expect_refused(block_bytes, "found a header of 2048 bytes");
    set_u32(12, 4097);
    expect_refused(block_bytes, "found a header of 4097 bytes");
    set_u32(12, MR_JOURNAL_HEADER_BYTES_MAX + 4096);
    expect_refused(4 * MR_JOURNAL_HEADER_BYTES_MAX, "byte 12");
    set_u32(12, (uint32_t)block_bytes);
    set_u32(8, 2);
    expect_refused(block_bytes, "byte 8: found version 2, expected 1");
    set_u32(8, MR_JOURNAL_VERSION);
    set_u64(16, 4097);
    seal();
    expect_refused(block_bytes, "byte 16: found base position 4097");
    set_u64(16, 56); // previous_end is 64
    seal();
    expect_refused(block_bytes, "byte 16: found base position 56 after an end at 64");
    set_u64(16, 4096);
    set_u64(24, UINT64_MAX - 8);
    seal();
    expect_refused(block_bytes, "byte 24");
    set_u64(24, 65536);
    set_u32(80, 7); // schemas
    seal();
    expect_refused(block_bytes, "byte 80");
}

// As many schemas as there may be, each with as many fields.
Test(journal_format, a_header_has_room_for_any_schemas)
{
    struct mr_schema_set many = {0}, found = {0};
    struct mr_error err = {0};
    void *made;
    size_t bytes;
    for (uint16_t i = 0; i < MR_SCHEMAS_MAX; i++) {
        char name[32];
        snprintf(name, sizeof name, "s%u", i);
        struct mr_schema *schema = mr_schema_new(name, MR_SCHEMA_ID_DECLARED + i);
        for (unsigned f = 0; f < MR_FIELDS_MAX; f++) {
            snprintf(name, sizeof name, "f%u", f);
            cr_assert_eq(mr_schema_add(schema, name, "u32", true, NULL), MR_OK);
        }
        mr_schema_seal(schema);
        cr_assert_eq(mr_schema_set_add(&many, schema, &err), MR_OK, "%s", err.text);
    }
    cr_assert_eq(mr_schema_table_bytes(&many), MR_SCHEMA_TABLE_BYTES_MAX);
    cr_assert_eq(mr_journal_header_make(0, 0, 65536, "egress", &many, &made, &bytes, &err), MR_OK);
    cr_expect_leq(bytes, MR_JOURNAL_HEADER_BYTES_MAX);
    cr_expect_eq(mr_journal_header_check(made, bytes, &found, &err), MR_OK, "%s", err.text);
    cr_expect(mr_schema_set_same(&many, &found));
    free(made);
    mr_schema_set_clear(&found);
    mr_schema_set_clear(&many);
}

// ---- names -------------------------------------------------------------------------------------
Test(journal_format, names_of_segments)
{
    uint64_t base = 1;
    cr_expect(mr_journal_segment_base("00000000000000065536.mrj", &base));
    cr_expect_eq(base, 65536);
    cr_expect(mr_journal_segment_base("/a/b/18446744073709551615.mrj", &base));
    cr_expect_eq(base, UINT64_MAX);
    static const char *const others[] = {"",
                                         "65536.mrj",
                                         "00000000000000065536.mrk",
                                         "0000000000000006553x.mrj",
                                         "00000000000000065536.mrj.cut",
                                         "00000000000000065536.mrj/x",
                                         "18446744073709551616.mrj"};
    for (unsigned i = 0; i < MR_COUNT_OF(others); i++)
        cr_expect(!mr_journal_segment_base(others[i], &base), "%s", others[i]);
}

// ---- records -----------------------------------------------------------------------------------
static uint8_t bytes[512];
static char problem[160];

static enum mr_journal_found examine(uint64_t left)
{
    uint32_t length = 99;
    problem[0] = '\0';
    enum mr_journal_found with = mr_journal_examine(bytes, left, 64, &schemas, &length, problem);
    cr_expect_eq(mr_journal_examine(bytes, left, 64, &schemas, &length, NULL), with);
    return with;
}

static void expect_bad(uint64_t left, const char *sentence)
{
    cr_expect_eq(examine(left), MR_JOURNAL_BAD, "%s", sentence);
    cr_expect_not_null(strstr(problem, sentence), "%s", problem);
}

static void checksum(void)
{
    struct mr_record *record = (struct mr_record *)(void *)bytes;
    record->checksum = mr_record_checksum(bytes, record->length, 64);
}

Test(journal_format, records)
{
    struct mr_record *record = (struct mr_record *)(void *)bytes;
    size_t stride = mr_test_record(&schemas, 64, 1, 3, bytes);
    uint32_t length = record->length;
    cr_expect_eq(examine(stride), MR_JOURNAL_RECORD);
    expect_bad(stride - 8, "expected at most the");
    cr_assert_gt(stride, length);
    bytes[stride - 1] ^= 1;
    checksum();
    expect_bad(stride, "in the space behind the record, expected zero");
    bytes[stride - 1] ^= 1;
    checksum();
    record->checksum ^= 1;
    expect_bad(stride, "found checksum");
    record->schema_id = 777;
    checksum();
    expect_bad(stride, "found schema id 777");
    mr_test_record(&schemas, 64, 1, 3, bytes);
    record->length = MR_ENVELOPE_BYTES;
    memset(bytes + MR_ENVELOPE_BYTES, 0, 8);
    checksum();
    expect_bad(stride, "for a sample");
    mr_test_padding(64, 64, bytes);
    cr_expect_eq(examine(64), MR_JOURNAL_PADDING);
}

Test(journal_format, short_paddings_and_rests)
{
    for (unsigned left = 0; left < 8; left++) {
        memset(bytes, 0, sizeof bytes);
        cr_expect_eq(examine(left), MR_JOURNAL_ZERO);
        if (left > 0) {
            bytes[left - 1] = 1;
            expect_bad(left, "expected a record");
        }
    }
    for (uint32_t length = 1; length < MR_ENVELOPE_BYTES; length++) {
        memset(bytes, 0, sizeof bytes);
        memcpy(bytes, &length, sizeof length);
        if (length % 8) {
            expect_bad(64, "expected at least");
            continue;
        }
        cr_expect_eq(examine(64), MR_JOURNAL_PADDING);
        bytes[length - 1] = 5;
        expect_bad(64, "found 05 in a padding");
    }
}

Test(journal_format, faults_have_names)
{
    cr_expect_str_eq(mr_journal_fault_name(MR_JOURNAL_SOUND), "none");
    cr_expect_str_eq(mr_journal_fault_name(MR_JOURNAL_FAULT_RECORD), "record");
}
