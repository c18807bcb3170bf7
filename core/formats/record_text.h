// SPDX-License-Identifier: Apache-2.0
// Records as text: CSV (RFC 4180, lines end in \n), NDJSON (RFC 8259, one object a line), and one
// line for people. What a row consists of is settled once per schema; then each record is one call.
//
//     struct mr_record_text row;
//     mr_record_text_open(&row, schema, NULL, true);             // every field, envelope in front
//     used = mr_record_csv_header(&row, buffer, room);           // schema,sequence,...,price\n
//     used += mr_record_csv(&row, record, buffer + used, room - used);
//
// Each function returns how many bytes the text takes. Where that is more than `room` only a part
// was written: make room and call again. No NUL is written.
//
//              CSV                              NDJSON                         line
//   number     12                               12                             price=12
//   decimal    12.5000, exact                   the same, a plain number       the same
//   real       shortest that reads back         the same; nan, inf are null    the same
//   timestamp  2020-01-30T14:30:00.000000001Z   in quotes                      the same
//   bool       true, false                      true, false                    the same
//   enum       its label                        in quotes                      the same
//   text       quoted where it must be, bytes   in quotes; what is not UTF-8   in quotes unless
//              as they are                      becomes U+FFFD                 one plain word
//   bytes      as text: \ is \\, and what is no printable UTF-8 is \xNN, so nothing is lost
//   null       nothing; an empty text that      null                           name=null
//              could be null is ""
//
// Envelope columns are schema, sequence, event_time, ingest_time (null where the record has 0) and
// flags ("late|corrected" in CSV; in NDJSON a list, there only where a flag is set). A field of the
// same name takes an envelope column's place. Flags: gap_before late corrected unknown_ref crossed.
//
// A record shorter than its schema says has only nulls: nothing behind its end is read.
#ifndef MR_CORE_FORMATS_RECORD_TEXT_H
#define MR_CORE_FORMATS_RECORD_TEXT_H

#include "core/schema.h"

enum mr_text_source {
    MR_TEXT_FIELD,
    MR_TEXT_SCHEMA,
    MR_TEXT_SEQUENCE,
    MR_TEXT_EVENT_TIME,
    MR_TEXT_INGEST_TIME,
    MR_TEXT_FLAGS,
    MR_TEXT_ABSENT, // selected, but not in this schema: empty in CSV, left out of the others
};

struct mr_text_column {
    char name[MR_NAME_BYTES];
    char json_key[MR_NAME_BYTES + 4]; // ,"name":
    uint8_t name_length, json_key_length;
    uint8_t source;               // mr_text_source
    const struct mr_field *field; // MR_TEXT_FIELD
};

#define MR_TEXT_COLUMNS_MAX 128

struct mr_record_text {
    const struct mr_schema *schema; // must outlive it
    unsigned count;
    struct mr_text_column columns[MR_TEXT_COLUMNS_MAX];
};

// `fields`: names of fields or envelope columns, comma-separated, in the order wanted; NULL: every
// field of the schema, after the envelope columns if `envelope`. Returns how many of the names it
// found; names beyond MR_TEXT_COLUMNS_MAX are left out.
unsigned mr_record_text_open(struct mr_record_text *text, const struct mr_schema *schema,
                             const char *fields, bool envelope);
// Whether each name of `fields` is known to one schema of the set at least: MR_ERR_USAGE names the
// first that is not, or says that there are too many.
int mr_record_text_check(const char *fields, const struct mr_schema_set *schemas,
                         struct mr_error *err);

size_t mr_record_csv_header(const struct mr_record_text *text, char *out, size_t room);
size_t mr_record_csv(const struct mr_record_text *text, const struct mr_record *record, char *out,
                     size_t room);
size_t mr_record_ndjson(const struct mr_record_text *text, const struct mr_record *record,
                        char *out, size_t room);
// "trade #42 2020-01-30T14:30:00.000000001Z [late] symbol=AAPL price=12.5000\n"; envelope columns
// that were asked for by name come as name=value too.
size_t mr_record_line(const struct mr_record_text *text, const struct mr_record *record, char *out,
                      size_t room);

#endif
