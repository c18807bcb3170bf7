// SPDX-License-Identifier: Apache-2.0
// A value's text, of every type: it is refused and the record stays as it was, or what was taken can
// be printed and read again, and prints the same.
#include <stdlib.h>
#include <string.h>

#include "core/schema.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

static struct mr_schema *make_schema(void)
{
    static const char *const types[] = {
        "u8",         "u16",         "u32",  "u64",       "i8",
        "i16",        "i32",         "i64",  "f32",       "f64",
        "decimal(4)", "decimal(18)", "bool", "timestamp", "decimal_u32(2)",
        "char[12]",   "enum(a,b)"};
    struct mr_schema *schema = mr_schema_new("fuzz", MR_SCHEMA_ID_DECLARED);
    for (unsigned i = 0; i < MR_COUNT_OF(types); i++) {
        char name[2] = {(char)('a' + i), '\0'};
        if (mr_schema_add(schema, name, types[i], false, NULL) != MR_OK)
            abort();
    }
    mr_schema_seal(schema);
    return schema;
}

static void check(const struct mr_schema *schema, const struct mr_field *field, const char *text,
                  size_t length)
{
    _Alignas(8) char record[512], before[512];
    char first[400], second[400];
    mr_record_init(schema, record);
    memcpy(before, record, schema->record_bytes);
    if (mr_field_parse(schema, field, record, text, length) != MR_OK) {
        if (memcmp(before, record, schema->record_bytes) != 0)
            abort();
        return;
    }
    size_t printed = mr_field_print(schema, field, record, first, sizeof first);
    if (field->type == MR_TYPE_CHAR)
        return; // text may hold what printing cuts
    if (mr_field_parse(schema, field, record, first, printed) != MR_OK)
        abort();
    mr_field_print(schema, field, record, second, sizeof second);
    if (strcmp(first, second) != 0)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    static struct mr_schema *schema;
    if (!schema)
        schema = make_schema();
    for (unsigned i = 0; i < schema->field_count; i++)
        check(schema, &schema->fields[i], (const char *)bytes, length);
    return 0;
}
