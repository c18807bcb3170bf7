// SPDX-License-Identifier: Apache-2.0
// Data structures that live in a stage's state say what they are about to modify, so that the stage
// can keep the old bytes and roll a batch back (core/pipeline/stage.h). A structure used on its
// own, in a test or a benchmark, is given MR_TOUCH_NONE and pays one branch.
//
//     struct mr_touch touch = mr_op_state_touch(op);
//
// They hold indices instead of pointers, and an all-zero block is an empty structure: nothing has
// to be initialised in shared memory, and it may be mapped anywhere. Indices and counts are read once and
// checked before they lead anywhere: mr_state_damaged() ends the process where one cannot be, so that a
// structure that another process has written into is an error and nothing worse.
#ifndef MR_CONSUMERS_TRANSFORM_TOUCH_H
#define MR_CONSUMERS_TRANSFORM_TOUCH_H

#include "core/pipeline/stage.h"

struct mr_touch {
    struct mr_stage *stage; // NULL: nobody keeps old bytes
};
#define MR_TOUCH_NONE ((struct mr_touch){NULL})

// "found <what> <found>, which cannot be": the process ends with MR_ERR_CORRUPT.
_Noreturn __attribute__((cold)) void mr_state_damaged(const char *what, uint64_t found);

static inline void mr_touch(const struct mr_touch *touch, void *at, uint32_t bytes)
{
    if (touch->stage != NULL)
        mr_stage_touch(touch->stage, at, bytes);
}

// For a word that almost every change modifies: its old bytes are kept once a batch. *touched: the
// caller's own note of when, 0 at first.
static inline void mr_touch_once(const struct mr_touch *touch, uint64_t *touched, void *at,
                                 uint32_t bytes)
{
    if (touch->stage == NULL || *touched == touch->stage->epoch + 1)
        return;
    *touched = touch->stage->epoch + 1;
    mr_stage_touch(touch->stage, at, bytes);
}

#endif
