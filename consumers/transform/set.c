// SPDX-License-Identifier: Apache-2.0
// set: computes fields.
//
//     - set: {transformed_value: "value * 1.1"}
//     - set:
//         notional: {expr: "price * quantity", type: decimal(2)}
//         side: "lower(side)"
//         on: trade
//
// It works on the schemas that have the fields it reads, and those it sets where any schema has
// them (`on` says otherwise). All expressions read the record as it came in, whatever their order.
// A field that is there keeps its type; a new one is appended: of the `type` given, else bool for a
// condition and f64 for everything else. It is nullable if its expression can be null. A value that
// the field's type does not hold rejects the record. A field copied as it is (`expr: price`) into
// one of the same type is copied exactly, without a detour through a double.
#include <stdlib.h>
#include <string.h>

#include "consumers/transform/expression.h"
#include "consumers/transform/lua_value.h"
#include "consumers/transform/reshape.h"
#include "consumers/transform/scope.h"

struct entry {
    const struct mr_node *node, *expr;
    const char *text; // of the expression
    const char *type; // NULL: not given
};

struct assignment {
    const struct mr_field *to;
    const struct mr_field *from; // not NULL: copied as it is
    struct mr_expression *expression;
};

struct plan {
    struct mr_reshape reshape;
    struct assignment assignments[MR_FIELDS_MAX];
    unsigned count;
};

struct set {
    struct mr_expressions *expressions;
    struct mr_plans plans;
    struct entry entries[MR_FIELDS_MAX];
    unsigned entry_count;
};

// ---- reading the options

static int read_mapping(const struct mr_node *child, struct entry *entry, struct mr_error *err)
{
    struct options {
        const struct mr_node *expr;
        const char *type;
    } options;
    static const struct mr_option table[] = {
        {"expr", MR_OPTION_NODE, offsetof(struct options, expr), MR_OPTION_REQUIRED, "the value",
         NULL},
        {"type", MR_OPTION_STRING, offsetof(struct options, type), NULL, "of the new field", NULL},
        {0},
    };
    int code = mr_config_bind(child, NULL, table, &options, sizeof options, err);
    entry->expr = options.expr;
    entry->type = options.type;
    return code;
}

static int read_entry(const struct mr_node *child, struct entry *entry, struct mr_error *err)
{
    entry->node = child;
    entry->expr = child;
    int code = child->kind == MR_NODE_MAP ? read_mapping(child, entry, err) : MR_OK;
    return code == MR_OK ? mr_config_text(entry->expr, &entry->text, err) : code;
}

static bool any_has(const struct mr_schema_set *schemas, const char *field)
{
    for (unsigned i = 0; i < schemas->count; i++)
        if (mr_schema_field(schemas->schemas[i], field))
            return true;
    return false;
}

static int read_entries(struct mr_op *op, struct set *set, struct mr_scope *scope,
                        struct mr_error *err)
{
    int code = mr_scope_open_map(scope, op->node, err);
    for (unsigned i = 0; i < op->node->child_count && code == MR_OK; i++) {
        const struct mr_node *child = op->node->children[i];
        if (mr_scope_is_own_key(child))
            continue;
        if (set->entry_count == MR_FIELDS_MAX)
            return mr_config_fail(child, err, "found more than %d fields", MR_FIELDS_MAX);
        struct entry *entry = &set->entries[set->entry_count++];
        code = read_entry(child, entry, err);
        if (code != MR_OK)
            return code;
        mr_scope_add_expression(scope, entry->text, entry->expr);
        if (!scope->on && any_has(&op->in, child->key))
            mr_scope_add(scope, child->key, child);
    }
    return code;
}

// ---- planning

static const char *type_of_new(const struct entry *entry, const struct mr_expression *expression,
                               struct mr_error *err)
{
    if (entry->type)
        return entry->type;
    switch (mr_expression_type(expression)) {
    case MR_EXPRESSION_BOOL:
        return "bool";
    case MR_EXPRESSION_TEXT:
        mr_config_fail(entry->node, err,
                       "found text for a new field, expected its size too, as in "
                       "{expr: ..., type: char[16]}");
        return NULL;
    default:
        return "f64";
    }
}

static int check_type(const struct entry *entry, const struct mr_field *field,
                      const struct mr_expression *expression, struct mr_error *err)
{
    char type[160];
    enum mr_expression_type found = mr_expression_type(expression);
    mr_type_text(field, type, sizeof type);
    if (field->type == MR_TYPE_BYTES)
        return mr_config_fail(entry->node, err,
                              "found a field of type bytes, expected another type");
    if (found == mr_lua_type(field) || found == MR_EXPRESSION_ANY ||
        (found == MR_EXPRESSION_NULL && field->null_bit >= 0))
        return MR_OK;
    return mr_config_fail(entry->node, err, "in `%s`: found %s, expected %s, for %s is %s%s",
                          entry->text, mr_expression_type_name(found),
                          mr_expression_type_name(mr_lua_type(field)), field->name, type,
                          found == MR_EXPRESSION_NULL ? " and never null" : "");
}

static int check_given_type(const struct entry *entry, const struct mr_field *field,
                            struct mr_error *err)
{
    char type[160];
    struct mr_field given = {0};
    mr_type_text(field, type, sizeof type);
    if (!entry->type)
        return MR_OK;
    struct mr_schema *scratch = mr_schema_new("scratch", 0);
    int code = mr_schema_add(scratch, field->name, entry->type, false, err);
    if (code == MR_OK)
        given = scratch->fields[0];
    mr_schema_free(scratch);
    if (code != MR_OK)
        return mr_config_fail(entry->node, err, "found type %s, which is none", entry->type);
    if (given.type != field->type || given.bytes != field->bytes || given.scale != field->scale)
        return mr_config_fail(entry->node, err,
                              "found type %s, expected none or %s, which %s has already",
                              entry->type, type, field->name);
    return MR_OK;
}

static bool same_type(const struct mr_field *a, const struct mr_field *b)
{
    return a->type == b->type && a->bytes == b->bytes && a->scale == b->scale &&
           memcmp(a->labels, b->labels, sizeof a->labels) == 0 && a->type != MR_TYPE_BYTES &&
           (a->null_bit < 0) >= (b->null_bit < 0);
}

// Compiles every entry, and collects the fields that the schema does not have.
static int compile_entries(struct set *set, const struct mr_schema *schema, struct plan *plan,
                           struct mr_new_field *added, unsigned *added_count, struct mr_error *err)
{
    for (unsigned i = 0; i < set->entry_count; i++) {
        const struct entry *entry = &set->entries[i];
        const struct mr_field *field = mr_schema_field(schema, entry->node->key);
        struct mr_expression *expression;
        int code = mr_expression_compile(set->expressions, entry->text, schema, entry->expr,
                                         &expression, err);
        if (code == MR_OK && field)
            code = check_given_type(entry, field, err);
        if (code != MR_OK)
            return code;
        plan->assignments[plan->count++].expression = expression;
        if (field)
            continue;
        const char *type = type_of_new(entry, expression, err);
        if (!type)
            return err ? err->code : MR_ERR_CONFIG;
        added[(*added_count)++] =
            (struct mr_new_field){entry->node->key, type, mr_expression_is_nullable(expression)};
    }
    return MR_OK;
}

static int shape_plan(struct mr_op *op, unsigned index, struct plan *plan,
                      const struct mr_new_field *added, unsigned added_count, struct mr_error *err)
{
    const struct mr_field *sources[MR_FIELDS_MAX];
    if (added_count == 0) {
        mr_reshape_same(&plan->reshape, op, index);
        return MR_OK;
    }
    struct mr_schema *to =
        mr_reshape_extend(op->in.schemas[index], added, added_count, sources, err);
    if (!to)
        return mr_error_within(err, "%s:%u: %s", op->node->file, op->node->line, op->node->path);
    return mr_reshape_seal(&plan->reshape, op, index, to, sources, err);
}

static int resolve_plan(struct set *set, struct plan *plan, struct mr_error *err)
{
    int code = MR_OK;
    for (unsigned i = 0; i < set->entry_count && code == MR_OK; i++) {
        const struct entry *entry = &set->entries[i];
        struct assignment *assignment = &plan->assignments[i];
        assignment->to = mr_schema_field(plan->reshape.to, entry->node->key);
        const struct mr_field *only = mr_expression_field(assignment->expression);
        if (only && same_type(only, assignment->to))
            assignment->from = only;
        code = check_type(entry, assignment->to, assignment->expression, err);
    }
    return code;
}

static int add_plan(struct mr_op *op, struct set *set, unsigned index, struct mr_error *err)
{
    struct mr_new_field added[MR_FIELDS_MAX];
    unsigned added_count = 0;
    struct plan *plan = calloc(1, sizeof *plan);
    if (!plan)
        return mr_fail(err, MR_ERR_MEMORY, "out of memory for set");
    int code = mr_plans_set(&set->plans, op->in.schemas[index]->id, plan, err);
    if (code != MR_OK) {
        free(plan);
        return code;
    }
    code = compile_entries(set, op->in.schemas[index], plan, added, &added_count, err);
    if (code == MR_OK)
        code = shape_plan(op, index, plan, added, added_count, err);
    return code == MR_OK ? resolve_plan(set, plan, err) : code;
}

static int set_open(struct mr_op *op, struct mr_error *err)
{
    struct mr_scope scope = {0};
    struct set *set = calloc(1, sizeof *set);
    if (!set)
        return mr_fail(err, MR_ERR_MEMORY, "out of memory for set");
    op->self = set;
    set->expressions = mr_expressions_open(err);
    if (!set->expressions)
        return MR_ERR_MEMORY;
    int code = read_entries(op, set, &scope, err);
    if (code == MR_OK)
        code = mr_scope_resolve(&scope, op, err);
    if (code == MR_OK)
        code = mr_schema_set_copy(&op->out, &op->in, err);
    for (unsigned i = 0; i < op->in.count && code == MR_OK; i++)
        if (scope.takes[i])
            code = add_plan(op, set, i, err);
    return code;
}

// ---- running

static void copy_field(const struct mr_schema *to_schema, const struct assignment *assignment,
                       struct mr_record *to, const struct mr_schema *from_schema,
                       const struct mr_record *from)
{
    if (mr_field_is_null(from_schema, assignment->from, from)) {
        mr_field_set_null(to_schema, assignment->to, to, true);
        return;
    }
    memcpy((char *)to + assignment->to->offset, (const char *)from + assignment->from->offset,
           assignment->to->bytes);
    mr_field_set_null(to_schema, assignment->to, to, false);
}

// False: the record was rejected.
static bool assign(struct mr_op *op, const struct plan *plan, const struct assignment *assignment,
                   struct mr_record *to, const struct mr_record *from)
{
    struct mr_expression_value value = {0};
    char problem[400];
    if (assignment->from) {
        copy_field(plan->reshape.to, assignment, to, plan->reshape.from, from);
        return true;
    }
    if (MR_UNLIKELY(!mr_expression_run(assignment->expression, from, &value))) {
        mr_op_reject(op, from, MR_REASON_EXPRESSION, "%s: %s", assignment->to->name, value.text);
        return false;
    }
    if (MR_UNLIKELY(mr_lua_store(plan->reshape.to, assignment->to, to, &value, problem,
                                 sizeof problem) != MR_OK)) {
        mr_op_reject(op, from, MR_REASON_BAD_VALUE, "%s", problem);
        return false;
    }
    return true;
}

static void set_apply(struct mr_op *op, struct mr_record *record)
{
    struct set *set = op->self;
    struct plan *plan = mr_plans_get(&set->plans, record->schema_id);
    if (!plan) {
        mr_op_pass(op, record);
        return;
    }
    struct mr_record *out = mr_reshape_apply(&plan->reshape, record);
    if (MR_UNLIKELY(!out)) {
        mr_op_fail(op, MR_ERR_MEMORY, "out of memory for a record of %u bytes", record->length);
        return;
    }
    for (unsigned i = 0; i < plan->count; i++)
        if (!assign(op, plan, &plan->assignments[i], out, record))
            return;
    mr_op_pass(op, out);
}

static void free_plan(void *plan)
{
    mr_reshape_free(&((struct plan *)plan)->reshape);
    free(plan);
}

static void set_close(struct mr_op *op)
{
    struct set *set = op->self;
    mr_plans_clear(&set->plans, free_plan);
    mr_expressions_close(set->expressions);
    free(set);
}

const struct mr_operator mr_operator_set = {
    .name = "set",
    .about = "computes fields by expressions, new ones or in place of what they held",
    .help = "- set: {transformed_value: \"value * 1.1\"}\n"
            "- set: {notional: {expr: \"price * quantity\", type: decimal(2)}, side: "
            "\"lower(side)\", on: trade}\n",
    .open = set_open,
    .apply = set_apply,
    .close = set_close,
};
