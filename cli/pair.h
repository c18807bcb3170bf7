// SPDX-License-Identifier: Apache-2.0
// Two processes, each pinned to a core of its own, that pass records through some transport: the one
// harness for Millrace's ring (`millrace bench hop`) and for its peers (`make bench-peers`).
//
// A transport is two channels, there and back. Side 0 makes records and sends them; side 1 looks at
// every byte of every record it gets, and so does side 0 with what comes back:
//
//   round trip       one record goes there and comes back before the next is made
//   one at a time    side 0 sends record after record, each by itself; side 1 takes each by itself
//   batch            the same in batches of MR_PAIR_BATCH, by the transport's own call for it if it has one
//
// The transports give send, receive and idle; the loops around them, what is in a record and how it is
// checked stand in cli/pair_loops.h and are the same for all. They are compiled into each transport for
// each size of record, so that no call through a pointer stands between records.
//
// In the same two processes, right before and right after each measurement, a bare cache line goes to and
// fro: the least that these two cores can take at that time. A measurement counts beside others only
// where both probes say that the machine was the same (cli/pair_rounds.h).
#ifndef MR_CLI_PAIR_H
#define MR_CLI_PAIR_H

#include "core/error.h"
#include "core/histogram.h"

#ifdef __cplusplus
extern "C" {
#endif

#define MR_PAIR_BATCH 32
// Records that a channel holds, in bytes: more than the cores' own caches and less than the one they share. Then
// records reach the reader by way of that one, which moves up to three times as much as from cache to cache.
#define MR_PAIR_CHANNEL_BYTES (4u << 20)
#define MR_PAIR_TRIPS_MAX 200000

enum mr_pair_part { MR_PAIR_ROUND_TRIP, MR_PAIR_ONE_AT_A_TIME, MR_PAIR_BATCHES };

struct mr_pair_shared; // what the two processes share beside the channels; cli/pair.c

// One of the two processes, as the loops see it.
struct mr_pair_side {
    struct mr_pair_shared *shared;
    int index; // 0 or 1
    unsigned phase;
    void *out, *in;       // the transport's: where this side writes, where it reads
    uint64_t sent;        // sequence of the next record to make
    uint64_t received;    // sequence of the next record to expect
    uint64_t records_max; // of this phase, on top of what was before
    uint64_t deadline_tick;
    int64_t patience_until_ns; // for the record that is expected since `looks` was 0
    uint64_t looks;            // in vain, for the record `looked_for`
    uint64_t looked_for;
    // Round trips: when each was sent and had come back (side 0), when it had come (side 1).
    uint64_t *started, *returned, *arrived;
};
typedef void mr_pair_loop(struct mr_pair_side *side);

// The loops for one size of record, made by MR_PAIR_LOOPS.
struct mr_pair_loops {
    uint32_t record_bytes;
    mr_pair_loop *ping, *echo;
    mr_pair_loop *send_one, *receive_one;
    mr_pair_loop *send_batch, *receive_batch;
};

struct mr_pair_transport {
    const char *name;
    const char *how; // it is used, in a few words
    // Before the two processes part: makes both channels.
    int (*open)(void **state, uint32_t record_bytes, struct mr_error *err);
    // In each of the two: finds its ends. Side 0 writes there and reads back, side 1 the other way.
    int (*join)(void *state, int side, void **out, void **in, struct mr_error *err);
    void (*leave)(void *state, int side); // may be NULL
    void (*close)(void *state);
    const struct mr_pair_loops *loops;
    unsigned loops_count;
};

struct mr_pair_plan {
    int cores[2];
    uint64_t trips_max;   // round trips, up to MR_PAIR_TRIPS_MAX; or
    uint64_t records_max; // records one way; or
    int64_t ns_max;       // the time that they take, whichever comes first
    uint64_t raw_trips;   // of each probe of the bare cache line
};

struct mr_pair_result {
    double raw_rtt_ns[2]; // bare cache line there and back, median: right before, right after
    uint64_t records;     // that were measured; each was checked
    int64_t ns;           // that they took, from the first one's making to the last one's check
    struct mr_histogram round_trip_ns,
        one_way_ns; // MR_PAIR_ROUND_TRIP: one trip each, two ways each
};

// MR_ERR_CORRUPT where a record came wrong, out of order, or not at all: err says which one, the byte, what
// was found and expected. MR_ERR_STAGE where a process died.
int mr_pair_run(const struct mr_pair_transport *transport, const struct mr_pair_loops *loops,
                enum mr_pair_part part, const struct mr_pair_plan *plan,
                struct mr_pair_result *result, struct mr_error *err);
// NULL where the transport has no records of that size.
const struct mr_pair_loops *mr_pair_loops_of(const struct mr_pair_transport *transport,
                                             uint32_t record_bytes);

// Memory that both processes see, zeroed and present; NULL: failed. The same address in both.
void *mr_pair_map(size_t bytes);
void mr_pair_unmap(void *memory, size_t bytes);
// The largest power of two of records of this size that a channel's bytes hold.
uint32_t mr_pair_slots(uint32_t record_bytes);

// Called by the loops where there is nothing to do: false where there will never be anything more.
bool mr_pair_wait(struct mr_pair_side *side);
// The same by a sender whose channel is full: false where the other side has given up.
bool mr_pair_wait_for_space(struct mr_pair_side *side);
// Says that this record is not the one that was sent, and gives up.
void mr_pair_refuse(struct mr_pair_side *side, const void *record, uint32_t record_bytes,
                    uint64_t sequence);

extern const struct mr_pair_transport mr_pair_millrace; // Millrace's own ring
extern const struct mr_pair_transport mr_pair_copy;     // limit: a plain copy, blocks for records
extern const struct mr_pair_transport
    mr_pair_handling; // limit: records made and checked, but not moved

#ifdef __cplusplus
}
#endif
#endif
