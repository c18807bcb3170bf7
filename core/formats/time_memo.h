// SPDX-License-Identifier: Apache-2.0
// Times whose date was met just before: lines come in time's order, so that the date of most is that
// of the line before, and only the clock behind it is new.
//
//     <date, ending in no digit>HH:MM:SS                    of a pattern that ends so
//     <date>THH:MM:SS[.fraction][Z]                         ISO 8601
//
//     mr_time_memo_init(&memo, pattern);
//     if (!mr_time_memo_read(&memo, text, length, &ns)) {
//         ... parse it the long way: not a time, or ...
//         mr_time_memo_note(&memo, text, length, ns);
//     }
//
// False from mr_time_memo_read means "ask the long way", never "wrong".
#ifndef MR_CORE_FORMATS_TIME_MEMO_H
#define MR_CORE_FORMATS_TIME_MEMO_H

#include <string.h>

#include "core/formats/plain.h"

#define MR_TIME_MEMO_DATE_BYTES_MIN 8
#define MR_TIME_MEMO_DATE_BYTES_MAX 16
#define MR_TIME_MEMO_CLOCK_BYTES 8

struct mr_time_memo {
    uint64_t first, last; // eight bytes each of the date, overlapping
    int64_t midnight_ns;  // of that date
    uint32_t date_bytes;  // 0: none was met yet
    bool fits;            // the format ends in a clock
    bool has_fraction;    // a fraction and a Z may follow: ISO 8601
};

// `pattern`: core/formats/time_pattern.h; NULL: ISO 8601.
void mr_time_memo_init(struct mr_time_memo *memo, const char *pattern);
// `ns` is what the long way made of this text.
void mr_time_memo_note(struct mr_time_memo *memo, const char *text, size_t length, int64_t ns);

// "HH:MM:SS" as ns since midnight.
static inline bool mr_time_memo_clock(const char *text, int64_t *ns)
{
    static const char zero[MR_TIME_MEMO_CLOCK_BYTES + 1] = "00:00:00";
    const uint64_t colons = 0x0000FF0000FF0000ULL;
    uint64_t clock = mr_plain_load(text, MR_TIME_MEMO_CLOCK_BYTES) ^
                     mr_plain_load(zero, MR_TIME_MEMO_CLOCK_BYTES);
    uint64_t hour = (clock & 0xFF) * 10 + (clock >> 8 & 0xFF);
    uint64_t minute = (clock >> 24 & 0xFF) * 10 + (clock >> 32 & 0xFF);
    uint64_t second = (clock >> 48 & 0xFF) * 10 + (clock >> 56);
    *ns = (int64_t)(hour * 3600 + minute * 60 + second) * 1000000000LL;
    return ((clock & colons) | mr_plain_not_digits(clock)) == 0 && hour < 24 && minute < 60 &&
           second < 60;
}

// "", "Z", ".123" or ".123Z" behind the clock.
static inline bool mr_time_memo_fraction(const char *text, size_t length, int64_t *ns)
{
    struct mr_plain fraction;
    *ns = 0;
    length -= length > 0 && text[length - 1] == 'Z';
    if (length == 0)
        return true;
    if (*text != '.' || length - 2 >= 9 || text[1] == '-' ||
        !mr_plain_number(text + 1, length - 1, &fraction) || memchr(text + 1, '.', length - 1))
        return false;
    *ns = (int64_t)(fraction.digits * mr_power_of_ten((unsigned)(10 - length)));
    return true;
}

static inline bool mr_time_memo_read(const struct mr_time_memo *memo, const char *text,
                                     size_t length, int64_t *out_ns)
{
    size_t date_bytes = memo->date_bytes, rest = length - date_bytes - MR_TIME_MEMO_CLOCK_BYTES;
    int64_t clock_ns, fraction_ns = 0;
    if (MR_UNLIKELY(date_bytes == 0 || rest > length || mr_plain_load(text, 8) != memo->first ||
                    mr_plain_load(text + date_bytes - 8, 8) != memo->last ||
                    !mr_time_memo_clock(text + date_bytes, &clock_ns)))
        return false;
    if (rest > 0 &&
        (!memo->has_fraction || !mr_time_memo_fraction(text + length - rest, rest, &fraction_ns)))
        return false;
    return !__builtin_add_overflow(memo->midnight_ns, clock_ns + fraction_ns, out_ns);
}

#endif
