// SPDX-License-Identifier: Apache-2.0
// Memory that runs out at the n-th allocation, and is asked for back. Unit tests whose file is named *_starved.c are
// linked so (see the Makefile) that each allocation of the program and of the test goes through here; those inside
// of shared libraries do not.
//
//     for (unsigned at = 1;; at++) {
//         failing_alloc_use(at);                        // the at-th allocation from here on says no, once
//         code = act(&err);
//         failing_alloc_leave();                        // none fails any longer
//         cr_assert_eq(failing_alloc.kept, 0);          // what act() took, and did not give back
//         if (!failing_alloc.failed)
//             break;                                    // it takes at - 1 allocations, and each has failed
//     }
#ifndef MR_TESTS_SUPPORT_FAILING_ALLOC_H
#define MR_TESTS_SUPPORT_FAILING_ALLOC_H

#include <stdbool.h>

struct failing_alloc {
    unsigned at;    // 1: the first; 0: none
    unsigned count; // of allocations since use()
    unsigned kept;  // of them, not freed since
    bool forever;   // that one and all after it
    bool failed;    // it has happened
};
extern struct failing_alloc failing_alloc;

void failing_alloc_use(unsigned at);
// Fields keep what they say until the next use(); frees go on being counted.
void failing_alloc_leave(void);

#endif
