// SPDX-License-Identifier: Apache-2.0
// What the journal sink takes, flat out, beside what the same file system takes from a bare loop of
// writes (cli/bench_raw_write.h) in the same minute, in turn with it.
//
//   sink   a ring is filled with records whose content and checksums were made beforehand, so that
//          their writer costs little, and a real loader process writes them out. Time runs from the first publish until the last record is released: in the page
//          cache (durability none) or synced. Then the journal is read back, and every record's
//          checksum, sequence and content are checked.
//   raw    the same bytes in several ways; the best way's median is the limit.
//   fed    the same ways, for bytes that another process has just copied into shared memory: what is left for
//          any sink of a ring to reach.
//
// Everything is made in a directory of its own below `path`, and below the shared-memory root, and is
// taken away again, also when a signal ends it.
#ifndef MR_CLI_BENCH_SINK_H
#define MR_CLI_BENCH_SINK_H

#include "cli/bench.h"
#include "cli/bench_raw_write.h"

struct mr_sink_bench_options {
    const char *path;
    enum mr_durability durability;
    bool direct;
    uint64_t bytes; // of each round: whole laps of the ring
    uint64_t record_bytes;
    uint64_t ring_bytes;    // of the ring that feeds the loader; a power of two
    uint64_t segment_bytes; // of the journal
    unsigned rounds;
};

struct mr_sink_bench_report {
    uint64_t records, bytes; // of a round, as they stand in the journal
    unsigned rounds;
    double
        raw_rtt_ns; // the bare cache line there and back, the least of before and after; 0: one core
    double bytes_per_second[MR_BENCH_ROUNDS_MAX];
    double
        cpu_s_per_gb[MR_BENCH_ROUNDS_MAX]; // user and system, of the loader and its kernel workers
    struct mr_histogram durable_ns;        // published to released
    uint32_t io_backend;
    struct mr_raw_way ways[2 * MR_RAW_WAYS_MAX]; // each, then each fed
    unsigned way_count;
    double raw_per_second[2 * MR_RAW_WAYS_MAX][MR_BENCH_ROUNDS_MAX]; // 0: the way is not open here
    double raw_cpu_s_per_gb[2 * MR_RAW_WAYS_MAX][MR_BENCH_ROUNDS_MAX];
    unsigned best_way, best_fed;
    char file_system[32];
};

// MR_ERR_CORRUPT where a record came wrong, MR_ERR_STAGE after a signal.
int mr_bench_sink(const struct mr_sink_bench_options *options, struct mr_sink_bench_report *report,
                  struct mr_error *err);

#endif
