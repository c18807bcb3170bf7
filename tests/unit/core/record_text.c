// SPDX-License-Identifier: Apache-2.0
// Records as CSV, NDJSON and lines: quoting, escapes, null, selections, room.
#include "core/formats/record_text.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/scratch.h"

static struct mr_schema *schema;
static uint8_t bytes[512];
static struct mr_record *const record = (struct mr_record *)bytes;
static struct mr_record_text row;
static char text[2048];

static void add(const char *name, const char *type, bool nullable)
{
    struct mr_error err = {0};
    cr_assert_eq(mr_schema_add(schema, name, type, nullable, &err), MR_OK, "%s", err.text);
}

static void set(const char *name, const char *value)
{
    cr_assert_eq(
        mr_field_parse(schema, mr_schema_field(schema, name), record, value, strlen(value)), MR_OK,
        "%s=%s", name, value);
}

static void open_fixture(void)
{
    schema = mr_schema_new("trade", 100);
    add("symbol", "char[8]", false);
    add("price", "decimal(4)", true);
    add("size", "u64", false);
    add("ratio", "f64", false);
    add("side", "enum(buy,sell)", true);
    add("on", "bool", false);
    add("at", "timestamp", true);
    add("note", "char[32]", true);
    mr_schema_seal(schema);
    mr_record_init(schema, record);
    record->sequence = 42;
    record->event_time_ns = 1580394600000000001;
    set("symbol", "AAPL");
    set("price", "12.5");
    set("size", "18446744073709551615");
    set("ratio", "0.1");
    set("side", "sell");
    set("on", "true");
    set("at", "2020-01-30T14:30:00Z");
    set("note", "plain");
}
static void close_fixture(void)
{
    mr_schema_free(schema);
}
TestSuite(record_text, .init = open_fixture, .fini = close_fixture);

typedef size_t write_row(const struct mr_record_text *, const struct mr_record *, char *, size_t);

static const char *write_with(write_row *write, const char *fields, bool envelope)
{
    mr_record_text_open(&row, schema, fields, envelope);
    size_t length = write(&row, record, text, sizeof text - 1);
    cr_assert_lt(length, sizeof text);
    text[length] = '\0';
    return text;
}
static const char *csv(const char *fields)
{
    return write_with(mr_record_csv, fields, false);
}
static const char *json(const char *fields)
{
    return write_with(mr_record_ndjson, fields, false);
}
static const char *line(const char *fields)
{
    return write_with(mr_record_line, fields, false);
}

static const char *header(const char *fields, bool envelope)
{
    mr_record_text_open(&row, schema, fields, envelope);
    text[mr_record_csv_header(&row, text, sizeof text - 1)] = '\0';
    return text;
}

Test(record_text, whole_rows)
{
    cr_expect_str_eq(header(NULL, false), "symbol,price,size,ratio,side,on,at,note\n");
    cr_expect_str_eq(header(NULL, true),
                     "schema,sequence,event_time,ingest_time,flags,symbol,price,size,"
                     "ratio,side,on,at,note\n");
    cr_expect_str_eq(csv(NULL), "AAPL,12.5000,18446744073709551615,0.1,sell,true,"
                                "2020-01-30T14:30:00.000000000Z,plain\n");
    cr_expect_str_eq(
        write_with(mr_record_csv, NULL, true),
        "trade,42,2020-01-30T14:30:00.000000001Z,,,AAPL,12.5000,18446744073709551615,0.1,sell,"
        "true,2020-01-30T14:30:00.000000000Z,plain\n");
    cr_expect_str_eq(
        write_with(mr_record_ndjson, NULL, true),
        "{\"schema\":\"trade\",\"sequence\":42,\"event_time\":\"2020-01-30T14:30:00.000000001Z\","
        "\"ingest_time\":null,\"symbol\":\"AAPL\",\"price\":12.5000,"
        "\"size\":18446744073709551615,\"ratio\":0.1,\"side\":\"sell\",\"on\":true,"
        "\"at\":\"2020-01-30T14:30:00.000000000Z\",\"note\":\"plain\"}\n");
    cr_expect_str_eq(line(NULL),
                     "trade #42 2020-01-30T14:30:00.000000001Z symbol=AAPL price=12.5000 "
                     "size=18446744073709551615 ratio=0.1 side=sell on=true "
                     "at=2020-01-30T14:30:00.000000000Z note=plain\n");
}

Test(record_text, null_and_empty_differ)
{
    mr_field_set_null(schema, mr_schema_field(schema, "price"), record, true);
    mr_field_set_null(schema, mr_schema_field(schema, "note"), record, true);
    cr_expect_str_eq(csv("price,note,size"), ",,18446744073709551615\n");
    cr_expect_str_eq(json("price,note"), "{\"price\":null,\"note\":null}\n");
    set("note", "");
    set("symbol", "");
    cr_expect_str_eq(csv("symbol,note,on"), ",\"\",true\n");
    cr_expect_str_eq(json("symbol,note"), "{\"symbol\":\"\",\"note\":\"\"}\n");
    cr_expect_str_eq(line("price,note"),
                     "trade #42 2020-01-30T14:30:00.000000001Z price=null note=\"\"\n");
}

Test(record_text, csv_quotes_where_it_must)
{
    static const char *const pairs[][2] = {{"a,b", "\"a,b\"\n"},
                                           {"say \"hi\"", "\"say \"\"hi\"\"\"\n"},
                                           {"two\nlines", "\"two\nlines\"\n"},
                                           {"cr\rlf", "\"cr\rlf\"\n"},
                                           {" lead", "\" lead\"\n"},
                                           {"a b", "a b\n"},
                                           {"'single'", "'single'\n"},
                                           {"gr\xc3\xbc\xc3\x9f", "gr\xc3\xbc\xc3\x9f\n"}};
    for (size_t i = 0; i < MR_COUNT_OF(pairs); i++) {
        set("note", pairs[i][0]);
        cr_expect_str_eq(csv("note"), pairs[i][1]);
    }
}

Test(record_text, json_escapes_what_it_must)
{
    static const char *const pairs[][2] = {
        {"q\"b\\", "q\\\"b\\\\"},
        {"\b\t\n\v\f\r", "\\b\\t\\n\\u000b\\f\\r"},
        {"\x01\x1f\x7f", "\\u0001\\u001f\\u007f"},
        {"\xc2\x85", "\\u0085"},
        {"\xe2\x82\xac \xf0\x9f\x98\x80", "\xe2\x82\xac \xf0\x9f\x98\x80"},
        {"\xff", "\xef\xbf\xbd"},
        {"a\xc3", "a\xef\xbf\xbd"},
        {"\xc0\xaf", "\xef\xbf\xbd\xef\xbf\xbd"},
        {"\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
        {"\xf4\x90\x80\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
        {"/slash", "/slash"}};
    char expected[128];
    for (size_t i = 0; i < MR_COUNT_OF(pairs); i++) {
        set("note", pairs[i][0]);
        snprintf(expected, sizeof expected, "{\"note\":\"%s\"}\n", pairs[i][1]);
        cr_expect_str_eq(json("note"), expected);
    }
    const struct mr_field *note = mr_schema_field(schema, "note");
    cr_assert_eq(mr_field_set_text(schema, note, record, "a\0b", 3), MR_OK);
    cr_expect_str_eq(json("note"), "{\"note\":\"a\\u0000b\"}\n");
}

Test(record_text, numbers_that_json_lacks_are_null)
{
    const struct mr_field *ratio = mr_schema_field(schema, "ratio");
    cr_assert_eq(mr_field_set_f64(schema, ratio, record, (double)NAN), MR_OK);
    cr_expect_str_eq(json("ratio"), "{\"ratio\":null}\n");
    cr_expect_str_eq(csv("ratio"), "nan\n");
    cr_assert_eq(mr_field_set_f64(schema, ratio, record, -(double)INFINITY), MR_OK);
    cr_expect_str_eq(json("ratio"), "{\"ratio\":null}\n");
    cr_expect_str_eq(csv("ratio"), "-inf\n");
    set("ratio", "1e300");
    cr_expect_str_eq(json("ratio"), "{\"ratio\":1e+300}\n");
}

Test(record_text, flags_have_names)
{
    record->flags = MR_FLAG_LATE | MR_FLAG_CROSSED;
    cr_expect_str_eq(csv("flags,on"), "late|crossed,true\n");
    cr_expect_str_eq(json("flags"), "{\"flags\":[\"late\",\"crossed\"]}\n");
    cr_expect_str_eq(line("on"),
                     "trade #42 2020-01-30T14:30:00.000000001Z [late crossed] on=true\n");
    record->flags = 0;
    cr_expect_str_eq(json("flags,on"), "{\"on\":true}\n");
}

Test(record_text, selections_keep_their_order)
{
    struct mr_error err;
    struct mr_schema_set set_of_one = {.count = 1, .schemas = {schema}};
    cr_expect_str_eq(csv("on, symbol ,sequence"), "true,AAPL,42\n");
    cr_expect_str_eq(csv("on,other,symbol"), "true,,AAPL\n");
    cr_expect_str_eq(json("on,other,symbol"), "{\"on\":true,\"symbol\":\"AAPL\"}\n");
    cr_expect_str_eq(header("on,other,symbol", false), "on,other,symbol\n");
    cr_expect_eq(mr_record_text_open(&row, schema, "on,other,symbol", false), 2);
    cr_expect_eq(mr_record_text_check("on,symbol,flags", &set_of_one, &err), MR_OK);
    cr_expect_eq(mr_record_text_check("on,other", &set_of_one, &err), MR_ERR_USAGE);
    cr_expect_str_eq(err.text, "no schema has a field \"other\"");
    char many[1024] = "";
    for (int i = 0; i < MR_TEXT_COLUMNS_MAX + 1; i++)
        strcat(many, "on,");
    cr_expect_eq(mr_record_text_check(many, &set_of_one, &err), MR_ERR_USAGE);
    cr_expect_eq(mr_record_text_open(&row, schema, many, false), MR_TEXT_COLUMNS_MAX);
}

Test(record_text, a_field_takes_the_place_of_an_envelope_column)
{
    mr_schema_free(schema);
    schema = mr_schema_new("s", 100);
    add("sequence", "u8", false);
    mr_schema_seal(schema);
    mr_record_init(schema, record);
    set("sequence", "7");
    cr_expect_str_eq(header(NULL, true), "schema,event_time,ingest_time,flags,sequence\n");
    cr_expect_str_eq(csv("sequence"), "7\n");
}

Test(record_text, bytes_lose_nothing)
{
    static const char raw[] = "a\0\x1b\\\"\xff,\xc3\xbc";
    mr_schema_free(schema);
    schema = mr_schema_new("s", 100);
    add("raw", "bytes", true);
    mr_schema_seal(schema);
    mr_record_init(schema, record);
    cr_expect_str_eq(csv("raw"), "\"\"\n");
    record->length += sizeof raw - 1;
    cr_assert_eq(mr_field_set_text(schema, &schema->fields[0], record, raw, sizeof raw - 1), MR_OK);
    cr_expect_str_eq(csv("raw"), "\"a\\x00\\x1b\\\\\"\"\\xff,\xc3\xbc\"\n");
    cr_expect_str_eq(json("raw"), "{\"raw\":\"a\\\\x00\\\\x1b\\\\\\\\\\\"\\\\xff,\xc3\xbc\"}\n");
    cr_expect_str_eq(line("raw"), "s #0 raw=\"a\\\\x00\\\\x1b\\\\\\\\\\\"\\\\xff,\xc3\xbc\"\n");
}

Test(record_text, lines_are_safe_for_terminals)
{
    set("note", "\x1b[31m red");
    cr_expect_str_eq(line("note"),
                     "trade #42 2020-01-30T14:30:00.000000001Z note=\"\\u001b[31m red\"\n");
    record->event_time_ns = 0;
    set("note", "a=b");
    cr_expect_str_eq(line("note"), "trade #42 note=\"a=b\"\n");
}

Test(record_text, a_short_record_has_only_nulls)
{
    record->length = schema->record_bytes - 1;
    cr_expect_str_eq(csv("symbol,price,sequence"), ",,42\n");
    cr_expect_str_eq(json("symbol"), "{\"symbol\":null}\n");
}

// With any room, the length is the same and nothing is written behind the room.
Test(record_text, too_little_room_says_how_much_is_needed)
{
    static write_row *const writers[] = {mr_record_csv, mr_record_ndjson, mr_record_line};
    set("note", "a \"b\" \xff\x01");
    record->flags = MR_FLAG_LATE;
    mr_record_text_open(&row, schema, NULL, true);
    for (size_t w = 0; w < MR_COUNT_OF(writers); w++) {
        size_t needed = writers[w](&row, record, NULL, 0);
        for (size_t room = 0; room <= needed; room++) {
            char *out = malloc(room + 1); // exact, for the sanitizer
            cr_assert_eq(writers[w](&row, record, out, room), needed);
            free(out);
        }
    }
    cr_expect_eq(mr_record_csv_header(&row, NULL, 0), strlen(header(NULL, true)));
}

// Whatever bytes a record holds, NDJSON stays one line of valid UTF-8 without control characters.
Test(record_text, random_records_stay_one_line)
{
    uint64_t seed = random_seed(13);
    mr_record_text_open(&row, schema, NULL, true);
    for (int round = 0; round < 20000; round++) {
        for (size_t i = 8; i < schema->record_bytes; i++)
            bytes[i] = (uint8_t)random_next(&seed);
        record->length = schema->record_bytes;
        size_t length = mr_record_ndjson(&row, record, text, sizeof text);
        cr_assert_leq(length, sizeof text);
        cr_assert_eq(text[0], '{');
        cr_assert_eq(memcmp(text + length - 2, "}\n", 2), 0);
        for (size_t i = 0; i + 1 < length; i++)
            cr_assert_geq((unsigned char)text[i], 0x20);
    }
}
