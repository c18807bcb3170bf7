// SPDX-License-Identifier: Apache-2.0
// Values by path, numbers as written, and every text that is not JSON refused with its place.
#include "core/formats/json.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

// "s:text" of one path, by a letter for its kind.
static const char *get(const char *json_text, const char *path)
{
    static char found[512];
    struct mr_json_reader *json;
    struct mr_error err;
    struct mr_span value;
    struct mr_json_problem problem;
    static const char *const kinds[] = {"missing", "null", "bare", "string",
                                        "integer", "real", "bool", "container"};
    if (mr_json_reader_new(&json, &path, 1, 4096, &err) != MR_OK)
        return strcpy(found, "bad path");
    // A copy of its exact size: reading beyond it is found out by the sanitizer.
    size_t length = strlen(json_text);
    char *exact = malloc(length + 1);
    memcpy(exact, json_text, length);
    if (!mr_json_reader_read(json, exact, length, &value, &problem))
        snprintf(found, sizeof found, "%zu: %s", problem.offset, problem.text);
    else
        snprintf(found, sizeof found, "%s %.*s", kinds[value.kind], (int)value.length,
                 value.text ? value.text : "");
    free(exact);
    mr_json_reader_free(json);
    return found;
}

Test(json, kinds)
{
    cr_expect_str_eq(get("{\"a\":1}", "a"), "integer 1");
    cr_expect_str_eq(get("{\"a\":-12345678901234567890123}", "a"),
                     "integer -12345678901234567890123");
    cr_expect_str_eq(get("{\"a\" : 0.10 }", "a"), "real 0.10");
    cr_expect_str_eq(get("{\"a\":1E+2}", "a"), "real 1E+2");
    cr_expect_str_eq(get("{\"a\":\"x y\"}", "a"), "string x y");
    cr_expect_str_eq(get("{\"a\":\"\"}", "a"), "string ");
    cr_expect_str_eq(get("{\"a\":true}", "a"), "bool true");
    cr_expect_str_eq(get("{\"a\":null}", "a"), "null null");
    cr_expect_str_eq(get("{\"a\":[1, 2]}", "a"), "container [1, 2]");
    cr_expect_str_eq(get("{\"a\":{}}", "a"), "container {}");
    cr_expect_str_eq(get("{\"a\":1}", "b"), "missing ");
}

Test(json, paths)
{
    const char *text =
        "{\"d\":{\"p\":[{\"x\":1},{\"x\":[5,6,7]}],\"a.b\":9,\"\\u00e9\":8},\"n\":null}";
    cr_expect_str_eq(get(text, "d.p[1].x[2]"), "integer 7");
    cr_expect_str_eq(get(text, "d.p[0]"), "container {\"x\":1}");
    cr_expect_str_eq(get(text, "d.p[2]"), "missing ");
    cr_expect_str_eq(get(text, "d.a\\.b"), "integer 9");
    cr_expect_str_eq(get(text, "d.\xc3\xa9"), "integer 8");
    cr_expect_str_eq(get(text, "n.x"), "missing ");
    cr_expect_str_eq(get("[3,4]", "[1]"), "integer 4");
    cr_expect_str_eq(get("{\"a\":1,\"a\":2}", "a"), "integer 1");
    cr_expect_str_eq(get("{}", "a..b"), "bad path");
    cr_expect_str_eq(get("{}", "a[x]"), "bad path");
    cr_expect_str_eq(get("{}", ""), "bad path");
    cr_expect_str_eq(get("{}", "a."), "bad path");
}

Test(json, several_paths_in_any_order)
{
    static const char *const paths[] = {"b", "a.y", "c", "a"};
    struct mr_json_reader *json;
    struct mr_span values[4];
    struct mr_json_problem problem;
    cr_assert_eq(mr_json_reader_new(&json, paths, 4, 100, NULL), MR_OK);
    const char *text = "{\"c\":3,\"a\":{\"x\":0,\"y\":2},\"b\":1}";
    cr_assert(mr_json_reader_read(json, text, strlen(text), values, &problem));
    cr_expect_eq(*values[0].text, '1');
    cr_expect_eq(*values[1].text, '2');
    cr_expect_eq(*values[2].text, '3');
    cr_expect_eq(values[3].kind, MR_SPAN_CONTAINER);
    cr_expect_eq(values[3].length, strlen("{\"x\":0,\"y\":2}"));
    cr_assert(mr_json_reader_read(json, "{}", 2, values, &problem));
    cr_expect_eq(values[0].kind, MR_SPAN_MISSING, "nothing is left of the text before");
    mr_json_reader_free(json);
}

Test(json, escapes)
{
    cr_expect_str_eq(get("{\"a\":\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"}", "a"), "string \"\\/\b\f\n\r\t");
    cr_expect_str_eq(get("{\"a\":\"\\u0041\\u00e9\\u20ac\\ud83d\\ude00\"}", "a"),
                     "string A\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80");
    cr_expect_str_eq(get("{\"a\":\"\\ud83dx\"}", "a"), "string \xef\xbf\xbdx");
    cr_expect_str_eq(get("{\"a\":\"\\q\"}", "a"), "6: found \\q\"}, expected an escape");
    cr_expect_str_eq(get("{\"b\":\"\\u12g4\"}", "a"), "6: found \\u12g4\"}, expected an escape");
}

Test(json, what_is_not_json)
{
    static const struct {
        const char *text, *problem;
    } cases[] = {
        {"", "0: found nothing, expected one JSON value"},
        {"{\"a\":1", "6: found the end of the text, expected a comma or }"},
        {"{\"a\":}", "5: found }, expected a value"},
        {"{\"a\" 1}", "5: found 1}, expected a colon"},
        {"{a:1}", "1: found a:1}, expected a key in quotes"},
        {"{\"a\":1,}", "7: found }, expected a key in quotes"},
        {"[1 2]", "3: found 2], expected a comma or ]"},
        {"{} x", "3: found x, expected the end of the text"},
        {"{\"a\":1}{\"a\":2}", "7: found {\"a\":2}, expected the end of the text"},
        {"{\"b\":tru}", "5: found tru}, expected a value"},
        {"{\"b\":01}", "5: found 01}, expected a value"},
        {"{\"b\":1.}", "5: found 1.}, expected a value"},
        {"{\"b\":.5}", "5: found .5}, expected a value"},
        {"{\"b\":1e}", "5: found 1e}, expected a value"},
        {"{\"b\":-}", "5: found -}, expected a value"},
        {"{\"b\":NaN}", "5: found NaN}, expected a value"},
        {"{\"b\":\"x", "5: found a string without end, expected a closing quote"},
        {"{\"b\":\"x\ty\"}", "7: found a control character in a string, expected it escaped"},
        {"{\"b\":\"ab\xff\"}", "8: found a byte that is not UTF-8, expected UTF-8 text"},
        {"]", "0: found ], expected a value"},
    };
    for (size_t i = 0; i < MR_COUNT_OF(cases); i++)
        cr_expect_str_eq(get(cases[i].text, "a"), cases[i].problem, "%s: found %s", cases[i].text,
                         get(cases[i].text, "a"));
}

Test(json, nesting_is_bounded)
{
    char text[2 * MR_JSON_DEPTH_MAX + 8];
    memset(text, '[', MR_JSON_DEPTH_MAX + 1);
    memset(text + MR_JSON_DEPTH_MAX + 1, ']', MR_JSON_DEPTH_MAX + 1);
    text[2 * MR_JSON_DEPTH_MAX + 2] = '\0';
    cr_expect(strstr(get(text, "a"), "at most 256 levels of nesting"));
    text[2 * MR_JSON_DEPTH_MAX + 1] = '\0';
    cr_expect_str_eq(get(text + 1, "a"), "missing ");
}

// The text ends at the last byte of readable memory, at every alignment.
Test(json, no_byte_behind_the_text_is_read)
{
    static const char text[] = "{\"a\":[1,2,{\"b\":\"c\"}],\"v\":12345}";
    static const char *const path[] = {"v"};
    size_t page = (size_t)sysconf(_SC_PAGESIZE), length = sizeof text - 1;
    char *pages = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    struct mr_json_reader *json;
    struct mr_json_problem problem;
    struct mr_span value;
    cr_assert_eq(mprotect(pages + page, page, PROT_NONE), 0);
    cr_assert_eq(mr_json_reader_new(&json, path, 1, 100, NULL), MR_OK);
    for (size_t cut = 0; cut <= length; cut++) {
        char *at = pages + page - (length - cut);
        memcpy(at, text, length - cut);
        cr_expect_eq(mr_json_reader_read(json, at, length - cut, &value, &problem), cut == 0);
    }
    mr_json_reader_free(json);
    munmap(pages, 2 * page);
}

Test(json, longer_than_announced)
{
    static const char *const path[] = {"v"};
    struct mr_json_reader *json;
    struct mr_json_problem problem;
    struct mr_span value;
    cr_assert_eq(mr_json_reader_new(&json, path, 1, 8, NULL), MR_OK);
    cr_expect(mr_json_reader_read(json, "{\"v\":12}", 8, &value, &problem));
    cr_expect_not(mr_json_reader_read(json, "{\"v\":123}", 9, &value, &problem));
    cr_expect_str_eq(problem.text, "found 9 bytes, expected at most 8");
    mr_json_reader_free(json);
}
