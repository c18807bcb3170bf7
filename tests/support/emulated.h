// SPDX-License-Identifier: Apache-2.0
// Whether an emulator of programs stands between the test and the kernel (scripts/places.sh says so in the
// environment). What it does not do as the kernel does is skipped, with what that is:
//
//     if (mr_test_emulated())
//         cr_skip("an emulator does not report a failed posix_spawn");
#ifndef MR_TESTS_SUPPORT_EMULATED_H
#define MR_TESTS_SUPPORT_EMULATED_H

#include <stdbool.h>
#include <stdlib.h>

static inline bool mr_test_emulated(void)
{
    const char *machine = getenv("MILLRACE_EMULATED");
    return machine && *machine;
}

#endif
