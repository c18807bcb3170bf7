// SPDX-License-Identifier: Apache-2.0
// The bare relay: what is left of the trio at a rate when there is nothing in it. Three processes on two cores
// pass 64 bytes on, and the last one writes them to a file: no records, no rings, no counts, nothing that
// survives a kill. The first and the last share a core and give it to each other, the second one has the other
// to itself, as with `placement: auto` where there are two cores. From the moment a record was due until the
// write has returned takes what the machine takes: a switch from one process to another, two cache lines, one
// short write.
//
// Up to MR_RAW_RELAY_SWITCH_RATE_MAX the first one yields after each record. Above it there is no time for a
// switch a record: it keeps the core for some microseconds, then yields, and the last one writes what there is at
// once. How long is best depends on what a switch and a write take, so 4, 6, 8 and 10 us are tried; the least
// median counts.
#ifndef MR_CLI_BENCH_RAW_RELAY_H
#define MR_CLI_BENCH_RAW_RELAY_H

#include "core/error.h"

#define MR_RAW_RELAY_SWITCH_RATE_MAX 200000.0 // records/s, with a switch for each
#define MR_RAW_RELAY_RATE_MAX 1000000.0

struct mr_raw_relay {
    double p50_ns, p99_ns; // of the records' ages when the write had returned; 0: none found yet
};

// A fifth of a second, or four tenths in turn: the probe with the least p50 is put into *least where it is less
// than the one that stands there. The file is made in `directory`, and removed. MR_ERR_LIMIT with one core,
// MR_ERR_OUTPUT, MR_ERR_MEMORY, MR_ERR_STAGE.
int mr_bench_raw_relay(const char *directory, double rate, struct mr_raw_relay *least,
                       struct mr_error *err);

#endif
