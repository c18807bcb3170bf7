// SPDX-License-Identifier: Apache-2.0
// `millrace bench hop`: options and what is printed; cli/bench_hop.c measures.
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cli/bench_hop.h"
#include "cli/cli.h"
#include "core/clock.h"

static double median_u64(const uint64_t *values, unsigned count)
{
    double sorted[MR_BENCH_ROUNDS_MAX];
    for (unsigned i = 0; i < count; i++)
        sorted[i] = (double)values[i];
    return mr_bench_median(sorted, count);
}

static void print_hop(struct mr_hop_report *report)
{
    double hop[MR_BENCH_ROUNDS_MAX], raw[MR_BENCH_ROUNDS_MAX], ratio[MR_BENCH_ROUNDS_MAX];
    double rate[MR_BENCH_ROUNDS_MAX];
    for (unsigned i = 0; i < report->rounds; i++) {
        hop[i] = (double)report->hop_p50_ns[i];
        raw[i] = (double)report->raw_p50_ns[i];
        ratio[i] = raw[i] > 0 ? hop[i] / raw[i] : 0;
        rate[i] = report->records_per_second[i] / 1e6;
    }
    printf("\none hop of a 64-byte record, cores %d and %d, half of the round trip, %u rounds\n",
           report->cores[0], report->cores[1], report->rounds);
    printf("  %-28s %12s %12s %12s\n", "", "min", "median", "max");
    mr_bench_show_rounds("ring hop p50", hop, report->rounds, "ns");
    mr_bench_show_rounds("cache line alone p50", raw, report->rounds, "ns");
    mr_bench_show_rounds("ratio", ratio, report->rounds, "");
    mr_bench_show_rounds("one way, batches of 64", rate, report->rounds, "M records/s");
    mr_bench_show_distribution_heading("ns, all rounds");
    mr_bench_show_distribution("ring hop", &report->hop_ns);
    mr_bench_show_distribution("cache line alone", &report->raw_ns);
    printf("every record's sequence and content were checked\n");
}

static void print_hop_json(const struct mr_hop_report *report, const char *machine)
{
    printf("{\"bench\": \"hop\", \"machine\": \"%s\", \"record_bytes\": 64, \"batch_records\": 64, "
           "\"cores\": [%d, %d], \"rounds\": [",
           machine, report->cores[0], report->cores[1]);
    for (unsigned i = 0; i < report->rounds; i++)
        printf("%s{\"hop_p50_ns\": %" PRIu64 ", \"raw_p50_ns\": %" PRIu64
               ", \"records_per_second\": %.0f}",
               i ? ", " : "", report->hop_p50_ns[i], report->raw_p50_ns[i],
               report->records_per_second[i]);
    printf("], \"hop_p50_ns\": %.0f, \"raw_p50_ns\": %.0f, \"hop_p99_ns\": %" PRIu64
           ", \"raw_p99_ns\": %" PRIu64 "}\n",
           median_u64(report->hop_p50_ns, report->rounds),
           median_u64(report->raw_p50_ns, report->rounds),
           mr_histogram_percentile(&report->hop_ns, 99),
           mr_histogram_percentile(&report->raw_ns, 99));
}

static int refuse_bad_sizes(const struct mr_hop_options *options, struct mr_error *err)
{
    if (options->rounds >= 1 && options->rounds <= MR_BENCH_ROUNDS_MAX &&
        options->round_trips >= 10 && options->records >= 1)
        return MR_OK;
    return mr_fail(err, MR_ERR_USAGE,
                   "found %u rounds, %" PRIu64 " round trips, %" PRIu64
                   " records; expected 1 to %d, at least 10, at least 1",
                   options->rounds, options->round_trips, options->records, MR_BENCH_ROUNDS_MAX);
}

int mr_bench_hop_main(int argc, char **argv)
{
    static struct mr_hop_report report;
    bool json = false;
    uint64_t rounds = 5;
    struct mr_hop_options options = {.round_trips = 200000, .records = 5000000};
    const struct mr_arg table[] = {
        {"json", NULL, "print one JSON object", MR_ARG_SWITCH, &json},
        {"rounds", "N", "how often to repeat (default 5)", MR_ARG_COUNT, &rounds},
        {"round-trips", "N", "there and back, per round (default 200000)", MR_ARG_COUNT,
         &options.round_trips},
        {"records", "N", "one way, per round (default 5000000)", MR_ARG_COUNT, &options.records},
        {0}};
    const struct mr_usage usage = {
        .command = "bench hop",
        .words = "",
        .about = "One record through a ring from one core to another, beside what the bare cache "
                 "line takes between the same two cores.",
        .args = table};
    struct mr_arg_list words;
    struct mr_error err;
    char machine[512];
    int code;
    if (!mr_args_parse(&usage, argc, argv, &words, &code))
        return code;
    options.rounds = rounds <= MR_BENCH_ROUNDS_MAX ? (unsigned)rounds : MR_BENCH_ROUNDS_MAX + 1;
    code = refuse_bad_sizes(&options, &err);
    if (code == MR_OK)
        code = mr_bench_hop(&options, &report, &err);
    if (code != MR_OK)
        return mr_cli_fail("bench hop", &err);
    mr_bench_machine(machine, sizeof machine);
    if (json) {
        print_hop_json(&report, machine);
    } else {
        printf("%s\n", machine);
        print_hop(&report);
    }
    return MR_OK;
}
