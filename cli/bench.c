// SPDX-License-Identifier: Apache-2.0
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cli/bench_itch.h"
#include "cli/cli.h"
#include "core/clock.h"

struct bench_options {
    bool json;
    uint64_t rounds, round_trips, records, messages, seed;
};

static double median_u64(const uint64_t *values, unsigned count)
{
    double sorted[MR_BENCH_ROUNDS_MAX];
    for (unsigned i = 0; i < count; i++)
        sorted[i] = (double)values[i];
    return mr_bench_median(sorted, count);
}

// Minimum, median and maximum over the rounds; the values are left sorted.
static void print_rounds(const char *what, double *values, unsigned count, const char *unit)
{
    double median = mr_bench_median(values, count);
    printf("  %-28s %12.2f %12.2f %12.2f  %s\n", what, values[0], median, values[count - 1], unit);
}

static void print_distribution(const char *what, const struct mr_histogram *histogram)
{
    static const double percents[] = {50, 90, 99, 99.9, 99.99};
    printf("  %-28s", what);
    for (size_t i = 0; i < MR_COUNT_OF(percents); i++)
        printf(" %9" PRIu64, mr_histogram_percentile(histogram, percents[i]));
    printf(" %9" PRIu64 "  %" PRIu64 "\n", histogram->max_ns, histogram->count);
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
    print_rounds("ring hop p50", hop, report->rounds, "ns");
    print_rounds("cache line alone p50", raw, report->rounds, "ns");
    print_rounds("ratio", ratio, report->rounds, "");
    print_rounds("one way, batches of 64", rate, report->rounds, "M records/s");
    printf("  %-28s %9s %9s %9s %9s %9s %9s  count\n", "ns, all rounds", "p50", "p90", "p99",
           "p99.9", "p99.99", "max");
    print_distribution("ring hop", &report->hop_ns);
    print_distribution("cache line alone", &report->raw_ns);
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

static int bench_hop(const struct bench_options *options)
{
    static struct mr_hop_report report;
    struct mr_error err;
    char machine[512];
    struct mr_hop_options hop = {options->round_trips, options->records, (unsigned)options->rounds};
    int code = mr_bench_hop(&hop, &report, &err);
    if (code != MR_OK)
        return mr_cli_fail("bench", &err);
    mr_bench_machine(machine, sizeof machine);
    if (options->json) {
        print_hop_json(&report, machine);
    } else {
        printf("%s\n", machine);
        print_hop(&report);
    }
    return MR_OK;
}

static void print_itch(struct mr_itch_bench_report *report)
{
    for (unsigned i = 0; i < report->rounds; i++) {
        report->decoded_per_second[i] /= 1e6;
        report->booked_per_second[i] /= 1e6;
    }
    printf("\na synthetic ITCH 5.0 session of %" PRIu64 " messages (%" PRIu64
           " MB) in memory, one core, %u rounds\n",
           report->messages, report->bytes / 1000000, report->rounds);
    printf("  %-28s %12s %12s %12s\n", "", "min", "median", "max");
    print_rounds("decoded", report->decoded_per_second, report->rounds, "M messages/s");
    print_rounds("decoded and booked", report->booked_per_second, report->rounds, "M messages/s");
    printf("every reference was found in the book; %" PRIu64 " orders live at the end\n",
           report->orders_live);
}

static void print_itch_json(struct mr_itch_bench_report *report, const char *machine)
{
    printf("{\"bench\": \"itch\", \"machine\": \"%s\", \"messages\": %" PRIu64
           ", \"bytes\": %" PRIu64 ", \"rounds\": [",
           machine, report->messages, report->bytes);
    for (unsigned i = 0; i < report->rounds; i++)
        printf("%s{\"decoded_per_second\": %.0f, \"booked_per_second\": %.0f}", i ? ", " : "",
               report->decoded_per_second[i], report->booked_per_second[i]);
    printf("], \"decoded_per_second\": %.0f, \"booked_per_second\": %.0f}\n",
           mr_bench_median(report->decoded_per_second, report->rounds),
           mr_bench_median(report->booked_per_second, report->rounds));
}

static int bench_itch(const struct bench_options *options)
{
    static struct mr_itch_bench_report report;
    struct mr_error err;
    char machine[512];
    struct mr_itch_bench_options itch = {options->messages, options->seed,
                                         (unsigned)options->rounds};
    if (mr_bench_itch(&itch, &report, &err) != MR_OK)
        return mr_cli_fail("bench", &err);
    mr_bench_machine(machine, sizeof machine);
    if (options->json) {
        print_itch_json(&report, machine);
    } else {
        printf("%s\n", machine);
        print_itch(&report);
    }
    return MR_OK;
}

static int refuse_bad_sizes(const struct bench_options *options)
{
    struct mr_error err;
    if (options->rounds >= 1 && options->rounds <= MR_BENCH_ROUNDS_MAX &&
        options->round_trips >= 10 && options->records >= 1)
        return MR_OK;
    mr_fail(&err, MR_ERR_USAGE,
            "found %" PRIu64 " rounds, %" PRIu64 " round trips, %" PRIu64
            " records; expected 1 to %d, at least 10, at least 1",
            options->rounds, options->round_trips, options->records, MR_BENCH_ROUNDS_MAX);
    return mr_cli_fail("bench", &err);
}

int mr_cli_bench(int argc, char **argv)
{
    struct bench_options options = {
        .rounds = 5, .round_trips = 200000, .records = 5000000, .messages = 2000000, .seed = 1};
    const struct mr_arg table[] = {
        {"json", NULL, "print one JSON object", MR_ARG_SWITCH, &options.json},
        {"rounds", "N", "how often to repeat (default 5)", MR_ARG_COUNT, &options.rounds},
        {"round-trips", "N", "hop: there and back, per round (default 200000)", MR_ARG_COUNT,
         &options.round_trips},
        {"records", "N", "hop: one way, per round (default 5000000)", MR_ARG_COUNT,
         &options.records},
        {"messages", "N", "itch: length of the session (default 2000000)", MR_ARG_COUNT,
         &options.messages},
        {"seed", "N", "itch: of the session (default 1)", MR_ARG_COUNT, &options.seed},
        {0}};
    const struct mr_usage usage = {
        "bench",
        "hop|itch",
        "Measures on this machine. hop: one record through a ring from one core to another, beside "
        "what the bare cache line takes. itch: a synthetic exchange session decoded, and applied "
        "to "
        "the order books, on one core.",
        table,
        1,
        1};
    struct mr_arg_list words;
    struct mr_error err;
    int code;
    if (!mr_args_parse(&usage, argc, argv, &words, &code))
        return code;
    if ((code = refuse_bad_sizes(&options)) != MR_OK)
        return code;
    mr_clock_setup();
    if (strcmp(words.items[0], "hop") == 0)
        return bench_hop(&options);
    if (strcmp(words.items[0], "itch") == 0)
        return bench_itch(&options);
    mr_fail(&err, MR_ERR_USAGE, "found '%s', expected hop or itch", words.items[0]);
    return mr_cli_fail("bench", &err);
}
