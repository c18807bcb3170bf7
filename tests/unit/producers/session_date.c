// SPDX-License-Identifier: Apache-2.0
#include "producers/session_date.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

static void expect_date(const char *path, const char *date)
{
    char found[MR_DATE_BYTES] = "";
    bool has = mr_session_date_in_name(path, found);
    cr_expect_eq(has, date != NULL, "%s", path);
    if (date)
        cr_expect_str_eq(found, date, "%s", path);
}

Test(session_date, in_file_names)
{
    expect_date("/data/20200130-0400-premarket.itch", "2020-01-30");
    expect_date("S013020-v50.txt.gz", "2020-01-30");
    expect_date("01302020.NASDAQ_ITCH50.gz", "2020-01-30");
    expect_date("feed-2020-01-30.itch", "2020-01-30");
    expect_date("nasdaq_20191230", "2019-12-30");
    expect_date("20200229.itch", "2020-02-29");
    expect_date("20190229.itch", NULL);
    expect_date("20201301.itch", NULL);
    expect_date("120200130.itch", NULL);
    expect_date("20200130/itch", NULL);
    expect_date("013020-v50.txt", NULL);
    expect_date("premarket.itch", NULL);
    expect_date("", NULL);
}

static void expect_midnight(const char *date, const char *zone, int64_t seconds)
{
    int64_t midnight_ns;
    struct mr_error err;
    cr_assert_eq(mr_session_midnight(date, zone, &midnight_ns, &err), MR_OK, "%s", err.text);
    cr_expect_eq(midnight_ns, seconds * 1000000000, "%s %s", date, zone);
}

Test(session_date, midnight_knows_daylight_saving)
{
    expect_midnight("2020-01-30", "America/New_York", 1580360400); // 05:00 UTC
    expect_midnight("2023-08-22", "America/New_York", 1692676800); // 04:00 UTC
    expect_midnight("2019-12-30", "America/New_York", 1577682000);
    expect_midnight("2020-01-30", "UTC", 1580342400);
}

Test(session_date, the_process_keeps_its_zone)
{
    setenv("TZ", "Asia/Tokyo", 1);
    expect_midnight("2020-01-30", "America/New_York", 1580360400);
    cr_expect_str_eq(getenv("TZ"), "Asia/Tokyo");
    unsetenv("TZ");
    expect_midnight("2020-01-30", "America/New_York", 1580360400);
    cr_expect_null(getenv("TZ"));
}

Test(session_date, what_cannot_be)
{
    int64_t midnight_ns;
    struct mr_error err;
    cr_expect_eq(mr_session_midnight("2020-02-30", "UTC", &midnight_ns, &err), MR_ERR_CONFIG);
    cr_expect_not_null(strstr(err.text, "2020-02-30"));
    cr_expect_eq(mr_session_midnight("20200130", "UTC", &midnight_ns, &err), MR_ERR_CONFIG);
    cr_expect_eq(mr_session_midnight("2020-01-30", "America/Nowhere", &midnight_ns, &err),
                 MR_ERR_CONFIG);
    cr_expect_not_null(strstr(err.text, "America/Nowhere"));
    cr_expect_eq(mr_session_midnight("2020-01-30", "../../etc/passwd", &midnight_ns, &err),
                 MR_ERR_CONFIG);
}

Test(session_date, of_a_moment)
{
    char date[MR_DATE_BYTES];
    struct mr_error err;
    cr_assert_eq(mr_session_date_at(1692711000007661955, "America/New_York", date, &err), MR_OK);
    cr_expect_str_eq(date, "2023-08-22");
    cr_assert_eq(mr_session_date_at(1580352000000000000, "America/New_York", date, &err), MR_OK);
    cr_expect_str_eq(date, "2020-01-29"); // 02:40 UTC of the 30th
}
