// SPDX-License-Identifier: Apache-2.0
// Which expressions have steps, and what those give; that it is what the interpreter gives, expression.c sees to.
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "consumers/transform/expression_parser.h"

static struct mr_schema *schema;
static struct mr_node node = {.kind = MR_NODE_SCALAR, .file = "p.yaml", .line = 7, .path = "where"};

static void set_up(void)
{
    schema = mr_schema_new("trade", 100);
    mr_schema_add(schema, "a", "f64", false, NULL);
    mr_schema_add(schema, "b", "f64", false, NULL);
    mr_schema_add(schema, "c", "bool", false, NULL);
    mr_schema_add(schema, "s", "char[8]", false, NULL);
    mr_schema_add(schema, "t", "char[8]", false, NULL);
    mr_schema_seal(schema);
}

static void tear_down(void)
{
    mr_schema_free(schema);
}

TestSuite(expression_steps, .init = set_up, .fini = tear_down);

static struct mr_parsed_expression *parse(const char *text)
{
    static struct mr_parsed_expression parsed;
    struct mr_error err = {0};
    cr_assert_eq(mr_expression_parse(text, schema, &node, &parsed, &err), MR_OK, "%s", err.text);
    return &parsed;
}

// With a 6, b -0.5, c true, s "AB", t "AB".
static double run(const char *text)
{
    struct mr_parsed_expression *parsed = parse(text);
    struct mr_lua_value values[5] = {0};
    cr_assert(mr_steps_are_whole(&parsed->steps), "`%s`", text);
    for (unsigned i = 0; i < parsed->input_count; i++)
        switch (parsed->inputs[i].field->name[0]) {
        case 'a':
            values[i].number = 6;
            break;
        case 'b':
            values[i].number = -0.5;
            break;
        case 'c':
            values[i].number = 2; // what is not 0 is true
            break;
        default:
            values[i].text = "ABC";
            values[i].length = 2;
        }
    double result = mr_steps_run(&parsed->steps, values);
    free(parsed->lua);
    return result;
}

Test(expression_steps, numbers_and_conditions)
{
    static const struct {
        const char *text;
        double expected;
    } rows[] = {
        {"a", 6},
        {"a + b", 5.5},
        {"a - b * 2", 7},
        {"(a - b) * 2", 13},
        {"2 / a / 2", 2.0 / 6 / 2},
        {"-a + -(-b)", -6.5},
        {"1 - (a - (b - (a - 1)))", 1 - (6 - (-0.5 - 5))},
        {"0x10 + 1e1", 26},
        {"a < 1234567890123456789012345678901234567890.5", 1},
        {"a < 6", 0},
        {"a <= 6", 1},
        {"6 > a", 0},
        {"6 >= a", 1},
        {"a == b", 0},
        {"a != b", 1},
        {"c", 1},
        {"not c", 0},
        {"c == true", 1},
        {"not c != (a > b)", 1},
        {"a > 1 and b < 0 and c", 1},
        {"a < 1 or b > 0 or not c", 0},
        {"a < 1 or b < 0", 1},
        {"a < 1 and b < 0 or c", 1},
        {"s == 'AB'", 1},
        {"'AB' == s", 1},
        {"s != 'ABC'", 1},
        {"'' == s", 0},
        {"s == t", 1},
        {"s ~= t or a > 1 and s == 'AB'", 1},
        {"s == 'ABC' or 'A' == s or s == 'AB' and t ~= 'B'", 1},
        {"a == a and s == '\\n'", 0},
        {"pi > 3 and huge > a", 1},
        {"0 / 0 == 0 / 0", 0},
        {"0 / 0 != 0 / 0", 1},
    };
    for (size_t i = 0; i < MR_COUNT_OF(rows); i++) {
        double found = run(rows[i].text);
        cr_expect_eq(found, rows[i].expected, "`%s` is %.17g, expected %.17g", rows[i].text, found,
                     rows[i].expected);
    }
}

Test(expression_steps, what_is_left_to_the_interpreter)
{
    static const char *const texts[] = {
        "s",
        "'a' == 'a'",
        "s < 'B'",
        "s .. 'x' == 'ABx'",
        "a % 2",
        "a ^ 2",
        "abs(a) > 1",
        "s == null",
        "c and 1 or 2",
        "not a",
        "c and a",
        "when(c, a, b)",
        "sqrt(4) > a",
        "null == s",
        "not s",
        "true and 'x'",
        "len(s)",
    };
    for (size_t i = 0; i < MR_COUNT_OF(texts); i++) {
        struct mr_parsed_expression *parsed = parse(texts[i]);
        cr_expect(!mr_steps_are_whole(&parsed->steps), "`%s`", texts[i]);
        free(parsed->lua);
    }
}

static bool is_whole(const char *text)
{
    struct mr_parsed_expression *parsed = parse(text);
    bool whole = mr_steps_are_whole(&parsed->steps);
    free(parsed->lua);
    return whole;
}

// Right operands that are operators themselves: each waits on the stack.
static bool is_nested_whole(unsigned depth)
{
    char text[400] = "", part[16];
    for (unsigned i = 0; i < depth; i++)
        strcat(text, "(a + ");
    strcat(text, "a");
    for (unsigned i = 0; i < depth; i++)
        strcat(text, " * b)");
    snprintf(part, sizeof part, " > %u", depth);
    strcat(text, part);
    return is_whole(text);
}

Test(expression_steps, as_many_and_as_deep_as_there_is_room_for)
{
    char text[2000] = "a > 0";
    for (unsigned steps = 2; steps + 3 <= MR_STEPS_MAX; steps += 3)
        strcat(text, " and a > 0");
    cr_expect(is_whole(text));
    strcat(text, " and a > 0");
    cr_expect(!is_whole(text));
    cr_expect(is_nested_whole(MR_STEPS_DEPTH_MAX - 2));
    cr_expect(!is_nested_whole(MR_STEPS_DEPTH_MAX - 1));
    snprintf(text, sizeof text, "s == '%0257d'", 0);
    cr_expect(!is_whole(text));
    snprintf(text, sizeof text, "s == '%0256d'", 0);
    cr_expect(is_whole(text));
    snprintf(text, sizeof text, "s == '%0200d' or t == '%057d'", 0, 0);
    cr_expect(!is_whole(text));
}
