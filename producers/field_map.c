// SPDX-License-Identifier: Apache-2.0
#include "producers/field_map.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/formats/number.h"
#include "core/formats/time_pattern.h"
#include "core/pipeline/declared.h"
#include "producers/field_read.h"

#define FOUND_BYTES_MAX 60 // of a found value that are shown

const char mr_field_map_ignored_keys[] = MR_DECLARED_FIELD_KEYS ",min,max,values,length,nulls";

static const struct mr_option field_options[] = {
    {"from", MR_OPTION_STRING, offsetof(struct mr_field_options, from), NULL,
     "column name, column number or JSON path", NULL},
    {"missing", MR_OPTION_ENUM, offsetof(struct mr_field_options, missing), "auto",
     "what becomes of a record without the value", "auto,reject,null,default"},
    {"bad", MR_OPTION_ENUM, offsetof(struct mr_field_options, bad), "reject",
     "what becomes of a record whose value does not fit", "auto,reject,null,default"},
    {"default", MR_OPTION_NODE, offsetof(struct mr_field_options, fallback), NULL,
     "the value that stands in", NULL},
    {"format", MR_OPTION_STRING, offsetof(struct mr_field_options, format), NULL,
     "of timestamps: s, ms, us, ns or a pattern", NULL},
    {"map", MR_OPTION_NODE, offsetof(struct mr_field_options, map), NULL,
     "found text -> the text to read instead", NULL},
    {0},
};

// ---- nodes -------------------------------------------------------------------------------------

// The entry called `name`: of a list by its entries' `name`, of a mapping by its key.
static const struct mr_node *entry(const struct mr_node *node, const char *name)
{
    if (!node)
        return NULL;
    if (node->kind == MR_NODE_MAP)
        return mr_config_child(node, name);
    for (unsigned i = 0; i < node->child_count; i++) {
        const struct mr_node *child = node->children[i];
        const struct mr_node *called =
            child->kind == MR_NODE_MAP ? mr_config_child(child, "name") : NULL;
        if (called && called->kind == MR_NODE_SCALAR && strcmp(called->text, name) == 0)
            return child;
    }
    return NULL;
}

const struct mr_node *mr_schema_node(const struct mr_pipeline *pipeline, const char *schema)
{
    return entry(pipeline->schemas_node, schema);
}

int mr_schema_node_check(const struct mr_node *schema_node, struct mr_error *err)
{
    static const struct mr_option no_options[] = {{0}};
    char none;
    return mr_config_bind(schema_node, MR_DECLARED_SCHEMA_KEYS, no_options, &none, 0, err);
}

const struct mr_node *mr_field_node(const struct mr_node *schema_node, const char *field)
{
    if (!schema_node || schema_node->kind != MR_NODE_MAP)
        return NULL;
    return entry(mr_config_child(schema_node, "fields"), field);
}

// ---- values ------------------------------------------------------------------------------------

static bool is_space(char c)
{
    return c == ' ' || c == '\t';
}

static void trim(struct mr_span *value)
{
    while (value->length > 0 && is_space(value->text[value->length - 1]))
        value->length--;
    while (value->length > 0 && is_space(value->text[0])) {
        value->text++;
        value->length--;
    }
}

static bool is_missing(const struct mr_mapped_field *mapped, const struct mr_span *value)
{
    if (value->kind == MR_SPAN_MISSING || value->kind == MR_SPAN_NULL)
        return true;
    return value->length == 0 && (value->kind == MR_SPAN_BARE || !mapped->is_text);
}

static struct mr_span translate(const struct mr_node *map, struct mr_span value)
{
    for (unsigned i = 0; i < map->child_count; i++) {
        const struct mr_node *child = map->children[i];
        if (strlen(child->key) == value.length && memcmp(child->key, value.text, value.length) == 0)
            return (struct mr_span){child->text, (uint32_t)strlen(child->text), MR_SPAN_STRING};
    }
    return value;
}

static bool parse_time(const struct mr_mapped_field *mapped, const struct mr_span *value,
                       int64_t *ns)
{
    if (mapped->time_pattern)
        return mr_time_pattern_parse(mapped->time_pattern, value->text, value->length, ns);
    if (mapped->time_unit_ns == 0)
        return mr_parse_timestamp(value->text, value->length, ns) == MR_NUMBER_OK;
    return mr_parse_decimal(value->text, value->length, mapped->scale, ns) == MR_NUMBER_OK;
}

static bool put_text(const struct mr_field *field, struct mr_record *record,
                     const struct mr_span *value)
{
    char *at = (char *)record + field->offset;
    if (field->type == MR_TYPE_CHAR && value->length > field->bytes)
        return false;
    memcpy(at, value->text, value->length);
    if (field->type == MR_TYPE_CHAR)
        memset(at + value->length, 0, field->bytes - value->length);
    else
        record->length = field->offset + value->length;
    return true;
}

// Writes the value, or says that the field cannot hold it.
static bool put(const struct mr_field_map *map, const struct mr_mapped_field *mapped,
                const struct mr_span *value, struct mr_record *record)
{
    int64_t integer;
    if (mapped->is_text)
        return put_text(mapped->field, record, value);
    if (value->kind == MR_SPAN_CONTAINER)
        return false;
    if (mapped->field->type == MR_TYPE_TIMESTAMP)
        return parse_time(mapped, value, &integer) &&
               mr_field_set_i64(map->schema, mapped->field, record, integer) == MR_OK;
    return mr_field_parse(map->schema, mapped->field, record, value->text, value->length) == MR_OK;
}

// ---- faults ------------------------------------------------------------------------------------

static bool reject(const struct mr_mapped_field *mapped, enum mr_reason reason, const char *found,
                   const char *expected, struct mr_field_problem *problem)
{
    char source[128] = "";
    if (strcmp(mapped->from, mapped->field->name) != 0)
        snprintf(source, sizeof source, " (from %s)", mapped->from);
    problem->reason = reason;
    snprintf(problem->text, sizeof problem->text, "field %s%s: found %s, expected %s",
             mapped->field->name, source, found, expected);
    return false;
}

static void describe_expected(const struct mr_mapped_field *mapped, char *out, size_t out_bytes)
{
    char type[160];
    mr_type_text(mapped->field, type, sizeof type);
    if (mapped->time_pattern)
        snprintf(out, out_bytes, "a time as %s", mapped->time_pattern);
    else if (mapped->time_unit_ns)
        snprintf(out, out_bytes, "a number of %s since the epoch",
                 mapped->time_unit_ns == 1000000000 ? "s"
                 : mapped->time_unit_ns == 1000000  ? "ms"
                 : mapped->time_unit_ns == 1000     ? "us"
                                                    : "ns");
    else if (mapped->field->type == MR_TYPE_TIMESTAMP)
        snprintf(out, out_bytes,
                 "an ISO 8601 time (or say its format: s, ms, us, ns or a pattern)");
    else
        snprintf(out, out_bytes, "%s", type);
}

static bool reject_bad(const struct mr_mapped_field *mapped, const struct mr_span *value,
                       struct mr_field_problem *problem)
{
    char found[FOUND_BYTES_MAX + 40], expected[240];
    int shown = (int)mr_min_u64(value->length, FOUND_BYTES_MAX);
    bool too_long = mapped->field->type == MR_TYPE_CHAR;
    if (too_long)
        snprintf(found, sizeof found, "%u bytes", value->length);
    else
        snprintf(found, sizeof found, value->kind == MR_SPAN_CONTAINER ? "%.*s%s" : "\"%.*s\"%s",
                 shown, value->text, (uint32_t)shown < value->length ? "..." : "");
    for (char *at = found; *at; at++)
        if ((unsigned char)*at < 0x20)
            *at = '?';
    describe_expected(mapped, expected, sizeof expected);
    return reject(mapped, too_long ? MR_REASON_TOO_LONG : MR_REASON_BAD_VALUE, found, expected,
                  problem);
}

// Null or default in the value's place.
static void stand_in(const struct mr_field_map *map, const struct mr_mapped_field *mapped,
                     enum mr_remedy remedy, struct mr_record *record)
{
    const struct mr_field *field = mapped->field;
    if (remedy == MR_REMEDY_NULL) {
        mr_field_set_null(map->schema, field, record, true);
        return;
    }
    const char *from = (const char *)map->defaults + field->offset;
    size_t bytes = field->bytes;
    if (field->type == MR_TYPE_BYTES) {
        bytes = ((const struct mr_record *)map->defaults)->length - field->offset;
        record->length = field->offset + (uint32_t)bytes;
    }
    mr_field_set_null(map->schema, field, record, false);
    memcpy((char *)record + field->offset, from, bytes);
    record->flags |= MR_FLAG_CORRECTED;
}

static bool fill_field(const struct mr_field_map *map, const struct mr_mapped_field *mapped,
                       struct mr_span value, struct mr_record *record,
                       struct mr_field_problem *problem)
{
    if (!mapped->is_text)
        trim(&value);
    if (MR_UNLIKELY(is_missing(mapped, &value))) {
        char expected[240];
        if (mapped->missing != MR_REMEDY_REJECT) {
            stand_in(map, mapped, mapped->missing, record);
            return true;
        }
        describe_expected(mapped, expected, sizeof expected);
        return reject(mapped, MR_REASON_MISSING_FIELD,
                      value.kind == MR_SPAN_NULL      ? "null"
                      : value.kind == MR_SPAN_MISSING ? "nothing"
                                                      : "an empty value",
                      expected, problem);
    }
    if (mapped->map)
        value = translate(mapped->map, value);
    if (MR_LIKELY(put(map, mapped, &value, record)))
        return true;
    if (mapped->bad == MR_REMEDY_REJECT)
        return reject_bad(mapped, &value, problem);
    stand_in(map, mapped, mapped->bad, record);
    record->flags |= MR_FLAG_CORRECTED;
    return true;
}

// Its last field is of type BYTES.
uint64_t mr_field_map_longest(const struct mr_field_map *map, const struct mr_span *values)
{
    uint64_t fallback = ((const struct mr_record *)map->defaults)->length;
    return mr_max_u64(fallback,
                      (uint64_t)map->schema->record_bytes + values[map->count - 1].length);
}

// Any kind of value but the missing, the null and the container.
static inline bool is_plain(const struct mr_span *value)
{
    return (unsigned)value->kind - MR_SPAN_BARE < MR_SPAN_CONTAINER - MR_SPAN_BARE;
}

bool mr_field_map_fill(struct mr_field_map *map, const struct mr_span *values,
                       struct mr_record *record, struct mr_field_problem *problem)
{
    memcpy((uint8_t *)record + MR_RING_OWN_BYTES, (const uint8_t *)map->blank + MR_RING_OWN_BYTES,
           map->schema->record_bytes - MR_RING_OWN_BYTES);
    for (unsigned i = 0; i < map->count; i++) {
        struct mr_mapped_field *mapped = &map->fields[i];
        if (MR_LIKELY(mapped->read && is_plain(&values[i]) &&
                      mapped->read(mapped, &values[i], record)))
            continue;
        if (!fill_field(map, mapped, values[i], record, problem))
            return false;
    }
    if (map->time && !mr_field_is_null(map->schema, map->time, record))
        memcpy(&record->event_time_ns, (const char *)record + map->time->offset,
               sizeof record->event_time_ns);
    return true;
}

// ---- opening -----------------------------------------------------------------------------------

static int set_time_format(struct mr_mapped_field *mapped, const struct mr_node *node,
                           const char *format, struct mr_error *err)
{
    static const char *const units[] = {"ns", "us", "ms", "s"};
    int64_t unit_ns = 1;
    if (!format)
        return MR_OK;
    if (mapped->field->type != MR_TYPE_TIMESTAMP)
        return mr_config_fail(mr_config_child(node, "format"), err,
                              "found a format for field %s, expected one only for a timestamp",
                              mapped->field->name);
    for (unsigned i = 0; i < MR_COUNT_OF(units); i++, unit_ns *= 1000)
        if (strcmp(format, units[i]) == 0) {
            mapped->time_unit_ns = unit_ns;
            mapped->scale = 3 * i; // 10^scale ns are one unit
            return MR_OK;
        }
    if (!strchr(format, '%') || mr_time_pattern_check(format))
        return mr_config_fail(mr_config_child(node, "format"), err,
                              "found \"%s\", expected s, ms, us, ns or a pattern such as "
                              "\"%%Y-%%m-%%d %%H:%%M:%%S\"",
                              format);
    mapped->time_pattern = format;
    return MR_OK;
}

static int check_map(const struct mr_node *map, struct mr_error *err)
{
    if (!map)
        return MR_OK;
    if (map->kind != MR_NODE_MAP)
        return mr_config_fail(map, err,
                              "expected a mapping of found text to the text to read instead");
    for (unsigned i = 0; i < map->child_count; i++)
        if (map->children[i]->kind != MR_NODE_SCALAR)
            return mr_config_fail(map->children[i], err, "expected a single value");
    return MR_OK;
}

static bool is_null_node(const struct mr_node *node)
{
    return !node || (node->kind == MR_NODE_SCALAR && !node->quoted &&
                     (strcmp(node->text, "null") == 0 || strcmp(node->text, "~") == 0));
}

static int set_default(struct mr_field_map *map, struct mr_mapped_field *mapped,
                       const struct mr_node *node, struct mr_error *err)
{
    struct mr_record *defaults = map->defaults;
    struct mr_span value = {.kind = MR_SPAN_STRING};
    if (mr_config_text(node, &value.text, err) != MR_OK)
        return err->code;
    value.length = (uint32_t)strlen(value.text);
    if (mapped->field->type == MR_TYPE_BYTES) {
        map->defaults = defaults = realloc(defaults, map->schema->record_bytes + value.length);
        if (!defaults)
            return mr_fail(err, MR_ERR_MEMORY, "no memory for the defaults of %s",
                           map->schema->name);
    }
    if (put(map, mapped, &value, defaults))
        return MR_OK;
    char expected[240];
    describe_expected(mapped, expected, sizeof expected);
    return mr_config_fail(node, err, "found \"%s\", expected %s", value.text, expected);
}

static int check_remedy(const struct mr_mapped_field *mapped, const struct mr_node *node,
                        enum mr_remedy remedy, bool has_default, const char *key,
                        struct mr_error *err)
{
    const struct mr_node *at = mr_config_child(node, key);
    if (remedy == MR_REMEDY_NULL && mapped->field->null_bit < 0)
        return mr_config_fail(at ? at : node, err, "field %s cannot be null: say nullable: true",
                              mapped->field->name);
    if (remedy == MR_REMEDY_DEFAULT && !has_default)
        return mr_config_fail(at ? at : node, err, "field %s has no default: say default: VALUE",
                              mapped->field->name);
    return MR_OK;
}

static int open_field(struct mr_field_map *map, struct mr_mapped_field *mapped,
                      const struct mr_node *node, struct mr_error *err)
{
    struct mr_field_options options;
    const struct mr_field *field = mapped->field;
    if (node && node->kind != MR_NODE_MAP) // "name: type" alone
        node = NULL;
    int code = mr_config_bind(node, mr_field_map_ignored_keys, field_options, &options,
                              sizeof options, err);
    if (code != MR_OK)
        return code;
    bool has_default = !is_null_node(options.fallback);
    mapped->from = options.from ? options.from : field->name;
    mapped->is_text = field->type == MR_TYPE_CHAR || field->type == MR_TYPE_BYTES;
    mapped->map = options.map;
    mapped->missing = (enum mr_remedy)options.missing;
    mapped->bad = options.bad == MR_REMEDY_AUTO ? MR_REMEDY_REJECT : (enum mr_remedy)options.bad;
    if (mapped->missing == MR_REMEDY_AUTO)
        mapped->missing = has_default            ? MR_REMEDY_DEFAULT
                          : field->null_bit >= 0 ? MR_REMEDY_NULL
                                                 : MR_REMEDY_REJECT;
    if ((code = set_time_format(mapped, node, options.format, err)) != MR_OK ||
        (code = check_map(options.map, err)) != MR_OK ||
        (code = check_remedy(mapped, node, mapped->missing, has_default, "missing", err)) !=
            MR_OK ||
        (code = check_remedy(mapped, node, mapped->bad, has_default, "bad", err)) != MR_OK)
        return code;
    code = has_default ? set_default(map, mapped, options.fallback, err) : MR_OK;
    mr_field_reader_prepare(mapped);
    return code;
}

static int find_time(struct mr_field_map *map, const struct mr_node *schema_node,
                     struct mr_error *err)
{
    const char *name;
    if (!schema_node || schema_node->kind != MR_NODE_MAP)
        return MR_OK;
    if (mr_schema_node_check(schema_node, err) != MR_OK)
        return err->code;
    const struct mr_node *node = mr_config_child(schema_node, "time");
    if (!node)
        return MR_OK;
    if (mr_config_text(node, &name, err) != MR_OK)
        return err->code;
    map->time = mr_schema_field(map->schema, name);
    if (!map->time || map->time->type != MR_TYPE_TIMESTAMP)
        return mr_config_fail(node, err, "found \"%s\", expected a timestamp field of schema %s",
                              name, map->schema->name);
    return MR_OK;
}

int mr_field_map_open(struct mr_field_map *map, const struct mr_schema *schema,
                      const struct mr_node *schema_node, struct mr_error *err)
{
    memset(map, 0, sizeof *map);
    map->schema = schema;
    map->blank = calloc(1, schema->record_bytes);
    map->defaults = calloc(1, schema->record_bytes);
    if (!map->blank || !map->defaults)
        return mr_fail(err, MR_ERR_MEMORY, "no memory for a record of %s", schema->name);
    mr_record_init(schema, map->blank);
    mr_record_init(schema, map->defaults);
    for (unsigned i = 0; i < schema->field_count; i++) {
        map->fields[i].field = &schema->fields[i];
        map->count++;
        int code = open_field(map, &map->fields[i],
                              mr_field_node(schema_node, schema->fields[i].name), err);
        if (code != MR_OK)
            return code;
    }
    map->is_fixed = map->count == 0 || map->fields[map->count - 1].field->type != MR_TYPE_BYTES;
    return find_time(map, schema_node, err);
}

void mr_field_map_close(struct mr_field_map *map)
{
    free(map->blank);
    free(map->defaults);
    map->blank = map->defaults = NULL;
}
