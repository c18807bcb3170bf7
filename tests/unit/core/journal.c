// SPDX-License-Identifier: Apache-2.0
#include "core/journal.h"

#include "core/disk.h"
#include "core/journal_file.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/support/journal_bytes.h"

#define LAP 65536
#define RECORDS 20
#define MARK_AT (4096 - 16) // the durable mark

static struct mr_schema_set schemas;
static char *directory;
static char path[512];
static uint8_t stream[LAP];
static size_t stream_bytes;
static uint64_t starts[RECORDS + 1];

static void set_up(void)
{
    schemas = mr_test_schemas();
    directory = mr_test_directory();
    mr_journal_segment_path(directory, 0, path, sizeof path);
    stream_bytes = 0;
    for (uint32_t i = 0; i < RECORDS; i++) {
        starts[i] = stream_bytes;
        stream_bytes += mr_test_record(&schemas, stream_bytes, i, i % 7 * 3, stream + stream_bytes);
    }
    starts[RECORDS] = stream_bytes;
}

static void tear_down(void)
{
    mr_test_remove_directory(directory);
    mr_schema_set_clear(&schemas);
}

TestSuite(journal, .init = set_up, .fini = tear_down);

// Reads to the stop; checks that the records are 0, 1, 2, ... and returns how many.
static unsigned count_records(struct mr_journal *journal)
{
    struct mr_error err;
    unsigned count = 0;
    const struct mr_record *record;
    cr_assert_eq(mr_journal_open(journal, directory, &err), MR_OK, "%s", err.text);
    while ((record = mr_journal_next(journal)) != NULL) {
        cr_assert_eq(record->sequence, count);
        cr_assert_eq(journal->record_position, starts[count]);
        count++;
    }
    cr_assert_null(mr_journal_next(journal), "the end stays the end");
    mr_journal_close(journal);
    return count;
}

static void write_segment(size_t bytes, uint64_t durable_pos)
{
    mr_test_segment(directory, &schemas, 0, 0, LAP, stream, bytes, durable_pos);
}

// Literal numbers: the bytes are a format.
Test(journal, header_bytes)
{
    size_t bytes;
    write_segment(stream_bytes, stream_bytes);
    uint8_t *file = mr_test_read_file(path, &bytes);
    uint64_t word;
    cr_assert_eq(bytes, 4096 + stream_bytes);
    cr_assert_eq(memcmp(file, "MLLJRNL1", 8), 0);
    cr_assert_eq(file[8], 1);
    memcpy(&word, file + 24, 8);
    cr_assert_eq(word, LAP);
    cr_assert_str_eq((char *)file + 32, "egress");
    cr_assert_eq(file[80], 1, "one schema");
    cr_assert_str_eq((char *)file + 88, "sample");
    memcpy(&word, file + 4096 - 16, 8);
    cr_assert_eq(word, stream_bytes);
    cr_assert_str_eq(strrchr(path, '/'), "/00000000000000000000.mrj");
    free(file);
}

Test(journal, reads_what_was_written)
{
    struct mr_journal journal;
    write_segment(stream_bytes, stream_bytes);
    cr_assert_eq(count_records(&journal), RECORDS);
    cr_assert_eq(journal.stop, MR_JOURNAL_END);
    cr_assert_eq(journal.position, stream_bytes);
}

Test(journal, an_empty_one_has_an_end)
{
    struct mr_journal journal;
    uint64_t end;
    write_segment(0, 0);
    cr_assert_eq(count_records(&journal), 0);
    cr_assert_eq(journal.stop, MR_JOURNAL_END);
    cr_assert_eq(mr_journal_end(directory, &end, NULL), MR_OK);
    cr_assert_eq(end, 0);
}

Test(journal, none_ends_at_zero)
{
    uint64_t end = 7;
    char missing[600];
    snprintf(missing, sizeof missing, "%s/missing", directory);
    cr_assert_eq(mr_journal_end(missing, &end, NULL), MR_OK);
    cr_assert_eq(end, 0);
    cr_assert_eq(mr_journal_end(directory, &end, NULL), MR_OK);
    cr_assert_eq(end, 0);
}

Test(journal, preallocated_zeroes_are_a_clean_end)
{
    struct mr_journal journal;
    write_segment(LAP, stream_bytes);
    cr_assert_eq(count_records(&journal), RECORDS);
    cr_assert_eq(journal.stop, MR_JOURNAL_END);
}

// A tail that was never durable may be cut at any byte; what stands before it is kept.
static uint64_t bytes_read;

static ssize_t count_read(int fd, void *out, size_t bytes, uint64_t at)
{
    ssize_t got = mr_disk_real.read(fd, out, bytes, at);
    bytes_read += got > 0 ? (uint64_t)got : 0;
    return got;
}

// Nor is what reading has brought into memory of it taken for data, and read.
Test(journal, reserved_space_is_not_read)
{
    const uint64_t segment_bytes = 64u << 20;
    struct mr_disk counting = mr_disk_real;
    struct mr_journal journal;
    counting.read = count_read;
    mr_test_segment(directory, &schemas, 0, 0, segment_bytes, stream, stream_bytes, 0);
    int fd = open(path, O_RDWR);
    cr_assert_eq(posix_fallocate(fd, 0, 4096 + (off_t)segment_bytes), 0);
    fsync(fd);
    bool says = lseek(fd, 1 << 20, SEEK_DATA) < 0;
    close(fd);
    if (!says)
        cr_skip_test("this file system does not say what is reserved");
    mr_disk = &counting;
    for (unsigned i = 0; i < 3; i++) {
        bytes_read = 0;
        cr_assert_eq(count_records(&journal), RECORDS);
        cr_assert_eq(journal.stop, MR_JOURNAL_END);
        cr_expect_leq(bytes_read, 8u << 20, "%llu bytes", (unsigned long long)bytes_read);
    }
    mr_disk = &mr_disk_real;
}

Test(journal, torn_tail_at_every_byte)
{
    for (uint64_t cut = starts[RECORDS - 1] + 1; cut < stream_bytes; cut++) {
        struct mr_journal journal;
        struct mr_journal_tail tail;
        write_segment(cut, starts[RECORDS - 1]);
        cr_assert_eq(count_records(&journal), RECORDS - 1, "cut at %llu", (unsigned long long)cut);
        cr_assert_eq(journal.stop, MR_JOURNAL_TORN);
        cr_assert_eq(mr_journal_find_tail(directory, &tail, NULL), MR_OK);
        cr_assert_eq(tail.end_pos, starts[RECORDS - 1]);
        cr_assert_gt(tail.torn_bytes, 0);
        // The writer kept no mark, and nothing valid follows: the same.
        write_segment(cut, UINT64_MAX);
        cr_assert_eq(count_records(&journal), RECORDS - 1);
        cr_assert_eq(journal.stop, MR_JOURNAL_TORN);
    }
}

// What was durable and is cut is damage, and refused.
Test(journal, cut_below_the_mark_is_damage)
{
    struct mr_journal journal;
    uint64_t end;
    struct mr_error err;
    for (uint64_t cut = starts[3]; cut < stream_bytes; cut += 4) {
        write_segment(cut, stream_bytes);
        count_records(&journal);
        cr_assert_eq(journal.stop, MR_JOURNAL_DAMAGED, "cut at %llu", (unsigned long long)cut);
        cr_assert_eq(mr_journal_end(directory, &end, &err), MR_ERR_CORRUPT);
        cr_assert_not_null(strstr(err.text, path), "the file is named: %s", err.text);
    }
}

static unsigned record_of(uint64_t position)
{
    unsigned i = 0;
    while (i < RECORDS && starts[i + 1] <= position)
        i++;
    return i;
}

// One bit anywhere in the stream: found, at the record that holds it.
Test(journal, every_bit_of_the_stream_counts)
{
    for (uint64_t at = 0; at < stream_bytes; at++) {
        struct mr_journal journal;
        uint8_t bit = (uint8_t)(1 << at % 8);
        stream[at] ^= bit;
        write_segment(stream_bytes, stream_bytes);
        stream[at] ^= bit;
        cr_assert_eq(count_records(&journal), record_of(at), "byte %llu", (unsigned long long)at);
        cr_assert_eq(journal.stop, MR_JOURNAL_DAMAGED, "byte %llu", (unsigned long long)at);
    }
}

// Without a mark: damage where valid records follow, a torn tail where none does.
Test(journal, a_bad_place_without_mark)
{
    struct mr_journal journal;
    stream[starts[5] + 20] ^= 4;
    write_segment(stream_bytes, UINT64_MAX);
    cr_assert_eq(count_records(&journal), 5);
    cr_assert_eq(journal.stop, MR_JOURNAL_DAMAGED);
    cr_assert_not_null(strstr(journal.problem.text, "valid records follow"), "%s",
                       journal.problem.text);
    memset(stream + starts[5], 0xA5, stream_bytes - starts[5]);
    write_segment(stream_bytes, UINT64_MAX);
    cr_assert_eq(count_records(&journal), 5);
    cr_assert_eq(journal.stop, MR_JOURNAL_TORN);
}

// A lost page reads as zeroes with records behind it.
Test(journal, a_hole_is_no_end)
{
    struct mr_journal journal;
    memset(stream + starts[5], 0, starts[6] - starts[5]);
    write_segment(stream_bytes, stream_bytes);
    cr_assert_eq(count_records(&journal), 5);
    cr_assert_eq(journal.stop, MR_JOURNAL_DAMAGED);
    write_segment(stream_bytes, starts[5]); // ... but beyond the mark it is a torn tail
    cr_assert_eq(count_records(&journal), 5);
    cr_assert_eq(journal.stop, MR_JOURNAL_TORN);
}

Test(journal, every_bit_of_the_header_counts)
{
    size_t bytes;
    write_segment(stream_bytes, stream_bytes);
    uint8_t *file = mr_test_read_file(path, &bytes);
    for (unsigned at = 0; at < MARK_AT; at += at < 1024 || at > 4060 ? 1 : 17) {
        struct mr_journal journal;
        struct mr_error err;
        file[at] ^= (uint8_t)(1 << at % 8);
        mr_test_write_file(path, file, bytes);
        file[at] ^= (uint8_t)(1 << at % 8);
        cr_assert_eq(mr_journal_open(&journal, directory, &err), MR_ERR_CORRUPT, "byte %u", at);
    }
    free(file);
}

// A mark that does not match is damage, but the records are there.
Test(journal, every_bit_of_the_mark_counts)
{
    for (unsigned bit = 0; bit < 128; bit++) {
        struct mr_journal journal;
        struct mr_journal_tail tail;
        size_t bytes;
        write_segment(stream_bytes, stream_bytes);
        uint8_t *file = mr_test_read_file(path, &bytes);
        file[MARK_AT + bit / 8] ^= (uint8_t)(1 << bit % 8);
        mr_test_write_file(path, file, bytes);
        free(file);
        cr_assert_eq(count_records(&journal), RECORDS);
        cr_assert_eq(journal.stop, MR_JOURNAL_DAMAGED);
        cr_assert_eq(journal.fault.kind, MR_JOURNAL_FAULT_MARK);
        cr_assert_eq(journal.fault.byte, MARK_AT);
        cr_assert_eq(mr_journal_find_tail(directory, &tail, NULL), MR_ERR_CORRUPT);
    }
}

// Fewer than 8 bytes of a preallocated stretch that was cut are no record that began.
Test(journal, zeroes_to_the_last_byte_are_a_clean_end)
{
    for (unsigned more = 0; more < 24; more++) {
        struct mr_journal journal;
        memset(stream + stream_bytes, 0, more);
        write_segment(stream_bytes + more, stream_bytes);
        cr_assert_eq(count_records(&journal), RECORDS);
        cr_assert_eq(journal.stop, MR_JOURNAL_END, "%u zeroes: %s", more, journal.problem.text);
    }
}

// A small number in a torn record looks like a short padding, and is none.
Test(journal, a_small_number_is_no_valid_record)
{
    struct mr_journal journal;
    uint64_t eight = 8;
    memset(stream + starts[5], 0xA5, stream_bytes - starts[5]);
    memcpy(stream + starts[5] + 16, &eight, 8);
    write_segment(stream_bytes, UINT64_MAX);
    cr_assert_eq(count_records(&journal), 5);
    cr_assert_eq(journal.stop, MR_JOURNAL_TORN, "%s", journal.problem.text);
}

// A file under another's name would be read where it does not belong.
Test(journal, the_name_is_the_base_position)
{
    struct mr_journal journal;
    struct mr_journal_tail tail;
    char other[512];
    write_segment(stream_bytes, stream_bytes);
    mr_journal_segment_path(directory, LAP, other, sizeof other);
    cr_assert_eq(rename(path, other), 0);
    cr_assert_eq(mr_journal_open(&journal, directory, NULL), MR_ERR_CORRUPT);
    cr_assert_eq(mr_journal_find_tail(directory, &tail, NULL), MR_ERR_CORRUPT);
    struct mr_journal_file file;
    struct mr_schema_set found = {0};
    cr_assert_eq(mr_journal_file_open(&file, other, &found, NULL), MR_ERR_CORRUPT);
    cr_assert_eq(found.count, 0, "%u schemas are kept of it", found.count);
}

// Behind the damage the next record that is whole is found, and the rest is read.
Test(journal, resync)
{
    struct mr_journal journal;
    struct mr_error err;
    uint64_t from, to;
    stream[starts[5] + 20] ^= 4;
    stream[starts[9] + 20] ^= 4;
    write_segment(stream_bytes, stream_bytes);
    cr_assert_eq(mr_journal_open(&journal, directory, &err), MR_OK, "%s", err.text);
    unsigned count = 0;
    while (mr_journal_next(&journal))
        count++;
    cr_assert_eq(count, 5);
    cr_assert_eq(journal.fault.kind, MR_JOURNAL_FAULT_RECORD);
    cr_assert_eq(journal.fault.byte, MARK_AT + 16 + starts[5]);
    cr_assert(mr_journal_resync(&journal, &from, &to));
    cr_assert_eq(from, starts[5]);
    cr_assert_eq(to, starts[6]);
    cr_assert_eq(mr_journal_next(&journal)->sequence, 6);
    while (mr_journal_next(&journal))
        continue;
    cr_assert_eq(journal.position, starts[9]);
    cr_assert(mr_journal_resync(&journal, &from, &to));
    for (count = 0; mr_journal_next(&journal); count++)
        continue;
    cr_assert_eq(count, RECORDS - 10);
    cr_assert_eq(journal.stop, MR_JOURNAL_END);
    cr_assert(!mr_journal_resync(&journal, &from, &to));
    mr_journal_close(&journal);
}

// ---- segments ----------------------------------------------------------------------------------
// Lap 0 with padding at its end, lap 1; returns where the second ends.
static uint64_t write_two_segments(uint64_t base, uint64_t previous_end, size_t padding)
{
    uint8_t lap[LAP];
    uint64_t position = 0;
    uint32_t id = 0;
    while (position + 1000 < LAP - padding)
        position += mr_test_record(&schemas, position, id++, 900, lap + position);
    size_t last = LAP - padding - position;
    const struct mr_schema *schema = schemas.schemas[0];
    position +=
        mr_test_record(&schemas, position, id++, last - schema->record_bytes, lap + position);
    if (padding)
        position += mr_test_padding(position, padding, lap + position);
    mr_test_segment(directory, &schemas, 0, 0, LAP, lap, position, position);
    size_t second = mr_test_record(&schemas, base, id++, 0, lap);
    mr_test_segment(directory, &schemas, base, previous_end, LAP, lap, second, base + second);
    return base + second;
}

static unsigned count_in_order(struct mr_journal *journal)
{
    const struct mr_record *record;
    unsigned count = 0;
    struct mr_error err;
    cr_assert_eq(mr_journal_open(journal, directory, &err), MR_OK, "%s", err.text);
    while ((record = mr_journal_next(journal)) != NULL)
        cr_assert_eq(record->sequence, count++);
    mr_journal_close(journal);
    return count;
}

Test(journal, goes_on_in_the_next_segment)
{
    for (size_t padding = 0; padding <= 48; padding += 8) {
        struct mr_journal journal;
        uint64_t end, found;
        end = write_two_segments(LAP, LAP, padding);
        cr_assert_gt(count_in_order(&journal), 60);
        cr_assert_eq(journal.stop, MR_JOURNAL_END, "%s", journal.problem.text);
        cr_assert_eq(mr_journal_end(directory, &found, NULL), MR_OK);
        cr_assert_eq(found, end);
    }
}

Test(journal, a_later_session_may_begin_at_a_later_lap)
{
    struct mr_journal journal;
    write_segment(stream_bytes, stream_bytes);
    uint8_t record[256];
    size_t bytes = mr_test_record(&schemas, 4 * LAP, RECORDS, 0, record);
    mr_test_segment(directory, &schemas, 4 * LAP, stream_bytes, LAP, record, bytes,
                    4 * LAP + bytes);
    cr_assert_eq(count_in_order(&journal), RECORDS + 1);
    cr_assert_eq(journal.stop, MR_JOURNAL_END);
    // The same, but the earlier session is said to have been longer: a segment is missing.
    mr_test_segment(directory, &schemas, 4 * LAP, stream_bytes + 8, LAP, record, bytes,
                    4 * LAP + bytes);
    cr_assert_eq(count_in_order(&journal), RECORDS);
    cr_assert_eq(journal.stop, MR_JOURNAL_DAMAGED);
}

Test(journal, the_oldest_segments_may_be_gone)
{
    struct mr_journal journal;
    write_two_segments(LAP, LAP, 8);
    cr_assert_eq(unlink(path), 0);
    cr_assert_eq(mr_journal_open(&journal, directory, NULL), MR_OK);
    cr_assert_eq(journal.position, LAP);
    cr_assert_not_null(mr_journal_next(&journal));
    cr_assert_null(mr_journal_next(&journal));
    cr_assert_eq(journal.stop, MR_JOURNAL_END);
    mr_journal_close(&journal);
}

Test(journal, seek)
{
    struct mr_journal journal;
    write_two_segments(LAP, LAP, 8);
    cr_assert_eq(mr_journal_open(&journal, directory, NULL), MR_OK);
    const struct mr_record *record = NULL;
    uint64_t at[3];
    for (int i = 0; i < 3; i++) {
        record = mr_journal_next(&journal);
        at[i] = journal.record_position;
    }
    cr_assert_eq(record->sequence, 2);
    cr_assert_eq(mr_journal_seek(&journal, at[1], NULL), MR_OK);
    cr_assert_eq(mr_journal_next(&journal)->sequence, 1);
    cr_assert_eq(mr_journal_seek(&journal, at[1] + 4, NULL), MR_OK);
    cr_assert_eq(mr_journal_next(&journal)->sequence, 2, "the first at or after");
    cr_assert_eq(mr_journal_seek(&journal, LAP, NULL), MR_OK);
    cr_assert_not_null(mr_journal_next(&journal));
    cr_assert_null(mr_journal_next(&journal));
    cr_assert_eq(mr_journal_seek(&journal, 0, NULL), MR_OK);
    cr_assert_eq(mr_journal_next(&journal)->sequence, 0);
    cr_assert_eq(mr_journal_seek(&journal, 100 * LAP, NULL), MR_OK);
    cr_assert_null(mr_journal_next(&journal));
    mr_journal_close(&journal);
}

Test(journal, what_is_no_journal)
{
    struct mr_journal journal;
    struct mr_error err;
    cr_assert_eq(mr_journal_open(&journal, directory, &err), MR_ERR_INPUT);
    mr_test_write_file(path, "hello", 5);
    cr_assert_eq(mr_journal_open(&journal, directory, &err), MR_ERR_CORRUPT);
    cr_assert_not_null(strstr(err.text, path), "%s", err.text);
    mr_test_write_file(path, "", 0);
    cr_assert_eq(mr_journal_open(&journal, directory, &err), MR_ERR_CORRUPT);
}
