// SPDX-License-Identifier: Apache-2.0
#include "consumers/transform/expression_steps.h"

#include <stdlib.h>
#include <string.h>

static unsigned operands_of(enum mr_step_kind kind)
{
    return kind >= MR_STEP_ADD ? 2 : kind >= MR_STEP_NEGATE ? 1 : 0;
}

static void give_up(struct mr_expression_steps *steps, struct mr_step *step)
{
    steps->given_up = true;
    free(step->text);
}

// What the step before pushed becomes this one's right operand, and its left one too where that is text.
static void take_right(struct mr_expression_steps *steps, struct mr_step *step)
{
    const struct mr_step *last = &steps->steps[steps->count - 1];
    bool compares_text = step->kind >= MR_STEP_TEXT_EQUAL;
    if (!compares_text && last->kind != MR_STEP_INPUT && last->kind != MR_STEP_NUMBER)
        return;
    step->right = last->kind;
    step->right_input = last->input;
    step->number = last->number;
    step->text = last->text;
    step->length = last->length;
    steps->count--;
    if (compares_text)
        step->input = steps->steps[--steps->count].input;
}

// Text is compared with a field's: literals among themselves are the interpreter's. The literal is put on the right.
static bool put_literal_right(struct mr_expression_steps *steps)
{
    struct mr_step *right = &steps->steps[steps->count - 1], *left = right - 1;
    if (left->kind == MR_STEP_TEXT) {
        struct mr_step literal = *left;
        *left = *right;
        *right = literal;
    }
    return left->kind == MR_STEP_INPUT_TEXT &&
           (right->kind == MR_STEP_INPUT_TEXT || right->kind == MR_STEP_TEXT);
}

void mr_steps_add(struct mr_expression_steps *steps, struct mr_step step)
{
    unsigned operands = operands_of(step.kind);
    if (steps->given_up || step.kind == MR_STEP_NONE || steps->count == MR_STEPS_MAX ||
        steps->depth < operands || steps->depth - operands == MR_STEPS_DEPTH_MAX ||
        (step.kind >= MR_STEP_TEXT_EQUAL && !put_literal_right(steps))) {
        give_up(steps, &step);
        return;
    }
    if (operands == 2)
        take_right(steps, &step);
    steps->depth = steps->depth - operands + 1;
    steps->steps[steps->count++] = step;
}

bool mr_steps_are_whole(const struct mr_expression_steps *steps)
{
    return !steps->given_up && steps->depth == 1;
}

void mr_steps_free(struct mr_expression_steps *steps)
{
    for (unsigned i = 0; i < steps->count; i++)
        free(steps->steps[i].text);
    *steps = (struct mr_expression_steps){.given_up = true};
}

static bool is_same_text(const struct mr_step *step, const struct mr_lua_value *values)
{
    const struct mr_lua_value literal = {.text = step->text, .length = step->length};
    const struct mr_lua_value *a = &values[step->input];
    const struct mr_lua_value *b =
        step->right == MR_STEP_TEXT ? &literal : &values[step->right_input];
    return a->length == b->length && memcmp(a->text, b->text, (size_t)a->length) == 0;
}

static inline double combine(enum mr_step_kind kind, double a, double b)
{
    switch (kind) {
    case MR_STEP_ADD:
        return a + b;
    case MR_STEP_SUBTRACT:
        return a - b;
    case MR_STEP_MULTIPLY:
        return a * b;
    case MR_STEP_DIVIDE:
        return a / b;
    case MR_STEP_LESS:
        return a < b;
    case MR_STEP_LESS_EQUAL:
        return a <= b;
    case MR_STEP_GREATER:
        return a > b;
    case MR_STEP_GREATER_EQUAL:
        return a >= b;
    case MR_STEP_EQUAL:
        return a == b;
    case MR_STEP_NOT_EQUAL:
        return a != b;
    case MR_STEP_AND: // conditions: 0 or 1, and neither side can fail
        return a * b;
    default:
        return a + b > 0;
    }
}

double mr_steps_run(const struct mr_expression_steps *steps, const struct mr_lua_value *values)
{
    double stack[MR_STEPS_DEPTH_MAX + 1], *below = stack; // all but the topmost
    double top = 0;
    const struct mr_step *end = steps->steps + steps->count;
    for (const struct mr_step *step = steps->steps; step < end; step++)
        switch (step->kind) {
        case MR_STEP_INPUT:
            *below++ = top;
            top = values[step->input].number;
            break;
        case MR_STEP_INPUT_CONDITION:
            *below++ = top;
            top = values[step->input].number != 0;
            break;
        case MR_STEP_NUMBER:
            *below++ = top;
            top = step->number;
            break;
        case MR_STEP_TEXT_EQUAL:
        case MR_STEP_TEXT_NOT_EQUAL:
            *below++ = top;
            top = is_same_text(step, values) == (step->kind == MR_STEP_TEXT_EQUAL);
            break;
        case MR_STEP_NEGATE:
            top = -top;
            break;
        case MR_STEP_NOT:
            top = top == 0;
            break;
        default:
            if (step->right == MR_STEP_NUMBER)
                top = combine(step->kind, top, step->number);
            else if (step->right == MR_STEP_INPUT)
                top = combine(step->kind, top, values[step->right_input].number);
            else if (below > stack) // always: mr_steps_add counts
                top = combine(step->kind, *--below, top);
        }
    return top;
}
