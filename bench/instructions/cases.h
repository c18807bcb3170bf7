// SPDX-License-Identifier: Apache-2.0
// Counts the machine instructions that a case takes, by asking callgrind (valgrind), under which this program
// runs. A case does its work `count` times; only what stands between count_begin and count_end counts:
//
//     struct tally tally = tally_start("ring claim+commit 64 B");
//     for (...) {
//         ... prepare ...
//         count_begin();
//         ... the work, as often as is said below ...
//         count_end();
//         ... check what came of it ...
//     }
//     tally_finish(&tally, count);
//
// Each case warms up first with the same work, uncounted: count_mute(true) .. count_mute(false). What it
// counted goes to callgrind's file under the case's name; without valgrind the program only checks itself.
#ifndef MR_BENCH_INSTRUCTIONS_CASES_H
#define MR_BENCH_INSTRUCTIONS_CASES_H

#include <stdbool.h>
#include <stdint.h>
#include <valgrind/callgrind.h>

extern bool count_is_mute;

// The same few instructions each time, so batches of at least 32 between the two hide them.
#define count_begin()                                                                              \
    do {                                                                                           \
        if (!count_is_mute)                                                                        \
            CALLGRIND_TOGGLE_COLLECT;                                                              \
    } while (0)
#define count_end() count_begin()

struct tally {
    const char *name;
};
struct tally tally_start(const char *name);
// `count`: how often the work was done.
void tally_finish(const struct tally *tally, uint64_t count);
// Ends the program where a case did not do what it should have.
void expect(bool good, const char *name, const char *what);

#define CASE_RECORDS 8192 // of each case

void count_ring(void);
void count_decode(void);
void count_book(void);
void count_operators(const char *build_directory);
void count_stages(void);
void count_text(void);

#endif
