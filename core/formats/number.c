// SPDX-License-Identifier: Apache-2.0
#include "core/formats/number.h"

#include <locale.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// What is common to every decimal number: sign, digits without the point, and a power of ten.
struct decimal_text {
    const char *digits; // begins at the first digit or point
    const char *end;    // behind the last digit or point
    int64_t exponent;   // as written behind the e
    bool negative;
};

#define EXPONENT_MAX 100000 // beyond it every number is zero or out of range

const char *mr_number_problem(enum mr_number problem)
{
    switch (problem) {
    case MR_NUMBER_OK:
        return "fine";
    case MR_NUMBER_SYNTAX:
        return "not a number";
    case MR_NUMBER_RANGE:
        return "out of range";
    case MR_NUMBER_INEXACT:
        return "too many digits behind the point";
    }
    return "unknown";
}

const uint64_t mr_powers_of_ten[20] = {1ULL,
                                       10ULL,
                                       100ULL,
                                       1000ULL,
                                       10000ULL,
                                       100000ULL,
                                       1000000ULL,
                                       10000000ULL,
                                       100000000ULL,
                                       1000000000ULL,
                                       10000000000ULL,
                                       100000000000ULL,
                                       1000000000000ULL,
                                       10000000000000ULL,
                                       100000000000000ULL,
                                       1000000000000000ULL,
                                       10000000000000000ULL,
                                       100000000000000000ULL,
                                       1000000000000000000ULL,
                                       10000000000000000000ULL};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static void trim(const char **text, const char **end)
{
    while (*text < *end && (**text == ' ' || **text == '\t'))
        (*text)++;
    while (*text < *end && ((*end)[-1] == ' ' || (*end)[-1] == '\t'))
        (*end)--;
}

// ---- numbers from text ---------------------------------------------------------------------

static bool scan_exponent(const char *at, const char *end, int64_t *exponent)
{
    bool negative = false;
    if (at < end && (*at == '+' || *at == '-'))
        negative = *at++ == '-';
    if (at == end)
        return false;
    int64_t value = 0;
    for (; at < end; at++) {
        if (!is_digit(*at))
            return false;
        value = value * 10 + (*at - '0');
        if (value > EXPONENT_MAX)
            value = EXPONENT_MAX;
    }
    *exponent = negative ? -value : value;
    return true;
}

static bool scan_decimal(const char *text, size_t length, struct decimal_text *number)
{
    const char *at = text, *end = text + length;
    trim(&at, &end);
    number->negative = false;
    number->exponent = 0;
    if (at < end && (*at == '+' || *at == '-'))
        number->negative = *at++ == '-';
    number->digits = at;
    unsigned points = 0;
    size_t digits = 0;
    for (; at < end && (is_digit(*at) || *at == '.'); at++) {
        points += *at == '.';
        digits += *at != '.';
    }
    number->end = at;
    if (digits == 0 || points > 1)
        return false;
    if (at < end && (*at == 'e' || *at == 'E'))
        return scan_exponent(at + 1, end, &number->exponent);
    return at == end;
}

// magnitude = digits * 10^(exponent + scale), which must be a whole number below 2^64.
static enum mr_number scaled_magnitude(const struct decimal_text *number, unsigned scale,
                                       uint64_t *magnitude)
{
    const char *point = memchr(number->digits, '.', (size_t)(number->end - number->digits));
    const char *whole_end = point != NULL ? point : number->end;
    // How many digits, counted from the first one, stand before the scaled point.
    int64_t kept = (whole_end - number->digits) + number->exponent + (int64_t)scale;
    uint64_t value = 0;
    for (const char *at = number->digits; at < number->end; at++) {
        if (*at == '.')
            continue;
        uint64_t digit = (uint64_t)(*at - '0');
        if (kept > 0) {
            if (__builtin_mul_overflow(value, 10, &value) ||
                __builtin_add_overflow(value, digit, &value))
                return MR_NUMBER_RANGE;
        } else if (digit != 0) {
            return MR_NUMBER_INEXACT;
        }
        kept--;
    }
    for (; kept > 0 && value != 0; kept--)
        if (__builtin_mul_overflow(value, 10, &value))
            return MR_NUMBER_RANGE;
    *magnitude = value;
    return MR_NUMBER_OK;
}

enum mr_number mr_parse_decimal(const char *text, size_t length, unsigned scale, int64_t *out)
{
    struct decimal_text number;
    uint64_t magnitude;
    if (!scan_decimal(text, length, &number))
        return MR_NUMBER_SYNTAX;
    enum mr_number problem = scaled_magnitude(&number, scale, &magnitude);
    if (problem != MR_NUMBER_OK)
        return problem;
    if (magnitude > (uint64_t)INT64_MAX + number.negative)
        return MR_NUMBER_RANGE;
    *out = (int64_t)(number.negative ? 0 - magnitude : magnitude);
    return MR_NUMBER_OK;
}

enum mr_number mr_parse_i64(const char *text, size_t length, int64_t *out)
{
    return mr_parse_decimal(text, length, 0, out);
}

enum mr_number mr_parse_u64(const char *text, size_t length, uint64_t *out)
{
    struct decimal_text number;
    uint64_t magnitude;
    if (!scan_decimal(text, length, &number))
        return MR_NUMBER_SYNTAX;
    enum mr_number problem = scaled_magnitude(&number, 0, &magnitude);
    if (problem != MR_NUMBER_OK)
        return problem;
    if (number.negative && magnitude != 0)
        return MR_NUMBER_RANGE;
    *out = magnitude;
    return MR_NUMBER_OK;
}

static const double exact_powers[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                      1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                      1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
#define EXACT_POWER_MAX 22
#define EXACT_INTEGER_MAX (1ULL << 53)

// Both the digits and the power of ten are exact doubles, so one operation rounds once, correctly.
static bool fast_f64(const struct decimal_text *number, double *out)
{
    uint64_t mantissa = 0;
    int64_t power = number->exponent;
    bool behind_point = false;
    for (const char *at = number->digits; at < number->end; at++) {
        if (*at == '.') {
            behind_point = true;
            continue;
        }
        mantissa = mantissa * 10 + (uint64_t)(*at - '0');
        power -= behind_point;
        if (mantissa > EXACT_INTEGER_MAX)
            return false;
    }
    if (power < -EXACT_POWER_MAX || power > EXACT_POWER_MAX)
        return false;
    double value = (double)mantissa;
    value = power < 0 ? value / exact_powers[-power] : value * exact_powers[power];
    *out = number->negative ? -value : value;
    return true;
}

static locale_t c_locale;
static void make_c_locale(void)
{
    c_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
}

// The C library's conversion, whatever the process's locale, on a bounded copy that ends in a NUL.
static enum mr_number slow_f64(const char *text, const char *end, double *out)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    char stack[128];
    size_t length = (size_t)(end - text);
    char *copy = length < sizeof stack ? stack : malloc(length + 1);
    if (copy == NULL)
        return MR_NUMBER_RANGE;
    memcpy(copy, text, length);
    copy[length] = '\0';
    pthread_once(&once, make_c_locale);
    double value = strtod_l(copy, NULL, c_locale);
    if (copy != stack)
        free(copy);
    if (isinf(value))
        return MR_NUMBER_RANGE;
    *out = value;
    return MR_NUMBER_OK;
}

static bool is_word(const char *at, const char *end, const char *word)
{
    for (; at < end && *word != '\0'; at++, word++)
        if ((*at | 0x20) != *word)
            return false;
    return at == end && *word == '\0';
}

static enum mr_number parse_f64_word(const char *at, const char *end, double *out)
{
    bool negative = false;
    if (at < end && (*at == '+' || *at == '-'))
        negative = *at++ == '-';
    if (is_word(at, end, "nan"))
        *out = (double)NAN;
    else if (is_word(at, end, "inf") || is_word(at, end, "infinity"))
        *out = negative ? -(double)INFINITY : (double)INFINITY;
    else
        return MR_NUMBER_SYNTAX;
    return MR_NUMBER_OK;
}

enum mr_number mr_parse_f64(const char *text, size_t length, double *out)
{
    struct decimal_text number;
    const char *at = text, *end = text + length;
    trim(&at, &end);
    if (!scan_decimal(at, (size_t)(end - at), &number))
        return parse_f64_word(at, end, out);
    if (fast_f64(&number, out))
        return MR_NUMBER_OK;
    return slow_f64(at, end, out);
}

// ---- numbers to text -----------------------------------------------------------------------

// "00" to "99"
static const char digit_pairs[] = "0001020304050607080910111213141516171819"
                                  "2021222324252627282930313233343536373839"
                                  "4041424344454647484950515253545556575859"
                                  "6061626364656667686970717273747576777879"
                                  "8081828384858687888990919293949596979899";

// Writes digits backwards from `end`, at least `digits_min` of them; returns where they begin.
static char *digits_before(char *end, uint64_t value, unsigned digits_min)
{
    char *at = end;
    for (; value >= 100; value /= 100)
        memcpy(at -= 2, digit_pairs + 2 * (value % 100), 2);
    if (value >= 10)
        memcpy(at -= 2, digit_pairs + 2 * value, 2);
    else if (value > 0)
        *--at = (char)('0' + value);
    while (end - at < (ptrdiff_t)digits_min)
        *--at = '0';
    return at;
}

static size_t finish_backwards(char *out, const char *from, const char *end)
{
    size_t length = (size_t)(end - from);
    memcpy(out, from, length);
    out[length] = '\0';
    return length;
}

static uint64_t magnitude_of(int64_t value)
{
    return value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
}

size_t mr_print_u64(uint64_t value, char *out)
{
    char buffer[MR_NUMBER_TEXT_BYTES], *end = buffer + sizeof buffer;
    return finish_backwards(out, digits_before(end, value, 1), end);
}

size_t mr_print_i64(int64_t value, char *out)
{
    return mr_print_decimal(value, 0, out);
}

size_t mr_print_decimal(int64_t value, unsigned scale, char *out)
{
    char buffer[MR_NUMBER_TEXT_BYTES], *end = buffer + sizeof buffer, *at = end;
    uint64_t magnitude = magnitude_of(value), unit = mr_power_of_ten(scale);
    if (scale > 0) {
        at = digits_before(at, magnitude % unit, scale);
        *--at = '.';
    }
    at = digits_before(at, magnitude / unit, 1);
    if (value < 0)
        *--at = '-';
    return finish_backwards(out, at, end);
}

static size_t print_word(const char *word, char *out)
{
    size_t length = strlen(word);
    memcpy(out, word, length + 1);
    return length;
}

static size_t print_not_finite(double value, char *out)
{
    if (isnan(value))
        return print_word("nan", out);
    return print_word(value < 0 ? "-inf" : "inf", out);
}

// The C library's text with `digits` significant digits; a locale's decimal comma becomes a point.
static size_t print_significant(double value, int digits, char *out)
{
    int length = snprintf(out, MR_NUMBER_TEXT_BYTES, "%.*g", digits, value);
    for (char *at = out; *at != '\0'; at++)
        if (!is_digit(*at) && *at != '-' && *at != '+' && *at != 'e')
            *at = '.';
    return (size_t)length;
}

// Where every text of up to 15 digits is one of the decimals below.
static bool has_short_range(double value)
{
    return value == 0 || (fabs(value) >= 1e-3 && fabs(value) < (double)EXACT_INTEGER_MAX);
}

// Looks for the fewest digits behind the point with which the value is m / 10^digits, m an exact
// integer: since one division of exact doubles rounds once, that text reads back as the same value.
// Most values that people write end here. False where there is no such text.
static bool print_short_decimal(double value, double digits_limit, bool single, char *out,
                                size_t *length)
{
    double magnitude = fabs(value);
    if (magnitude >= digits_limit || (magnitude < 1e-5 && magnitude != 0))
        return false;
    for (unsigned scale = 0; scale <= MR_DECIMAL_SCALE_MAX; scale++) {
        double scaled = rint(magnitude * exact_powers[scale]);
        if (scaled >= digits_limit)
            return false;
        double back = scaled / exact_powers[scale];
        if (single ? (float)back == (float)magnitude : back == magnitude) {
            out[0] = '-';
            bool negative = signbit(value);
            *length = negative + mr_print_decimal((int64_t)scaled, scale, out + negative);
            return true;
        }
    }
    return false;
}

size_t mr_print_f64(double value, char *out)
{
    size_t length;
    double back;
    if (!isfinite(value))
        return print_not_finite(value, out);
    if (print_short_decimal(value, (double)EXACT_INTEGER_MAX, false, out, &length))
        return length;
    for (int digits = has_short_range(value) ? 16 : 15; digits < 17; digits++) {
        length = print_significant(value, digits, out);
        if (mr_parse_f64(out, length, &back) == MR_NUMBER_OK && back == value)
            return length;
    }
    return print_significant(value, 17, out);
}

size_t mr_print_f32(float value, char *out)
{
    size_t length;
    double back;
    if (!isfinite(value))
        return print_not_finite((double)value, out);
    if (print_short_decimal((double)value, 1e9, true, out, &length))
        return length;
    for (int digits = 6; digits < 9; digits++) {
        length = print_significant((double)value, digits, out);
        if (mr_parse_f64(out, length, &back) == MR_NUMBER_OK && (float)back == value)
            return length;
    }
    return print_significant((double)value, 9, out);
}
