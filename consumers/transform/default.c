// SPDX-License-Identifier: Apache-2.0
// default: fills nulls.
//
//     - default: {customer: 0, country: "?"}
//     - default: {quantity: 1, on: [trade]}
//
// Values are written as in data: 12.50, true, 2020-01-30T09:30:00Z, an enum's label. A record in
// which a null was filled bears MR_FLAG_CORRECTED.
#include <stdlib.h>
#include <string.h>

#include "consumers/transform/scope.h"

enum { COUNT_FILLED };
static const char *const counters[] = {"filled", NULL};

struct plan {
    const struct mr_schema *schema;
    const struct mr_field *fields[MR_FIELDS_MAX];
    unsigned count;
    uint8_t values[]; // a record that holds the values
};

static int add_field(struct plan *plan, const struct mr_node *child, struct mr_error *err)
{
    const char *text;
    char type[160];
    const struct mr_field *field = mr_schema_field(plan->schema, child->key);
    int code = mr_config_text(child, &text, err);
    if (code != MR_OK)
        return code;
    mr_type_text(field, type, sizeof type);
    if (field->null_bit < 0)
        return mr_config_fail(child, err,
                              "found a field that is never null in %s, expected a nullable one",
                              plan->schema->name);
    if (mr_field_parse(plan->schema, field, plan->values, text, strlen(text)) != MR_OK)
        return mr_config_fail(child, err, "found \"%s\", expected what a %s holds", text, type);
    plan->fields[plan->count++] = field;
    return MR_OK;
}

static int add_plan(struct mr_op *op, struct mr_plans *plans, const struct mr_schema *schema,
                    struct mr_error *err)
{
    struct plan *plan = calloc(1, sizeof *plan + schema->record_bytes);
    if (!plan)
        return mr_fail(err, MR_ERR_MEMORY, "out of memory for defaults");
    int code = mr_plans_set(plans, schema->id, plan, err);
    if (code != MR_OK) {
        free(plan);
        return code;
    }
    plan->schema = schema;
    mr_record_init(schema, plan->values);
    for (unsigned i = 0; i < op->node->child_count && code == MR_OK; i++)
        if (!mr_scope_is_own_key(op->node->children[i]))
            code = add_field(plan, op->node->children[i], err);
    return code;
}

static int default_open(struct mr_op *op, struct mr_error *err)
{
    return mr_plans_open(op, add_plan, err);
}

static void default_apply(struct mr_op *op, struct mr_record *record)
{
    const struct plan *plan = mr_plans_get(op->self, record->schema_id);
    for (unsigned i = 0; plan && i < plan->count; i++) {
        const struct mr_field *field = plan->fields[i];
        if (!mr_field_is_null(plan->schema, field, record))
            continue;
        mr_field_set_null(plan->schema, field, record, false);
        memcpy((char *)record + field->offset, plan->values + field->offset, field->bytes);
        record->flags |= MR_FLAG_CORRECTED;
        mr_op_count(op, COUNT_FILLED, 1);
    }
    mr_op_pass(op, record);
}

static void default_close(struct mr_op *op)
{
    mr_plans_clear(op->self, free);
    free(op->self);
}

const struct mr_operator mr_operator_default = {
    .name = "default",
    .about = "fills nulls with given values",
    .help = "- default: {customer: 0, country: \"?\"}\n",
    .counters = counters,
    .open = default_open,
    .apply = default_apply,
    .close = default_close,
};
