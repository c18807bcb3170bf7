// SPDX-License-Identifier: Apache-2.0
// script: an operator of one's own, in Lua.
//
//     - script: {path: notional.lua, on: [trade]}
//
// The file defines, as globals:
//     apply(record, emit)    called for each record. record.<field> reads and writes (types as in
//     expressions,
//                            expression.h); emit(record) passes the record on as it is at that
//                            moment, any number of times. A record for which nothing is emitted
//                            counts as filtered.
//     fields = {spread = "f64"}     fields to add, nullable, null at first; in the order of their
//     names reads = {"bid", "ask"}        it works on the schemas that have these fields; else on
//     all; `on` in the
//                                   pipeline file names the schemas instead
// An error rejects the record. What the script keeps in its variables is gone after a restart, so
// that its output must not depend on it; for state there is shared_object.
// examples/operators/notional.lua is one.
#include <errno.h>
#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "consumers/transform/reshape.h"
#include "consumers/transform/scope.h"
#include "consumers/transform/script.h"

#define FILE_BYTES_MAX (4u << 20)

struct script_options {
    const char *path;
    const struct mr_node *on;
};

static const struct mr_option option_table[] = {
    {"path", MR_OPTION_STRING, offsetof(struct script_options, path), MR_OPTION_REQUIRED,
     "the Lua file", NULL},
    {"on", MR_OPTION_NODE, offsetof(struct script_options, on), NULL,
     "the schemas it is for; else all that have the fields it reads", NULL},
    {0},
};

enum envelope { EVENT_TIME, INGEST_TIME, SEQUENCE, FLAGS, ENVELOPE_COUNT };
static const char *const envelope_names[ENVELOPE_COUNT] = {"event_time", "ingest_time", "sequence",
                                                           "flags"};

struct mr_script_plan {
    struct mr_op *op;
    struct mr_reshape reshape;
    const struct mr_field *added[MR_FIELDS_MAX];
    unsigned added_count;
    struct mr_record *record; // the one at hand
    uint8_t *passed;          // what was emitted last: operators behind may change it
    size_t passed_bytes;
    int function; // in the interpreter's registry
    char problem[300];
};

struct script {
    lua_State *lua;
    struct mr_script_calls calls;
    struct mr_plans plans;
    int bind; // in the registry
    struct mr_new_field fields[MR_FIELDS_MAX];
    unsigned field_count;
};

// ---- called from Lua

static double envelope_value(const struct mr_record *record, uint32_t which)
{
    switch (which) {
    case EVENT_TIME:
        return mr_lua_seconds(record->event_time_ns);
    case INGEST_TIME:
        return mr_lua_seconds(record->ingest_time_ns);
    case SEQUENCE:
        return (double)record->sequence;
    default:
        return record->flags;
    }
}

static void load_value(struct mr_script_plan *plan, uint32_t name, struct mr_lua_value *value)
{
    const struct mr_schema *schema = plan->reshape.to;
    value->null = 0;
    if (name < schema->field_count)
        mr_lua_load(schema, &schema->fields[name], plan->record, value);
    else
        value->number = envelope_value(plan->record, name - schema->field_count);
}

static const char *store_value(struct mr_script_plan *plan, uint32_t name, uint32_t type,
                               double number, const char *text, size_t length)
{
    const struct mr_schema *schema = plan->reshape.to;
    struct mr_expression_value value = {
        .type = type, .boolean = number != 0, .number = number, .text = text, .length = length};
    if (name >= schema->field_count)
        return "the envelope's values cannot be set";
    int code = mr_lua_store(schema, &schema->fields[name], plan->record, &value, plan->problem,
                            sizeof plan->problem);
    return code == MR_OK ? NULL : plan->problem;
}

static void emit_record(struct mr_script_plan *plan)
{
    uint32_t length = plan->record->length;
    if (length > plan->passed_bytes) {
        uint8_t *grown = realloc(plan->passed, length);
        if (!grown) {
            mr_op_fail(plan->op, MR_ERR_MEMORY, "out of memory for a record of %u bytes", length);
            return;
        }
        plan->passed = grown;
        plan->passed_bytes = length;
    }
    memcpy(plan->passed, plan->record, length);
    mr_op_pass(plan->op, (struct mr_record *)(void *)plan->passed);
}

// ---- loading the file

static int fail_path(const struct mr_op *op, struct mr_error *err, const char *problem)
{
    return mr_config_fail(mr_config_child(op->node, "path"), err, "%s", problem);
}

static char *read_file(const struct mr_op *op, const char *path, struct mr_error *err)
{
    char problem[600];
    FILE *file = fopen(path, "rb");
    char *text = file ? calloc(1, FILE_BYTES_MAX + 1) : NULL;
    size_t bytes = text ? fread(text, 1, FILE_BYTES_MAX + 1, file) : 0;
    if (!text || ferror(file))
        snprintf(problem, sizeof problem, "found %s, which cannot be read: %s", path,
                 strerror(errno));
    else if (bytes > FILE_BYTES_MAX)
        snprintf(problem, sizeof problem, "found %s of more than %u bytes", path, FILE_BYTES_MAX);
    else if (strlen(text) != bytes || text[0] == LUA_SIGNATURE[0])
        snprintf(problem, sizeof problem, "found %s, which is binary, expected Lua as text", path);
    else
        problem[0] = '\0';
    if (file)
        fclose(file);
    if (!problem[0])
        return text;
    fail_path(op, err, problem);
    free(text);
    return NULL;
}

static const char *lua_problem(lua_State *lua)
{
    const char *message = lua_tostring(lua, -1);
    return message ? message : "an error without a message";
}

// Leaves the script's globals on the stack.
static int run_file(struct mr_op *op, struct script *script, const char *path, struct mr_error *err)
{
    lua_State *lua = script->lua;
    char *text = read_file(op, path, err);
    if (!text)
        return MR_ERR_CONFIG;
    luaL_openlibs(lua);
    int failed = luaL_loadstring(lua, mr_script_sandbox_lua);
    if (!failed) {
        lua_pushlightuserdata(lua, &script->calls);
        failed = lua_pcall(lua, 1, 2, 0);
    }
    if (!failed) {
        script->bind = luaL_ref(lua, LUA_REGISTRYINDEX);
        lua_pushstring(lua, text);
        lua_pushstring(lua, path);
        failed = lua_pcall(lua, 2, 1, 0);
    }
    free(text);
    return failed ? fail_path(op, err, lua_problem(lua)) : MR_OK;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(((const struct mr_new_field *)a)->name, ((const struct mr_new_field *)b)->name);
}

// `fields`: names and types, which stay the interpreter's strings.
static int read_fields(struct mr_op *op, struct script *script, struct mr_error *err)
{
    lua_State *lua = script->lua;
    lua_getfield(lua, -1, "fields");
    if (!lua_isnil(lua, -1) && !lua_istable(lua, -1))
        return fail_path(op, err,
                         "found `fields` that is no table, expected {name = \"type\", ...}");
    lua_pushnil(lua);
    while (!lua_isnil(lua, -2) && lua_next(lua, -2)) {
        if (lua_type(lua, -2) != LUA_TSTRING || lua_type(lua, -1) != LUA_TSTRING ||
            script->field_count == MR_FIELDS_MAX)
            return fail_path(op, err,
                             "found `fields` with other than names and types, expected {name = "
                             "\"type\", ...}");
        script->fields[script->field_count++] =
            (struct mr_new_field){lua_tostring(lua, -2), lua_tostring(lua, -1), true};
        lua_pop(lua, 1);
    }
    qsort(script->fields, script->field_count, sizeof script->fields[0], compare_names);
    return MR_OK;
}

static int read_globals(struct mr_op *op, struct script *script, struct mr_scope *scope,
                        struct mr_error *err)
{
    lua_State *lua = script->lua;
    int globals = lua_gettop(lua);
    lua_getfield(lua, globals, "apply");
    if (!lua_isfunction(lua, -1))
        return fail_path(op, err, "found no function apply(record, emit) in the script");
    lua_getfield(lua, globals, "reads");
    if (!lua_isnil(lua, -1) && !lua_istable(lua, -1))
        return fail_path(op, err, "found `reads` that is no table, expected {\"field\", ...}");
    for (int i = 1; lua_istable(lua, globals + 2) && i <= (int)lua_objlen(lua, globals + 2); i++) {
        lua_rawgeti(lua, globals + 2, i);
        if (lua_type(lua, -1) != LUA_TSTRING)
            return fail_path(op, err,
                             "found `reads` with other than names, expected {\"field\", ...}");
        mr_scope_add(scope, lua_tostring(lua, -1), op->node);
        lua_pop(lua, 1);
    }
    lua_settop(lua, globals);
    return read_fields(op, script, err);
}

// ---- planning

static void push_name(lua_State *lua, int place, const char *name, enum mr_expression_type type)
{
    lua_pushstring(lua, name);
    lua_rawseti(lua, -3, place);
    lua_pushinteger(lua, type);
    lua_rawseti(lua, -2, place);
}

static int bind_plan(struct mr_op *op, struct script *script, struct mr_script_plan *plan,
                     struct mr_error *err)
{
    lua_State *lua = script->lua;
    const struct mr_schema *schema = plan->reshape.to;
    lua_rawgeti(lua, LUA_REGISTRYINDEX, script->bind);
    lua_pushlightuserdata(lua, plan);
    lua_newtable(lua);
    lua_newtable(lua);
    for (int i = 0; i < schema->field_count; i++)
        push_name(lua, i + 1, schema->fields[i].name, mr_lua_type(&schema->fields[i]));
    for (int i = 0; i < ENVELOPE_COUNT; i++) // a field of the same name comes first
        push_name(lua, schema->field_count + i + 1, envelope_names[i], MR_EXPRESSION_NUMBER);
    if (lua_pcall(lua, 3, 1, 0) != 0)
        return fail_path(op, err, lua_problem(lua));
    plan->function = luaL_ref(lua, LUA_REGISTRYINDEX);
    return MR_OK;
}

static int shape_plan(struct mr_op *op, struct script *script, unsigned index,
                      struct mr_script_plan *plan, struct mr_error *err)
{
    const struct mr_field *sources[MR_FIELDS_MAX];
    if (script->field_count == 0) {
        mr_reshape_same(&plan->reshape, op, index);
        return MR_OK;
    }
    struct mr_schema *to =
        mr_reshape_extend(op->in.schemas[index], script->fields, script->field_count, sources, err);
    if (!to)
        return mr_error_within(err, "%s:%u: %s", op->node->file, op->node->line, op->node->path);
    int code = mr_reshape_seal(&plan->reshape, op, index, to, sources, err);
    for (unsigned i = 0; i < script->field_count && code == MR_OK; i++)
        plan->added[plan->added_count++] = mr_schema_field(to, script->fields[i].name);
    return code;
}

static int add_plan(struct mr_op *op, struct script *script, unsigned index, struct mr_error *err)
{
    struct mr_script_plan *plan = calloc(1, sizeof *plan);
    if (!plan)
        return mr_fail(err, MR_ERR_MEMORY, "out of memory for a script");
    plan->op = op;
    int code = mr_plans_set(&script->plans, op->in.schemas[index]->id, plan, err);
    if (code != MR_OK) {
        free(plan);
        return code;
    }
    code = shape_plan(op, script, index, plan, err);
    return code == MR_OK ? bind_plan(op, script, plan, err) : code;
}

static int script_open(struct mr_op *op, struct mr_error *err)
{
    const struct script_options *options = op->options;
    struct mr_scope scope = {.on = options->on};
    struct script *script = calloc(1, sizeof *script);
    if (!script)
        return mr_fail(err, MR_ERR_MEMORY, "out of memory for a script");
    op->self = script;
    script->calls = (struct mr_script_calls){load_value, store_value, emit_record};
    script->lua = luaL_newstate();
    if (!script->lua)
        return mr_fail(err, MR_ERR_MEMORY, "out of memory for a script");
    int code = run_file(op, script, options->path, err);
    if (code == MR_OK)
        code = read_globals(op, script, &scope, err);
    if (code == MR_OK)
        code = mr_scope_resolve(&scope, op, err);
    if (code == MR_OK)
        code = mr_schema_set_copy(&op->out, &op->in, err);
    for (unsigned i = 0; i < op->in.count && code == MR_OK; i++)
        if (scope.takes[i])
            code = add_plan(op, script, i, err);
    return code;
}

// ---- running

static void script_apply(struct mr_op *op, struct mr_record *record)
{
    struct script *script = op->self;
    struct mr_script_plan *plan = mr_plans_get(&script->plans, record->schema_id);
    if (!plan) {
        mr_op_pass(op, record);
        return;
    }
    plan->record = mr_reshape_apply(&plan->reshape, record);
    if (MR_UNLIKELY(!plan->record)) {
        mr_op_fail(op, MR_ERR_MEMORY, "out of memory for a record of %u bytes", record->length);
        return;
    }
    for (unsigned i = 0; i < plan->added_count; i++)
        mr_field_set_null(plan->reshape.to, plan->added[i], plan->record, true);
    lua_settop(script->lua, 0);
    lua_rawgeti(script->lua, LUA_REGISTRYINDEX, plan->function);
    if (MR_UNLIKELY(lua_pcall(script->lua, 0, 0, 0) != 0))
        mr_op_reject(op, record, MR_REASON_EXPRESSION, "%s", lua_problem(script->lua));
}

static void free_plan(void *pointer)
{
    struct mr_script_plan *plan = pointer;
    mr_reshape_free(&plan->reshape);
    free(plan->passed);
    free(plan);
}

static void script_close(struct mr_op *op)
{
    struct script *script = op->self;
    mr_plans_clear(&script->plans, free_plan);
    if (script->lua)
        lua_close(script->lua);
    free(script);
}

const struct mr_operator mr_operator_script = {
    .name = "script",
    .about = "an operator of one's own in Lua",
    .help = "- script: {path: examples/operators/notional.lua}\n",
    .options = option_table,
    .options_bytes = sizeof(struct script_options),
    .open = script_open,
    .apply = script_apply,
    .close = script_close,
};
