// SPDX-License-Identifier: Apache-2.0
// The command `millrace`: a table of commands, one file each (cli/<name>.c), and what they share. A
// command gets its own name as argv[0] and returns an exit code (core/error.h).
#ifndef MR_CLI_CLI_H
#define MR_CLI_CLI_H

#include "cli/args.h"
#include "core/pipeline/pipeline.h"

struct mr_command {
    const char *name;
    const char *words; // what follows it, for the overview
    const char *about; // one line
    int (*main)(int argc, char **argv);
};
extern const struct mr_command mr_commands[]; // NULL-ended; cli/main.c

int mr_cli_run(int argc, char **argv);
int mr_cli_check(int argc, char **argv);
int mr_cli_produce(int argc, char **argv);
int mr_cli_transform(int argc, char **argv);
int mr_cli_load(int argc, char **argv);
int mr_cli_top(int argc, char **argv);
int mr_cli_stat(int argc, char **argv);
int mr_cli_tap(int argc, char **argv);
int mr_cli_cat(int argc, char **argv);
int mr_cli_verify(int argc, char **argv);
int mr_cli_replay(int argc, char **argv);
int mr_cli_balance(int argc, char **argv);
int mr_cli_bench(int argc, char **argv);
int mr_cli_gen(int argc, char **argv);
int mr_cli_clean(int argc, char **argv);
int mr_cli_help(int argc, char **argv);
int mr_cli_version(int argc, char **argv);

// The row that every command with a pipeline file puts into its table.
#define MR_ARG_SETS(list)                                                                          \
    {                                                                                              \
        "set", "KEY=VALUE",                                                                        \
            "override one key of the pipeline file, e.g. source.path=FILE; repeatable",            \
            MR_ARG_LIST, (list)                                                                    \
    }

// Loads the pipeline file with its overrides. An error was printed; returns its code.
int mr_cli_load_pipeline(struct mr_pipeline *pipeline, const char *file,
                         const struct mr_arg_list *sets);
// Prints "millrace COMMAND: text" to stderr and returns the error's code.
int mr_cli_fail(const char *command, const struct mr_error *err);
// A command that is one stage: parses, loads, makes the run's directory, calls the stage's main.
int mr_cli_stage_alone(const struct mr_usage *usage, int argc, char **argv,
                       const struct mr_arg_list *sets, enum mr_role role,
                       int (*stage_main)(const struct mr_pipeline *));
// The overview that `millrace` without arguments prints.
void mr_cli_overview(void);

#endif
