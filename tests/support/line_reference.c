// SPDX-License-Identifier: Apache-2.0
#include "tests/support/line_reference.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define VALUE_BYTES_MAX 256

// The n-th column; a field in quotes may hold delimiters and doubled quotes.
static bool csv_value(const char *line, unsigned column, char *out)
{
    for (unsigned at = 0;; at++) {
        size_t length = 0;
        bool quoted = *line == '"';
        for (line += quoted; *line && (quoted || *line != ','); line++) {
            if (quoted && *line == '"' && *++line != '"') {
                quoted = false;
                line--;
                continue;
            }
            if (length < VALUE_BYTES_MAX - 1)
                out[length++] = *line;
        }
        out[length] = '\0';
        if (at == column)
            return true;
        if (*line++ != ',')
            return false;
    }
}

static bool json_value(const char *line, const char *inside, const char *key, char *out)
{
    char wanted[64];
    if (strcmp(key, "@prefix") == 0)
        return snprintf(out, VALUE_BYTES_MAX, "%.*s", (int)strcspn(line, " "), line) > 0;
    snprintf(wanted, sizeof wanted, "\"%s\":", key);
    const char *at = strstr(line, inside);
    at = at ? strstr(at, wanted) : NULL;
    if (!at)
        return false;
    at += strlen(wanted);
    size_t length = 0;
    bool quoted = *at == '"';
    for (at += quoted; quoted ? *at != '"' : *at != ',' && *at != '}'; at++) {
        if (quoted && *at == '\\' && !strchr("\"\\/", *++at))
            abort(); // none of the samples has another escape
        out[length++] = *at;
    }
    out[length] = '\0';
    return quoted || strcmp(out, "null") != 0;
}

static int64_t time_ns(const char *text, const char *format)
{
    struct tm broken = {0};
    if (strcmp(format, "ms") == 0)
        return strtoll(text, NULL, 10) * 1000000;
    if (strcmp(format, "ns") == 0)
        return strtoll(text, NULL, 10);
    const char *end = strptime(text, format, &broken);
    int64_t ns = end && *end == '.' ? strtoll(end + 1, (char **)&end, 10) : 0; // nine digits
    if (!end || (*end && strcmp(end, "Z") != 0))
        abort();
    return timegm(&broken) * 1000000000LL + ns;
}

// Long doubles hold 64 bits of a number: the scaled integers of real files are exact in them.
static int64_t scaled(const char *text, unsigned scale)
{
    return (int64_t)roundl(strtold(text, NULL) * powl(10, scale));
}

static void set(const struct mr_field *field, const char *text, const char *format,
                struct mr_record *record)
{
    char *at = (char *)record + field->offset;
    double real;
    int64_t integer = 0;
    switch (field->type) {
    case MR_TYPE_CHAR:
        memcpy(at, text, strlen(text));
        return;
    case MR_TYPE_F64:
        real = strtod(text, NULL);
        memcpy(at, &real, sizeof real);
        return;
    case MR_TYPE_TIMESTAMP:
        integer = time_ns(text, format);
        break;
    case MR_TYPE_BOOL:
        integer = strcmp(text, "true") == 0;
        break;
    default:
        integer = scaled(text, field->scale);
        break;
    }
    memcpy(at, &integer, field->bytes);
}

static void set_null(const struct mr_schema *schema, const struct mr_field *field,
                     struct mr_record *record)
{
    uint64_t nulls;
    if (field->null_bit < 0)
        abort(); // the sample has none such
    memcpy(&nulls, (char *)record + schema->null_offset, sizeof nulls);
    nulls |= 1ULL << field->null_bit;
    memcpy((char *)record + schema->null_offset, &nulls, sizeof nulls);
}

static int64_t field_time_ns(const struct mr_schema *schema, unsigned field,
                             const struct mr_record *record)
{
    int64_t ns;
    memcpy(&ns, (const char *)record + schema->fields[field].offset, sizeof ns);
    return ns;
}

bool line_reference_fill(const struct line_reference *reference, const struct mr_schema *schema,
                         const char *line, struct mr_record *record)
{
    char value[VALUE_BYTES_MAX];
    if (reference->selected && !strstr(line, reference->selected))
        return false;
    memset(record, 0, schema->record_bytes);
    record->length = schema->record_bytes;
    record->schema_id = schema->id;
    for (unsigned i = 0; i < schema->field_count; i++) {
        const struct line_reference_field *from = &reference->fields[i];
        bool found = reference->format == LINE_REFERENCE_CSV
                         ? csv_value(line, (unsigned)atoi(from->from), value)
                         : json_value(line, reference->inside, from->from, value);
        if (found && value[0])
            set(&schema->fields[i], value, from->format, record);
        else
            set_null(schema, &schema->fields[i], record);
    }
    if (reference->time_field < schema->field_count)
        record->event_time_ns = field_time_ns(schema, reference->time_field, record);
    record->ingest_time_ns = reference->ingest_field < schema->field_count
                                 ? field_time_ns(schema, reference->ingest_field, record)
                                 : record->event_time_ns;
    return true;
}
