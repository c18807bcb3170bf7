// SPDX-License-Identifier: Apache-2.0
// Which schemas the bars are made of, what a bar looks like, and how many there may be at a time.
#include <stdio.h>
#include <string.h>

#include "consumers/transform/bars.h"
#include "core/market.h"

#define KEYS_MAX_DEFAULT 16384
#define SPAN_MAX_NS (INT64_MAX / 4)

// ---- inputs

static int fail_at(const struct mr_op *op, const char *key, struct mr_error *err, const char *text)
{
    const struct mr_node *node = mr_config_child(op->node, key);
    return mr_config_fail(node != NULL ? node : op->node, err, "%s", text);
}

static bool is_number(const struct mr_field *field)
{
    return (field->type >= MR_TYPE_U8 && field->type <= MR_TYPE_F64) ||
           field->type == MR_TYPE_DECIMAL || field->type == MR_TYPE_DECIMAL_U32;
}

static bool is_key(const struct mr_field *field)
{
    return !mr_bars_is_real(field) && field->type != MR_TYPE_BYTES;
}

static int need_field(const struct mr_op *op, const struct mr_schema *schema, const char *option,
                      const char *name, const struct mr_field **out, struct mr_error *err)
{
    char text[200];
    *out = mr_schema_field(schema, name);
    if (*out != NULL)
        return MR_OK;
    snprintf(text, sizeof text, "found no field \"%s\" in schema %s", name, schema->name);
    return fail_at(op, option, err, text);
}

static int check_type(const struct mr_op *op, const char *option, const struct mr_schema *schema,
                      const struct mr_field *field, bool fits, const char *expected,
                      struct mr_error *err)
{
    char text[300], type[MR_LABELS_BYTES + 16];
    if (fits)
        return MR_OK;
    mr_type_text(field, type, sizeof type);
    snprintf(text, sizeof text, "found %s.%s, which is %s, expected %s", schema->name, field->name,
             type, expected);
    return fail_at(op, option, err, text);
}

static bool is_same_type(const struct mr_field *a, const struct mr_field *b)
{
    return a->type == b->type && a->scale == b->scale && a->bytes == b->bytes &&
           strcmp(a->labels, b->labels) == 0;
}

// All inputs fill the same bars.
static int check_alike(const struct mr_op *op, const char *option, const struct mr_bars_input *in,
                       const struct mr_field *field, const struct mr_field *first,
                       struct mr_error *err)
{
    char expected[MR_LABELS_BYTES + 64], type[MR_LABELS_BYTES + 16];
    mr_type_text(first, type, sizeof type);
    snprintf(expected, sizeof expected, "%s, as in the first schema", type);
    return check_type(op, option, in->schema, field, is_same_type(field, first), expected, err);
}

static int add_input(struct mr_op *op, const struct mr_schema *schema, struct mr_error *err)
{
    struct mr_bars *self = op->self;
    const struct mr_bars_options *o = self->options;
    const struct mr_bars_input *first = &self->inputs[0];
    struct mr_bars_input *in = &self->inputs[self->input_count];
    in->schema = schema;
    int code = need_field(op, schema, "key", o->key, &in->key, err);
    if (code == MR_OK)
        code = need_field(op, schema, "price", o->price, &in->price, err);
    if (code == MR_OK && o->volume != NULL)
        code = need_field(op, schema, "volume", o->volume, &in->volume, err);
    if (code == MR_OK)
        code = check_type(op, "key", schema, in->key, is_key(in->key), "text or an integer", err);
    if (code == MR_OK)
        code = check_type(op, "price", schema, in->price, is_number(in->price), "a number", err);
    if (code == MR_OK && o->volume != NULL)
        code = check_type(op, "volume", schema, in->volume, is_number(in->volume), "a number", err);
    if (code == MR_OK)
        code = check_alike(op, "key", in, in->key, first->key, err);
    if (code == MR_OK)
        code = check_alike(op, "price", in, in->price, first->price, err);
    if (code == MR_OK && o->volume != NULL)
        code = check_alike(op, "volume", in, in->volume, first->volume, err);
    self->input_count += code == MR_OK;
    return code;
}

static void list_schemas(const struct mr_schema_set *set, char *out, size_t out_bytes)
{
    size_t used = 0;
    for (uint32_t i = 0; i < set->count && used < out_bytes; i++)
        used += (size_t)snprintf(out + used, out_bytes - used, "%s%s", i ? ", " : "",
                                 set->schemas[i]->name);
}

static int add_named(struct mr_op *op, const struct mr_node *node, struct mr_error *err)
{
    struct mr_bars *self = op->self;
    const char *name = NULL;
    char names[600] = "";
    int code = mr_config_text(node, &name, err);
    if (code != MR_OK)
        return code;
    const struct mr_schema *schema = mr_schema_set_by_name(&op->in, name);
    list_schemas(&op->in, names, sizeof names);
    if (schema == NULL)
        return mr_config_fail(node, err, "found schema \"%s\", expected one of %s", name, names);
    for (unsigned i = 0; i < self->input_count; i++)
        if (self->inputs[i].schema == schema)
            return mr_config_fail(node, err, "found schema %s twice", name);
    return add_input(op, schema, err);
}

static bool has_fields(const struct mr_schema *schema, const struct mr_bars_options *o)
{
    return mr_schema_field(schema, o->key) != NULL && mr_schema_field(schema, o->price) != NULL &&
           (o->volume == NULL || mr_schema_field(schema, o->volume) != NULL);
}

// Without `on` only one schema may have the fields: bars of adds and trades together would be
// nobody's.
static int add_only_one(struct mr_op *op, struct mr_error *err)
{
    const struct mr_bars_options *o = op->options;
    const struct mr_schema *found = NULL;
    for (uint32_t i = 0; i < op->in.count; i++) {
        const struct mr_schema *schema = op->in.schemas[i];
        if (!has_fields(schema, o))
            continue;
        if (found != NULL)
            return mr_config_fail(
                op->node, err,
                "found schemas %s and %s with these fields, expected `on:` to say "
                "which are meant",
                found->name, schema->name);
        found = schema;
    }
    if (found != NULL)
        return add_input(op, found, err);
    char names[600] = "";
    list_schemas(&op->in, names, sizeof names);
    return mr_config_fail(op->node, err, "found no schema with the fields %s, %s%s%s; there are %s",
                          o->key, o->price, o->volume != NULL ? ", " : "",
                          o->volume != NULL ? o->volume : "", names);
}

static int find_inputs(struct mr_op *op, struct mr_error *err)
{
    const struct mr_node *on = ((const struct mr_bars_options *)op->options)->on;
    if (on == NULL)
        return add_only_one(op, err);
    if (on->kind != MR_NODE_LIST)
        return add_named(op, on, err);
    if (on->child_count == 0)
        return mr_config_fail(on, err, "found an empty list, expected names of schemas");
    for (unsigned i = 0; i < on->child_count; i++) {
        int code = add_named(op, on->children[i], err);
        if (code != MR_OK)
            return code;
    }
    return MR_OK;
}

// ---- the bar

static void sum_type(const struct mr_field *volume, char *out, size_t out_bytes)
{
    if (volume == NULL || (volume->type >= MR_TYPE_U8 && volume->type <= MR_TYPE_U64))
        snprintf(out, out_bytes, "u64");
    else if (mr_bars_is_real(volume))
        snprintf(out, out_bytes, "f64");
    else if (volume->type == MR_TYPE_DECIMAL || volume->type == MR_TYPE_DECIMAL_U32)
        snprintf(out, out_bytes, "decimal(%u)", volume->scale);
    else
        snprintf(out, out_bytes, "i64");
}

// `like`: the field whose unit it has, or NULL.
static int add_field(struct mr_schema *schema, const char *name, const char *type, bool nullable,
                     const struct mr_field *like, struct mr_error *err)
{
    int code = mr_schema_add(schema, name, type, nullable, err);
    if (code == MR_OK && like != NULL)
        memcpy(schema->fields[schema->field_count - 1].unit, like->unit, sizeof like->unit);
    return code;
}

static int add_fields(struct mr_schema *schema, const struct mr_bars_input *in,
                      struct mr_error *err)
{
    char key[MR_LABELS_BYTES + 16], price[32], sum[32];
    mr_type_text(in->key, key, sizeof key);
    mr_type_text(in->price, price, sizeof price);
    sum_type(in->volume, sum, sizeof sum);
    const struct {
        const char *name, *type;
        bool nullable;
        const struct mr_field *like;
    } fields[] = {
        {in->key->name, key, false, in->key}, {"start", "timestamp", false, NULL},
        {"end", "timestamp", false, NULL},    {"open", price, false, in->price},
        {"high", price, false, in->price},    {"low", price, false, in->price},
        {"close", price, false, in->price},   {"volume", sum, true, in->volume},
        {"vwap", "f64", true, in->price},     {"count", "u64", false, NULL},
    };
    int code = MR_OK;
    for (unsigned i = 0; i < MR_COUNT_OF(fields) && code == MR_OK; i++)
        code = add_field(schema, fields[i].name, fields[i].type, fields[i].nullable, fields[i].like,
                         err);
    return code;
}

static void find_fields(struct mr_bars *self, const struct mr_schema *out)
{
    self->out = out;
    self->key = &out->fields[0];
    self->start = mr_schema_field(out, "start");
    self->end = mr_schema_field(out, "end");
    self->open = mr_schema_field(out, "open");
    self->high = mr_schema_field(out, "high");
    self->low = mr_schema_field(out, "low");
    self->close = mr_schema_field(out, "close");
    self->volume = mr_schema_field(out, "volume");
    self->vwap = mr_schema_field(out, "vwap");
    self->count = mr_schema_field(out, "count");
}

static int declare_bar(struct mr_op *op, struct mr_error *err)
{
    struct mr_bars *self = op->self;
    struct mr_schema *schema = mr_schema_new(self->options->name, mr_schema_set_free_id(&op->in));
    int code = add_fields(schema, &self->inputs[0], err);
    if (code == MR_OK) {
        mr_schema_seal(schema);
        code = mr_schema_set_add(&op->out, schema, err);
    }
    if (code != MR_OK) {
        char text[300];
        mr_schema_free(schema);
        snprintf(text, sizeof text, "schema of the bars: %.250s", err != NULL ? err->text : "");
        return mr_config_fail(op->node, err, "%s", text);
    }
    find_fields(self, schema);
    return MR_OK;
}

static int declare_passed(struct mr_op *op, struct mr_error *err)
{
    const struct mr_bars_options *o = op->options;
    if (o->pass)
        return mr_schema_set_copy(&op->out, &op->in, err);
    const struct mr_schema *gap = mr_schema_set_by_id(&op->in, MR_SCHEMA_GAP);
    return gap == NULL ? MR_OK : mr_schema_set_add(&op->out, mr_schema_copy(gap), err);
}

// ---- limits

static int check_spans(struct mr_op *op, struct mr_error *err)
{
    struct mr_bars *self = op->self;
    const struct mr_bars_options *o = self->options;
    if (o->every_ns <= 0 || o->every_ns > SPAN_MAX_NS)
        return fail_at(op, "every", err, "expected a time above 0 and at most 73 years");
    if (o->lateness_ns < 0 || o->lateness_ns > SPAN_MAX_NS)
        return fail_at(op, "lateness", err, "expected a time from 0 to 73 years");
    self->shape.every_ns = o->every_ns;
    self->shape.lateness_ns = o->lateness_ns;
    uint64_t windows = mr_bar_window_count(&self->shape);
    if (windows <= MR_BAR_WINDOWS_MAX)
        return MR_OK;
    char text[160];
    snprintf(text, sizeof text,
             "found %llu windows open at a time (lateness / every + 1), expected at most %d",
             (unsigned long long)windows, MR_BAR_WINDOWS_MAX);
    return fail_at(op, "lateness", err, text);
}

// All windows may close on one record, and what a record causes has to fit the egress ring: a
// quarter of it, which leaves room for the rest of the batch.
static int choose_keys_max(struct mr_op *op, struct mr_error *err)
{
    struct mr_bars *self = op->self;
    uint64_t ring_bytes = op->chain->pipeline->rings[MR_RING_EGRESS].capacity;
    uint64_t per_key =
        mr_bar_window_count(&self->shape) * mr_record_stride(self->out->record_bytes);
    uint64_t fitting = mr_min_u64(ring_bytes / 4 / per_key, MR_BAR_KEYS_MAX);
    int64_t asked = self->options->keys_max;
    if (asked < 0 || (uint64_t)asked > fitting || fitting == 0) {
        char text[240];
        snprintf(
            text, sizeof text,
            "found %lld, expected 1 to %llu: that many bars of all open windows fill a quarter "
            "of the egress ring of %llu bytes",
            (long long)asked, (unsigned long long)fitting, (unsigned long long)ring_bytes);
        return fail_at(op, "keys_max", err, text);
    }
    self->shape.keys_max =
        (uint32_t)(asked > 0 ? (uint64_t)asked : mr_min_u64(fitting, KEYS_MAX_DEFAULT));
    return MR_OK;
}

int mr_bars_declare(struct mr_op *op, struct mr_error *err)
{
    struct mr_bars *self = op->self;
    int code = check_spans(op, err);
    if (code == MR_OK)
        code = find_inputs(op, err);
    if (code == MR_OK)
        code = declare_passed(op, err);
    if (code == MR_OK)
        code = declare_bar(op, err);
    if (code == MR_OK)
        code = choose_keys_max(op, err);
    self->shape.key_bytes = self->inputs[0].key != NULL ? self->inputs[0].key->bytes : 0;
    return code;
}
