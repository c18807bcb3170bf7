// SPDX-License-Identifier: Apache-2.0
// filter: lets through the records for which a condition holds.
//
//     - filter: "price > 10 and symbol == 'AAPL'"
//     - filter: {where: "quantity > 0", on: [trade], others: drop}
//
// A null condition counts as no. Records of schemas that do not have the fields pass, or not, as
// `others` says.
#include <stdlib.h>

#include "consumers/transform/expression.h"
#include "consumers/transform/scope.h"

enum others { OTHERS_PASS, OTHERS_DROP };

struct filter_options {
    const struct mr_node *where, *on;
    int others;
};

static const struct mr_option option_table[] = {
    {"where", MR_OPTION_NODE, offsetof(struct filter_options, where), MR_OPTION_REQUIRED,
     "the condition", NULL},
    {"on", MR_OPTION_NODE, offsetof(struct filter_options, on), NULL,
     "the schemas it is for; else all that have its fields", NULL},
    {"others", MR_OPTION_ENUM, offsetof(struct filter_options, others), "pass",
     "what becomes of records of other schemas", "pass,drop"},
    {0},
};

struct filter {
    struct mr_expressions *expressions;
    struct mr_plans plans; // of struct mr_expression, owned by `expressions`
    bool drops_others;
};

static int add_schema(struct mr_op *op, struct filter *filter, unsigned index,
                      const struct mr_node *where, const char *text, struct mr_error *err)
{
    struct mr_expression *expression;
    const struct mr_schema *schema = op->in.schemas[index];
    int code = mr_expression_compile(filter->expressions, text, schema, where, &expression, err);
    if (code != MR_OK)
        return code;
    enum mr_expression_type type = mr_expression_type(expression);
    if (type != MR_EXPRESSION_BOOL && type != MR_EXPRESSION_ANY)
        return mr_config_fail(where, err, "in `%s`: found %s, expected a condition", text,
                              mr_expression_type_name(type));
    return mr_plans_set(&filter->plans, schema->id, expression, err);
}

static int add_schemas(struct mr_op *op, struct filter *filter,
                       const struct filter_options *options, struct mr_error *err)
{
    struct mr_scope scope = {.on = options->on};
    const char *text;
    int code = mr_config_text(options->where, &text, err);
    if (code != MR_OK)
        return code;
    mr_scope_add_expression(&scope, text, options->where);
    code = mr_scope_resolve(&scope, op, err);
    for (unsigned i = 0; i < op->in.count && code == MR_OK; i++)
        if (scope.takes[i])
            code = add_schema(op, filter, i, options->where, text, err);
    return code;
}

static int filter_open(struct mr_op *op, struct mr_error *err)
{
    struct filter_options options = {.where = op->node};
    int code = MR_OK;
    if (op->node->kind == MR_NODE_MAP)
        code = mr_config_bind(op->node, NULL, option_table, &options, sizeof options, err);
    if (code != MR_OK)
        return code;
    struct filter *filter = calloc(1, sizeof *filter);
    if (!filter)
        return mr_fail(err, MR_ERR_MEMORY, "out of memory for a filter");
    op->self = filter;
    filter->drops_others = options.others == OTHERS_DROP;
    filter->expressions = mr_expressions_open(err);
    if (!filter->expressions)
        return MR_ERR_MEMORY;
    code = add_schemas(op, filter, &options, err);
    return code == MR_OK ? mr_schema_set_copy(&op->out, &op->in, err) : code;
}

static void filter_apply(struct mr_op *op, struct mr_record *record)
{
    struct filter *filter = op->self;
    struct mr_expression_value value = {0};
    struct mr_expression *wanted = mr_plans_get(&filter->plans, record->schema_id);
    if (!wanted) {
        if (filter->drops_others)
            mr_op_fate(op, MR_COUNT_FILTERED);
        else
            mr_op_pass(op, record);
        return;
    }
    if (MR_UNLIKELY(!mr_expression_run(wanted, record, &value)))
        mr_op_reject(op, record, MR_REASON_EXPRESSION, "%s", value.text);
    else if (value.type == MR_EXPRESSION_BOOL ? value.boolean : value.type != MR_EXPRESSION_NULL)
        mr_op_pass(op, record);
    else
        mr_op_fate(op, MR_COUNT_FILTERED);
}

static void keep_plan(void *plan)
{
    (void)plan; // belongs to the expressions
}

static void filter_close(struct mr_op *op)
{
    struct filter *filter = op->self;
    mr_plans_clear(&filter->plans, keep_plan);
    mr_expressions_close(filter->expressions);
    free(filter);
}

const struct mr_operator mr_operator_filter = {
    .name = "filter",
    .about = "lets through the records for which a condition holds",
    .help =
        "- filter: \"price > 10 and symbol == 'AAPL'\"\n"
        "- filter: {where: \"quantity > 0\", on: [trade], others: drop}   # others: pass | drop\n",
    .open = filter_open,
    .apply = filter_apply,
    .close = filter_close,
};
