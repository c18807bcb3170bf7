// SPDX-License-Identifier: Apache-2.0
#include "core/formats/record_text.h"

#include <math.h>
#include <string.h>

#include "core/formats/number.h"
#include "core/formats/real.h"
#include "core/formats/utf8.h"

// ---- output --------------------------------------------------------------------------------

struct output {
    char *out;
    size_t room;
    size_t used; // counts on where there is no room
};

static inline void put(struct output *to, const char *bytes, size_t length)
{
    if (to->used + length <= to->room)
        memcpy(to->out + to->used, bytes, length);
    to->used += length;
}

static inline void put_char(struct output *to, char c)
{
    if (to->used < to->room)
        to->out[to->used] = c;
    to->used++;
}

static inline void put_text(struct output *to, const char *text)
{
    put(to, text, strlen(text));
}

static void put_hex(struct output *to, const char *prefix, unsigned char byte)
{
    static const char digits[] = "0123456789abcdef";
    const char text[2] = {digits[byte >> 4], digits[byte & 15]};
    put_text(to, prefix);
    put(to, text, sizeof text);
}

static const char *const flag_names[] = {"padding",   "gap_before",  "late",
                                         "corrected", "unknown_ref", "crossed"};
_Static_assert(1 << (MR_COUNT_OF(flag_names) - 1) == MR_FLAG_CROSSED, "a name for each flag");

// Known flags by name, joined by `separator`, each between `quote`s.
static void put_flags(struct output *to, uint16_t flags, char separator, const char *quote)
{
    bool first = true;
    for (unsigned i = 0; i < MR_COUNT_OF(flag_names); i++) {
        if (!(flags >> i & 1))
            continue;
        if (!first)
            put_char(to, separator);
        first = false;
        put_text(to, quote);
        put_text(to, flag_names[i]);
        put_text(to, quote);
    }
}

// ---- eight bytes at once -------------------------------------------------------------------

#define BYTES_ONES 0x0101010101010101ULL
#define BYTES_HIGH 0x8080808080808080ULL

static inline uint64_t load_word(const char *at)
{
    uint64_t word;
    memcpy(&word, at, sizeof word);
    return word;
}

// Not zero where a byte of the word is `c`.
static inline uint64_t equal_bytes(uint64_t word, char c)
{
    uint64_t differs = word ^ BYTES_ONES * (unsigned char)c;
    return (differs - BYTES_ONES) & ~differs & BYTES_HIGH;
}

// ---- values --------------------------------------------------------------------------------

// One column of one record, ready to be written.
struct value {
    enum value_kind {
        VALUE_NULL,
        VALUE_PLAIN,
        VALUE_TIME,
        VALUE_WORD,
        VALUE_TEXT,
        VALUE_BYTES,
        VALUE_FLAGS
    } kind;
    const char *text; // PLAIN: number or bool; TIME: nothing to escape; WORD: label or name
    size_t length;
    bool finite;   // PLAIN: JSON has this number
    bool nullable; // a null could stand here
    char buffer[MR_LABELS_BYTES];
};

static void set_time(struct value *value, int64_t time_ns)
{
    value->kind = time_ns != 0 ? VALUE_TIME : VALUE_NULL;
    value->text = value->buffer;
    value->length = time_ns != 0 ? mr_print_timestamp(time_ns, value->buffer) : 0;
}

// A number or a word into the buffer.
static void set_scalar(struct value *value, const struct mr_schema *schema,
                       const struct mr_field *field, const struct mr_record *record)
{
    double real;
    switch (field->type) {
    case MR_TYPE_F32:
    case MR_TYPE_F64:
        real = mr_field_get_f64(field, record);
        value->finite = isfinite(real);
        value->length = field->type == MR_TYPE_F64 ? mr_real_print_f64(real, value->buffer)
                                                   : mr_real_print_f32((float)real, value->buffer);
        return;
    case MR_TYPE_TIMESTAMP:
        value->length = mr_print_timestamp(mr_field_get_i64(field, record), value->buffer);
        return;
    case MR_TYPE_DECIMAL:
        value->length =
            mr_print_decimal(mr_field_get_i64(field, record), field->scale, value->buffer);
        return;
    default:
        value->length = mr_field_print(schema, field, record, value->buffer, sizeof value->buffer);
        return;
    }
}

static void set_field(struct value *value, const struct mr_schema *schema,
                      const struct mr_field *field, const struct mr_record *record)
{
    value->nullable = field->null_bit >= 0;
    if (mr_field_is_null(schema, field, record))
        return;
    if (field->type == MR_TYPE_CHAR || field->type == MR_TYPE_BYTES) {
        value->kind = field->type == MR_TYPE_CHAR ? VALUE_TEXT : VALUE_BYTES;
        value->text = mr_field_get_text(field, record, &value->length);
        return;
    }
    value->kind = field->type == MR_TYPE_TIMESTAMP ? VALUE_TIME
                  : field->type == MR_TYPE_ENUM    ? VALUE_WORD
                                                   : VALUE_PLAIN;
    value->text = value->buffer;
    set_scalar(value, schema, field, record);
}

static void set_value(struct value *value, const struct mr_record_text *text,
                      const struct mr_text_column *column, const struct mr_record *record)
{
    value->kind = VALUE_NULL;
    value->length = 0;
    value->nullable = false;
    value->finite = true;
    switch (column->source) {
    case MR_TEXT_FIELD:
        if (record->length >= text->schema->record_bytes)
            set_field(value, text->schema, column->field, record);
        break;
    case MR_TEXT_SCHEMA:
        value->kind = VALUE_WORD;
        value->text = text->schema->name;
        value->length = strlen(text->schema->name);
        break;
    case MR_TEXT_SEQUENCE:
        value->kind = VALUE_PLAIN;
        value->text = value->buffer;
        value->length = mr_print_u64(record->sequence, value->buffer);
        break;
    case MR_TEXT_EVENT_TIME:
        set_time(value, record->event_time_ns);
        break;
    case MR_TEXT_INGEST_TIME:
        set_time(value, record->ingest_time_ns);
        break;
    case MR_TEXT_FLAGS:
        value->kind = VALUE_FLAGS;
        break;
    default:
        break;
    }
}

// The sequence at `at` can be shown: well-formed UTF-8 that is no control character. Its length, or
// 0.
static size_t printable_length(const unsigned char *at, const unsigned char *end)
{
    size_t length = mr_utf8_length(at, end);
    bool control = at[0] < 0x20 || at[0] == 0x7f || (at[0] == 0xc2 && length == 2 && at[1] < 0xa0);
    return control ? 0 : length;
}

// Bytes as text: what cannot be shown in hexadecimal behind `hex`, `backslash` for each backslash, both doubled again
// where JSON wraps it. `quote` stands for each quotation mark.
static void put_bytes(struct output *to, const struct value *value, const char *hex,
                      const char *backslash, const char *quote)
{
    const unsigned char *at = (const unsigned char *)value->text, *end = at + value->length;
    while (at < end) {
        size_t length = printable_length(at, end);
        if (length == 0) {
            put_hex(to, hex, *at);
        } else if (*at == '\\') {
            put_text(to, backslash);
        } else if (*at == '"') {
            put_text(to, quote);
        } else {
            put(to, (const char *)at, length);
        }
        at += length != 0 ? length : 1;
    }
}

// ---- CSV -----------------------------------------------------------------------------------

static inline bool has_csv_special(uint64_t word)
{
    return equal_bytes(word, ',') | equal_bytes(word, '"') | equal_bytes(word, '\n') |
           equal_bytes(word, '\r');
}

static bool needs_csv_quotes(const char *text, size_t length)
{
    size_t i = 0;
    while (length - i >= 8 && !has_csv_special(load_word(text + i)))
        i += 8;
    for (; i < length; i++)
        if (text[i] == ',' || text[i] == '"' || text[i] == '\n' || text[i] == '\r')
            return true;
    return length > 0 && (text[0] == ' ' || text[length - 1] == ' ');
}

static void put_csv_text(struct output *to, const struct value *value)
{
    if (value->length == 0 && value->nullable) {
        put(to, "\"\"", 2);
        return;
    }
    if (!needs_csv_quotes(value->text, value->length)) {
        put(to, value->text, value->length);
        return;
    }
    put_char(to, '"');
    for (size_t i = 0; i < value->length; i++) {
        if (value->text[i] == '"')
            put_char(to, '"');
        put_char(to, value->text[i]);
    }
    put_char(to, '"');
}

static void put_csv_bytes(struct output *to, const struct value *value)
{
    bool quotes =
        needs_csv_quotes(value->text, value->length) || (value->length == 0 && value->nullable);
    if (quotes)
        put_char(to, '"');
    put_bytes(to, value, "\\x", "\\\\", "\"\"");
    if (quotes)
        put_char(to, '"');
}

static void put_csv_value(struct output *to, const struct value *value, uint16_t flags)
{
    switch (value->kind) {
    case VALUE_NULL:
        break;
    case VALUE_PLAIN:
    case VALUE_TIME:
    case VALUE_WORD:
        put(to, value->text, value->length);
        break;
    case VALUE_TEXT:
        put_csv_text(to, value);
        break;
    case VALUE_BYTES:
        put_csv_bytes(to, value);
        break;
    case VALUE_FLAGS:
        put_flags(to, flags, '|', "");
        break;
    }
}

size_t mr_record_csv_header(const struct mr_record_text *text, char *out, size_t room)
{
    struct output to = {out, room, 0};
    for (unsigned i = 0; i < text->count; i++) {
        if (i > 0)
            put_char(&to, ',');
        put(&to, text->columns[i].name, text->columns[i].name_length);
    }
    put_char(&to, '\n');
    return to.used;
}

size_t mr_record_csv(const struct mr_record_text *text, const struct mr_record *record, char *out,
                     size_t room)
{
    struct output to = {out, room, 0};
    struct value value;
    for (unsigned i = 0; i < text->count; i++) {
        if (i > 0)
            put_char(&to, ',');
        set_value(&value, text, &text->columns[i], record);
        put_csv_value(&to, &value, record->flags);
    }
    put_char(&to, '\n');
    return to.used;
}

// ---- NDJSON --------------------------------------------------------------------------------

static void put_json_escape(struct output *to, unsigned char c)
{
    static const char letters[] = "btn\0fr"; // for 8 to 13
    put_char(to, '\\');
    if (c == '"' || c == '\\')
        put_char(to, (char)c);
    else if (c >= 8 && c <= 13 && letters[c - 8] != '\0')
        put_char(to, letters[c - 8]);
    else
        put_hex(to, "u00", c);
}

// A set bit where a byte is not what a JSON string has as it is: printable ASCII but " and \.
static inline uint64_t not_plain_json(uint64_t word)
{
    uint64_t low = ((word | BYTES_HIGH) - BYTES_ONES * 0x20) ^ BYTES_HIGH; // below 0x20
    uint64_t high = word | ((word & ~BYTES_HIGH) + BYTES_ONES);            // 0x7f and above
    return (low | high | equal_bytes(word, '"') | equal_bytes(word, '\\')) & BYTES_HIGH;
}

static void put_json_text(struct output *to, const char *text, size_t length)
{
    const unsigned char *at = (const unsigned char *)text, *end = at + length;
    put_char(to, '"');
    while (at < end) {
        const unsigned char *plain = at; // the common case in one copy
        while (end - at >= 8 && not_plain_json(load_word((const char *)at)) == 0)
            at += 8;
        while (at < end && *at >= 0x20 && *at < 0x7f && *at != '"' && *at != '\\')
            at++;
        put(to, (const char *)plain, (size_t)(at - plain));
        if (at == end)
            break;
        size_t sequence = mr_utf8_length(at, end);
        if (sequence == 0)
            put(to, MR_UTF8_REPLACEMENT, MR_UTF8_REPLACEMENT_BYTES);
        else if (printable_length(at, end) != 0 && *at != '"' && *at != '\\')
            put(to, (const char *)at, sequence);
        else
            put_json_escape(to, at[sequence - 1]);
        at += sequence != 0 ? sequence : 1;
    }
    put_char(to, '"');
}

static void put_json_value(struct output *to, const struct value *value, uint16_t flags)
{
    switch (value->kind) {
    case VALUE_NULL:
        put(to, "null", 4);
        break;
    case VALUE_PLAIN:
        if (value->finite)
            put(to, value->text, value->length);
        else
            put(to, "null", 4);
        break;
    case VALUE_TIME:
        put_char(to, '"');
        put(to, value->text, value->length);
        put_char(to, '"');
        break;
    case VALUE_WORD: // a label may have a backslash
    case VALUE_TEXT:
        put_json_text(to, value->text, value->length);
        break;
    case VALUE_BYTES:
        put_char(to, '"');
        put_bytes(to, value, "\\\\x", "\\\\\\\\", "\\\"");
        put_char(to, '"');
        break;
    case VALUE_FLAGS:
        put_char(to, '[');
        put_flags(to, flags, ',', "\"");
        put_char(to, ']');
        break;
    }
}

static bool is_left_out(const struct mr_text_column *column, const struct mr_record *record)
{
    return column->source == MR_TEXT_ABSENT ||
           (column->source == MR_TEXT_FLAGS && record->flags == 0);
}

size_t mr_record_ndjson(const struct mr_record_text *text, const struct mr_record *record,
                        char *out, size_t room)
{
    struct output to = {out, room, 0};
    struct value value;
    put_char(&to, '{');
    for (unsigned i = 0; i < text->count; i++) {
        const struct mr_text_column *column = &text->columns[i];
        if (is_left_out(column, record))
            continue;
        unsigned comma = to.used == 1; // the first has none
        put(&to, column->json_key + comma, column->json_key_length - comma);
        set_value(&value, text, column, record);
        put_json_value(&to, &value, record->flags);
    }
    put(&to, "}\n", 2);
    return to.used;
}

// ---- for people ----------------------------------------------------------------------------

static bool is_plain_word(const struct value *value)
{
    for (size_t i = 0; i < value->length; i++) {
        unsigned char c = (unsigned char)value->text[i];
        if (c <= ' ' || c >= 0x7f || c == '"' || c == '\\' || c == '=')
            return false;
    }
    return value->length > 0;
}

static void put_line_value(struct output *to, const struct value *value, uint16_t flags)
{
    if (value->kind == VALUE_PLAIN || value->kind == VALUE_TIME || value->kind == VALUE_WORD)
        put(to, value->text, value->length);
    else if (value->kind == VALUE_TEXT && is_plain_word(value))
        put(to, value->text, value->length);
    else
        put_json_value(to, value, flags);
}

static void put_line_head(struct output *to, const struct mr_record_text *text,
                          const struct mr_record *record)
{
    char buffer[MR_NUMBER_TEXT_BYTES];
    put_text(to, text->schema->name);
    put(to, " #", 2);
    put(to, buffer, mr_print_u64(record->sequence, buffer));
    if (record->event_time_ns != 0) {
        put_char(to, ' ');
        put(to, buffer, mr_print_timestamp(record->event_time_ns, buffer));
    }
    if (record->flags != 0) {
        put(to, " [", 2);
        put_flags(to, record->flags, ' ', "");
        put_char(to, ']');
    }
}

size_t mr_record_line(const struct mr_record_text *text, const struct mr_record *record, char *out,
                      size_t room)
{
    struct output to = {out, room, 0};
    struct value value;
    put_line_head(&to, text, record);
    for (unsigned i = 0; i < text->count; i++) {
        const struct mr_text_column *column = &text->columns[i];
        if (is_left_out(column, record))
            continue;
        put_char(&to, ' ');
        put(&to, column->name, column->name_length);
        put_char(&to, '=');
        set_value(&value, text, column, record);
        put_line_value(&to, &value, record->flags);
    }
    put_char(&to, '\n');
    return to.used;
}
