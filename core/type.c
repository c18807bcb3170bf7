// SPDX-License-Identifier: Apache-2.0
#include "core/type.h"

#include <stdio.h>
#include <string.h>

#include "core/formats/number.h"

struct type_word {
    const char *name;
    uint8_t type;
    uint8_t bytes;
    bool has_argument;
};

static const struct type_word type_words[] = {
    {"u8", MR_TYPE_U8, 1, false},
    {"u16", MR_TYPE_U16, 2, false},
    {"u32", MR_TYPE_U32, 4, false},
    {"u64", MR_TYPE_U64, 8, false},
    {"i8", MR_TYPE_I8, 1, false},
    {"i16", MR_TYPE_I16, 2, false},
    {"i32", MR_TYPE_I32, 4, false},
    {"i64", MR_TYPE_I64, 8, false},
    {"f32", MR_TYPE_F32, 4, false},
    {"f64", MR_TYPE_F64, 8, false},
    {"decimal", MR_TYPE_DECIMAL, 8, true},
    {"decimal_u32", MR_TYPE_DECIMAL_U32, 4, true},
    {"timestamp", MR_TYPE_TIMESTAMP, 8, false},
    {"bool", MR_TYPE_BOOL, 1, false},
    {"char", MR_TYPE_CHAR, 0, true},
    {"enum", MR_TYPE_ENUM, 1, true},
    {"bytes", MR_TYPE_BYTES, 0, false},
};
_Static_assert(MR_COUNT_OF(type_words) == MR_TYPE_BYTES, "a word for each type");

#define TYPES_EXPECTED                                                                             \
    "u8 u16 u32 u64 i8 i16 i32 i64 f32 f64 decimal(0-18) decimal_u32(0-18) timestamp bool "        \
    "char[1-65535] enum(label,label...) or bytes"

static const struct type_word *word_of(uint8_t type)
{
    return type >= MR_TYPE_U8 && type <= MR_TYPE_BYTES ? &type_words[type - 1] : NULL;
}

bool mr_name_is_sound(const char *name)
{
    size_t length = strnlen(name, MR_NAME_BYTES);
    static const char allowed[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-";
    return length > 0 && length < MR_NAME_BYTES && strspn(name, allowed) == length && *name != '.';
}

bool mr_field_name_is_sound(const char *name)
{
    return mr_name_is_sound(name) && strpbrk(name, ".-") == NULL && !(*name >= '0' && *name <= '9');
}

bool mr_type_is_integer(uint8_t type)
{
    return type >= MR_TYPE_U8 && type < MR_TYPE_BYTES && type != MR_TYPE_F32 &&
           type != MR_TYPE_F64 && type != MR_TYPE_CHAR;
}

uint32_t mr_type_alignment(const struct mr_field *field)
{
    return field->type == MR_TYPE_CHAR || field->type == MR_TYPE_BYTES ? 1 : field->bytes;
}

void mr_type_text(const struct mr_field *field, char *out, size_t out_bytes)
{
    const struct type_word *word = word_of(field->type);
    if (word == NULL)
        snprintf(out, out_bytes, "type %u", field->type);
    else if (field->type == MR_TYPE_CHAR)
        snprintf(out, out_bytes, "char[%u]", field->bytes);
    else if (field->type == MR_TYPE_ENUM)
        snprintf(out, out_bytes, "enum(%s)", field->labels);
    else if (word->has_argument)
        snprintf(out, out_bytes, "%s(%u)", word->name, field->scale);
    else
        snprintf(out, out_bytes, "%s", word->name);
}

// ---- labels of an enum ---------------------------------------------------------------------

unsigned mr_label_count(const struct mr_field *field)
{
    unsigned count = 1;
    for (const char *at = field->labels; *at != '\0'; at++)
        count += *at == ',';
    return field->labels[0] == '\0' ? 0 : count;
}

const char *mr_label_at(const struct mr_field *field, unsigned index, size_t *length)
{
    const char *at = field->labels;
    for (; index > 0 && at != NULL; index--) {
        at = strchr(at, ',');
        at = at == NULL ? NULL : at + 1;
    }
    if (at == NULL || *at == '\0')
        return NULL;
    *length = strcspn(at, ",");
    return at;
}

int mr_label_index(const struct mr_field *field, const char *text, size_t length)
{
    size_t label_length;
    const char *label = mr_label_at(field, 0, &label_length);
    for (int index = 0; label != NULL; index++) {
        if (label_length == length && memcmp(label, text, length) == 0)
            return index;
        label = label[label_length] == ',' ? label + label_length + 1 : NULL;
        label_length = label != NULL ? strcspn(label, ",") : 0;
    }
    return -1;
}

// No empty label, none twice, none that CSV or a terminal would take for something else.
static bool labels_are_sound(const struct mr_field *field)
{
    if (memchr(field->labels, '\0', sizeof field->labels) == NULL)
        return false;
    for (const char *at = field->labels; *at != '\0'; at++)
        if ((unsigned char)*at <= ' ' || *at == 0x7f || *at == '"')
            return false;
    unsigned count = mr_label_count(field);
    for (unsigned i = 0; i < count; i++) {
        size_t length;
        const char *label = mr_label_at(field, i, &length);
        if (label == NULL || length == 0 || mr_label_index(field, label, length) != (int)i)
            return false;
    }
    return count > 0;
}

// ---- a type from text ----------------------------------------------------------------------

static int bad_type(const char *text, struct mr_error *err)
{
    return mr_fail(err, MR_ERR_CONFIG, "found type \"%s\", expected " TYPES_EXPECTED, text);
}

// Copies labels, without the spaces around them, joined by commas. False where they do not fit.
static bool set_labels(struct mr_field *field, const char *at, const char *end)
{
    size_t used = 0;
    memset(field->labels, 0, sizeof field->labels);
    for (; at < end; at++) {
        bool separates = *at == ',' || *at == '|';
        if (*at == ' ')
            continue;
        if (used + 1 >= sizeof field->labels)
            return false;
        field->labels[used++] = separates ? ',' : *at;
    }
    return used == 0 || field->labels[used - 1] != ',';
}

static bool set_argument(struct mr_field *field, const char *at, const char *end)
{
    int64_t number;
    if (field->type == MR_TYPE_ENUM)
        return set_labels(field, at, end);
    if (mr_parse_i64(at, (size_t)(end - at), &number) != MR_NUMBER_OK)
        return false;
    if (number < 0 || number > UINT16_MAX)
        return false;
    if (field->type == MR_TYPE_CHAR)
        field->bytes = (uint16_t)number;
    else
        field->scale = (uint8_t)(number > MR_DECIMAL_SCALE_MAX ? UINT8_MAX : number);
    return true;
}

int mr_type_parse(struct mr_field *field, const char *text, struct mr_error *err)
{
    size_t word_length = strcspn(text, "([ "), length = strlen(text);
    const struct type_word *word = NULL;
    for (size_t i = 0; i < MR_COUNT_OF(type_words); i++)
        if (strlen(type_words[i].name) == word_length &&
            memcmp(type_words[i].name, text, word_length) == 0)
            word = &type_words[i];
    if (word == NULL || word->has_argument != (word_length < length))
        return bad_type(text, err);
    field->type = word->type;
    field->bytes = word->bytes;
    field->scale = 0;
    if (!word->has_argument)
        return MR_OK;
    char close = text[word_length] == '[' ? ']' : ')';
    if (text[word_length] == ' ' || text[length - 1] != close)
        return bad_type(text, err);
    if (!set_argument(field, text + word_length + 1, text + length - 1) || !mr_type_is_sound(field))
        return bad_type(text, err);
    return MR_OK;
}

bool mr_type_is_sound(const struct mr_field *field)
{
    const struct type_word *word = word_of(field->type);
    if (word == NULL)
        return false;
    if (field->type == MR_TYPE_CHAR)
        return field->bytes > 0;
    if (field->type == MR_TYPE_ENUM && !labels_are_sound(field))
        return false;
    return field->bytes == word->bytes && field->scale <= MR_DECIMAL_SCALE_MAX;
}
