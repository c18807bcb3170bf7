// SPDX-License-Identifier: Apache-2.0
#include "producers/session_date.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static bool is_day(int year, int month, int day)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    if (year < 1970 || year > 2199 || month < 1 || month > 12 || day < 1)
        return false;
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return day <= days[month - 1] + (month == 2 && leap);
}

static int number(const char *digits, int count)
{
    int value = 0;
    for (int i = 0; i < count; i++)
        value = value * 10 + (digits[i] - '0');
    return value;
}

static bool put_date(int year, int month, int day, char out[MR_DATE_BYTES])
{
    if (!is_day(year, month, day))
        return false;
    snprintf(out, MR_DATE_BYTES, "%04u-%02u-%02u", (unsigned)year % 10000, (unsigned)month % 100,
             (unsigned)day % 100);
    return true;
}

static bool parse_date(const char *text, int *year, int *month, int *day)
{
    static const char shape[] = "dddd-dd-dd";
    for (int i = 0; shape[i]; i++)
        if (shape[i] == 'd' ? !isdigit((unsigned char)text[i]) : text[i] != shape[i])
            return false;
    *year = number(text, 4);
    *month = number(text + 5, 2);
    *day = number(text + 8, 2);
    return is_day(*year, *month, *day);
}

// A run of `count` digits, the whole run.
static bool date_in_run(const char *run, int count, bool after_s, char out[MR_DATE_BYTES])
{
    if (count == 8)
        return put_date(number(run, 4), number(run + 4, 2), number(run + 6, 2), out) ||
               put_date(number(run + 4, 4), number(run, 2), number(run + 2, 2), out);
    if (count == 6 && after_s)
        return put_date(2000 + number(run + 4, 2), number(run, 2), number(run + 2, 2), out);
    return false;
}

bool mr_session_date_in_name(const char *path, char out[MR_DATE_BYTES])
{
    const char *slash = strrchr(path, '/');
    const char *name = slash ? slash + 1 : path;
    int year, month, day;
    for (const char *at = name; *at;) {
        if (!isdigit((unsigned char)*at)) {
            at++;
            continue;
        }
        int count = (int)strspn(at, "0123456789");
        if (count == 4 && parse_date(at, &year, &month, &day) && !isdigit((unsigned char)at[10]))
            return put_date(year, month, day, out);
        if (date_in_run(at, count, at > name && at[-1] == 'S', out))
            return true;
        at += count;
    }
    return false;
}

// ---- time zones: the C library knows one at a time, named by TZ

// An unknown zone would silently be UTC.
static int check_zone(const char *zone, struct mr_error *err)
{
    char path[512];
    const char *directory = getenv("TZDIR");
    snprintf(path, sizeof path, "%s/%s", directory ? directory : "/usr/share/zoneinfo", zone);
    if (zone[0] != '\0' && !strstr(zone, "..") && access(path, R_OK) == 0)
        return MR_OK;
    if (strcmp(zone, "UTC") == 0)
        return MR_OK;
    return mr_fail(err, MR_ERR_CONFIG,
                   "time zone: found \"%s\", expected the name of a zone with a file in %s (Debian "
                   "package tzdata)",
                   zone, directory ? directory : "/usr/share/zoneinfo");
}

static char *enter_zone(const char *zone)
{
    const char *before = getenv("TZ");
    char *kept = before ? strdup(before) : NULL;
    setenv("TZ", zone, 1);
    tzset();
    return kept;
}

static void leave_zone(char *kept)
{
    if (kept)
        setenv("TZ", kept, 1);
    else
        unsetenv("TZ");
    free(kept);
    tzset();
}

int mr_session_midnight(const char *date, const char *zone, int64_t *midnight_ns,
                        struct mr_error *err)
{
    int year, month, day;
    if (strlen(date) != MR_DATE_BYTES - 1 || !parse_date(date, &year, &month, &day))
        return mr_fail(err, MR_ERR_CONFIG, "date: found \"%s\", expected YYYY-MM-DD", date);
    if (check_zone(zone, err) != MR_OK)
        return MR_ERR_CONFIG;
    char *kept = enter_zone(zone);
    struct tm tm = {.tm_year = year - 1900, .tm_mon = month - 1, .tm_mday = day, .tm_isdst = -1};
    time_t seconds = mktime(&tm);
    leave_zone(kept);
    *midnight_ns = (int64_t)seconds * 1000000000;
    return MR_OK;
}

int mr_session_date_at(int64_t time_ns, const char *zone, char out[MR_DATE_BYTES],
                       struct mr_error *err)
{
    if (check_zone(zone, err) != MR_OK)
        return MR_ERR_CONFIG;
    time_t seconds = (time_t)(time_ns / 1000000000);
    struct tm tm;
    char *kept = enter_zone(zone);
    bool known = localtime_r(&seconds, &tm) != NULL;
    leave_zone(kept);
    if (!known || !put_date(tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, out))
        return mr_fail(err, MR_ERR_INPUT, "found the time stamp %lld ns, expected one of 1970-2199",
                       (long long)time_ns);
    return MR_OK;
}
