// SPDX-License-Identifier: Apache-2.0
// Histograms against the sorted values they were made of, and the .hgrm text.
#include "core/histogram.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/scratch.h"

static struct mr_histogram histogram;

Test(histogram, buckets_cover_every_value_once)
{
    for (uint32_t i = 0; i + 1 < MR_HISTOGRAM_BUCKETS; i++) {
        uint64_t low = mr_histogram_bucket_low(i), high = mr_histogram_bucket_high(i);
        cr_assert_leq(low, high);
        cr_assert_eq(mr_histogram_bucket(low), i);
        cr_assert_eq(mr_histogram_bucket(high), i);
        cr_assert_eq(mr_histogram_bucket_low(i + 1), high + 1);
        cr_assert_leq((high - low) * 64, low, "bucket %u is wider than 1/64", i);
    }
    cr_expect_eq(mr_histogram_bucket_high(MR_HISTOGRAM_BUCKETS - 1),
                 (1ULL << MR_HISTOGRAM_VALUE_BITS) - 1);
    cr_expect_eq(mr_histogram_bucket(UINT64_MAX), MR_HISTOGRAM_BUCKETS - 1);
}

static int by_value(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

#define VALUES 50000
static int64_t values[VALUES];

static void fill_random(uint64_t seed)
{
    for (int i = 0; i < VALUES; i++) {
        values[i] = (int64_t)(random_next(&seed) >> (24 + random_below(&seed, 36)));
        mr_histogram_add(&histogram, values[i], 1);
    }
    qsort(values, VALUES, sizeof values[0], by_value);
}

Test(histogram, percentiles_are_within_a_sixty_fourth)
{
    static const double percents[] = {0, 1, 10, 25, 50, 75, 90, 99, 99.9, 99.99, 99.999, 100};
    fill_random(random_seed(5));
    for (size_t i = 0; i < MR_COUNT_OF(percents); i++) {
        size_t rank = (size_t)(percents[i] / 100 * VALUES + 0.999999);
        uint64_t exact = (uint64_t)values[rank > 0 ? rank - 1 : 0];
        uint64_t found = mr_histogram_percentile(&histogram, percents[i]);
        cr_expect_geq(found, exact, "%g %%", percents[i]);
        cr_expect_leq(found - exact, exact / 64, "%g %%: %lu for %lu", percents[i], found, exact);
    }
    cr_expect_eq(mr_histogram_percentile(&histogram, 100), (uint64_t)values[VALUES - 1]);
}

Test(histogram, several_percentiles_at_once_are_the_same)
{
    static const double percents[] = {-1, 0, 50, 50, 90, 99.99, 100, 200};
    uint64_t found[MR_COUNT_OF(percents)];
    mr_histogram_percentiles(&histogram, percents, MR_COUNT_OF(percents), found);
    cr_expect_eq(found[MR_COUNT_OF(percents) - 1], 0, "nothing counted");
    for (int values_more = 1; values_more <= 3; values_more++) {
        fill_random(random_seed(7) + (uint64_t)values_more);
        mr_histogram_percentiles(&histogram, percents, MR_COUNT_OF(percents), found);
        for (size_t i = 0; i < MR_COUNT_OF(percents); i++)
            cr_expect_eq(found[i], mr_histogram_percentile(&histogram, percents[i]));
    }
}

// Whatever stands between them, and at the ends of the groups that are looked at together.
Test(histogram, lone_values_are_found_in_every_bucket)
{
    for (uint32_t bucket = 0; bucket < MR_HISTOGRAM_BUCKETS; bucket++) {
        histogram = (struct mr_histogram){0};
        mr_histogram_add(&histogram, (int64_t)mr_histogram_bucket_high(bucket), 1);
        cr_assert_eq(mr_histogram_percentile(&histogram, 50), mr_histogram_bucket_high(bucket));
    }
}

Test(histogram, ranks_are_exact)
{
    for (int i = 1; i <= 10; i++)
        mr_histogram_add(&histogram, i, 1);
    cr_expect_eq(mr_histogram_percentile(&histogram, 50), 5);
    cr_expect_eq(mr_histogram_percentile(&histogram, 50.1), 6);
    cr_expect_eq(mr_histogram_percentile(&histogram, 90), 9);
    cr_expect_eq(mr_histogram_percentile(&histogram, 99.9), 10);
    cr_expect_eq(mr_histogram_percentile(&histogram, -1), 1);
    cr_expect_eq(mr_histogram_percentile(&histogram, 200), 10);
}

Test(histogram, edges_are_counted)
{
    cr_expect_eq(mr_histogram_percentile(&histogram, 50), 0);
    mr_histogram_add(&histogram, -5, 1);
    cr_expect_eq(histogram.buckets[0], 1);
    mr_histogram_add(&histogram, INT64_MAX, 2);
    cr_expect_eq(histogram.count, 3);
    cr_expect_eq(histogram.max_ns, INT64_MAX);
    cr_expect_eq(histogram.buckets[MR_HISTOGRAM_BUCKETS - 1], 2);
}

Test(histogram, merging_adds)
{
    static struct mr_histogram other, both;
    for (int i = 0; i < 1000; i++) {
        mr_histogram_add(i % 2 ? &histogram : &other, i * i, 1 + (uint64_t)i % 3);
        mr_histogram_add(&both, i * i, 1 + (uint64_t)i % 3);
    }
    mr_histogram_merge(&histogram, &other);
    cr_expect_eq(memcmp(&histogram, &both, sizeof both), 0);
}

static char *hgrm_text(double unit_ns)
{
    char *text = NULL;
    size_t bytes = 0;
    FILE *out = open_memstream(&text, &bytes);
    cr_assert_not_null(out);
    cr_expect_eq(mr_histogram_write_hgrm(&histogram, out, unit_ns), MR_OK);
    fclose(out);
    return text;
}

// The values 1 to 10 with 5 ticks to each halving of the distance to 100 %, as HdrHistogram steps.
Test(histogram, hgrm_text_is_hdrhistograms)
{
    for (int i = 1; i <= 10; i++)
        mr_histogram_add(&histogram, i, 1);
    char *text = hgrm_text(1);
    cr_expect_str_eq(text, "       Value     Percentile TotalCount 1/(1-Percentile)\n"
                           "\n"
                           "       1.000 0.000000000000          1           1.00\n"
                           "       1.000 0.100000000000          1           1.11\n"
                           "       2.000 0.200000000000          2           1.25\n"
                           "       3.000 0.300000000000          3           1.43\n"
                           "       4.000 0.400000000000          4           1.67\n"
                           "       5.000 0.500000000000          5           2.00\n"
                           "       6.000 0.550000000000          6           2.22\n"
                           "       6.000 0.600000000000          6           2.50\n"
                           "       7.000 0.650000000000          7           2.86\n"
                           "       7.000 0.700000000000          7           3.33\n"
                           "       8.000 0.750000000000          8           4.00\n"
                           "       8.000 0.775000000000          8           4.44\n"
                           "       8.000 0.800000000000          8           5.00\n"
                           "       9.000 0.825000000000          9           5.71\n"
                           "       9.000 0.850000000000          9           6.67\n"
                           "       9.000 0.875000000000          9           8.00\n"
                           "       9.000 0.887500000000          9           8.89\n"
                           "       9.000 0.900000000000          9          10.00\n"
                           "      10.000 0.912500000000         10          11.43\n"
                           "      10.000 1.000000000000         10\n"
                           "#[Mean    =        5.500, StdDeviation   =        2.872]\n"
                           "#[Max     =       10.000, Total count    =           10]\n"
                           "#[Buckets =           34, SubBuckets     =          128]\n");
    free(text);
}

Test(histogram, hgrm_of_one_value_and_of_none)
{
    char *text = hgrm_text(1000);
    cr_expect_not_null(strstr(text, "1/(1-Percentile)\n\n#[Mean    =        0.000"));
    free(text);
    mr_histogram_add(&histogram, 50, 3);
    text = hgrm_text(1000);
    cr_expect_not_null(strstr(text, "\n\n       0.050 0.000000000000          3           1.00\n"
                                    "       0.050 1.000000000000          3\n#"));
    free(text);
}
