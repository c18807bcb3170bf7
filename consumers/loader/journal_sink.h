// SPDX-License-Identifier: Apache-2.0
// Options of the journal sink, for the loader, which keeps its dead letters in journals of their
// own.
#ifndef MR_CONSUMERS_LOADER_JOURNAL_SINK_H
#define MR_CONSUMERS_LOADER_JOURNAL_SINK_H

#include "consumers/loader/sink.h"

struct mr_journal_options {
    const char *path;
    int durability; // mr_durability
    int existing;   // mr_existing
    uint64_t segment_bytes;
    int64_t roll_after_ns;
    uint64_t sync_bytes;
    int64_t sync_interval_ns;
    bool direct;
    int64_t checkpoint_interval_ns; // of the session (core/pipeline/session.h)
};

extern const struct mr_sink mr_sink_journal;

#endif
