// SPDX-License-Identifier: Apache-2.0
// `millrace cat`: the records of a journal as text.
#include "cli/cli.h"
#include "cli/selection.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/formats/record_text.h"
#include "core/journal.h"

typedef size_t record_writer(const struct mr_record_text *text, const struct mr_record *record,
                             char *out, size_t room);

struct cat {
    const char *format, *fields;
    uint64_t limit;
    bool raw, resync;
    struct mr_selection selection;
    record_writer *write;
    struct mr_journal journal;
    struct mr_record_text *rows; // one per schema of the journal
    char *line;
    size_t line_room;
};

static int choose_writer(struct cat *cat, struct mr_error *err)
{
    static const struct {
        const char *name;
        record_writer *write;
    } formats[] = {{"csv", mr_record_csv},
                   {"ndjson", mr_record_ndjson},
                   {"text", mr_record_line},
                   {"line", mr_record_line}};
    for (unsigned i = 0; i < MR_COUNT_OF(formats); i++)
        if (strcmp(cat->format, formats[i].name) == 0)
            cat->write = formats[i].write;
    return cat->write
               ? MR_OK
               : mr_fail(err, MR_ERR_USAGE, "--format: found \"%s\", expected csv, ndjson or text",
                         cat->format);
}

// The next one; behind damage too, where that is asked for, and then what was passed over is said.
static const struct mr_record *next_record(struct cat *cat, bool say)
{
    const struct mr_record *record;
    uint64_t from, to;
    while ((record = mr_journal_next(&cat->journal)) == NULL && cat->resync) {
        struct mr_error problem = cat->journal.problem;
        if (!mr_journal_resync(&cat->journal, &from, &to))
            break;
        if (say)
            fprintf(stderr, "millrace cat: passed over positions %" PRIu64 " to %" PRIu64 ": %s\n",
                    from, to, problem.text);
    }
    return record;
}

// ---- columns -----------------------------------------------------------------------------------
static bool name_is_in(const char *list, const char *name)
{
    size_t length = strlen(name);
    for (const char *at = list; (at = strstr(at, name)) != NULL; at += length)
        if ((at == list || at[-1] == ',') && (at[length] == ',' || at[length] == '\0'))
            return true;
    return false;
}

// CSV has one header for all lines: the envelope, and every field that some schema that occurs has.
static char *common_columns(struct cat *cat, const bool *occurs)
{
    const struct mr_schema_set *set = &cat->journal.schemas;
    char *names = malloc(64 + (size_t)set->count * MR_FIELDS_MAX * MR_NAME_BYTES);
    if (!names)
        abort();
    size_t used = (size_t)sprintf(names, "schema,sequence,event_time,ingest_time,flags");
    for (unsigned i = 0; i < set->count; i++)
        for (unsigned f = 0; occurs[i] && f < set->schemas[i]->field_count; f++)
            if (!name_is_in(names, set->schemas[i]->fields[f].name))
                used += (size_t)sprintf(names + used, ",%s", set->schemas[i]->fields[f].name);
    return names;
}

// Which schemas there are records of, among those that are wanted.
static int look_ahead(struct cat *cat, bool *occurs, struct mr_error *err)
{
    const struct mr_schema_set *set = &cat->journal.schemas;
    const struct mr_record *record;
    while ((record = next_record(cat, false)) != NULL)
        for (unsigned i = 0; i < set->count; i++)
            if (set->schemas[i]->id == record->schema_id && !occurs[i])
                occurs[i] = mr_selection_has(&cat->selection, record);
    return mr_journal_seek(&cat->journal, 0, err);
}

static int open_rows(struct cat *cat, struct mr_error *err)
{
    const struct mr_schema_set *set = &cat->journal.schemas;
    bool occurs[MR_SCHEMAS_MAX] = {false};
    char *columns = NULL;
    int code = cat->fields ? mr_record_text_check(cat->fields, set, err) : MR_OK;
    cat->rows = calloc(set->count + 1, sizeof *cat->rows);
    if (!cat->rows)
        abort();
    if (code == MR_OK && !cat->fields && cat->write == mr_record_csv && set->count > 1) {
        code = look_ahead(cat, occurs, err);
        columns = common_columns(cat, occurs);
    }
    const char *fields = columns ? columns : cat->fields;
    for (unsigned i = 0; i < set->count && code == MR_OK; i++)
        mr_record_text_open(&cat->rows[i], set->schemas[i], fields,
                            !fields && cat->write != mr_record_line);
    free(columns);
    return code;
}

// ---- printing ----------------------------------------------------------------------------------
static void put_line(struct cat *cat, const struct mr_record_text *row,
                     const struct mr_record *record)
{
    size_t length = 0;
    for (int i = 0; i < 2; i++) {
        length = record ? cat->write(row, record, cat->line, cat->line_room)
                        : mr_record_csv_header(row, cat->line, cat->line_room);
        if (length <= cat->line_room)
            break;
        cat->line_room = 2 * length;
        cat->line = realloc(cat->line, cat->line_room);
        if (!cat->line)
            abort();
    }
    fwrite(cat->line, 1, length, stdout);
}

// The bytes of the last field, as they came: a dead letter's can be piped back to where they were
// refused.
static void put_raw(const struct mr_schema *schema, const struct mr_record *record)
{
    size_t length;
    const char *bytes =
        mr_field_get_text(&schema->fields[schema->field_count - 1], record, &length);
    fwrite(bytes, 1, length, stdout);
    putchar('\n');
}

static void put_record(struct cat *cat, const struct mr_record *record)
{
    const struct mr_schema_set *set = &cat->journal.schemas;
    unsigned index = 0;
    while (set->schemas[index]->id != record->schema_id) // the journal checked that it has one
        index++;
    if (cat->raw)
        put_raw(set->schemas[index], record);
    else
        put_line(cat, &cat->rows[index], record);
}

static int check_raw(const struct cat *cat, struct mr_error *err)
{
    const struct mr_schema_set *set = &cat->journal.schemas;
    for (unsigned i = 0; i < set->count; i++) {
        const struct mr_schema *schema = set->schemas[i];
        if (schema->field_count == 0 ||
            schema->fields[schema->field_count - 1].type != MR_TYPE_BYTES)
            return mr_fail(err, MR_ERR_USAGE,
                           "--raw: found records of schema %s, expected dead letters, whose last "
                           "field is bytes",
                           schema->name);
    }
    return MR_OK;
}

static int print_all(struct cat *cat, struct mr_error *err)
{
    const struct mr_record *record;
    uint64_t printed = 0;
    if (!cat->raw && cat->write == mr_record_csv)
        put_line(cat, &cat->rows[0], NULL);
    while ((!cat->limit || printed < cat->limit) && !ferror(stdout) &&
           (record = next_record(cat, true)) != NULL) {
        if (!mr_selection_has(&cat->selection, record))
            continue;
        put_record(cat, record);
        printed++;
    }
    // Nobody reads any more: that is how `cat | head` ends.
    if ((ferror(stdout) || fflush(stdout) != 0) && errno != EPIPE)
        return mr_fail_errno(err, MR_ERR_OUTPUT, "standard output");
    if (cat->journal.stop == MR_JOURNAL_DAMAGED)
        return mr_fail(err, MR_ERR_CORRUPT, "%s", cat->journal.problem.text);
    if (cat->journal.stop == MR_JOURNAL_TORN)
        fprintf(stderr, "millrace cat: torn tail: %s\n", cat->journal.problem.text);
    return MR_OK;
}

static int cat_journal(struct cat *cat, const char *path, struct mr_error *err)
{
    int code = choose_writer(cat, err);
    if (code == MR_OK)
        code = mr_journal_open(&cat->journal, path, err);
    if (code == MR_OK)
        code = mr_selection_open(&cat->selection, &cat->journal.schemas, err);
    if (code == MR_OK && cat->raw)
        code = check_raw(cat, err);
    if (code == MR_OK)
        code = open_rows(cat, err);
    if (code == MR_OK)
        code = print_all(cat, err);
    return code;
}

int mr_cli_cat(int argc, char **argv)
{
    struct cat cat = {.format = "csv"};
    const struct mr_arg table[] = {
        {"format", "csv|ndjson|text", "how records are printed (csv)", MR_ARG_TEXT, &cat.format},
        {"fields", "NAMES", "only these fields and envelope columns, comma-separated", MR_ARG_TEXT,
         &cat.fields},
        MR_ARG_SELECTION(&cat.selection),
        {"limit", "COUNT", "stop after this many records", MR_ARG_COUNT, &cat.limit},
        {"raw", NULL, "dead letters: only the bytes that were rejected, one letter a line",
         MR_ARG_SWITCH, &cat.raw},
        {"resync", NULL, "go on behind damage, at the next whole record", MR_ARG_SWITCH,
         &cat.resync},
        {0}};
    const struct mr_usage usage = {
        "cat",
        "JOURNAL",
        "Prints the records of a journal (its directory, or one segment file) in their order. CSV "
        "has one\n"
        "header: the envelope's columns and the fields of all schemas that occur. Exit code 8 "
        "where "
        "the\n"
        "journal is damaged; what stands before the damage is printed.",
        table,
        1,
        1};
    struct mr_arg_list words;
    struct mr_error err = {0};
    int code;
    if (!mr_args_parse(&usage, argc, argv, &words, &code))
        return code;
    code = cat_journal(&cat, words.items[0], &err);
    mr_selection_close(&cat.selection);
    if (cat.journal.files)
        mr_journal_close(&cat.journal);
    free(cat.rows);
    free(cat.line);
    return code == MR_OK ? code : mr_cli_fail("cat", &err);
}
