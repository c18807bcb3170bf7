// SPDX-License-Identifier: Apache-2.0
// Included before everything else in the build that counts branches (the Makefile's variant cov): a process that
// ends by _exit, as a stage does on damage and a test's child, has counted what it did, too.
#ifndef MR_TESTS_SUPPORT_COUNTED_EXIT_H
#define MR_TESTS_SUPPORT_COUNTED_EXIT_H

#include <unistd.h>

#ifdef __cplusplus
extern "C" void __gcov_dump(void);
#else
void __gcov_dump(void);
#endif

__attribute__((noreturn)) static inline void mr_counted_exit(int status)
{
    __gcov_dump();
    _exit(status);
}
#define _exit(status) mr_counted_exit(status)

#endif
