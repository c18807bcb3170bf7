// SPDX-License-Identifier: Apache-2.0
// Time and pid of the processes of a single step are always the same, so that two of them that go the same way leave
// the same bytes: a clock goes on by a millisecond whenever it is looked at, and an hour lies between a world that
// is put aside and who comes into it. Programs that are linked with --wrap for these functions have it.
#ifndef MR_TESTS_SUPPORT_SINGLESTEP_CLOCK_H
#define MR_TESTS_SUPPORT_SINGLESTEP_CLOCK_H

// The hour from which the processes that are forked next count on.
void singlestep_clock_set(unsigned hour);

#endif
