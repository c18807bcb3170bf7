// SPDX-License-Identifier: Apache-2.0
// What tests/faults/singlestep.c kills: stretches of a stage's and of a loader's work, the world that each begins
// in, and how to tell whether the process that came after has put everything right.
#ifndef MR_TESTS_SUPPORT_SINGLESTEP_PARTS_H
#define MR_TESTS_SUPPORT_SINGLESTEP_PARTS_H

#include "tests/support/singlestep.h"

struct singlestep_part {
    const char *name;
    bool (*prepare)(char *why, size_t why_bytes); // makes the world and puts it aside
    struct singlestep_victim victim;
    bool (*check)(char *why, size_t why_bytes); // goes on from what is there, and judges
};

extern const struct singlestep_part singlestep_parts[]; // the last one has no name

void singlestep_parts_open(void);
void singlestep_parts_close(void);
// Puts the part's world back as it was put aside.
bool singlestep_part_restore(const struct singlestep_part *part);
// Goes on from what was left, and says why that is not good.
bool singlestep_part_check(const struct singlestep_part *part, char *why, size_t why_bytes);

#endif
