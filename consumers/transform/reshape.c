// SPDX-License-Identifier: Apache-2.0
#include "consumers/transform/reshape.h"

#include <stdlib.h>
#include <string.h>

int mr_reshape_add(struct mr_schema *to, const struct mr_field *field, const char *name,
                   struct mr_error *err)
{
    char type[160];
    mr_type_text(field, type, sizeof type);
    int code = mr_schema_add(to, name, type, field->null_bit >= 0, err);
    if (code == MR_OK)
        memcpy(to->fields[to->field_count - 1].unit, field->unit, sizeof field->unit);
    return code;
}

struct mr_schema *mr_reshape_extend(const struct mr_schema *from, const struct mr_new_field *fields,
                                    unsigned count, const struct mr_field **sources,
                                    struct mr_error *err)
{
    struct mr_schema *to = mr_schema_copy(from);
    const struct mr_field *last = from->field_count ? &from->fields[from->field_count - 1] : NULL;
    bool has_tail = last && last->type == MR_TYPE_BYTES;
    to->field_count = (uint16_t)(from->field_count - has_tail);
    for (unsigned i = 0; i < MR_FIELDS_MAX; i++)
        sources[i] = i < to->field_count ? &from->fields[i] : NULL;
    int code = MR_OK;
    for (unsigned i = 0; i < count && code == MR_OK; i++)
        code = mr_schema_add(to, fields[i].name, fields[i].type, fields[i].nullable, err);
    if (code == MR_OK && has_tail) {
        code = mr_reshape_add(to, last, last->name, err);
        sources[to->field_count - 1] = last;
    }
    if (code == MR_OK)
        return to;
    mr_schema_free(to);
    return NULL;
}

// An id that neither side uses: what it meant before this operator, it never means behind it.
static uint16_t new_id(const struct mr_op *op)
{
    uint16_t id = MR_SCHEMA_ID_DECLARED;
    while (mr_schema_set_by_id(&op->in, id) || mr_schema_set_by_id(&op->out, id))
        id++;
    return id;
}

static void add_copy(struct mr_reshape *reshape, uint32_t from, uint32_t to, uint32_t bytes)
{
    unsigned last = reshape->copy_count - 1;
    if (reshape->copy_count > 0 &&
        reshape->copies[last].from + reshape->copies[last].bytes == from &&
        reshape->copies[last].to + reshape->copies[last].bytes == to) {
        reshape->copies[last].bytes += bytes;
        return;
    }
    reshape->copies[reshape->copy_count].from = from;
    reshape->copies[reshape->copy_count].to = to;
    reshape->copies[reshape->copy_count++].bytes = bytes;
}

static void find_way(struct mr_reshape *reshape, const struct mr_field *const *sources)
{
    for (unsigned i = 0; i < reshape->to->field_count; i++) {
        const struct mr_field *to = &reshape->to->fields[i], *from = sources[i];
        if (!from)
            continue;
        if (to->type == MR_TYPE_BYTES)
            reshape->has_tail = true;
        else
            add_copy(reshape, from->offset, to->offset, to->bytes);
        if (from->null_bit < 0 || to->null_bit < 0)
            continue;
        reshape->null_bits[reshape->null_count].from = from->null_bit;
        reshape->null_bits[reshape->null_count++].to = to->null_bit;
    }
}

int mr_reshape_seal(struct mr_reshape *reshape, struct mr_op *op, unsigned index,
                    struct mr_schema *to, const struct mr_field *const *sources,
                    struct mr_error *err)
{
    memset(reshape, 0, sizeof *reshape);
    const struct mr_schema *same_name = mr_schema_set_by_name(&op->out, to->name);
    if (same_name && same_name != op->out.schemas[index]) {
        int code = mr_config_fail(
            op->node, err, "found a second schema of the name %s, expected another name", to->name);
        mr_schema_free(to);
        return code;
    }
    to->id = new_id(op);
    mr_schema_seal(to);
    mr_schema_free(op->out.schemas[index]);
    op->out.schemas[index] = to;
    reshape->from = op->in.schemas[index];
    reshape->to = to;
    find_way(reshape, sources);
    return MR_OK;
}

void mr_reshape_same(struct mr_reshape *reshape, const struct mr_op *op, unsigned index)
{
    const struct mr_schema *schema = op->in.schemas[index];
    memset(reshape, 0, sizeof *reshape);
    reshape->from = schema;
    reshape->to = op->out.schemas[index];
    add_copy(reshape, MR_ENVELOPE_BYTES, MR_ENVELOPE_BYTES,
             schema->record_bytes - MR_ENVELOPE_BYTES);
    reshape->has_tail =
        schema->field_count > 0 && schema->fields[schema->field_count - 1].type == MR_TYPE_BYTES;
}

static bool make_room(struct mr_reshape *reshape, size_t bytes)
{
    if (bytes <= reshape->record_bytes)
        return true;
    size_t wanted = mr_align_up(bytes, MR_CACHE_LINE);
    uint8_t *grown = aligned_alloc(MR_CACHE_LINE, wanted);
    if (!grown)
        return false;
    free(reshape->record);
    reshape->record = grown;
    reshape->record_bytes = wanted;
    return true;
}

static void copy_nulls(const struct mr_reshape *reshape, const uint8_t *from, uint8_t *to)
{
    uint64_t from_nulls, to_nulls = 0;
    memcpy(&from_nulls, from + reshape->from->null_offset, sizeof from_nulls);
    for (unsigned i = 0; i < reshape->null_count; i++)
        to_nulls |= (from_nulls >> reshape->null_bits[i].from & 1) << reshape->null_bits[i].to;
    memcpy(to + reshape->to->null_offset, &to_nulls, sizeof to_nulls);
}

struct mr_record *mr_reshape_apply(struct mr_reshape *reshape, const struct mr_record *record)
{
    const uint8_t *from = (const uint8_t *)record;
    uint32_t fixed = reshape->to->record_bytes;
    uint32_t tail = reshape->has_tail ? record->length - reshape->from->record_bytes : 0;
    if (MR_UNLIKELY(!make_room(reshape, (size_t)fixed + tail)))
        return NULL;
    uint8_t *to = reshape->record;
    struct mr_record *out = (struct mr_record *)(void *)to;
    memcpy(to, from, MR_ENVELOPE_BYTES);
    memset(to + MR_ENVELOPE_BYTES, 0, fixed - MR_ENVELOPE_BYTES);
    out->schema_id = reshape->to->id;
    out->length = fixed + tail;
    for (unsigned i = 0; i < reshape->copy_count; i++)
        memcpy(to + reshape->copies[i].to, from + reshape->copies[i].from,
               reshape->copies[i].bytes);
    if (reshape->null_count > 0)
        copy_nulls(reshape, from, to);
    if (tail > 0)
        memcpy(to + fixed, from + reshape->from->record_bytes, tail);
    return out;
}

void mr_reshape_free(struct mr_reshape *reshape)
{
    free(reshape->record);
    reshape->record = NULL;
    reshape->record_bytes = 0;
}
