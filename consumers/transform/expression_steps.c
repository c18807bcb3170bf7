// SPDX-License-Identifier: Apache-2.0
#include "consumers/transform/expression_steps.h"

#include <string.h>

static unsigned operands_of(enum mr_step_kind kind)
{
    return kind >= MR_STEP_ADD ? 2 : kind >= MR_STEP_NEGATE ? 1 : 0;
}

static bool compares_text(enum mr_step_kind kind)
{
    return kind >= MR_STEP_TEXT_EQUAL;
}

void mr_steps_give_up(struct mr_expression_steps *steps)
{
    steps->given_up = true;
}

// What the step before pushed becomes this one's right operand, and its left one too where that is text.
static void take_right(struct mr_expression_steps *steps, struct mr_step *step)
{
    const struct mr_step *last = &steps->steps[steps->count - 1];
    if (!compares_text(step->kind) && last->kind != MR_STEP_INPUT && last->kind != MR_STEP_NUMBER)
        return;
    step->right = last->kind;
    step->right_input = last->input;
    step->number = last->number;
    step->text = last->text;
    step->length = last->length;
    steps->count--;
    if (compares_text(step->kind))
        step->input = steps->steps[--steps->count].input;
}

static void put_literal_right(struct mr_expression_steps *steps)
{
    struct mr_step *right = &steps->steps[steps->count - 1], *left = right - 1;
    if (left->kind == MR_STEP_TEXT) {
        struct mr_step literal = *left;
        *left = *right;
        *right = literal;
    }
}

static void add(struct mr_expression_steps *steps, struct mr_step step)
{
    unsigned operands = operands_of(step.kind);
    if (step.kind == MR_STEP_NONE || steps->count == MR_STEPS_MAX || steps->depth < operands ||
        steps->depth - operands == MR_STEPS_DEPTH_MAX)
        mr_steps_give_up(steps);
    if (steps->given_up)
        return;
    if (compares_text(step.kind)) {
        put_literal_right(steps);
        if (steps->steps[steps->count - 2].kind == MR_STEP_TEXT) { // two literals
            mr_steps_give_up(steps);
            return;
        }
    }
    if (operands == 2)
        take_right(steps, &step);
    steps->depth = steps->depth - operands + 1;
    steps->steps[steps->count++] = step;
}

void mr_steps_add_input(struct mr_expression_steps *steps, unsigned input,
                        enum mr_expression_type type)
{
    enum mr_step_kind kind = type == MR_EXPRESSION_BOOL   ? MR_STEP_INPUT_CONDITION
                             : type == MR_EXPRESSION_TEXT ? MR_STEP_INPUT_TEXT
                                                          : MR_STEP_INPUT;
    add(steps, (struct mr_step){.kind = kind, .input = input});
}

void mr_steps_add_number(struct mr_expression_steps *steps, double number)
{
    add(steps, (struct mr_step){.kind = MR_STEP_NUMBER, .number = number});
}

void mr_steps_take_byte(struct mr_expression_steps *steps, char byte)
{
    if (steps->text_bytes == MR_STEPS_TEXT_BYTES)
        mr_steps_give_up(steps);
    else
        steps->text[steps->text_bytes++] = byte;
}

void mr_steps_add_text(struct mr_expression_steps *steps, unsigned begin)
{
    add(steps, (struct mr_step){.kind = MR_STEP_TEXT,
                                .text = begin,
                                .length = (int32_t)(steps->text_bytes - begin)});
}

void mr_steps_add_operator(struct mr_expression_steps *steps, const char *symbol,
                           enum mr_expression_type left, enum mr_expression_type right)
{
    static const struct {
        const char *symbol;
        enum mr_expression_type type; // on both sides
        enum mr_step_kind kind;
    } operators[] = {
        {"+", MR_EXPRESSION_NUMBER, MR_STEP_ADD},
        {"-", MR_EXPRESSION_NUMBER, MR_STEP_SUBTRACT},
        {"*", MR_EXPRESSION_NUMBER, MR_STEP_MULTIPLY},
        {"/", MR_EXPRESSION_NUMBER, MR_STEP_DIVIDE},
        {"<", MR_EXPRESSION_NUMBER, MR_STEP_LESS},
        {"<=", MR_EXPRESSION_NUMBER, MR_STEP_LESS_EQUAL},
        {">", MR_EXPRESSION_NUMBER, MR_STEP_GREATER},
        {">=", MR_EXPRESSION_NUMBER, MR_STEP_GREATER_EQUAL},
        {"==", MR_EXPRESSION_NUMBER, MR_STEP_EQUAL},
        {"~=", MR_EXPRESSION_NUMBER, MR_STEP_NOT_EQUAL},
        {"==", MR_EXPRESSION_BOOL, MR_STEP_EQUAL},
        {"~=", MR_EXPRESSION_BOOL, MR_STEP_NOT_EQUAL},
        {"==", MR_EXPRESSION_TEXT, MR_STEP_TEXT_EQUAL},
        {"~=", MR_EXPRESSION_TEXT, MR_STEP_TEXT_NOT_EQUAL},
        {"and", MR_EXPRESSION_BOOL, MR_STEP_AND},
        {"or", MR_EXPRESSION_BOOL, MR_STEP_OR},
    };
    struct mr_step step = {0};
    for (size_t i = 0; left == right && i < MR_COUNT_OF(operators); i++)
        if (operators[i].type == left && strcmp(operators[i].symbol, symbol) == 0)
            step.kind = operators[i].kind;
    add(steps, step);
}

void mr_steps_add_unary(struct mr_expression_steps *steps, const char *symbol,
                        enum mr_expression_type type)
{
    struct mr_step step = {0};
    if (strcmp(symbol, "not") == 0 && type == MR_EXPRESSION_BOOL)
        step.kind = MR_STEP_NOT;
    if (strcmp(symbol, "-") == 0 && type == MR_EXPRESSION_NUMBER)
        step.kind = MR_STEP_NEGATE;
    add(steps, step);
}

// One value, which is no text: that is only compared.
bool mr_steps_are_whole(const struct mr_expression_steps *steps)
{
    if (steps->given_up || steps->depth != 1)
        return false;
    enum mr_step_kind last = steps->steps[steps->count - 1].kind;
    return last != MR_STEP_INPUT_TEXT && last != MR_STEP_TEXT;
}

static bool is_same_text(const struct mr_expression_steps *steps, const struct mr_step *step,
                         const struct mr_lua_value *values)
{
    const struct mr_lua_value literal = {.text = steps->text + step->text, .length = step->length};
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
            top = is_same_text(steps, step, values) == (step->kind == MR_STEP_TEXT_EQUAL);
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
