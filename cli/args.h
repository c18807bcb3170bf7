// SPDX-License-Identifier: Apache-2.0
// Command lines. A command declares its options in a table; the parser, --help and the check that
// the manual page knows every option all read that one table.
//
//     const char *format = "csv";
//     bool follow = false;
//     struct mr_arg_list sets = {0};
//     const struct mr_arg table[] = {{"format", "csv|ndjson", "how records are printed",
//     MR_ARG_TEXT, &format},
//                                    {"follow", NULL, "wait for more", MR_ARG_SWITCH, &follow},
//                                    {0}};
//     const struct mr_usage usage = {"cat", "JOURNAL", "prints a journal's records", table, 1, 1};
//     struct mr_arg_list words;
//     int code;
//     if (!mr_args_parse(&usage, argc, argv, &words, &code))
//         return code;                       // --help was printed, or an error was
//     ... words.items[0] ...
#ifndef MR_CLI_ARGS_H
#define MR_CLI_ARGS_H

#include "core/base.h"

#define MR_ARG_LIST_MAX 128

struct mr_arg_list {
    const char *items[MR_ARG_LIST_MAX];
    unsigned count;
};

enum mr_arg_kind {
    MR_ARG_SWITCH, // bool: --name
    MR_ARG_TEXT,   // const char *: --name VALUE or --name=VALUE; the default stands in it before
    MR_ARG_COUNT,  // uint64_t: a whole number, 0 or more
    MR_ARG_REAL,   // double
    MR_ARG_LIST,   // struct mr_arg_list: may be given again and again
};

struct mr_arg {
    const char *name;  // without dashes; NULL ends the table
    const char *value; // what --help shows for its value; NULL: a switch
    const char *help;
    enum mr_arg_kind kind;
    void *to;
};

struct mr_usage {
    const char *command;
    const char *words; // "PIPELINE", "[NAME]"; shown in --help
    const char *about; // a sentence or more; shown in --help
    const struct mr_arg *args;
    unsigned words_min, words_max;
};

// Options and words may come in any order; after "--" all are words; "-" is a word. Every command
// has
// --help without declaring it. False where the command is over: *code is its exit code, and help
// (to stdout) or the error (to stderr, MR_ERR_USAGE) was printed.
bool mr_args_parse(const struct mr_usage *usage, int argc, char **argv, struct mr_arg_list *words,
                   int *code);
// What is nearest to `word` among `count` names by edit distance; NULL where none is near.
const char *mr_nearest(const char *word, const char *const *names, unsigned count);

#endif
