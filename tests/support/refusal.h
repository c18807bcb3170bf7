// SPDX-License-Identifier: Apache-2.0
// Lets the kernel refuse system calls for the rest of this process (criterion runs each test in one of its
// own), so that a unit test sees what its code makes of a full disk, a forbidden call or an old kernel:
//
//     refuse_call("fsync", EIO);
//     refuse_call_with("write", ENOSPC, 2, 4096);   // whose third argument is 4096
//
// A seccomp filter answers; it cannot be taken off again. Skips the test where an emulator of programs does not
// filter, fails it where the kernel does not.
#ifndef MR_TESTS_SUPPORT_REFUSAL_H
#define MR_TESTS_SUPPORT_REFUSAL_H

#include <stdint.h>

void refuse_call(const char *call, int error);
// Only where argument number `argument`, from 0, is `value`.
void refuse_call_with(const char *call, int error, unsigned argument, uint64_t value);
// Only where argument number `argument` has all the bits of `flags` set.
void refuse_call_flagged(const char *call, int error, unsigned argument, uint64_t flags);

#endif
