// SPDX-License-Identifier: Apache-2.0
// rename, drop, keep: map records to the target schema.
//
//     - rename: {px: price, qty: quantity}         # from: to
//     - drop: [internal_id, note]                  # all others stay
//     - keep: [symbol, price, quantity]            # these, in this order
//     - keep: {fields: [symbol, price], on: [trade], as: quote}
//
// The three differ only in the list of fields that they make of a schema's; `as` gives the new
// schema another name.
#include <stdlib.h>
#include <string.h>

#include "consumers/transform/reshape.h"
#include "consumers/transform/scope.h"

struct projection {
    struct mr_plans plans;       // of struct mr_reshape
    const struct mr_node *names; // the fields: a mapping (rename), a list or one name (drop, keep)
    const char *as;
};

// Adds to `to` the fields that the operator makes of `from`'s, and where each comes from.
typedef int choose_fields(const struct mr_op *op, const struct mr_schema *from,
                          struct mr_schema *to, const struct mr_field **sources,
                          struct mr_error *err);

static int add_field(const struct mr_op *op, const struct mr_node *node, struct mr_schema *to,
                     const struct mr_field *field, const char *name,
                     const struct mr_field **sources, struct mr_error *err)
{
    if (mr_reshape_add(to, field, name, err) != MR_OK) {
        const struct mr_node *place = node ? node : op->node;
        return mr_error_within(err, "%s:%u: %s", place->file, place->line, place->path);
    }
    sources[to->field_count - 1] = field;
    return MR_OK;
}

static const struct mr_node *find_listed(const struct mr_node *names, const char *name)
{
    if (names->kind == MR_NODE_SCALAR)
        return strcmp(names->text, name) == 0 ? names : NULL;
    for (unsigned i = 0; i < names->child_count; i++)
        if (strcmp(names->children[i]->text, name) == 0)
            return names->children[i];
    return NULL;
}

static int choose_renamed(const struct mr_op *op, const struct mr_schema *from,
                          struct mr_schema *to, const struct mr_field **sources,
                          struct mr_error *err)
{
    const struct projection *projection = op->self;
    int code = MR_OK;
    for (unsigned i = 0; i < from->field_count && code == MR_OK; i++) {
        const char *name = from->fields[i].name;
        const struct mr_node *node = mr_config_child(projection->names, name);
        if (node && mr_scope_is_own_key(node))
            node = NULL;
        if (node)
            code = mr_config_text(node, &name, err);
        if (code == MR_OK)
            code = add_field(op, node, to, &from->fields[i], name, sources, err);
    }
    return code;
}

static int choose_remaining(const struct mr_op *op, const struct mr_schema *from,
                            struct mr_schema *to, const struct mr_field **sources,
                            struct mr_error *err)
{
    const struct projection *projection = op->self;
    int code = MR_OK;
    for (unsigned i = 0; i < from->field_count && code == MR_OK; i++)
        if (!find_listed(projection->names, from->fields[i].name))
            code = add_field(op, NULL, to, &from->fields[i], from->fields[i].name, sources, err);
    return code;
}

static int choose_kept(const struct mr_op *op, const struct mr_schema *from, struct mr_schema *to,
                       const struct mr_field **sources, struct mr_error *err)
{
    const struct mr_node *names = ((const struct projection *)op->self)->names;
    bool is_list = names->kind == MR_NODE_LIST;
    int code = MR_OK;
    for (unsigned i = 0; i < (is_list ? names->child_count : 1) && code == MR_OK; i++) {
        const struct mr_node *node = is_list ? names->children[i] : names;
        const struct mr_field *field = mr_schema_field(from, node->text);
        code = add_field(op, node, to, field, field->name, sources, err);
    }
    return code;
}

// ---- what the three have in common

static int add_plan(struct mr_op *op, unsigned index, choose_fields *choose, struct mr_error *err)
{
    struct projection *projection = op->self;
    const struct mr_field *sources[MR_FIELDS_MAX];
    const struct mr_schema *from = op->in.schemas[index];
    struct mr_reshape *reshape = calloc(1, sizeof *reshape);
    if (!reshape)
        return mr_fail(err, MR_ERR_MEMORY, "out of memory for a schema");
    int code = mr_plans_set(&projection->plans, from->id, reshape, err);
    if (code != MR_OK) {
        free(reshape);
        return code;
    }
    struct mr_schema *to = mr_schema_new(projection->as ? projection->as : from->name, 0);
    code = choose(op, from, to, sources, err);
    if (code == MR_OK && to->field_count == 0)
        code = mr_config_fail(op->node, err, "found no field left in %s, expected one at least",
                              from->name);
    if (code != MR_OK) {
        mr_schema_free(to);
        return code;
    }
    return mr_reshape_seal(reshape, op, index, to, sources, err);
}

static int read_as(struct mr_op *op, struct mr_error *err)
{
    struct projection *projection = op->self;
    const struct mr_node *as =
        op->node->kind == MR_NODE_MAP ? mr_config_child(op->node, "as") : NULL;
    if (!as)
        return MR_OK;
    int code = mr_config_text(as, &projection->as, err);
    if (code == MR_OK && strlen(projection->as) >= MR_NAME_BYTES)
        code = mr_config_fail(as, err, "found a name of %zu characters, expected at most %d",
                              strlen(projection->as), MR_NAME_BYTES - 1);
    return code;
}

// `drop` and `keep`: a list, one name, or {fields:, on:, as:}.
static int read_list(struct mr_op *op, struct mr_scope *scope, struct mr_error *err)
{
    struct projection *projection = op->self;
    struct options {
        const struct mr_node *fields, *on, *as;
    } options = {.fields = op->node};
    static const struct mr_option table[] = {
        {"fields", MR_OPTION_NODE, offsetof(struct options, fields), MR_OPTION_REQUIRED, "which",
         NULL},
        {"on", MR_OPTION_NODE, offsetof(struct options, on), NULL, "the schemas it is for", NULL},
        {"as", MR_OPTION_NODE, offsetof(struct options, as), NULL, "the new schema's name", NULL},
        {0},
    };
    int code = MR_OK;
    if (op->node->kind == MR_NODE_MAP)
        code = mr_config_bind(op->node, NULL, table, &options, sizeof options, err);
    if (code != MR_OK)
        return code;
    scope->on = options.on;
    projection->names = options.fields;
    return mr_scope_add_list(scope, options.fields, err);
}

static int read_map(struct mr_op *op, struct mr_scope *scope, struct mr_error *err)
{
    struct projection *projection = op->self;
    int code = mr_scope_open_map(scope, op->node, err);
    projection->names = op->node;
    for (unsigned i = 0; i < op->node->child_count && code == MR_OK; i++)
        if (!mr_scope_is_own_key(op->node->children[i]))
            mr_scope_add(scope, op->node->children[i]->key, op->node->children[i]);
    return code;
}

static int open_projection(struct mr_op *op,
                           int (*read)(struct mr_op *, struct mr_scope *, struct mr_error *),
                           choose_fields *choose, struct mr_error *err)
{
    struct mr_scope scope = {0};
    op->self = calloc(1, sizeof(struct projection));
    if (!op->self)
        return mr_fail(err, MR_ERR_MEMORY, "out of memory for %s", op->kind->name);
    int code = read(op, &scope, err);
    if (code == MR_OK)
        code = read_as(op, err);
    if (code == MR_OK)
        code = mr_scope_resolve(&scope, op, err);
    if (code == MR_OK)
        code = mr_schema_set_copy(&op->out, &op->in, err);
    for (unsigned i = 0; i < op->in.count && code == MR_OK; i++)
        if (scope.takes[i])
            code = add_plan(op, i, choose, err);
    return code;
}

static int rename_open(struct mr_op *op, struct mr_error *err)
{
    return open_projection(op, read_map, choose_renamed, err);
}

static int drop_open(struct mr_op *op, struct mr_error *err)
{
    return open_projection(op, read_list, choose_remaining, err);
}

static int keep_open(struct mr_op *op, struct mr_error *err)
{
    return open_projection(op, read_list, choose_kept, err);
}

static void projection_apply(struct mr_op *op, struct mr_record *record)
{
    struct projection *projection = op->self;
    struct mr_reshape *reshape = mr_plans_get(&projection->plans, record->schema_id);
    struct mr_record *out = reshape ? mr_reshape_apply(reshape, record) : record;
    if (MR_UNLIKELY(!out))
        mr_op_fail(op, MR_ERR_MEMORY, "out of memory for a record of %u bytes", record->length);
    else
        mr_op_pass(op, out);
}

static void free_plan(void *plan)
{
    mr_reshape_free(plan);
    free(plan);
}

static void projection_close(struct mr_op *op)
{
    struct projection *projection = op->self;
    mr_plans_clear(&projection->plans, free_plan);
    free(projection);
}

const struct mr_operator mr_operator_rename = {
    .name = "rename",
    .about = "gives fields other names",
    .help = "- rename: {px: price, qty: quantity, as: trade}   # from: to\n",
    .open = rename_open,
    .apply = projection_apply,
    .close = projection_close,
};

const struct mr_operator mr_operator_drop = {
    .name = "drop",
    .about = "leaves fields out",
    .help = "- drop: [internal_id, note]\n",
    .open = drop_open,
    .apply = projection_apply,
    .close = projection_close,
};

const struct mr_operator mr_operator_keep = {
    .name = "keep",
    .about = "leaves out all fields but those listed, in the order of the list",
    .help = "- keep: [symbol, price, quantity]\n"
            "- keep: {fields: [symbol, price], on: [trade], as: quote}\n",
    .open = keep_open,
    .apply = projection_apply,
    .close = projection_close,
};
