// SPDX-License-Identifier: Apache-2.0
// `realtime: N`: the stages run as SCHED_FIFO of that priority, with what it takes to be safe.
//   - Such a stage never burns time while it waits: it sleeps at once (wait: auto or park; others are
//     refused), so that whatever else wants its core gets it.
//   - One that has not slept for 200 ms of its time (RLIMIT_RTTIME) goes back to ordinary scheduling by
//     itself, and says so.
//   - Refused where the kernel's own brake (sched_rt_runtime_us) is off, and where the process may not.
//   - Children do not inherit it.
#ifndef MR_CORE_PIPELINE_REALTIME_H
#define MR_CORE_PIPELINE_REALTIME_H

#include "core/pipeline/pipeline.h"

#define MR_REALTIME_PRIORITY_MAX 99

// Nothing is to be done where the pipeline asks for none. MR_ERR_CONFIG.
int mr_realtime_enter(const struct mr_pipeline *pipeline, struct mr_error *err);
// Has gone back to ordinary scheduling; true once.
bool mr_realtime_was_lost(void);
// What sched_rt_runtime_us says: whether real-time processes leave others some time.
bool mr_realtime_has_brake(const char *rt_runtime_us);

#endif
