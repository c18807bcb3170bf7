// SPDX-License-Identifier: Apache-2.0
// Which core each stage of a trio runs on, and whom it shares it with.
//
//   none   wherever the scheduler puts it
//   auto   three cores or more: one each, on physical cores of their own where there are enough.
//          Two: the transform alone on one, so that it answers at once; producer and loader give the other
//          to each other. The producer does when it has published and nothing is due soon: the loader is
//          there when the transform is done. Where there is always something due, it keeps the core for
//          some time, for what comes due in another's turn is late: more than half of the records are on
//          time in the egress ring, and the loader takes them in groups. One: all three on it.
//          A quota of cores counts as so many cores. The producers of further sources have a core each where
//          there are more, else they share the first one's.
//   list   [producer, transform, loader], numbers of cores; all producers on the first
//
// Pure: each stage finds the same plan for itself, however it was started.
#ifndef MR_CORE_PIPELINE_PLACEMENT_H
#define MR_CORE_PIPELINE_PLACEMENT_H

#include "core/cores.h"
#include "core/pipeline/pipeline.h"

struct mr_place {
    int core; // -1: any
    enum mr_core_share share;
    int64_t keep_ns; // see struct mr_wait
};

// MR_ERR_CONFIG where the list names a core that is not among `cores`.
int mr_placement_plan(const struct mr_placement *placement, const struct mr_cores *cores,
                      struct mr_place places[MR_ROLE_COUNT], struct mr_error *err);

#endif
