// SPDX-License-Identifier: Apache-2.0
// Expressions over a record, as pipeline files have them: `price * quantity > 1000 and side ==
// 'B'`.
//
// An expression is checked and typed against one schema when the stage starts, translated to Lua,
// and run by LuaJIT; simple ones in C, with the same results (expression_steps.h). Everything is
// found out at the start that can be: unknown names, text compared with a number, a missing
// parenthesis; the error shows the expression, the character, and the line of the pipeline file.
//
// What it can read. Every field of the record by its name, and of the envelope `event_time`,
// `ingest_time`, `sequence`, `flags` (a field of the same name comes first).
//
//   field                         in an expression
//   integers, f32, f64            number (an IEEE double: integers are exact up to 2^53)
//   decimal                       number: the unscaled integer divided by its power of ten, rounded
//   once timestamp, event_time, ...    number: seconds since the Unix epoch, rounded to the nearest
//   double, which
//                                 for the present is within a quarter of a microsecond
//   char, bytes                   text, without the zeroes that fill it
//   enum                          text: its label
//   bool                          true or false
//   a null of any type            null: only ==, !=, coalesce and is_null can use it; anything else
//   is an
//                                 error that rejects the record
//
// What it can say, from loosest to tightest:
//   or ||    and &&    < <= > >= == != ~=    ..(joins text)    + -    * / %    not ! -    ^
//   (...)    numbers 12 1.5 1e9 0xff    text 'B' "B" (\n \t \\ \' \")    true false null nil
// `/` divides exactly (7/2 is 3.5), `%` takes the divisor's sign, `and` and `or` choose as in Lua
// (`x > 0 and 1 or 2`; when(x > 0, 1, 2) says the same and is typed).
//
// What it can call (also as math.floor, string.upper ...):
//   abs ceil floor round(x[, digits]) sqrt exp log log10 sin cos tan pow(x, y) fmod(x, y) min(...)
//   max(...) lower upper trim len sub(t, from[, to]) find(t, part) contains(t, part) starts_with
//   ends_with number(t) text(x) coalesce(...) is_null(x) when(condition, a, b)       and the
//   constants pi, huge
// Nothing else: no statements, no assignment, no tables, no input or output, no clock, no random
// numbers.
//
//     struct mr_expressions *all = mr_expressions_open(&err);
//     struct mr_expression *wanted;
//     mr_expression_compile(all, "price > 10", schema, node, &wanted, &err);
//     struct mr_expression_value value;
//     if (mr_expression_run(wanted, record, &value)) ... value.boolean ...
//     else ... value.text says what went wrong on this record ...
//     mr_expressions_close(all);                                 // and everything compiled in it
#ifndef MR_CONSUMERS_TRANSFORM_EXPRESSION_H
#define MR_CONSUMERS_TRANSFORM_EXPRESSION_H

#include "core/config.h"
#include "core/schema.h"

enum mr_expression_type {
    MR_EXPRESSION_NULL,
    MR_EXPRESSION_BOOL,
    MR_EXPRESSION_NUMBER,
    MR_EXPRESSION_TEXT,
    MR_EXPRESSION_ANY, // known only when it runs: `a and 1 or 'x'`
};

struct mr_expression_value {
    enum mr_expression_type type; // never ANY
    bool boolean;
    double number;
    const char
        *text; // not NUL-ended in general; valid until the next run of any expression of its set
    size_t length;
};

struct mr_expressions; // one interpreter with what was compiled in it; used by one thread
struct mr_expression;

struct mr_expressions *mr_expressions_open(struct mr_error *err); // NULL: MR_ERR_MEMORY
void mr_expressions_close(struct mr_expressions *all);

// MR_ERR_CONFIG, with the place of `node`, where the text is no expression over this schema. The
// schema must outlive the expression.
int mr_expression_compile(struct mr_expressions *all, const char *text,
                          const struct mr_schema *schema, const struct mr_node *node,
                          struct mr_expression **out, struct mr_error *err);
enum mr_expression_type mr_expression_type(const struct mr_expression *expression);
const char *mr_expression_type_name(enum mr_expression_type type); // "a number", "text", ...
bool mr_expression_is_nullable(const struct mr_expression *expression);
// The field, where the expression is nothing but its name: then it can be copied without rounding.
const struct mr_field *mr_expression_field(const struct mr_expression *expression);

// Which fields a text reads, whatever the schema: the next name at or after *at that is neither a
// function nor a word that every expression knows; *at moves on. NULL: no more.
const char *mr_expression_next_field(const char *text, size_t *at, size_t *length);

// Runs it over a record of its schema. False: an error, and value->text says which in one sentence.
bool mr_expression_run(struct mr_expression *expression, const void *record,
                       struct mr_expression_value *value);
// The same by the interpreter, always; for tests: what mr_expression_run gives is what this does, in less time.
bool mr_expression_interpret(struct mr_expression *expression, const void *record,
                             struct mr_expression_value *value);

#endif
