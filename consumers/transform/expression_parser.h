// SPDX-License-Identifier: Apache-2.0
// From the text of an expression to Lua source, and to steps where it is simple: the grammar and the
// typing of expression.h. Private to expression.c; it runs nothing.
#ifndef MR_CONSUMERS_TRANSFORM_EXPRESSION_PARSER_H
#define MR_CONSUMERS_TRANSFORM_EXPRESSION_PARSER_H

#include "consumers/transform/expression.h"
#include "consumers/transform/expression_steps.h"

enum mr_envelope_value {
    MR_ENVELOPE_EVENT_TIME,
    MR_ENVELOPE_INGEST_TIME,
    MR_ENVELOPE_SEQUENCE,
    MR_ENVELOPE_FLAGS
};
#define MR_ENVELOPE_VALUES 4
extern const char *const mr_envelope_names[MR_ENVELOPE_VALUES];

// One value that the expression reads; in the Lua source it is the local variable v<index>.
struct mr_expression_input {
    const struct mr_field *field; // NULL: of the envelope
    enum mr_envelope_value envelope;
};

struct mr_parsed_expression {
    char *lua; // malloc'ed; names v0, v1 ... for the inputs and F.<function> for what it calls
    struct mr_expression_steps steps; // the same, where it is simple; else given up
    struct mr_expression_input inputs[MR_FIELDS_MAX + MR_ENVELOPE_VALUES];
    unsigned input_count;
    enum mr_expression_type type;
    bool nullable;
    const struct mr_field *field; // the whole expression is this field's name
};

int mr_expression_parse(const char *text, const struct mr_schema *schema,
                        const struct mr_node *node, struct mr_parsed_expression *out,
                        struct mr_error *err);

#endif
