// SPDX-License-Identifier: Apache-2.0
// How a line reader comes about: options, columns and paths, checked before a byte is read.
#include <stdlib.h>
#include <string.h>

#include "producers/line_reader.h"

static const char prefix_name[] = "@prefix";

size_t mr_line_reader_capacity(const struct mr_line_reader *reader)
{
    return reader->options->line_max + MR_LINE_END_BYTES + MR_READ_BYTES;
}

const char *mr_line_value_from(const struct mr_line_reader *reader, unsigned value)
{
    return value < reader->map.count ? reader->map.fields[value].from
                                     : reader->selects[value - reader->map.count].from;
}

int mr_line_column_number(const char *from)
{
    size_t digits = strspn(from, "0123456789");
    if (digits == 0 || digits > 4 || from[digits] != '\0' || atoi(from) < 1)
        return -1;
    return atoi(from) - 1;
}

void mr_line_cursor_columns_are_set(struct mr_line_cursor *cursor, unsigned value_count)
{
    for (unsigned i = 0; i < value_count; i++) {
        cursor->first_use[i] = 0;
        while (cursor->columns[cursor->first_use[i]] != cursor->columns[i])
            cursor->first_use[i]++;
    }
}

int mr_line_cursor_open(struct mr_line_cursor *cursor, const struct mr_line_reader *reader,
                        struct mr_channel *channel, struct mr_error *err)
{
    memset(cursor, 0, sizeof *cursor);
    cursor->channel = channel;
    if (reader->options->format != MR_LINES_CSV)
        return MR_OK;
    cursor->csv = malloc(sizeof *cursor->csv);
    if (!cursor->csv)
        return mr_fail(err, MR_ERR_MEMORY, "%s: no memory to split its rows", channel->name);
    mr_csv_init(cursor->csv, reader->delimiter, reader->quote);
    cursor->has_header = !reader->options->header;
    for (unsigned i = 0; i < reader->value_count; i++) {
        cursor->columns[i] = mr_line_column_number(mr_line_value_from(reader, i));
        if (cursor->columns[i] < 0) // without header: in the fields' own order
            cursor->columns[i] = (int)i;
    }
    mr_line_cursor_columns_are_set(cursor, reader->value_count);
    return MR_OK;
}

void mr_line_cursor_reset(struct mr_line_cursor *cursor)
{
    cursor->scanned = 0;
    cursor->started = cursor->channel->offset > 0;
    if (!cursor->csv)
        return;
    mr_csv_init(cursor->csv, cursor->csv->delimiter, cursor->csv->quote);
    cursor->csv->line = cursor->channel->line;
}

void mr_line_cursor_close(struct mr_line_cursor *cursor)
{
    mr_channel_close(cursor->channel);
    free(cursor->csv);
    memset(cursor, 0, sizeof *cursor);
}

static int parse_character(const char *text, const struct mr_node *node, const char *key, char *out,
                           struct mr_error *err)
{
    bool tab = strcmp(text, "\\t") == 0 || strcmp(text, "tab") == 0;
    *out = tab ? '\t' : text[0];
    if (tab || (strlen(text) == 1 && *out != '\n' && *out != '\r'))
        return MR_OK;
    return mr_config_fail(mr_config_child(node, key), err,
                          "found \"%s\", expected one character or tab", text);
}

static int add_select(struct mr_line_reader *reader, const struct mr_node *node,
                      struct mr_error *err)
{
    const char *text;
    struct mr_line_select *select = &reader->selects[reader->select_count];
    if (mr_config_text(node, &text, err) != MR_OK)
        return err->code;
    const char *sign = strchr(text, '=');
    if (!sign || sign == text || (sign == text + 1 && *text == '!'))
        return mr_config_fail(node, err, "found \"%s\", expected NAME=VALUE or NAME!=VALUE", text);
    if (reader->select_count == MR_LINE_SELECTS_MAX)
        return mr_config_fail(node, err, "expected at most %d selections", MR_LINE_SELECTS_MAX);
    select->from = strdup(text);
    if (!select->from)
        return mr_fail(err, MR_ERR_MEMORY, "no memory for the selections");
    select->negated = sign[-1] == '!';
    select->text = select->from + (sign - text) + 1;
    select->length = strlen(select->text);
    select->from[sign - text - select->negated] = '\0';
    reader->select_count++;
    return MR_OK;
}

static int add_selects(struct mr_line_reader *reader, const struct mr_node *node,
                       struct mr_error *err)
{
    int code = MR_OK;
    if (!node)
        return MR_OK;
    if (node->kind != MR_NODE_LIST)
        return add_select(reader, node, err);
    for (unsigned i = 0; i < node->child_count && code == MR_OK; i++)
        code = add_select(reader, node->children[i], err);
    return code;
}

// Puts the source's place in the pipeline file before what the error says.
static int fail_in_file(const struct mr_node *source, struct mr_error *err)
{
    char text[sizeof err->text];
    memcpy(text, err->text, sizeof text);
    return mr_config_fail(source, err, "%.800s", text);
}

static int open_json(struct mr_line_reader *reader, const struct mr_node *source,
                     struct mr_error *err)
{
    const char *paths[MR_LINE_VALUES_MAX];
    unsigned path_count = 0;
    for (unsigned i = 0; i < reader->value_count; i++) {
        const char *from = mr_line_value_from(reader, i);
        bool is_prefix = strcmp(from, prefix_name) == 0;
        if (is_prefix && !reader->options->prefix)
            return mr_config_fail(source, err, "found %s, expected it only beside prefix: true",
                                  from);
        reader->path_of[i] = is_prefix ? -1 : (int)path_count;
        if (!is_prefix)
            paths[path_count++] = from;
    }
    int code = mr_json_reader_new(&reader->json, paths, path_count, reader->options->line_max, err);
    return code == MR_ERR_CONFIG ? fail_in_file(source, err) : code;
}

static int open_csv(struct mr_line_reader *reader, const struct mr_node *source,
                    struct mr_error *err)
{
    int code =
        parse_character(reader->options->delimiter, source, "delimiter", &reader->delimiter, err);
    if (code == MR_OK)
        code = parse_character(reader->options->quote, source, "quote", &reader->quote, err);
    if (code == MR_OK && reader->options->prefix)
        code = mr_config_fail(mr_config_child(source, "prefix"), err,
                              "found a prefix for CSV, expected one only for format: ndjson");
    for (unsigned i = 0; code == MR_OK && !reader->options->header && i < reader->value_count;
         i++) {
        const char *from = mr_line_value_from(reader, i);
        bool own_name = i < reader->map.count && from == reader->map.fields[i].field->name;
        if (!own_name && mr_line_column_number(from) < 0)
            code = mr_config_fail(
                source, err, "found column \"%s\", expected a number from 1 since header is false",
                from);
    }
    reader->unquoted = malloc(reader->options->line_max + MR_LINE_END_BYTES);
    if (code == MR_OK && !reader->unquoted)
        code = mr_fail(err, MR_ERR_MEMORY, "no memory for lines of line_max bytes");
    return code;
}

static int find_ingest(struct mr_line_reader *reader, const struct mr_node *source,
                       struct mr_error *err)
{
    const char *name = reader->options->ingest;
    if (!name)
        return MR_OK;
    reader->ingest = mr_schema_field(reader->map.schema, name);
    if (reader->ingest && reader->ingest->type == MR_TYPE_TIMESTAMP)
        return MR_OK;
    return mr_config_fail(mr_config_child(source, "ingest"), err,
                          "found \"%s\", expected a timestamp field of schema %s", name,
                          reader->map.schema->name);
}

int mr_line_reader_open(struct mr_line_reader *reader, const struct mr_line_options *options,
                        const struct mr_pipeline *pipeline, const struct mr_schema *schema,
                        struct mr_error *err)
{
    const struct mr_node *source = pipeline->source_node;
    memset(reader, 0, sizeof *reader);
    reader->options = options;
    if (options->line_max < 16 || options->line_max > 1ULL << 30)
        return mr_config_fail(mr_config_child(source, "line_max"), err,
                              "found %llu bytes, expected 16 bytes to 1 GiB",
                              (unsigned long long)options->line_max);
    int code = mr_field_map_open(&reader->map, schema, mr_schema_node(pipeline, schema->name), err);
    if (code == MR_OK)
        code = find_ingest(reader, source, err);
    if (code == MR_OK)
        code = add_selects(reader, options->select, err);
    reader->value_count = reader->map.count + reader->select_count;
    if (code == MR_OK)
        code = options->format == MR_LINES_CSV ? open_csv(reader, source, err)
                                               : open_json(reader, source, err);
    return code;
}

void mr_line_reader_close(struct mr_line_reader *reader)
{
    mr_field_map_close(&reader->map);
    mr_json_reader_free(reader->json);
    for (unsigned i = 0; i < reader->select_count; i++)
        free(reader->selects[i].from);
    free(reader->record);
    free(reader->unquoted);
    reader->json = NULL;
    reader->record = NULL;
    reader->unquoted = NULL;
    reader->select_count = 0;
}
