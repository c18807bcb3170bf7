// SPDX-License-Identifier: Apache-2.0
// Reals by the C++ library against those by the C library: the same values, the same texts.
#include "core/formats/real.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/formats/number.h"

static uint64_t random_state = 5;
static uint64_t next_random(void)
{
    random_state = random_state * 6364136223846793005ULL + 1442695040888963407ULL;
    return random_state ^ random_state >> 29;
}

static double random_f64(void)
{
    uint64_t bits = next_random();
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

// As few digits as can be: the text reads back, and no text of the other printer is shorter. Where
// neither has an exponent the two are the same.
static void expect_f64(double value)
{
    char text[MR_NUMBER_TEXT_BYTES + 1], other[MR_NUMBER_TEXT_BYTES];
    double back;
    size_t length = mr_real_print_f64(value, text), other_length = mr_print_f64(value, other);
    text[length] = '\0';
    cr_assert_lt(length, MR_NUMBER_TEXT_BYTES);
    if (!isfinite(value)) {
        cr_assert_str_eq(text, other);
        return;
    }
    cr_assert_eq(strtod(text, NULL), value, "%a as %s", value, text);
    cr_assert_eq(signbit(strtod(text, NULL)), signbit(value), "%a as %s", value, text);
    cr_assert(mr_real_parse(text, length, &back) || strchr(text, 'e') != NULL, "%s", text);
    if (strchr(text, 'e') == NULL && strchr(other, 'e') == NULL)
        cr_assert_str_eq(text, other, "%a", value);
    else if ((strchr(text, 'e') == NULL) == (strchr(other, 'e') == NULL))
        cr_assert_leq(length, other_length, "%s, but also %s", text, other);
}

Test(real, texts_of_chosen_values)
{
    static const double values[] = {0,
                                    -0.0,
                                    0.1,
                                    100,
                                    1e5,
                                    -2.5,
                                    123456.75,
                                    1e-5,
                                    9.9e-6,
                                    0.00012345678,
                                    1e15,
                                    0x1p53,
                                    1e16,
                                    1e22,
                                    1e23,
                                    5e-324,
                                    0x1p-1022,
                                    1e300,
                                    0x1p-44,
                                    1e17,
                                    1.0 / 3,
                                    2e-5,
                                    0x1.fffffffffffffp1023,
                                    4503599627370497.5};
    char text[MR_NUMBER_TEXT_BYTES];
    for (unsigned i = 0; i < MR_COUNT_OF(values); i++)
        expect_f64(values[i]);
    expect_f64((double)NAN);
    expect_f64((double)INFINITY);
    expect_f64(-(double)INFINITY);
    cr_expect_eq(mr_real_print_f64(100000, text), 6);
    cr_expect_arr_eq(text, "100000", 6);
    cr_expect_eq(mr_real_print_f64(54.230000000000004, text), 18);
    cr_expect_arr_eq(text, "54.230000000000004", 18);
    cr_expect_eq(mr_real_print_f64(5e-324, text), 6);
    cr_expect_arr_eq(text, "5e-324", 6);
}

Test(real, texts_of_any_value, .timeout = 60)
{
    for (int i = 0; i < 100000; i++) {
        expect_f64(random_f64());
        expect_f64((double)(int64_t)next_random() / (double)(1 + next_random() % 100000));
        expect_f64((double)(next_random() % 10000000) * 0.01 * 1.1);
    }
}

Test(real, singles, .timeout = 60)
{
    for (int i = 0; i < 100000; i++) {
        uint32_t bits = (uint32_t)next_random();
        char text[MR_NUMBER_TEXT_BYTES + 1], other[MR_NUMBER_TEXT_BYTES];
        float value;
        memcpy(&value, &bits, sizeof value);
        if (i % 2)
            value = (float)(next_random() % 1000000) / 64;
        text[mr_real_print_f32(value, text)] = '\0';
        mr_print_f32(value, other);
        if (isfinite(value))
            cr_assert_eq(strtof(text, NULL), value, "%s", text);
        if (!isfinite(value) || (strchr(text, 'e') == NULL && strchr(other, 'e') == NULL))
            cr_assert_str_eq(text, other);
    }
}

// What the quick parser takes it takes as the other does.
Test(real, values_of_any_text, .timeout = 60)
{
    char text[64];
    double quick, slow;
    for (int i = 0; i < 200000; i++) {
        double value = i % 2 ? random_f64() : (double)(next_random() >> 8) / 1e9;
        int length = snprintf(text, sizeof text, i % 3 ? "%.17g" : "%.19f", value);
        if (length >= (int)sizeof text || !mr_real_parse(text, (size_t)length, &quick))
            continue;
        cr_assert_eq(mr_parse_f64(text, (size_t)length, &slow), MR_NUMBER_OK, "%s", text);
        cr_assert_eq(memcmp(&quick, &slow, sizeof slow), 0, "%s: %a, %a", text, quick, slow);
    }
    cr_expect_not(mr_real_parse("nan", 3, &quick));
    cr_expect_not(mr_real_parse("-inf", 4, &quick));
    cr_expect_not(mr_real_parse("1e999", 5, &quick));
    cr_expect_not(mr_real_parse("0x1p3", 5, &quick));
    cr_expect_not(mr_real_parse("1 ", 2, &quick));
    cr_expect_not(mr_real_parse("", 0, &quick));
}
