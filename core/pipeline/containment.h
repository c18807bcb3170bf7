// SPDX-License-Identifier: Apache-2.0
// What becomes of the other stages where one has failed for good, and whether the end that a stage has left for those
// behind it still stands. The supervisor asks again and again, as long as a stage lives:
//
//     if (mr_containment_check_ends(pipeline, children, &err) != MR_OK)
//         ... halt all of them ...
//     mr_contain_failures(pipeline, children);
//
// The stages before a failed one have nobody left to write for, and are halted. Those beside it are told to drain; in a
// merge by time to halt, for it goes only as far as each source does. Those behind it go on until nothing is left for
// them: where their rings were closed they end by themselves, else they are halted then, for the next run.
//
// Nothing here believes the shared pages further than the stages do themselves: a ring whose cursors cannot be is
// taken for one that is read, as its reader takes it; nothing but 1 says that one is closed, and of a producer's ring
// only where its page has an end, too.
#ifndef MR_CORE_PIPELINE_CONTAINMENT_H
#define MR_CORE_PIPELINE_CONTAINMENT_H

#include "core/pipeline/child.h"

// `children`: by role. Nothing happens where none has failed.
void mr_contain_failures(const struct mr_pipeline *pipeline, struct mr_child *children);

// A stage that has ended well has closed its rings, and a producer has said how its stream ended: whoever reads them
// waits for that. MR_ERR_CORRUPT names the file where it is not so any more.
int mr_containment_check_ends(const struct mr_pipeline *pipeline, const struct mr_child *children,
                              struct mr_error *err);

#endif
