// SPDX-License-Identifier: Apache-2.0
// `millrace bench`: a table of benchmarks, one or two files each (cli/bench_<name>*.c), and what they
// share. A benchmark gets its own name as argv[0], has options of its own, and returns an exit code
// (core/error.h). With --json it prints one JSON object: what was measured, the raw limit of the same
// run, and the ratio of the two.
//
// A new one is a line in the table of cli/bench.c and a main here.
#ifndef MR_CLI_BENCH_H
#define MR_CLI_BENCH_H

#include "core/histogram.h"

#define MR_BENCH_ROUNDS_MAX 31

struct mr_bench {
    const char *name;
    const char *about; // one line
    int (*main)(int argc, char **argv);
};
extern const struct mr_bench mr_benches[]; // ended by a NULL name

int mr_bench_hop_main(int argc, char **argv);
int mr_bench_itch_main(int argc, char **argv);
int mr_bench_trio_main(int argc, char **argv);
int mr_bench_sink_main(int argc, char **argv);
int mr_bench_hiccup_main(int argc, char **argv);
// Without a word behind it: what a user wants to know of his machine.
int mr_bench_all_main(int argc, char **argv);

// ---- for all of them (cli/bench_show.c)
// The median of `count` values, which are sorted by it.
double mr_bench_median(double *values, unsigned count);
// One line about the machine: CPU, cores, kernel, clock source.
void mr_bench_machine(char *out, size_t out_bytes);
// A row: minimum, median and maximum over the rounds; the values are left sorted.
void mr_bench_show_rounds(const char *what, double *values, unsigned count, const char *unit);
// A row: p50, p90, p99, p99.9, p99.99, max and count; and the heading above such rows.
void mr_bench_show_distribution(const char *what, const struct mr_histogram *histogram);
void mr_bench_show_distribution_heading(const char *what);
// HdrHistogram's percentile text, in microseconds. MR_ERR_OUTPUT.
int mr_bench_save_hgrm(const struct mr_histogram *histogram, const char *path,
                       struct mr_error *err);

#endif
