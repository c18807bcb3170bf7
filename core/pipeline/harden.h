// SPDX-License-Identifier: Apache-2.0
// The hardening mode, `harden: true`: what a stage that has been taken over can still do.
//
//   - No new privileges, from the filter on.
//   - A seccomp filter, once everything is open and before the first record is looked at: each role may call
//     what its work takes, and nothing else. Anything else is answered with EPERM. It does not kill: what a later
//     libc calls, or a plugin of one's own, then is an error with a sentence, not a stage that dies again
//     with each restart. Nothing that is refused can be had in another way.
//   - Rings that a stage reads are mapped read-only, but for the page of the cursors, through a descriptor
//     that cannot be mapped otherwise (mr_segment_protect in core/segment.h; stage_open.c).
//   - io_uring takes writes and syncs only (consumers/loader/io_uring.c): no filter sees what a ring does.
//
// All of a role's processes are filtered alike, whoever started them. The supervisor is not: it starts stages.
#ifndef MR_CORE_PIPELINE_HARDEN_H
#define MR_CORE_PIPELINE_HARDEN_H

#include "core/pipeline/stage.h"

// Takes away what the stage does not need any more, if the pipeline file says so. MR_ERR_STAGE.
int mr_harden_enter(const struct mr_stage *stage, struct mr_error *err);

#endif
