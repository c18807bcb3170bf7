// SPDX-License-Identifier: Apache-2.0
// Which records of a journal a command wants: by schema, time, symbol and conditions.
#ifndef MR_CLI_SELECTION_H
#define MR_CLI_SELECTION_H

#include "cli/args.h"
#include "core/schema.h"

struct mr_expressions;
struct mr_condition;

struct mr_selection {
    // Options, as given; NULL where not.
    const char *from, *to; // event times
    const char *symbol;
    struct mr_arg_list schemas;
    struct mr_arg_list where; // field=value, or an expression
    // Made by mr_selection_open.
    const struct mr_schema_set *set;
    int64_t from_ns, to_ns;
    struct mr_expressions *expressions;
    struct mr_condition *conditions; // where.count + 1 for each schema of the set
    bool wanted[MR_SCHEMAS_MAX];     // by index in the set
};

// Rows for the command's table.
#define MR_ARG_SELECTION(selection)                                                                \
    {"from", "TIME", "only records with an event time from then on, e.g. 2020-01-30T09:30:00Z",    \
     MR_ARG_TEXT, &(selection)->from},                                                             \
        {"to", "TIME", "only records with an event time before then", MR_ARG_TEXT,                 \
         &(selection)->to},                                                                        \
        {"symbol", "TEXT", "only records whose field symbol is this", MR_ARG_TEXT,                 \
         &(selection)->symbol},                                                                    \
        {"schema", "NAME", "only records of this schema; repeatable", MR_ARG_LIST,                 \
         &(selection)->schemas},                                                                   \
    {                                                                                              \
        "where", "CONDITION",                                                                      \
            "only records with FIELD=VALUE (the value as it is printed), or for which an "         \
            "expression is true; repeatable",                                                      \
            MR_ARG_LIST, &(selection)->where                                                       \
    }

// MR_ERR_USAGE where an option is not what it should be.
int mr_selection_open(struct mr_selection *selection, const struct mr_schema_set *set,
                      struct mr_error *err);
bool mr_selection_has(const struct mr_selection *selection, const struct mr_record *record);
void mr_selection_close(struct mr_selection *selection);

#endif
