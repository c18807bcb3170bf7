// SPDX-License-Identifier: Apache-2.0
// The keys of a pipeline file that say how its stages run: what they do while they wait, on which cores.
// Each is one word for all stages, or a list of three: producer's, transform's, loader's.
#ifndef MR_CORE_PIPELINE_STAGE_OPTIONS_H
#define MR_CORE_PIPELINE_STAGE_OPTIONS_H

#include "core/pipeline/pipeline.h"

// `node` may be NULL: the default, auto.
int mr_stages_read_wait(const struct mr_node *node, enum mr_wait_strategy wait[MR_ROLE_COUNT],
                        struct mr_error *err);
// `node` may be NULL: the default, none.
int mr_stages_read_placement(const struct mr_node *node, struct mr_placement *placement,
                             struct mr_error *err);
// Between 0 and 99, and only for stages that sleep while they wait.
int mr_stages_check_realtime(const struct mr_pipeline *pipeline, int64_t priority,
                             struct mr_error *err);

#endif
