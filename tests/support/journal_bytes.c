// SPDX-License-Identifier: Apache-2.0
#include "tests/support/journal_bytes.h"

#include <ftw.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct mr_schema_set mr_test_schemas(void)
{
    struct mr_schema_set set = {0};
    struct mr_schema *schema = mr_schema_new("sample", MR_SCHEMA_ID_DECLARED);
    if (mr_schema_add(schema, "id", "u32", false, NULL) != MR_OK ||
        mr_schema_add(schema, "value", "f64", false, NULL) != MR_OK ||
        mr_schema_add(schema, "note", "bytes", false, NULL) != MR_OK)
        abort();
    mr_schema_seal(schema);
    if (mr_schema_set_add(&set, schema, NULL) != MR_OK)
        abort();
    return set;
}

size_t mr_test_record(const struct mr_schema_set *schemas, uint64_t position, uint32_t id,
                      size_t note_bytes, uint8_t *out)
{
    const struct mr_schema *schema = schemas->schemas[0];
    struct mr_record *record = (struct mr_record *)(void *)out;
    size_t length = schema->record_bytes + note_bytes;
    memset(out, 0, mr_record_stride((uint32_t)length));
    mr_record_init(schema, out);
    record->length = (uint32_t)length;
    record->sequence = id;
    record->event_time_ns = 1000000000LL * id;
    record->ingest_time_ns = record->event_time_ns + 1;
    mr_field_set_i64(schema, mr_schema_field(schema, "id"), out, id);
    mr_field_set_f64(schema, mr_schema_field(schema, "value"), out, id / 4.0);
    for (size_t i = 0; i < note_bytes; i++)
        out[schema->record_bytes + i] = (uint8_t)('a' + (id + i) % 26);
    record->checksum = mr_record_checksum(out, record->length, position);
    return mr_record_stride(record->length);
}

size_t mr_test_padding(uint64_t position, size_t bytes, uint8_t *out)
{
    struct mr_record *padding = (struct mr_record *)(void *)out;
    memset(out, 0, bytes);
    padding->length = (uint32_t)bytes;
    if (bytes >= sizeof *padding) {
        padding->flags = MR_FLAG_PADDING;
        padding->checksum = mr_record_checksum(out, padding->length, position);
    }
    return bytes;
}

void mr_test_set_checksums(uint8_t *stream, size_t size, uint64_t position)
{
    size_t at = 0;
    while (at + MR_ENVELOPE_BYTES <= size) {
        struct mr_record *record = (struct mr_record *)(void *)(stream + at);
        uint64_t stride = mr_record_stride(record->length);
        if (record->length < 8 || stride > size - at)
            return;
        if (record->length >= MR_ENVELOPE_BYTES)
            record->checksum = mr_record_checksum(record, record->length, position + at);
        memset(stream + at + record->length, 0, stride - record->length);
        at += stride;
    }
}

void mr_test_write_file(const char *path, const void *bytes, size_t length)
{
    FILE *file = fopen(path, "wb");
    if (!file || fwrite(bytes, 1, length, file) != length || fclose(file) != 0)
        abort();
}

uint8_t *mr_test_read_file(const char *path, size_t *bytes)
{
    FILE *file = fopen(path, "rb");
    if (!file || fseek(file, 0, SEEK_END) != 0)
        abort();
    *bytes = (size_t)ftell(file);
    uint8_t *content = malloc(*bytes + 1);
    rewind(file);
    if (!content || fread(content, 1, *bytes, file) != *bytes || fclose(file) != 0)
        abort();
    return content;
}

void mr_test_segment(const char *directory, const struct mr_schema_set *schemas, uint64_t base_pos,
                     uint64_t previous_end, uint64_t segment_bytes, const uint8_t *stream,
                     size_t stream_bytes, uint64_t durable_pos)
{
    char path[512];
    void *header;
    size_t header_bytes;
    struct mr_journal_mark mark;
    if (mr_journal_header_make(base_pos, previous_end, segment_bytes, "egress", schemas, &header,
                               &header_bytes, NULL) != MR_OK)
        abort();
    if (durable_pos != UINT64_MAX) {
        mr_journal_mark_make(base_pos, durable_pos, &mark);
        memcpy((uint8_t *)header + header_bytes - sizeof mark, &mark, sizeof mark);
    }
    mr_journal_segment_path(directory, base_pos, path, sizeof path);
    uint8_t *file = malloc(header_bytes + stream_bytes);
    if (!file)
        abort();
    memcpy(file, header, header_bytes);
    memcpy(file + header_bytes, stream, stream_bytes);
    mr_test_write_file(path, file, header_bytes + stream_bytes);
    free(file);
    free(header);
}

char *mr_test_directory(void)
{
    const char *root = getenv("TMPDIR");
    char *path = NULL;
    if (asprintf(&path, "%s/millrace-test-XXXXXX", root ? root : P_tmpdir) < 0 || !mkdtemp(path))
        abort();
    return path;
}

static int remove_one(const char *path, const struct stat *status, int kind, struct FTW *walk)
{
    (void)status, (void)kind, (void)walk;
    return remove(path);
}

void mr_test_remove_directory(char *directory)
{
    nftw(directory, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    free(directory);
}

void mr_test_change_file(const char *path, size_t at, uint8_t bits)
{
    size_t bytes;
    uint8_t *file = mr_test_read_file(path, &bytes);
    file[at] ^= bits;
    mr_test_write_file(path, file, bytes);
    free(file);
}
