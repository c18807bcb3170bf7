// SPDX-License-Identifier: Apache-2.0
// Simple expressions without the interpreter: numbers, conditions, and text compared for equality, as steps on a
// stack. To call LuaJIT for a record costs more than such an expression itself. Whatever else an expression says
// (functions, `..`, `%`, `^`, null, values whose type is known only when it runs) it leaves to the interpreter, and so
// does a record of which an input is null. The results are the interpreter's, on x86-64 bit for bit (a NaN is a NaN).
//
//     struct mr_expression_steps steps = {0};
//     mr_steps_add(&steps, (struct mr_step){MR_STEP_INPUT, .input = 0});       // as the parser comes along:
//     mr_steps_add(&steps, (struct mr_step){MR_STEP_NUMBER, .number = 10});    // operands first
//     mr_steps_add(&steps, (struct mr_step){MR_STEP_GREATER});
//     if (mr_steps_are_whole(&steps)) ... mr_steps_run(&steps, values) ...     // price > 10
//     mr_steps_free(&steps);
#ifndef MR_CONSUMERS_TRANSFORM_EXPRESSION_STEPS_H
#define MR_CONSUMERS_TRANSFORM_EXPRESSION_STEPS_H

#include "consumers/transform/lua_value.h"

enum mr_step_kind {
    MR_STEP_NONE, // there is no such step: the interpreter's
    MR_STEP_INPUT,
    MR_STEP_INPUT_CONDITION,
    MR_STEP_NUMBER,
    MR_STEP_INPUT_TEXT, // text is compared, nothing else: it never comes onto the stack
    MR_STEP_TEXT,
    MR_STEP_NEGATE, // these take one operand
    MR_STEP_NOT,
    MR_STEP_ADD, // from here on they take two: the left one lies below the right one
    MR_STEP_SUBTRACT,
    MR_STEP_MULTIPLY,
    MR_STEP_DIVIDE,
    MR_STEP_LESS,
    MR_STEP_LESS_EQUAL,
    MR_STEP_GREATER,
    MR_STEP_GREATER_EQUAL,
    MR_STEP_EQUAL,
    MR_STEP_NOT_EQUAL,
    MR_STEP_AND,
    MR_STEP_OR,
    MR_STEP_TEXT_EQUAL, // from here on they compare text
    MR_STEP_TEXT_NOT_EQUAL,
};

struct mr_step {
    enum mr_step_kind kind;
    enum mr_step_kind
        right; // of two operands: INPUT, NUMBER, INPUT_TEXT, TEXT; NONE: from the stack
    unsigned input, right_input; // indexes of values
    double number;
    char *text; // malloc'ed, owned by the steps
    int32_t length;
};

#define MR_STEPS_MAX 64
#define MR_STEPS_DEPTH_MAX 8

struct mr_expression_steps {
    struct mr_step steps[MR_STEPS_MAX];
    unsigned count, depth;
    bool given_up;
};

// Takes over step.text. A step of no kind, one too many or one too deep: the steps are given up.
void mr_steps_add(struct mr_expression_steps *steps, struct mr_step step);
// They give one value and nothing was given up.
bool mr_steps_are_whole(const struct mr_expression_steps *steps);
// The number; of a condition 0 or 1. None of the values is null.
double mr_steps_run(const struct mr_expression_steps *steps, const struct mr_lua_value *values);
void mr_steps_free(struct mr_expression_steps *steps);

#endif
