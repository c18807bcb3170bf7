// SPDX-License-Identifier: Apache-2.0
#include "consumers/transform/expression_functions.h"

#include "consumers/transform/lua_value.h"

const struct mr_expression_function mr_expression_functions[] = {
    {"abs", "math", "n", 'n'},     {"ceil", "math", "n", 'n'},       {"floor", "math", "n", 'n'},
    {"round", NULL, "n|n", 'n'},   {"sqrt", "math", "n", 'n'},       {"exp", "math", "n", 'n'},
    {"log", "math", "n", 'n'},     {"log10", "math", "n", 'n'},      {"sin", "math", "n", 'n'},
    {"cos", "math", "n", 'n'},     {"tan", "math", "n", 'n'},        {"pow", "math", "nn", 'n'},
    {"fmod", "math", "nn", 'n'},   {"min", "math", "n*", 'n'},       {"max", "math", "n*", 'n'},
    {"lower", "string", "t", 't'}, {"upper", "string", "t", 't'},    {"trim", NULL, "t", 't'},
    {"len", "string", "t", 'n'},   {"sub", "string", "tn|n", 't'},   {"find", "string", "tt", 'N'},
    {"contains", NULL, "tt", 'b'}, {"starts_with", NULL, "tt", 'b'}, {"ends_with", NULL, "tt", 'b'},
    {"number", NULL, "t", 'N'},    {"text", NULL, "a", 't'},         {"coalesce", NULL, "a*", '='},
    {"is_null", NULL, "a", 'b'},   {"when", NULL, "baa", '='},       {0},
};

// Text is searched plainly, without patterns.
const char mr_expression_functions_lua[] = MR_LUA_READ_NUMBER
    "local floor, find, sub = math.floor, string.find, string.sub\n"
    "local F = {}\n"
    "for _, name in ipairs{'abs', 'ceil', 'floor', 'sqrt', 'exp', 'log', 'log10', 'sin', 'cos', "
    "'tan',\n"
    "                      'pow', 'fmod', 'min', 'max'} do F[name] = math[name] end\n"
    "for _, name in ipairs{'lower', 'upper', 'len', 'sub'} do F[name] = string[name] end\n"
    "local function half_away(x)\n"
    "  if x < 0 then return -floor(0.5 - x) end\n"
    "  return floor(x + 0.5)\n"
    "end\n"
    "function F.round(x, digits)\n"
    "  if not digits then return half_away(x) end\n"
    "  local power = 10 ^ digits\n"
    "  return half_away(x * power) / power\n"
    "end\n"
    "function F.trim(t) return (t:match('^%s*(.-)%s*$')) end\n"
    "function F.find(t, part) return (find(t, part, 1, true)) end\n"
    "function F.contains(t, part) return find(t, part, 1, true) ~= nil end\n"
    "function F.starts_with(t, part) return sub(t, 1, #part) == part end\n"
    "function F.ends_with(t, part) return part == '' or sub(t, -#part) == part end\n"
    "F.pi, F.huge, F.number, F.text = math.pi, math.huge, read_number, tostring\n"
    "function F.is_null(x) return x == nil end\n"
    "function F.when(condition, a, b) if condition then return a end return b end\n"
    "function F.coalesce(a, b, c, d, e, f, g, h)\n"
    "  if a ~= nil then return a end\n"
    "  if b ~= nil then return b end\n"
    "  if c ~= nil then return c end\n"
    "  if d ~= nil then return d end\n"
    "  if e ~= nil then return e end\n"
    "  if f ~= nil then return f end\n"
    "  if g ~= nil then return g end\n"
    "  return h\n"
    "end\n"
    "return F\n";
