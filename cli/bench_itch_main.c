// SPDX-License-Identifier: Apache-2.0
// `millrace bench itch`: options and what is printed; cli/bench_itch.c measures.
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cli/bench_itch.h"
#include "cli/cli.h"
#include "core/clock.h"
#include "core/formats/json_out.h"
#include "core/pipeline/report.h"
#include "gen/itch_session.h"

#define ORDERS_PER_STOCK 160 // as on a busy day
#define LIVE_MAX                                                                                   \
    (MR_ITCH_BENCH_ORDERS_MAX / 8 * 7) // there may be somewhat more than were asked for

// One figure of all rounds.
enum figure {
    DECODE,
    BOOK,
    BOTH,
    TRIO,
    TUNED,
    COPY,
    LINE,
    LINE_AHEAD,
    DECODE_TO_COPY,
    BOOK_TO_LINE,
    TRIO_TO_CORE
};

static double figure_of(const struct mr_itch_bench_round *round, enum figure figure)
{
    double core_ns = round->decode_ns + round->book_ns;
    switch (figure) {
    case DECODE:
        return 1e9 / round->decode_ns;
    case BOOK:
        return 1e9 / round->book_ns;
    case BOTH:
        return 1e9 / core_ns;
    case TRIO:
        return round->trio_per_second;
    case TUNED:
        return round->tuned_per_second;
    case COPY:
        return 1e9 / round->copy_ns;
    case LINE:
        return round->line_ns;
    case LINE_AHEAD:
        return round->line_ahead_ns;
    case DECODE_TO_COPY:
        return round->decode_ns / round->copy_ns;
    case BOOK_TO_LINE:
        return round->book_ns / round->line_ns;
    case TRIO_TO_CORE:
        return round->tuned_per_second * core_ns / 1e9;
    }
    return 0;
}

static double median_of(const struct mr_itch_bench_report *report, enum figure figure)
{
    double values[MR_BENCH_ROUNDS_MAX];
    for (unsigned i = 0; i < report->rounds; i++)
        values[i] = figure_of(&report->round[i], figure);
    return mr_bench_median(values, report->rounds);
}

static void print_row(const char *what, const struct mr_itch_bench_report *report,
                      enum figure figure, double unit, const char *unit_name)
{
    double values[MR_BENCH_ROUNDS_MAX];
    for (unsigned i = 0; i < report->rounds; i++)
        values[i] = figure_of(&report->round[i], figure) / unit;
    mr_bench_show_rounds(what, values, report->rounds, unit_name);
}

static void print_distribution(const char *what, const struct mr_histogram *histogram)
{
    printf("  %-28s", what);
    for (unsigned i = 0; i < MR_REPORT_PERCENTILES; i++)
        printf(" %9.1f",
               (double)mr_histogram_percentile(histogram, mr_report_percentiles[i]) / 100);
    printf(" %9.1f  %" PRIu64 "\n", (double)histogram->max_ns / 100, histogram->count);
}

static void print_itch(const struct mr_itch_bench_options *options,
                       const struct mr_itch_bench_report *report)
{
    printf("\na synthetic ITCH 5.0 session: %" PRIu64 " messages (%" PRIu64 " MB), %" PRIu64
           " stocks, %" PRIu64 " orders live at its end; %u rounds\n",
           report->messages, report->bytes / 1000000, options->symbols, report->orders_live,
           report->rounds);
    printf("  %-28s %12s %12s %12s\n", "", "min", "median", "max");
    print_row("one core: decode", report, DECODE, 1e6, "M messages/s");
    print_row("one core: book", report, BOOK, 1e6, "M messages/s");
    print_row("one core: both", report, BOTH, 1e6, "M messages/s");
    print_row("file to journal, 3 processes", report, TRIO, 1e6, "M messages/s");
    print_row("the same, tuned (see --help)", report, TUNED, 1e6, "M messages/s");
    print_row("its bytes copied", report, COPY, 1e6, "M messages/s");
    print_row("a random line of the orders", report, LINE, 1, "ns");
    print_row("the same, known 16 ahead", report, LINE_AHEAD, 1, "ns");
    print_row("decode : copy", report, DECODE_TO_COPY, 1, "x");
    print_row("book : a random line", report, BOOK_TO_LINE, 1, "x");
    print_row("tuned processes : one core", report, TRIO_TO_CORE, 1, "x");
    mr_bench_show_distribution_heading("ns a message, by blocks");
    print_distribution("decode", &report->decode);
    print_distribution("book", &report->book);
    printf("every record was encoded again to its message's bytes; all %" PRIu64
           " best quotes and %" PRIu64
           "\ntrades of each way are those of a second book; the counts "
           "balance (durability %s)\n",
           report->found.quotes, report->found.trades, options->durability);
}

static void json_distribution(struct mr_json *json, const char *key,
                              const struct mr_histogram *histogram)
{
    mr_json_open(json, key, '{');
    mr_json_u64(json, "n", histogram->count);
    for (unsigned i = 0; i < MR_REPORT_PERCENTILES; i++)
        mr_json_real(json, mr_report_percentile_names[i],
                     (double)mr_histogram_percentile(histogram, mr_report_percentiles[i]) / 100);
    mr_json_real(json, "max", (double)histogram->max_ns / 100);
    mr_json_close(json);
}

static void json_figures(struct mr_json *json, const struct mr_itch_bench_report *report,
                         const struct mr_itch_bench_round *round)
{
    static const struct {
        const char *key;
        enum figure figure;
    } figures[] = {{"decoded_per_second", DECODE},
                   {"book_per_second", BOOK},
                   {"booked_per_second", BOTH},
                   {"trio_per_second", TRIO},
                   {"tuned_per_second", TUNED},
                   {"raw_copied_per_second", COPY},
                   {"raw_line_ns", LINE},
                   {"raw_line_ahead_ns", LINE_AHEAD},
                   {"decode_to_copy", DECODE_TO_COPY},
                   {"book_to_line", BOOK_TO_LINE},
                   {"trio_to_one_core", TRIO_TO_CORE}};
    for (unsigned i = 0; i < MR_COUNT_OF(figures); i++)
        mr_json_real(json, figures[i].key,
                     round ? figure_of(round, figures[i].figure)
                           : median_of(report, figures[i].figure));
}

static void json_types(struct mr_json *json, const struct mr_itch_bench_report *report)
{
    mr_json_open(json, "by_type", '{');
    for (unsigned type = 0; type < 256; type++)
        if (report->by_type[type] > 0)
            mr_json_u64(json, (char[]){(char)type, '\0'}, report->by_type[type]);
    mr_json_close(json);
}

static void print_itch_json(const struct mr_itch_bench_options *options,
                            const struct mr_itch_bench_report *report, const char *machine)
{
    struct mr_json json;
    mr_json_init(&json, 2);
    mr_json_open(&json, NULL, '{');
    mr_json_text(&json, "bench", "itch");
    mr_json_text(&json, "machine", machine);
    mr_json_u64(&json, "n", report->messages);
    mr_json_u64(&json, "bytes", report->bytes);
    mr_json_u64(&json, "symbols", options->symbols);
    mr_json_u64(&json, "orders_live", report->orders_live);
    mr_json_u64(&json, "quotes", report->found.quotes);
    mr_json_u64(&json, "trades", report->found.trades);
    mr_json_u64(&json, "digest", report->found.value);
    mr_json_text(&json, "durability", options->durability);
    mr_json_real(&json, "raw_rtt_ns", report->raw_rtt_ns);
    mr_json_real(&json, "raw_copied_bytes_per_second",
                 median_of(report, COPY) * (double)report->bytes / (double)report->messages);
    json_types(&json, report);
    json_figures(&json, report, NULL);
    json_distribution(&json, "decode_ns", &report->decode);
    json_distribution(&json, "book_ns", &report->book);
    mr_json_open(&json, "rounds", '[');
    for (unsigned i = 0; i < report->rounds; i++) {
        mr_json_open(&json, NULL, '{');
        json_figures(&json, report, &report->round[i]);
        mr_json_close(&json);
    }
    mr_json_close(&json);
    mr_json_close(&json);
    mr_json_finish(&json);
    fputs(json.bytes, stdout);
    mr_json_free(&json);
}

static int check_options(struct mr_itch_bench_options *options, uint64_t rounds,
                         struct mr_error *err)
{
    options->rounds = (unsigned)rounds;
    if (rounds < 1 || rounds > MR_BENCH_ROUNDS_MAX)
        return mr_fail(err, MR_ERR_USAGE, "found %" PRIu64 " rounds, expected 1 to %d", rounds,
                       MR_BENCH_ROUNDS_MAX);
    if (options->symbols < 1 || options->symbols > MR_ITCH_SESSION_SYMBOLS_MAX)
        return mr_fail(err, MR_ERR_USAGE, "--symbols: found %" PRIu64 ", expected 1 to %d",
                       options->symbols, MR_ITCH_SESSION_SYMBOLS_MAX);
    if (options->live == 0)
        options->live = ORDERS_PER_STOCK * options->symbols;
    const uint32_t live_max = LIVE_MAX;
    if (options->live > live_max)
        return mr_fail(err, MR_ERR_USAGE, "--live: found %" PRIu64 ", expected at most %u",
                       options->live, live_max);
    if (strcmp(options->durability, "none") == 0 || strcmp(options->durability, "batch") == 0 ||
        strcmp(options->durability, "record") == 0)
        return MR_OK;
    return mr_fail(err, MR_ERR_USAGE, "--durability: found '%s', expected none, batch or record",
                   options->durability);
}

int mr_bench_itch_main(int argc, char **argv)
{
    static struct mr_itch_bench_report report;
    bool json = false;
    uint64_t rounds = 5;
    struct mr_itch_bench_options options = {
        .messages = 5000000, .seed = 1, .symbols = 8000, .durability = "none"};
    const struct mr_arg table[] = {
        {"json", NULL, "print one JSON object", MR_ARG_SWITCH, &json},
        {"rounds", "N", "how often to repeat (default 5)", MR_ARG_COUNT, &rounds},
        {"messages", "N", "length of the session (default 5000000)", MR_ARG_COUNT,
         &options.messages},
        {"symbols", "N", "stocks (default 8000)", MR_ARG_COUNT, &options.symbols},
        {"live", "N", "orders in the books at a time, about (default: 160 a stock)", MR_ARG_COUNT,
         &options.live},
        {"seed", "N", "of the session (default 1)", MR_ARG_COUNT, &options.seed},
        {"durability", "WORD", "of the journal: none (default), batch, record", MR_ARG_TEXT,
         &options.durability},
        {"dir", "DIRECTORY", "where the files are written, default $TMPDIR or /tmp", MR_ARG_TEXT,
         &options.directory},
        {0}};
    const struct mr_usage usage = {
        .command = "bench itch",
        .words = "",
        .about =
            "A synthetic exchange session decoded and applied to the order books on one core, "
            "and from file through the three processes into a journal: with a pipeline file that "
            "sets nothing else, and with `placement: auto`, `huge_pages: advise`, `prefault: "
            "true`, `ingress: {size: 1MiB}`. The one core works on huge pages, too, where the "
            "kernel grants them.",
        .args = table};
    struct mr_arg_list words;
    struct mr_error err;
    char machine[512];
    int code;
    if (!mr_args_parse(&usage, argc, argv, &words, &code))
        return code;
    code = check_options(&options, rounds, &err);
    mr_clock_setup();
    if (code == MR_OK)
        code = mr_bench_itch(&options, &report, &err);
    if (code != MR_OK)
        return mr_cli_fail("bench itch", &err);
    mr_bench_machine(machine, sizeof machine);
    if (json) {
        print_itch_json(&options, &report, machine);
    } else {
        printf("%s\n", machine);
        print_itch(&options, &report);
    }
    return MR_OK;
}
