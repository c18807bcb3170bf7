// SPDX-License-Identifier: Apache-2.0
// A log-linear histogram of durations, 1 ns to about 18 minutes, relative error at most 1/64. It is
// a plain array without pointers: it lives in a shared metric page, is written by one process, read
// by any, and merged by adding.
#ifndef MR_CORE_HISTOGRAM_H
#define MR_CORE_HISTOGRAM_H

#include <stdio.h>

#include "core/atomic.h"
#include "core/error.h"

#define MR_HISTOGRAM_SUB_BITS 6 // 64 buckets per power of two
#define MR_HISTOGRAM_VALUE_BITS 40
#define MR_HISTOGRAM_BUCKETS                                                                       \
    ((MR_HISTOGRAM_VALUE_BITS - MR_HISTOGRAM_SUB_BITS + 1) << MR_HISTOGRAM_SUB_BITS)

struct mr_histogram {
    uint64_t count;
    uint64_t sum_ns;
    uint64_t max_ns;
    uint64_t buckets[MR_HISTOGRAM_BUCKETS];
};

static inline uint32_t mr_histogram_bucket(uint64_t value_ns)
{
    if (value_ns >> MR_HISTOGRAM_VALUE_BITS)
        value_ns = (1ULL << MR_HISTOGRAM_VALUE_BITS) - 1;
    if (value_ns < (1u << MR_HISTOGRAM_SUB_BITS))
        return (uint32_t)value_ns;
    uint32_t shift = 63 - (uint32_t)__builtin_clzll(value_ns) - MR_HISTOGRAM_SUB_BITS;
    return ((shift + 1) << MR_HISTOGRAM_SUB_BITS) + (uint32_t)(value_ns >> shift) -
           (1u << MR_HISTOGRAM_SUB_BITS);
}

// One writer: plain read-modify-write, stored so that a reader never sees half a word. `weight`
// records of the same latency count as that many.
static inline void mr_histogram_add(struct mr_histogram *histogram, int64_t value_ns,
                                    uint64_t weight)
{
    uint64_t value = value_ns < 0 ? 0 : (uint64_t)value_ns;
    uint64_t *bucket = &histogram->buckets[mr_histogram_bucket(value)];
    mr_store_relaxed_u64(bucket, *bucket + weight);
    mr_store_relaxed_u64(&histogram->count, histogram->count + weight);
    mr_store_relaxed_u64(&histogram->sum_ns, histogram->sum_ns + value * weight);
    if (value > histogram->max_ns)
        mr_store_relaxed_u64(&histogram->max_ns, value);
}

uint64_t mr_histogram_bucket_low(uint32_t bucket);  // smallest value of the bucket
uint64_t mr_histogram_bucket_high(uint32_t bucket); // largest value of the bucket
// The value at or below which `percent` of the counts lie (the bucket's highest value, at most
// max_ns).
uint64_t mr_histogram_percentile(const struct mr_histogram *histogram, double percent);
// Several at once, ascending: one pass for all of them.
void mr_histogram_percentiles(const struct mr_histogram *histogram, const double *percents,
                              unsigned count, uint64_t *values);
void mr_histogram_merge(struct mr_histogram *into, const struct mr_histogram *from);
// HdrHistogram's percentile distribution text (.hgrm), values divided by `unit_ns`.
int mr_histogram_write_hgrm(const struct mr_histogram *histogram, FILE *out, double unit_ns);

#endif
