// SPDX-License-Identifier: Apache-2.0
// Numbers as programs write them, a word at a time: -? digits, at most one point and that not far
// behind, nothing around, at most 19 characters behind the sign. Most fields of most files are such. Whatever else a number
// may be is left to core/formats/number.h: false means "ask there", never "wrong".
//
// No byte outside the text is read.
#ifndef MR_CORE_FORMATS_PLAIN_H
#define MR_CORE_FORMATS_PLAIN_H

#include "core/formats/number.h"

// value = (negative ? -1 : 1) * digits / 10^behind_point
struct mr_plain {
    uint64_t digits;
    unsigned behind_point;
    unsigned digit_count; // of the last sixteen characters
    bool negative;
};

#define MR_PLAIN_BYTES_MAX 19 // behind the sign

#define MR_PLAIN_ONES 0x0101010101010101ULL
#define MR_PLAIN_HIGH 0x8080808080808080ULL

// 1 to 8 bytes as one word, the first lowest, zeroes above the last: loads that overlap instead of
// a loop.
static inline uint64_t mr_plain_load(const char *text, size_t length)
{
    uint64_t word;
    uint32_t low, high;
    if (length >= 8) {
        __builtin_memcpy(&word, text, sizeof word);
        return word;
    }
    if (length >= 4) {
        __builtin_memcpy(&low, text, sizeof low);
        __builtin_memcpy(&high, text + length - 4, sizeof high);
        return low | (uint64_t)high << (8 * (length - 4));
    }
    size_t middle = length / 2;
    return (uint64_t)(unsigned char)text[0] |
           (uint64_t)(unsigned char)text[middle] << (8 * middle) |
           (uint64_t)(unsigned char)text[length - 1] << (8 * (length - 1));
}

// The high bit of each byte that is a point; exact up to the first one.
static inline uint64_t mr_plain_points(uint64_t word)
{
    uint64_t differs = word ^ MR_PLAIN_ONES * '.';
    return (differs - MR_PLAIN_ONES) & ~differs & MR_PLAIN_HIGH;
}

// Eight digits, the first lowest, each 0 to 9: three multiplications join pairs, fours, eights.
static inline uint64_t mr_plain_join(uint64_t digits)
{
    digits = digits * (10 * (1 << 8) + 1) >> 8 & 0x00FF00FF00FF00FFULL;
    digits = digits * (100 * (1 << 16) + 1) >> 16 & 0x0000FFFF0000FFFFULL;
    return digits * (10000 * (1ULL << 32) + 1) >> 32;
}

// A set bit where a byte is above 9.
static inline uint64_t mr_plain_not_digits(uint64_t digits)
{
    return ((digits + MR_PLAIN_ONES * (0x7F - 9)) | digits) & MR_PLAIN_HIGH;
}

// At most eight characters.
static inline bool mr_plain_word(const char *text, size_t length, struct mr_plain *out)
{
    uint64_t word = mr_plain_load(text, length), points = mr_plain_points(word);
    out->behind_point = 0;
    if (points) {
        unsigned before = (unsigned)__builtin_ctzll(points) / 8;
        uint64_t low = (1ULL << 8 * before) - 1;
        word = (word & low) | (word >> 8 & ~low);
        out->behind_point = (unsigned)--length - before;
        if (length == 0)
            return false;
    }
    unsigned unused_bits = 64 - 8 * (unsigned)length;
    word = (word << unused_bits) ^ (MR_PLAIN_ONES * '0' << unused_bits);
    out->digits = mr_plain_join(word);
    return mr_plain_not_digits(word) == 0;
}

// The last 1 to 8 of a word's characters as digits, the others 0.
static inline uint64_t mr_plain_tail(uint64_t word, size_t count)
{
    return (word ^ MR_PLAIN_ONES * '0') & ~0ULL << (64 - 8 * count);
}

// 9 to 16 characters, a point, where there is one, among the first eight.
static inline bool mr_plain_two_words(const char *text, size_t length, struct mr_plain *out)
{
    uint64_t first = mr_plain_load(text, 8), last = mr_plain_load(text + length - 8, 8);
    uint64_t points = mr_plain_points(first);
    if (!points) {
        first ^= MR_PLAIN_ONES * '0';
        last = mr_plain_tail(last, length - 8);
        out->behind_point = 0;
        out->digit_count = (unsigned)length;
        out->digits =
            mr_plain_join(first) * mr_power_of_ten((unsigned)length - 8) + mr_plain_join(last);
        return (mr_plain_not_digits(first) | mr_plain_not_digits(last)) == 0;
    }
    unsigned before = (unsigned)__builtin_ctzll(points) / 8, behind = (unsigned)length - 1 - before;
    uint64_t middle = 0; // the first eight behind the point, where there are more
    // In two steps: all 64 bits go where nothing stands before the point.
    first = (first ^ MR_PLAIN_ONES * '0') << 8 << (56 - 8 * before);
    out->digits = mr_plain_join(first);
    if (behind > 8) {
        middle = mr_plain_load(text + before + 1, 8) ^ MR_PLAIN_ONES * '0';
        out->digits = out->digits * 100000000 + mr_plain_join(middle);
    }
    unsigned rest = behind > 8 ? behind - 8 : behind;
    last = mr_plain_tail(last, rest);
    out->digits = out->digits * mr_power_of_ten(rest) + mr_plain_join(last);
    out->behind_point = behind;
    out->digit_count = (unsigned)length - 1;
    return (mr_plain_not_digits(first) | mr_plain_not_digits(middle) | mr_plain_not_digits(last)) ==
           0;
}

// 17 to 19 characters: the first few one by one, then two words.
static inline bool mr_plain_long(const char *text, size_t length, struct mr_plain *out)
{
    uint64_t head = 0;
    unsigned behind_point = 0;
    bool point = false;
    for (; length > 16; length--, text++) {
        unsigned digit = (unsigned char)*text - '0';
        if (*text == '.' && !point) {
            point = true;
            continue;
        }
        if (digit > 9)
            return false;
        head = head * 10 + digit;
        behind_point += point;
    }
    if (!mr_plain_two_words(text, length, out) || (point && out->digit_count < 16))
        return false;
    out->digits += head * (out->digit_count == 16 ? 10000000000000000ULL : 1000000000000000ULL);
    if (point)
        out->behind_point = behind_point + 16;
    return true;
}

static inline bool mr_plain_number(const char *text, size_t length, struct mr_plain *out)
{
    out->negative = length > 0 && *text == '-';
    text += out->negative;
    length -= out->negative;
    if (length - 1 < 8)
        return mr_plain_word(text, length, out);
    if (length - 1 < 16)
        return mr_plain_two_words(text, length, out);
    return length - 1 < MR_PLAIN_BYTES_MAX && mr_plain_long(text, length, out);
}

// |value| * 10^scale, where it is a whole number below 2^64.
static inline bool mr_plain_scale(const struct mr_plain *number, unsigned scale, uint64_t *out)
{
    if (MR_LIKELY(number->behind_point <= scale))
        return !__builtin_mul_overflow(number->digits,
                                       mr_power_of_ten(scale - number->behind_point), out);
    uint64_t unit = mr_power_of_ten(number->behind_point - scale);
    *out = number->digits / unit;
    return *out * unit == number->digits;
}

#endif
