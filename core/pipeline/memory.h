// SPDX-License-Identifier: Apache-2.0
// How a stage's shared memory is held: in huge pages, mapped before it is used, locked.
//
//   huge_pages: advise   2 MiB pages where the kernel has them: fewer misses of the address cache. Made
//                        when the segment is opened, a few ms per MiB; where there are none, a line in the
//                        log says so, and small pages are used.
//   prefault: true       every page is mapped when the segment is opened; else each process takes a fault
//                        at its first touch of each 4 KiB of a ring.
//   lock_memory: true    never swapped out; refused where the limit of locked memory is too low.
#ifndef MR_CORE_PIPELINE_MEMORY_H
#define MR_CORE_PIPELINE_MEMORY_H

#include "core/pipeline/pipeline.h"
#include "core/segment.h"

// The segment is attached. MR_ERR_CONFIG where it cannot be locked.
int mr_memory_prepare(const struct mr_pipeline *pipeline, const struct mr_segment *segment,
                      struct mr_error *err);

#endif
