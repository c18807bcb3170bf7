// SPDX-License-Identifier: Apache-2.0
#include "core/formats/real.h"

#include <charconv>
#include <cmath>
#include <system_error>

extern "C" {
#include "core/formats/plain.h"
}

namespace
{

// From here up to where integers are no longer exact, texts are written without an exponent.
constexpr double FIXED_MIN = 1e-5, FIXED_LIMIT_F64 = 0x1p53;
constexpr float FIXED_LIMIT_F32 = 1e9F;

template <typename real> size_t print(real value, real fixed_limit, char *out)
{
    real magnitude = std::fabs(value);
    bool fixed =
        magnitude == 0 || (magnitude >= static_cast<real>(FIXED_MIN) && magnitude < fixed_limit);
    char *end = std::to_chars(out, out + MR_NUMBER_TEXT_BYTES, value,
                              fixed ? std::chars_format::fixed : std::chars_format::scientific)
                    .ptr;
    return static_cast<size_t>(end - out);
}

} // namespace

// Digits and power of ten are exact doubles: one division rounds once, correctly.
static bool divide(const mr_plain *number, double *out)
{
    static const double powers[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8, 1e9,
                                    1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18};
    static_assert(sizeof powers / sizeof powers[0] == MR_PLAIN_BYTES_MAX,
                  "0 to 18 behind the point");
    if (number->digits > 1ULL << 53)
        return false;
    double value = static_cast<double>(number->digits) / powers[number->behind_point];
    *out = number->negative ? -value : value;
    return true;
}

bool mr_real_parse(const char *text, size_t length, double *out)
{
    const char *end = text + length, *first = text + (length > 0 && *text == '-');
    double value;
    mr_plain number;
    if (mr_plain_number(text, length, &number) && divide(&number, out))
        return true;
    // Words ("inf", "nan") are written in more ways than from_chars knows.
    if (first == end || (static_cast<unsigned char>(*first - '0') > 9 && *first != '.'))
        return false;
    std::from_chars_result result = std::from_chars(text, end, value);
    if (result.ec != std::errc() || result.ptr != end)
        return false;
    *out = value;
    return true;
}

size_t mr_real_print_f64(double value, char *out)
{
    return std::isfinite(value) ? print(value, FIXED_LIMIT_F64, out) : mr_print_f64(value, out);
}

size_t mr_real_print_f32(float value, char *out)
{
    return std::isfinite(value) ? print(value, FIXED_LIMIT_F32, out) : mr_print_f32(value, out);
}
