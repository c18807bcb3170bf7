// SPDX-License-Identifier: Apache-2.0
#include "tests/support/field_map_pair.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/pipeline/declared.h"

#define RECORD_BYTES_MAX 65536

static const char *const fields[] = {
    "type: u8",
    "type: u16",
    "type: u32",
    "type: u64",
    "type: i8",
    "type: i16",
    "type: i32",
    "type: i64",
    "type: f32",
    "type: f64",
    "type: decimal(0)",
    "type: decimal(3)",
    "type: decimal(9)",
    "type: decimal(18)",
    "type: decimal_u32(2)",
    "type: bool",
    "type: 'char[12]'",
    "type: 'char[12]', nullable: true",
    "type: 'enum(buy,sell)'",
    "type: 'enum(buy,sell)', map: {b: buy, '1': sell}",
    "type: u16, nullable: true, bad: null",
    "type: i32, default: 7, bad: default",
    "type: bytes",
    "type: timestamp",
    "type: timestamp, format: s",
    "type: timestamp, format: ms",
    "type: timestamp, format: us",
    "type: timestamp, format: ns",
    "type: timestamp, format: '%Y-%m-%d %H:%M:%S'",
    "type: timestamp, format: '%d/%m/%Y %T'",
    "type: timestamp, format: '%d %b %y,%H:%M:%S'",
    "type: timestamp, format: '%Y%m%d%H:%M:%S'",
    "type: timestamp, format: '%s %H:%M:%S'",
    "type: timestamp, format: '%Y-%j-%H:%M:%S'",
    "type: timestamp, format: '%F %I:%M:%S'",
};

static void fail(const struct mr_error *err)
{
    fprintf(stderr, "%s\n", err->text);
    abort();
}

static void open_maps(struct field_map_pair *pair)
{
    struct mr_pipeline pipeline = {.root = pair->root};
    struct mr_error err;
    pipeline.schemas_node = mr_config_child(pair->root, "schemas");
    if (mr_declared_schemas(pipeline.schemas_node, &pair->schemas, &err) != MR_OK)
        fail(&err);
    for (pair->count = 0; pair->count < pair->schemas.count; pair->count++) {
        const struct mr_schema *schema = pair->schemas.schemas[pair->count];
        const struct mr_node *node = mr_schema_node(&pipeline, schema->name);
        struct mr_field_map *slow = &pair->slow[pair->count];
        if (mr_field_map_open(&pair->quick[pair->count], schema, node, &err) != MR_OK ||
            mr_field_map_open(slow, schema, node, &err) != MR_OK)
            fail(&err);
        slow->fields[0].read = NULL;
    }
}

void field_map_pair_open(struct field_map_pair *pair)
{
    static char yaml[16384];
    struct mr_error err;
    size_t used = (size_t)snprintf(yaml, sizeof yaml, "schemas:\n");
    memset(pair, 0, sizeof *pair);
    for (unsigned i = 0; i < MR_COUNT_OF(fields); i++)
        used += (size_t)snprintf(yaml + used, sizeof yaml - used,
                                 "  - name: s%u\n%s    fields:\n      - {name: f, %s}\n", i,
                                 strstr(fields[i], "timestamp") ? "    time: f\n" : "", fields[i]);
    if (mr_config_parse(yaml, "pair.yaml", &pair->root, &err) != MR_OK)
        fail(&err);
    open_maps(pair);
}

static bool differ(struct field_map_pair *pair, unsigned schema, const char *text, size_t length,
                   const char *how)
{
    snprintf(pair->sentence, sizeof pair->sentence, "%s, text \"%.*s\": %.600s", fields[schema],
             (int)mr_min_u64(length, 100), text, how);
    return false;
}

bool field_map_pair_agrees(struct field_map_pair *pair, unsigned schema, enum mr_span_kind kind,
                           const char *text, size_t length)
{
    static struct mr_record *quick, *slow;
    struct mr_field_problem quick_problem = {0}, slow_problem = {0};
    struct mr_span value = {text, (uint32_t)length, (uint8_t)kind};
    if (!quick) {
        quick = calloc(1, RECORD_BYTES_MAX);
        slow = calloc(1, RECORD_BYTES_MAX);
    }
    quick->length = slow->length = pair->slow[schema].schema->record_bytes;
    if (mr_field_map_bytes(&pair->slow[schema], &value) > RECORD_BYTES_MAX)
        return true;
    bool quick_took = mr_field_map_fill(&pair->quick[schema], &value, quick, &quick_problem);
    bool slow_took = mr_field_map_fill(&pair->slow[schema], &value, slow, &slow_problem);
    if (quick_took != slow_took)
        return differ(pair, schema, text, length,
                      slow_took ? quick_problem.text : slow_problem.text);
    if (!slow_took && (quick_problem.reason != slow_problem.reason ||
                       strcmp(quick_problem.text, slow_problem.text) != 0))
        return differ(pair, schema, text, length, quick_problem.text);
    if (slow_took && (quick->length != slow->length || memcmp(quick, slow, slow->length) != 0))
        return differ(pair, schema, text, length, "another record");
    return true;
}

void field_map_pair_close(struct field_map_pair *pair)
{
    for (unsigned i = 0; i < pair->count; i++) {
        mr_field_map_close(&pair->quick[i]);
        mr_field_map_close(&pair->slow[i]);
    }
    mr_schema_set_clear(&pair->schemas);
    mr_config_free(pair->root);
}
