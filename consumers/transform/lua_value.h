// SPDX-License-Identifier: Apache-2.0
// Values on their way between a record and Lua: what a field is in an expression or script (the
// table in expression.h), and how a result goes back into a field.
#ifndef MR_CONSUMERS_TRANSFORM_LUA_VALUE_H
#define MR_CONSUMERS_TRANSFORM_LUA_VALUE_H

#include "consumers/transform/expression.h"

// As Lua sees it through FFI: the declaration stands again in MR_LUA_VALUE_CDEF.
struct mr_lua_value {
    double number; // conditions: 0 or 1
    const char *text;
    int32_t length;
    int32_t null;
};
_Static_assert(sizeof(struct mr_lua_value) == 24, "as FFI lays it out");
#define MR_LUA_VALUE_CDEF                                                                          \
    "typedef struct { double number; const char *text; int32_t length, null; } mr_lua_value;"

// Lua source: `read_number(text)`, the number or nil, by the C library. LuaJIT's own tonumber gives one result and then
// another for some texts of many digits (9223372036854775808e82). Nothing of letters: LuaJIT takes the bits of a NaN
// that it is given for values of other types, and strtod has them from the text.
#define MR_LUA_READ_NUMBER                                                                         \
    "local ffi = require('ffi')\n"                                                                 \
    "ffi.cdef[[double strtod(const char *, char **);]]\n"                                          \
    "local rest, text_find = ffi.new('char *[1]'), string.find\n"                                  \
    "local function read_number(text)\n"                                                           \
    "  if not text_find(text, '^%s*[-+]?%.?%d') then return nil end\n"                             \
    "  local value = ffi.C.strtod(text, rest)\n"                                                   \
    "  local length = tonumber(rest[0] - ffi.cast('const char *', text))\n"                        \
    "  if text_find(text, '^%s*$', length + 1) then return value end\n"                            \
    "end\n"

// NUMBER, TEXT or BOOL: what the values of this field are.
enum mr_expression_type mr_lua_type(const struct mr_field *field);
void mr_lua_load(const struct mr_schema *schema, const struct mr_field *field, const void *record,
                 struct mr_lua_value *value);
// Seconds since the epoch, rounded once (dividing the ns as one double would round twice).
double mr_lua_seconds(int64_t time_ns);
// Stores a result. MR_ERR_INPUT, and a sentence in `problem`, where the field cannot take it:
// another type, null in a field that is never null, a number that is not finite or outside the
// field's range.
int mr_lua_store(const struct mr_schema *schema, const struct mr_field *field, void *record,
                 const struct mr_expression_value *value, char *problem, size_t problem_bytes);

#endif
