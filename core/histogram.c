// SPDX-License-Identifier: Apache-2.0
#include "core/histogram.h"

#include <math.h>

#define SUB_BUCKETS (1u << MR_HISTOGRAM_SUB_BITS)

uint64_t mr_histogram_bucket_low(uint32_t bucket)
{
    uint32_t row = bucket >> MR_HISTOGRAM_SUB_BITS;
    uint64_t sub = bucket & (SUB_BUCKETS - 1);
    return row == 0 ? sub : (SUB_BUCKETS + sub) << (row - 1);
}

uint64_t mr_histogram_bucket_high(uint32_t bucket)
{
    return mr_histogram_bucket_low(bucket + 1) - 1;
}

// One pass over the buckets of a histogram that another process may be adding to.
struct walk {
    const struct mr_histogram *histogram;
    uint32_t bucket;       // the next to look at
    uint64_t cumulative;   // counts up to and with the last one taken
    uint64_t bucket_count; // of the last one taken
    uint64_t value;        // its highest value, at most the histogram's maximum
};

#define LOOK_BUCKETS 8
_Static_assert(MR_HISTOGRAM_BUCKETS % LOOK_BUCKETS == 0, "looks end with the buckets");

static bool none_used(const uint64_t *at)
{
    return (mr_load_relaxed_u64(at) | mr_load_relaxed_u64(at + 1) | mr_load_relaxed_u64(at + 2) |
            mr_load_relaxed_u64(at + 3) | mr_load_relaxed_u64(at + 4) |
            mr_load_relaxed_u64(at + 5) | mr_load_relaxed_u64(at + 6) |
            mr_load_relaxed_u64(at + 7)) == 0;
}

// Most buckets are empty, and most of them stand together.
static void skip_unused(struct walk *walk)
{
    while (walk->bucket % LOOK_BUCKETS == 0 && walk->bucket < MR_HISTOGRAM_BUCKETS &&
           none_used(&walk->histogram->buckets[walk->bucket]))
        walk->bucket += LOOK_BUCKETS;
}

static bool next_used(struct walk *walk)
{
    for (skip_unused(walk); walk->bucket < MR_HISTOGRAM_BUCKETS; skip_unused(walk)) {
        uint32_t bucket = walk->bucket++;
        walk->bucket_count = mr_load_relaxed_u64(&walk->histogram->buckets[bucket]);
        if (walk->bucket_count == 0)
            continue;
        walk->cumulative += walk->bucket_count;
        walk->value = mr_min_u64(mr_histogram_bucket_high(bucket),
                                 mr_load_relaxed_u64(&walk->histogram->max_ns));
        return true;
    }
    return false;
}

// Summed, not read from `count`: the two may differ by what is being added meanwhile.
static uint64_t total_count(const struct mr_histogram *histogram)
{
    struct walk walk = {.histogram = histogram};
    while (next_used(&walk))
        continue;
    return walk.cumulative;
}

// Of the count that is the percentile's, from 1.
static uint64_t rank_of(double percent, uint64_t total)
{
    double clamped = percent < 0 ? 0 : percent > 100 ? 100 : percent;
    // A rank that is whole but for the rounding of the product is whole.
    double exact = ceil(clamped / 100 * (double)total * (1 - 1e-15));
    uint64_t rank = exact < (double)total ? (uint64_t)exact : total;
    return rank > 0 ? rank : 1;
}

void mr_histogram_percentiles(const struct mr_histogram *histogram, const double *percents,
                              unsigned count, uint64_t *values)
{
    uint64_t total = total_count(histogram);
    struct walk walk = {.histogram = histogram};
    for (unsigned i = 0; i < count; i++) {
        uint64_t rank = rank_of(percents[i], total);
        while (total > 0 && walk.cumulative < rank && next_used(&walk))
            continue;
        values[i] = walk.value;
    }
}

uint64_t mr_histogram_percentile(const struct mr_histogram *histogram, double percent)
{
    uint64_t value;
    mr_histogram_percentiles(histogram, &percent, 1, &value);
    return value;
}

void mr_histogram_merge(struct mr_histogram *into, const struct mr_histogram *from)
{
    for (uint32_t i = 0; i < MR_HISTOGRAM_BUCKETS; i++)
        into->buckets[i] += mr_load_relaxed_u64(&from->buckets[i]);
    into->count += mr_load_relaxed_u64(&from->count);
    into->sum_ns += mr_load_relaxed_u64(&from->sum_ns);
    into->max_ns = mr_max_u64(into->max_ns, mr_load_relaxed_u64(&from->max_ns));
}

// ---- .hgrm ---------------------------------------------------------------------------------

// HdrHistogram steps through percentiles in ever finer ticks: this many to each halving of the
// distance to 100 %.
#define TICKS_PER_HALF_DISTANCE 5

static double next_tick(double percentile)
{
    double halvings = floor(log2(100 / (100 - percentile))) + 1;
    return percentile + 100 / (TICKS_PER_HALF_DISTANCE * exp2(halvings));
}

static void print_line(FILE *out, double value, double percentile, uint64_t count)
{
    if (percentile < 100)
        fprintf(out, "%12.3f %2.12f %10llu %14.2f\n", value, percentile / 100,
                (unsigned long long)count, 1 / (1 - percentile / 100));
    else
        fprintf(out, "%12.3f %2.12f %10llu\n", value, 1.0, (unsigned long long)count);
}

// Goes on to the bucket in which this percentile lies, the first one at least. False at the end.
static bool walk_to(struct walk *walk, double percentile, uint64_t total)
{
    while (walk->cumulative == 0 || 100 * (double)walk->cumulative / (double)total < percentile)
        if (!next_used(walk))
            return false;
    return true;
}

static void print_percentiles(const struct mr_histogram *histogram, FILE *out, double unit_ns,
                              uint64_t total)
{
    struct walk walk = {.histogram = histogram};
    double tick = 0, last;
    do {
        if (!walk_to(&walk, tick, total))
            break;
        print_line(out, (double)walk.value / unit_ns, tick, walk.cumulative);
        last = tick;
        tick = next_tick(tick);
        // So close to 100 that it grows no more: counts that cannot be (a damaged page).
    } while (walk.cumulative < total && tick > last);
    print_line(out, (double)walk.value / unit_ns, 100, total);
}

// Mean and deviation as HdrHistogram has them: from the middles of the buckets.
static void moments(const struct mr_histogram *histogram, uint64_t total, double *mean,
                    double *deviation)
{
    double sum = 0, squares = 0;
    *mean = 0;
    *deviation = 0;
    if (total == 0)
        return;
    for (int pass = 0; pass < 2; pass++) {
        struct walk walk = {.histogram = histogram};
        while (next_used(&walk)) {
            double low = (double)mr_histogram_bucket_low(walk.bucket - 1);
            double distance = (low + (double)mr_histogram_bucket_high(walk.bucket - 1)) / 2 - *mean;
            sum += pass == 0 ? distance * (double)walk.bucket_count : 0;
            squares += pass == 1 ? distance * distance * (double)walk.bucket_count : 0;
        }
        *mean = sum / (double)total;
    }
    *deviation = sqrt(squares / (double)total);
}

int mr_histogram_write_hgrm(const struct mr_histogram *histogram, FILE *out, double unit_ns)
{
    double mean, deviation;
    uint64_t total = total_count(histogram);
    uint64_t max_ns = mr_load_relaxed_u64(&histogram->max_ns);
    fprintf(out, "%12s %14s %10s %14s\n\n", "Value", "Percentile", "TotalCount",
            "1/(1-Percentile)");
    if (total > 0)
        print_percentiles(histogram, out, unit_ns, total);
    moments(histogram, total, &mean, &deviation);
    fprintf(out, "#[Mean    = %12.3f, StdDeviation   = %12.3f]\n", mean / unit_ns,
            deviation / unit_ns);
    fprintf(out, "#[Max     = %12.3f, Total count    = %12llu]\n", (double)max_ns / unit_ns,
            (unsigned long long)total);
    fprintf(out, "#[Buckets = %12u, SubBuckets     = %12u]\n",
            MR_HISTOGRAM_VALUE_BITS - MR_HISTOGRAM_SUB_BITS, 2 * SUB_BUCKETS);
    return ferror(out) ? MR_ERR_OUTPUT : MR_OK;
}
