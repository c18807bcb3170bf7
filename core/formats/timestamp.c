// SPDX-License-Identifier: Apache-2.0
// Times as text: the second half of core/formats/number.h.
#include "core/formats/number.h"

#include <string.h>

#define TEXT_BYTES 30
#define DAY_SECONDS 86400
#define SECOND_NS 1000000000

// Howard Hinnant's days_from_civil: years begin in March, so that the leap day is a year's last;
// eras of 400 years repeat exactly.
int64_t mr_days_from_civil(int64_t year, unsigned month, unsigned day)
{
    year -= month <= 2;
    int64_t era = (year >= 0 ? year : year - 399) / 400;
    int64_t year_of_era = year - era * 400;
    int64_t day_of_year = (153 * ((int64_t)month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * 146097 + day_of_era - 719468;
}

void mr_civil_from_days(int64_t days, int64_t *year, unsigned *month, unsigned *day)
{
    days += 719468;
    int64_t era = (days >= 0 ? days : days - 146096) / 146097;
    int64_t day_of_era = days - era * 146097;
    int64_t year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t march_month = (5 * day_of_year + 2) / 153;
    *day = (unsigned)(day_of_year - (153 * march_month + 2) / 5 + 1);
    *month = (unsigned)(march_month < 10 ? march_month + 3 : march_month - 9);
    *year = year_of_era + era * 400 + (*month <= 2);
}

unsigned mr_days_in_month(int64_t year, unsigned month)
{
    static const unsigned char days[12] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    return days[month - 1] + (month == 2 && leap);
}

// ---- from text -----------------------------------------------------------------------------

struct cursor {
    const char *at, *end;
};

static bool take_digits(struct cursor *text, unsigned count, int64_t *out)
{
    int64_t value = 0;
    if ((size_t)(text->end - text->at) < count)
        return false;
    for (unsigned i = 0; i < count; i++) {
        char c = text->at[i];
        if (c < '0' || c > '9')
            return false;
        value = value * 10 + (c - '0');
    }
    text->at += count;
    *out = value;
    return true;
}

static bool take(struct cursor *text, char c)
{
    if (text->at == text->end || *text->at != c)
        return false;
    text->at++;
    return true;
}

static bool take_date(struct cursor *text, int64_t *days)
{
    int64_t year, month, day;
    if (!take_digits(text, 4, &year) || !take(text, '-') || !take_digits(text, 2, &month) ||
        !take(text, '-') || !take_digits(text, 2, &day))
        return false;
    if (month < 1 || month > 12 || day < 1 || day > mr_days_in_month(year, (unsigned)month))
        return false;
    *days = mr_days_from_civil(year, (unsigned)month, (unsigned)day);
    return true;
}

// 1 to 9 digits behind the point (or, as ISO 8601 allows, the comma).
static bool take_fraction(struct cursor *text, int64_t *ns)
{
    unsigned digits = 0;
    int64_t value = 0;
    *ns = 0;
    if (!take(text, '.') && !take(text, ','))
        return true;
    while (text->at < text->end && *text->at >= '0' && *text->at <= '9' && digits < 9) {
        value = value * 10 + (*text->at++ - '0');
        digits++;
    }
    *ns = value * (int64_t)mr_power_of_ten(9 - digits);
    return digits > 0;
}

static bool take_time(struct cursor *text, int64_t *seconds, int64_t *ns, bool *leap_second)
{
    int64_t hour, minute, second = 0;
    *ns = 0;
    if (!take_digits(text, 2, &hour) || !take(text, ':') || !take_digits(text, 2, &minute))
        return false;
    if (take(text, ':') && (!take_digits(text, 2, &second) || !take_fraction(text, ns)))
        return false;
    *seconds = hour * 3600 + minute * 60 + second;
    *leap_second = second == 60;
    return hour < 24 && minute < 60 && second <= 60;
}

static bool take_zone(struct cursor *text, int64_t *offset_seconds)
{
    int64_t hour, minute = 0;
    *offset_seconds = 0;
    if (text->at == text->end || take(text, 'Z') || take(text, 'z'))
        return true;
    bool west = *text->at == '-';
    if (!take(text, '+') && !take(text, '-'))
        return false;
    if (!take_digits(text, 2, &hour))
        return false;
    if (text->at < text->end) {
        take(text, ':');
        if (!take_digits(text, 2, &minute))
            return false;
    }
    *offset_seconds = (west ? -1 : 1) * (hour * 3600 + minute * 60);
    return hour < 24 && minute < 60;
}

// Clock and zone: seconds since the date's midnight in UTC. The leap second exists only as the last
// of a UTC day, whatever zone it is written in.
static bool take_clock(struct cursor *text, int64_t *seconds, int64_t *ns)
{
    int64_t clock_seconds, offset_seconds;
    bool leap_second;
    if (!take_time(text, &clock_seconds, ns, &leap_second) || !take_zone(text, &offset_seconds))
        return false;
    *seconds = clock_seconds - offset_seconds;
    return !leap_second || *seconds % DAY_SECONDS == 0;
}

static enum mr_number to_ns(int64_t seconds, int64_t ns, int64_t *out_ns)
{
    int64_t time_ns;
    // Before 1970 the fraction counts up from a negative second: fold it in where the product fits.
    if (seconds < 0 && ns > 0) {
        seconds += 1;
        ns -= SECOND_NS;
    }
    if (__builtin_mul_overflow(seconds, (int64_t)SECOND_NS, &time_ns) ||
        __builtin_add_overflow(time_ns, ns, &time_ns))
        return MR_NUMBER_RANGE;
    *out_ns = time_ns;
    return MR_NUMBER_OK;
}

enum mr_number mr_parse_timestamp(const char *text, size_t length, int64_t *out_ns)
{
    struct cursor at = {text, text + length};
    int64_t days, seconds = 0, ns = 0;
    while (at.at < at.end && (*at.at == ' ' || *at.at == '\t'))
        at.at++;
    while (at.at < at.end && (at.end[-1] == ' ' || at.end[-1] == '\t'))
        at.end--;
    if (!take_date(&at, &days))
        return MR_NUMBER_SYNTAX;
    if ((take(&at, 'T') || take(&at, 't') || take(&at, ' ')) && !take_clock(&at, &seconds, &ns))
        return MR_NUMBER_SYNTAX;
    if (at.at != at.end)
        return MR_NUMBER_SYNTAX;
    return to_ns(days * DAY_SECONDS + seconds, ns, out_ns);
}

// ---- to text -------------------------------------------------------------------------------

static void put_pair(char *out, unsigned value)
{
    out[0] = (char)('0' + value / 10);
    out[1] = (char)('0' + value % 10);
}

static void put_four(char *out, unsigned value)
{
    put_pair(out, value / 100 % 100);
    put_pair(out + 2, value % 100);
}

static void put_fraction(char *out, unsigned ns)
{
    out[0] = (char)('0' + ns / 100000000);
    put_four(out + 1, ns / 10000 % 10000);
    put_four(out + 5, ns % 10000);
}

size_t mr_print_timestamp(int64_t time_ns, char *out)
{
    int64_t seconds = time_ns / SECOND_NS, ns = time_ns % SECOND_NS;
    if (ns < 0) {
        ns += SECOND_NS;
        seconds--;
    }
    int64_t days = seconds / DAY_SECONDS, clock = seconds % DAY_SECONDS, year;
    if (clock < 0) {
        clock += DAY_SECONDS;
        days--;
    }
    unsigned month, day;
    mr_civil_from_days(days, &year, &month, &day);
    memcpy(out, "0000-00-00T00:00:00.000000000Z", TEXT_BYTES + 1);
    put_four(out, (unsigned)year); // 1677 to 2262
    put_pair(out + 5, month);
    put_pair(out + 8, day);
    put_pair(out + 11, (unsigned)clock / 3600);
    put_pair(out + 14, (unsigned)clock / 60 % 60);
    put_pair(out + 17, (unsigned)clock % 60);
    put_fraction(out + 20, (unsigned)ns);
    return TEXT_BYTES;
}
