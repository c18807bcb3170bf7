// SPDX-License-Identifier: Apache-2.0
#include "core/formats/time_memo.h"

#define ISO_DATE_BYTES 11 // "2020-01-30T"

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

// Where the clock begins in the pattern; NULL where it does not end in one.
static const char *clock_of(const char *pattern)
{
    static const char *const clocks[] = {"%H:%M:%S", "%T"};
    size_t length = strlen(pattern);
    for (unsigned i = 0; i < MR_COUNT_OF(clocks); i++) {
        size_t bytes = strlen(clocks[i]);
        if (length > bytes && strcmp(pattern + length - bytes, clocks[i]) == 0)
            return pattern + length - bytes;
    }
    return NULL;
}

// Only directives of a date stand before the clock, and right before it something that is none: a
// number of the date cannot reach into the clock's digits then, and the date's text alone says which
// day it is.
static bool ends_in_clock(const char *pattern)
{
    bool ends_plain = false;
    if (!pattern)
        return true;
    const char *clock = clock_of(pattern);
    for (; clock && pattern < clock; pattern++) {
        ends_plain = *pattern != '%';
        if (!ends_plain && !strchr("YmdejbByFD", *++pattern))
            return false;
    }
    return ends_plain;
}

void mr_time_memo_init(struct mr_time_memo *memo, const char *pattern)
{
    *memo = (struct mr_time_memo){.fits = ends_in_clock(pattern), .has_fraction = !pattern};
}

void mr_time_memo_note(struct mr_time_memo *memo, const char *text, size_t length, int64_t ns)
{
    size_t date_bytes = memo->has_fraction ? ISO_DATE_BYTES : length - MR_TIME_MEMO_CLOCK_BYTES;
    int64_t clock_ns, fraction_ns, midnight_ns;
    if (!memo->fits || length < MR_TIME_MEMO_DATE_BYTES_MIN + MR_TIME_MEMO_CLOCK_BYTES ||
        length < date_bytes + MR_TIME_MEMO_CLOCK_BYTES ||
        date_bytes > MR_TIME_MEMO_DATE_BYTES_MAX || is_digit(text[date_bytes - 1]))
        return;
    const char *rest = text + date_bytes + MR_TIME_MEMO_CLOCK_BYTES;
    if (!mr_time_memo_clock(text + date_bytes, &clock_ns) ||
        !mr_time_memo_fraction(rest, (size_t)(text + length - rest), &fraction_ns) ||
        __builtin_sub_overflow(ns, clock_ns + fraction_ns, &midnight_ns))
        return;
    memo->midnight_ns = midnight_ns;
    memo->first = mr_plain_load(text, 8);
    memo->last = mr_plain_load(text + date_bytes - 8, 8);
    memo->date_bytes = (uint32_t)date_bytes;
}
