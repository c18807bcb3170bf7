// SPDX-License-Identifier: Apache-2.0
// How fast an exchange's feed goes: a synthetic session (gen/itch_session.h) with as many live orders as a
// busy day, decoded on one core, applied to every symbol's order book on one core, and from file through
// the real three processes into a journal.
//
// Nothing is taken on trust. Every decoded record is encoded again and compared with its message. The best
// quotes and trades of each way are compared, all of them and in order, with those of a second book that
// is as simple as it can be (cli/bench_itch_reference.h). What is checked is not timed.
#ifndef MR_CLI_BENCH_ITCH_H
#define MR_CLI_BENCH_ITCH_H

#include "cli/bench.h"
#include "cli/bench_itch_digest.h"
#include "cli/bench_scratch.h"

struct mr_itch_bench_options {
    uint64_t messages, seed, symbols;
    uint64_t live; // orders in the books at a time, about
    const char *durability;
    const char *directory; // where session and journal are written; NULL: $TMPDIR or /tmp
    unsigned rounds;       // 1 to MR_BENCH_ROUNDS_MAX
};

// The session in memory, and what must come of it.
struct mr_itch_feed {
    uint8_t *bytes;
    size_t length;
    uint64_t messages;
    uint64_t by_type[256]; // by type letter
    struct mr_itch_digest expected;
    uint64_t orders_live; // when the session is over
};

struct mr_itch_bench_round {
    double decode_ns, book_ns; // a message, mean of the round
    double trio_per_second;    // messages, first taken in to last result written
    double tuned_per_second;   // the same with placement, huge pages, prefault, a short ring
    double copy_ns;            // a message's bytes copied in memory
    double line_ns,
        line_ahead_ns; // a random line of as much memory as the orders take; known 16 ahead
};

// Latencies in these histograms are hundredths of a ns a message, over blocks of MR_ITCH_BLOCK messages.
#define MR_ITCH_BLOCK 512
struct mr_itch_bench_report {
    unsigned rounds;
    uint64_t messages, bytes, orders_live;
    double
        raw_rtt_ns; // the bare cache line there and back, the least of before and after; 0: one core
    struct mr_itch_digest found; // the same in every round and way
    uint64_t by_type[256];
    struct mr_histogram decode, book;
    struct mr_itch_bench_round round[MR_BENCH_ROUNDS_MAX];
};

// MR_ERR_CORRUPT where a message, a record or a result is not what it must be, MR_ERR_BALANCE where the
// counts of the three processes disagree, MR_ERR_STAGE after a signal.
int mr_bench_itch(const struct mr_itch_bench_options *options, struct mr_itch_bench_report *report,
                  struct mr_error *err);

// ---- its parts
// cli/bench_itch_core.c: once through the feed on this core; fills decode_ns and book_ns.
int mr_itch_bench_core(const struct mr_itch_feed *feed, struct mr_itch_bench_report *report,
                       struct mr_itch_bench_round *round, struct mr_error *err);
// cli/bench_itch_raw.c: what memory itself takes.
int mr_itch_bench_raw(const struct mr_itch_feed *feed, struct mr_itch_bench_round *round,
                      struct mr_error *err);
// cli/bench_itch_trio.c: from `session` (a file with the feed's bytes) into a journal, with what a pipeline file
// says of itself, or tuned as docs/TUNING.md says.
int mr_itch_bench_trio(const struct mr_itch_feed *feed, const struct mr_itch_bench_options *options,
                       const struct mr_bench_scratch *scratch, const char *session, bool tuned,
                       double *per_second, struct mr_error *err);
// Memory for what the ways on one core work in: zeroed, on huge pages where the kernel grants them, as the tuned
// three processes are. NULL: none. Given back with free().
void *mr_itch_bench_memory(uint64_t bytes);
// Limits of the book that every way is given.
#define MR_ITCH_BENCH_ORDERS_MAX (1u << 21)
#define MR_ITCH_BENCH_LEVELS_MAX (1u << 20)

#endif
