// SPDX-License-Identifier: Apache-2.0
// The schema table of a ring or journal: any bytes are refused or give schemas whose fields lie inside
// their records; what was read is written again as it was.
#include <stdlib.h>
#include <string.h>

#include "core/schema.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

static void check(const struct mr_schema *schema)
{
    for (unsigned i = 0; i < schema->field_count; i++) {
        const struct mr_field *field = &schema->fields[i];
        if (field->offset < MR_ENVELOPE_BYTES ||
            (uint64_t)field->offset + field->bytes > schema->record_bytes)
            abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    struct mr_schema_set set = {0};
    struct mr_error err = {0};
    if (mr_schema_table_read(&set, bytes, length, &err) != MR_OK) {
        if (err.text[0] == '\0')
            abort();
        return 0;
    }
    for (unsigned i = 0; i < set.count; i++)
        check(set.schemas[i]);
    size_t table_bytes = mr_schema_table_bytes(&set);
    void *table = malloc(table_bytes);
    mr_schema_table_write(&set, table);
    free(table);
    mr_schema_set_clear(&set);
    return 0;
}
