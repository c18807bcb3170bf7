// SPDX-License-Identifier: Apache-2.0
#include "cli/selection.h"

#include <stdlib.h>
#include <string.h>

#include "consumers/transform/expression.h"
#include "core/formats/number.h"

// One condition over one schema: a field that prints as this text, or an expression.
struct mr_condition {
    const struct mr_field *field;
    const char *value;
    struct mr_expression *expression;
};

static int parse_time(const char *option, const char *text, int64_t otherwise_ns, int64_t *out_ns,
                      struct mr_error *err)
{
    *out_ns = otherwise_ns;
    if (!text || mr_parse_timestamp(text, strlen(text), out_ns) == MR_NUMBER_OK)
        return MR_OK;
    return mr_fail(err, MR_ERR_USAGE,
                   "--%s: found \"%s\", expected a time such as 2020-01-30T09:30:00Z", option,
                   text);
}

static int choose_schemas(struct mr_selection *selection, struct mr_error *err)
{
    const struct mr_arg_list *names = &selection->schemas;
    for (unsigned i = 0; i < selection->set->count; i++)
        selection->wanted[i] = names->count == 0;
    for (unsigned n = 0; n < names->count; n++) {
        bool found = false;
        for (unsigned i = 0; i < selection->set->count; i++)
            if (strcmp(selection->set->schemas[i]->name, names->items[n]) == 0)
                selection->wanted[i] = found = true;
        if (!found)
            return mr_fail(err, MR_ERR_USAGE, "--schema: the journal has no schema \"%s\"",
                           names->items[n]);
    }
    return MR_OK;
}

// "field=value" where the part before the sign is a name; an expression otherwise.
static bool is_plain(const char *text)
{
    static const char name[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_";
    size_t length = strspn(text, name);
    return length > 0 && length < MR_NAME_BYTES && text[length] == '=' && text[length + 1] != '=';
}

// False: this schema does not have what the condition speaks of.
static bool make_condition(struct mr_selection *selection, const struct mr_schema *schema,
                           const char *text, struct mr_condition *out, struct mr_error *err)
{
    char place[] = "condition";
    struct mr_node node = {.kind = MR_NODE_SCALAR, .file = "--where", .path = place};
    if (!is_plain(text))
        return mr_expression_compile(selection->expressions, text, schema, &node, &out->expression,
                                     err) == MR_OK;
    char name[MR_NAME_BYTES];
    size_t length = strcspn(text, "=");
    memcpy(name, text, length);
    name[length] = '\0';
    out->field = mr_schema_field(schema, name);
    out->value = text + length + 1;
    if (!out->field)
        mr_fail(err, MR_ERR_USAGE, "--where: no schema of the journal has a field \"%s\"", name);
    return out->field != NULL;
}

// A condition selects among the schemas that have its fields; one that none has is a mistake.
static int add_condition(struct mr_selection *selection, const char *text, unsigned at,
                         struct mr_error *err)
{
    const unsigned each = selection->where.count + 1;
    bool possible = false;
    struct mr_error why = {0};
    for (unsigned i = 0; i < selection->set->count; i++) {
        const struct mr_schema *schema = selection->set->schemas[i];
        bool can =
            make_condition(selection, schema, text, &selection->conditions[i * each + at], &why);
        possible |= can;
        selection->wanted[i] &= can;
    }
    if (possible)
        return MR_OK;
    return mr_fail(err, MR_ERR_USAGE, "%s", why.text);
}

static int add_symbol(struct mr_selection *selection, struct mr_error *err)
{
    const unsigned each = selection->where.count + 1;
    bool possible = false;
    for (unsigned i = 0; i < selection->set->count; i++) {
        struct mr_condition *condition = &selection->conditions[i * each + selection->where.count];
        condition->field = mr_schema_field(selection->set->schemas[i], "symbol");
        condition->value = selection->symbol;
        possible |= condition->field != NULL;
        selection->wanted[i] &= condition->field != NULL;
    }
    return possible ? MR_OK
                    : mr_fail(err, MR_ERR_USAGE,
                              "--symbol: no schema of the journal has a field \"symbol\"");
}

int mr_selection_open(struct mr_selection *selection, const struct mr_schema_set *set,
                      struct mr_error *err)
{
    selection->set = set;
    int code = parse_time("from", selection->from, INT64_MIN, &selection->from_ns, err);
    if (code == MR_OK)
        code = parse_time("to", selection->to, INT64_MAX, &selection->to_ns, err);
    if (code == MR_OK)
        code = choose_schemas(selection, err);
    selection->conditions = calloc((size_t)(set->count + 1) * (selection->where.count + 1),
                                   sizeof *selection->conditions);
    selection->expressions = mr_expressions_open(err);
    if (code == MR_OK && (!selection->conditions || !selection->expressions))
        return mr_fail(err, MR_ERR_MEMORY, "out of memory");
    for (unsigned i = 0; i < selection->where.count && code == MR_OK; i++)
        code = add_condition(selection, selection->where.items[i], i, err);
    if (code == MR_OK && selection->symbol)
        code = add_symbol(selection, err);
    return code;
}

static bool holds(const struct mr_schema *schema, const struct mr_condition *condition,
                  const struct mr_record *record)
{
    struct mr_expression_value value;
    char text[256];
    if (condition->expression)
        return mr_expression_run(condition->expression, record, &value) &&
               value.type == MR_EXPRESSION_BOOL && value.boolean;
    if (!condition->field)
        return true;
    size_t length = mr_field_print(schema, condition->field, record, text, sizeof text);
    return length == strlen(condition->value) && memcmp(text, condition->value, length) == 0;
}

bool mr_selection_has(const struct mr_selection *selection, const struct mr_record *record)
{
    const unsigned each = selection->where.count + 1;
    unsigned index = 0;
    while (index < selection->set->count && selection->set->schemas[index]->id != record->schema_id)
        index++;
    if (index == selection->set->count || !selection->wanted[index])
        return false;
    if (record->event_time_ns < selection->from_ns || record->event_time_ns >= selection->to_ns)
        return false;
    for (unsigned i = 0; i < each; i++)
        if (!holds(selection->set->schemas[index], &selection->conditions[index * each + i],
                   record))
            return false;
    return true;
}

void mr_selection_close(struct mr_selection *selection)
{
    mr_expressions_close(selection->expressions);
    free(selection->conditions);
    selection->expressions = NULL;
    selection->conditions = NULL;
}
