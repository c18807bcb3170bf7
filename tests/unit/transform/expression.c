// SPDX-License-Identifier: Apache-2.0
// Expressions: what they give, what type they have, what they refuse and how they say so.
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "consumers/transform/expression.h"

static struct mr_schema *schema;
static struct mr_expressions *expressions;
static struct mr_node node = {.kind = MR_NODE_SCALAR, .file = "p.yaml", .line = 7, .path = "where"};
static uint8_t record[512] __attribute__((aligned(8)));
static struct mr_error err;

static void put(const char *field, const char *value)
{
    cr_assert_eq(
        mr_field_parse(schema, mr_schema_field(schema, field), record, value, strlen(value)), MR_OK,
        "%s=%s", field, value);
}

static void set_up(void)
{
    static const char *const fields[][2] = {
        {"symbol", "char[8]"},
        {"price", "decimal(4)"},
        {"quantity", "u32"},
        {"side", "enum(B,S)"},
        {"live", "bool"},
        {"at", "timestamp"},
        {"big", "u64"},
        {"small", "i8"},
        {"ratio", "f64"},
        {"single", "f32"},
        {"cents", "decimal_u32(2)"},
        {"end", "i64"},
        {"flags", "u8"},
    };
    schema = mr_schema_new("trade", 100);
    for (size_t i = 0; i < MR_COUNT_OF(fields); i++)
        cr_assert_eq(mr_schema_add(schema, fields[i][0], fields[i][1], false, &err), MR_OK);
    cr_assert_eq(mr_schema_add(schema, "customer", "i64", true, &err), MR_OK);
    cr_assert_eq(mr_schema_add(schema, "country", "char[4]", true, &err), MR_OK);
    mr_schema_seal(schema);
    mr_record_init(schema, record);
    put("symbol", "AAPL"), put("price", "123.45"), put("quantity", "100"), put("side", "S");
    put("at", "2020-01-30T03:00:00.25Z"), put("big", "18446744073709551615"), put("small", "-128");
    put("ratio", "0.1"), put("single", "0.5"), put("cents", "42949672.95"), put("end", "3");
    put("flags", "200");
    mr_field_set_null(schema, mr_schema_field(schema, "customer"), record, true);
    mr_field_set_null(schema, mr_schema_field(schema, "country"), record, true);
    struct mr_record *envelope = (void *)record;
    envelope->sequence = 12;
    envelope->event_time_ns = 1500000000;
    expressions = mr_expressions_open(&err);
    cr_assert_not_null(expressions, "%s", err.text);
}

static void tear_down(void)
{
    mr_expressions_close(expressions);
    mr_schema_free(schema);
}

TestSuite(expression, .init = set_up, .fini = tear_down);

static struct mr_expression *compile(const char *text)
{
    struct mr_expression *expression = NULL;
    cr_assert_eq(mr_expression_compile(expressions, text, schema, &node, &expression, &err), MR_OK,
                 "%s", err.text);
    return expression;
}

// With its steps, where it is simple, and by the interpreter.
static struct mr_expression_value run(const char *text)
{
    struct mr_expression_value value = {0}, interpreted = {0};
    struct mr_expression *expression = compile(text);
    cr_assert(mr_expression_interpret(expression, record, &interpreted), "`%s`: %s", text,
              interpreted.text);
    cr_assert(mr_expression_run(expression, record, &value), "`%s`: %s", text, value.text);
    cr_expect_eq(value.type, interpreted.type, "`%s`", text);
    if (value.type == MR_EXPRESSION_NUMBER)
        cr_expect_eq(memcmp(&value.number, &interpreted.number, sizeof value.number), 0,
                     "`%s` is %.17g with steps, %.17g by the interpreter", text, value.number,
                     interpreted.number);
    if (value.type == MR_EXPRESSION_BOOL)
        cr_expect_eq(value.boolean, interpreted.boolean, "`%s`", text);
    return value;
}

static void assert_number(const char *text, double expected)
{
    struct mr_expression_value value = run(text);
    cr_assert_eq(value.type, MR_EXPRESSION_NUMBER, "`%s`", text);
    cr_assert_eq(value.number, expected, "`%s` is %.17g, expected %.17g", text, value.number,
                 expected);
}

static void assert_text(const char *text, const char *expected)
{
    struct mr_expression_value value = run(text);
    cr_assert_eq(value.type, MR_EXPRESSION_TEXT, "`%s`", text);
    cr_assert_eq(value.length, strlen(expected), "`%s`", text);
    cr_assert_eq(memcmp(value.text, expected, value.length), 0, "`%s`", text);
}

static void assert_condition(const char *text, bool expected)
{
    struct mr_expression_value value = run(text);
    cr_assert_eq(value.type, MR_EXPRESSION_BOOL, "`%s`", text);
    cr_assert_eq(value.boolean, expected, "`%s`", text);
}

static void assert_refused(const char *text, const char *problem)
{
    char expected[1000];
    struct mr_expression *expression;
    memset(&err, 0, sizeof err);
    cr_assert_eq(mr_expression_compile(expressions, text, schema, &node, &expression, &err),
                 MR_ERR_CONFIG, "`%s` was taken", text);
    snprintf(expected, sizeof expected, "p.yaml:7: where: in `%s` %s", text, problem);
    cr_assert_str_eq(err.text, expected);
}

static void assert_fails(const char *text, const char *problem)
{
    struct mr_expression_value value;
    cr_assert_not(mr_expression_run(compile(text), record, &value), "`%s`", text);
    cr_assert_str_eq(value.text, problem);
}

Test(expression, fields_are_what_their_type_says)
{
    assert_text("symbol", "AAPL");
    assert_number("price", 123.45);
    assert_number("quantity", 100);
    assert_text("side", "S");
    assert_condition("live", false);
    assert_number("at", 1580353200.25);
    assert_number("big", 18446744073709551615.0);
    assert_number("small", -128);
    assert_number("ratio", 0.1);
    assert_number("single", 0.5);
    assert_number("cents", 42949672.95);
    cr_assert_eq(run("customer").type, MR_EXPRESSION_NULL);
    cr_assert_eq(run("country").type, MR_EXPRESSION_NULL);
}

Test(expression, the_envelope_is_there_and_fields_of_its_names_come_first)
{
    assert_number("event_time", 1.5);
    assert_number("sequence", 12);
    assert_number("flags", 200);
    assert_number("end + 1", 4); // a word of Lua's as a field
}

Test(expression, operators_bind_as_documented)
{
    assert_number("1 + 2 * 3", 7);
    assert_number("(1 + 2) * 3", 9);
    assert_number("-2 ^ 2", -4);
    assert_number("2 ^ -1", 0.5);
    assert_number("2 ^ 3 ^ 2", 512);
    assert_number("10 - 2 - 3", 5);
    assert_number("7 / 2", 3.5);
    assert_number("-7 % 3", 2);
    assert_number("1 -- 2", 3); // no comment of Lua's
    assert_number("0xff + 1e3 + .5", 1255.5);
    assert_text("'a' .. \"b\" .. 'c'", "abc");
    assert_text("'it\\'s' .. \"\\\\\" .. '\\n\\t'", "it's\\\n\t");
    assert_condition("1 < 2 and 2 < 3 or false", true);
    assert_condition("!live && quantity >= 100", true);
    assert_condition("not live == true", true); // (not live) == true
    assert_condition("quantity != 100 || side ~= 'S'", false);
    assert_condition("'a' < 'b'", true);
    assert_number("live and 1 or 2", 2);
    assert_number("price * quantity > 1000 and side == 'S' and 1 or 0", 1);
}

Test(expression, functions)
{
    assert_number("abs(-3) + floor(2.7) + ceil(2.1)", 8);
    assert_number("round(-2.5)", -3);
    assert_number("round(1.005 * 1000)", 1005);
    assert_number("round(123.456, 1)", 123.5);
    assert_number("min(3, 1, 2) + max(3, 1, 2)", 4);
    assert_number("math.sqrt(16) + math.pow(2, 10) + fmod(7, 4)", 1031);
    assert_number("math.pi", 3.14159265358979312);
    assert_text("lower(symbol) .. string.upper('x')", "aaplX");
    assert_text("trim('  a b ')", "a b");
    assert_text("sub(symbol, 2, 3)", "AP");
    assert_number("len(symbol)", 4);
    assert_number("find('a.b', '.')", 2);
    assert_condition("contains(symbol, 'AP')", true);
    assert_condition("starts_with(symbol, 'AA') and ends_with(symbol, 'PL')", true);
    assert_condition("ends_with(symbol, 'XAAPL')", false);
    assert_number("number('12.5') + 1", 13.5);
    assert_text("text(quantity)", "100");
    assert_number("when(live, 1, 2)", 2);
}

// 2^63 times powers of ten: LuaJIT's own reader gives one result and then another.
Test(expression, numbers_are_read_by_the_c_library)
{
    for (unsigned i = 0; i < 20; i++) {
        assert_number("9223372036854775808e82", 9223372036854775808e82);
        assert_number("number('9223372036854775808e82')", 9223372036854775808e82);
        assert_number("floor(9223372036854775808e82)", 9223372036854775808e82); // the interpreter's
    }
    assert_number("4.9406564584124654e-324 + 0", 4.9406564584124654e-324);
    assert_number("1e999", HUGE_VAL);
    assert_number("-1e999 + floor(0)", -HUGE_VAL);
    assert_number("0xffffffffffffffff", 18446744073709551615.0);
    assert_number("number(' -0x10 ')", -16);
    assert_number("number('+.5')", 0.5);
    static const char *const none[] = {"number('')",    "number('1 2')", "number('1x')",
                                       "number('nan')", "number('inf')", "number('1\\n2')",
                                       "number('-')",   "number('.')",   "number('nan(0xfff9)')"};
    for (unsigned i = 0; i < MR_COUNT_OF(none); i++)
        cr_expect_eq(run(none[i]).type, MR_EXPRESSION_NULL, "`%s`", none[i]);
}

Test(expression, nulls)
{
    assert_condition("customer == null", true);
    assert_condition("customer ~= nil", false);
    assert_condition("is_null(country)", true);
    assert_condition("is_null(price)", false);
    assert_number("coalesce(customer, 7)", 7);
    assert_text("coalesce(country, '?')", "?");
    cr_assert_eq(run("find(symbol, 'x')").type, MR_EXPRESSION_NULL);
    cr_assert_eq(run("number('x')").type, MR_EXPRESSION_NULL);
    assert_fails("customer > 3", "customer is null: attempt to compare number with nil");
    assert_fails("customer + len(country)",
                 "customer, country are null: bad argument #1 to 'len' (string expected, got nil)");
}

Test(expression, types_are_known_before_it_runs)
{
    static const struct {
        const char *text;
        enum mr_expression_type type;
        bool nullable;
    } cases[] = {
        {"price * 2", MR_EXPRESSION_NUMBER, false},
        {"customer", MR_EXPRESSION_NUMBER, true},
        {"customer + 1", MR_EXPRESSION_NUMBER, false}, // null is an error there
        {"coalesce(customer, 0)", MR_EXPRESSION_NUMBER, false},
        {"coalesce(customer, null)", MR_EXPRESSION_NUMBER, true},
        {"when(live, symbol, 'x')", MR_EXPRESSION_TEXT, false},
        {"when(live, symbol, null)", MR_EXPRESSION_TEXT, true},
        {"live or quantity > 3", MR_EXPRESSION_BOOL, false},
        {"live and 1 or 2", MR_EXPRESSION_ANY, false},
        {"country == null", MR_EXPRESSION_BOOL, false},
        {"number(symbol)", MR_EXPRESSION_NUMBER, true},
    };
    for (size_t i = 0; i < MR_COUNT_OF(cases); i++) {
        const struct mr_expression *expression = compile(cases[i].text);
        cr_assert_eq(mr_expression_type(expression), cases[i].type, "`%s`", cases[i].text);
        cr_assert_eq(mr_expression_is_nullable(expression), cases[i].nullable, "`%s`",
                     cases[i].text);
    }
    cr_assert_str_eq(mr_expression_field(compile("(price)"))->name, "price");
    cr_assert_null(mr_expression_field(compile("price + 0")));
    cr_assert_null(mr_expression_field(compile("-price")));
    cr_assert_null(mr_expression_field(compile("coalesce(price)")));
}

Test(expression, what_is_wrong_is_said_at_its_place)
{
    static const char fields[] =
        "symbol, price, quantity, side, live, at, big, small, ratio, single, "
        "cents, end, flags, customer, country";
    char text[300];
    snprintf(text, sizeof text,
             "at character 5: found unknown name \"prcie\" (did you mean \"price\"?), expected a "
             "field of "
             "trade: %s",
             fields);
    assert_refused("1 + prcie", text);
    assert_refused("price > 'a'",
                   "at character 9: found text, expected a number, to compare with a number");
    assert_refused("price = 3",
                   "at character 7: found \"=\", which assigns; \"==\" compares, expected an "
                   "operator or the end");
    assert_refused("price +", "at character 8: found the end, expected a value");
    assert_refused("(price", "at character 7: found the end, expected \")\"");
    assert_refused("price)", "at character 6: found \")\", expected an operator or the end");
    assert_refused("", "at character 1: found the end, expected a value");
    assert_refused("'abc",
                   "at character 1: found text without its closing quote, expected a value");
    assert_refused(
        "'a\\q'", "at character 3: found an unknown escape, expected one of \\n \\t \\\\ \\' \\\"");
    assert_refused("1 < 2 < 3",
                   "at character 1: found a condition, expected numbers or text to put in order");
    assert_refused("symbol + 1", "at character 1: found text, expected a number beside \"+\"");
    assert_refused("1 .. 'a'", "at character 1: found a number, expected text beside \"..\"");
    assert_refused("abs(symbol)",
                   "at character 5: found text, expected a number as argument of abs");
    assert_refused("min()", "at character 5: found \")\", expected 1 to 8 arguments of min");
    assert_refused("round(1, 2, 3)",
                   "at character 11: found \",\", expected 1 or 2 arguments of round");
    assert_refused("when(1, 2, 3)",
                   "at character 6: found a number, expected a condition as argument of when");
    assert_refused("12abc",
                   "at character 1: found a number that ends in a letter, expected a value");
}

// Whatever could reach beyond the record is no expression.
Test(expression, nothing_else_can_be_reached)
{
    static const char *const attempts[] = {
        "os.exit()",
        "io.open('x')",
        "require('ffi')",
        "ffi.C",
        "_G",
        "F",
        "C",
        "v0",
        "loadstring('x')()",
        "math.random()",
        "string.rep('x', 9)",
        "string.dump(abs)",
        "string.format('%s', 1)",
        "abs",
        "math",
        "symbol:rep(9)",
        "symbol[1]",
        "{}",
        "function() end",
        "x = 1",
        "1; return 2",
        "price -- comment\n = 1",
        "[[x]]",
        "(function() while true do end end)()",
        "getmetatable('')",
        "price.x",
        "#symbol",
        "1LL",
        "`x`",
        "$x",
        "price\n;",
        "'\\65'",
        "'a\\",
        "goto x",
        "end)",
        "nil()",
    };
    struct mr_expression *expression;
    for (size_t i = 0; i < MR_COUNT_OF(attempts); i++)
        cr_assert_eq(
            mr_expression_compile(expressions, attempts[i], schema, &node, &expression, NULL),
            MR_ERR_CONFIG, "`%s` was taken", attempts[i]);
}

Test(expression, text_with_any_bytes_stays_text)
{
    assert_text("'\" .. os.exit() .. \"'", "\" .. os.exit() .. \"");
    assert_text("']]'", "]]");
    assert_text("'\x01\xff\r'", "\x01\xff\r");
}

Test(expression, deep_nesting_is_refused_before_it_hurts)
{
    char text[2000];
    struct mr_expression *expression;
    for (unsigned depth = 1; depth <= 800; depth += 1) {
        memset(text, '(', depth);
        text[depth] = '1';
        memset(text + depth + 1, ')', depth);
        text[2 * depth + 1] = '\0';
        int code = mr_expression_compile(expressions, text, schema, &node, &expression, &err);
        cr_assert_eq(code, depth < 60 ? MR_OK : MR_ERR_CONFIG, "depth %u: %s", depth, err.text);
    }
    memset(text, '-', sizeof text - 2);
    memcpy(text + sizeof text - 2, "1", 2);
    cr_assert_eq(mr_expression_compile(expressions, text, schema, &node, &expression, &err),
                 MR_ERR_CONFIG);
}

// The compiler of traces steps in after some dozen calls: it must give what the interpreter gave.
Test(expression, the_thousandth_run_gives_what_the_first_gave)
{
    static const char *const texts[] = {
        "price * 1.1 + ratio ^ 2.5",     "exp(ratio) * log(price) / sin(quantity)",
        "quantity % 7 - ratio",          "round(price * ratio, 3)",
        "coalesce(customer, price) / 3",
    };
    for (size_t i = 0; i < MR_COUNT_OF(texts); i++) {
        struct mr_expression *expression = compile(texts[i]);
        struct mr_expression_value first, again;
        cr_assert(mr_expression_run(expression, record, &first));
        for (int k = 0; k < 1000; k++) {
            cr_assert(mr_expression_run(expression, record, &again));
            cr_assert_eq(first.number, again.number, "`%s`, run %d", texts[i], k);
        }
    }
}

Test(expression, fields_of_a_text_are_found_without_a_schema)
{
    const char *text =
        "price * math.floor(qty) > min(a, 2) and side == 'b and c' or event_time < pi";
    const char *expected[] = {"price", "qty", "a", "side"};
    size_t at = 0, length, found = 0;
    for (const char *name; (name = mr_expression_next_field(text, &at, &length)); found++) {
        cr_assert_lt(found, MR_COUNT_OF(expected));
        cr_assert_eq(length, strlen(expected[found]));
        cr_assert_eq(strncmp(name, expected[found], length), 0);
    }
    cr_assert_eq(found, MR_COUNT_OF(expected));
}

// LuaJIT would take the bits of some NaNs for values of other types, pointers among them.
Test(expression, any_nan_is_a_number)
{
    static const uint64_t nans[] = {UINT64_MAX, 0xFFFE800000000000, 0xFFFA000000001234,
                                    0x7FF8000000000000, 0x7FF0000000000001};
    for (size_t i = 0; i < MR_COUNT_OF(nans); i++) {
        memcpy(record + mr_schema_field(schema, "ratio")->offset, &nans[i], sizeof nans[i]);
        memset(record + mr_schema_field(schema, "single")->offset, 0xFF, sizeof(float));
        assert_condition("ratio > 1 or single > 1", false);
        assert_condition("ratio ~= ratio and single ~= single", true);
        assert_condition("is_null(ratio) or is_null(single)", false);
    }
}
