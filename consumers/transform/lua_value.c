// SPDX-License-Identifier: Apache-2.0
#include "consumers/transform/lua_value.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/type.h"

#define SECOND_NS 1000000000

enum mr_expression_type mr_lua_type(const struct mr_field *field)
{
    switch (field->type) {
    case MR_TYPE_CHAR:
    case MR_TYPE_ENUM:
    case MR_TYPE_BYTES:
        return MR_EXPRESSION_TEXT;
    case MR_TYPE_BOOL:
        return MR_EXPRESSION_BOOL;
    default:
        return MR_EXPRESSION_NUMBER;
    }
}

double mr_lua_seconds(int64_t time_ns)
{
    int64_t seconds = time_ns / SECOND_NS;
    return (double)seconds + (double)(time_ns % SECOND_NS) / SECOND_NS;
}

static void load_label(const struct mr_field *field, const void *record, struct mr_lua_value *value)
{
    size_t length = 0;
    uint8_t index = ((const uint8_t *)record)[field->offset];
    value->text = mr_label_at(field, index, &length);
    value->length = (int32_t)length;
    value->null |= value->text == NULL;
}

void mr_lua_load(const struct mr_schema *schema, const struct mr_field *field, const void *record,
                 struct mr_lua_value *value)
{
    size_t length;
    value->null = mr_field_is_null(schema, field, record);
    switch (field->type) {
    case MR_TYPE_F64:
        memcpy(&value->number, (const char *)record + field->offset, sizeof value->number);
        break;
    case MR_TYPE_TIMESTAMP:
        value->number = mr_lua_seconds(mr_field_get_i64(field, record));
        break;
    case MR_TYPE_CHAR:
    case MR_TYPE_BYTES:
        value->text = mr_field_get_text(field, record, &length);
        value->length = (int32_t)length;
        break;
    case MR_TYPE_ENUM:
        load_label(field, record, value);
        break;
    default:
        value->number = mr_field_get_f64(field, record);
    }
    if (MR_UNLIKELY(isnan(value->number))) // LuaJIT takes other NaNs for values of other types
        value->number = (double)NAN;
}

// ---- back

static int fail_store(const struct mr_field *field, const struct mr_expression_value *value,
                      char *problem, size_t problem_bytes)
{
    char type[160];
    mr_type_text(field, type, sizeof type);
    switch (value->type) {
    case MR_EXPRESSION_NUMBER:
        snprintf(problem, problem_bytes, "%s: found %.17g, expected what a %s holds", field->name,
                 value->number, type);
        break;
    case MR_EXPRESSION_TEXT:
        snprintf(problem, problem_bytes, "%s: found text \"%.*s\", expected what a %s holds",
                 field->name, (int)(value->length < 80 ? value->length : 80), value->text, type);
        break;
    case MR_EXPRESSION_BOOL:
        snprintf(problem, problem_bytes, "%s: found %s, expected what a %s holds", field->name,
                 value->boolean ? "true" : "false", type);
        break;
    default:
        snprintf(problem, problem_bytes, "%s: found null, expected a %s, which is never null",
                 field->name, type);
    }
    return MR_ERR_INPUT;
}

static int store_time(const struct mr_schema *schema, const struct mr_field *field, void *record,
                      double seconds)
{
    double whole = floor(seconds);
    if (!(fabs(whole) < (double)INT64_MAX / SECOND_NS - 1))
        return MR_ERR_INPUT;
    int64_t rest_ns = (int64_t)round((seconds - whole) * SECOND_NS);
    return mr_field_set_i64(schema, field, record, (int64_t)whole * SECOND_NS + rest_ns);
}

static int store_number(const struct mr_schema *schema, const struct mr_field *field, void *record,
                        double number)
{
    if (!isfinite(number) || mr_lua_type(field) != MR_EXPRESSION_NUMBER)
        return MR_ERR_INPUT;
    if (field->type == MR_TYPE_TIMESTAMP)
        return store_time(schema, field, record, number);
    return mr_field_set_f64(schema, field, record, number);
}

static int store_text(const struct mr_schema *schema, const struct mr_field *field, void *record,
                      const char *text, size_t length)
{
    if (field->type == MR_TYPE_ENUM) {
        int index = mr_label_index(field, text, length);
        return index < 0 ? MR_ERR_INPUT : mr_field_set_i64(schema, field, record, index);
    }
    if (field->type != MR_TYPE_CHAR)
        return MR_ERR_INPUT;
    return mr_field_set_text(schema, field, record, text, length);
}

int mr_lua_store(const struct mr_schema *schema, const struct mr_field *field, void *record,
                 const struct mr_expression_value *value, char *problem, size_t problem_bytes)
{
    int code = MR_ERR_INPUT;
    if (value->type == MR_EXPRESSION_NUMBER) {
        code = store_number(schema, field, record, value->number);
    } else if (value->type == MR_EXPRESSION_TEXT) {
        code = store_text(schema, field, record, value->text, value->length);
    } else if (value->type == MR_EXPRESSION_BOOL && field->type == MR_TYPE_BOOL) {
        code = mr_field_set_i64(schema, field, record, value->boolean);
    } else if (value->type == MR_EXPRESSION_NULL && field->null_bit >= 0) {
        mr_field_set_null(schema, field, record, true);
        code = MR_OK;
    }
    return code == MR_OK ? MR_OK : fail_store(field, value, problem, problem_bytes);
}
