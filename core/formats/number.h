// SPDX-License-Identifier: Apache-2.0
// Numbers and times as text, exactly. Pure: bytes in, bytes out, no locale, no allocation, no I/O.
//
// Parsing takes the whole text (spaces and tabs around it aside) or nothing: the result is written
// only where MR_NUMBER_OK is returned. Decimals never pass through floating point: "0.1" at scale 4
// is the integer 1000, and 19 digits are 19 digits.
//
//   integers     -3  +17  13995.0  1e3     a fraction of zeroes and an exponent are allowed: other
//                                          programs write integers as reals
//   decimals     12.50  .5  -7.  2.5e-3    digits that the scale cannot hold must be zero
//   reals        the same, and nan, inf, -inf (any case); correctly rounded
//   timestamps   2020-01-30T09:30:00.000000001Z, a space for the T, no or 1-9 digits of fraction,
//                no seconds, a date alone; Z, +hh:mm, +hhmm, +hh, or none, which is UTC (ISO 8601,
//                RFC 3339). 23:59:60 is the second after 23:59:59, as POSIX time has it.
//
//     int64_t price;
//     if (mr_parse_decimal(text, length, 4, &price) != MR_NUMBER_OK) ...
#ifndef MR_CORE_FORMATS_NUMBER_H
#define MR_CORE_FORMATS_NUMBER_H

#include "core/base.h"

enum mr_number {
    MR_NUMBER_OK = 0,
    MR_NUMBER_SYNTAX,  // not a number, not a time, or empty
    MR_NUMBER_RANGE,   // larger or smaller than the type holds
    MR_NUMBER_INEXACT, // more digits behind the point than the scale holds
};
// "not a number", "out of range", "too many digits behind the point"
const char *mr_number_problem(enum mr_number problem);

#define MR_DECIMAL_SCALE_MAX 18
#define MR_NUMBER_TEXT_BYTES 40 // room for any text printed below, NUL included

enum mr_number mr_parse_i64(const char *text, size_t length, int64_t *out);
enum mr_number mr_parse_u64(const char *text, size_t length, uint64_t *out);
enum mr_number mr_parse_decimal(const char *text, size_t length, unsigned scale, int64_t *out);
enum mr_number mr_parse_f64(const char *text, size_t length, double *out);
enum mr_number mr_parse_timestamp(const char *text, size_t length, int64_t *out_ns);

// Write text and a NUL into out (MR_NUMBER_TEXT_BYTES long) and return the length.
size_t mr_print_u64(uint64_t value, char *out);
size_t mr_print_i64(int64_t value, char *out);
size_t mr_print_decimal(int64_t value, unsigned scale, char *out); // "12.5000"
size_t mr_print_f64(double value, char *out); // the shortest text that reads back as the same value
size_t mr_print_f32(float value, char *out);
size_t mr_print_timestamp(int64_t time_ns, char *out); // "2020-01-30T14:30:00.000000001Z"

// 10^exponent, exponent 0 to 19.
extern const uint64_t mr_powers_of_ten[20];
static inline uint64_t mr_power_of_ten(unsigned exponent)
{
    return mr_powers_of_ten[exponent];
}

// Days since 1970-01-01 of a date in the proleptic Gregorian calendar, and back.
int64_t mr_days_from_civil(int64_t year, unsigned month, unsigned day);
void mr_civil_from_days(int64_t days, int64_t *year, unsigned *month, unsigned *day);
unsigned mr_days_in_month(int64_t year, unsigned month);

#endif
