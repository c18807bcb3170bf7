// SPDX-License-Identifier: Apache-2.0
// Simple expressions run by their steps, the others by the interpreter: the record's values are laid into an array
// of inputs that the Lua code reads through FFI, at addresses that are constants to the compiler of traces: a call
// passes no arguments and makes no garbage but for text.
#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "consumers/transform/expression_functions.h"
#include "consumers/transform/expression_parser.h"
#include "consumers/transform/lua_value.h"

struct mr_expression {
    struct mr_expressions *all;
    const struct mr_schema *schema;
    struct mr_parsed_expression parsed;
    struct mr_lua_value *values; // one for each input
    bool has_steps;              // it is simple: see expression_steps.h
    int function;                // its place in the interpreter's registry
    char problem[400];           // of the last run
    struct mr_expression *next;
};

struct mr_expressions {
    lua_State *lua;
    int prepare; // registry: the function that compiles one expression
    struct mr_expression *first;
};

// Returns a function (source, inputs) -> compiled expression.
static const char open_lua[] = "local F = ...\n"
                               "local ffi = require('ffi')\n"
                               "ffi.cdef[[" MR_LUA_VALUE_CDEF "]]\n"
                               "local pointer = ffi.typeof('mr_lua_value *')\n"
                               "return function(source, inputs)\n"
                               "  local chunk, problem = loadstring(source, '=expression')\n"
                               "  if not chunk then return nil, problem end\n"
                               "  return chunk(F, ffi.cast(pointer, inputs), ffi.string)\n"
                               "end\n";

static bool open_interpreter(struct mr_expressions *all)
{
    lua_State *lua = all->lua;
    luaL_openlibs(lua);
    if (luaL_loadstring(lua, open_lua) != 0 ||
        luaL_loadstring(lua, mr_expression_functions_lua) != 0 || lua_pcall(lua, 0, 1, 0) != 0 ||
        lua_pcall(lua, 1, 1, 0) != 0)
        return false;
    all->prepare = luaL_ref(lua, LUA_REGISTRYINDEX);
    return true;
}

struct mr_expressions *mr_expressions_open(struct mr_error *err)
{
    struct mr_expressions *all = calloc(1, sizeof *all);
    if (all)
        all->lua = luaL_newstate();
    if (!all || !all->lua) {
        free(all);
        mr_fail(err, MR_ERR_MEMORY, "out of memory for the expression interpreter");
        return NULL;
    }
    if (!open_interpreter(all)) {
        mr_fail(err, MR_ERR_INTERNAL, "expression interpreter: %s", lua_tostring(all->lua, -1));
        mr_expressions_close(all);
        return NULL;
    }
    return all;
}

static void free_expression(struct mr_expression *expression)
{
    free(expression->parsed.lua);
    free(expression->values);
    free(expression);
}

void mr_expressions_close(struct mr_expressions *all)
{
    if (!all)
        return;
    while (all->first) {
        struct mr_expression *expression = all->first;
        all->first = expression->next;
        free_expression(expression);
    }
    lua_close(all->lua);
    free(all);
}

// ---- compiling

static void write_input(FILE *out, const struct mr_expression_input *input, unsigned i)
{
    enum mr_expression_type type = input->field ? mr_lua_type(input->field) : MR_EXPRESSION_NUMBER;
    fprintf(out, "local v%u; if C[%u].null == 0 then v%u = ", i, i, i);
    if (type == MR_EXPRESSION_TEXT)
        fprintf(out, "text(C[%u].text, C[%u].length)", i, i);
    else
        fprintf(out, "C[%u].number%s", i, type == MR_EXPRESSION_BOOL ? " ~= 0" : "");
    fprintf(out, " end\n");
}

// The whole chunk: reads what it needs into locals, then the translated expression.
static char *write_source(const struct mr_parsed_expression *parsed)
{
    char *source = NULL;
    size_t bytes;
    FILE *out = open_memstream(&source, &bytes);
    if (!out)
        return NULL;
    fprintf(out, "local F, C, text = ...\nreturn function()\n");
    for (unsigned i = 0; i < parsed->input_count; i++)
        write_input(out, &parsed->inputs[i], i);
    fprintf(out, "return (%s)\nend\n", parsed->lua);
    if (fclose(out) != 0) {
        free(source);
        return NULL;
    }
    return source;
}

static int build(struct mr_expression *expression, const char *text, const struct mr_node *node,
                 struct mr_error *err)
{
    lua_State *lua = expression->all->lua;
    char *source = write_source(&expression->parsed);
    if (!source)
        return mr_fail(err, MR_ERR_MEMORY, "out of memory for an expression");
    lua_settop(lua, 0);
    lua_rawgeti(lua, LUA_REGISTRYINDEX, expression->all->prepare);
    lua_pushstring(lua, source);
    lua_pushlightuserdata(lua, expression->values);
    free(source);
    if (lua_pcall(lua, 2, 2, 0) != 0 || lua_isnil(lua, 1))
        return mr_config_fail(node, err,
                              "in `%s`: found an expression that does not compile (%s), "
                              "expected a smaller one",
                              text, lua_tostring(lua, -1));
    lua_settop(lua, 1);
    expression->function = luaL_ref(lua, LUA_REGISTRYINDEX);
    return MR_OK;
}

int mr_expression_compile(struct mr_expressions *all, const char *text,
                          const struct mr_schema *schema, const struct mr_node *node,
                          struct mr_expression **out, struct mr_error *err)
{
    struct mr_expression *expression = calloc(1, sizeof *expression);
    if (!expression)
        return mr_fail(err, MR_ERR_MEMORY, "out of memory for an expression");
    expression->all = all;
    expression->schema = schema;
    int code = mr_expression_parse(text, schema, node, &expression->parsed, err);
    if (code != MR_OK) {
        free(expression);
        return code;
    }
    expression->has_steps = mr_steps_are_whole(&expression->parsed.steps);
    expression->next = all->first;
    all->first = expression;
    expression->values = calloc(expression->parsed.input_count + 1, sizeof *expression->values);
    if (!expression->values)
        return mr_fail(err, MR_ERR_MEMORY, "out of memory for an expression");
    code = build(expression, text, node, err);
    *out = expression;
    return code;
}

enum mr_expression_type mr_expression_type(const struct mr_expression *expression)
{
    return expression->parsed.type;
}

const char *mr_expression_type_name(enum mr_expression_type type)
{
    switch (type) {
    case MR_EXPRESSION_NULL:
        return "null";
    case MR_EXPRESSION_BOOL:
        return "a condition";
    case MR_EXPRESSION_NUMBER:
        return "a number";
    case MR_EXPRESSION_TEXT:
        return "text";
    case MR_EXPRESSION_ANY:
        break;
    }
    return "a value";
}

bool mr_expression_is_nullable(const struct mr_expression *expression)
{
    return expression->parsed.nullable;
}

const struct mr_field *mr_expression_field(const struct mr_expression *expression)
{
    return expression->parsed.field;
}

// ---- running

static double envelope_value(const struct mr_record *record, enum mr_envelope_value which)
{
    switch (which) {
    case MR_ENVELOPE_EVENT_TIME:
        return mr_lua_seconds(record->event_time_ns);
    case MR_ENVELOPE_INGEST_TIME:
        return mr_lua_seconds(record->ingest_time_ns);
    case MR_ENVELOPE_SEQUENCE:
        return (double)record->sequence;
    case MR_ENVELOPE_FLAGS:
        break;
    }
    return record->flags;
}

// Says whether one of them is null.
static bool load_inputs(struct mr_expression *expression, const void *record)
{
    int32_t null = 0;
    const struct mr_parsed_expression *parsed = &expression->parsed;
    for (unsigned i = 0; i < parsed->input_count; i++) {
        const struct mr_expression_input *input = &parsed->inputs[i];
        if (input->field)
            mr_lua_load(expression->schema, input->field, record, &expression->values[i]);
        else
            expression->values[i].number = envelope_value(record, input->envelope);
        null |= expression->values[i].null;
    }
    return null != 0;
}

static const char *input_name(const struct mr_expression_input *input)
{
    return input->field ? input->field->name : mr_envelope_names[input->envelope];
}

// Lua speaks of v0, v1 ...: says instead which fields were null, for that is what it nearly always
// is.
static void explain(struct mr_expression *expression)
{
    const struct mr_parsed_expression *parsed = &expression->parsed;
    const char *message = lua_tostring(expression->all->lua, -1);
    char *out = expression->problem;
    size_t out_bytes = sizeof expression->problem, used = 0;
    unsigned nulls = 0;
    for (unsigned i = 0; i < parsed->input_count && used < out_bytes; i++)
        if (expression->values[i].null)
            used += (size_t)snprintf(out + used, out_bytes - used, "%s%s", nulls++ ? ", " : "",
                                     input_name(&parsed->inputs[i]));
    if (nulls > 0 && used < out_bytes)
        used += (size_t)snprintf(out + used, out_bytes - used,
                                 nulls == 1 ? " is null: " : " are null: ");
    const char *sentence = message ? strstr(message, ": ") : NULL;
    if (used < out_bytes)
        snprintf(out + used, out_bytes - used, "%s",
                 sentence  ? sentence + 2
                 : message ? message
                           : "an error without a message");
}

static bool fail_run(struct mr_expression *expression, struct mr_expression_value *value)
{
    value->type = MR_EXPRESSION_NULL;
    value->text = expression->problem;
    value->length = strlen(expression->problem);
    return false;
}

static bool run_interpreter(struct mr_expression *expression, struct mr_expression_value *value)
{
    lua_State *lua = expression->all->lua;
    lua_settop(lua, 0);
    lua_rawgeti(lua, LUA_REGISTRYINDEX, expression->function);
    if (MR_UNLIKELY(lua_pcall(lua, 0, 1, 0) != 0)) {
        explain(expression);
        return fail_run(expression, value);
    }
    switch (lua_type(lua, 1)) {
    case LUA_TBOOLEAN:
        value->type = MR_EXPRESSION_BOOL;
        value->boolean = lua_toboolean(lua, 1);
        return true;
    case LUA_TNUMBER:
        value->type = MR_EXPRESSION_NUMBER;
        value->number = lua_tonumber(lua, 1);
        return true;
    case LUA_TSTRING:
        value->type = MR_EXPRESSION_TEXT;
        value->text = lua_tolstring(lua, 1, &value->length);
        return true;
    default:
        value->type = MR_EXPRESSION_NULL;
        return true;
    }
}

static void run_steps(const struct mr_expression *expression, struct mr_expression_value *value)
{
    double result = mr_steps_run(&expression->parsed.steps, expression->values);
    value->type = expression->parsed.type;
    value->number = result;
    value->boolean = result != 0;
}

bool mr_expression_run(struct mr_expression *expression, const void *record,
                       struct mr_expression_value *value)
{
    bool null = load_inputs(expression, record);
    if (null || !expression->has_steps)
        return run_interpreter(expression, value);
    run_steps(expression, value);
    return true;
}

bool mr_expression_interpret(struct mr_expression *expression, const void *record,
                             struct mr_expression_value *value)
{
    load_inputs(expression, record);
    return run_interpreter(expression, value);
}
