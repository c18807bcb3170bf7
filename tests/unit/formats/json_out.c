// SPDX-License-Identifier: Apache-2.0
#include "core/formats/json_out.h"

#include <criterion/criterion.h>
#include <math.h>

static struct mr_json json;

static void expect(const char *expected)
{
    cr_expect_str_eq(mr_json_finish(&json), expected);
    mr_json_free(&json);
}

Test(json_out, nesting_and_commas)
{
    mr_json_init(&json, 0);
    mr_json_open(&json, NULL, '{');
    mr_json_u64(&json, "a", 1);
    mr_json_open(&json, "b", '[');
    mr_json_i64(&json, NULL, -2);
    mr_json_bool(&json, NULL, true);
    mr_json_close(&json);
    mr_json_open(&json, "c", '{');
    mr_json_close(&json);
    mr_json_bool(&json, "d", false);
    mr_json_close(&json);
    expect("{\"a\":1,\"b\":[-2,true],\"c\":{},\"d\":false}\n");
}

Test(json_out, indented)
{
    mr_json_init(&json, 2);
    mr_json_open(&json, NULL, '{');
    mr_json_open(&json, "a", '[');
    mr_json_u64(&json, NULL, 1);
    mr_json_close(&json);
    mr_json_close(&json);
    expect("{\n  \"a\": [\n    1\n  ]\n}\n");
}

Test(json_out, text_is_escaped)
{
    mr_json_init(&json, 0);
    mr_json_text(&json, NULL,
                 "q\"b\\n\nt\tb\bf\fr\rc\x01"
                 "del\x7f");
    expect("\"q\\\"b\\\\n\\nt\\tb\\bf\\fr\\rc\\u0001del\x7f\"\n");
    mr_json_init(&json, 0);
    mr_json_text(&json, NULL, "\v");
    expect("\"\\u000b\"\n");
}

Test(json_out, what_is_not_utf8_is_replaced)
{
    static const struct {
        const char *in, *out;
    } cases[] = {
        {"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80", "\"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\"\n"},
        {"\x80", "\"\xef\xbf\xbd\"\n"},                                 // a continuation alone
        {"\xc0\xaf", "\"\xef\xbf\xbd\xef\xbf\xbd\"\n"},                 // overlong
        {"\xe2\x82", "\"\xef\xbf\xbd\xef\xbf\xbd\"\n"},                 // cut
        {"\xed\xa0\x80", "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"\n"}, // a surrogate
        {"\xf4\x90\x80\x80", "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"\n"},
        {"\xff", "\"\xef\xbf\xbd\"\n"},
    };
    for (unsigned i = 0; i < MR_COUNT_OF(cases); i++) {
        mr_json_init(&json, 0);
        mr_json_text(&json, NULL, cases[i].in);
        expect(cases[i].out);
    }
}

Test(json_out, numbers)
{
    mr_json_init(&json, 0);
    mr_json_open(&json, NULL, '[');
    mr_json_u64(&json, NULL, UINT64_MAX);
    mr_json_i64(&json, NULL, INT64_MIN);
    mr_json_real(&json, NULL, 0.5);
    mr_json_real(&json, NULL, 31388.25);
    mr_json_real(&json, NULL, NAN);
    mr_json_real(&json, NULL, INFINITY);
    mr_json_text(&json, NULL, NULL);
    mr_json_close(&json);
    expect("[18446744073709551615,-9223372036854775808,0.5,31388.25,null,null,null]\n");
}
