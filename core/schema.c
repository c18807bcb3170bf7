// SPDX-License-Identifier: Apache-2.0
#include "core/schema.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/type.h"

static void *allocate(size_t bytes)
{
    void *memory = calloc(1, bytes);
    if (memory == NULL) {
        fputs("millrace: out of memory\n", stderr);
        abort();
    }
    return memory;
}

struct mr_schema *mr_schema_new(const char *name, uint16_t id)
{
    struct mr_schema *schema = allocate(sizeof *schema);
    snprintf(schema->name, sizeof schema->name, "%s", name);
    schema->id = id;
    schema->record_bytes = MR_ENVELOPE_BYTES;
    return schema;
}

struct mr_schema *mr_schema_copy(const struct mr_schema *from)
{
    struct mr_schema *schema = allocate(sizeof *schema);
    *schema = *from;
    return schema;
}

void mr_schema_free(struct mr_schema *schema)
{
    free(schema);
}

static int check_addition(const struct mr_schema *schema, const char *name, struct mr_error *err)
{
    if (!mr_field_name_is_sound(name))
        return mr_fail(
            err, MR_ERR_CONFIG,
            "found field name \"%s\", expected a letter or _, then letters, digits or _, "
            "%u characters at most",
            name, MR_NAME_BYTES - 1);
    if (mr_schema_field(schema, name) != NULL)
        return mr_fail(err, MR_ERR_CONFIG, "schema %s has a field %s already", schema->name, name);
    if (schema->field_count == MR_FIELDS_MAX)
        return mr_fail(err, MR_ERR_CONFIG, "schema %s: field %s is one too many, %u fields at most",
                       schema->name, name, MR_FIELDS_MAX);
    if (schema->field_count > 0 && schema->fields[schema->field_count - 1].type == MR_TYPE_BYTES)
        return mr_fail(err, MR_ERR_CONFIG,
                       "schema %s: field %s cannot follow %s, whose type bytes must be the last",
                       schema->name, name, schema->fields[schema->field_count - 1].name);
    return MR_OK;
}

static int16_t next_null_bit(const struct mr_schema *schema)
{
    int16_t highest = -1;
    for (unsigned i = 0; i < schema->field_count; i++)
        if (schema->fields[i].null_bit > highest)
            highest = schema->fields[i].null_bit;
    return (int16_t)(highest + 1);
}

int mr_schema_add(struct mr_schema *schema, const char *name, const char *type, bool nullable,
                  struct mr_error *err)
{
    int code = check_addition(schema, name, err);
    if (code != MR_OK)
        return code;
    struct mr_field field = {.null_bit = -1};
    if (nullable)
        field.null_bit = next_null_bit(schema);
    snprintf(field.name, sizeof field.name, "%s", name);
    code = mr_type_parse(&field, type, err);
    if (code != MR_OK) {
        mr_error_within(err, "field %s", name);
        return code;
    }
    schema->fields[schema->field_count++] = field;
    return MR_OK;
}

// A built-in schema that cannot be built is a defect of this program, found by its first test.
void mr_schema_add_at(struct mr_schema *schema, const char *name, const char *type, size_t offset)
{
    struct mr_error err = {0};
    if (mr_schema_add(schema, name, type, false, &err) != MR_OK) {
        fprintf(stderr, "millrace: built-in schema %s: %s\n", schema->name, err.text);
        abort();
    }
    schema->fields[schema->field_count - 1].offset = (uint32_t)offset;
}

static bool has_nullable_field(const struct mr_schema *schema)
{
    for (unsigned i = 0; i < schema->field_count; i++)
        if (schema->fields[i].null_bit >= 0)
            return true;
    return false;
}

// Fields that have their place keep it, so that a copied schema to which fields were added
// describes records whose beginning is a record of the original.
void mr_schema_seal(struct mr_schema *schema)
{
    uint32_t end = schema->record_bytes;
    for (unsigned i = 0; i < schema->field_count; i++)
        if (schema->fields[i].offset != 0 &&
            schema->fields[i].offset + schema->fields[i].bytes > end)
            end = schema->fields[i].offset + schema->fields[i].bytes;
    if (schema->null_offset == 0 && has_nullable_field(schema)) {
        schema->null_offset = (uint32_t)mr_align_up(end, sizeof(uint64_t));
        end = schema->null_offset + (uint32_t)sizeof(uint64_t);
    }
    for (unsigned i = 0; i < schema->field_count; i++) {
        struct mr_field *field = &schema->fields[i];
        if (field->offset != 0)
            continue;
        field->offset = (uint32_t)mr_align_up(end, mr_type_alignment(field));
        end = field->offset + field->bytes;
    }
    schema->record_bytes = end;
}

const struct mr_field *mr_schema_field(const struct mr_schema *schema, const char *name)
{
    for (unsigned i = 0; i < schema->field_count; i++)
        if (strcmp(schema->fields[i].name, name) == 0)
            return &schema->fields[i];
    return NULL;
}

void mr_record_init(const struct mr_schema *schema, void *record)
{
    struct mr_record *envelope = record;
    memset(record, 0, schema->record_bytes);
    envelope->length = schema->record_bytes;
    envelope->schema_id = schema->id;
}

void mr_record_begin(const struct mr_schema *schema, void *record)
{
    struct mr_record *envelope = record;
    memset((uint8_t *)record + MR_RING_OWN_BYTES, 0, schema->record_bytes - MR_RING_OWN_BYTES);
    envelope->schema_id = schema->id;
}

// ---- sets ----------------------------------------------------------------------------------

int mr_schema_set_add(struct mr_schema_set *set, struct mr_schema *schema, struct mr_error *err)
{
    const struct mr_schema *other = mr_schema_set_by_id(set, schema->id);
    if (other != NULL)
        return mr_fail(err, MR_ERR_CONFIG, "schemas %s and %s have the same id %u", other->name,
                       schema->name, schema->id);
    if (mr_schema_set_by_name(set, schema->name) != NULL)
        return mr_fail(err, MR_ERR_CONFIG, "there is a schema %s already", schema->name);
    if (set->count == MR_SCHEMAS_MAX)
        return mr_fail(err, MR_ERR_CONFIG, "schema %s is one too many, %u at most", schema->name,
                       MR_SCHEMAS_MAX);
    set->schemas[set->count++] = schema;
    return MR_OK;
}

const struct mr_schema *mr_schema_set_by_id(const struct mr_schema_set *set, uint16_t id)
{
    for (uint32_t i = 0; i < set->count; i++)
        if (set->schemas[i]->id == id)
            return set->schemas[i];
    return NULL;
}

const struct mr_schema *mr_schema_set_by_name(const struct mr_schema_set *set, const char *name)
{
    for (uint32_t i = 0; i < set->count; i++)
        if (strcmp(set->schemas[i]->name, name) == 0)
            return set->schemas[i];
    return NULL;
}

int mr_schema_set_copy(struct mr_schema_set *to, const struct mr_schema_set *from,
                       struct mr_error *err)
{
    for (uint32_t i = 0; i < from->count; i++) {
        struct mr_schema *copy = mr_schema_copy(from->schemas[i]);
        int code = mr_schema_set_add(to, copy, err);
        if (code != MR_OK) {
            mr_schema_free(copy);
            return code;
        }
    }
    return MR_OK;
}

static bool is_same(const struct mr_schema *a, const struct mr_schema *b)
{
    const struct mr_schema_set one = {1, {(struct mr_schema *)a}},
                               other = {1, {(struct mr_schema *)b}};
    return mr_schema_set_same(&one, &other);
}

int mr_schema_set_merge(struct mr_schema_set *to, const struct mr_schema_set *from,
                        struct mr_error *err)
{
    for (uint32_t i = 0; i < from->count; i++) {
        const struct mr_schema_set one = {1, {from->schemas[i]}};
        const struct mr_schema *there = mr_schema_set_by_id(to, from->schemas[i]->id);
        if (!there)
            there = mr_schema_set_by_name(to, from->schemas[i]->name);
        if (there && is_same(there, from->schemas[i]))
            continue;
        if (there)
            return mr_fail(err, MR_ERR_CONFIG,
                           "found schema %s (id %u) beside another schema %s (id %u), expected the "
                           "same, or another name and id",
                           from->schemas[i]->name, from->schemas[i]->id, there->name, there->id);
        int code = mr_schema_set_copy(to, &one, err);
        if (code != MR_OK)
            return code;
    }
    return MR_OK;
}

void mr_schema_set_clear(struct mr_schema_set *set)
{
    for (uint32_t i = 0; i < set->count; i++)
        mr_schema_free(set->schemas[i]);
    set->count = 0;
}

uint16_t mr_schema_set_free_id(const struct mr_schema_set *set)
{
    uint16_t id = MR_SCHEMA_ID_DECLARED;
    while (mr_schema_set_by_id(set, id) != NULL)
        id++;
    return id;
}
