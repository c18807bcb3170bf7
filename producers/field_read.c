// SPDX-License-Identifier: Apache-2.0
#include "producers/field_read.h"

#include <string.h>

#include "core/formats/plain.h"
#include "core/formats/real.h"
#include "core/formats/time_pattern.h"
#include "core/type.h"

// ---- text --------------------------------------------------------------------------------------

// The field behind the text is blank already.
static bool read_text(struct mr_mapped_field *mapped, const struct mr_span *value, void *record)
{
    size_t length = value->length;
    if (length - 1 >= mapped->bytes) // empty ones are missing, or not
        return false;
    memcpy((char *)record + mapped->offset, value->text, length);
    return true;
}

// ---- integers ----------------------------------------------------------------------------------

static inline void store(const struct mr_mapped_field *mapped, uint64_t value, void *record)
{
    char *at = (char *)record + mapped->offset;
    switch (mapped->bytes) {
    case 8:
        memcpy(at, &value, 8);
        break;
    case 4:
        memcpy(at, &value, 4);
        break;
    case 2:
        memcpy(at, &value, 2);
        break;
    default:
        memcpy(at, &value, 1);
        break;
    }
}

static bool read_integer(struct mr_mapped_field *mapped, const struct mr_span *value, void *record)
{
    struct mr_plain number;
    uint64_t magnitude;
    if (!mr_plain_number(value->text, value->length, &number) ||
        !mr_plain_scale(&number, mapped->scale, &magnitude) ||
        magnitude > (number.negative ? mapped->negative_max : mapped->positive_max))
        return false;
    store(mapped, number.negative ? 0 - magnitude : magnitude, record);
    return true;
}

// ---- others ------------------------------------------------------------------------------------

static bool read_real(struct mr_mapped_field *mapped, const struct mr_span *value, void *record)
{
    double real;
    if (!mr_real_parse(value->text, value->length, &real))
        return false;
    memcpy((char *)record + mapped->offset, &real, sizeof real);
    return true;
}

static bool read_time(struct mr_mapped_field *mapped, const struct mr_span *value, void *record)
{
    int64_t ns;
    if (!mr_time_memo_read(&mapped->time_memo, value->text, value->length, &ns)) {
        bool good =
            mapped->time_pattern
                ? mr_time_pattern_parse(mapped->time_pattern, value->text, value->length, &ns)
                : mr_parse_timestamp(value->text, value->length, &ns) == MR_NUMBER_OK;
        if (!good)
            return false;
        mr_time_memo_note(&mapped->time_memo, value->text, value->length, ns);
    }
    memcpy((char *)record + mapped->offset, &ns, sizeof ns);
    return true;
}

static bool read_bool(struct mr_mapped_field *mapped, const struct mr_span *value, void *record)
{
    bool is_true = value->length == 4 && memcmp(value->text, "true", 4) == 0;
    if (!is_true && (value->length != 5 || memcmp(value->text, "false", 5) != 0))
        return false;
    store(mapped, is_true, record);
    return true;
}

static bool read_label(struct mr_mapped_field *mapped, const struct mr_span *value, void *record)
{
    int index = mr_label_index(mapped->field, value->text, value->length);
    if (index < 0)
        return false;
    store(mapped, (uint64_t)index, record);
    return true;
}

// ---- choosing ----------------------------------------------------------------------------------

static mr_field_reader *reader_for(const struct mr_mapped_field *mapped)
{
    switch (mapped->field->type) {
    case MR_TYPE_CHAR:
        return read_text;
    case MR_TYPE_BYTES: // changes the record's length
    case MR_TYPE_F32:   // rounds twice, as the long way says
        return NULL;
    case MR_TYPE_F64:
        return read_real;
    case MR_TYPE_BOOL:
        return read_bool;
    case MR_TYPE_ENUM:
        return read_label;
    case MR_TYPE_TIMESTAMP:
        return mapped->time_unit_ns ? read_integer : read_time;
    default:
        return read_integer;
    }
}

static void set_bounds(struct mr_mapped_field *mapped)
{
    uint8_t type = mapped->field->type;
    bool is_signed = (type >= MR_TYPE_I8 && type <= MR_TYPE_I64) || type == MR_TYPE_DECIMAL ||
                     type == MR_TYPE_TIMESTAMP;
    uint64_t all = UINT64_MAX >> (64 - 8 * mr_min_u64(mr_max_u64(mapped->bytes, 1), 8));
    mapped->positive_max = is_signed ? all >> 1 : all;
    mapped->negative_max = is_signed ? (all >> 1) + 1 : 0;
}

void mr_field_reader_prepare(struct mr_mapped_field *mapped)
{
    const struct mr_field *field = mapped->field;
    mapped->offset = field->offset;
    mapped->bytes = field->bytes;
    if (field->type != MR_TYPE_TIMESTAMP)
        mapped->scale = field->scale;
    set_bounds(mapped);
    mr_time_memo_init(&mapped->time_memo, mapped->time_pattern);
    mapped->read = mapped->map ? NULL : reader_for(mapped);
}
