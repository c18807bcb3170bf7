// SPDX-License-Identifier: Apache-2.0
// Recursive descent with binding levels, in Lua's own order of precedence: what is checked here
// token by token can be written out token by token. Only what this grammar knows reaches the
// interpreter, which is what makes expressions safe to take from a file.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "consumers/transform/expression_functions.h"
#include "consumers/transform/expression_lexer.h"
#include "consumers/transform/expression_parser.h"
#include "consumers/transform/lua_value.h"
#include "consumers/transform/names.h"

#define NESTING_MAX                                                                                \
    60 // Lua's own parser gives up at 200 levels, of which one of ours takes up to three

const char *const mr_envelope_names[MR_ENVELOPE_VALUES] = {"event_time", "ingest_time", "sequence",
                                                           "flags"};

struct parser {
    const char *text;
    struct mr_token token; // the one at hand
    const struct mr_schema *schema;
    const struct mr_node *node;
    struct mr_parsed_expression *parsed;
    FILE *lua;
    unsigned nesting;
    struct mr_error *err;
};

struct operand {
    enum mr_expression_type type;
    bool nullable;
    size_t at;
};

static bool parse_level(struct parser *p, int level, struct operand *out);

// ---- errors

static bool fail_at(struct parser *p, size_t at, const char *found, const char *expected)
{
    mr_config_fail(p->node, p->err, "in `%s` at character %zu: found %s, expected %s", p->text,
                   at + 1, found, expected);
    return false;
}

static bool fail_token(struct parser *p, const char *expected)
{
    char found[80];
    if (p->token.kind == MR_TOKEN_END)
        return fail_at(p, p->token.at, "the end", expected);
    if (p->token.kind == MR_TOKEN_WRONG)
        return fail_at(p, p->token.at, p->token.problem, expected);
    int length = p->token.length > 60 ? 60 : (int)p->token.length;
    snprintf(found, sizeof found, "\"%.*s\"", length, p->text + p->token.at);
    return fail_at(p, p->token.at, found, expected);
}

static bool fail_name(struct parser *p, const char *what, const char *name,
                      const struct mr_names *names)
{
    char hint[80], list[500], text[600];
    mr_names_hint(names, name, hint, sizeof hint);
    snprintf(text, sizeof text, "%s: %s", what, mr_names_list(names, list, sizeof list));
    mr_config_fail(p->node, p->err,
                   "in `%s` at character %zu: found unknown name \"%s\"%s, expected %s", p->text,
                   p->token.at + 1, name, hint, text);
    return false;
}

static bool expect_type(struct parser *p, const struct operand *operand,
                        enum mr_expression_type wanted, const char *where)
{
    char expected[80];
    if (operand->type == wanted || operand->type == MR_EXPRESSION_ANY)
        return true;
    snprintf(expected, sizeof expected, "%s %s", mr_expression_type_name(wanted), where);
    return fail_at(p, operand->at, mr_expression_type_name(operand->type), expected);
}

// ---- tokens

static void advance(struct parser *p)
{
    p->token = mr_token_next(p->text, p->token.at + p->token.length);
}

static bool is_symbol(const struct parser *p, const char *symbol)
{
    return p->token.kind == MR_TOKEN_SYMBOL && strcmp(p->token.symbol, symbol) == 0;
}

// Writes the symbol out and goes on.
static void take_symbol(struct parser *p)
{
    fprintf(p->lua, " %s ", p->token.symbol);
    advance(p);
}

static bool take_expected(struct parser *p, const char *symbol)
{
    char expected[16];
    snprintf(expected, sizeof expected, "\"%s\"", symbol);
    if (!is_symbol(p, symbol))
        return fail_token(p, expected);
    take_symbol(p);
    return true;
}

static void copy_name(const struct parser *p, char *name, size_t name_bytes)
{
    snprintf(name, name_bytes, "%.*s", (int)p->token.length, p->text + p->token.at);
}

// ---- values

static bool parse_text(struct parser *p, struct operand *out)
{
    const char *start = p->text + p->token.at;
    unsigned begin = p->parsed->steps.text_bytes;
    fputc('"', p->lua);
    for (size_t i = 1; i + 1 < p->token.length; i++) {
        unsigned char c = (unsigned char)start[i];
        if (c == '\\') {
            c = (unsigned char)start[++i];
            if (!strchr("nt\\'\"", c))
                return fail_at(p, p->token.at + i - 1, "an unknown escape",
                               "one of \\n \\t \\\\ \\' \\\"");
            c = c == 'n' ? '\n' : c == 't' ? '\t' : c;
        }
        fprintf(p->lua, "\\%03u", c); // any byte at all, safely
        mr_steps_take_byte(&p->parsed->steps, (char)c);
    }
    fputc('"', p->lua);
    mr_steps_add_text(&p->parsed->steps, begin);
    out->type = MR_EXPRESSION_TEXT;
    advance(p);
    return true;
}

struct word {
    const char *name, *lua;
    enum mr_expression_type type;
    double number;
};

static const struct word *find_word(const char *name, size_t length)
{
    static const struct word words[] = {
        {"true", "true", MR_EXPRESSION_BOOL, 1},
        {"false", "false", MR_EXPRESSION_BOOL, 0},
        {"null", "nil", MR_EXPRESSION_NULL, 0},
        {"nil", "nil", MR_EXPRESSION_NULL, 0},
        {"pi", "F.pi", MR_EXPRESSION_NUMBER, M_PI},
        {"huge", "F.huge", MR_EXPRESSION_NUMBER, HUGE_VAL},
    };
    for (size_t i = 0; i < MR_COUNT_OF(words); i++)
        if (strlen(words[i].name) == length && memcmp(words[i].name, name, length) == 0)
            return &words[i];
    return NULL;
}

static int find_envelope(const char *name, size_t length)
{
    for (int i = 0; i < MR_ENVELOPE_VALUES; i++)
        if (strlen(mr_envelope_names[i]) == length &&
            memcmp(mr_envelope_names[i], name, length) == 0)
            return i;
    return -1;
}

static bool parse_word(struct parser *p, const char *name, struct operand *out)
{
    const struct word *word = find_word(name, strlen(name));
    if (!word)
        return false;
    fputs(word->lua, p->lua);
    out->type = word->type;
    out->nullable = word->type == MR_EXPRESSION_NULL;
    if (out->nullable)
        mr_steps_give_up(&p->parsed->steps);
    mr_steps_add_number(&p->parsed->steps, word->number);
    advance(p);
    return true;
}

// Text, a function's name or `math.` are no fields.
const char *mr_expression_next_field(const char *text, size_t *at, size_t *length)
{
    for (;;) {
        struct mr_token token = mr_token_next(text, *at);
        if (token.kind == MR_TOKEN_END || token.kind == MR_TOKEN_WRONG)
            return NULL;
        *at = token.at + token.length;
        struct mr_token after = mr_token_next(text, *at);
        if (token.kind != MR_TOKEN_NAME ||
            (after.kind == MR_TOKEN_SYMBOL && strchr("(.", after.symbol[0]) && !after.symbol[1]))
            continue;
        *length = token.length;
        const char *name = text + token.at;
        if (!find_word(name, token.length) && find_envelope(name, token.length) < 0)
            return name;
    }
}

static void take_input(struct parser *p, struct mr_expression_input input)
{
    struct mr_parsed_expression *parsed = p->parsed;
    unsigned i = 0;
    while (i < parsed->input_count &&
           (parsed->inputs[i].field != input.field || parsed->inputs[i].envelope != input.envelope))
        i++;
    if (i == parsed->input_count)
        parsed->inputs[parsed->input_count++] = input;
    fprintf(p->lua, "v%u", i);
    enum mr_expression_type type = input.field ? mr_lua_type(input.field) : MR_EXPRESSION_NUMBER;
    mr_steps_add_input(&p->parsed->steps, i, type);
    advance(p);
}

static bool parse_field(struct parser *p, const char *name, struct operand *out)
{
    const struct mr_field *field = mr_schema_field(p->schema, name);
    if (field) {
        out->type = mr_lua_type(field);
        // An enum whose value has no label reads as null.
        out->nullable = field->null_bit >= 0 || field->type == MR_TYPE_ENUM;
        take_input(p, (struct mr_expression_input){.field = field});
        p->parsed->field = field;
        return true;
    }
    int envelope = find_envelope(name, strlen(name));
    if (envelope >= 0) {
        out->type = MR_EXPRESSION_NUMBER;
        take_input(p, (struct mr_expression_input){.envelope = (enum mr_envelope_value)envelope});
        return true;
    }
    if (parse_word(p, name, out))
        return true;
    struct mr_names names = {0};
    char what[60];
    mr_names_add_fields(&names, p->schema);
    snprintf(what, sizeof what, "a field of %s", p->schema->name);
    return fail_name(p, what, name, &names);
}

// ---- calls

static const struct mr_expression_function *find_function(const char *library, const char *name)
{
    for (const struct mr_expression_function *f = mr_expression_functions; f->name; f++)
        if (strcmp(f->name, name) == 0 &&
            (!library || (f->library && strcmp(f->library, library) == 0)))
            return f;
    return NULL;
}

// What values of these two types together are.
static enum mr_expression_type join_types(enum mr_expression_type a, enum mr_expression_type b)
{
    if (a == b || b == MR_EXPRESSION_NULL)
        return a;
    return a == MR_EXPRESSION_NULL ? b : MR_EXPRESSION_ANY;
}

static bool check_argument(struct parser *p, const struct mr_expression_function *function,
                           char takes, const struct operand *argument)
{
    char where[60];
    snprintf(where, sizeof where, "as argument of %s", function->name);
    if (takes == 'n')
        return expect_type(p, argument, MR_EXPRESSION_NUMBER, where);
    if (takes == 't')
        return expect_type(p, argument, MR_EXPRESSION_TEXT, where);
    if (takes == 'b')
        return expect_type(p, argument, MR_EXPRESSION_BOOL, where);
    return true;
}

static bool fail_argument_count(struct parser *p, const struct mr_expression_function *function)
{
    char expected[80];
    size_t least = strcspn(function->takes, "|*");
    size_t most = least + (function->takes[least] == '|');
    if (function->takes[least] == '*')
        snprintf(expected, sizeof expected, "%zu to 8 arguments of %s", least, function->name);
    else if (most > least)
        snprintf(expected, sizeof expected, "%zu or %zu arguments of %s", least, most,
                 function->name);
    else
        snprintf(expected, sizeof expected, "%zu argument%s of %s", least, least == 1 ? "" : "s",
                 function->name);
    return fail_token(p, expected);
}

// Walks function->takes along with the arguments; fills what `=` needs.
static bool parse_arguments(struct parser *p, const struct mr_expression_function *function,
                            struct operand *joined)
{
    const char *takes = function->takes;
    char last = 0;
    bool first = true, optional = false;
    joined->nullable = strchr(function->takes, '*') != NULL; // coalesce: null where all are
    joined->type = MR_EXPRESSION_NULL;
    for (unsigned count = 0; !is_symbol(p, ")"); count++) {
        struct operand argument = {0};
        if (*takes == '|') {
            optional = true;
            takes++;
        }
        if (*takes && *takes != '*')
            last = *takes++;
        else if (*takes != '*' || count == 8)
            return fail_argument_count(p, function);
        if (!first && !take_expected(p, ","))
            return false;
        first = false;
        if (!parse_level(p, 1, &argument) || !check_argument(p, function, last, &argument))
            return false;
        if (last == 'a') {
            joined->type = join_types(joined->type, argument.type);
            joined->nullable = *takes == '*' ? joined->nullable && argument.nullable
                                             : joined->nullable || argument.nullable;
        }
    }
    if (*takes && *takes != '*' && *takes != '|' && !optional)
        return fail_argument_count(p, function);
    return take_expected(p, ")");
}

static bool parse_call(struct parser *p, const struct mr_expression_function *function,
                       struct operand *out)
{
    struct operand joined = {0};
    fprintf(p->lua, "F.%s", function->name);
    mr_steps_give_up(&p->parsed->steps);
    if (!take_expected(p, "(") || !parse_arguments(p, function, &joined))
        return false;
    p->parsed->field = NULL;
    switch (function->gives) {
    case 't':
        out->type = MR_EXPRESSION_TEXT;
        break;
    case 'b':
        out->type = MR_EXPRESSION_BOOL;
        break;
    case '=':
        *out = (struct operand){joined.type, joined.nullable, out->at};
        break;
    default:
        out->type = MR_EXPRESSION_NUMBER;
        out->nullable = function->gives == 'N';
    }
    return true;
}

static bool fail_function(struct parser *p, const char *library, const char *name)
{
    struct mr_names names = {0};
    for (const struct mr_expression_function *f = mr_expression_functions; f->name; f++)
        if (!library || (f->library && strcmp(f->library, library) == 0))
            mr_names_add(&names, f->name);
    return fail_name(p, "one of the functions", name, &names);
}

// math.floor(...), string.upper(...), math.pi
static bool parse_library(struct parser *p, const char *library, struct operand *out)
{
    char name[MR_NAME_BYTES];
    advance(p); // the point
    if (p->token.kind != MR_TOKEN_NAME)
        return fail_token(p, "the name of a function");
    copy_name(p, name, sizeof name);
    const struct mr_expression_function *function = find_function(library, name);
    if (!function)
        return (strcmp(library, "math") == 0 &&
                (strcmp(name, "pi") == 0 || strcmp(name, "huge") == 0) &&
                parse_word(p, name, out)) ||
               fail_function(p, library, name);
    advance(p);
    return parse_call(p, function, out);
}

static bool parse_name(struct parser *p, struct operand *out)
{
    char name[2 * MR_NAME_BYTES];
    copy_name(p, name, sizeof name);
    struct mr_token after = mr_token_next(p->text, p->token.at + p->token.length);
    bool is_call = after.kind == MR_TOKEN_SYMBOL && strcmp(after.symbol, "(") == 0;
    bool is_library = after.kind == MR_TOKEN_SYMBOL && strcmp(after.symbol, ".") == 0 &&
                      (strcmp(name, "math") == 0 || strcmp(name, "string") == 0);
    if (is_library) {
        advance(p);
        return parse_library(p, name, out);
    }
    if (!is_call)
        return parse_field(p, name, out);
    const struct mr_expression_function *function = find_function(NULL, name);
    if (!function)
        return fail_function(p, NULL, name);
    advance(p);
    return parse_call(p, function, out);
}

// Read once, here: LuaJIT reads some long literals differently each time (9223372036854775808e82). Of what is written
// as %a it takes every bit. strtod ends where the word does: letters behind a number are refused.
static void add_number(struct parser *p)
{
    double number = strtod(p->text + p->token.at, NULL);
    fprintf(p->lua, isinf(number) ? "F.huge" : "%a", number);
    mr_steps_add_number(&p->parsed->steps, number);
}

static bool parse_primary(struct parser *p, struct operand *out)
{
    *out = (struct operand){.at = p->token.at};
    switch (p->token.kind) {
    case MR_TOKEN_NUMBER:
        add_number(p);
        out->type = MR_EXPRESSION_NUMBER;
        advance(p);
        return true;
    case MR_TOKEN_TEXT:
        return parse_text(p, out);
    case MR_TOKEN_NAME:
        return parse_name(p, out);
    default:
        break;
    }
    if (!is_symbol(p, "("))
        return fail_token(p, "a value");
    take_symbol(p);
    return parse_level(p, 1, out) && take_expected(p, ")");
}

// ---- operators

enum {
    LEVEL_OR = 1,
    LEVEL_AND,
    LEVEL_COMPARE,
    LEVEL_JOIN,
    LEVEL_ADD,
    LEVEL_MULTIPLY,
    LEVEL_UNARY,
    LEVEL_POWER
};

static int level_of(const struct parser *p)
{
    static const struct {
        const char *symbol;
        int level;
    } levels[] = {
        {"or", LEVEL_OR},      {"and", LEVEL_AND},    {"<", LEVEL_COMPARE},  {"<=", LEVEL_COMPARE},
        {">", LEVEL_COMPARE},  {">=", LEVEL_COMPARE}, {"==", LEVEL_COMPARE}, {"~=", LEVEL_COMPARE},
        {"..", LEVEL_JOIN},    {"+", LEVEL_ADD},      {"-", LEVEL_ADD},      {"*", LEVEL_MULTIPLY},
        {"/", LEVEL_MULTIPLY}, {"%", LEVEL_MULTIPLY}, {"^", LEVEL_POWER},
    };
    if (p->token.kind == MR_TOKEN_SYMBOL)
        for (size_t i = 0; i < MR_COUNT_OF(levels); i++)
            if (strcmp(p->token.symbol, levels[i].symbol) == 0)
                return levels[i].level;
    return 0;
}

static bool combine_choice(bool is_and, struct operand *left, const struct operand *right)
{
    // `and` may give its left side only where that is false or null.
    if (!is_and)
        left->nullable = right->nullable;
    else
        left->nullable = left->nullable || right->nullable;
    left->type = left->type == right->type ? left->type : MR_EXPRESSION_ANY;
    return true;
}

static bool combine_comparison(struct parser *p, bool is_order, struct operand *left,
                               const struct operand *right)
{
    bool known = left->type != MR_EXPRESSION_ANY && right->type != MR_EXPRESSION_ANY;
    bool with_null = left->type == MR_EXPRESSION_NULL || right->type == MR_EXPRESSION_NULL;
    char expected[80];
    if (is_order && known && left->type != MR_EXPRESSION_NUMBER && left->type != MR_EXPRESSION_TEXT)
        return fail_at(p, left->at, mr_expression_type_name(left->type),
                       "numbers or text to put in order");
    if (known && left->type != right->type && (is_order || !with_null)) {
        snprintf(expected, sizeof expected, "%s, to compare with %s",
                 mr_expression_type_name(left->type), mr_expression_type_name(left->type));
        return fail_at(p, right->at, mr_expression_type_name(right->type), expected);
    }
    *left = (struct operand){.type = MR_EXPRESSION_BOOL, .at = left->at};
    return true;
}

static bool combine(struct parser *p, int level, const char *symbol, struct operand *left,
                    const struct operand *right)
{
    char where[32];
    p->parsed->field = NULL;
    if (level <= LEVEL_AND)
        return combine_choice(level == LEVEL_AND, left, right);
    if (level == LEVEL_COMPARE)
        return combine_comparison(p, symbol[0] != '=' && symbol[0] != '~', left, right);
    enum mr_expression_type wanted =
        level == LEVEL_JOIN ? MR_EXPRESSION_TEXT : MR_EXPRESSION_NUMBER;
    snprintf(where, sizeof where, "beside \"%s\"", symbol);
    if (!expect_type(p, left, wanted, where) || !expect_type(p, right, wanted, where))
        return false;
    *left = (struct operand){.type = wanted, .at = left->at};
    return true;
}

static bool parse_unary(struct parser *p, struct operand *out)
{
    bool is_not = is_symbol(p, "not");
    if (!is_not && !is_symbol(p, "-"))
        return parse_primary(p, out);
    size_t at = p->token.at;
    take_symbol(p);
    if (!parse_level(p, LEVEL_UNARY, out))
        return false;
    p->parsed->field = NULL;
    if (!is_not && !expect_type(p, out, MR_EXPRESSION_NUMBER, "behind \"-\""))
        return false;
    mr_steps_add_unary(&p->parsed->steps, is_not ? "not" : "-", out->type);
    *out = (struct operand){is_not ? MR_EXPRESSION_BOOL : MR_EXPRESSION_NUMBER, false, at};
    return true;
}

static bool parse_operators(struct parser *p, int level, struct operand *out)
{
    if (!parse_unary(p, out))
        return false;
    for (int found = level_of(p); found != 0 && found >= level; found = level_of(p)) {
        struct operand right = {0};
        char symbol[4];
        // `^` and `..` group to the right; behind `^` a sign may stand.
        int right_level = found == LEVEL_POWER  ? LEVEL_UNARY
                          : found == LEVEL_JOIN ? LEVEL_JOIN
                                                : found + 1;
        memcpy(symbol, p->token.symbol, sizeof symbol);
        take_symbol(p);
        enum mr_expression_type left_type = out->type;
        if (!parse_level(p, right_level, &right) || !combine(p, found, symbol, out, &right))
            return false;
        mr_steps_add_operator(&p->parsed->steps, symbol, left_type, right.type);
    }
    return true;
}

static bool parse_level(struct parser *p, int level, struct operand *out)
{
    if (++p->nesting > NESTING_MAX)
        return fail_token(p, "an expression that is less deeply nested");
    bool ok = parse_operators(p, level, out);
    p->nesting--;
    return ok;
}

static bool parse_all(struct parser *p, struct operand *out)
{
    if (!parse_level(p, LEVEL_OR, out))
        return false;
    if (p->token.kind != MR_TOKEN_END)
        return fail_token(p, "an operator or the end");
    p->parsed->type = out->type;
    p->parsed->nullable = out->nullable;
    return true;
}

int mr_expression_parse(const char *text, const struct mr_schema *schema,
                        const struct mr_node *node, struct mr_parsed_expression *out,
                        struct mr_error *err)
{
    struct parser p = {.text = text, .schema = schema, .node = node, .parsed = out, .err = err};
    struct operand whole = {0};
    size_t bytes;
    memset(out, 0, sizeof *out);
    p.lua = open_memstream(&out->lua, &bytes);
    if (!p.lua)
        return mr_fail(err, MR_ERR_MEMORY, "out of memory for an expression");
    p.token = mr_token_next(text, 0);
    bool ok = parse_all(&p, &whole);
    if (fclose(p.lua) != 0 && ok)
        ok = mr_fail(err, MR_ERR_MEMORY, "out of memory for an expression") == MR_OK;
    if (!ok) {
        free(out->lua);
        out->lua = NULL;
        return err ? err->code : MR_ERR_CONFIG;
    }
    return MR_OK;
}
