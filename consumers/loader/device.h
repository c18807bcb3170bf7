// SPDX-License-Identifier: Apache-2.0
// What the loader is at with its device, for those who look (struct mr_device_gauges in the stage's page):
// which call has not returned yet, since when a sync runs, and what is refused for want of room.
//
// A file system that is full, or a quota that is used up, is no failure of a sink: what was refused is asked
// for again, now and then, and meanwhile the stream waits in the ring. Each who waits so holds a refusal:
//
//     if (code != MR_OK && mr_error_is_no_room(err)) {
//         mr_device_refuse(&sink->refusal, err, fd);   // the first one is logged, and shown
//         return MR_OK;                                // ... tried again after MR_DEVICE_RETRY_NS ...
//     }
//     mr_device_accept(&sink->refusal);                // harmless where nothing was refused
//
// One per process: a loader has one page. Without mr_device_show it shows nothing to anybody.
#ifndef MR_CONSUMERS_LOADER_DEVICE_H
#define MR_CONSUMERS_LOADER_DEVICE_H

#include "core/atomic.h"
#include "core/pipeline/stage.h"

#define MR_DEVICE_RETRY_NS 100000000LL

extern struct mr_device_gauges *mr_device_gauges; // never NULL

// From now on what happens is shown there; NULL: nowhere.
void mr_device_show(struct mr_device_gauges *gauges);

// Around a call that may take as long as the device pleases, or several of them, which may tell more of
// themselves. Two stores to a line of the loader's own. Returns what it is part of, for its end.
static inline uint32_t mr_device_call_begins(enum mr_device_call call)
{
    uint32_t outer = mr_load_relaxed_u32(&mr_device_gauges->call);
    mr_store_relaxed_u32(&mr_device_gauges->call, (uint32_t)call);
    return outer;
}
static inline void mr_device_call_ends(uint32_t outer)
{
    mr_store_relaxed_u32(&mr_device_gauges->call, outer);
}
// The oldest sync that is under way was begun then; 0: none is.
static inline void mr_device_syncs_since(int64_t since_ns)
{
    mr_store_relaxed_u64((uint64_t *)&mr_device_gauges->syncing_since_ns, (uint64_t)since_ns);
}

struct mr_refusal {
    bool held;
};
// `err` is for want of room. fd: a file on that file system, or -1. Asked again before it was accepted,
// it only goes on.
void mr_device_refuse(struct mr_refusal *refusal, const struct mr_error *err, int fd);
void mr_device_accept(struct mr_refusal *refusal);
// Somebody waits for room.
bool mr_device_is_refused(void);

#endif
