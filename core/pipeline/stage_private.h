// SPDX-License-Identifier: Apache-2.0
// What the files of this folder that make or adopt stages share.
#ifndef MR_CORE_PIPELINE_STAGE_PRIVATE_H
#define MR_CORE_PIPELINE_STAGE_PRIVATE_H

#include "core/pipeline/stage.h"

// 0: none; 1: drain; 2: halt.
int mr_stage_signals_seen(void);
void mr_stage_detach(struct mr_stage *stage);
// With a beat: sees to the words that others can write, and halts the stage where they cannot be.
void mr_stage_look_for_damage(struct mr_stage *stage);
// Whether a ring that was found is the one that the pipeline file asks for. MR_ERR_SHM.
int mr_stage_check_ring(const struct mr_pipeline *pipeline, enum mr_ring_index index,
                        const struct mr_ring *ring, struct mr_error *err);
// The key of the pipeline file that a stage's page remembers, and what it remembers of it.
const char *mr_stage_settings_key(enum mr_role role);
uint64_t mr_stage_settings(const struct mr_pipeline *pipeline, enum mr_role role);

#endif
