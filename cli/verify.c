// SPDX-License-Identifier: Apache-2.0
// `millrace verify`: every byte of a journal checked.
#include "cli/cli.h"
#include "cli/journal_findings.h"
#include "cli/verify_repair.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/formats/json_out.h"
#include "core/formats/number.h"
#include "core/journal.h"

// Longer than any timestamp is printed.
#define TIME_TEXT_BYTES 64

static const char *time_text(int64_t time_ns, char *out)
{
    if (time_ns == 0)
        return "-";
    out[mr_print_timestamp(time_ns, out)] = '\0';
    return out;
}

// Which part of the stream was known to be on the disk, beside the place where it ends.
static void print_mark(const struct mr_findings *findings)
{
    if (!findings->marked)
        printf("    its segment has no durable mark\n");
    else if (findings->end_pos < findings->durable_pos)
        printf("    below the durable mark, position %" PRIu64
               ": what was on the disk has changed since\n",
               findings->durable_pos);
    else
        printf("    at or beyond the durable mark, position %" PRIu64 "\n", findings->durable_pos);
}

static void print_fault(const struct mr_findings *findings, const char *path)
{
    const struct mr_found_behind *behind = &findings->behind;
    printf("  %s: %s\n", mr_stop_name(findings->stop), findings->problem.text);
    if (findings->fault.kind >= MR_JOURNAL_FAULT_SHORT)
        print_mark(findings);
    printf("    before it: %" PRIu64 " records\n", findings->records);
    if (behind->records > 0)
        printf("    behind it: %" PRIu64 " records from position %" PRIu64 " on (%s: byte %" PRIu64
               "), with %" PRIu64 " breaks: millrace cat --resync %s\n",
               behind->records, behind->position, behind->path, behind->byte, behind->stretches - 1,
               path);
    else
        printf("    behind it: no record\n");
    printf("    `millrace verify %s --repair` says what would make it whole\n", path);
}

static void fault_json(struct mr_json *json, const struct mr_findings *findings)
{
    const struct mr_found_behind *behind = &findings->behind;
    if (findings->fault.kind == MR_JOURNAL_SOUND)
        return;
    mr_json_open(json, "fault", '{');
    mr_json_text(json, "kind", mr_journal_fault_name(findings->fault.kind));
    mr_json_text(json, "path", findings->fault.path);
    mr_json_u64(json, "byte", findings->fault.byte);
    mr_json_u64(json, "position", findings->end_pos);
    if (findings->fault.kind >= MR_JOURNAL_FAULT_SHORT && findings->marked)
        mr_json_bool(json, "below_durable_mark", findings->end_pos < findings->durable_pos);
    mr_json_u64(json, "records_before", findings->records);
    mr_json_u64(json, "records_behind", behind->records);
    mr_json_u64(json, "stretches_behind", behind->stretches);
    if (behind->records > 0) {
        mr_json_u64(json, "behind_pos", behind->position);
        mr_json_text(json, "behind_path", behind->path);
        mr_json_u64(json, "behind_byte", behind->byte);
    }
    mr_json_close(json);
}

static void print_text(const struct mr_findings *findings, const char *path)
{
    const struct mr_schema_set *schemas = &findings->schemas;
    printf("%s: %s, %" PRIu64 " records, %" PRIu64 " bytes of them, positions to %" PRIu64 "\n",
           path, mr_stop_name(findings->stop), findings->records, findings->bytes,
           findings->end_pos);
    for (unsigned i = 0; i < findings->segment_count; i++) {
        const struct mr_found_segment *segment = &findings->segments[i];
        char first[TIME_TEXT_BYTES], last[TIME_TEXT_BYTES];
        printf("  %s\n    positions %" PRIu64 " to %" PRIu64 "%s, %" PRIu64
               " records, event times %s to %s\n",
               segment->path, segment->first_pos, segment->end_pos,
               i > 0 && segment->about.base_pos > segment->about.previous_end ? " (a later run)"
                                                                              : "",
               segment->records, time_text(segment->first_time_ns, first),
               time_text(segment->last_time_ns, last));
    }
    for (unsigned i = 0; i < schemas->count; i++)
        if (findings->by_schema[i] > 0)
            printf("  %-24s %" PRIu64 "\n", schemas->schemas[i]->name, findings->by_schema[i]);
    if (findings->stop != MR_JOURNAL_END)
        print_fault(findings, path);
}

static void segment_json(struct mr_json *json, const struct mr_found_segment *segment)
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

static void findings_json(struct mr_json *json, const struct mr_findings *findings,
                          const char *path)
{
    const struct mr_schema_set *schemas = &findings->schemas;
    mr_json_text(json, "journal", path);
    mr_json_text(json, "state", mr_stop_name(findings->stop));
    mr_json_u64(json, "records", findings->records);
    mr_json_u64(json, "record_bytes", findings->bytes);
    mr_json_u64(json, "end_pos", findings->end_pos);
    mr_json_text(json, "problem", findings->stop == MR_JOURNAL_END ? NULL : findings->problem.text);
    fault_json(json, findings);
    mr_json_open(json, "by_schema", '{');
    for (unsigned i = 0; i < schemas->count; i++)
        if (findings->by_schema[i] > 0)
            mr_json_u64(json, schemas->schemas[i]->name, findings->by_schema[i]);
    mr_json_close(json);
    mr_json_open(json, "segments", '[');
    for (unsigned i = 0; i < findings->segment_count; i++)
        segment_json(json, &findings->segments[i]);
    mr_json_close(json);
}

// As JSON all of it is one object, the repair's part included.
static int verify_json(const struct mr_findings *findings, const char *path, int code, bool repair,
                       bool yes)
{
    struct mr_json json;
    mr_json_init(&json, 2);
    mr_json_open(&json, NULL, '{');
    findings_json(&json, findings, path);
    if (repair)
        code = mr_cli_repair(path, yes, &json);
    mr_json_close(&json);
    fputs(mr_json_finish(&json), stdout);
    mr_json_free(&json);
    return code;
}

static int verify(const char *path, bool json, bool repair, bool yes)
{
    struct mr_error err = {0};
    struct mr_findings findings;
    int code = mr_findings_read(&findings, path, &err);
    if (code != MR_OK)
        return mr_cli_fail("verify", &err);
    code = findings.stop == MR_JOURNAL_DAMAGED ? MR_ERR_CORRUPT : MR_OK;
    if (json) {
        code = verify_json(&findings, path, code, repair, yes);
    } else {
        print_text(&findings, path);
        if (repair)
            code = mr_cli_repair(path, yes, NULL);
    }
    mr_findings_free(&findings);
    return code;
}

int mr_cli_verify(int argc, char **argv)
{
    bool json = false, repair = false, yes = false;
    const struct mr_arg table[] = {
        {"repair", NULL,
         "say what would make the journal whole again, and do it where a terminal says yes",
         MR_ARG_SWITCH, &repair},
        {"yes", NULL, "with --repair: do it without asking", MR_ARG_SWITCH, &yes},
        {"json", NULL, "print the findings as one JSON object", MR_ARG_SWITCH, &json},
        {0}};
    const struct mr_usage usage = {
        "verify",
        "JOURNAL",
        "Checks every record of a journal: lengths, checksums, schemas, and that no segment is "
        "missing.\n"
        "What is wrong is said with file and byte, found and expected, with how many records stand "
        "before it\n"
        "and behind it, and on which side of the durable mark it is. --repair keeps the longest "
        "valid prefix;\n"
        "what it takes away it keeps in .cut files beside the segments.\n"
        "Exit code 0: whole, or with a torn tail that was never durable (the state says which), or "
        "repaired;\n"
        "8: damaged; 4: there is no journal; 7: --repair, and a loader has the journal.",
        table,
        1,
        1};
    struct mr_arg_list words;
    int code;
    if (!mr_args_parse(&usage, argc, argv, &words, &code))
        return code;
    return verify(words.items[0], json, repair, yes);
}
