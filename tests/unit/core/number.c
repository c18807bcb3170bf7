// SPDX-License-Identifier: Apache-2.0
// Numbers and times as text: exactness, limits, and what is refused.
#include "core/formats/number.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/scratch.h"

static enum mr_number decimal(const char *text, unsigned scale, int64_t *out)
{
    return mr_parse_decimal(text, strlen(text), scale, out);
}

static void expect_decimal(const char *text, unsigned scale, int64_t expected)
{
    int64_t value = 77;
    cr_expect_eq(decimal(text, scale, &value), MR_NUMBER_OK, "%s at scale %u", text, scale);
    cr_expect_eq(value, expected, "%s at scale %u gave %ld", text, scale, value);
}

static void refuse_decimal(const char *text, unsigned scale, enum mr_number problem)
{
    int64_t value = 77;
    cr_expect_eq(decimal(text, scale, &value), problem, "%s at scale %u", text, scale);
    cr_expect_eq(value, 77, "%s changed the result", text);
}

Test(number, decimals_are_exact)
{
    expect_decimal("0.1", 4, 1000);
    expect_decimal("12.50", 4, 125000);
    expect_decimal("-12.5000", 4, -125000);
    expect_decimal("-.5", 1, -5);
    expect_decimal("7.", 2, 700);
    expect_decimal("+7", 0, 7);
    expect_decimal("  3\t", 0, 3);
    expect_decimal("2.5e-3", 4, 25);
    expect_decimal("1.25E2", 0, 125);
    expect_decimal("1e+3", 0, 1000);
    expect_decimal("13995.0", 0, 13995);
    expect_decimal("0.00000", 2, 0);
    expect_decimal("0e999999999999", 2, 0);
    expect_decimal("000000000000000000000000000001", 0, 1);
    expect_decimal("9223372036854775807", 0, INT64_MAX);
    expect_decimal("-9223372036854775808", 0, INT64_MIN);
    expect_decimal("9.223372036854775807", 18, INT64_MAX);
    expect_decimal("-9.223372036854775808", 18, INT64_MIN);
    expect_decimal("92233720368547758.0700", 2, 9223372036854775807);
}

Test(number, decimals_that_do_not_fit_are_refused)
{
    refuse_decimal("9223372036854775808", 0, MR_NUMBER_RANGE);
    refuse_decimal("-9223372036854775809", 0, MR_NUMBER_RANGE);
    refuse_decimal("9.223372036854775808", 18, MR_NUMBER_RANGE);
    refuse_decimal("18446744073709551616", 0, MR_NUMBER_RANGE);
    refuse_decimal("99999999999999999999999999", 0, MR_NUMBER_RANGE);
    refuse_decimal("1e30", 0, MR_NUMBER_RANGE);
    refuse_decimal("1e99999999999999999999", 0, MR_NUMBER_RANGE);
    refuse_decimal("1.00001", 4, MR_NUMBER_INEXACT);
    refuse_decimal("1e-5", 4, MR_NUMBER_INEXACT);
    refuse_decimal("0.5", 0, MR_NUMBER_INEXACT);
}

Test(number, what_is_no_number_is_refused)
{
    static const char *const texts[] = {"",    " ",   "-",   "+",   ".",     "-.",  "1.2.3",
                                        "1,5", "0x1", "1e",  "1e+", "1 2",   "--1", "1-",
                                        "e5",  "abc", "1_0", "½",   "1e5.5", "NaN"};
    for (size_t i = 0; i < MR_COUNT_OF(texts); i++)
        refuse_decimal(texts[i], 4, MR_NUMBER_SYNTAX);
    int64_t value = 77;
    cr_expect_eq(mr_parse_i64("1\0002", 3, &value), MR_NUMBER_SYNTAX, "a zero byte inside");
    cr_expect_eq(value, 77);
}

Test(number, unsigned_integers_reach_their_limit)
{
    uint64_t value = 77;
    cr_expect_eq(mr_parse_u64("18446744073709551615", 20, &value), MR_NUMBER_OK);
    cr_expect_eq(value, UINT64_MAX);
    cr_expect_eq(mr_parse_u64("-0", 2, &value), MR_NUMBER_OK);
    cr_expect_eq(value, 0);
    value = 77;
    cr_expect_eq(mr_parse_u64("18446744073709551616", 20, &value), MR_NUMBER_RANGE);
    cr_expect_eq(mr_parse_u64("-1", 2, &value), MR_NUMBER_RANGE);
    cr_expect_eq(value, 77);
}

static const char *decimal_text(int64_t value, unsigned scale)
{
    static char text[MR_NUMBER_TEXT_BYTES];
    cr_expect_eq(mr_print_decimal(value, scale, text), strlen(text));
    return text;
}

Test(number, decimals_print_all_their_digits)
{
    cr_expect_str_eq(decimal_text(125000, 4), "12.5000");
    cr_expect_str_eq(decimal_text(-5, 4), "-0.0005");
    cr_expect_str_eq(decimal_text(0, 0), "0");
    cr_expect_str_eq(decimal_text(0, 2), "0.00");
    cr_expect_str_eq(decimal_text(-1, 0), "-1");
    cr_expect_str_eq(decimal_text(INT64_MIN, 0), "-9223372036854775808");
    cr_expect_str_eq(decimal_text(INT64_MIN, 18), "-9.223372036854775808");
    cr_expect_str_eq(decimal_text(INT64_MAX, 18), "9.223372036854775807");
    char text[MR_NUMBER_TEXT_BYTES];
    mr_print_u64(UINT64_MAX, text);
    cr_expect_str_eq(text, "18446744073709551615");
}

Test(number, every_decimal_reads_back)
{
    uint64_t seed = random_seed(1);
    for (int i = 0; i < 100000; i++) {
        int64_t value = (int64_t)random_next(&seed) >> random_below(&seed, 64);
        unsigned scale = (unsigned)random_below(&seed, MR_DECIMAL_SCALE_MAX + 1);
        int64_t back = ~value;
        cr_assert_eq(decimal(decimal_text(value, scale), scale, &back), MR_NUMBER_OK);
        cr_assert_eq(back, value, "%ld at scale %u", value, scale);
    }
}

static double real(const char *text)
{
    double value = -77;
    cr_expect_eq(mr_parse_f64(text, strlen(text), &value), MR_NUMBER_OK, "%s", text);
    return value;
}

Test(number, reals_are_read_as_the_c_library_reads_them)
{
    static const char *const texts[] = {"0",
                                        "-0.0",
                                        "1.5",
                                        "0.1",
                                        "3.14159265358979323846264338327950288",
                                        "1e22",
                                        "1e23",
                                        "1e-22",
                                        "1e-23",
                                        "123456789012345678901234567890",
                                        "9007199254740993",
                                        "4.9e-324",
                                        "1.7976931348623157e308",
                                        "2.2250738585072014e-308",
                                        "74.93588199999998",
                                        "6.02214076e23",
                                        "1e-400",
                                        ".5",
                                        "5."};
    for (size_t i = 0; i < MR_COUNT_OF(texts); i++)
        cr_expect_eq(real(texts[i]), strtod(texts[i], NULL), "%s", texts[i]);
    cr_expect(isnan(real("NaN")));
    cr_expect_eq(real("-Infinity"), -(double)INFINITY);
    cr_expect_eq(real("+inf"), (double)INFINITY);
    double value = -77;
    cr_expect_eq(mr_parse_f64("1e400", 5, &value), MR_NUMBER_RANGE);
    cr_expect_eq(mr_parse_f64("0x10", 4, &value), MR_NUMBER_SYNTAX);
    cr_expect_eq(mr_parse_f64("", 0, &value), MR_NUMBER_SYNTAX);
    cr_expect_eq(mr_parse_f64("nano", 4, &value), MR_NUMBER_SYNTAX);
    cr_expect_eq(value, -77);
}

static const char *real_text(double value)
{
    static char text[MR_NUMBER_TEXT_BYTES];
    cr_expect_eq(mr_print_f64(value, text), strlen(text));
    return text;
}

Test(number, reals_print_short)
{
    char text[MR_NUMBER_TEXT_BYTES];
    cr_expect_str_eq(real_text(0.1), "0.1");
    cr_expect_str_eq(real_text(0), "0");
    cr_expect_str_eq(real_text(-0.0), "-0");
    cr_expect_str_eq(real_text(100), "100");
    cr_expect_str_eq(real_text(-2.5), "-2.5");
    cr_expect_str_eq(real_text(74.93588199999998), "74.93588199999998");
    cr_expect_str_eq(real_text(1e300), "1e+300");
    cr_expect_str_eq(real_text(1.5e-7), "1.5e-07");
    cr_expect_str_eq(real_text((double)NAN), "nan");
    cr_expect_str_eq(real_text(-(double)INFINITY), "-inf");
    mr_print_f32(0.1F, text);
    cr_expect_str_eq(text, "0.1");
    mr_print_f32(16777216.0F, text);
    cr_expect_str_eq(text, "16777216");
    mr_print_f32(3.4028235e38F, text);
    cr_expect_eq(strtof(text, NULL), 3.4028235e38F);
}

static double random_real(uint64_t *seed)
{
    uint64_t bits = random_next(seed);
    double value;
    memcpy(&value, &bits, sizeof value);
    if (random_below(seed, 2))
        value = (double)random_below(seed, 1u << 31) / (double)(1 + random_below(seed, 1000)) * 1.1;
    return isfinite(value) ? value : 1;
}

Test(number, every_real_reads_back)
{
    uint64_t seed = random_seed(2);
    for (int i = 0; i < 50000; i++) {
        double value = random_real(&seed);
        float single = fabs(value) < 1e38 ? (float)value : 1.0F;
        char text[MR_NUMBER_TEXT_BYTES];
        cr_assert_eq(real(real_text(value)), value, "%a as %s", value, real_text(value));
        mr_print_f32(single, text);
        cr_assert_eq((float)real(text), single, "%a as %s", (double)single, text);
    }
}

static void expect_time(const char *text, int64_t expected_ns)
{
    int64_t time_ns = 77;
    cr_expect_eq(mr_parse_timestamp(text, strlen(text), &time_ns), MR_NUMBER_OK, "%s", text);
    cr_expect_eq(time_ns, expected_ns, "%s gave %ld", text, time_ns);
}

Test(number, timestamps_are_read)
{
    expect_time("1970-01-01T00:00:00Z", 0);
    expect_time("2020-01-30T14:30:00.000000001Z", 1580394600000000001);
    expect_time("2020-01-30 14:30:00", 1580394600000000000);
    expect_time("2020-01-30T09:30:00-05:00", 1580394600000000000);
    expect_time("2020-01-30T20:00:00+0530", 1580394600000000000);
    expect_time("2020-01-30t15:30+01", 1580394600000000000);
    expect_time("2020-01-30T14:30:00,25Z", 1580394600250000000);
    expect_time(" 2020-01-30 ", 1580342400000000000);
    expect_time("1969-12-31T23:59:59.999999999Z", -1);
    expect_time("1900-03-01T00:00:00Z", -2203891200000000000);
    expect_time("2000-02-29T00:00:00Z", 951782400000000000);
    expect_time("2016-12-31T23:59:60Z", 1483228800000000000);
    expect_time("2017-01-01T05:29:60+05:30", 1483228800000000000);
    expect_time("2262-04-11T23:47:16.854775807Z", INT64_MAX);
    expect_time("1677-09-21T00:12:43.145224192Z", INT64_MIN);
}

Test(number, what_is_no_timestamp_is_refused)
{
    static const char *const texts[] = {"",
                                        "2020",
                                        "2020-01",
                                        "2020-1-30",
                                        "2020-13-01",
                                        "2020-00-10",
                                        "2020-01-00",
                                        "2019-02-29",
                                        "1900-02-29",
                                        "2020-04-31",
                                        "2020-01-30T",
                                        "2020-01-30T24:00:00",
                                        "2020-01-30T10:60:00",
                                        "2020-01-30T10:00:61",
                                        "2020-01-30T10:00:60Z",
                                        "2020-01-30T10:00:00.",
                                        "2020-01-30T10:00:00.Z",
                                        "2020-01-30T10:00:00.1234567890Z",
                                        "2020-01-30T10:00:00+",
                                        "2020-01-30T10:00:00+5",
                                        "2020-01-30T10:00:00+24:00",
                                        "2020-01-30T10:00:00ZZ",
                                        "2020-01-30X10:00:00",
                                        "20200130T100000Z",
                                        "now"};
    int64_t time_ns = 77;
    for (size_t i = 0; i < MR_COUNT_OF(texts); i++)
        cr_expect_eq(mr_parse_timestamp(texts[i], strlen(texts[i]), &time_ns), MR_NUMBER_SYNTAX,
                     "%s", texts[i]);
    cr_expect_eq(mr_parse_timestamp("2262-04-11T23:47:16.854775808Z", 30, &time_ns),
                 MR_NUMBER_RANGE);
    cr_expect_eq(mr_parse_timestamp("1677-09-21T00:12:43.145224191Z", 30, &time_ns),
                 MR_NUMBER_RANGE);
    cr_expect_eq(mr_parse_timestamp("9999-12-31T23:59:59Z", 20, &time_ns), MR_NUMBER_RANGE);
    cr_expect_eq(time_ns, 77);
}

Test(number, every_timestamp_reads_back)
{
    char text[MR_NUMBER_TEXT_BYTES];
    static const int64_t edges[] = {INT64_MIN,       INT64_MAX,         -1, 0, 1,
                                    -86400000000000, 951782399999999999};
    uint64_t seed = random_seed(3);
    for (size_t i = 0; i < 50000; i++) {
        int64_t time_ns = (int64_t)random_next(&seed);
        if (i < MR_COUNT_OF(edges))
            time_ns = edges[i];
        int64_t back = ~time_ns;
        size_t length = mr_print_timestamp(time_ns, text);
        cr_assert_eq(length, 30);
        cr_assert_eq(mr_parse_timestamp(text, length, &back), MR_NUMBER_OK, "%s", text);
        cr_assert_eq(back, time_ns, "%s", text);
    }
}

Test(number, days_and_dates_agree_for_eight_centuries)
{
    int64_t days = mr_days_from_civil(1600, 1, 1);
    cr_expect_eq(days, -135140);
    for (int64_t year = 1600; year < 2400; year++) {
        for (unsigned month = 1; month <= 12; month++) {
            for (unsigned day = 1; day <= mr_days_in_month(year, month); day++, days++) {
                int64_t back_year;
                unsigned back_month, back_day;
                cr_assert_eq(mr_days_from_civil(year, month, day), days);
                mr_civil_from_days(days, &back_year, &back_month, &back_day);
                cr_assert(back_year == year && back_month == month && back_day == day);
            }
        }
    }
    cr_expect_eq(days, -135140 + 2 * 146097);
}
