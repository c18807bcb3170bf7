// SPDX-License-Identifier: Apache-2.0
// Whether and when a stage that is gone is started again.
//
//     supervise: {restart: on_failure, backoff: 100ms, backoff_max: 5s, limit: 5, within: 60s}
//
// A stage that was killed is started again in any case; one that ended with an error only where that may pass
// (mr_code_may_pass) and a record had been taken in: what cannot even begin is said at once. The first time it is
// started at once, the second after `backoff`, then after twice as long each, up to `backoff_max`. One that has been
// started again `limit` times within the time `within` is not started once more.
//
//     if (mr_restart_due(&pipeline->supervise, &restarts, mr_mono_ns(), &due_ns))
//         ... start it at due_ns ...
//     else
//         ... that was the limit ...
#ifndef MR_CORE_PIPELINE_RESTART_H
#define MR_CORE_PIPELINE_RESTART_H

#include "core/pipeline/pipeline.h"

// The restarts of one stage that still count.
struct mr_restarts {
    unsigned count;
    int64_t at_ns[MR_RESTART_LIMIT_MAX]; // monotonic, ascending
};

// `node` may be NULL: the defaults.
int mr_supervise_read(const struct mr_node *node, struct mr_supervise *supervise,
                      struct mr_error *err);
// When the next process is to be started, which is noted. False: never, or the limit is reached.
bool mr_restart_due(const struct mr_supervise *supervise, struct mr_restarts *restarts,
                    int64_t now_ns, int64_t *due_ns);

#endif
