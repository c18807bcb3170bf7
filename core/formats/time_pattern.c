// SPDX-License-Identifier: Apache-2.0
#include "core/formats/time_pattern.h"

#include <string.h>

#include "core/formats/number.h"

#define SECOND_NS 1000000000LL

struct broken_time {
    const char *at, *end;
    int64_t year, epoch_seconds;
    unsigned month, day, day_of_year, hour, minute, second;
    int64_t ns, zone_seconds;
    bool afternoon, twelve_hours, from_epoch;
};

static const char *expansion(char directive)
{
    switch (directive) {
    case 'T':
        return "%H:%M:%S";
    case 'F':
        return "%Y-%m-%d";
    case 'D':
        return "%m/%d/%y";
    case 'R':
        return "%H:%M";
    default:
        return NULL;
    }
}

const char *mr_time_pattern_check(const char *pattern)
{
    for (; *pattern; pattern++)
        if (*pattern == '%') {
            pattern++;
            if (*pattern == '\0' || !strchr("YmdejbBHMSfpIyzsTFDR%", *pattern))
                return pattern - 1;
        }
    return NULL;
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t';
}

static bool digits(struct broken_time *time, unsigned most, int64_t *value)
{
    const char *first = time->at;
    for (*value = 0; time->at < time->end && time->at - first < most; time->at++) {
        unsigned digit = (unsigned char)*time->at - '0';
        if (digit > 9)
            break;
        *value = *value * 10 + digit;
    }
    return time->at > first;
}

static bool number(struct broken_time *time, unsigned most, unsigned low, unsigned high,
                   unsigned *out)
{
    int64_t value;
    if (!digits(time, most, &value) || value < low || value > high)
        return false;
    *out = (unsigned)value;
    return true;
}

static bool fraction(struct broken_time *time)
{
    const char *first = time->at;
    if (!digits(time, 9, &time->ns))
        return false;
    time->ns *= (int64_t)mr_power_of_ten((unsigned)(9 - (time->at - first)));
    return true;
}

static bool word_at(const struct broken_time *time, const char *word, size_t length)
{
    if ((size_t)(time->end - time->at) < length)
        return false;
    for (size_t i = 0; i < length; i++)
        if ((time->at[i] | 0x20) != (word[i] | 0x20))
            return false;
    return true;
}

static bool month_name(struct broken_time *time)
{
    static const char *const names[] = {"january",   "february", "march",    "april",
                                        "may",       "june",     "july",     "august",
                                        "september", "october",  "november", "december"};
    for (unsigned i = 0; i < MR_COUNT_OF(names); i++) {
        size_t length = strlen(names[i]);
        if (!word_at(time, names[i], length) && !word_at(time, names[i], length = 3))
            continue;
        time->at += length;
        time->month = i + 1;
        return true;
    }
    return false;
}

static bool half_of_day(struct broken_time *time)
{
    time->afternoon = word_at(time, "pm", 2);
    if (!time->afternoon && !word_at(time, "am", 2))
        return false;
    time->at += 2;
    return true;
}

static bool zone(struct broken_time *time)
{
    unsigned hours, minutes = 0;
    if (time->at < time->end && (*time->at | 0x20) == 'z') {
        time->at++;
        return true;
    }
    if (time->at == time->end || (*time->at != '+' && *time->at != '-'))
        return false;
    int sign = *time->at++ == '-' ? -1 : 1;
    if (!number(time, 2, 0, 23, &hours))
        return false;
    if (time->at < time->end && *time->at == ':')
        time->at++;
    if (time->at < time->end && !number(time, 2, 0, 59, &minutes))
        return false;
    time->zone_seconds = sign * (int64_t)(hours * 3600 + minutes * 60);
    return true;
}

static bool year_of_century(struct broken_time *time)
{
    unsigned year;
    if (!number(time, 2, 0, 99, &year))
        return false;
    time->year = year + (year < 69 ? 2000 : 1900);
    return true;
}

static bool epoch_seconds(struct broken_time *time)
{
    bool negative = time->at < time->end && *time->at == '-';
    time->at += negative;
    time->from_epoch = true;
    if (!digits(time, 12, &time->epoch_seconds))
        return false;
    if (negative)
        time->epoch_seconds = -time->epoch_seconds;
    return true;
}

static bool directive(struct broken_time *time, char letter)
{
    switch (letter) {
    case 'Y':
        return digits(time, 4, &time->year);
    case 'y':
        return year_of_century(time);
    case 'm':
        return number(time, 2, 1, 12, &time->month);
    case 'd':
    case 'e':
        return number(time, 2, 1, 31, &time->day);
    case 'j':
        return number(time, 3, 1, 366, &time->day_of_year);
    case 'b':
    case 'B':
        return month_name(time);
    case 'H':
        return number(time, 2, 0, 23, &time->hour);
    case 'I':
        time->twelve_hours = true;
        return number(time, 2, 1, 12, &time->hour);
    case 'p':
        return half_of_day(time);
    case 'M':
        return number(time, 2, 0, 59, &time->minute);
    case 'S':
        return number(time, 2, 0, 60, &time->second);
    case 'f':
        return fraction(time);
    case 'z':
        return zone(time);
    case 's':
        return epoch_seconds(time);
    default:
        return false;
    }
}

static bool match(struct broken_time *time, const char *pattern)
{
    for (; *pattern; pattern++) {
        if (is_space(*pattern)) {
            while (time->at < time->end && is_space(*time->at))
                time->at++;
        } else if (*pattern != '%' || pattern[1] == '%') {
            pattern += *pattern == '%';
            if (time->at == time->end || *time->at != *pattern)
                return false;
            time->at++;
        } else {
            const char *longer = expansion(*++pattern);
            if (longer ? !match(time, longer) : !directive(time, *pattern))
                return false;
        }
    }
    return true;
}

static bool date_days(const struct broken_time *time, int64_t *days)
{
    if (time->day_of_year > 0) {
        bool leap = mr_days_in_month(time->year, 2) == 29;
        *days = mr_days_from_civil(time->year, 1, 1) + time->day_of_year - 1;
        return time->day_of_year <= 365u + leap;
    }
    *days = mr_days_from_civil(time->year, time->month, time->day);
    return time->day <= mr_days_in_month(time->year, time->month);
}

bool mr_time_pattern_parse(const char *pattern, const char *text, size_t length, int64_t *out_ns)
{
    struct broken_time time = {
        .at = text, .end = text + length, .year = 1970, .month = 1, .day = 1};
    int64_t days, seconds, time_ns;
    if (!match(&time, pattern) || time.at != time.end || !date_days(&time, &days))
        return false;
    if (time.twelve_hours)
        time.hour = time.hour % 12 + (time.afternoon ? 12 : 0);
    seconds =
        days * 86400 + time.hour * 3600LL + time.minute * 60LL + time.second - time.zone_seconds;
    if (time.from_epoch)
        seconds = time.epoch_seconds;
    if (__builtin_mul_overflow(seconds, SECOND_NS, &time_ns) ||
        __builtin_add_overflow(time_ns, time.ns, &time_ns))
        return false;
    *out_ns = time_ns;
    return true;
}
