// SPDX-License-Identifier: Apache-2.0
// What `millrace verify` finds out about a journal: its segments, its records, where it stops being
// valid and why, and what can still be read behind that place.
#ifndef MR_CLI_JOURNAL_FINDINGS_H
#define MR_CLI_JOURNAL_FINDINGS_H

#include "core/journal.h"

struct mr_found_segment {
    struct mr_journal_segment about;
    char path[512];
    uint64_t records;
    uint64_t first_pos, end_pos; // of its records
    int64_t first_time_ns, last_time_ns;
};

// Whole records behind the place where the journal stops being valid.
struct mr_found_behind {
    uint64_t records, stretches;
    uint64_t position, byte; // of the first
    char path[512];
};

struct mr_findings {
    struct mr_schema_set schemas;
    struct mr_found_segment *segments;
    unsigned segment_count;
    uint64_t records, bytes;
    uint64_t by_schema[MR_SCHEMAS_MAX];
    enum mr_journal_stop stop;
    uint64_t end_pos;
    struct mr_journal_fault fault; // its path: fault_path
    char fault_path[512];
    struct mr_error problem;
    bool marked; // the segment where it stops, and its mark
    uint64_t durable_pos;
    struct mr_found_behind behind;
};

// Reads all of it. A journal whose first header is damaged has findings, too; MR_ERR_INPUT where there is
// none.
int mr_findings_read(struct mr_findings *findings, const char *path, struct mr_error *err);
void mr_findings_free(struct mr_findings *findings);
const char *mr_stop_name(enum mr_journal_stop stop); // "whole", "torn", "damaged"

#endif
