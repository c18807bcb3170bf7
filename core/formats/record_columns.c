// SPDX-License-Identifier: Apache-2.0
// Which columns a row has: the first half of core/formats/record_text.h.
#include <stdio.h>
#include <string.h>

#include "core/formats/record_text.h"

static const char *const envelope_names[] = {
    [MR_TEXT_SCHEMA] = "schema",         [MR_TEXT_SEQUENCE] = "sequence",
    [MR_TEXT_EVENT_TIME] = "event_time", [MR_TEXT_INGEST_TIME] = "ingest_time",
    [MR_TEXT_FLAGS] = "flags",
};

static uint8_t envelope_source(const char *name)
{
    for (unsigned i = MR_TEXT_SCHEMA; i <= MR_TEXT_FLAGS; i++)
        if (strcmp(envelope_names[i], name) == 0)
            return (uint8_t)i;
    return MR_TEXT_ABSENT;
}

// Resolves the name; a field goes before an envelope column. True where it is either.
static bool add_column(struct mr_record_text *text, const char *name)
{
    if (text->count == MR_TEXT_COLUMNS_MAX)
        return false;
    struct mr_text_column *column = &text->columns[text->count++];
    snprintf(column->name, sizeof column->name, "%s", name);
    column->name_length = (uint8_t)strlen(column->name);
    column->json_key_length =
        (uint8_t)snprintf(column->json_key, sizeof column->json_key, ",\"%s\":", name);
    column->field = mr_schema_field(text->schema, column->name);
    column->source = column->field != NULL ? MR_TEXT_FIELD : envelope_source(column->name);
    return column->source != MR_TEXT_ABSENT;
}

// Takes the next name of a comma-separated list; false at its end.
static bool next_name(const char **list, char *name)
{
    if (**list == '\0')
        return false;
    const char *at = *list + strspn(*list, " ");
    size_t length = strcspn(at, ","), kept = length;
    while (kept > 0 && at[kept - 1] == ' ')
        kept--;
    snprintf(name, MR_NAME_BYTES, "%.*s", (int)mr_min_u64(kept, MR_NAME_BYTES), at);
    *list = at + length + (at[length] == ',');
    return true;
}

unsigned mr_record_text_open(struct mr_record_text *text, const struct mr_schema *schema,
                             const char *fields, bool envelope)
{
    char name[MR_NAME_BYTES];
    unsigned found = 0;
    text->schema = schema;
    text->count = 0;
    if (fields != NULL) {
        while (next_name(&fields, name))
            found += add_column(text, name);
        return found;
    }
    for (unsigned i = MR_TEXT_SCHEMA; envelope && i <= MR_TEXT_FLAGS; i++)
        if (mr_schema_field(schema, envelope_names[i]) == NULL)
            found += add_column(text, envelope_names[i]);
    for (unsigned i = 0; i < schema->field_count; i++)
        found += add_column(text, schema->fields[i].name);
    return found;
}

int mr_record_text_check(const char *fields, const struct mr_schema_set *schemas,
                         struct mr_error *err)
{
    char name[MR_NAME_BYTES];
    unsigned count = 0;
    while (next_name(&fields, name)) {
        bool known = envelope_source(name) != MR_TEXT_ABSENT;
        for (uint32_t i = 0; i < schemas->count && !known; i++)
            known = mr_schema_field(schemas->schemas[i], name) != NULL;
        if (!known)
            return mr_fail(err, MR_ERR_USAGE, "no schema has a field \"%s\"", name);
        if (++count > MR_TEXT_COLUMNS_MAX)
            return mr_fail(err, MR_ERR_USAGE, "found more than %u field names",
                           MR_TEXT_COLUMNS_MAX);
    }
    return MR_OK;
}
