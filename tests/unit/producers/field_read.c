// SPDX-License-Identifier: Apache-2.0
// The short way of values into fields decides nothing: on texts of every shape, whole and damaged, it
// agrees with the long one.
#include "producers/field_read.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/field_map_pair.h"

static struct field_map_pair pair;

static void open_pair(void)
{
    field_map_pair_open(&pair);
}
static void close_pair(void)
{
    field_map_pair_close(&pair);
}
TestSuite(field_read, .init = open_pair, .fini = close_pair);

static const char *const texts[] = {
    "",
    "0",
    "-0",
    "-",
    ".",
    "-.",
    "7",
    "+7",
    " 7",
    "7 ",
    "007",
    "1.",
    ".5",
    "-.5",
    "1..2",
    "1.2.3",
    "1e3",
    "127",
    "128",
    "-128",
    "-129",
    "255",
    "256",
    "32767",
    "-32769",
    "65536",
    "2147483648",
    "-2147483648",
    "4294967295",
    "4294967296",
    "12345678",
    "123456789",
    "1234567890123456",
    "12345678901234567",
    "9223372036854775807",
    "9223372036854775808",
    "-9223372036854775808",
    "-9223372036854775809",
    "18446744073709551615",
    "18446744073709551616",
    "9999999999999999999",
    "13995.0",
    "13995.5",
    "0.298503170230964",
    "-2.14272151611193",
    "0.0963770304463607",
    "74.93588199999998",
    "9007199254740993",
    "9007199254740992",
    "0.1234567890123456",
    "12.34567890123456",
    "123456.7890123456",
    "1234567.8.0123456",
    "12345678.901234567",
    ".12345678901234567",
    "1.2345678901234567",
    "1.234567890123456.",
    "12.345678901234567",
    "0.000000000000000001",
    "3.4028235e38",
    "1e400",
    "-1e-400",
    "nan",
    "inf",
    "-inf",
    "nan(7)",
    "0x10",
    "true",
    "TRUE",
    "false",
    "yes",
    "no",
    "buy",
    "sell",
    "b",
    "1",
    "twelve bytes",
    "thirteen byte",
    "2011-07-21 08:44:00",
    "2011-07-21 08:44:59",
    "2011-07-21 08:44:60",
    "2011-07-21 23:59:59",
    "2011-07-21 24:00:00",
    "2011-07-21 08:60:00",
    "2011-07-21 8:44:00",
    "2011-07-2108:44:00",
    "2011-07-2 08:44:00",
    "2011-07-208:44:00",
    "2011-07-219:44:00",
    "2011-07-21  08:44:00",
    "2011-13-21 08:44:00",
    "2011-02-29 08:44:00",
    "2012-02-29 08:44:00",
    "2011-07-21T08:44:00",
    "2011-07-21t08:44:00Z",
    "2011-07-21T08:44:00.5",
    "2011-07-21T08:44:00.123456789Z",
    "2011-07-21T08:44:00.1234567890",
    "2011-07-21T08:44:00.",
    "2011-07-21T08:44:00.-5",
    "2011-07-21T08:44:00..5",
    "2011-07-21T08:44:00.5.",
    "2011-07-21T08:44:00ZZ",
    "2011-07-21T08:44:00+02:00",
    "2011-07-21T08:44",
    "2011-07-21",
    "1677-09-21T00:12:43.145224192Z",
    "1677-09-21T00:12:43.145224191Z",
    "2262-04-11T23:47:16.854775807Z",
    "2262-04-11T23:47:16.854775808Z",
    "2262-04-11 23:47:17",
    "1969-12-31T23:59:59.999999999Z",
    "21/07/2011 08:44:00",
    "1/7/2011 08:44:00",
    "21/07/2011T08:44:00",
    "21 Jul 11,08:44:00",
    "21 July 11,08:44:00",
    "2011072108:44:00",
    "2011-202-08:44:00",
    "1311237840 08:44:00",
    "1723161255030314667",
    "1723161255030",
    "1723161255.030314667",
    "{\"a\": 1}",
};

static void expect_agreement(enum mr_span_kind kind, const char *text, size_t length)
{
    for (unsigned i = 0; i < pair.count; i++)
        cr_assert(field_map_pair_agrees(&pair, i, kind, text, length), "%s", pair.sentence);
}

Test(field_read, every_spelling)
{
    for (unsigned round = 0; round < 2; round++) // what one has left in a memo meets the next
        for (unsigned i = 0; i < MR_COUNT_OF(texts); i++)
            for (unsigned kind = MR_SPAN_MISSING; kind <= MR_SPAN_CONTAINER; kind++)
                expect_agreement((enum mr_span_kind)kind, texts[i], strlen(texts[i]));
}

static uint32_t next_random(uint64_t *state)
{
    *state = *state * 6364136223846793005ULL + 1442695040888963407ULL;
    return (uint32_t)(*state >> 33);
}

// One character changed, put in or taken out.
static size_t damage(char *text, size_t length, uint64_t *random)
{
    static const char characters[] = "0123456789.-+:/ TZeE,x";
    size_t at = length ? next_random(random) % length : 0;
    char c = characters[next_random(random) % (sizeof characters - 1)];
    switch (next_random(random) % 3) {
    case 0:
        memmove(text + at + 1, text + at, length - at);
        text[at] = c;
        return length + 1;
    case 1:
        if (length > 0)
            memmove(text + at, text + at + 1, length - at - 1);
        return length - (length > 0);
    default:
        if (length > 0)
            text[at] = c;
        return length;
    }
}

Test(field_read, damaged_spellings, .timeout = 60)
{
    uint64_t random = 7;
    for (unsigned i = 0; i < 20000; i++) {
        char text[64];
        const char *from = texts[next_random(&random) % MR_COUNT_OF(texts)];
        size_t length = strlen(from);
        memcpy(text, from, length);
        for (unsigned n = next_random(&random) % 4; n > 0; n--)
            length = damage(text, length, &random);
        char *exact = malloc(length ? length : 1); // so that a byte read beyond it is seen
        memcpy(exact, text, length);
        expect_agreement(MR_SPAN_BARE, exact, length);
        free(exact);
    }
}

// Digits of every number, with a point at every place.
Test(field_read, random_numbers, .timeout = 60)
{
    uint64_t random = 11;
    for (unsigned i = 0; i < 60000; i++) {
        char text[40];
        size_t length = 0, digits = 1 + next_random(&random) % 21;
        size_t point = next_random(&random) % (2 * digits);
        if (next_random(&random) % 3 == 0)
            text[length++] = '-';
        for (size_t at = 0; at < digits; at++) {
            if (at == point)
                text[length++] = '.';
            text[length++] = (char)('0' + next_random(&random) % 10);
        }
        for (unsigned schema = 0; schema < pair.count; schema++)
            cr_assert(field_map_pair_agrees(&pair, schema, MR_SPAN_BARE, text, length), "%s",
                      pair.sentence);
    }
}
