// SPDX-License-Identifier: Apache-2.0
// All transports beside each other, and what is said about them.
//
// A *group* is one part and one size of record: its rows compare. The first row is Millrace's, unless it has no
// such record (8 bytes bare); the last of batches is a limit: the records made and
// checked, but not moved.
#ifndef MR_BENCH_PEERS_COMPARE_H
#define MR_BENCH_PEERS_COMPARE_H

#include "cli/pair_rounds.h"

#define COMPARE_ROWS_MAX 12
#define COMPARE_GROUPS_MAX 10

struct compare_group {
    enum mr_pair_part part;
    uint32_t record_bytes;
    struct mr_pair_cell *rows; // among the cells
    unsigned rows_count;
};

struct compare {
    int cores[2];
    int cache_level;
    struct mr_pair_rounds rounds;
    struct mr_pair_cell cells[COMPARE_ROWS_MAX * COMPARE_GROUPS_MAX];
    unsigned cells_count;
    struct compare_group groups[COMPARE_GROUPS_MAX];
    unsigned groups_count;
    struct mr_pair_cell *copies; // blocks of the plain copy
    unsigned copies_count;
    const struct mr_pair_cell *copy; // the fastest; NULL: none was kept
    double copy_bytes_per_second;
};

// ---- what the rows say (compare.c)
// Millrace's row; NULL where it has none. The peer that does best; NULL where none was measured.
const struct mr_pair_cell *compare_ours(const struct compare_group *group);
const struct mr_pair_cell *compare_best_peer(const struct compare_group *group);
bool compare_is_peer(const struct mr_pair_cell *cell); // neither Millrace nor a limit
// A row to Millrace's: how many times as long, or as many. 0: one of them is not there. Round trips each by their
// own probes of the bare line, rates as they are (cli/pair_rounds.h).
double compare_to_ours(const struct compare_group *group, const struct mr_pair_cell *cell);
// To the limit: the bare cache line's round trip, or the bytes of a plain copy.
double compare_to_limit(const struct compare *compare, const struct mr_pair_cell *cell);

// A goal, and whether this run met it.
struct compare_goal {
    const char *name;
    char what[160];
    double goal, found;
    bool at_most;         // else at least
    const char *unjudged; // why this run says nothing about it; NULL: it does
    bool met;
};
#define COMPARE_GOALS_MAX 8
unsigned compare_goals(const struct compare *compare, struct compare_goal *goals);

// ---- what is printed (compare_show.c)
void compare_show(const struct compare *compare, const char *machine);
void compare_json(const struct compare *compare, const char *machine, FILE *out);

#endif
