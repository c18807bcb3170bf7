// SPDX-License-Identifier: Apache-2.0
// Simple expressions without the interpreter: numbers, conditions, and text compared for equality, as steps on a
// stack. To call LuaJIT for a record costs more than such an expression itself. Whatever else an expression says
// (functions, `..`, `%`, `^`, null, values whose type is known only when it runs) it leaves to the interpreter, and so
// does a record of which an input is null. The results are the interpreter's, on x86-64 bit for bit (a NaN is a NaN).
//
//     struct mr_expression_steps steps = {0};                 // as the parser comes along, operands first:
//     mr_steps_add_input(&steps, 0, MR_EXPRESSION_NUMBER);
//     mr_steps_add_number(&steps, 10);
//     mr_steps_add_operator(&steps, ">", MR_EXPRESSION_NUMBER, MR_EXPRESSION_NUMBER);
//     if (mr_steps_are_whole(&steps)) ... mr_steps_run(&steps, values) ...     // price > 10
#ifndef MR_CONSUMERS_TRANSFORM_EXPRESSION_STEPS_H
#define MR_CONSUMERS_TRANSFORM_EXPRESSION_STEPS_H

#include "consumers/transform/lua_value.h"

enum mr_step_kind {
    MR_STEP_NONE, // the interpreter's
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

#define MR_STEPS_MAX 64
#define MR_STEPS_DEPTH_MAX 8
#define MR_STEPS_TEXT_BYTES 256 // all literals together

struct mr_step {
    enum mr_step_kind kind;
    // Where the right one of two operands is: INPUT, NUMBER, INPUT_TEXT, TEXT; NONE: on the stack.
    enum mr_step_kind right;
    unsigned input, right_input; // indexes of values
    double number;
    unsigned text; // where the literal begins
    int32_t length;
};

struct mr_expression_steps {
    struct mr_step steps[MR_STEPS_MAX];
    unsigned count, depth;
    char text[MR_STEPS_TEXT_BYTES];
    unsigned text_bytes;
    bool given_up;
};

// Each adds a step. Where there is none for it, or no room, the steps are given up.
void mr_steps_add_input(struct mr_expression_steps *steps, unsigned input,
                        enum mr_expression_type type);
void mr_steps_add_number(struct mr_expression_steps *steps, double number); // conditions: 0 or 1
// A literal byte by byte; then as a whole, `begin` being text_bytes before its first.
void mr_steps_take_byte(struct mr_expression_steps *steps, char byte);
void mr_steps_add_text(struct mr_expression_steps *steps, unsigned begin);
// `symbol` as in Lua, between values of these types.
void mr_steps_add_operator(struct mr_expression_steps *steps, const char *symbol,
                           enum mr_expression_type left, enum mr_expression_type right);
// "not" or "-" before a value of this type.
void mr_steps_add_unary(struct mr_expression_steps *steps, const char *symbol,
                        enum mr_expression_type type);
// What is read here is the interpreter's.
void mr_steps_give_up(struct mr_expression_steps *steps);
// They give one value and nothing was given up.
bool mr_steps_are_whole(const struct mr_expression_steps *steps);
// The number; of a condition 0 or 1. None of the values is null.
double mr_steps_run(const struct mr_expression_steps *steps, const struct mr_lua_value *values);

#endif
