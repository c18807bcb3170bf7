// SPDX-License-Identifier: Apache-2.0
// `millrace verify`: every byte of a journal checked.
#include "cli/cli.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/formats/json_out.h"
#include "core/formats/number.h"
#include "core/journal.h"

// Longer than any timestamp is printed.
#define TIME_TEXT_BYTES 64

struct segment {
    struct mr_journal_segment about;
    char path[512];
    uint64_t records;
    uint64_t first_pos, end_pos; // of its records
    int64_t first_time_ns, last_time_ns;
};

struct findings {
    struct mr_journal journal;
    struct segment *segments;
    unsigned segment_count;
    uint64_t records, bytes;
    uint64_t by_schema[MR_SCHEMAS_MAX];
};

static struct segment *segment_now(struct findings *findings)
{
    struct mr_journal_segment about;
    mr_journal_segment_now(&findings->journal, &about);
    unsigned count = findings->segment_count;
    if (count > 0 && strcmp(findings->segments[count - 1].path, about.path) == 0)
        return &findings->segments[count - 1];
    findings->segments = realloc(findings->segments, (count + 1) * sizeof *findings->segments);
    if (!findings->segments)
        abort();
    struct segment *segment = &findings->segments[findings->segment_count++];
    *segment =
        (struct segment){.about = about, .first_pos = about.base_pos, .end_pos = about.base_pos};
    snprintf(segment->path, sizeof segment->path, "%s", about.path);
    return segment;
}

static void count_record(struct findings *findings, const struct mr_record *record)
{
    struct segment *segment = segment_now(findings);
    const struct mr_schema_set *set = &findings->journal.schemas;
    if (segment->records++ == 0) {
        segment->first_pos = findings->journal.record_position;
        segment->first_time_ns = record->event_time_ns;
    }
    segment->last_time_ns = record->event_time_ns;
    segment->end_pos = findings->journal.position;
    findings->records++;
    findings->bytes += mr_record_stride(record->length);
    for (unsigned i = 0; i < set->count; i++)
        if (set->schemas[i]->id == record->schema_id)
            findings->by_schema[i]++;
}

static void read_all(struct findings *findings)
{
    const struct mr_record *record;
    segment_now(findings);
    while ((record = mr_journal_next(&findings->journal)) != NULL)
        count_record(findings, record);
    segment_now(findings)->end_pos = findings->journal.position;
}

static const char *stop_name(enum mr_journal_stop stop)
{
    return stop == MR_JOURNAL_END ? "whole" : stop == MR_JOURNAL_TORN ? "torn" : "damaged";
}

static const char *time_text(int64_t time_ns, char *out)
{
    if (time_ns == 0)
        return "-";
    out[mr_print_timestamp(time_ns, out)] = '\0';
    return out;
}

static void print_text(const struct findings *findings, const char *path)
{
    const struct mr_journal *journal = &findings->journal;
    printf("%s: %s, %" PRIu64 " records, %" PRIu64 " bytes of them, positions to %" PRIu64 "\n",
           path, stop_name(journal->stop), findings->records, findings->bytes, journal->position);
    for (unsigned i = 0; i < findings->segment_count; i++) {
        const struct segment *segment = &findings->segments[i];
        char first[TIME_TEXT_BYTES], last[TIME_TEXT_BYTES];
        printf("  %s\n    positions %" PRIu64 " to %" PRIu64 "%s, %" PRIu64
               " records, event times %s to %s\n",
               segment->path, segment->first_pos, segment->end_pos,
               i > 0 && segment->about.base_pos > segment->about.previous_end ? " (a later run)"
                                                                              : "",
               segment->records, time_text(segment->first_time_ns, first),
               time_text(segment->last_time_ns, last));
    }
    for (unsigned i = 0; i < journal->schemas.count; i++)
        if (findings->by_schema[i] > 0)
            printf("  %-24s %" PRIu64 "\n", journal->schemas.schemas[i]->name,
                   findings->by_schema[i]);
    if (journal->stop != MR_JOURNAL_END)
        printf("  %s: %s\n", stop_name(journal->stop), journal->problem.text);
}

static void segment_json(struct mr_json *json, const struct segment *segment)
{
    char text[TIME_TEXT_BYTES];
    mr_json_open(json, NULL, '{');
    mr_json_text(json, "path", segment->path);
    mr_json_u64(json, "base_pos", segment->about.base_pos);
    mr_json_u64(json, "previous_end", segment->about.previous_end);
    mr_json_u64(json, "file_bytes", segment->about.file_bytes);
    if (segment->about.marked)
        mr_json_u64(json, "durable_pos", segment->about.durable_pos);
    mr_json_u64(json, "records", segment->records);
    mr_json_u64(json, "first_pos", segment->first_pos);
    mr_json_u64(json, "end_pos", segment->end_pos);
    if (segment->first_time_ns)
        mr_json_text(json, "first_event_time", time_text(segment->first_time_ns, text));
    if (segment->last_time_ns)
        mr_json_text(json, "last_event_time", time_text(segment->last_time_ns, text));
    mr_json_close(json);
}

static void print_json(const struct findings *findings, const char *path)
{
    const struct mr_journal *journal = &findings->journal;
    struct mr_json json;
    mr_json_init(&json, 2);
    mr_json_open(&json, NULL, '{');
    mr_json_text(&json, "journal", path);
    mr_json_text(&json, "state", stop_name(journal->stop));
    mr_json_u64(&json, "records", findings->records);
    mr_json_u64(&json, "record_bytes", findings->bytes);
    mr_json_u64(&json, "end_pos", journal->position);
    mr_json_text(&json, "problem", journal->stop == MR_JOURNAL_END ? NULL : journal->problem.text);
    mr_json_open(&json, "by_schema", '{');
    for (unsigned i = 0; i < journal->schemas.count; i++)
        if (findings->by_schema[i] > 0)
            mr_json_u64(&json, journal->schemas.schemas[i]->name, findings->by_schema[i]);
    mr_json_close(&json);
    mr_json_open(&json, "segments", '[');
    for (unsigned i = 0; i < findings->segment_count; i++)
        segment_json(&json, &findings->segments[i]);
    mr_json_close(&json);
    mr_json_close(&json);
    fputs(mr_json_finish(&json), stdout);
    mr_json_free(&json);
}

int mr_cli_verify(int argc, char **argv)
{
    bool json = false;
    const struct mr_arg table[] = {
        {"json", NULL, "print the findings as one JSON object", MR_ARG_SWITCH, &json}, {0}};
    const struct mr_usage usage = {
        "verify",
        "JOURNAL",
        "Checks every record of a journal: lengths, checksums, schemas, and that no segment is "
        "missing.\n"
        "Exit code 0: whole, or with a torn tail that was never durable (the state says which); 8: "
        "damaged,\n"
        "with the file and byte; 4: there is no journal.",
        table,
        1,
        1};
    struct mr_arg_list words;
    struct mr_error err = {0};
    struct findings findings = {0};
    int code;
    if (!mr_args_parse(&usage, argc, argv, &words, &code))
        return code;
    code = mr_journal_open(&findings.journal, words.items[0], &err);
    if (code != MR_OK)
        return mr_cli_fail("verify", &err);
    read_all(&findings);
    if (json)
        print_json(&findings, words.items[0]);
    else
        print_text(&findings, words.items[0]);
    code = findings.journal.stop == MR_JOURNAL_DAMAGED ? MR_ERR_CORRUPT : MR_OK;
    mr_journal_close(&findings.journal);
    free(findings.segments);
    return code;
}
