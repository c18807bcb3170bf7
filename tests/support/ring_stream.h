// SPDX-License-Identifier: Apache-2.0
// A stream of records whose length and bytes follow from their sequence numbers, so that whoever
// reads one can tell whether it is whole. One function per side; each runs in a process or thread
// of its own.
//
// Most records are small, as in life; every 32nd takes the next size of a sweep from 1 byte of
// payload to a quarter of the ring, so that every size meets every place of the ring sooner or
// later.
#ifndef MR_TESTS_SUPPORT_RING_STREAM_H
#define MR_TESTS_SUPPORT_RING_STREAM_H

#include "ringbuf/tap.h"
#include "ringbuf/wait.h"

struct ring_stream {
    struct mr_ring *ring;
    uint64_t records;
    enum mr_wait_strategy wait;
    unsigned processes;       // that want a core, for MR_WAIT_AUTO
    bool progress;            // the reader prints how far it is
    uint32_t small_bytes_max; // payload of the small ones; 0: 120
    uint64_t sweep_every;     // which record takes the next size of the sweep; 0: every 32nd
};

// What a side found; `failure` is empty where all is well.
struct ring_stream_result {
    uint64_t records;
    uint64_t bytes;
    uint64_t
        dropped; // writer: under MR_FULL_DROP_NEWEST. reader and tap: sequence numbers not seen
    char failure[256];
};

uint32_t ring_stream_length(const struct ring_stream *stream, uint64_t sequence);
void ring_stream_fill(struct mr_record *record, uint32_t length, uint64_t sequence);
bool ring_stream_is_whole(const struct ring_stream *stream, const struct mr_record *record,
                          uint32_t length);

void ring_stream_write(const struct ring_stream *stream, struct ring_stream_result *result);
void ring_stream_read(const struct ring_stream *stream, struct ring_stream_result *result);
// Looks on through a tap until the end of the stream, slower than the stream is.
void ring_stream_tap(const struct ring_stream *stream, struct ring_stream_result *result);

// MILLRACE_STRESS_RECORDS where it is set, else `fallback`.
uint64_t ring_stream_records(uint64_t fallback);

#endif
