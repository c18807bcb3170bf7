// SPDX-License-Identifier: Apache-2.0
// Values of fields: limits of each type, null, rounding, text.
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/schema.h"

static struct mr_schema *schema;
static const struct mr_field *field;
static uint8_t record[256];

// A schema of a byte, so that nothing is aligned by luck, and a nullable field of the type.
static void with_type(const char *type)
{
    struct mr_error err = {0};
    mr_schema_free(schema);
    schema = mr_schema_new("one", 100);
    cr_assert_eq(mr_schema_add(schema, "lead", "u8", false, &err), MR_OK);
    cr_assert_eq(mr_schema_add(schema, "f", type, true, &err), MR_OK, "%s", err.text);
    mr_schema_seal(schema);
    field = mr_schema_field(schema, "f");
    mr_record_init(schema, record);
}

static void free_schema(void)
{
    mr_schema_free(schema);
}
TestSuite(value, .fini = free_schema);

static int parse(const char *text)
{
    return mr_field_parse(schema, field, record, text, strlen(text));
}

static const char *print(void)
{
    static char text[128];
    cr_expect_eq(mr_field_print(schema, field, record, text, sizeof text), strlen(text));
    return text;
}

// Text in, the same text out.
static void round_trip(const char *type, const char *text)
{
    with_type(type);
    cr_expect_eq(parse(text), MR_OK, "%s as %s", text, type);
    cr_expect_str_eq(print(), text, "%s as %s", text, type);
}

static void refuse(const char *type, const char *text)
{
    with_type(type);
    uint8_t before[sizeof record];
    memcpy(before, record, sizeof record);
    cr_expect_eq(parse(text), MR_ERR_INPUT, "%s as %s", text, type);
    cr_expect_eq(memcmp(before, record, sizeof record), 0, "%s as %s changed the record", text,
                 type);
}

struct range {
    const char *type, *least, *most, *below, *above;
};

Test(value, integers_reach_their_limits_and_no_further)
{
    static const struct range ranges[] = {
        {"u8", "0", "255", "-1", "256"},
        {"u16", "0", "65535", "-1", "65536"},
        {"u32", "0", "4294967295", "-1", "4294967296"},
        {"u64", "0", "18446744073709551615", "-1", "18446744073709551616"},
        {"i8", "-128", "127", "-129", "128"},
        {"i16", "-32768", "32767", "-32769", "32768"},
        {"i32", "-2147483648", "2147483647", "-2147483649", "2147483648"},
        {"i64", "-9223372036854775808", "9223372036854775807", "-9223372036854775809",
         "9223372036854775808"},
        {"decimal(4)", "-922337203685477.5808", "922337203685477.5807", "-922337203685477.5809",
         "922337203685477.5808"},
        {"decimal_u32(4)", "0.0000", "429496.7295", "-0.0001", "429496.7296"},
        {"timestamp", "1677-09-21T00:12:43.145224192Z", "2262-04-11T23:47:16.854775807Z",
         "1677-09-21T00:12:43.145224191Z", "2262-04-11T23:47:16.854775808Z"},
    };
    for (size_t i = 0; i < MR_COUNT_OF(ranges); i++) {
        round_trip(ranges[i].type, ranges[i].least);
        round_trip(ranges[i].type, ranges[i].most);
        refuse(ranges[i].type, ranges[i].below);
        refuse(ranges[i].type, ranges[i].above);
        refuse(ranges[i].type, "");
        refuse(ranges[i].type, "x");
    }
}

Test(value, integers_are_set_within_their_type)
{
    with_type("i16");
    cr_expect_eq(mr_field_set_i64(schema, field, record, -32768), MR_OK);
    cr_expect_eq(mr_field_get_i64(field, record), -32768);
    cr_expect_eq(mr_field_set_i64(schema, field, record, 32768), MR_ERR_INPUT);
    cr_expect_eq(mr_field_get_i64(field, record), -32768);
    with_type("u64");
    cr_expect_eq(mr_field_set_i64(schema, field, record, -1), MR_OK);
    cr_expect_eq(mr_field_get_i64(field, record), -1);
    cr_expect_eq(mr_field_get_f64(field, record), 0x1p64);
    with_type("bool");
    cr_expect_eq(mr_field_set_i64(schema, field, record, 2), MR_ERR_INPUT);
    with_type("enum(a,b)");
    cr_expect_eq(mr_field_set_i64(schema, field, record, 1), MR_OK);
    cr_expect_eq(mr_field_set_i64(schema, field, record, 2), MR_ERR_INPUT);
    with_type("char[4]");
    cr_expect_eq(mr_field_set_i64(schema, field, record, 2), MR_ERR_INPUT);
    with_type("f64");
    cr_expect_eq(mr_field_set_i64(schema, field, record, -3), MR_OK);
    cr_expect_eq(mr_field_get_i64(field, record), -3);
}

Test(value, null_is_a_bit_and_zeroes)
{
    with_type("u32");
    cr_expect_not(mr_field_is_null(schema, field, record));
    cr_expect_eq(parse("77"), MR_OK);
    mr_field_set_null(schema, field, record, true);
    cr_expect(mr_field_is_null(schema, field, record));
    cr_expect_eq(mr_field_get_i64(field, record), 0);
    cr_expect_str_eq(print(), "");
    cr_expect_eq(parse("bad"), MR_ERR_INPUT);
    cr_expect(mr_field_is_null(schema, field, record));
    cr_expect_eq(parse("78"), MR_OK);
    cr_expect_not(mr_field_is_null(schema, field, record));
    const struct mr_field *lead = mr_schema_field(schema, "lead");
    cr_expect_eq(mr_field_set_i64(schema, lead, record, 9), MR_OK);
    mr_field_set_null(schema, lead, record, true);
    cr_expect_not(mr_field_is_null(schema, lead, record));
    cr_expect_eq(mr_field_get_i64(lead, record), 9);
}

static int64_t rounded(const char *type, double value)
{
    with_type(type);
    cr_expect_eq(mr_field_set_f64(schema, field, record, value), MR_OK, "%s %g", type, value);
    return mr_field_get_i64(field, record);
}

Test(value, reals_round_half_away_from_zero)
{
    cr_expect_eq(rounded("i32", 2.5), 3);
    cr_expect_eq(rounded("i32", -2.5), -3);
    cr_expect_eq(rounded("i32", 2.4999999999999996), 2);
    cr_expect_eq(rounded("i32", 0.49999999999999994), 0);
    cr_expect_eq(rounded("decimal(2)", 0.125), 13);
    cr_expect_eq(rounded("decimal(2)", -0.125), -13);
    // 1.115 as a double lies below the tie, though its product with 100 rounds onto 111.5 or above.
    cr_expect_eq(rounded("decimal(2)", 1.115), 111);
    cr_expect_eq(rounded("decimal(4)", 123.4567), 1234567);
    cr_expect_eq(rounded("i64", -0x1p63), INT64_MIN);
    cr_expect_eq((uint64_t)rounded("u64", 0x1p63), 1ULL << 63);
    cr_expect_eq(rounded("timestamp", 1.5), 2);
}

Test(value, reals_that_do_not_fit_are_refused)
{
    static const char *const types[] = {"u8",        "u64",  "i64",      "decimal(4)",
                                        "timestamp", "bool", "enum(a,b)"};
    for (size_t i = 0; i < MR_COUNT_OF(types); i++) {
        with_type(types[i]);
        cr_expect_eq(mr_field_set_f64(schema, field, record, (double)NAN), MR_ERR_INPUT);
        cr_expect_eq(mr_field_set_f64(schema, field, record, (double)INFINITY), MR_ERR_INPUT);
        cr_expect_eq(mr_field_set_f64(schema, field, record, -1e300), MR_ERR_INPUT);
        cr_expect_eq(mr_field_set_f64(schema, field, record, 0x1p64), MR_ERR_INPUT);
    }
    with_type("f32");
    cr_expect_eq(mr_field_set_f64(schema, field, record, 1e39), MR_ERR_INPUT);
    cr_expect_eq(mr_field_set_f64(schema, field, record, (double)INFINITY), MR_OK);
    cr_expect_eq(parse("3.4028235e38"), MR_OK);
    with_type("char[4]");
    cr_expect_eq(mr_field_set_f64(schema, field, record, 1), MR_ERR_INPUT);
    cr_expect(isnan(mr_field_get_f64(field, record)));
}

Test(value, decimals_read_as_reals_are_scaled)
{
    with_type("decimal(4)");
    cr_expect_eq(parse("12.5"), MR_OK);
    cr_expect_eq(mr_field_get_i64(field, record), 125000);
    cr_expect_eq(mr_field_get_f64(field, record), 12.5);
    refuse("decimal(4)", "12.50001");
}

Test(value, words_are_read_and_printed)
{
    round_trip("bool", "true");
    round_trip("bool", "false");
    with_type("bool");
    cr_expect_eq(parse("YES"), MR_OK);
    cr_expect_str_eq(print(), "true");
    cr_expect_eq(parse("0"), MR_OK);
    cr_expect_str_eq(print(), "false");
    refuse("bool", "maybe");
    refuse("bool", "tru");
    refuse("bool", "");
    round_trip("enum(buy,sell)", "sell");
    refuse("enum(buy,sell)", "Sell");
    refuse("enum(buy,sell)", "sel");
    refuse("enum(buy,sell)", "buy,sell");
    refuse("enum(buy,sell)", "");
    round_trip("f64", "0.1");
    round_trip("f32", "0.1");
    round_trip("f64", "nan");
}

Test(value, a_damaged_enum_prints_its_number)
{
    with_type("enum(buy,sell)");
    record[field->offset] = 200;
    cr_expect_str_eq(print(), "200");
}

Test(value, text_fills_its_field_and_no_more)
{
    size_t length;
    with_type("char[4]");
    cr_expect_eq(parse("abcd"), MR_OK);
    cr_expect_str_eq(print(), "abcd");
    cr_expect_eq(parse("abcde"), MR_ERR_INPUT);
    cr_expect_str_eq(print(), "abcd");
    cr_expect_eq(parse("a "), MR_OK);
    cr_expect_str_eq(print(), "a ", "a space is content");
    cr_expect_eq(record[field->offset + 2], 0);
    cr_expect_eq(mr_field_set_text(schema, field, record, "a\0b", 3), MR_OK);
    const char *text = mr_field_get_text(field, record, &length);
    cr_expect_eq(length, 3);
    cr_expect_eq(memcmp(text, "a\0b", 3), 0);
    cr_expect_eq(mr_field_set_text(schema, field, record, NULL, 0), MR_OK);
    mr_field_get_text(field, record, &length);
    cr_expect_eq(length, 0);
}

Test(value, bytes_are_the_rest_of_the_record)
{
    size_t length;
    with_type("bytes");
    struct mr_record *envelope = (struct mr_record *)record;
    mr_field_get_text(field, record, &length);
    cr_expect_eq(length, 0);
    cr_expect_eq(parse("abc"), MR_ERR_INPUT);
    envelope->length += 3;
    cr_expect_eq(parse("ab"), MR_ERR_INPUT);
    cr_expect_eq(parse("abc"), MR_OK);
    cr_expect_eq(mr_field_get_text(field, record, &length), (const char *)record + field->offset);
    cr_expect_eq(length, 3);
    envelope->length = 8; // a record cut short has no rest
    mr_field_get_text(field, record, &length);
    cr_expect_eq(length, 0);
}

Test(value, printing_is_cut_to_the_room)
{
    char text[128];
    with_type("timestamp");
    cr_assert_eq(parse("2020-01-30T14:30:00.000000001Z"), MR_OK);
    for (size_t room = 0; room <= 64; room++) {
        memset(text, '#', sizeof text);
        size_t length = mr_field_print(schema, field, record, text, room);
        size_t expected = room == 0 ? 0 : room > 30 ? 30 : room - 1;
        cr_assert_eq(length, expected);
        cr_assert_eq(memcmp(text, "2020-01-30T14:30:00.000000001Z", length), 0);
        cr_assert(room == 0 || text[length] == '\0');
        cr_assert_eq(text[room], '#');
    }
}

Test(value, checksums_depend_on_bytes_and_place)
{
    with_type("u32");
    struct mr_record *envelope = (struct mr_record *)record;
    uint32_t length = envelope->length;
    uint32_t sum = mr_record_checksum(record, length, 4096);
    cr_expect_eq(mr_record_checksum(record, length, 4096), sum);
    cr_expect_neq(mr_record_checksum(record, length, 4104), sum);
    envelope->checksum = 7;
    cr_expect_eq(mr_record_checksum(record, length, 4096), sum, "it covers itself");
    record[length - 1] ^= 1;
    cr_expect_neq(mr_record_checksum(record, length, 4096), sum);
}

Test(value, sixty_three_nullable_fields_keep_apart)
{
    char name[16];
    uint8_t wide[1024];
    struct mr_schema *many = mr_schema_new("many", 100);
    for (int i = 0; i < MR_FIELDS_MAX; i++) {
        snprintf(name, sizeof name, "f%d", i);
        cr_assert_eq(mr_schema_add(many, name, i % 2 ? "u64" : "u8", true, NULL), MR_OK);
    }
    mr_schema_seal(many);
    cr_assert_leq(many->record_bytes, sizeof wide);
    mr_record_init(many, wide);
    for (int i = 0; i < MR_FIELDS_MAX; i += 3)
        mr_field_set_null(many, &many->fields[i], wide, true);
    for (int i = 0; i < MR_FIELDS_MAX; i++)
        if (i % 3)
            cr_assert_eq(mr_field_set_i64(many, &many->fields[i], wide, i), MR_OK);
    for (int i = 0; i < MR_FIELDS_MAX; i++) {
        cr_expect_eq(mr_field_is_null(many, &many->fields[i], wide), i % 3 == 0);
        cr_expect_eq(mr_field_get_i64(&many->fields[i], wide), i % 3 ? i : 0);
    }
    mr_schema_free(many);
}
