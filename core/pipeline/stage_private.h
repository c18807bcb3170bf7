// SPDX-License-Identifier: Apache-2.0
// What stage.c and stage_open.c share.
#ifndef MR_CORE_PIPELINE_STAGE_PRIVATE_H
#define MR_CORE_PIPELINE_STAGE_PRIVATE_H

#include "core/pipeline/stage.h"

// 0: none; 1: drain; 2: halt.
int mr_stage_signals_seen(void);
void mr_stage_detach(struct mr_stage *stage);
// With a beat: sees to the words that others can write, and halts the stage where they cannot be.
void mr_stage_look_for_damage(struct mr_stage *stage);

#endif
