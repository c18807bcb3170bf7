// SPDX-License-Identifier: Apache-2.0
// What lines mean: NDJSON or CSV, a prefix, a header, a selection, and the declared schema that
// each line's values are mapped to. Takes the bytes that a channel holds and hands records to the
// stage.
//
//     struct mr_line_reader reader;          one per source
//     struct mr_line_cursor cursor;          one per channel
//     mr_line_reader_open(&reader, &options, pipeline, schema, &err);
//     mr_line_cursor_open(&cursor, &reader, channel);
//     switch (mr_line_reader_take(&reader, &cursor, run)) ...
#ifndef MR_PRODUCERS_LINE_READER_H
#define MR_PRODUCERS_LINE_READER_H

#include "core/formats/csv.h"
#include "core/formats/json.h"
#include "producers/field_map.h"
#include "producers/line_input.h"
#include "producers/source.h"

enum mr_line_format { MR_LINES_NDJSON, MR_LINES_CSV };
enum mr_line_counter { MR_LINES_BYTES, MR_LINES_LINES, MR_LINES_BLANK, MR_LINES_CONNECTIONS };

#define MR_LINE_END_BYTES 2 // a line may be this much longer than line_max
#define MR_LINE_SELECTS_MAX 16
#define MR_LINE_VALUES_MAX (MR_FIELDS_MAX + MR_LINE_SELECTS_MAX)

struct mr_line_options {
    struct mr_node *path;
    const char *listen;
    int format; // mr_line_format
    const char *schema;
    bool header;
    const char *delimiter, *quote;
    bool prefix;
    struct mr_node *select;
    bool follow;
    uint64_t line_max;
    const char *ingest;
    int64_t connections_max;
};

struct mr_line_select { // "data.e=trade", "data.e!=trade"
    char *from;         // owned
    const char *text;   // points into `from`
    size_t length;
    bool negated;
};

struct mr_line_reader {
    const struct mr_line_options *options;
    struct mr_field_map map;
    const struct mr_field *ingest; // NULL: event time
    char delimiter, quote;
    unsigned value_count; // fields, then selections
    struct mr_span values[MR_LINE_VALUES_MAX];
    struct mr_line_select selects[MR_LINE_SELECTS_MAX];
    unsigned select_count;
    struct mr_json_reader *json;
    struct mr_span found[MR_LINE_VALUES_MAX]; // JSON's values, by path
    int path_of[MR_LINE_VALUES_MAX];          // -1: the prefix
    struct mr_record *record;                 // one in the making, record_capacity long
    uint64_t record_capacity;
    char *unquoted; // a CSV row's fields with doubled quotes, line_max long
    size_t unquoted_used;
    bool live;            // ingest time is the wall clock
    int64_t now_wall_ns;  // when the bytes at hand came in
    bool gap_before;      // the next record stands behind a gap
    bool numbers_run_on;  // sequence counts the lines of all channels
    uint64_t received;    // lines of all channels so far
    uint64_t taken_bytes; // since the caller set it to zero
};

struct mr_line_cursor {
    struct mr_channel *channel;
    struct mr_csv *csv; // NULL: NDJSON
    size_t scanned;     // NDJSON: bytes behind begin without a line end
    bool skipping;      // inside a line that is too long
    bool started;       // a byte order mark was looked for
    bool has_header;
    uint64_t header_hash;
    unsigned header_columns;                // 0: not known
    int columns[MR_LINE_VALUES_MAX];        // of each value
    unsigned first_use[MR_LINE_VALUES_MAX]; // the first value of the same column
};

enum mr_line_taken {
    MR_TAKEN_ALL,    // every whole line; more bytes are needed
    MR_TAKEN_BATCH,  // enough for one batch; more lines are there
    MR_TAKEN_FAILED, // run->err: the header is not what the fields want
    MR_TAKEN_HALTED,
};

// What the options say of lines, checked against schema and fields; no file is opened.
int mr_line_reader_open(struct mr_line_reader *reader, const struct mr_line_options *options,
                        const struct mr_pipeline *pipeline, const struct mr_schema *schema,
                        struct mr_error *err);
void mr_line_reader_close(struct mr_line_reader *reader);
int mr_line_cursor_open(struct mr_line_cursor *cursor, const struct mr_line_reader *reader,
                        struct mr_channel *channel, struct mr_error *err);
void mr_line_cursor_close(struct mr_line_cursor *cursor); // and its channel
// Stands at the channel's place anew, which is the beginning of a line.
void mr_line_cursor_reset(struct mr_line_cursor *cursor);
// Only the header, if one is due: MR_TAKEN_BATCH once it is read.
enum mr_line_taken mr_line_reader_take_header(struct mr_line_reader *reader,
                                              struct mr_line_cursor *cursor,
                                              struct mr_source_run *run);
// `batch_bytes`: how many bytes of lines at most; UINT64_MAX: all there are.
enum mr_line_taken mr_line_reader_take(struct mr_line_reader *reader, struct mr_line_cursor *cursor,
                                       struct mr_source_run *run, uint64_t batch_bytes);

// Between the reader's two halves.
const char *mr_line_value_from(const struct mr_line_reader *reader, unsigned value);
// A column's number as text, "1" for the first, counted from 0; -1 where it is no number.
int mr_line_column_number(const char *from);
void mr_line_cursor_columns_are_set(struct mr_line_cursor *cursor, unsigned value_count);

// Capacity that a channel needs for this reader's longest line.
size_t mr_line_reader_capacity(const struct mr_line_reader *reader);

#endif
