// SPDX-License-Identifier: Apache-2.0
// `millrace bench itch`: options and what is printed; cli/bench_itch.c measures.
#include <inttypes.h>
#include <stdio.h>

#include "cli/bench_itch.h"
#include "cli/cli.h"
#include "core/clock.h"

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
    mr_bench_show_rounds("decoded", report->decoded_per_second, report->rounds, "M messages/s");
    mr_bench_show_rounds("decoded and booked", report->booked_per_second, report->rounds,
                         "M messages/s");
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

int mr_bench_itch_main(int argc, char **argv)
{
    static struct mr_itch_bench_report report;
    bool json = false;
    uint64_t rounds = 5;
    struct mr_itch_bench_options options = {.messages = 2000000, .seed = 1};
    const struct mr_arg table[] = {
        {"json", NULL, "print one JSON object", MR_ARG_SWITCH, &json},
        {"rounds", "N", "how often to repeat (default 5)", MR_ARG_COUNT, &rounds},
        {"messages", "N", "length of the session (default 2000000)", MR_ARG_COUNT,
         &options.messages},
        {"seed", "N", "of the session (default 1)", MR_ARG_COUNT, &options.seed},
        {0}};
    const struct mr_usage usage = {
        .command = "bench itch",
        .words = "",
        .about =
            "A synthetic exchange session decoded, and applied to the order books, on one core.",
        .args = table};
    struct mr_arg_list words;
    struct mr_error err;
    char machine[512];
    int code;
    if (!mr_args_parse(&usage, argc, argv, &words, &code))
        return code;
    options.rounds = (unsigned)rounds;
    if (rounds < 1 || rounds > MR_BENCH_ROUNDS_MAX)
        code = mr_fail(&err, MR_ERR_USAGE, "found %" PRIu64 " rounds, expected 1 to %d", rounds,
                       MR_BENCH_ROUNDS_MAX);
    if (code == MR_OK)
        code = mr_bench_itch(&options, &report, &err);
    if (code != MR_OK)
        return mr_cli_fail("bench itch", &err);
    mr_bench_machine(machine, sizeof machine);
    if (json) {
        print_itch_json(&report, machine);
    } else {
        printf("%s\n", machine);
        print_itch(&report);
    }
    return MR_OK;
}
