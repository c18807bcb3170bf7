// SPDX-License-Identifier: Apache-2.0
// How fast one core reads an exchange's feed: a synthetic session (gen/itch_session.h) in memory, decoded
// message by message, and decoded and applied to every symbol's order book. No rings, no files: the
// ceiling of what the trio can do with one feed.
#ifndef MR_CLI_BENCH_ITCH_H
#define MR_CLI_BENCH_ITCH_H

#include "cli/bench.h"

struct mr_itch_bench_options {
    uint64_t messages;
    uint64_t seed;
    unsigned rounds; // 1 to MR_BENCH_ROUNDS_MAX
};

struct mr_itch_bench_report {
    unsigned rounds;
    uint64_t messages, bytes;
    uint64_t orders_live; // when the session is over
    double decoded_per_second[MR_BENCH_ROUNDS_MAX];
    double booked_per_second[MR_BENCH_ROUNDS_MAX];
};

// MR_ERR_CORRUPT where a message does not decode or an order that was never added is referred to: the
// generator's sessions have none such.
int mr_bench_itch(const struct mr_itch_bench_options *options, struct mr_itch_bench_report *report,
                  struct mr_error *err);

#endif
