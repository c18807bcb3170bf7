// SPDX-License-Identifier: Apache-2.0
// Data structures that live in a stage's state say what they are about to modify, so that the stage
// can keep the old bytes and roll a batch back (core/pipeline/stage.h). A structure used on its
// own, in a test or a benchmark, is given MR_TOUCH_NONE and pays one branch.
//
//     static void undo_touch(void *context, void *at, uint32_t bytes) { mr_op_touch(context, at,
//     bytes); } struct mr_touch touch = {undo_touch, op};
//
// They hold indices instead of pointers, and an all-zero block is an empty structure: nothing has
// to be initialised in shared memory, and it may be mapped anywhere.
#ifndef MR_CONSUMERS_TRANSFORM_TOUCH_H
#define MR_CONSUMERS_TRANSFORM_TOUCH_H

#include "core/base.h"

struct mr_touch {
    void (*call)(void *context, void *at, uint32_t bytes); // NULL: nobody keeps old bytes
    void *context;
};
#define MR_TOUCH_NONE ((struct mr_touch){NULL, NULL})

static inline void mr_touch(const struct mr_touch *touch, void *at, uint32_t bytes)
{
    if (touch->call != NULL)
        touch->call(touch->context, at, bytes);
}

#endif
