// SPDX-License-Identifier: Apache-2.0
// Any bytes as a segment file. The first byte chooses: 0 the file itself; 1 a stream behind a good header;
// 2 the same, its records given right checksums, so that what a checksum lets through is met too. Each record
// that the reader hands out is looked at field by field; a verdict must come in the end.
#include <stdlib.h>
#include <string.h>

#include "tests/support/journal_bytes.h"
#include "tests/support/memory_disk.h"

#define SEGMENT_BYTES 65536

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void look_at_fields(const struct mr_journal *journal, const struct mr_record *record)
{
    char text[128];
    const struct mr_schema *schema = mr_schema_set_by_id(&journal->schemas, record->schema_id);
    if (!schema || record->length < schema->record_bytes)
        abort();
    for (unsigned i = 0; i < schema->field_count; i++)
        mr_field_print(schema, &schema->fields[i], record, text, sizeof text);
}

static void read_file(const char *path)
{
    struct mr_journal journal;
    const struct mr_record *record;
    uint64_t last = 0, count = 0;
    if (mr_journal_open(&journal, path, NULL) != MR_OK)
        return;
    while ((record = mr_journal_next(&journal)) != NULL) {
        if (count++ > 0 && journal.record_position <= last)
            abort();
        last = journal.record_position;
        look_at_fields(&journal, record);
    }
    if (journal.stop != MR_JOURNAL_END && journal.problem.text[0] == '\0')
        abort();
    if (count > 0 && mr_journal_seek(&journal, last, NULL) == MR_OK &&
        (!mr_journal_next(&journal) || journal.record_position != last))
        abort();
    mr_journal_close(&journal);
}

static void *header;
static size_t header_bytes;

static void start(void)
{
    struct mr_schema_set schemas = mr_test_schemas();
    memory_disk_use();
    if (mr_journal_header_make(0, 0, SEGMENT_BYTES, "fuzz", &schemas, &header, &header_bytes,
                               NULL) != MR_OK)
        abort();
    mr_schema_set_clear(&schemas);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    if (!header)
        start();
    if (size == 0)
        return 0;
    size_t before = bytes[0] == 0 ? 0 : header_bytes, file_bytes = before + size - 1;
    uint8_t *file = malloc(file_bytes);
    memcpy(file, header, before);
    memcpy(file + before, bytes + 1, size - 1);
    if (bytes[0] == 2)
        mr_test_set_checksums(file + before, size - 1, 0);
    memory_disk_put("/segment", file, file_bytes);
    read_file("/segment");
    memory_disk_clear();
    free(file);
    return 0;
}
