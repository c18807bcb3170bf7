// SPDX-License-Identifier: Apache-2.0
// What an expression can call: its signature for the parser, its Lua for the interpreter.
#ifndef MR_CONSUMERS_TRANSFORM_EXPRESSION_FUNCTIONS_H
#define MR_CONSUMERS_TRANSFORM_EXPRESSION_FUNCTIONS_H

#include "consumers/transform/expression.h"

// `takes`: one letter per argument: n number, t text, b condition, a anything; those behind | may
// be left out; * repeats the last. `gives`: n, t, b, N (a number or null), or = (what its `a`
// arguments are).
struct mr_expression_function {
    const char *name;
    const char *library; // "math" or "string" where it may be called as math.<name>; else NULL
    const char *takes;
    char gives;
};
extern const struct mr_expression_function mr_expression_functions[]; // ends with a NULL name
extern const char mr_expression_functions_lua[]; // a chunk that returns the table of them

#endif
