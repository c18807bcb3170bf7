// SPDX-License-Identifier: Apache-2.0
// `millrace bench`: which benchmark is meant; each has its own files.
#include "cli/bench.h"

#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "core/clock.h"

const struct mr_bench mr_benches[] = {
    {"hop", "a record from core to core, beside the bare cache line", mr_bench_hop_main},
    {"trio", "three processes, feed to journal, at rates and flat out", mr_bench_trio_main},
    {"hiccup", "what this machine does to a loop that does nothing", mr_bench_hiccup_main},
    {"itch", "an exchange session decoded and booked on one core", mr_bench_itch_main},
    {"sink", "a journal written flat out, beside the bare file system", mr_bench_sink_main},
    {0}};

static void print_list(void)
{
    printf("\nWHICH is one of\n");
    for (const struct mr_bench *bench = mr_benches; bench->name; bench++)
        printf("  %-8s %s\n", bench->name, bench->about);
    printf("\n`millrace bench WHICH --help` explains one.\n");
}

static int refuse(const char *word)
{
    const char *names[32];
    struct mr_error err;
    unsigned count = 0;
    for (const struct mr_bench *bench = mr_benches; bench->name; bench++)
        names[count++] = bench->name;
    const char *near = mr_nearest(word, names, count);
    mr_fail(&err, MR_ERR_USAGE, "found '%s'%s%s%s; `millrace bench --help` lists what there is",
            word, near ? ", did you mean '" : "", near ? near : "", near ? "'?" : "");
    return mr_cli_fail("bench", &err);
}

int mr_cli_bench(int argc, char **argv)
{
    const char *word = argc > 1 ? argv[1] : "";
    mr_clock_setup();
    for (const struct mr_bench *bench = mr_benches; bench->name; bench++)
        if (strcmp(bench->name, word) == 0)
            return bench->main(argc - 1, argv + 1);
    if (word[0] && word[0] != '-')
        return refuse(word);
    int code = mr_bench_all_main(argc, argv);
    if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0)
        print_list();
    return code;
}
