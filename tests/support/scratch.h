// SPDX-License-Identifier: Apache-2.0
// A directory in shared memory for one test, and numbers that repeat.
//
//     struct scratch scratch;
//     scratch_open(&scratch);                       // /dev/shm/millrace-unit.XXXXXX, 0700
//     scratch_path(&scratch, "ring", path, sizeof path);
//     scratch_close(&scratch);                      // removes it and the files in it
#ifndef MR_TESTS_SUPPORT_SCRATCH_H
#define MR_TESTS_SUPPORT_SCRATCH_H

#include "core/base.h"

struct scratch {
    char directory[64];
};

void scratch_open(struct scratch *scratch); // aborts where it cannot be made
const char *scratch_path(const struct scratch *scratch, const char *name, char *out,
                         size_t out_bytes);
void scratch_close(struct scratch *scratch);

// splitmix64: the same numbers from the same seed everywhere.
static inline uint64_t random_next(uint64_t *state)
{
    uint64_t z = *state += 0x9E3779B97F4A7C15ULL;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ULL;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBULL;
    return z ^ (z >> 31);
}
static inline uint64_t random_below(uint64_t *state, uint64_t limit)
{
    return random_next(state) % limit;
}
// From MILLRACE_SEED where it is set (to repeat a failure), else `fallback`; printed to stderr.
uint64_t random_seed(uint64_t fallback);

#endif
