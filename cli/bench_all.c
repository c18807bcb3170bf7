// SPDX-License-Identifier: Apache-2.0
// `millrace bench`: the short form for the machine that will run it. What in its set-up costs time, then
// the hop, the trio and the sink.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/bench.h"
#include "cli/bench_advice.h"
#include "cli/cli.h"
#include "core/formats/json_out.h"

// What is run, with which options; in this order.
static const struct part {
    const char *name;
    const char *arguments[6];
} parts[] = {
    {"hop", {"--rounds=5"}},
    {"trio", {"--rate=100000,0", "--seconds=2", "--records=5000000"}},
    {"sink", {"--rounds=2", "--mib=256"}},
};

static int run_part(const struct part *part, bool json)
{
    char *argv[10] = {(char *)part->name};
    int argc = 1;
    while (argc <= 6 && part->arguments[argc - 1]) {
        argv[argc] = (char *)part->arguments[argc - 1];
        argc++;
    }
    if (json)
        argv[argc++] = "--json";
    for (const struct mr_bench *bench = mr_benches; bench->name; bench++)
        if (strcmp(bench->name, part->name) == 0)
            return bench->main(argc, argv);
    return MR_ERR_INTERNAL;
}

// The part's one object, or null where it failed before it had one.
static int run_part_json(const struct part *part)
{
    char *text = NULL;
    size_t length = 0;
    FILE *kept = stdout, *memory = open_memstream(&text, &length);
    if (!memory)
        return MR_ERR_MEMORY;
    stdout = memory;
    int code = run_part(part, true);
    stdout = kept;
    fclose(memory);
    printf(", \"%s\": %s", part->name, length ? text : "null");
    fflush(stdout);
    free(text);
    return code;
}

static int run_part_text(const struct part *part)
{
    printf("\n==== %s\n", part->name);
    fflush(stdout);
    return run_part(part, false);
}

static void show_advice(const struct mr_advice *advice, unsigned count)
{
    printf("what in this machine's set-up costs time%s\n",
           count ? ", in the order of what it usually costs:" : ": nothing found");
    for (unsigned i = 0; i < count; i++)
        printf("\n%2u. %s\n    costs:    %s\n    mends it: %s\n", i + 1, advice[i].found,
               advice[i].costs, advice[i].mend);
}

static void show_advice_json(const struct mr_advice *advice, unsigned count)
{
    struct mr_json json;
    mr_json_init(&json, 0);
    mr_json_open(&json, NULL, '[');
    for (unsigned i = 0; i < count; i++) {
        mr_json_open(&json, NULL, '{');
        mr_json_text(&json, "found", advice[i].found);
        mr_json_text(&json, "costs", advice[i].costs);
        mr_json_text(&json, "mend", advice[i].mend);
        mr_json_close(&json);
    }
    mr_json_close(&json);
    printf("{\"bench\": \"all\", \"advice\": %s", mr_json_finish(&json));
    mr_json_free(&json);
}

// One object, put together of the parts' own.
static int run_all(bool json, bool advice_only)
{
    struct mr_advice advice[MR_ADVICE_MAX];
    unsigned count = mr_bench_advise(advice);
    int code = MR_OK;
    if (json)
        show_advice_json(advice, count);
    else
        show_advice(advice, count);
    for (unsigned i = 0; i < MR_COUNT_OF(parts) && !advice_only && code != MR_ERR_STAGE; i++) {
        int of_part = json ? run_part_json(&parts[i]) : run_part_text(&parts[i]);
        if (code == MR_OK || of_part == MR_ERR_STAGE)
            code = of_part;
    }
    if (json)
        printf("}\n");
    return code;
}

int mr_bench_all_main(int argc, char **argv)
{
    bool json = false, advice_only = false;
    const struct mr_arg table[] = {{"json", NULL, "print one JSON object", MR_ARG_SWITCH, &json},
                                   {"advice", NULL,
                                    "only say what in this machine's set-up costs time",
                                    MR_ARG_SWITCH, &advice_only},
                                   {0}};
    const struct mr_usage usage = {
        .command = "bench",
        .words = "[WHICH]",
        .about =
            "Measures this machine. Without a word: says what in its set-up costs time and "
            "how to mend it, then measures the hop from core to core, the trio and the sink. "
            "Figures of different machines, or of one on different days, do not compare: "
            "look at the ratios to the bare cache line and to the plain write of the same run.",
        .args = table};
    struct mr_arg_list words;
    int code;
    if (!mr_args_parse(&usage, argc, argv, &words, &code))
        return code;
    return run_all(json, advice_only);
}
