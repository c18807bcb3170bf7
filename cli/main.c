// SPDX-License-Identifier: Apache-2.0
// The table of commands, and the way into them.
#include "cli/cli.h"

#include <stdio.h>
#include <string.h>

#include "core/segment.h"

const struct mr_command mr_commands[] = {
    {"run", "PIPELINE", "run a pipeline: three processes, watched, until its input ends",
     mr_cli_run},
    {"check", "PIPELINE", "validate a pipeline file and print what it would do", mr_cli_check},
    {"produce", "PIPELINE", "run the first stage alone: source to ingress ring", mr_cli_produce},
    {"transform", "PIPELINE", "run the second stage alone: ingress ring to egress ring",
     mr_cli_transform},
    {"load", "PIPELINE", "run the third stage alone: egress ring to sink", mr_cli_load},
    {"top", "[NAME]", "watch running pipelines on a full screen", mr_cli_top},
    {"stat", "[NAME|PIPELINE]", "print the state and counts of running pipelines", mr_cli_stat},
    {"tap", "RING|STAGE [NAME]", "look at the records that pass through a ring", mr_cli_tap},
    {"cat", "JOURNAL", "print a journal's records as CSV or NDJSON", mr_cli_cat},
    {"verify", "JOURNAL", "check every byte of a journal", mr_cli_verify},
    {"replay", "JOURNAL PIPELINE", "send a journal's records through a pipeline again",
     mr_cli_replay},
    {"balance", "[NAME]", "check that every record taken in is accounted for", mr_cli_balance},
    {"bench", "[WHICH]", "measure this machine: rings, decoders, the trio", mr_cli_bench},
    {"gen", "KIND", "generate a synthetic feed", mr_cli_gen},
    {"clean", "[NAME]", "remove what dead runs left in shared memory", mr_cli_clean},
    {"help", "[COMMAND|source NAME|operator NAME|sink NAME]", "explain a command or a plugin",
     mr_cli_help},
    {"version", "", "print the version", mr_cli_version},
    {0},
};

static int unknown_command(const char *name)
{
    const char *names[MR_COUNT_OF(mr_commands)];
    unsigned count = 0;
    for (const struct mr_command *command = mr_commands; command->name; command++)
        names[count++] = command->name;
    const char *near = mr_nearest(name, names, count);
    fprintf(stderr, "millrace: unknown command \"%s\"%s%s%s; `millrace help` lists them\n", name,
            near ? ", did you mean \"" : "", near ? near : "", near ? "\"?" : "");
    return MR_ERR_USAGE;
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        mr_cli_overview();
        return MR_OK;
    }
    const char *name = argv[1];
    mr_segment_catch_faults();
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0)
        name = "help";
    if (strcmp(name, "--version") == 0)
        name = "version";
    for (const struct mr_command *command = mr_commands; command->name; command++)
        if (strcmp(command->name, name) == 0)
            return command->main(argc - 1, argv + 1);
    return unknown_command(name);
}
