// SPDX-License-Identifier: Apache-2.0
// Between what a fuzzer runs and libFuzzer's note of what was compared (the linker's --wrap puts it there): on to
// libFuzzer goes what a mutation can learn from. Most of what is compared is the undefined behaviour sanitizer's own:
// a pointer's lowest bits with zero, a pointer with itself moved. To note those took up to a sixth of the time, and the
// place of others: libFuzzer keeps the last few. Equal operands teach nothing, and those of one and two bytes are
// kept for -use_value_profile alone.
#include <stdbool.h>
#include <stdint.h>

#ifdef __clang__
#define NOT_NOTED __attribute__((no_sanitize("coverage")))
#else
#define NOT_NOTED
#endif

#define ADDRESS_MIN (1ULL << 32)
#define ADDRESS_MAX (1ULL << 47)

#define NOTE(NAME, TYPE, IS_NOTED)                                                                 \
    void __real___sanitizer_cov_trace_##NAME(TYPE a, TYPE b);                                      \
    void __wrap___sanitizer_cov_trace_##NAME(TYPE a, TYPE b);                                      \
    NOT_NOTED void __wrap___sanitizer_cov_trace_##NAME(TYPE a, TYPE b)                             \
    {                                                                                              \
        if (IS_NOTED)                                                                              \
            __real___sanitizer_cov_trace_##NAME(a, b);                                             \
    }

NOT_NOTED static inline bool is_address(uint64_t a)
{
    return a - ADDRESS_MIN < ADDRESS_MAX - ADDRESS_MIN;
}

NOTE(cmp1, uint8_t, false)
NOTE(cmp2, uint16_t, false)
NOTE(cmp4, uint32_t, a != b)
NOTE(cmp8, uint64_t, a != b && !(is_address(a) && is_address(b)))
NOTE(const_cmp1, uint8_t, false)
NOTE(const_cmp2, uint16_t, false)
NOTE(const_cmp4, uint32_t, a != b)
NOTE(const_cmp8, uint64_t, a != b && !(a == 0 && is_address(b)))
