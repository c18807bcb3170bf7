// SPDX-License-Identifier: Apache-2.0
// Text to fields: what counts as missing, what as bad, and what stands in for either.
#include "producers/field_map.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "core/pipeline/declared.h"

struct mapped {
    struct mr_node *root;
    struct mr_pipeline pipeline;
    struct mr_field_map map;
    struct mr_error err;
    struct mr_record *record;
    struct mr_field_problem problem;
};

// `fields`: the list of one schema's fields, one flow mapping a line.
static int open_map(struct mapped *mapped, const char *fields)
{
    char yaml[4096];
    memset(mapped, 0, sizeof *mapped);
    snprintf(yaml, sizeof yaml, "schemas:\n  - name: s\n    fields:\n%s", fields);
    cr_assert_eq(mr_config_parse(yaml, "test.yaml", &mapped->root, &mapped->err), MR_OK, "%s",
                 mapped->err.text);
    mapped->pipeline.root = mapped->root;
    mapped->pipeline.schemas_node = mr_config_child(mapped->root, "schemas");
    cr_assert_eq(mr_declared_schemas(mapped->pipeline.schemas_node, &mapped->pipeline.declared,
                                     &mapped->err),
                 MR_OK, "%s", mapped->err.text);
    mapped->record = calloc(1, 4096);
    return mr_field_map_open(&mapped->map, mapped->pipeline.declared.schemas[0],
                             mr_schema_node(&mapped->pipeline, "s"), &mapped->err);
}

static void close_map(struct mapped *mapped)
{
    mr_field_map_close(&mapped->map);
    mr_schema_set_clear(&mapped->pipeline.declared);
    mr_config_free(mapped->root);
    free(mapped->record);
}

// The field's text once a map of this one field has read `text` (NULL: missing); "reason: sentence" where it is
// refused; a * behind it where the record is flagged as corrected.
static const char *read_as(const char *field, enum mr_span_kind kind, const char *text)
{
    static char out[1000];
    char line[512], value[300] = "(null)";
    struct mapped mapped;
    snprintf(line, sizeof line, "      - {name: f, %s}\n", field);
    if (open_map(&mapped, line) != MR_OK) {
        snprintf(out, sizeof out, "%s", mapped.err.text);
        close_map(&mapped);
        return out;
    }
    struct mr_span span = {text, text ? (uint32_t)strlen(text) : 0,
                           (uint8_t)(text ? kind : MR_SPAN_MISSING)};
    const struct mr_schema *schema = mapped.map.schema;
    mapped.record->length = schema->record_bytes;
    if (!mr_field_map_fill(&mapped.map, &span, mapped.record, &mapped.problem)) {
        snprintf(out, sizeof out, "%s: %s", mr_reason_name(mapped.problem.reason),
                 mapped.problem.text);
    } else {
        if (!mr_field_is_null(schema, schema->fields, mapped.record))
            mr_field_print(schema, schema->fields, mapped.record, value, sizeof value);
        snprintf(out, sizeof out, "%s%s", value,
                 mapped.record->flags & MR_FLAG_CORRECTED ? "*" : "");
    }
    close_map(&mapped);
    return out;
}

#define BARE(field, text) read_as(field, MR_SPAN_BARE, text)

Test(field_map, types)
{
    cr_expect_str_eq(BARE("type: u32", "17"), "17");
    cr_expect_str_eq(BARE("type: u32", " 17850.0 "), "17850");
    cr_expect_str_eq(BARE("type: i8", "-128"), "-128");
    cr_expect_str_eq(BARE("type: decimal(2)", "61800.3"), "61800.30");
    cr_expect_str_eq(BARE("type: f64", "73.96732207"), "73.96732207");
    cr_expect_str_eq(BARE("type: bool", "true"), "true");
    cr_expect_str_eq(BARE("type: 'enum(buy,sell)'", "sell"), "sell");
    cr_expect_str_eq(BARE("type: 'char[8]'", " a b"), " a b");
    cr_expect_str_eq(BARE("type: bytes", "any length"), "any length");
    cr_expect_str_eq(read_as("type: 'char[8]'", MR_SPAN_CONTAINER, "[1, 2]"), "[1, 2]");
    cr_expect_str_eq(read_as("type: 'char[8]'", MR_SPAN_INTEGER, "12"), "12");
    cr_expect_str_eq(read_as("type: bool", MR_SPAN_BOOL, "false"), "false");
}

Test(field_map, what_does_not_fit_is_said)
{
    cr_expect_str_eq(BARE("type: u8", "256"), "bad_value: field f: found \"256\", expected u8");
    cr_expect_str_eq(BARE("type: u8, from: Col", "x"),
                     "bad_value: field f (from Col): found \"x\", expected u8");
    cr_expect_str_eq(BARE("type: decimal(2)", "1.234"),
                     "bad_value: field f: found \"1.234\", expected decimal(2)");
    cr_expect_str_eq(BARE("type: 'char[3]'", "abcd"),
                     "too_long: field f: found 4 bytes, expected char[3]");
    cr_expect_str_eq(read_as("type: u8", MR_SPAN_CONTAINER, "[1]"),
                     "bad_value: field f: found [1], expected u8");
    cr_expect_str_eq(BARE("type: u8", NULL), "missing_field: field f: found nothing, expected u8");
    cr_expect_str_eq(BARE("type: u8", "  "),
                     "missing_field: field f: found an empty value, expected u8");
    cr_expect_str_eq(read_as("type: u8", MR_SPAN_NULL, "null"),
                     "missing_field: field f: found null, expected u8");
    cr_expect(strstr(BARE("type: u8", "a\nb"), "\"a?b\""),
              "control characters do not reach a terminal");
}

Test(field_map, missing_values)
{
    cr_expect_str_eq(BARE("type: u8, nullable: true", ""), "(null)");
    cr_expect_str_eq(BARE("type: u8, missing: null", NULL), "(null)");
    cr_expect_str_eq(BARE("type: u8, default: 7", ""), "7*");
    cr_expect_str_eq(BARE("type: u8, nullable: true, missing: reject", ""),
                     "missing_field: field f: found an empty value, expected u8");
    cr_expect_str_eq(BARE("type: u8, nullable: true, missing: default, default: 9", NULL), "9*");
    cr_expect_str_eq(BARE("type: 'char[4]', nullable: true", ""), "(null)");
    cr_expect_str_eq(read_as("type: 'char[4]', nullable: true", MR_SPAN_STRING, ""), "");
    cr_expect_str_eq(read_as("type: u8, nullable: true", MR_SPAN_STRING, ""), "(null)");
    cr_expect_str_eq(BARE("type: bytes, default: gone", NULL), "gone*");
}

Test(field_map, bad_values)
{
    cr_expect_str_eq(BARE("type: u8, nullable: true, bad: null", "x"), "(null)*");
    cr_expect_str_eq(BARE("type: u8, bad: default, default: 3", "300"), "3*");
    cr_expect_str_eq(BARE("type: u8, nullable: true", "x"),
                     "bad_value: field f: found \"x\", expected u8");
    cr_expect_str_eq(BARE("type: 'char[2]', bad: default, default: '--'", "abc"), "--*");
}

Test(field_map, times)
{
    cr_expect_str_eq(BARE("type: timestamp", "2024-08-08T23:54:16Z"),
                     "2024-08-08T23:54:16.000000000Z");
    cr_expect_str_eq(BARE("type: timestamp, format: ms", "1723161256322"),
                     "2024-08-08T23:54:16.322000000Z");
    cr_expect_str_eq(BARE("type: timestamp, format: s", "1723161256.5"),
                     "2024-08-08T23:54:16.500000000Z");
    cr_expect_str_eq(BARE("type: timestamp, format: ns", "1723161255030314667"),
                     "2024-08-08T23:54:15.030314667Z");
    cr_expect_str_eq(BARE("type: timestamp, format: '%d.%m.%Y'", "08.08.2024"),
                     "2024-08-08T00:00:00.000000000Z");
    cr_expect_str_eq(BARE("type: timestamp, format: ms", "soon"),
                     "bad_value: field f: found \"soon\", expected a number of ms since the epoch");
    cr_expect_str_eq(BARE("type: timestamp, format: '%d.%m.%Y'", "31.02.2024"),
                     "bad_value: field f: found \"31.02.2024\", expected a time as %d.%m.%Y");
}

Test(field_map, translations)
{
    const char *field = "type: 'enum(buy,sell)', map: {false: buy, true: sell}";
    cr_expect_str_eq(read_as(field, MR_SPAN_BOOL, "true"), "sell");
    cr_expect_str_eq(read_as(field, MR_SPAN_BOOL, "false"), "buy");
    cr_expect_str_eq(read_as(field, MR_SPAN_STRING, "sell"), "sell",
                     "what the map does not name stays");
}

Test(field_map, declarations_that_cannot_be)
{
    static const char *const cases[][2] = {
        {"type: u8, missing: null, nullable: false", "cannot be null"},
        {"type: u8, bad: default", "no default"},
        {"type: u8, default: 256", "default: found \"256\", expected u8"},
        {"type: u8, format: ms", "expected one only for a timestamp"},
        {"type: timestamp, format: seconds", "expected s, ms, us, ns or a pattern"},
        {"type: timestamp, format: '%Q'", "expected s, ms, us, ns or a pattern"},
        {"type: u8, map: 3", "expected a mapping"},
        {"type: u8, frmo: x", "unknown key, did you mean from?"},
        {"type: u8, missing: maybe", "found \"maybe\""},
    };
    for (size_t i = 0; i < MR_COUNT_OF(cases); i++) {
        const char *found = BARE(cases[i][0], "1");
        cr_expect(strstr(found, cases[i][1]), "%s: %s", cases[i][0], found);
        cr_expect(strncmp(found, "test.yaml:4: schemas[0].fields[0]", 33) == 0, "%s", found);
    }
}

Test(field_map, the_time_field_is_the_event_time)
{
    struct mapped mapped;
    const char *text = "1700000000";
    struct mr_span span = {text, 10, MR_SPAN_INTEGER};
    cr_assert_eq(
        open_map(&mapped, "      - {name: at, type: timestamp, format: s}\n    time: at\n"), MR_OK,
        "%s", mapped.err.text);
    cr_assert(mr_field_map_fill(&mapped.map, &span, mapped.record, &mapped.problem));
    cr_expect_eq(mapped.record->event_time_ns, 1700000000000000000LL);
    close_map(&mapped);
}
