// SPDX-License-Identifier: Apache-2.0
// Schemas: building, layout, and the table in headers, which may be damaged in any way.
#include "core/schema.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/scratch.h"

static struct mr_schema *trade_schema(uint16_t id)
{
    struct mr_error err;
    struct mr_schema *schema = mr_schema_new("trade", id);
    cr_assert_eq(mr_schema_add(schema, "symbol", "char[7]", false, &err), MR_OK);
    cr_assert_eq(mr_schema_add(schema, "price", "decimal(4)", true, &err), MR_OK);
    cr_assert_eq(mr_schema_add(schema, "size", "u32", false, &err), MR_OK);
    cr_assert_eq(mr_schema_add(schema, "side", "enum(buy,sell)", true, &err), MR_OK);
    cr_assert_eq(mr_schema_add(schema, "note", "bytes", false, &err), MR_OK);
    mr_schema_seal(schema);
    return schema;
}

Test(schema, fields_are_laid_out_in_order)
{
    struct mr_schema *schema = trade_schema(100);
    cr_expect_eq(schema->null_offset, 40);
    cr_expect_eq(mr_schema_field(schema, "symbol")->offset, 48);
    cr_expect_eq(mr_schema_field(schema, "price")->offset, 56);
    cr_expect_eq(mr_schema_field(schema, "size")->offset, 64);
    cr_expect_eq(mr_schema_field(schema, "side")->offset, 68);
    cr_expect_eq(mr_schema_field(schema, "note")->offset, 69);
    cr_expect_eq(schema->record_bytes, 69);
    cr_expect_eq(mr_schema_field(schema, "symbol")->null_bit, -1);
    cr_expect_eq(mr_schema_field(schema, "price")->null_bit, 0);
    cr_expect_eq(mr_schema_field(schema, "side")->null_bit, 1);
    cr_expect_null(mr_schema_field(schema, "prices"));
    mr_schema_free(schema);
}

Test(schema, a_four_byte_field_follows_the_envelope_at_once)
{
    struct mr_schema *schema = mr_schema_new("id", 100);
    cr_assert_eq(mr_schema_add(schema, "id", "u32", false, NULL), MR_OK);
    mr_schema_seal(schema);
    cr_expect_eq(schema->fields[0].offset, 36);
    cr_expect_eq(schema->record_bytes, 40);
    cr_expect_eq(schema->null_offset, 0);
    mr_schema_free(schema);
}

Test(schema, a_sealed_copy_grows_behind)
{
    struct mr_schema *schema = mr_schema_new("id", 100);
    cr_assert_eq(mr_schema_add(schema, "id", "u32", false, NULL), MR_OK);
    mr_schema_seal(schema);
    struct mr_schema *longer = mr_schema_copy(schema);
    cr_assert_eq(mr_schema_add(longer, "value", "f64", true, NULL), MR_OK);
    mr_schema_seal(longer);
    cr_expect_eq(longer->fields[0].offset, 36);
    cr_expect_eq(longer->null_offset, 40);
    cr_expect_eq(longer->fields[1].offset, 48);
    cr_expect_eq(longer->record_bytes, 56);
    mr_schema_free(schema);
    mr_schema_free(longer);
}

Test(schema, built_in_offsets_stay)
{
    struct mr_schema *schema = mr_schema_new("quote", 3);
    mr_schema_add_at(schema, "locate", "u16", 36);
    mr_schema_add_at(schema, "price", "decimal_u32(4)", 44);
    mr_schema_seal(schema);
    cr_expect_eq(schema->fields[0].offset, 36);
    cr_expect_eq(schema->fields[1].offset, 44);
    cr_expect_eq(schema->record_bytes, 48);
    mr_schema_free(schema);
}

static void expect_refusal(const char *name, const char *type, const char *text)
{
    struct mr_error err = {0};
    struct mr_schema *schema = mr_schema_new("s", 100);
    cr_expect_eq(mr_schema_add(schema, name, type, false, &err), MR_ERR_CONFIG, "%s %s", name,
                 type);
    cr_expect_not_null(strstr(err.text, text), "%s", err.text);
    cr_expect_eq(schema->field_count, 0);
    mr_schema_free(schema);
}

Test(schema, bad_names_and_types_are_refused)
{
    static const char *const types[] = {
        "",
        "int",
        "u128",
        "U8",
        "decimal",
        "decimal()",
        "decimal(x)",
        "decimal(19)",
        "decimal(-1)",
        "decimal(4",
        "decimal[4)",
        "char",
        "char[0]",
        "char[65536]",
        "char [4]",
        "u8(1)",
        "bytes(3)",
        "enum()",
        "enum(a,,b)",
        "enum(a,a)",
        "enum(a,b,)",
        "enum(\"a\")",
        "decimal(4) ",
        "enum(aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa,bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb)"};
    for (size_t i = 0; i < MR_COUNT_OF(types); i++)
        expect_refusal("f", types[i], "field f: found type \"");
    static const char *const names[] = {
        "", "1st", "a b", "a.b", "a-b", "ü", "a2345678901234567890123456789012"};
    for (size_t i = 0; i < MR_COUNT_OF(names); i++)
        expect_refusal(names[i], "u8", "found field name \"");
}

Test(schema, types_print_as_they_were_written)
{
    static const char *const types[] = {
        "u8",        "u16",  "u32",         "u64",         "i8",         "i16",
        "i32",       "i64",  "f32",         "f64",         "decimal(0)", "decimal_u32(18)",
        "timestamp", "bool", "char[65535]", "enum(a,b,c)", "bytes"};
    char text[128];
    for (size_t i = 0; i < MR_COUNT_OF(types); i++) {
        struct mr_schema *schema = mr_schema_new("s", 100);
        cr_expect_eq(mr_schema_add(schema, "f", types[i], false, NULL), MR_OK, "%s", types[i]);
        mr_type_text(&schema->fields[0], text, sizeof text);
        cr_expect_str_eq(text, types[i]);
        mr_schema_free(schema);
    }
}

Test(schema, other_spellings_mean_the_same)
{
    char text[128];
    struct mr_schema *schema = mr_schema_new("s", 100);
    cr_expect_eq(mr_schema_add(schema, "a", "char(16)", false, NULL), MR_OK);
    cr_expect_eq(mr_schema_add(schema, "b", "enum(buy | sell)", false, NULL), MR_OK);
    mr_type_text(&schema->fields[0], text, sizeof text);
    cr_expect_str_eq(text, "char[16]");
    mr_type_text(&schema->fields[1], text, sizeof text);
    cr_expect_str_eq(text, "enum(buy,sell)");
    mr_schema_free(schema);
}

Test(schema, limits_are_kept)
{
    struct mr_error err;
    char name[16];
    struct mr_schema *schema = mr_schema_new("wide", 100);
    for (int i = 0; i < MR_FIELDS_MAX; i++) {
        snprintf(name, sizeof name, "f%d", i);
        cr_assert_eq(mr_schema_add(schema, name, "u8", true, &err), MR_OK);
    }
    cr_expect_eq(schema->fields[62].null_bit, 62);
    cr_expect_eq(mr_schema_add(schema, "more", "u8", true, &err), MR_ERR_CONFIG);
    cr_expect_str_eq(err.text, "schema wide: field more is one too many, 63 fields at most");
    mr_schema_free(schema);
    schema = trade_schema(100);
    cr_expect_eq(mr_schema_add(schema, "more", "u8", false, &err), MR_ERR_CONFIG);
    cr_expect_str_eq(
        err.text, "schema trade: field more cannot follow note, whose type bytes must be the last");
    cr_expect_eq(mr_schema_add(schema, "price", "u8", false, &err), MR_ERR_CONFIG);
    cr_expect_str_eq(err.text, "schema trade has a field price already");
    mr_schema_free(schema);
}

Test(schema, sets_have_unique_ids_and_names)
{
    struct mr_error err;
    struct mr_schema_set set = {0}, copy = {0};
    cr_expect_eq(mr_schema_set_free_id(&set), 100);
    cr_assert_eq(mr_schema_set_add(&set, trade_schema(100), &err), MR_OK);
    cr_expect_eq(mr_schema_set_free_id(&set), 101);
    struct mr_schema *same_id = mr_schema_new("other", 100);
    cr_expect_eq(mr_schema_set_add(&set, same_id, &err), MR_ERR_CONFIG);
    cr_expect_str_eq(err.text, "schemas trade and other have the same id 100");
    mr_schema_free(same_id);
    struct mr_schema *same_name = mr_schema_new("trade", 101);
    cr_expect_eq(mr_schema_set_add(&set, same_name, &err), MR_ERR_CONFIG);
    mr_schema_free(same_name);
    cr_expect_not_null(mr_schema_set_by_id(&set, 100));
    cr_expect_not_null(mr_schema_set_by_name(&set, "trade"));
    cr_expect_null(mr_schema_set_by_name(&set, "quote"));
    cr_assert_eq(mr_schema_set_copy(&copy, &set, &err), MR_OK);
    mr_schema_set_clear(&set);
    cr_expect_eq(set.count, 0);
    cr_expect_eq(copy.schemas[0]->field_count, 5);
    mr_schema_set_clear(&copy);
}

static struct mr_schema_set one_schema(const char *name, uint16_t id, const char *type)
{
    struct mr_schema_set set = {0};
    struct mr_schema *schema = mr_schema_new(name, id);
    cr_assert_eq(mr_schema_add(schema, "value", type, false, NULL), MR_OK);
    mr_schema_seal(schema);
    cr_assert_eq(mr_schema_set_add(&set, schema, NULL), MR_OK);
    return set;
}

Test(schema, a_merge_adds_what_is_new)
{
    struct mr_schema_set all = {0}, same = one_schema("a", 100, "u32"),
                         more = one_schema("b", 101, "u32");
    for (unsigned i = 0; i < 2; i++) {
        cr_assert_eq(mr_schema_set_merge(&all, &same, NULL), MR_OK);
        cr_expect_eq(all.count, 1);
    }
    cr_assert_eq(mr_schema_set_merge(&all, &more, NULL), MR_OK);
    cr_assert_eq(mr_schema_set_merge(&all, &all, NULL), MR_OK);
    cr_assert_eq(all.count, 2);
    cr_expect_str_eq(all.schemas[1]->name, "b");
    cr_expect_neq(all.schemas[1], more.schemas[0], "a copy");
    mr_schema_set_clear(&same), mr_schema_set_clear(&more), mr_schema_set_clear(&all);
}

static void refuse_merge(const char *name, uint16_t id, const char *type, const char *text)
{
    struct mr_schema_set all = one_schema("a", 100, "u32"), other = one_schema(name, id, type);
    struct mr_error err = {0};
    cr_expect_eq(mr_schema_set_merge(&all, &other, &err), MR_ERR_CONFIG);
    cr_expect_str_eq(err.text, text);
    cr_expect_eq(all.count, 1);
    mr_schema_set_clear(&all), mr_schema_set_clear(&other);
}

Test(schema, a_merge_refuses_another_schema_of_one_name_or_id)
{
    refuse_merge("b", 100, "u32",
                 "found schema b (id 100) beside another schema a (id 100), expected the same, or "
                 "another name and id");
    refuse_merge("a", 101, "u32",
                 "found schema a (id 101) beside another schema a (id 100), expected the same, or "
                 "another name and id");
    refuse_merge("a", 100, "u64",
                 "found schema a (id 100) beside another schema a (id 100), expected the same, or "
                 "another name and id");
}

Test(schema, a_merge_goes_no_further_than_a_table_has_room)
{
    struct mr_schema_set all = {0};
    struct mr_error err = {0};
    char name[16];
    for (unsigned i = 0; i <= MR_SCHEMAS_MAX; i++) {
        snprintf(name, sizeof name, "s%u", i);
        struct mr_schema_set one = one_schema(name, (uint16_t)(100 + i), "u32");
        int code = mr_schema_set_merge(&all, &one, &err);
        cr_expect_eq(code == MR_OK, i < MR_SCHEMAS_MAX, "%u: %s", i, err.text);
        mr_schema_set_clear(&one);
    }
    cr_expect_eq(all.count, MR_SCHEMAS_MAX);
    mr_schema_set_clear(&all);
}

// ---- the table -----------------------------------------------------------------------------

static struct mr_schema_set two_schemas(void)
{
    struct mr_schema_set set = {0};
    struct mr_schema *tick = mr_schema_new("tick", 101);
    cr_assert_eq(mr_schema_add(tick, "at", "timestamp", false, NULL), MR_OK);
    mr_schema_seal(tick);
    cr_assert_eq(mr_schema_set_add(&set, trade_schema(100), NULL), MR_OK);
    cr_assert_eq(mr_schema_set_add(&set, tick, NULL), MR_OK);
    return set;
}

// On the heap and exactly as long, so that a sanitizer sees one byte too many.
static uint8_t *table_of(const struct mr_schema_set *set, size_t *bytes)
{
    *bytes = mr_schema_table_bytes(set);
    uint8_t *table = malloc(*bytes);
    cr_assert_not_null(table);
    mr_schema_table_write(set, table);
    return table;
}

Test(schema, a_table_reads_back)
{
    struct mr_error err;
    size_t bytes;
    struct mr_schema_set set = two_schemas(), back;
    uint8_t *table = table_of(&set, &bytes);
    cr_expect_eq(bytes, 8 + 2 * 48 + 6 * 128);
    cr_expect_eq(memcmp(table + 8, "trade\0", 6), 0);
    cr_assert_eq(mr_schema_table_read(&back, table, bytes, &err), MR_OK, "%s", err.text);
    cr_assert_eq(back.count, 2);
    for (unsigned i = 0; i < 2; i++)
        cr_expect_eq(memcmp(back.schemas[i], set.schemas[i], sizeof(struct mr_schema)), 0);
    mr_schema_set_clear(&back);
    mr_schema_set_clear(&set);
    free(table);
}

Test(schema, a_table_cut_anywhere_is_refused)
{
    struct mr_error err;
    size_t bytes;
    struct mr_schema_set set = two_schemas(), back;
    uint8_t *table = table_of(&set, &bytes);
    for (size_t length = 0; length < bytes; length++) {
        uint8_t *cut = malloc(length + 1);
        memcpy(cut, table, length);
        cr_expect_eq(mr_schema_table_read(&back, cut, length, &err), MR_ERR_CORRUPT);
        if (length >= 8) { // once more with a length that agrees
            uint32_t claimed = (uint32_t)length;
            memcpy(cut + 4, &claimed, sizeof claimed);
            cr_expect_eq(mr_schema_table_read(&back, cut, length, &err), MR_ERR_CORRUPT);
        }
        free(cut);
    }
    mr_schema_set_clear(&set);
    free(table);
}

// Whatever a table that reads says, its fields lie inside its records.
static void use_schemas(const struct mr_schema_set *set)
{
    char text[256];
    for (uint32_t i = 0; i < set->count; i++) {
        const struct mr_schema *schema = set->schemas[i];
        uint8_t *record = malloc(schema->record_bytes);
        cr_assert_not_null(record);
        mr_record_init(schema, record);
        for (unsigned f = 0; f < schema->field_count; f++) {
            const struct mr_field *field = &schema->fields[f];
            mr_type_text(field, text, sizeof text);
            mr_field_print(schema, field, record, text, sizeof text);
            mr_field_set_null(schema, field, record, true);
            mr_field_parse(schema, field, record, "1", 1);
        }
        free(record);
    }
}

Test(schema, a_damaged_table_never_reaches_outside)
{
    size_t bytes;
    unsigned refused = 0;
    struct mr_schema_set set = two_schemas(), back;
    uint8_t *table = table_of(&set, &bytes), *damaged = malloc(bytes);
    uint64_t seed = random_seed(7);
    for (int round = 0; round < 20000; round++) {
        memcpy(damaged, table, bytes);
        for (uint64_t changes = 1 + random_below(&seed, 4); changes > 0; changes--) {
            static const uint8_t telling[] = {0, 1, 0x7f, 0xff};
            uint8_t byte = (uint8_t)random_next(&seed);
            damaged[random_below(&seed, bytes)] = byte & 1 ? byte : telling[byte >> 6];
        }
        if (mr_schema_table_read(&back, damaged, bytes, NULL) == MR_OK) {
            use_schemas(&back);
            mr_schema_set_clear(&back);
        } else {
            cr_assert_eq(back.count, 0);
            refused++;
        }
    }
    cr_expect_gt(refused, 1000);
    mr_schema_set_clear(&set);
    free(damaged);
    free(table);
}

static void expect_damage(size_t at, uint8_t byte, const char *text)
{
    struct mr_error err = {0};
    size_t bytes;
    struct mr_schema_set set = two_schemas(), back;
    uint8_t *table = table_of(&set, &bytes);
    table[at] = byte;
    cr_expect_eq(mr_schema_table_read(&back, table, bytes, &err), MR_ERR_CORRUPT);
    cr_expect_str_eq(err.text, text);
    mr_schema_set_clear(&set);
    free(table);
}

Test(schema, damage_is_named)
{
    expect_damage(0, 65, "schema table: found 65 schemas, expected at most 64");
    expect_damage(8, 0, "schema table, byte 8: expected a schema's name");
    expect_damage(42, 64, "schema table, byte 8: found 64 fields, expected at most 63");
    expect_damage(56 + 32, 200,
                  "schema table, byte 56: schema trade, field 1 of 5: its type is not one");
    expect_damage(
        56 + 36, 200,
        "schema table, byte 56: schema trade, field 1 of 5: it reaches beyond the record");
    expect_damage(56 + 36, 44,
                  "schema table, byte 56: schema trade, field 1 of 5: it overlaps the null word");
    expect_damage(184 + 36, 52,
                  "schema table, byte 184: schema trade, field 2 of 5: it overlaps another field");
    expect_damage(
        184 + 40, 70,
        "schema table, byte 184: schema trade, field 2 of 5: its null bit does not exist");
    expect_damage(56 + 5 * 128 + 32, 100,
                  "schema table, byte 696: schemas trade and tick have the same id 100");
}
