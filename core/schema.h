// SPDX-License-Identifier: Apache-2.0
// A schema is a name and a table of fields. It is the one abstraction that makes an exchange feed
// and every other stream the same pipeline: sources fill records, operators address fields by
// offsets resolved at start, sinks encode from the table. Rings and journals carry their schemas in
// their header (schema table, below), so each describes itself.
//
//     struct mr_schema *schema = mr_schema_new("trade", id);
//     mr_schema_add(schema, "symbol", "char[8]", false, &err);
//     mr_schema_add(schema, "price", "decimal(4)", true, &err);      // nullable
//     mr_schema_seal(schema);                                        // lays the fields out
//     const struct mr_field *price = mr_schema_field(schema, "price");
//     mr_field_set_i64(schema, price, record, 1234500);              // 123.4500
#ifndef MR_CORE_SCHEMA_H
#define MR_CORE_SCHEMA_H

#include "core/error.h"
#include "core/record.h"

// Values stand in files: append only.
enum mr_type {
    MR_TYPE_U8 = 1,
    MR_TYPE_U16,
    MR_TYPE_U32,
    MR_TYPE_U64,
    MR_TYPE_I8,
    MR_TYPE_I16,
    MR_TYPE_I32,
    MR_TYPE_I64,
    MR_TYPE_F32,
    MR_TYPE_F64,
    MR_TYPE_DECIMAL,     // i64 times 10^-scale             "decimal(4)"
    MR_TYPE_DECIMAL_U32, // u32 times 10^-scale             "decimal_u32(4)"
    MR_TYPE_TIMESTAMP,   // i64 ns since the Unix epoch     "timestamp"
    MR_TYPE_BOOL,        // u8, 0 or 1                      "bool"
    MR_TYPE_CHAR,        // text, zero-filled to its size   "char[16]"
    MR_TYPE_ENUM,        // u8, an index into the labels    "enum(buy,sell)"
    MR_TYPE_BYTES,       // the record's rest, any length; only as last field   "bytes"
};
// In YAML's {...} form, where [ and , mean something else: "char(16)", "enum(buy|sell)".

#define MR_FIELDS_MAX 63  // per schema: one null bit each
#define MR_SCHEMAS_MAX 64 // per ring or journal
#define MR_LABELS_BYTES 64

// 128 bytes, as it stands in files and rings.
struct mr_field {
    char name[MR_NAME_BYTES];
    uint8_t type;     // mr_type
    uint8_t scale;    // decimals: digits behind the point
    uint16_t bytes;   // size of the value; 0 for MR_TYPE_BYTES
    uint32_t offset;  // from the record's first byte
    int16_t null_bit; // which bit of the null word; -1: never null
    uint8_t reserved[6];
    char unit[16];                // "USD", "shares", ...; may be empty
    char labels[MR_LABELS_BYTES]; // enum: labels joined by commas
};
_Static_assert(sizeof(struct mr_field) == 128, "field entry");
_Static_assert(offsetof(struct mr_field, offset) == 36, "field offset");
_Static_assert(offsetof(struct mr_field, labels) == 64, "field labels");

struct mr_schema {
    char name[MR_NAME_BYTES];
    uint16_t
        id; // 1-99 built in (core/market.h), from 100 declared in the pipeline or made by operators
    uint16_t field_count;
    uint32_t record_bytes; // envelope and fixed fields; records with a BYTES field may be longer
    uint32_t null_offset;  // where the u64 null word is; 0: the schema has no nullable field
    uint32_t reserved;
    struct mr_field fields[MR_FIELDS_MAX];
};

#define MR_SCHEMA_ID_DECLARED 100

// A list of schemas with ids that are unique in it: what may appear in one ring or journal.
struct mr_schema_set {
    uint32_t count;
    struct mr_schema *schemas[MR_SCHEMAS_MAX]; // owned by the set
};

// ---- building ------------------------------------------------------------------------------
struct mr_schema *mr_schema_new(const char *name, uint16_t id); // never NULL: aborts without memory
struct mr_schema *mr_schema_copy(const struct mr_schema *from);
void mr_schema_free(struct mr_schema *schema);
// Appends a field; `type` as written in pipeline files (see mr_type). MR_ERR_CONFIG on a bad type
// or name.
int mr_schema_add(struct mr_schema *schema, const char *name, const char *type, bool nullable,
                  struct mr_error *err);
// For built-in schemas, whose C struct fixes the offsets.
void mr_schema_add_at(struct mr_schema *schema, const char *name, const char *type, size_t offset);
// Places the fields added without offset in declared order (null word first, natural alignment) and
// computes record_bytes. After it the schema does not change; a copy of it may get further fields
// and be sealed again: they come behind, so that a record of the copy begins like one of the
// original.
void mr_schema_seal(struct mr_schema *schema);

// Takes the schema over, unless it fails: then it stays the caller's. Ids and names are unique.
int mr_schema_set_add(struct mr_schema_set *set, struct mr_schema *schema, struct mr_error *err);
const struct mr_schema *mr_schema_set_by_id(const struct mr_schema_set *set, uint16_t id);
const struct mr_schema *mr_schema_set_by_name(const struct mr_schema_set *set, const char *name);
int mr_schema_set_copy(struct mr_schema_set *to, const struct mr_schema_set *from,
                       struct mr_error *err);
// Copies what `to` does not have yet. MR_ERR_CONFIG where it has another schema of that name or id.
int mr_schema_set_merge(struct mr_schema_set *to, const struct mr_schema_set *from,
                        struct mr_error *err);
void mr_schema_set_clear(struct mr_schema_set *set);
// The lowest free id from MR_SCHEMA_ID_DECLARED up.
uint16_t mr_schema_set_free_id(const struct mr_schema_set *set);

// ---- the table as it stands in a header ----------------------------------------------------
// u32 count, u32 bytes, then per schema 48 bytes (name, id, field_count, record_bytes, null_offset,
// reserved) and its fields, 128 bytes each.
#define MR_SCHEMA_TABLE_BYTES_MAX (8 + MR_SCHEMAS_MAX * sizeof(struct mr_schema))
size_t mr_schema_table_bytes(const struct mr_schema_set *set);
void mr_schema_table_write(const struct mr_schema_set *set,
                           void *out); // mr_schema_table_bytes() long
// Whether two sets would stand in a header as the same bytes.
bool mr_schema_set_same(const struct mr_schema_set *a, const struct mr_schema_set *b);
// Trusts nothing: counts, sizes, offsets and names are checked. MR_ERR_CORRUPT says what is wrong;
// MR_ERR_MEMORY. The set's earlier content is overwritten, not freed; after a failure it is empty.
int mr_schema_table_read(struct mr_schema_set *set, const void *table, size_t bytes_max,
                         struct mr_error *err);

// ---- field access --------------------------------------------------------------------------
const struct mr_field *mr_schema_field(const struct mr_schema *schema, const char *name); // or NULL
bool mr_type_is_integer(uint8_t type); // stored as an integer: all but F32, F64, CHAR, BYTES
void mr_type_text(const struct mr_field *field, char *out, size_t out_bytes); // "decimal(4)"

// A blank record of this schema: zeroes, envelope filled but for times and sequence. `record` has
// room for schema->record_bytes.
void mr_record_init(const struct mr_schema *schema, void *record);
// The same for a record claimed in a ring: its first 8 bytes belong to the ring (ringbuf/writer.h)
// and stay as they are.
void mr_record_begin(const struct mr_schema *schema, void *record);

static inline bool mr_field_is_null(const struct mr_schema *schema, const struct mr_field *field,
                                    const void *record)
{
    uint64_t nulls;
    if (field->null_bit < 0)
        return false;
    __builtin_memcpy(&nulls, (const char *)record + schema->null_offset, sizeof nulls);
    return nulls >> field->null_bit & 1;
}
// Null zeroes the value as well, so that equal records are equal bytes. A field that cannot be null
// stays.
void mr_field_set_null(const struct mr_schema *schema, const struct mr_field *field, void *record,
                       bool null);

// Integer types (decimals: the unscaled integer; timestamps: ns; u64 as its bit pattern).
int64_t mr_field_get_i64(const struct mr_field *field, const void *record);
// Sets the value and clears the null bit. MR_ERR_INPUT where the value does not fit the type.
int mr_field_set_i64(const struct mr_schema *schema, const struct mr_field *field, void *record,
                     int64_t value);
// Any number; decimals scaled, timestamps in ns; NaN for text and bytes.
double mr_field_get_f64(const struct mr_field *field, const void *record);
int mr_field_set_f64(const struct mr_schema *schema, const struct mr_field *field, void *record,
                     double value); // rounds half away from zero into integer types
// CHAR: pointer into the record and the length without trailing zeroes. BYTES: to the
// record's end; setting it, the record's length must leave exactly `length` bytes.
const char *mr_field_get_text(const struct mr_field *field, const void *record, size_t *length);
int mr_field_set_text(const struct mr_schema *schema, const struct mr_field *field, void *record,
                      const char *text, size_t length); // MR_ERR_INPUT where it is too long
// From text as people write it, by the field's type: "12.50", "-3", "true", "2020-01-30T09:30:00Z",
// an enum's label. Sets the value; MR_ERR_INPUT and an unchanged record where it cannot be.
int mr_field_parse(const struct mr_schema *schema, const struct mr_field *field, void *record,
                   const char *text, size_t length);

// ---- printing
// Text of one value into out, as CSV and NDJSON have it (decimals exact: "12.5000"; timestamps
// as 2020-01-30T14:30:00.000000001Z; null as ""; text trimmed, not quoted). Returns the length,
// cut to out_bytes - 1.
size_t mr_field_print(const struct mr_schema *schema, const struct mr_field *field,
                      const void *record, char *out, size_t out_bytes);

#endif
