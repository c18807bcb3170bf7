// SPDX-License-Identifier: Apache-2.0
// Journals made by hand, for tests: a schema, records of it in a buffer as a ring would have them,
// and segment files of such bytes.
#ifndef MR_TESTS_SUPPORT_JOURNAL_BYTES_H
#define MR_TESTS_SUPPORT_JOURNAL_BYTES_H

#include <stdio.h>

#include "core/journal.h"

// {id: u32, value: f64, note: bytes}
struct mr_schema_set mr_test_schemas(void);
// Appends a record with a note of `note_bytes` bytes at `position`; returns its stride. `out` is
// the stream's byte at `position`.
size_t mr_test_record(const struct mr_schema_set *schemas, uint64_t position, uint32_t id,
                      size_t note_bytes, uint8_t *out);
// Appends padding of `bytes` (a multiple of 8).
size_t mr_test_padding(uint64_t position, size_t bytes, uint8_t *out);
// Gives each record of a stream that stands at `position` its checksum, as far as lengths lead from one to the next.
void mr_test_set_checksums(uint8_t *stream, size_t size, uint64_t position);
// Writes the segment file; a mark of `durable_pos` unless it is UINT64_MAX.
void mr_test_segment(const char *directory, const struct mr_schema_set *schemas, uint64_t base_pos,
                     uint64_t previous_end, uint64_t segment_bytes, const uint8_t *stream,
                     size_t stream_bytes, uint64_t durable_pos);
// A new directory below the system's own for temporary files; the caller removes and frees it with
// mr_test_remove_directory (one level deep, and the levels below).
char *mr_test_directory(void);
void mr_test_remove_directory(char *directory);
// The whole file; the caller frees it.
uint8_t *mr_test_read_file(const char *path, size_t *bytes);
void mr_test_write_file(const char *path, const void *bytes, size_t length);
// Changes these bits of its byte `at`.
void mr_test_change_file(const char *path, size_t at, uint8_t bits);

#endif
