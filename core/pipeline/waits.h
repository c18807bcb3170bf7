// SPDX-License-Identifier: Apache-2.0
// Who waits for whom, for what, since when: put together by whoever looks, from a report. No supervisor and
// no stage has to live for it.
//
// A stage waits for its input, for room in an output ring, or for its device (struct mr_stage_gauges). Each
// of these has one cause next to it: the stage before it, the reader of that ring, the disk. From one to the
// next they make a chain, whose end is what there is to do something about:
//
//     the producer waits 3.2 s for room in the ingress ring: the transform waits 3.1 s for room in the egress
//     ring: the loader waits 4.0 s for room on its file system: /data/j: cannot preallocate a segment: ...
//
//     char text[MR_WAITS_TEXT_BYTES];
//     if (mr_waits_chain(report, text, sizeof text) != MR_CHAIN_NONE) puts(text);
#ifndef MR_CORE_PIPELINE_WAITS_H
#define MR_CORE_PIPELINE_WAITS_H

#include "core/pipeline/report.h"

#define MR_WAITS_TEXT_BYTES 1024
#define MR_WAITS_KINDS 4 // mr_wait_for

struct mr_waits {
    enum mr_wait_for what;   // now; MR_WAIT_NOTHING where its process is gone, too
    int64_t lasted_ns;       // so far
    int64_t since_wall_ns;   // since when, wall clock; 0: it does not wait
    const char *whom;        // "source", "producer", "transform", "loader", "device", or ""
    enum mr_ring_index ring; // MR_WAIT_OUTPUT: which one is full
    uint64_t total_ns[MR_WAITS_KINDS]; // the wait at hand included
    double share[MR_WAITS_KINDS];      // of the time since its first process was there
    int64_t beat_age_ns;               // since its last sign of life; 0 where its process is gone
};
void mr_waits_of(const struct mr_report *report, enum mr_role role, struct mr_waits *out);

// What the loader is at with its device.
struct mr_device_waits {
    bool no_room;                  // a file system is full, or a quota used up
    int64_t no_room_ns;            // for so long
    int64_t no_room_since_wall_ns; // since when; 0: there is room
    int64_t syncing_ns;            // the oldest sync under way was begun so long ago; 0: none is
    const char *call; // "none", "write", "sync", "reserve", "change": one that has not returned ...
    int64_t call_ns;  // ... since the last sign of life before it
};
void mr_waits_device(const struct mr_report *report, struct mr_device_waits *out);

enum mr_chain {
    MR_CHAIN_NONE,    // nothing worth naming: each wait is short
    MR_CHAIN_IDLE,    // all wait for the source: there is nothing to do
    MR_CHAIN_PRESSED, // somebody waits for room, or for the device
    MR_CHAIN_STALLED, // at the end stands a stage that shows no sign of life
    MR_CHAIN_BROKEN,  // at the end stands a stage whose process is gone
};
// One sentence, without a full stop; empty with MR_CHAIN_NONE.
enum mr_chain mr_waits_chain(const struct mr_report *report, char *out, size_t out_bytes);
const char *mr_chain_name(enum mr_chain chain); // "none", "idle", "pressed", "stalled", "broken"
// For one that has told the run to drain: a warning that says for what that waits, where it does.
void mr_waits_warn_draining(const struct mr_pipeline *pipeline);
// "the transform", "room in the ingress ring", "its device" ...: what a stage waits for, as said of it.
const char *mr_waits_for_text(const struct mr_waits *waits, enum mr_role role, char *out,
                              size_t out_bytes);

#endif
