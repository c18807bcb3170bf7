// SPDX-License-Identifier: Apache-2.0
// `millrace bench trio`: options, and which ways they make.
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/bench_taps.h"
#include "cli/bench_trio_show.h"
#include "cli/cli.h"
#include "core/clock.h"
#include "core/log.h"

struct asked {
    struct mr_trio_runs runs;
    struct mr_arg_list sets;
    const char *rates, *wait, *durability, *hgrm;
    uint64_t rounds, taps, producers;
    bool json, compare;
};

static int add_way(struct asked *asked, double rate, const char *wait, const char *placement,
                   const char *durability, struct mr_error *err)
{
    struct mr_trio_runs *runs = &asked->runs;
    if (runs->way_count == MR_TRIO_WAYS_MAX)
        return mr_fail(err, MR_ERR_USAGE, "found more than %d ways to run", MR_TRIO_WAYS_MAX);
    runs->ways[runs->way_count++] = (struct mr_trio_way){
        .rate = rate, .wait = wait, .durability = durability, .placement = placement};
    return MR_OK;
}

// At a rate the journal syncs in groups, as it does by default; flat out both are of interest.
static int add_ways(struct asked *asked, double rate, struct mr_error *err)
{
    static const struct {
        const char *wait, *placement;
    } compared[] = {
        {"spin", "none"}, {"yield", "none"}, {"park", "none"}, {"auto", "none"}, {"auto", "auto"}};
    const char *durability = asked->durability ? asked->durability : "batch";
    int code = MR_OK;
    if (!asked->compare) {
        if (rate == 0 && !asked->durability)
            code = add_way(asked, rate, asked->wait, "none", "none", err);
        return code == MR_OK ? add_way(asked, rate, asked->wait, "none", durability, err) : code;
    }
    for (unsigned i = 0; i < MR_COUNT_OF(compared) && code == MR_OK; i++)
        code = add_way(asked, rate, compared[i].wait, compared[i].placement, durability, err);
    return code;
}

static int parse_rates(struct asked *asked, struct mr_error *err)
{
    const char *at = asked->rates;
    for (;;) {
        char *end;
        double rate = strtod(at, &end);
        if (end == at || (*end && *end != ',') || !(rate >= 0 && rate <= 1e9))
            return mr_fail(err, MR_ERR_USAGE,
                           "--rate: found '%s', expected records per second, 0 (flat out) to 1e9, "
                           "with commas between",
                           asked->rates);
        int code = add_ways(asked, rate, err);
        if (code != MR_OK || !*end)
            return code;
        at = end + 1;
    }
}

static int check_word(const char *option, const char *word, const char *const *words,
                      struct mr_error *err)
{
    char all[80] = "";
    for (unsigned i = 0; words[i]; i++) {
        if (strcmp(word, words[i]) == 0)
            return MR_OK;
        size_t used = strlen(all);
        snprintf(all + used, sizeof all - used, "%s%s", i ? ", " : "", words[i]);
    }
    return mr_fail(err, MR_ERR_USAGE, "--%s: found '%s', expected one of %s", option, word, all);
}

static int check_asked(const struct asked *asked, struct mr_error *err)
{
    static const char *const waits[] = {"auto", "spin", "yield", "park", NULL};
    static const char *const durabilities[] = {"none", "batch", "record", NULL};
    const struct mr_trio_options *options = &asked->runs.options;
    if (asked->rounds < 1 || asked->rounds > MR_BENCH_ROUNDS_MAX)
        return mr_fail(err, MR_ERR_USAGE, "--rounds: found %" PRIu64 ", expected 1 to %d",
                       asked->rounds, MR_BENCH_ROUNDS_MAX);
    if (asked->taps > MR_BENCH_TAPS_MAX)
        return mr_fail(err, MR_ERR_USAGE, "--taps: found %" PRIu64 ", expected 0 to %d",
                       asked->taps, MR_BENCH_TAPS_MAX);
    if (asked->producers < 1 || asked->producers > MR_PRODUCERS_MAX)
        return mr_fail(err, MR_ERR_USAGE, "--producers: found %" PRIu64 ", expected 1 to %d",
                       asked->producers, MR_PRODUCERS_MAX);
    if (!(options->seconds > 0 && options->seconds <= 3600) || options->records < asked->producers)
        return mr_fail(err, MR_ERR_USAGE,
                       "found %g seconds, %" PRIu64
                       " records; expected up to 3600, and at least 1 record a producer",
                       options->seconds, options->records);
    if (options->record_bytes < MR_TRIO_RECORD_BYTES_MIN ||
        options->record_bytes > MR_TRIO_RECORD_BYTES_MAX || options->record_bytes % 8 != 0)
        return mr_fail(err, MR_ERR_USAGE,
                       "--record-bytes: found %" PRIu64 ", expected a multiple of 8 from %d to %d",
                       options->record_bytes, MR_TRIO_RECORD_BYTES_MIN, MR_TRIO_RECORD_BYTES_MAX);
    int code = check_word("wait", asked->wait, waits, err);
    if (code == MR_OK && asked->durability)
        code = check_word("durability", asked->durability, durabilities, err);
    return code;
}

static void say_which(const struct mr_trio_way *way)
{
    if (isatty(STDERR_FILENO))
        fprintf(stderr, "running: rate %.0f, wait %s, placement %s, durability %s, round %u\n",
                way->rate, way->wait, way->placement, way->durability, way->rounds + 1);
}

static int run(struct asked *asked, struct mr_error *err)
{
    char machine[512];
    struct mr_trio_runs *runs = &asked->runs;
    int code = check_asked(asked, err);
    if (code == MR_OK)
        code = parse_rates(asked, err);
    if (code != MR_OK)
        return code;
    runs->rounds = (unsigned)asked->rounds;
    runs->options.taps = (unsigned)asked->taps;
    runs->options.producers = (unsigned)asked->producers;
    runs->options.sets = &asked->sets;
    runs->before_run = say_which;
    code = mr_trio_runs(runs, err);
    if (code != MR_OK)
        return code;
    mr_bench_machine(machine, sizeof machine);
    if (asked->json)
        mr_trio_show_json(runs, machine);
    else
        mr_trio_show(runs, machine);
    if (asked->hgrm)
        code = mr_trio_save_hgrm(runs, asked->hgrm, err);
    for (unsigned i = 0; i < runs->way_count && code == MR_OK; i++)
        if (runs->ways[i].missed)
            code = mr_fail(err, MR_ERR_LIMIT, "missed a rate");
    return code;
}

int mr_bench_trio_main(int argc, char **argv)
{
    struct asked asked = {
        .rates = "10000,100000,1000000,0", .wait = "auto", .rounds = 1, .producers = 1};
    asked.runs.options =
        (struct mr_trio_options){.seconds = 2, .records = 10000000, .record_bytes = 64};
    const struct mr_arg table[] = {
        {"rate", "N[,N...]", "records per second, 0: flat out (default 10000,100000,1000000,0)",
         MR_ARG_TEXT, &asked.rates},
        {"seconds", "S", "length of a run at a rate, its first quarter warms up (default 2)",
         MR_ARG_REAL, &asked.runs.options.seconds},
        {"records", "N", "length of a run flat out (default 10000000)", MR_ARG_COUNT,
         &asked.runs.options.records},
        {"record-bytes", "N", "40 to 4096, its envelope of 36 included (default 64)", MR_ARG_COUNT,
         &asked.runs.options.record_bytes},
        {"wait", "HOW", "spin, yield, park or auto (default auto)", MR_ARG_TEXT, &asked.wait},
        {"compare", NULL,
         "the same with spin, yield, park, auto, and auto with `placement: auto` in turn",
         MR_ARG_SWITCH, &asked.compare},
        {"durability", "HOW", "none, batch or record (default batch; flat out none, then batch)",
         MR_ARG_TEXT, &asked.durability},
        {"rounds", "N", "how often to run each, in turn (default 1)", MR_ARG_COUNT, &asked.rounds},
        {"taps", "N", "processes that look at the egress ring meanwhile (default 0)", MR_ARG_COUNT,
         &asked.taps},
        {"producers", "N",
         "1 to 4 generators with a ring each, which share rate and records (default 1)",
         MR_ARG_COUNT, &asked.producers},
        {"dir", "DIRECTORY", "where the journals are written (default $TMPDIR or /tmp)",
         MR_ARG_TEXT, &asked.runs.directory},
        {"hgrm", "DIRECTORY", "write each distribution there as an .hgrm file", MR_ARG_TEXT,
         &asked.hgrm},
        {"no-raw-write", NULL, "flat out: leave out what the file system takes from a bare loop",
         MR_ARG_SWITCH, &asked.runs.no_raw_write},
        {"json", NULL, "print one JSON object", MR_ARG_SWITCH, &asked.json},
        MR_ARG_SETS(&asked.sets),
        {0}};
    const struct mr_usage usage = {
        .command = "bench trio",
        .words = "",
        .about =
            "The real three processes: a generator, a transform that lets everything pass, and a "
            "journal, which is read back and compared record by record. Latency counts from the "
            "moment a record was due, whatever happened before (open loop). Exit code 12: a run "
            "missed its rate; 8: a record came wrong.",
        .args = table};
    struct mr_arg_list words;
    struct mr_error err;
    int code;
    if (!mr_args_parse(&usage, argc, argv, &words, &code))
        return code;
    mr_log_setup("bench", MR_LOG_WARN);
    asked.runs.ways = calloc(MR_TRIO_WAYS_MAX, sizeof *asked.runs.ways);
    if (!asked.runs.ways)
        abort();
    code = run(&asked, &err);
    free(asked.runs.ways);
    return code == MR_OK ? code : mr_cli_fail("bench trio", &err);
}
