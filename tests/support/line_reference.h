// SPDX-License-Identifier: Apache-2.0
// What a record must be, worked out the slow way: lines split byte by byte, values by the C
// library's strtod, strtold and strptime. Shares no code with the lines source, so that the two can
// be held against each other.
//
//     const struct line_reference reference = {.format = LINE_REFERENCE_CSV, .fields = fields};
//     line_reference_fill(&reference, schema, line, length, record)
#ifndef MR_TESTS_SUPPORT_LINE_REFERENCE_H
#define MR_TESTS_SUPPORT_LINE_REFERENCE_H

#include "core/schema.h"

enum line_reference_format { LINE_REFERENCE_CSV, LINE_REFERENCE_NDJSON };

struct line_reference_field {
    const char *from; // JSON: the last key of its path, "@prefix"; CSV: the column, from "0"
    const char
        *format; // of timestamps: "ms", "ns", or a pattern for strptime; .000000000Z may follow
};

struct line_reference {
    enum line_reference_format format;
    const struct line_reference_field *fields; // in the schema's order
    const char *inside;    // JSON: values are looked for behind the first place of this text
    const char *selected;  // lines without this text become no record; NULL: all do
    unsigned time_field;   // index of the field that is the event time; UINT_MAX: none
    unsigned ingest_field; // the same for the ingest time; UINT_MAX: the event time
};

// `line` is a NUL-ended line without its end. False where it becomes no record. `record` has room
// for schema->record_bytes; its sequence and checksum stay zero.
bool line_reference_fill(const struct line_reference *reference, const struct mr_schema *schema,
                         const char *line, struct mr_record *record);

#endif
