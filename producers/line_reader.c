// SPDX-License-Identifier: Apache-2.0
#include "producers/line_reader.h"

#include <stdlib.h>
#include <string.h>

// ---- one line's fate ---------------------------------------------------------------------------

struct line {
    const char *text;
    size_t length;   // without its end
    uint64_t number; // physical, of its first line
    uint64_t sequence;
    const char *source;
};

static void count_line(struct mr_line_reader *reader, struct mr_source_run *run, struct line *line)
{
    reader->received++;
    line->sequence = reader->numbers_run_on ? reader->received : line->number;
    mr_source_take(run);
    mr_source_count(run, MR_LINES_LINES, 1);
}

#define reject_line(run, line, reason, format, ...)                                                \
    mr_stage_reject((run)->stage, (reason), (line)->sequence, 0, (line)->text, (line)->length,     \
                    "%s:%llu: " format, (line)->source, (unsigned long long)(line)->number,        \
                    __VA_ARGS__)

static bool is_selected(const struct mr_line_reader *reader)
{
    for (unsigned i = 0; i < reader->select_count; i++) {
        const struct mr_line_select *select = &reader->selects[i];
        const struct mr_span *value = &reader->values[reader->map.count + i];
        bool same = value->kind != MR_SPAN_MISSING && value->length == select->length &&
                    memcmp(value->text, select->text, select->length) == 0;
        if (same == select->negated)
            return false;
    }
    return true;
}

static bool make_record_room(struct mr_line_reader *reader, uint64_t bytes)
{
    if (bytes <= reader->record_capacity)
        return true;
    struct mr_record *record = realloc(reader->record, bytes);
    if (!record)
        return false;
    reader->record = record;
    reader->record_capacity = bytes;
    return true;
}

// All but the fields: the line's place and when it was held.
static void finish_envelope(const struct mr_line_reader *reader, const struct line *line,
                            struct mr_record *record)
{
    const struct mr_schema *schema = reader->map.schema;
    record->sequence = line->sequence;
    record->ingest_time_ns = record->event_time_ns;
    if (reader->live)
        record->ingest_time_ns = reader->now_wall_ns;
    else if (reader->ingest && !mr_field_is_null(schema, reader->ingest, record))
        record->ingest_time_ns = mr_field_get_i64(reader->ingest, record);
    if (reader->gap_before)
        record->flags |= MR_FLAG_GAP_BEFORE;
}

static void emit_claimed(struct mr_line_reader *reader, struct mr_source_run *run)
{
    mr_stage_emit(run->stage, MR_PORT_MAIN);
    mr_source_out(run);
    reader->gap_before = false;
}

static void emit_copy(struct mr_line_reader *reader, struct mr_source_run *run)
{
    struct mr_record *record = reader->record;
    struct mr_record *place = mr_stage_claim(run->stage, MR_PORT_MAIN, record->length);
    if (!place) {
        if (!run->stage->halted)
            mr_source_dropped(run);
        return;
    }
    memcpy((uint8_t *)place + MR_RING_OWN_BYTES, (const uint8_t *)record + MR_RING_OWN_BYTES,
           record->length - MR_RING_OWN_BYTES);
    emit_claimed(reader, run);
}

// Into the ring itself where it has room now and the record's length is known beforehand, else into
// a record aside: a line must not wait for room that is not good.
static bool fill_and_emit(struct mr_line_reader *reader, struct mr_source_run *run,
                          const struct line *line, uint64_t bytes, struct mr_field_problem *problem)
{
    struct mr_writer *writer = &run->stage->writers[MR_PORT_MAIN];
    struct mr_record *place = reader->map.is_fixed ? mr_claim(writer, (uint32_t)bytes) : NULL;
    struct mr_record *record = place ? place : reader->record;
    if (!place)
        record->length = reader->map.schema->record_bytes; // until a field of bytes makes it longer
    if (!mr_field_map_fill(&reader->map, reader->values, record, problem)) {
        if (place)
            mr_abort(writer);
        return false;
    }
    finish_envelope(reader, line, record);
    if (place)
        emit_claimed(reader, run);
    else
        emit_copy(reader, run);
    return true;
}

// The line's values stand in reader->values.
static void map_line(struct mr_line_reader *reader, struct mr_source_run *run,
                     const struct line *line)
{
    struct mr_field_problem problem;
    if (!is_selected(reader)) {
        mr_source_filtered(run);
        return;
    }
    uint64_t bytes = mr_field_map_bytes(&reader->map, reader->values);
    uint32_t bytes_max = mr_claim_bytes_max(&run->stage->writers[MR_PORT_MAIN]);
    if (bytes > bytes_max || !make_record_room(reader, bytes)) {
        reject_line(run, line, MR_REASON_TOO_LONG,
                    "found a record of %llu bytes, expected at most %u (a quarter of the ring)",
                    (unsigned long long)bytes, bytes_max);
        return;
    }
    if (!fill_and_emit(reader, run, line, bytes, &problem))
        reject_line(run, line, problem.reason, "%s", problem.text);
}

static void take_json(struct mr_line_reader *reader, struct mr_source_run *run,
                      const struct line *line)
{
    struct mr_json_problem problem;
    struct mr_span prefix = {.kind = MR_SPAN_MISSING};
    const char *text = line->text, *end = line->text + line->length;
    if (reader->options->prefix) {
        const char *space = memchr(text, ' ', line->length);
        if (!space || space == text) {
            reject_line(run, line, MR_REASON_SYNTAX,
                        "found %s, expected a prefix, a space and JSON",
                        space ? "a space" : "no space");
            return;
        }
        prefix = (struct mr_span){text, (uint32_t)(space - text), MR_SPAN_BARE};
        text = space + 1;
    }
    if (!mr_json_reader_read(reader->json, text, (size_t)(end - text), reader->found, &problem)) {
        reject_line(run, line, MR_REASON_SYNTAX, "byte %zu: %s",
                    problem.offset + (size_t)(text - line->text), problem.text);
        return;
    }
    for (unsigned i = 0; i < reader->value_count; i++)
        reader->values[i] = reader->path_of[i] < 0 ? prefix : reader->found[reader->path_of[i]];
    map_line(reader, run, line);
}

static void unquote(struct mr_line_reader *reader, struct mr_span *value)
{
    char *out = reader->unquoted + reader->unquoted_used;
    value->length = (uint32_t)mr_csv_unquote(value->text, value->length, reader->quote, out);
    value->text = out;
    reader->unquoted_used += value->length;
}

static inline struct mr_span csv_value(struct mr_line_reader *reader,
                                       const struct mr_csv_field *field, const char *row)
{
    struct mr_span value = {row + field->offset, field->length,
                            field->quoted ? MR_SPAN_STRING : MR_SPAN_BARE};
    if (MR_UNLIKELY(field->doubled))
        unquote(reader, &value);
    return value;
}

// More columns than the header has shift values into other fields: such a row is not guessed at.
static bool has_surplus(const struct mr_line_cursor *cursor)
{
    const struct mr_csv *csv = cursor->csv;
    for (unsigned i = cursor->header_columns; cursor->header_columns > 0 && i < csv->field_count;
         i++)
        if (csv->fields[i].length > 0)
            return true;
    return false;
}

static void take_row(struct mr_line_reader *reader, const struct mr_line_cursor *cursor,
                     struct mr_source_run *run, const struct line *line)
{
    const struct mr_csv *csv = cursor->csv;
    if (has_surplus(cursor)) {
        reject_line(run, line, MR_REASON_SYNTAX, "found %u columns, expected %u as in the header",
                    csv->field_count, cursor->header_columns);
        return;
    }
    reader->unquoted_used = 0;
    for (unsigned i = 0; i < reader->value_count; i++) {
        unsigned column = (unsigned)cursor->columns[i], first = cursor->first_use[i];
        if (column >= csv->field_count)
            reader->values[i] = (struct mr_span){.kind = MR_SPAN_MISSING};
        else if (first < i)
            reader->values[i] = reader->values[first];
        else
            reader->values[i] = csv_value(reader, &csv->fields[column], line->text);
    }
    map_line(reader, run, line);
}

static void reject_too_long(struct mr_line_reader *reader, struct mr_source_run *run,
                            struct line *line)
{
    count_line(reader, run, line);
    reject_line(run, line, MR_REASON_TOO_LONG,
                "found a line longer than %llu bytes, expected at most line_max",
                (unsigned long long)reader->options->line_max);
}

// ---- lines out of a channel --------------------------------------------------------------------

static const char *held(const struct mr_line_cursor *cursor)
{
    return cursor->channel->buffer + cursor->channel->begin;
}

static void done_with(struct mr_line_reader *reader, struct mr_line_cursor *cursor,
                      struct mr_source_run *run, size_t bytes)
{
    mr_channel_take(cursor->channel, bytes);
    reader->taken_bytes += bytes;
    mr_source_count(run, MR_LINES_BYTES, bytes);
    cursor->scanned = 0;
}

// What is looked at for one line: no more than the longest one, so that nothing depends on how the
// bytes came in.
static size_t window(const struct mr_line_reader *reader, const struct mr_line_cursor *cursor)
{
    return mr_min_u64(mr_channel_held(cursor->channel),
                      reader->options->line_max + MR_LINE_END_BYTES);
}
static bool is_window_full(const struct mr_line_reader *reader, size_t bytes)
{
    return bytes == reader->options->line_max + MR_LINE_END_BYTES;
}

static bool is_blank(const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if (text[i] != ' ' && text[i] != '\t' && text[i] != '\r')
            return false;
    return true;
}

// Drops the rest of a line that is too long. False: its end is not there yet.
static bool skip(struct mr_line_reader *reader, struct mr_line_cursor *cursor,
                 struct mr_source_run *run)
{
    size_t bytes = mr_channel_held(cursor->channel);
    const char *feed = bytes ? memchr(held(cursor), '\n', bytes) : NULL;
    cursor->skipping = !feed && !cursor->channel->final;
    done_with(reader, cursor, run, feed ? (size_t)(feed - held(cursor)) + 1 : bytes);
    return !cursor->skipping;
}

static struct line line_of(const struct mr_line_cursor *cursor, size_t bytes, uint64_t number)
{
    const char *text = held(cursor);
    if (bytes > 0 && text[bytes - 1] == '\n')
        bytes--;
    if (bytes > 0 && text[bytes - 1] == '\r')
        bytes--;
    return (struct line){text, bytes, number, 0, cursor->channel->name};
}

// A channel that broke off leaves half a line behind.
static bool is_torn_end(const struct mr_line_cursor *cursor, size_t bytes)
{
    return cursor->channel->torn && bytes == mr_channel_held(cursor->channel) &&
           held(cursor)[bytes - 1] != '\n';
}

static void take_whole_line(struct mr_line_reader *reader, struct mr_line_cursor *cursor,
                            struct mr_source_run *run, size_t bytes)
{
    struct line line = line_of(cursor, bytes, cursor->channel->line++);
    if (is_blank(line.text, line.length)) {
        mr_source_count(run, MR_LINES_BLANK, 1);
    } else if (line.length > reader->options->line_max) {
        reject_too_long(reader, run, &line);
    } else {
        count_line(reader, run, &line);
        if (is_torn_end(cursor, bytes))
            reject_line(run, &line, MR_REASON_TRUNCATED,
                        "found the end after %zu bytes, expected a whole line", line.length);
        else
            take_json(reader, run, &line);
    }
    done_with(reader, cursor, run, bytes);
}

// One NDJSON line. False: more bytes are needed.
static bool next_json(struct mr_line_reader *reader, struct mr_line_cursor *cursor,
                      struct mr_source_run *run)
{
    size_t bytes = window(reader, cursor);
    const char *feed = bytes > cursor->scanned
                           ? memchr(held(cursor) + cursor->scanned, '\n', bytes - cursor->scanned)
                           : NULL;
    if (feed) {
        take_whole_line(reader, cursor, run, (size_t)(feed - held(cursor)) + 1);
        return true;
    }
    if (is_window_full(reader, bytes)) {
        struct line line = line_of(cursor, bytes, cursor->channel->line++);
        reject_too_long(reader, run, &line);
        done_with(reader, cursor, run, bytes);
        return skip(reader, cursor, run);
    }
    cursor->scanned = bytes;
    if (!cursor->channel->final || bytes == 0)
        return false;
    take_whole_line(reader, cursor, run, bytes);
    return true;
}

static void reject_bad_row(struct mr_source_run *run, const struct mr_csv *csv,
                           const struct line *line)
{
    char problem[200];
    mr_csv_explain(csv, line->text, line->length, problem, sizeof problem);
    reject_line(run, line, MR_REASON_SYNTAX, "%s", problem);
}

static bool give_up_row(struct mr_line_reader *reader, struct mr_line_cursor *cursor,
                        struct mr_source_run *run, size_t bytes)
{
    size_t first_line;
    bool has_end = mr_csv_give_up(cursor->csv, &first_line);
    struct line line = line_of(cursor, has_end ? first_line : bytes, cursor->csv->row_line);
    if (has_end) {
        count_line(reader, run, &line);
        reject_line(run, &line, MR_REASON_SYNTAX,
                    "a quote is opened and not closed within %llu bytes (line_max)",
                    (unsigned long long)reader->options->line_max);
    } else {
        reject_too_long(reader, run, &line);
    }
    cursor->channel->line = cursor->csv->line;
    done_with(reader, cursor, run, has_end ? first_line : bytes);
    return has_end || skip(reader, cursor, run);
}

// One CSV row. False: more bytes are needed.
static bool next_row(struct mr_line_reader *reader, struct mr_line_cursor *cursor,
                     struct mr_source_run *run)
{
    size_t bytes = window(reader, cursor), row_bytes = 0;
    struct mr_csv *csv = cursor->csv;
    bool final = cursor->channel->final && bytes == mr_channel_held(cursor->channel);
    enum mr_csv_result result = mr_csv_next(csv, held(cursor), bytes, final, &row_bytes);
    if (result == MR_CSV_MORE)
        return is_window_full(reader, bytes) && give_up_row(reader, cursor, run, bytes);
    struct line line = line_of(cursor, row_bytes, csv->row_line);
    if (result == MR_CSV_BLANK) {
        mr_source_count(run, MR_LINES_BLANK, 1);
    } else if (line.length > reader->options->line_max) {
        reject_too_long(reader, run, &line);
    } else {
        count_line(reader, run, &line);
        if (result == MR_CSV_BAD)
            reject_bad_row(run, csv, &line);
        else if (is_torn_end(cursor, row_bytes))
            reject_line(run, &line, MR_REASON_TRUNCATED,
                        "found the end after %zu bytes, expected a whole line", line.length);
        else
            take_row(reader, cursor, run, &line);
    }
    cursor->channel->line = csv->line;
    done_with(reader, cursor, run, row_bytes);
    return true;
}

// Takes a byte order mark off. False: too few bytes to tell.
static bool start(struct mr_line_cursor *cursor)
{
    struct mr_channel *channel = cursor->channel;
    static const char mark[] = {'\xEF', '\xBB', '\xBF'};
    size_t bytes = mr_min_u64(mr_channel_held(channel), sizeof mark);
    bool begins_so = bytes > 0 && memcmp(held(cursor), mark, bytes) == 0;
    if (channel->offset == 0 && begins_so && bytes < sizeof mark && !channel->final)
        return false;
    if (channel->offset == 0 && begins_so && bytes == sizeof mark)
        mr_channel_take(channel, sizeof mark);
    cursor->started = bytes > 0;
    return bytes > 0;
}

// ---- the header --------------------------------------------------------------------------------

static uint64_t hash_of(const char *text, size_t length)
{
    uint64_t hash = 0xcbf29ce484222325ULL; // FNV-1a
    for (size_t i = 0; i < length; i++)
        hash = (hash ^ (unsigned char)text[i]) * 0x100000001b3ULL;
    return hash;
}

static int find_column(struct mr_line_reader *reader, const struct mr_line_cursor *cursor,
                       const char *name)
{
    const struct mr_csv *csv = cursor->csv;
    reader->unquoted_used = 0;
    for (unsigned i = 0; i < csv->field_count; i++) {
        struct mr_span value = csv_value(reader, &csv->fields[i], held(cursor));
        if (value.length == strlen(name) && memcmp(value.text, name, value.length) == 0)
            return (int)i;
    }
    return mr_line_column_number(name);
}

static bool resolve_header(struct mr_line_reader *reader, struct mr_line_cursor *cursor,
                           struct mr_source_run *run, const struct line *line)
{
    for (unsigned i = 0; i < reader->value_count; i++) {
        const char *from = mr_line_value_from(reader, i);
        cursor->columns[i] = find_column(reader, cursor, from);
        if (cursor->columns[i] < 0) {
            mr_fail(&run->err, MR_ERR_INPUT,
                    "%s:%llu: found the columns %.*s, expected one called %s", line->source,
                    (unsigned long long)line->number, (int)mr_min_u64(line->length, 500),
                    line->text, from);
            return false;
        }
    }
    mr_line_cursor_columns_are_set(cursor, reader->value_count);
    cursor->header_hash = hash_of(line->text, line->length);
    cursor->header_columns = cursor->csv->field_count;
    cursor->has_header = true;
    return true;
}

enum mr_line_taken mr_line_reader_take_header(struct mr_line_reader *reader,
                                              struct mr_line_cursor *cursor,
                                              struct mr_source_run *run)
{
    size_t row_bytes;
    if (!cursor->started && !start(cursor))
        return MR_TAKEN_ALL;
    while (!cursor->has_header) {
        size_t bytes = window(reader, cursor);
        enum mr_csv_result result =
            mr_csv_next(cursor->csv, held(cursor), bytes, cursor->channel->final, &row_bytes);
        if (result == MR_CSV_MORE && !is_window_full(reader, bytes))
            return MR_TAKEN_ALL;
        if (result == MR_CSV_MORE || result == MR_CSV_BAD) {
            mr_fail(&run->err, MR_ERR_INPUT,
                    "%s:%llu: found no header line that is CSV, expected one",
                    cursor->channel->name, (unsigned long long)cursor->channel->line);
            return MR_TAKEN_FAILED;
        }
        struct line line = line_of(cursor, row_bytes, cursor->csv->row_line);
        if (result == MR_CSV_ROW && !resolve_header(reader, cursor, run, &line))
            return MR_TAKEN_FAILED;
        cursor->channel->line = cursor->csv->line;
        mr_channel_take(cursor->channel, row_bytes);
    }
    return MR_TAKEN_BATCH;
}

enum mr_line_taken mr_line_reader_take(struct mr_line_reader *reader, struct mr_line_cursor *cursor,
                                       struct mr_source_run *run, uint64_t batch_bytes)
{
    if (!cursor->started && !start(cursor))
        return MR_TAKEN_ALL;
    if (cursor->csv && !cursor->has_header) {
        enum mr_line_taken taken = mr_line_reader_take_header(reader, cursor, run);
        if (taken != MR_TAKEN_BATCH)
            return taken;
    }
    if (cursor->skipping && !skip(reader, cursor, run))
        return MR_TAKEN_ALL;
    const struct mr_writer *writer = &run->stage->writers[MR_PORT_MAIN];
    uint64_t emitted = writer->position;
    for (;;) {
        if (!(cursor->csv ? next_row(reader, cursor, run) : next_json(reader, cursor, run)))
            return run->stage->halted ? MR_TAKEN_HALTED : MR_TAKEN_ALL;
        if (MR_UNLIKELY(run->stage->halted))
            return MR_TAKEN_HALTED;
        if (reader->taken_bytes >= batch_bytes || writer->position - emitted >= batch_bytes ||
            mr_stage_should_commit(run->stage))
            return MR_TAKEN_BATCH;
    }
}
