// SPDX-License-Identifier: Apache-2.0
// Dead or stalled. A stage is dead when its lock is free: whoever holds it lives, whatever a pid says (pids
// are reused). A stage whose lock is held and whose heart has not beaten for a second is stalled: stopped by a
// signal, fast in a call to a device, or without a processor. Its place is never taken while it lives; one says so,
// and waits.
//
//     struct mr_stall stall;
//     mr_stall_look(&stall, &page->gauges, mr_mono_ns());
//     if (stall.since_ns) ... "no sign of life for %.1f s: %s", mr_stall_text(stall.cause)
#ifndef MR_CORE_PIPELINE_STALL_H
#define MR_CORE_PIPELINE_STALL_H

#include "core/pipeline/stage.h"

#define MR_STALL_AFTER_NS 1000000000LL

enum mr_stall_cause {
    MR_STALL_NONE,
    MR_STALL_STOPPED, // by SIGSTOP, a terminal or a debugger
    MR_STALL_DEVICE,  // in a call to a device that does not return
    MR_STALL_BUSY,    // it computes, or is given no processor
    MR_STALL_ASLEEP,  // in the kernel, for something else
};

struct mr_stall {
    int64_t since_ns; // monotonic: its last sign of life; 0: it is not stalled
    enum mr_stall_cause cause;
};

// For a stage whose lock is held.
void mr_stall_look(struct mr_stall *stall, const struct mr_stage_gauges *gauges, int64_t now_ns);
const char *mr_stall_name(enum mr_stall_cause cause); // "none", "stopped", "device", ...
const char *mr_stall_text(enum mr_stall_cause cause); // the same as part of a sentence

#endif
