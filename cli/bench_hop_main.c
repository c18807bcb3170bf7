// SPDX-License-Identifier: Apache-2.0
// `millrace bench hop`: options and what is printed; cli/bench_hop.c measures.
#include <inttypes.h>
#include <stdio.h>

#include "cli/bench_hop.h"
#include "cli/cli.h"

#define MS_MAX 3600000

static int refuse_bad_sizes(const struct mr_hop_options *options, struct mr_error *err)
{
    if (options->rounds >= 1 && options->rounds <= MR_BENCH_ROUNDS_MAX &&
        options->round_trips >= 1 && options->records >= 1 && options->ns_max >= 1000000)
        return MR_OK;
    return mr_fail(err, MR_ERR_USAGE,
                   "found %u rounds, %" PRIu64 " round trips, %" PRIu64 " records, %" PRId64
                   " ms; expected 1 to %d, and at least 1 of the others",
                   options->rounds, options->round_trips, options->records,
                   options->ns_max / 1000000, MR_BENCH_ROUNDS_MAX);
}

int mr_bench_hop_main(int argc, char **argv)
{
    static struct mr_hop_report report;
    bool json = false;
    uint64_t rounds = 5, ms = 100;
    struct mr_hop_options options = {.round_trips = MR_PAIR_TRIPS_MAX, .records = UINT64_MAX};
    const struct mr_arg table[] = {
        {"json", NULL, "print one JSON object", MR_ARG_SWITCH, &json},
        {"rounds", "N", "how often to repeat (default 5)", MR_ARG_COUNT, &rounds},
        {"ms", "N", "of each measurement in a round, at most (default 100)", MR_ARG_COUNT, &ms},
        {"round-trips", "N", "there and back in a round, at most (default 200000)", MR_ARG_COUNT,
         &options.round_trips},
        {"records", "N", "one way in a round, at most (default: as many as the time holds)",
         MR_ARG_COUNT, &options.records},
        {0}};
    const struct mr_usage usage = {
        .command = "bench hop",
        .words = "",
        .about =
            "Records through a ring from one core to another: there and back, one at a time, and "
            "in "
            "batches of each size, beside what the bare cache line and a plain copy take between "
            "the same two cores.",
        .args = table};
    struct mr_arg_list words;
    struct mr_error err;
    char machine[512];
    int code;
    if (!mr_args_parse(&usage, argc, argv, &words, &code))
        return code;
    options.rounds = (unsigned)mr_min_u64(rounds, MR_BENCH_ROUNDS_MAX + 1);
    options.ns_max = (int64_t)mr_min_u64(ms, MS_MAX) * 1000000;
    code = refuse_bad_sizes(&options, &err);
    if (code == MR_OK)
        code = mr_bench_hop(&options, &report, &err);
    mr_bench_machine(machine, sizeof machine);
    if (code == MR_OK && json) {
        mr_bench_hop_json(&report, machine);
    } else if (code == MR_OK) {
        printf("%s\n", machine);
        mr_bench_hop_show(&report);
    }
    mr_bench_hop_free(&report);
    return code == MR_OK ? MR_OK : mr_cli_fail("bench hop", &err);
}
