// SPDX-License-Identifier: Apache-2.0
// Seeded pseudo-random numbers: xoshiro256** (Blackman and Vigna), its state filled by splitmix64.
// The same seed gives the same numbers on every machine.
#ifndef MR_GEN_RANDOM_H
#define MR_GEN_RANDOM_H

#include "core/base.h"

struct mr_random {
    uint64_t state[4];
};

static inline void mr_random_seed(struct mr_random *random, uint64_t seed)
{
    for (int i = 0; i < 4; i++) {
        uint64_t z = seed += 0x9e3779b97f4a7c15ULL;
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
        z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
        random->state[i] = z ^ (z >> 31);
    }
}

static inline uint64_t mr_random_rotate(uint64_t word, int bits)
{
    return word << bits | word >> (64 - bits);
}

static inline uint64_t mr_random_next(struct mr_random *random)
{
    uint64_t *s = random->state;
    uint64_t result = mr_random_rotate(s[1] * 5, 7) * 9;
    uint64_t shifted = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= shifted;
    s[3] = mr_random_rotate(s[3], 45);
    return result;
}

// 0 .. below - 1, for `below` up to 2^32.
static inline uint32_t mr_random_below(struct mr_random *random, uint64_t below)
{
    return (uint32_t)(((mr_random_next(random) >> 32) * below) >> 32);
}

#endif
