// SPDX-License-Identifier: Apache-2.0
#include "consumers/transform/scope.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "consumers/transform/expression.h"

bool mr_scope_is_own_key(const struct mr_node *child)
{
    return strcmp(child->key, "on") == 0 || strcmp(child->key, "as") == 0;
}

int mr_scope_open_map(struct mr_scope *scope, const struct mr_node *map, struct mr_error *err)
{
    unsigned named = 0;
    if (map->kind != MR_NODE_MAP)
        return mr_config_fail(map, err, "found %s, expected a mapping of fields",
                              map->kind == MR_NODE_LIST ? "a list" : map->text);
    for (unsigned i = 0; i < map->child_count; i++)
        named += !mr_scope_is_own_key(map->children[i]);
    scope->on = mr_config_child(map, "on");
    return named > 0 ? MR_OK : mr_config_fail(map, err, "found no field, expected one at least");
}

static void add_name(struct mr_scope *scope, const char *name, size_t length,
                     const struct mr_node *node)
{
    if (length >= sizeof scope->fields[0].name)
        length =
            sizeof scope->fields[0].name - 1; // longer than any field's name: will not be found
    for (unsigned i = 0; i < scope->field_count; i++)
        if (strlen(scope->fields[i].name) == length &&
            memcmp(scope->fields[i].name, name, length) == 0)
            return;
    if (scope->field_count == MR_SCOPE_FIELDS_MAX)
        return; // more than a schema has fields: one of these will be missing
    memcpy(scope->fields[scope->field_count].name, name, length);
    scope->fields[scope->field_count].name[length] = '\0';
    scope->fields[scope->field_count++].node = node;
}

void mr_scope_add(struct mr_scope *scope, const char *field, const struct mr_node *node)
{
    add_name(scope, field, strlen(field), node);
}

void mr_scope_add_expression(struct mr_scope *scope, const char *text, const struct mr_node *node)
{
    size_t at = 0, length;
    const char *name;
    while ((name = mr_expression_next_field(text, &at, &length)) != NULL)
        add_name(scope, name, length, node);
}

int mr_scope_add_list(struct mr_scope *scope, const struct mr_node *list, struct mr_error *err)
{
    const char *name;
    if (list->kind == MR_NODE_MAP || (list->kind == MR_NODE_LIST && list->child_count == 0))
        return mr_config_fail(list, err,
                              "found %s, expected the name of a field or a list of names",
                              list->kind == MR_NODE_MAP ? "a mapping" : "an empty list");
    if (list->kind == MR_NODE_SCALAR) {
        int code = mr_config_text(list, &name, err);
        if (code == MR_OK)
            mr_scope_add(scope, name, list);
        return code;
    }
    for (unsigned i = 0; i < list->child_count; i++) {
        int code = mr_config_text(list->children[i], &name, err);
        if (code != MR_OK)
            return code;
        mr_scope_add(scope, name, list->children[i]);
    }
    return MR_OK;
}

static int fail_field(const struct mr_scope *scope, unsigned field, const struct mr_names *names,
                      const char *whose, struct mr_error *err)
{
    char hint[80], list[600];
    const char *wrong = scope->fields[field].name;
    return mr_config_fail(scope->fields[field].node, err,
                          "found unknown field \"%s\"%s, expected a field of %s: %s", wrong,
                          mr_names_hint(names, wrong, hint, sizeof hint), whose,
                          mr_names_list(names, list, sizeof list));
}

static int missing_field(const struct mr_scope *scope, const struct mr_schema *schema)
{
    for (unsigned i = 0; i < scope->field_count; i++)
        if (!mr_schema_field(schema, scope->fields[i].name))
            return (int)i;
    return -1;
}

static int take_named(struct mr_scope *scope, const struct mr_op *op, const struct mr_node *node,
                      struct mr_error *err)
{
    const char *name;
    struct mr_names names = {0};
    char hint[80], list[600];
    int code = mr_config_text(node, &name, err);
    if (code != MR_OK)
        return code;
    for (unsigned i = 0; i < op->in.count; i++) {
        const struct mr_schema *schema = op->in.schemas[i];
        mr_names_add(&names, schema->name);
        if (strcmp(schema->name, name) != 0)
            continue;
        int missing = missing_field(scope, schema);
        if (missing < 0) {
            scope->takes[i] = true;
            return MR_OK;
        }
        names.count = 0;
        mr_names_add_fields(&names, schema);
        return fail_field(scope, (unsigned)missing, &names, schema->name, err);
    }
    return mr_config_fail(
        node, err, "found unknown schema \"%s\"%s, expected one of those that come in: %s", name,
        mr_names_hint(&names, name, hint, sizeof hint), mr_names_list(&names, list, sizeof list));
}

static int take_listed(struct mr_scope *scope, const struct mr_op *op, struct mr_error *err)
{
    const struct mr_node *on = scope->on;
    if (on->kind == MR_NODE_SCALAR)
        return take_named(scope, op, on, err);
    if (on->kind == MR_NODE_MAP || on->child_count == 0)
        return mr_config_fail(on, err, "found %s, expected the name of a schema or a list of names",
                              on->kind == MR_NODE_MAP ? "a mapping" : "an empty list");
    for (unsigned i = 0; i < on->child_count; i++) {
        int code = take_named(scope, op, on->children[i], err);
        if (code != MR_OK)
            return code;
    }
    return MR_OK;
}

// No schema has all the fields: says which field none has, or that they never stand together.
static int fail_none(const struct mr_scope *scope, const struct mr_op *op, struct mr_error *err)
{
    struct mr_names fields = {0}, wanted = {0}, schemas = {0};
    char list[400], schema_list[400];
    for (unsigned i = 0; i < op->in.count; i++) {
        mr_names_add_fields(&fields, op->in.schemas[i]);
        mr_names_add(&schemas, op->in.schemas[i]->name);
    }
    for (unsigned i = 0; i < scope->field_count; i++) {
        unsigned k = 0;
        while (k < op->in.count && !mr_schema_field(op->in.schemas[k], scope->fields[i].name))
            k++;
        if (k == op->in.count)
            return fail_field(scope, i, &fields,
                              op->in.count == 1 ? op->in.schemas[0]->name : "what comes in", err);
        mr_names_add(&wanted, scope->fields[i].name);
    }
    return mr_config_fail(op->node, err,
                          "found fields that no schema has together: %s, expected one of %s "
                          "to have them all",
                          mr_names_list(&wanted, list, sizeof list),
                          mr_names_list(&schemas, schema_list, sizeof schema_list));
}

int mr_scope_resolve(struct mr_scope *scope, const struct mr_op *op, struct mr_error *err)
{
    bool any = false;
    memset(scope->takes, 0, sizeof scope->takes);
    if (scope->on)
        return take_listed(scope, op, err);
    for (unsigned i = 0; i < op->in.count; i++) {
        scope->takes[i] = missing_field(scope, op->in.schemas[i]) < 0;
        any |= scope->takes[i];
    }
    return any ? MR_OK : fail_none(scope, op, err);
}

// ---- plans

int mr_plans_set(struct mr_plans *plans, uint16_t schema_id, void *plan, struct mr_error *err)
{
    if (schema_id >= plans->count) {
        void **grown = realloc(plans->by_id, (schema_id + 1u) * sizeof *grown);
        if (!grown)
            return mr_fail(err, MR_ERR_MEMORY, "out of memory for the plan of a schema");
        memset(grown + plans->count, 0, (schema_id + 1u - plans->count) * sizeof *grown);
        plans->by_id = grown;
        plans->count = schema_id + 1u;
    }
    plans->by_id[schema_id] = plan;
    return MR_OK;
}

void mr_plans_clear(struct mr_plans *plans, void (*free_plan)(void *plan))
{
    for (unsigned i = 0; i < plans->count; i++)
        if (plans->by_id[i])
            free_plan(plans->by_id[i]);
    free(plans->by_id);
    plans->by_id = NULL;
    plans->count = 0;
}

int mr_plans_open(struct mr_op *op, mr_plan_add *add, struct mr_error *err)
{
    struct mr_scope scope = {0};
    struct mr_plans *plans = calloc(1, sizeof *plans);
    if (!plans)
        return mr_fail(err, MR_ERR_MEMORY, "out of memory for %s", op->kind->name);
    op->self = plans;
    int code = mr_scope_open_map(&scope, op->node, err);
    for (unsigned i = 0; i < op->node->child_count && code == MR_OK; i++)
        if (!mr_scope_is_own_key(op->node->children[i]))
            mr_scope_add(&scope, op->node->children[i]->key, op->node->children[i]);
    if (code == MR_OK)
        code = mr_scope_resolve(&scope, op, err);
    for (unsigned i = 0; i < op->in.count && code == MR_OK; i++)
        if (scope.takes[i])
            code = add(op, plans, op->in.schemas[i], err);
    return code == MR_OK ? mr_schema_set_copy(&op->out, &op->in, err) : code;
}
