// SPDX-License-Identifier: Apache-2.0
// What every file agrees on: sizes, alignment, and the few macros the language lacks.
#ifndef MR_CORE_BASE_H
#define MR_CORE_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Bytes that move between cores as one. Fields with different writers stand two lines apart,
// because the adjacent-line prefetcher of x86 fetches lines in pairs.
#define MR_CACHE_LINE 64
#define MR_FALSE_SHARING_RANGE (2 * MR_CACHE_LINE)
#define MR_PAGE_BYTES 4096
#define MR_NAME_BYTES 32 // names of schemas, fields, stages, rings; NUL included

// Where a call would cost more than what is called: the compiler alone may judge by the source's length.
#define MR_INLINE static inline __attribute__((always_inline))
#define MR_LIKELY(x) __builtin_expect(!!(x), 1)
#define MR_UNLIKELY(x) __builtin_expect(!!(x), 0)
#define MR_PRINTF(format_index, args_index)                                                        \
    __attribute__((format(printf, format_index, args_index)))
#define MR_COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

static inline uint64_t mr_align_up(uint64_t value, uint64_t power_of_two)
{
    return (value + power_of_two - 1) & ~(power_of_two - 1);
}

static inline bool mr_is_power_of_two(uint64_t value)
{
    return value != 0 && (value & (value - 1)) == 0;
}

static inline uint64_t mr_min_u64(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static inline uint64_t mr_max_u64(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

#endif
