// SPDX-License-Identifier: Apache-2.0
// The two halves of the `script` operator: script.c in C, and the Lua that runs before the user's,
// in script_sandbox.c. They speak through FFI by the structs below.
#ifndef MR_CONSUMERS_TRANSFORM_SCRIPT_H
#define MR_CONSUMERS_TRANSFORM_SCRIPT_H

#include "consumers/transform/lua_value.h"

struct mr_script_plan; // one schema

// As Lua sees it; the declaration stands again in MR_SCRIPT_CDEF.
struct mr_script_calls {
    void (*load)(struct mr_script_plan *plan, uint32_t name, struct mr_lua_value *value);
    // NULL, or the sentence that says why the value cannot be. `type` is a mr_expression_type.
    const char *(*store)(struct mr_script_plan *plan, uint32_t name, uint32_t type, double number,
                         const char *text, size_t length);
    void (*emit)(struct mr_script_plan *plan);
};
#define MR_SCRIPT_CDEF                                                                             \
    MR_LUA_VALUE_CDEF                                                                              \
    "typedef struct mr_script_plan mr_script_plan;"                                                \
    "typedef struct {"                                                                             \
    "  void (*load)(mr_script_plan *, uint32_t, mr_lua_value *);"                                  \
    "  const char *(*store)(mr_script_plan *, uint32_t, uint32_t, double, const char *, size_t);"  \
    "  void (*emit)(mr_script_plan *);"                                                            \
    "} mr_script_calls;"

// A chunk; called with the address of a mr_script_calls it returns two functions:
//   run(source, name)              runs the user's file in its sandbox; returns its globals
//   bind(plan, names, types)       a function without arguments that calls the user's apply on the
//   plan's
//                                  record, whose fields have these names and mr_expression_types
extern const char mr_script_sandbox_lua[];

#endif
