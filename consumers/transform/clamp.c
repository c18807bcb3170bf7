// SPDX-License-Identifier: Apache-2.0
// clamp: keeps numbers within bounds.
//
//     - clamp: {price: [0, 1000], quantity: [1, ~]}
//
// A value outside becomes the bound, and its record bears MR_FLAG_CORRECTED; ~ (or null) leaves a
// side open. Bounds are exact in the field's own type: a decimal's digits, a timestamp's
// nanoseconds. Nulls stay null; an f64 that is not a number stays as it is.
#include <stdlib.h>
#include <string.h>

#include "consumers/transform/scope.h"

enum { COUNT_CLAMPED };
static const char *const counters[] = {"clamped", NULL};

struct bounds {
    const struct mr_field *field;
    bool has_low, has_high;
};

struct plan {
    const struct mr_schema *schema;
    struct bounds bounds[MR_FIELDS_MAX];
    unsigned count;
    uint8_t *low, *high; // records that hold the bounds; behind the plan, in the same allocation
};

static bool is_open(const struct mr_node *node)
{
    return node->kind == MR_NODE_SCALAR && !node->quoted &&
           (!node->text || !node->text[0] || strcmp(node->text, "~") == 0 ||
            strcmp(node->text, "null") == 0);
}

static int read_bound(const struct plan *plan, const struct mr_field *field,
                      const struct mr_node *node, uint8_t *record, bool *has, struct mr_error *err)
{
    const char *text;
    char type[160];
    *has = !is_open(node);
    if (!*has)
        return MR_OK;
    int code = mr_config_text(node, &text, err);
    if (code != MR_OK)
        return code;
    mr_type_text(field, type, sizeof type);
    if (mr_field_parse(plan->schema, field, record, text, strlen(text)) != MR_OK)
        return mr_config_fail(
            node, err, "found \"%s\", expected what a %s holds, or ~ for no bound", text, type);
    return MR_OK;
}

static bool is_number(const struct mr_field *field)
{
    return field->type == MR_TYPE_F32 || field->type == MR_TYPE_F64 ||
           (mr_type_is_integer(field->type) && field->type != MR_TYPE_BOOL &&
            field->type != MR_TYPE_ENUM);
}

// -1, 0, 1: the value in a against the value in b; not a number is equal to everything.
static int compare(const struct mr_field *field, const void *a, const void *b)
{
    if (field->type == MR_TYPE_F32 || field->type == MR_TYPE_F64) {
        double x = mr_field_get_f64(field, a), y = mr_field_get_f64(field, b);
        return (x > y) - (x < y);
    }
    int64_t x = mr_field_get_i64(field, a), y = mr_field_get_i64(field, b);
    if (field->type == MR_TYPE_U64)
        return ((uint64_t)x > (uint64_t)y) - ((uint64_t)x < (uint64_t)y);
    return (x > y) - (x < y);
}

static int add_bounds(struct plan *plan, const struct mr_node *child, struct mr_error *err)
{
    const struct mr_field *field = mr_schema_field(plan->schema, child->key);
    struct bounds *bounds = &plan->bounds[plan->count++];
    char type[160];
    bounds->field = field;
    mr_type_text(field, type, sizeof type);
    if (!is_number(field))
        return mr_config_fail(child, err, "found a field of type %s, expected a number", type);
    if (child->kind != MR_NODE_LIST || child->child_count != 2)
        return mr_config_fail(child, err, "found %s, expected [lowest, highest]",
                              child->kind == MR_NODE_SCALAR ? child->text
                              : child->kind == MR_NODE_MAP  ? "a mapping"
                                                            : "a list of another length");
    int code = read_bound(plan, field, child->children[0], plan->low, &bounds->has_low, err);
    if (code == MR_OK)
        code = read_bound(plan, field, child->children[1], plan->high, &bounds->has_high, err);
    if (code == MR_OK && bounds->has_low && bounds->has_high &&
        compare(field, plan->low, plan->high) > 0)
        code = mr_config_fail(child, err, "found a lowest value above the highest");
    return code;
}

static int add_plan(struct mr_op *op, struct mr_plans *plans, const struct mr_schema *schema,
                    struct mr_error *err)
{
    struct plan *plan = calloc(1, sizeof *plan + 2 * (size_t)schema->record_bytes);
    if (!plan)
        return mr_fail(err, MR_ERR_MEMORY, "out of memory for bounds");
    int code = mr_plans_set(plans, schema->id, plan, err);
    if (code != MR_OK) {
        free(plan);
        return code;
    }
    plan->schema = schema;
    plan->low = (uint8_t *)(plan + 1);
    plan->high = plan->low + schema->record_bytes;
    for (unsigned i = 0; i < op->node->child_count && code == MR_OK; i++)
        if (!mr_scope_is_own_key(op->node->children[i]))
            code = add_bounds(plan, op->node->children[i], err);
    return code;
}

static int clamp_open(struct mr_op *op, struct mr_error *err)
{
    return mr_plans_open(op, add_plan, err);
}

static void clamp_apply(struct mr_op *op, struct mr_record *record)
{
    const struct plan *plan = mr_plans_get(op->self, record->schema_id);
    for (unsigned i = 0; plan && i < plan->count; i++) {
        const struct bounds *bounds = &plan->bounds[i];
        const struct mr_field *field = bounds->field;
        const uint8_t *bound = NULL;
        if (mr_field_is_null(plan->schema, field, record))
            continue;
        if (bounds->has_low && compare(field, record, plan->low) < 0)
            bound = plan->low;
        else if (bounds->has_high && compare(field, record, plan->high) > 0)
            bound = plan->high;
        if (!bound)
            continue;
        memcpy((char *)record + field->offset, bound + field->offset, field->bytes);
        record->flags |= MR_FLAG_CORRECTED;
        mr_op_count(op, COUNT_CLAMPED, 1);
    }
    mr_op_pass(op, record);
}

static void clamp_close(struct mr_op *op)
{
    mr_plans_clear(op->self, free);
    free(op->self);
}

const struct mr_operator mr_operator_clamp = {
    .name = "clamp",
    .about = "keeps numbers within bounds",
    .help = "- clamp: {price: [0, 1000], quantity: [1, ~]}   # ~: no bound\n",
    .counters = counters,
    .open = clamp_open,
    .apply = clamp_apply,
    .close = clamp_close,
};
