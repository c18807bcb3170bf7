// SPDX-License-Identifier: Apache-2.0
#include "producers/generator.h"

#include <stdlib.h>
#include <string.h>

#include "core/formats/number.h"
#include "core/pipeline/declared.h"
#include "producers/field_map.h"

enum { KIND_INTEGER, KIND_REAL, KIND_TEXT, KIND_TIME, KIND_CHOICE };

#define TEXT_LENGTH 8
#define BYTES_LENGTH_MAX 65536
#define COUNTER_STEP (2UL * MR_FIELDS_MAX) // of the random numbers, from a record to the next

struct hints {
    const char *min, *max;
    struct mr_node *values;
    int64_t length;
    double nulls;
};
static const struct mr_option hint_options[] = {
    {"min", MR_OPTION_STRING, offsetof(struct hints, min), NULL, "least value", NULL},
    {"max", MR_OPTION_STRING, offsetof(struct hints, max), NULL, "largest value", NULL},
    {"values", MR_OPTION_NODE, offsetof(struct hints, values), NULL, "one of these", NULL},
    {"length", MR_OPTION_INT, offsetof(struct hints, length), "0", "letters of text", NULL},
    {"nulls", MR_OPTION_REAL, offsetof(struct hints, nulls), "0", "how often null, 0 to 1", NULL},
    {0},
};
static const char ignored_keys[] = MR_DECLARED_FIELD_KEYS ",from,missing,bad,default,format,map";

// ---- making records ----------------------------------------------------------------------------

static void fill_text(char *at, uint32_t length, uint64_t random)
{
    for (uint32_t i = 0; i < length; i++) {
        if (i % 12 == 11)
            random = mr_random_at(random, i);
        at[i] = (char)('a' + random % 26);
        random /= 26;
    }
}

// One field of all records of a run: how wide it is, is asked once, and its bounds stay in registers.
// `bytes` is a constant where this is called.
static inline void fill_integers(const struct mr_generator *generator,
                                 const struct mr_generated_field *made, uint64_t counter,
                                 uint64_t count, uint8_t *at, size_t bytes)
{
    uint64_t stride = mr_record_stride(generator->record_bytes);
    uint64_t low = (uint64_t)made->low, span = made->span, seed = generator->seed;
    for (uint64_t i = 0; i < count; i++, at += stride, counter += COUNTER_STEP) {
        uint64_t value = low + mr_random_within(mr_random_at(seed, counter), span);
        memcpy(at, &value, bytes); // the low bytes
    }
}

static void fill_integer_column(const struct mr_generator *generator,
                                const struct mr_generated_field *made, uint64_t counter,
                                uint64_t count, uint8_t *at)
{
    switch (made->field->bytes) {
    case 1:
        fill_integers(generator, made, counter, count, at, 1);
        break;
    case 2:
        fill_integers(generator, made, counter, count, at, 2);
        break;
    case 4:
        fill_integers(generator, made, counter, count, at, 4);
        break;
    default:
        fill_integers(generator, made, counter, count, at, 8);
    }
}

static void fill_field(const struct mr_generator *generator, const struct mr_generated_field *made,
                       uint64_t random, struct mr_record *record)
{
    const struct mr_field *field = made->field;
    char *at = (char *)record + field->offset;
    uint64_t integer;
    double real;
    float single;
    switch (made->kind) {
    case KIND_INTEGER:
        integer = (uint64_t)made->low + mr_random_within(random, made->span);
        memcpy(at, &integer, field->bytes);
        break;
    case KIND_REAL:
        real = made->low_real + made->span_real * mr_random_real(random);
        single = (float)real;
        memcpy(at, field->type == MR_TYPE_F32 ? (void *)&single : (void *)&real, field->bytes);
        break;
    case KIND_TEXT:
        fill_text(at, made->length, random);
        break;
    case KIND_TIME:
        memcpy(at, &record->event_time_ns, sizeof record->event_time_ns);
        break;
    default:
        integer = made->first_value + mr_random_within(random, made->values - 1);
        memcpy(at, generator->values + integer * generator->value_stride + field->offset,
               field->bytes);
    }
}

static void fill_column(const struct mr_generator *generator, const struct mr_generated_field *made,
                        uint64_t counter, uint64_t count, uint8_t *at)
{
    uint64_t stride = mr_record_stride(generator->record_bytes), seed = generator->seed;
    for (uint64_t i = 0; i < count; i++, at += stride, counter += COUNTER_STEP) {
        struct mr_record *record = (struct mr_record *)(void *)at;
        if (made->nulls > 0 &&
            mr_random_real(mr_random_at(seed, counter + MR_FIELDS_MAX)) < made->nulls)
            mr_field_set_null(generator->schema, made->field, record, true);
        else
            fill_field(generator, made, mr_random_at(seed, counter), record);
    }
}

void mr_generator_fill(const struct mr_generator *generator, uint64_t n, uint64_t count,
                       void *records)
{
    for (unsigned i = 0; i < generator->schema->field_count; i++) {
        const struct mr_generated_field *made = &generator->fields[i];
        uint64_t counter = n * COUNTER_STEP + i;
        if (made->kind == KIND_INTEGER && made->nulls == 0)
            fill_integer_column(generator, made, counter, count,
                                (uint8_t *)records + made->field->offset);
        else
            fill_column(generator, made, counter, count, records);
    }
}

// ---- opening -----------------------------------------------------------------------------------

static int fail_value(const struct mr_node *node, const char *key, const struct mr_field *field,
                      const char *found, struct mr_error *err)
{
    char type[160];
    const struct mr_node *at = node && key ? mr_config_child(node, key) : node;
    mr_type_text(field, type, sizeof type);
    return mr_config_fail(at ? at : node, err, "found \"%s\", expected %s", found, type);
}

// Text as the field's type has it, by way of a record.
static bool parse_into(const struct mr_schema *schema, const struct mr_field *field,
                       const char *text, void *record)
{
    return mr_field_parse(schema, field, record, text, strlen(text)) == MR_OK;
}

static int64_t integer_high(const struct mr_field *field)
{
    int64_t high = 1000;
    if (field->type == MR_TYPE_BOOL)
        high = 1;
    else if (field->type == MR_TYPE_U8)
        high = UINT8_MAX;
    else if (field->type == MR_TYPE_I8)
        high = INT8_MAX;
    else if (field->type == MR_TYPE_DECIMAL || field->type == MR_TYPE_DECIMAL_U32)
        for (unsigned i = 0; i < field->scale && high < INT64_MAX / 20; i++)
            high *= 10;
    if (field->type == MR_TYPE_DECIMAL_U32)
        high = (int64_t)mr_min_u64((uint64_t)high, UINT32_MAX);
    return high;
}

static unsigned label_count(const struct mr_field *field)
{
    unsigned count = field->labels[0] != '\0';
    for (const char *at = field->labels; *at; at++)
        count += *at == ',';
    return count;
}

static int set_integers(struct mr_generator *generator, struct mr_generated_field *made,
                        const struct hints *hints, const struct mr_node *node, struct mr_error *err)
{
    const struct mr_field *field = made->field;
    const struct mr_schema *schema = generator->schema;
    void *scratch = generator->blank;
    int64_t high =
        field->type == MR_TYPE_ENUM ? (int64_t)label_count(field) - 1 : integer_high(field);
    if (hints->min) {
        if (!parse_into(schema, field, hints->min, scratch))
            return fail_value(node, "min", field, hints->min, err);
        made->low = mr_field_get_i64(field, scratch);
    }
    if (hints->max) {
        if (!parse_into(schema, field, hints->max, scratch))
            return fail_value(node, "max", field, hints->max, err);
        high = mr_field_get_i64(field, scratch);
    }
    bool reversed =
        field->type == MR_TYPE_U64 ? (uint64_t)high < (uint64_t)made->low : high < made->low;
    if (reversed)
        return mr_config_fail(
            node, err, "field %s: found min %s and max %s, expected min below max", field->name,
            hints->min ? hints->min : "0", hints->max ? hints->max : "(the default)");
    made->span = (uint64_t)high - (uint64_t)made->low;
    made->kind = KIND_INTEGER;
    return MR_OK;
}

static int set_reals(struct mr_generated_field *made, const struct hints *hints,
                     const struct mr_node *node, struct mr_error *err)
{
    double high = 100;
    if (hints->min && mr_parse_f64(hints->min, strlen(hints->min), &made->low_real) != MR_NUMBER_OK)
        return fail_value(node, "min", made->field, hints->min, err);
    if (hints->max && mr_parse_f64(hints->max, strlen(hints->max), &high) != MR_NUMBER_OK)
        return fail_value(node, "max", made->field, hints->max, err);
    if (!(high >= made->low_real))
        return mr_config_fail(node, err,
                              "field %s: found min %g and max %g, expected min below max",
                              made->field->name, made->low_real, high);
    made->span_real = high - made->low_real;
    made->kind = KIND_REAL;
    return MR_OK;
}

static int set_text(struct mr_generator *generator, struct mr_generated_field *made,
                    const struct hints *hints, const struct mr_node *node, struct mr_error *err)
{
    bool bytes = made->field->type == MR_TYPE_BYTES;
    int64_t most = bytes ? BYTES_LENGTH_MAX : made->field->bytes;
    if (hints->length < 0 || hints->length > most)
        return mr_config_fail(mr_config_child(node, "length"), err,
                              "found %lld, expected 1 to %lld letters", (long long)hints->length,
                              (long long)most);
    made->length = (uint32_t)(hints->length ? hints->length
                                            : (int64_t)mr_min_u64(TEXT_LENGTH, (uint64_t)most));
    made->kind = KIND_TEXT;
    if (bytes)
        generator->record_bytes += made->length;
    return MR_OK;
}

static int add_value(struct mr_generator *generator, struct mr_generated_field *made,
                     const struct mr_node *node, struct mr_error *err)
{
    const char *text;
    uint64_t bytes = generator->value_stride;
    if (mr_config_text(node, &text, err) != MR_OK)
        return err->code;
    uint8_t *grown = realloc(generator->values, (generator->value_count + 1) * bytes);
    if (!grown)
        return mr_fail(err, MR_ERR_MEMORY, "no memory for the values of %s", made->field->name);
    generator->values = grown;
    uint8_t *record = grown + generator->value_count * bytes;
    memset(record, 0, bytes);
    mr_record_init(generator->schema, record);
    if (!parse_into(generator->schema, made->field, text, record))
        return fail_value(node, NULL, made->field, text, err);
    generator->value_count++;
    made->values++;
    return MR_OK;
}

static int set_choice(struct mr_generator *generator, struct mr_generated_field *made,
                      const struct mr_node *values, struct mr_error *err)
{
    made->kind = KIND_CHOICE;
    made->first_value = generator->value_count;
    if (values->kind != MR_NODE_LIST || values->child_count == 0)
        return mr_config_fail(values, err, "expected a list of values such as [a, b]");
    if (made->field->type == MR_TYPE_BYTES)
        return mr_config_fail(values, err, "a field of bytes takes length, not values");
    for (unsigned i = 0; i < values->child_count; i++)
        if (add_value(generator, made, values->children[i], err) != MR_OK)
            return err->code;
    return MR_OK;
}

static int open_field(struct mr_generator *generator, struct mr_generated_field *made,
                      const struct mr_node *node, struct mr_error *err)
{
    struct hints hints;
    uint8_t type = made->field->type;
    if (node && node->kind != MR_NODE_MAP) // "name: type" alone
        node = NULL;
    int code = mr_config_bind(node, ignored_keys, hint_options, &hints, sizeof hints, err);
    if (code != MR_OK)
        return code;
    if (!(hints.nulls >= 0 && hints.nulls <= 1) || (hints.nulls > 0 && made->field->null_bit < 0))
        return mr_config_fail(mr_config_child(node, "nulls"), err,
                              "found %g, expected 0 to 1, and a field with nullable: true",
                              hints.nulls);
    made->nulls = hints.nulls;
    if (hints.values)
        return set_choice(generator, made, hints.values, err);
    if (type == MR_TYPE_F32 || type == MR_TYPE_F64)
        return set_reals(made, &hints, node, err);
    if (type == MR_TYPE_CHAR || type == MR_TYPE_BYTES)
        return set_text(generator, made, &hints, node, err);
    if (type == MR_TYPE_TIMESTAMP) {
        made->kind = KIND_TIME;
        return MR_OK;
    }
    return set_integers(generator, made, &hints, node, err);
}

int mr_generator_open(struct mr_generator *generator, const struct mr_schema *schema,
                      const struct mr_node *schema_node, uint64_t seed, struct mr_error *err)
{
    memset(generator, 0, sizeof *generator);
    generator->schema = schema;
    generator->seed = seed;
    generator->record_bytes = schema->record_bytes;
    generator->value_stride = mr_record_stride(schema->record_bytes);
    generator->blank = calloc(1, mr_record_stride(schema->record_bytes + BYTES_LENGTH_MAX));
    if (!generator->blank)
        return mr_fail(err, MR_ERR_MEMORY, "no memory for a record of %s", schema->name);
    mr_record_init(schema, generator->blank);
    if (mr_schema_node_check(schema_node, err) != MR_OK)
        return err->code;
    for (unsigned i = 0; i < schema->field_count; i++) {
        generator->fields[i].field = &schema->fields[i];
        int code = open_field(generator, &generator->fields[i],
                              mr_field_node(schema_node, schema->fields[i].name), err);
        if (code != MR_OK)
            return code;
    }
    memset(generator->blank, 0, schema->record_bytes); // it was scratch above
    mr_record_init(schema, generator->blank);
    ((struct mr_record *)generator->blank)->length = generator->record_bytes;
    return MR_OK;
}

void mr_generator_close(struct mr_generator *generator)
{
    free(generator->values);
    free(generator->blank);
    generator->values = NULL;
    generator->blank = NULL;
}
