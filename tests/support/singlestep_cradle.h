// SPDX-License-Identifier: Apache-2.0
// Where victims come from. One begins with the memory of the process that it is forked from, its heap included. So
// that all of them begin with the same, none is forked from the one that steps them, but from a copy of it that does
// nothing else.
#ifndef MR_TESTS_SUPPORT_SINGLESTEP_CRADLE_H
#define MR_TESTS_SUPPORT_SINGLESTEP_CRADLE_H

#include <sys/types.h>

#include "tests/support/singlestep.h"

struct singlestep_cradle;
struct singlestep_cradle *singlestep_cradle_new(const struct singlestep_victim *victim);
void singlestep_cradle_end(struct singlestep_cradle *cradle);
// A new victim, traced by the caller, on its way. -1: it may not be traced.
pid_t singlestep_cradle_start(const struct singlestep_cradle *cradle);

#endif
