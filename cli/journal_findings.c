// SPDX-License-Identifier: Apache-2.0
#include "cli/journal_findings.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct mr_found_segment *segment_now(struct mr_findings *findings,
                                            const struct mr_journal *journal)
{
    struct mr_journal_segment about;
    mr_journal_segment_now(journal, &about);
    unsigned count = findings->segment_count;
    if (count > 0 && strcmp(findings->segments[count - 1].path, about.path) == 0)
        return &findings->segments[count - 1];
    findings->segments = realloc(findings->segments, (count + 1) * sizeof *findings->segments);
    if (!findings->segments)
        abort();
    struct mr_found_segment *segment = &findings->segments[findings->segment_count++];
    *segment = (struct mr_found_segment){
        .about = about, .first_pos = about.base_pos, .end_pos = about.base_pos};
    snprintf(segment->path, sizeof segment->path, "%s", about.path);
    return segment;
}

static void count_record(struct mr_findings *findings, const struct mr_journal *journal,
                         const struct mr_record *record)
{
    struct mr_found_segment *segment = segment_now(findings, journal);
    const struct mr_schema_set *set = &journal->schemas;
    if (segment->records++ == 0) {
        segment->first_pos = journal->record_position;
        segment->first_time_ns = record->event_time_ns;
    }
    segment->last_time_ns = record->event_time_ns;
    segment->end_pos = journal->position;
    findings->records++;
    findings->bytes += mr_record_stride(record->length);
    for (unsigned i = 0; i < set->count; i++)
        if (set->schemas[i]->id == record->schema_id)
            findings->by_schema[i]++;
}

static void keep_fault(struct mr_findings *findings, const struct mr_journal_fault *fault)
{
    findings->fault = *fault;
    if (fault->kind == MR_JOURNAL_SOUND)
        return;
    snprintf(findings->fault_path, sizeof findings->fault_path, "%s", fault->path);
    findings->fault.path = findings->fault_path;
}

// ---- behind the stop ---------------------------------------------------------------------------
// A stretch of valid records from here on.
static void count_stretch(struct mr_journal *journal, struct mr_found_behind *behind)
{
    struct mr_journal_segment segment;
    uint64_t position = journal->position, records = 0;
    mr_journal_segment_now(journal, &segment);
    while (mr_journal_next(journal))
        records++;
    if (records == 0)
        return;
    if (behind->stretches++ == 0) {
        behind->position = position;
        behind->byte = segment.header_bytes + position - segment.base_pos;
        snprintf(behind->path, sizeof behind->path, "%s", segment.path);
    }
    behind->records += records;
}

static void look_behind(struct mr_journal *journal, struct mr_found_behind *behind)
{
    while (mr_journal_resync(journal, NULL, NULL))
        count_stretch(journal, behind);
}

// ---- reading -----------------------------------------------------------------------------------
static void read_open(struct mr_findings *findings, struct mr_journal *journal)
{
    const struct mr_record *record;
    struct mr_journal_segment segment;
    segment_now(findings, journal);
    while ((record = mr_journal_next(journal)) != NULL)
        count_record(findings, journal, record);
    segment_now(findings, journal)->end_pos = journal->position;
    findings->stop = journal->stop;
    findings->end_pos = journal->position;
    findings->problem = journal->problem;
    keep_fault(findings, &journal->fault);
    mr_journal_segment_now(journal, &segment);
    findings->marked = segment.marked;
    findings->durable_pos = segment.durable_pos;
    look_behind(journal, &findings->behind);
}

// Without the first header there is no journal to read; the segments behind it stand for themselves.
static int read_headless(struct mr_findings *findings, const char *path)
{
    uint64_t *bases = NULL;
    unsigned count = 0;
    char segment[512];
    struct mr_journal journal;
    findings->stop = MR_JOURNAL_DAMAGED;
    if (mr_journal_list(path, &bases, &count, NULL) == MR_OK && count > 0) {
        findings->end_pos = bases[0];
        mr_journal_segment_path(path, bases[0], segment, sizeof segment);
    } else {
        snprintf(segment, sizeof segment, "%s", path); // one file
    }
    keep_fault(findings, &(struct mr_journal_fault){MR_JOURNAL_FAULT_HEADER, segment, 0});
    for (unsigned i = 1; i < count; i++) {
        mr_journal_segment_path(path, bases[i], segment, sizeof segment);
        if (mr_journal_open(&journal, segment, NULL) != MR_OK)
            continue;
        count_stretch(&journal, &findings->behind);
        look_behind(&journal, &findings->behind);
        mr_journal_close(&journal);
    }
    free(bases);
    return MR_OK;
}

int mr_findings_read(struct mr_findings *findings, const char *path, struct mr_error *err)
{
    struct mr_journal journal;
    *findings = (struct mr_findings){0};
    int code = mr_journal_open(&journal, path, err);
    if (code == MR_ERR_CORRUPT) {
        findings->problem = *err;
        return read_headless(findings, path);
    }
    if (code != MR_OK)
        return code;
    read_open(findings, &journal);
    findings->schemas = journal.schemas;
    journal.schemas = (struct mr_schema_set){0};
    mr_journal_close(&journal);
    return MR_OK;
}

void mr_findings_free(struct mr_findings *findings)
{
    mr_schema_set_clear(&findings->schemas);
    free(findings->segments);
    findings->segments = NULL;
}

const char *mr_stop_name(enum mr_journal_stop stop)
{
    return stop == MR_JOURNAL_END ? "whole" : stop == MR_JOURNAL_TORN ? "torn" : "damaged";
}
