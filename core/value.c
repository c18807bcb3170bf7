// SPDX-License-Identifier: Apache-2.0
// Values of fields: read, written, from text and to text (core/schema.h). Records come out of rings
// and files, so nothing here assumes alignment.
#include <math.h>
#include <string.h>

#include "core/formats/number.h"
#include "core/schema.h"
#include "core/type.h"

static const char *at_field(const struct mr_field *field, const void *record)
{
    return (const char *)record + field->offset;
}

static void clear_null(const struct mr_schema *schema, const struct mr_field *field, void *record)
{
    uint64_t nulls;
    if (field->null_bit < 0)
        return;
    memcpy(&nulls, (char *)record + schema->null_offset, sizeof nulls);
    nulls &= ~(1ULL << field->null_bit);
    memcpy((char *)record + schema->null_offset, &nulls, sizeof nulls);
}

void mr_field_set_null(const struct mr_schema *schema, const struct mr_field *field, void *record,
                       bool null)
{
    uint64_t nulls;
    clear_null(schema, field, record);
    if (field->null_bit < 0 || !null)
        return;
    memcpy(&nulls, (char *)record + schema->null_offset, sizeof nulls);
    nulls |= 1ULL << field->null_bit;
    memcpy((char *)record + schema->null_offset, &nulls, sizeof nulls);
    memset((char *)record + field->offset, 0, field->bytes);
}

// ---- integers ------------------------------------------------------------------------------

static bool is_signed(uint8_t type)
{
    return (type >= MR_TYPE_I8 && type <= MR_TYPE_I64) || type == MR_TYPE_DECIMAL ||
           type == MR_TYPE_TIMESTAMP;
}

// A copy of constant size is one load; sizes other than these do not pass mr_type_is_sound.
static uint64_t load_unsigned(const char *at, unsigned bytes)
{
    uint16_t half;
    uint32_t word;
    uint64_t value = 0;
    switch (bytes) {
    case 1:
        return (uint8_t)*at;
    case 2:
        memcpy(&half, at, sizeof half);
        return half;
    case 4:
        memcpy(&word, at, sizeof word);
        return word;
    case 8:
        memcpy(&value, at, sizeof value);
        return value;
    default:
        return 0;
    }
}

// Little-endian, sign-extended where the type is signed.
static int64_t load_integer(const char *at, unsigned bytes, bool extend)
{
    uint64_t value = load_unsigned(at, bytes);
    unsigned unused_bits = 64 - 8 * bytes;
    if (extend)
        return (int64_t)(value << unused_bits) >> unused_bits;
    return (int64_t)value;
}

int64_t mr_field_get_i64(const struct mr_field *field, const void *record)
{
    if (field->type == MR_TYPE_F32 || field->type == MR_TYPE_F64) {
        double value = mr_field_get_f64(field, record);
        return value >= -0x1p63 && value < 0x1p63 ? (int64_t)value : 0;
    }
    if (!mr_type_is_integer(field->type))
        return 0;
    return load_integer(at_field(field, record), field->bytes, is_signed(field->type));
}

static bool integer_fits(const struct mr_field *field, int64_t value)
{
    if (field->bytes == sizeof value)
        return true;
    if (field->type == MR_TYPE_BOOL)
        return value == 0 || value == 1;
    if (field->type == MR_TYPE_ENUM)
        return value >= 0 && value < (int64_t)mr_label_count(field);
    unsigned bits = 8u * field->bytes;
    if (is_signed(field->type))
        return value >= -(1LL << (bits - 1)) && value < 1LL << (bits - 1);
    return value >= 0 && value < 1LL << bits;
}

int mr_field_set_i64(const struct mr_schema *schema, const struct mr_field *field, void *record,
                     int64_t value)
{
    if (field->type == MR_TYPE_F32 || field->type == MR_TYPE_F64)
        return mr_field_set_f64(schema, field, record, (double)value);
    if (!mr_type_is_integer(field->type) || !integer_fits(field, value))
        return MR_ERR_INPUT;
    memcpy((char *)record + field->offset, &value, field->bytes);
    clear_null(schema, field, record);
    return MR_OK;
}

// ---- reals ---------------------------------------------------------------------------------

double mr_field_get_f64(const struct mr_field *field, const void *record)
{
    double value;
    float single;
    switch (field->type) {
    case MR_TYPE_F32:
        memcpy(&single, at_field(field, record), sizeof single);
        return (double)single;
    case MR_TYPE_F64:
        memcpy(&value, at_field(field, record), sizeof value);
        return value;
    case MR_TYPE_U64:
        return (double)(uint64_t)mr_field_get_i64(field, record);
    case MR_TYPE_DECIMAL:
    case MR_TYPE_DECIMAL_U32:
        return (double)mr_field_get_i64(field, record) / (double)mr_power_of_ten(field->scale);
    case MR_TYPE_CHAR:
    case MR_TYPE_BYTES:
        return (double)NAN;
    default:
        return (double)mr_field_get_i64(field, record);
    }
}

// value * unit, rounded half away from zero as if the product were exact: where the product as
// computed lies on a tie, its rounding error says on which side the true one is.
static double scale_and_round(double value, double unit)
{
    double product = value * unit;
    double error = fma(value, unit, -product);
    double whole = trunc(product);
    if (fabs(product - whole) != 0.5)
        return round(product);
    bool below_tie = product > 0 ? error < 0 : error > 0;
    return below_tie ? whole : whole + copysign(1, product);
}

static int set_rounded(const struct mr_schema *schema, const struct mr_field *field, void *record,
                       double value)
{
    double rounded = scale_and_round(value, (double)mr_power_of_ten(field->scale));
    if (field->type == MR_TYPE_U64) {
        if (!(rounded >= 0 && rounded < 0x1p64))
            return MR_ERR_INPUT;
        return mr_field_set_i64(schema, field, record, (int64_t)(uint64_t)rounded);
    }
    if (!(rounded >= -0x1p63 && rounded < 0x1p63))
        return MR_ERR_INPUT;
    return mr_field_set_i64(schema, field, record, (int64_t)rounded);
}

int mr_field_set_f64(const struct mr_schema *schema, const struct mr_field *field, void *record,
                     double value)
{
    if (mr_type_is_integer(field->type))
        return set_rounded(schema, field, record, value);
    if (field->type == MR_TYPE_F64) {
        memcpy((char *)record + field->offset, &value, sizeof value);
    } else if (field->type == MR_TYPE_F32) {
        // The largest double that still rounds to a finite float lies half a step above FLT_MAX.
        if (isfinite(value) && fabs(value) >= 0x1.ffffffp127)
            return MR_ERR_INPUT;
        float single = (float)value;
        memcpy((char *)record + field->offset, &single, sizeof single);
    } else {
        return MR_ERR_INPUT;
    }
    clear_null(schema, field, record);
    return MR_OK;
}

// ---- text ----------------------------------------------------------------------------------

static size_t rest_bytes(const struct mr_field *field, const void *record)
{
    uint32_t length;
    memcpy(&length, record, sizeof length);
    return length > field->offset ? length - field->offset : 0;
}

// The length without the zeroes that the text ends in, eight at a time.
static size_t without_zeroes(const char *text, size_t length)
{
    uint64_t word = 0;
    while (length >= sizeof word && memcpy(&word, text + length - sizeof word, sizeof word) &&
           word == 0)
        length -= sizeof word;
    while (length > 0 && text[length - 1] == '\0')
        length--;
    return length;
}

const char *mr_field_get_text(const struct mr_field *field, const void *record, size_t *length)
{
    const char *text = at_field(field, record);
    size_t used = field->bytes;
    if (field->type == MR_TYPE_BYTES)
        used = rest_bytes(field, record);
    else
        used = without_zeroes(text, used);
    *length = used;
    return text;
}

int mr_field_set_text(const struct mr_schema *schema, const struct mr_field *field, void *record,
                      const char *text, size_t length)
{
    char *at = (char *)record + field->offset;
    if (field->type == MR_TYPE_CHAR) {
        if (length > field->bytes)
            return MR_ERR_INPUT;
        memset(at + length, 0, field->bytes - length);
    } else if (field->type != MR_TYPE_BYTES || length != rest_bytes(field, record)) {
        return MR_ERR_INPUT;
    }
    if (length > 0)
        memmove(at, text, length);
    clear_null(schema, field, record);
    return MR_OK;
}

// ---- from text -----------------------------------------------------------------------------

static bool parse_bool(const char *text, size_t length, int64_t *value)
{
    static const char *const words[] = {"false", "true", "0", "1", "no", "yes"};
    for (size_t i = 0; i < MR_COUNT_OF(words); i++) {
        size_t at = 0;
        while (at < length && words[i][at] != '\0' && (text[at] | 0x20) == (words[i][at] | 0x20))
            at++;
        if (at == length && words[i][at] == '\0') {
            *value = i & 1;
            return true;
        }
    }
    return false;
}

static bool parse_integer(const struct mr_field *field, const char *text, size_t length,
                          int64_t *value)
{
    switch (field->type) {
    case MR_TYPE_U64:
        return mr_parse_u64(text, length, (uint64_t *)value) == MR_NUMBER_OK;
    case MR_TYPE_DECIMAL:
    case MR_TYPE_DECIMAL_U32:
        return mr_parse_decimal(text, length, field->scale, value) == MR_NUMBER_OK;
    case MR_TYPE_TIMESTAMP:
        return mr_parse_timestamp(text, length, value) == MR_NUMBER_OK;
    case MR_TYPE_BOOL:
        return parse_bool(text, length, value);
    case MR_TYPE_ENUM:
        *value = mr_label_index(field, text, length);
        return *value >= 0;
    default:
        return mr_parse_i64(text, length, value) == MR_NUMBER_OK;
    }
}

int mr_field_parse(const struct mr_schema *schema, const struct mr_field *field, void *record,
                   const char *text, size_t length)
{
    int64_t integer;
    double real;
    switch (field->type) {
    case MR_TYPE_CHAR:
    case MR_TYPE_BYTES:
        return mr_field_set_text(schema, field, record, text, length);
    case MR_TYPE_F32:
    case MR_TYPE_F64:
        if (mr_parse_f64(text, length, &real) != MR_NUMBER_OK)
            return MR_ERR_INPUT;
        return mr_field_set_f64(schema, field, record, real);
    default:
        if (!parse_integer(field, text, length, &integer))
            return MR_ERR_INPUT;
        return mr_field_set_i64(schema, field, record, integer);
    }
}

// ---- to text -------------------------------------------------------------------------------

static size_t put_text(const char *text, size_t length, char *out, size_t out_bytes)
{
    size_t kept = length < out_bytes ? length : out_bytes - 1;
    if (kept > 0)
        memmove(out, text, kept);
    out[kept] = '\0';
    return kept;
}

static size_t print_enum(const struct mr_field *field, int64_t index, char *out)
{
    size_t length;
    const char *label = mr_label_at(field, (unsigned)index, &length);
    if (label == NULL) // a damaged record: its number is all there is to say
        return mr_print_i64(index, out);
    memcpy(out, label, length);
    return length;
}

// out has room for any number, time or label.
static size_t print_value(const struct mr_field *field, const void *record, char *out)
{
    int64_t value = mr_field_get_i64(field, record);
    switch (field->type) {
    case MR_TYPE_U64:
        return mr_print_u64((uint64_t)value, out);
    case MR_TYPE_F32:
        return mr_print_f32((float)mr_field_get_f64(field, record), out);
    case MR_TYPE_F64:
        return mr_print_f64(mr_field_get_f64(field, record), out);
    case MR_TYPE_DECIMAL:
    case MR_TYPE_DECIMAL_U32:
        return mr_print_decimal(value, field->scale, out);
    case MR_TYPE_TIMESTAMP:
        return mr_print_timestamp(value, out);
    case MR_TYPE_BOOL:
        return put_text(value ? "true" : "false", value ? 4 : 5, out, MR_NUMBER_TEXT_BYTES);
    case MR_TYPE_ENUM:
        return print_enum(field, value, out);
    default:
        return mr_print_i64(value, out);
    }
}

size_t mr_field_print(const struct mr_schema *schema, const struct mr_field *field,
                      const void *record, char *out, size_t out_bytes)
{
    char buffer[MR_LABELS_BYTES];
    size_t length;
    _Static_assert(MR_LABELS_BYTES >= MR_NUMBER_TEXT_BYTES, "room for numbers and labels");
    if (out_bytes == 0)
        return 0;
    if (mr_field_is_null(schema, field, record))
        return put_text("", 0, out, out_bytes);
    if (field->type == MR_TYPE_CHAR || field->type == MR_TYPE_BYTES) {
        const char *text = mr_field_get_text(field, record, &length);
        return put_text(text, length, out, out_bytes);
    }
    if (out_bytes >= sizeof buffer) {
        length = print_value(field, record, out);
        out[length] = '\0';
        return length;
    }
    length = print_value(field, record, buffer);
    return put_text(buffer, length, out, out_bytes);
}
