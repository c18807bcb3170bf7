// SPDX-License-Identifier: Apache-2.0
// Any text as an expression over a record with a field of each type: it is refused with a sentence, or runs and
// gives a value of the type that it was said to have, or a sentence, with steps and by the interpreter alike.
#include <stdlib.h>
#include <string.h>

#include "consumers/transform/expression.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

#define COMPILED_MAX 256 // then a new interpreter: what was compiled stays in it

static struct mr_schema *schema;
static struct mr_node node = {.kind = MR_NODE_SCALAR, .file = "fuzz.yaml", .path = "filter"};
static _Alignas(8) char record[512];

static void make_record(void)
{
    static const char *const fields[][3] = {{"count", "u32", "7"},
                                            {"price", "decimal(4)", "12.5"},
                                            {"at", "timestamp", "1970-01-02T00:00:00Z"},
                                            {"real", "f64", "-0.25"},
                                            {"name", "char[8]", "AAPL"},
                                            {"side", "enum(buy,sell)", "sell"},
                                            {"flag", "bool", "true"},
                                            {"gone", "i32", ""},
                                            {"big", "u64", "18446744073709551615"}};
    schema = mr_schema_new("fuzz", MR_SCHEMA_ID_DECLARED);
    for (unsigned i = 0; i < MR_COUNT_OF(fields); i++)
        if (mr_schema_add(schema, fields[i][0], fields[i][1], !*fields[i][2], NULL) != MR_OK)
            abort();
    mr_schema_seal(schema);
    mr_record_init(schema, record);
    for (unsigned i = 0; i < MR_COUNT_OF(fields); i++) {
        const struct mr_field *field = mr_schema_field(schema, fields[i][0]);
        if (!*fields[i][2])
            mr_field_set_null(schema, field, record, true);
        else if (mr_field_parse(schema, field, record, fields[i][2], strlen(fields[i][2])) != MR_OK)
            abort();
    }
}

static bool is_same(const struct mr_expression_value *a, const struct mr_expression_value *b)
{
    if (a->type != b->type)
        return false;
    if (a->type == MR_EXPRESSION_NUMBER)
        return a->number == b->number || (a->number != a->number && b->number != b->number);
    return a->type != MR_EXPRESSION_BOOL || a->boolean == b->boolean;
}

static void run(struct mr_expression *expression)
{
    struct mr_expression_value value = {0}, interpreted = {0};
    volatile char last = 0;
    bool good = mr_expression_interpret(expression, record, &interpreted);
    if (mr_expression_run(expression, record, &value) != good || !is_same(&value, &interpreted))
        abort();
    enum mr_expression_type said = mr_expression_type(expression);
    if (!good && (!value.text || !*value.text))
        abort();
    if (good && said != MR_EXPRESSION_ANY && value.type != said &&
        !(value.type == MR_EXPRESSION_NULL && mr_expression_is_nullable(expression)))
        abort();
    if (good && value.type == MR_EXPRESSION_TEXT)
        for (size_t i = 0; i < value.length; i++)
            last = value.text[i];
    (void)last;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static struct mr_expressions *all;
    static unsigned compiled;
    struct mr_expression *expression;
    struct mr_error err = {0};
    if (!schema)
        make_record();
    if (!all || compiled++ == COMPILED_MAX) {
        if (all)
            mr_expressions_close(all);
        all = mr_expressions_open(NULL);
        compiled = 0;
    }
    char *text = strndup((const char *)bytes, size);
    int code = mr_expression_compile(all, text, schema, &node, &expression, &err);
    if (code == MR_OK)
        run(expression);
    else if (err.text[0] == '\0')
        abort();
    free(text);
    return 0;
}
