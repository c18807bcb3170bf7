// SPDX-License-Identifier: Apache-2.0
// Which of the incoming schemas an operator works on: those listed by `on:`, or else those that
// have every field that the operator names. Records of other schemas are not its business.
//
// An operator keeps a plan for each schema it works on (compiled expressions, resolved offsets),
// and finds it by the record's schema id:
//
//     struct mr_plans plans = {0};
//     mr_plans_set(&plans, schema->id, plan);
//     plan = mr_plans_get(&plans, record->schema_id);       // NULL: pass it on
//     mr_plans_clear(&plans, free);
#ifndef MR_CONSUMERS_TRANSFORM_SCOPE_H
#define MR_CONSUMERS_TRANSFORM_SCOPE_H

#include "consumers/transform/names.h"
#include "consumers/transform/operator.h"

#define MR_SCOPE_FIELDS_MAX 256
struct mr_scope {
    const struct mr_node *on; // a name or a list of names; NULL: by fields
    struct {
        char name[2 * MR_NAME_BYTES];
        const struct mr_node *node; // where it is named, for errors
    } fields[MR_SCOPE_FIELDS_MAX];
    unsigned field_count;
    bool takes[MR_SCHEMAS_MAX]; // filled: by index in op->in
};

// Operators whose node maps fields to something: `on` and `as` are the operator's own keys in it,
// all others are the user's. Takes `on`; fails where the node is no mapping or names nothing.
int mr_scope_open_map(struct mr_scope *scope, const struct mr_node *map, struct mr_error *err);
bool mr_scope_is_own_key(const struct mr_node *child);

void mr_scope_add(struct mr_scope *scope, const char *field, const struct mr_node *node);
// Adds the names of a list, or the one name of a scalar.
int mr_scope_add_list(struct mr_scope *scope, const struct mr_node *list, struct mr_error *err);
// Adds the fields that an expression reads.
void mr_scope_add_expression(struct mr_scope *scope, const char *text, const struct mr_node *node);
// Fills `takes`, of which at least one becomes true. MR_ERR_CONFIG where a schema or field is
// unknown, or no schema has all the fields.
int mr_scope_resolve(struct mr_scope *scope, const struct mr_op *op, struct mr_error *err);

struct mr_plans {
    void **by_id;
    unsigned count;
};
int mr_plans_set(struct mr_plans *plans, uint16_t schema_id, void *plan, struct mr_error *err);
static inline void *mr_plans_get(const struct mr_plans *plans, uint16_t schema_id)
{
    return schema_id < plans->count ? plans->by_id[schema_id] : NULL;
}
void mr_plans_clear(struct mr_plans *plans, void (*free_plan)(void *plan));

// Makes the plan of one schema and puts it into `plans`.
typedef int mr_plan_add(struct mr_op *op, struct mr_plans *plans, const struct mr_schema *schema,
                        struct mr_error *err);
// Opens an operator whose node maps fields to what becomes of them, and which changes no schema:
// op->self becomes its plans, one for each schema that it is for.
int mr_plans_open(struct mr_op *op, mr_plan_add *add, struct mr_error *err);

#endif
