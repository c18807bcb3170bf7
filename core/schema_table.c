// SPDX-License-Identifier: Apache-2.0
// The schema table as it stands in the headers of rings and journals (core/schema.h). The reader
// takes bytes that anyone may have written.
#include <stdlib.h>
#include <string.h>

#include "core/schema.h"
#include "core/type.h"

#define TABLE_HEAD_BYTES 8
#define SCHEMA_HEAD_BYTES 48 // the struct up to its fields
// More than the largest schema that can be built: 63 fields of char[65535].
#define RECORD_BYTES_MAX (1u << 23)
_Static_assert(offsetof(struct mr_schema, fields) == SCHEMA_HEAD_BYTES, "schema head");
_Static_assert(offsetof(struct mr_schema, id) == 32, "id");
_Static_assert(offsetof(struct mr_schema, field_count) == 34, "field count");
_Static_assert(offsetof(struct mr_schema, record_bytes) == 36, "record bytes");
_Static_assert(offsetof(struct mr_schema, null_offset) == 40, "null offset");

static size_t schema_bytes(const struct mr_schema *schema)
{
    return SCHEMA_HEAD_BYTES + schema->field_count * sizeof(struct mr_field);
}

size_t mr_schema_table_bytes(const struct mr_schema_set *set)
{
    size_t bytes = TABLE_HEAD_BYTES;
    for (uint32_t i = 0; i < set->count; i++)
        bytes += schema_bytes(set->schemas[i]);
    return bytes;
}

void mr_schema_table_write(const struct mr_schema_set *set, void *out)
{
    uint32_t head[2] = {set->count, (uint32_t)mr_schema_table_bytes(set)};
    char *at = out;
    memcpy(at, head, sizeof head);
    at += TABLE_HEAD_BYTES;
    for (uint32_t i = 0; i < set->count; i++) {
        memcpy(at, set->schemas[i], schema_bytes(set->schemas[i]));
        at += schema_bytes(set->schemas[i]);
    }
}

bool mr_schema_set_same(const struct mr_schema_set *a, const struct mr_schema_set *b)
{
    if (a->count != b->count)
        return false;
    for (uint32_t i = 0; i < a->count; i++) {
        size_t bytes = schema_bytes(a->schemas[i]);
        if (bytes != schema_bytes(b->schemas[i]) ||
            memcmp(a->schemas[i], b->schemas[i], bytes) != 0)
            return false;
    }
    return true;
}

// ---- reading -------------------------------------------------------------------------------

static bool is_terminated(const char *text, size_t bytes)
{
    return memchr(text, '\0', bytes) != NULL;
}

// Whether [from, from + bytes) lies between the envelope and the record's end.
static bool is_inside(const struct mr_schema *schema, uint32_t from, uint32_t bytes)
{
    return from >= MR_ENVELOPE_BYTES && from <= schema->record_bytes &&
           bytes <= schema->record_bytes - from;
}

static bool overlap(uint32_t a, uint32_t a_bytes, uint32_t b, uint32_t b_bytes)
{
    return a < b + b_bytes && b < a + a_bytes;
}

static bool null_word_is_sound(const struct mr_schema *schema, const struct mr_field *field)
{
    if (field->null_bit < 0)
        return field->null_bit == -1;
    return field->null_bit < 64 && schema->null_offset != 0;
}

static const char *field_problem(const struct mr_schema *schema, unsigned index)
{
    const struct mr_field *field = &schema->fields[index];
    if (!is_terminated(field->name, sizeof field->name) || !mr_field_name_is_sound(field->name))
        return "its name is not one";
    if (!is_terminated(field->unit, sizeof field->unit) || !mr_type_is_sound(field))
        return "its type is not one";
    if (!is_inside(schema, field->offset, field->bytes))
        return "it reaches beyond the record";
    if (field->type == MR_TYPE_BYTES &&
        (index + 1 != schema->field_count || field->offset != schema->record_bytes))
        return "it is of type bytes and not the record's end";
    if (!null_word_is_sound(schema, field))
        return "its null bit does not exist";
    if (schema->null_offset != 0 && overlap(field->offset, field->bytes, schema->null_offset, 8))
        return "it overlaps the null word";
    for (unsigned i = 0; i < index; i++) {
        const struct mr_field *other = &schema->fields[i];
        if (strcmp(other->name, field->name) == 0)
            return "its name stands twice";
        if (overlap(other->offset, other->bytes, field->offset, field->bytes))
            return "it overlaps another field";
        if (field->null_bit >= 0 && other->null_bit == field->null_bit)
            return "its null bit is another field's";
    }
    return NULL;
}

static int check_schema(const struct mr_schema *schema, size_t at, struct mr_error *err)
{
    if (!is_terminated(schema->name, sizeof schema->name) || !mr_name_is_sound(schema->name))
        return mr_fail(err, MR_ERR_CORRUPT, "schema table, byte %zu: expected a schema's name", at);
    if (schema->record_bytes < MR_ENVELOPE_BYTES || schema->record_bytes > RECORD_BYTES_MAX)
        return mr_fail(err, MR_ERR_CORRUPT,
                       "schema table, byte %zu: schema %s: found records of %u bytes, expected %u "
                       "to %u",
                       at, schema->name, schema->record_bytes, MR_ENVELOPE_BYTES, RECORD_BYTES_MAX);
    if (schema->null_offset != 0 && !is_inside(schema, schema->null_offset, sizeof(uint64_t)))
        return mr_fail(
            err, MR_ERR_CORRUPT,
            "schema table, byte %zu: schema %s: null word at %u, outside the record's %u "
            "bytes",
            at, schema->name, schema->null_offset, schema->record_bytes);
    for (unsigned i = 0; i < schema->field_count; i++) {
        const char *problem = field_problem(schema, i);
        if (problem != NULL)
            return mr_fail(err, MR_ERR_CORRUPT,
                           "schema table, byte %zu: schema %s, field %u of %u: %s",
                           at + SCHEMA_HEAD_BYTES + i * sizeof(struct mr_field), schema->name,
                           i + 1, schema->field_count, problem);
    }
    return MR_OK;
}

// Copies one schema out of the table, so that what is checked is what is used, whoever writes
// meanwhile.
static int read_schema(struct mr_schema_set *set, const char *table, size_t *at, size_t end,
                       struct mr_error *err)
{
    struct mr_schema head;
    if (end - *at < SCHEMA_HEAD_BYTES)
        return mr_fail(err, MR_ERR_CORRUPT,
                       "schema table, byte %zu: it ends in the head of schema %u", *at,
                       set->count + 1);
    memcpy(&head, table + *at, SCHEMA_HEAD_BYTES);
    if (head.field_count > MR_FIELDS_MAX)
        return mr_fail(err, MR_ERR_CORRUPT,
                       "schema table, byte %zu: found %u fields, expected at most %u", *at,
                       head.field_count, MR_FIELDS_MAX);
    size_t field_bytes = head.field_count * sizeof(struct mr_field);
    if (end - *at - SCHEMA_HEAD_BYTES < field_bytes)
        return mr_fail(err, MR_ERR_CORRUPT,
                       "schema table, byte %zu: it ends in the fields of schema %u", *at,
                       set->count + 1);
    struct mr_schema *schema = calloc(1, sizeof *schema);
    if (schema == NULL)
        return mr_fail(err, MR_ERR_MEMORY, "schema table, byte %zu: out of memory", *at);
    memcpy(schema, &head, SCHEMA_HEAD_BYTES);
    memcpy(schema->fields, table + *at + SCHEMA_HEAD_BYTES, field_bytes);
    int code = check_schema(schema, *at, err);
    if (code == MR_OK && mr_schema_set_add(set, schema, err) != MR_OK) {
        mr_error_within(err, "schema table, byte %zu", *at);
        code = MR_ERR_CORRUPT;
        if (err != NULL)
            err->code = code;
    }
    if (code != MR_OK)
        mr_schema_free(schema);
    *at += SCHEMA_HEAD_BYTES + field_bytes;
    return code;
}

int mr_schema_table_read(struct mr_schema_set *set, const void *table, size_t bytes_max,
                         struct mr_error *err)
{
    uint32_t head[2];
    size_t at = TABLE_HEAD_BYTES;
    set->count = 0;
    if (bytes_max < TABLE_HEAD_BYTES)
        return mr_fail(err, MR_ERR_CORRUPT, "schema table: found %zu bytes, expected at least %u",
                       bytes_max, TABLE_HEAD_BYTES);
    memcpy(head, table, sizeof head);
    if (head[0] > MR_SCHEMAS_MAX)
        return mr_fail(err, MR_ERR_CORRUPT, "schema table: found %u schemas, expected at most %u",
                       head[0], MR_SCHEMAS_MAX);
    if (head[1] < TABLE_HEAD_BYTES || head[1] > bytes_max)
        return mr_fail(err, MR_ERR_CORRUPT,
                       "schema table: found a length of %u bytes, expected %u to %zu", head[1],
                       TABLE_HEAD_BYTES, bytes_max);
    int code = MR_OK;
    for (uint32_t i = 0; i < head[0] && code == MR_OK; i++)
        code = read_schema(set, table, &at, head[1], err);
    if (code == MR_OK && at != head[1])
        code = mr_fail(err, MR_ERR_CORRUPT, "schema table: found %zu bytes of schemas, expected %u",
                       at, head[1]);
    if (code != MR_OK)
        mr_schema_set_clear(set);
    return code;
}
