// SPDX-License-Identifier: Apache-2.0
// Any bytes as a record of a schema with a field of each type, as CSV, as NDJSON or as a line: it says how much
// room it takes, whatever room it is given, and writes no further. The first two bytes say which, and how long the
// record is: shorter than its schema too, and by more than its schema only now and then.
#include <stdlib.h>
#include <string.h>

#include "core/formats/record_text.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

#define LONG 4

typedef size_t write_record(const struct mr_record_text *text, const struct mr_record *record,
                            char *out, size_t room);
static write_record *const writers[] = {mr_record_csv, mr_record_ndjson, mr_record_line};

static struct mr_schema *make_schema(void)
{
    static const char *const types[] = {
        "u8",         "u16",         "u32",  "u64",       "i8",
        "i16",        "i32",         "i64",  "f32",       "f64",
        "decimal(4)", "decimal(18)", "bool", "timestamp", "decimal_u32(2)",
        "char[12]",   "enum(a,b)",   "bytes"};
    struct mr_schema *schema = mr_schema_new("fuzz", MR_SCHEMA_ID_DECLARED);
    for (unsigned i = 0; i < MR_COUNT_OF(types); i++) {
        char name[2] = {(char)('a' + i), '\0'};
        if (mr_schema_add(schema, name, types[i], i % 2, NULL) != MR_OK)
            abort();
    }
    mr_schema_seal(schema);
    return schema;
}

// The room is a block of its own: what is written behind it is noticed.
static void write_in(write_record *write, const struct mr_record_text *text,
                     const struct mr_record *record, size_t room, size_t expected)
{
    char *out = malloc(room);
    if (write(text, record, out, room) != expected)
        abort();
    free(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static struct mr_schema *schema;
    static struct mr_record_text text;
    static char whole[1 << 20];
    if (!schema) {
        schema = make_schema();
        mr_record_text_open(&text, schema, NULL, true);
    }
    if (size < 2)
        return 0;
    uint32_t length = MR_ENVELOPE_BYTES + bytes[0] * (bytes[1] % 8 == 7 ? LONG : 1);
    struct mr_record *record = calloc(1, mr_record_stride(length));
    memcpy(record, bytes + 2, mr_min_u64(size - 2, length));
    record->length = length;
    write_record *write = writers[(bytes[1] >> 4) % MR_COUNT_OF(writers)];
    size_t expected = write(&text, record, whole, sizeof whole);
    write_in(write, &text, record, expected, expected);
    write_in(write, &text, record, expected / 2, expected);
    free(record);
    return 0;
}
