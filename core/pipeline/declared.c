// SPDX-License-Identifier: Apache-2.0
#include "core/pipeline/declared.h"

#include <stdio.h>
#include <string.h>

#include "core/config_tree.h"
#include "core/type.h"

// The schema's own word about what is wrong, with the place in the file before it.
static int fail_at(const struct mr_node *node, const struct mr_error *cause, struct mr_error *err)
{
    return mr_config_fail(node, err, "%s", cause->text);
}

static int required_text(const struct mr_node *map, const char *key, const char **out,
                         struct mr_error *err)
{
    const struct mr_node *node = mr_config_child(map, key);
    if (map->kind != MR_NODE_MAP)
        return mr_config_fail(map, err, "expected keys and values with a %s", key);
    if (node == NULL)
        return mr_config_fail(map, err, "key %s is missing", key);
    return mr_config_text(node, out, err);
}

static int read_nullable(const struct mr_node *node, bool *nullable, struct mr_error *err)
{
    const struct mr_node *missing = mr_config_child(node, "missing");
    const struct mr_node *flag = mr_config_child(node, "nullable");
    *nullable = missing != NULL && missing->kind == MR_NODE_SCALAR && !missing->quoted &&
                strcmp(missing->text, "null") == 0;
    return flag != NULL ? mr_config_bool(flag, nullable, err) : MR_OK;
}

static int set_unit(const struct mr_node *node, struct mr_field *field, struct mr_error *err)
{
    const char *unit;
    if (node == NULL)
        return MR_OK;
    int code = mr_config_text(node, &unit, err);
    if (code != MR_OK)
        return code;
    if (strlen(unit) >= sizeof field->unit)
        return mr_config_fail(node, err, "found \"%s\", expected at most %zu bytes", unit,
                              sizeof field->unit - 1);
    snprintf(field->unit, sizeof field->unit, "%s", unit);
    return MR_OK;
}

static int add_field(struct mr_schema *schema, const struct mr_node *node, struct mr_error *err)
{
    const char *name = NULL, *type = NULL;
    bool nullable = false;
    struct mr_error cause = {0};
    int code = required_text(node, "name", &name, err);
    if (code == MR_OK)
        code = required_text(node, "type", &type, err);
    if (code == MR_OK)
        code = read_nullable(node, &nullable, err);
    if (code != MR_OK)
        return code;
    if (mr_schema_add(schema, name, type, nullable, &cause) != MR_OK)
        return fail_at(node, &cause, err);
    struct mr_field *field = &schema->fields[schema->field_count - 1];
    return set_unit(mr_config_child(node, "unit"), field, err);
}

static int add_fields(struct mr_schema *schema, const struct mr_node *node, struct mr_error *err)
{
    const struct mr_node *fields = mr_config_child(node, "fields");
    if (fields == NULL)
        return mr_config_fail(node, err, "key fields is missing");
    if (fields->kind != MR_NODE_LIST || fields->child_count == 0)
        return mr_config_fail(fields, err, "expected a list of fields, each with name and type");
    for (unsigned i = 0; i < fields->child_count; i++) {
        int code = add_field(schema, fields->children[i], err);
        if (code != MR_OK)
            return code;
    }
    mr_schema_seal(schema);
    return MR_OK;
}

static int check_time(const struct mr_schema *schema, const struct mr_node *time,
                      struct mr_error *err)
{
    const char *name, *names[MR_FIELDS_MAX];
    if (time == NULL)
        return MR_OK;
    int code = mr_config_text(time, &name, err);
    if (code != MR_OK)
        return code;
    const struct mr_field *field = mr_schema_field(schema, name);
    if (field != NULL && field->type == MR_TYPE_TIMESTAMP)
        return MR_OK;
    if (field != NULL)
        return mr_config_fail(time, err, "field %s is not of type timestamp", name);
    for (unsigned i = 0; i < schema->field_count; i++)
        names[i] = schema->fields[i].name;
    const char *nearest = mr_config_nearest(name, names, schema->field_count);
    return mr_config_fail(time, err, "schema %s has no field %s%s%s%s", schema->name, name,
                          nearest != NULL ? ", did you mean " : "", nearest != NULL ? nearest : "",
                          nearest != NULL ? "?" : "");
}

static int add_schema(struct mr_schema_set *set, const struct mr_node *node, struct mr_error *err)
{
    const char *name = NULL;
    struct mr_error cause = {0};
    int code = required_text(node, "name", &name, err);
    if (code != MR_OK)
        return code;
    if (!mr_name_is_sound(name))
        return mr_config_fail(mr_config_child(node, "name"), err,
                              "found \"%s\", expected at most %u of A-Z a-z 0-9 _ . -", name,
                              MR_NAME_BYTES - 1);
    struct mr_schema *schema = mr_schema_new(name, mr_schema_set_free_id(set));
    code = add_fields(schema, node, err);
    if (code == MR_OK)
        code = check_time(schema, mr_config_child(node, "time"), err);
    if (code == MR_OK && mr_schema_set_add(set, schema, &cause) != MR_OK)
        code = fail_at(node, &cause, err);
    if (code != MR_OK)
        mr_schema_free(schema);
    return code;
}

int mr_declared_schemas(const struct mr_node *list, struct mr_schema_set *set, struct mr_error *err)
{
    if (list == NULL)
        return MR_OK;
    if (list->kind != MR_NODE_LIST)
        return mr_config_fail(list, err, "expected a list of schemas, each with name and fields");
    for (unsigned i = 0; i < list->child_count; i++) {
        int code = add_schema(set, list->children[i], err);
        if (code != MR_OK)
            return code;
    }
    return MR_OK;
}
