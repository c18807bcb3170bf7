// SPDX-License-Identifier: Apache-2.0
// The bare relay: what is left of the trio at a rate when there is nothing in it. Three processes on two cores
// pass 64 bytes on, and the last one writes them to a file: no records, no rings, no counts, nothing that
// survives a kill. The first and the last share a core and give it to each other, the second one has the other
// to itself, as with `placement: auto` where there are two cores. From the moment a record was due until the
// write has returned takes what the machine takes: a switch from one process to another, two cache lines, one
// short write.
#ifndef MR_CLI_BENCH_RAW_RELAY_H
#define MR_CLI_BENCH_RAW_RELAY_H

#include "core/error.h"
#include "core/histogram.h"

#define MR_RAW_RELAY_RATE_MAX 200000.0 // above it a switch a record is more than there is time for

// Adds the ages of a fifth of a second's records to handed_ns; the file is made in `directory`, and removed.
// MR_ERR_LIMIT with one core, MR_ERR_OUTPUT, MR_ERR_MEMORY, MR_ERR_STAGE.
int mr_bench_raw_relay(const char *directory, double rate, struct mr_histogram *handed_ns,
                       struct mr_error *err);

#endif
