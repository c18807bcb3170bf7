// SPDX-License-Identifier: Apache-2.0
// One ITCH message on its way into the ring, whichever way it came: file or network capture.
#ifndef MR_PRODUCERS_ITCH_FEED_H
#define MR_PRODUCERS_ITCH_FEED_H

#include "core/formats/itch.h"
#include "producers/source.h"

struct mr_itch_feed {
    const char *path; // for error sentences
    int64_t midnight_ns;
    struct mr_itch_symbols symbols;
};

struct mr_itch_arrival {
    const uint8_t *bytes;
    size_t length;
    uint64_t sequence;
    uint64_t offset;         // where it stands: byte of the file, or number of the packet
    const char *offset_kind; // "byte" or "packet"
    int64_t ingest_time_ns;  // 0: the message's own time
    uint16_t flags;          // added to the record's
};

// Counts the message as taken in and gives it its fate: a record, dropped (ring full), or rejected
// with its reason. False where the stage was halted: the message has no fate yet and the batch is
// void.
bool mr_itch_feed_take(struct mr_source_run *run, struct mr_itch_feed *feed,
                       const struct mr_itch_arrival *arrival);

#endif
