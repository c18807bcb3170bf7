// SPDX-License-Identifier: Apache-2.0
#include "core/formats/time_pattern.h"

#include <criterion/criterion.h>
#include <string.h>

static int64_t parse(const char *pattern, const char *text)
{
    int64_t ns = -1;
    cr_expect_null(mr_time_pattern_check(pattern), "%s", pattern);
    return mr_time_pattern_parse(pattern, text, strlen(text), &ns) ? ns : INT64_MIN;
}

#define SECOND 1000000000LL

// The expected seconds are those of `date -u -d ... +%s`.
Test(time_pattern, dates_and_times)
{
    cr_expect_eq(parse("%Y-%m-%d %H:%M:%S", "2010-12-01 08:26:00"), 1291191960 * SECOND);
    cr_expect_eq(parse("%F %T", "2008-10-23 05:53:05"), 1224741185 * SECOND);
    cr_expect_eq(parse("%d/%m/%Y %H:%M", "1/3/2024 7:05"), 1709276700 * SECOND);
    cr_expect_eq(parse("%D", "12/31/99"), 946598400 * SECOND);
    cr_expect_eq(parse("%d %b %Y", "29 feb 2024"), 1709164800 * SECOND);
    cr_expect_eq(parse("%B %e, %Y", "February 29, 2024"), 1709164800 * SECOND);
    cr_expect_eq(parse("%Y%m%dT%H%M%S.%f", "20240808T235416.123456789"),
                 1723161256 * SECOND + 123456789);
    cr_expect_eq(parse("%Y-%j", "2024-366"), 1735603200 * SECOND);
    cr_expect_eq(parse("%I:%M %p", "12:30 AM"), 1800 * SECOND);
    cr_expect_eq(parse("%I:%M %p", "1:30 pm"), 48600 * SECOND);
    cr_expect_eq(parse("%FT%T%z", "2024-01-01T01:00:00+01:00"), 1704067200 * SECOND);
    cr_expect_eq(parse("%FT%T%z", "2024-01-01T00:00:00Z"), 1704067200 * SECOND);
    cr_expect_eq(parse("%s.%f", "1723161256.5"), 1723161256 * SECOND + 500000000);
    cr_expect_eq(parse("%s", "-1"), -SECOND);
}

Test(time_pattern, what_does_not_match)
{
    static const char *const cases[][2] = {
        {"%Y-%m-%d", "2023-02-29"},
        {"%Y-%m-%d", "2023-13-01"},
        {"%Y-%m-%d", "2023-01-01x"},
        {"%Y-%m-%d", "2023-01"},
        {"%Y-%m-%d", ""},
        {"%H:%M", "24:00"},
        {"%Y-%j", "2023-366"},
        {"%b", "foo"},
        {"%Y", "9999"},
        {"%s", "99999999999"},
        {"%f", ""},
        {"%z", "+"},
    };
    for (size_t i = 0; i < MR_COUNT_OF(cases); i++)
        cr_expect_eq(parse(cases[i][0], cases[i][1]), INT64_MIN, "%s: %s", cases[i][0],
                     cases[i][1]);
}

Test(time_pattern, unknown_directives)
{
    const char *pattern = "%Y %Q";
    cr_expect_eq(mr_time_pattern_check(pattern), pattern + 3);
    cr_expect_not_null(mr_time_pattern_check("%"));
}
