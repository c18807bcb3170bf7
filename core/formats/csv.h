// SPDX-License-Identifier: Apache-2.0
// CSV as RFC 4180 has it, in pieces of any size, without copying.
//
// Concept. The caller holds bytes, the splitter says where rows and their fields are. When the
// bytes end inside a row it answers MR_CSV_MORE and is called again with the same row's start and
// more bytes behind it (the buffer may have moved: fields are offsets from the row's start); what
// was scanned is not scanned again.
//
//     struct mr_csv *csv = malloc(sizeof *csv);
//     mr_csv_init(csv, ',', '"');
//     for (;;) {
//         switch (mr_csv_next(csv, at, end - at, final, &row_bytes)) {
//         case MR_CSV_ROW:   ... csv->fields[0 .. csv->field_count) of the row at `at`; its first
//         line
//                                is csv->row_line ...; break;
//         case MR_CSV_BLANK: break;
//         case MR_CSV_BAD:   ... csv->problem, at byte csv->problem_offset of the row ...; break;
//         case MR_CSV_MORE:  ... read more behind `end`, or stop if final ...; continue;
//         }
//         at += row_bytes;
//     }
//
// What is accepted:
//  - rows end with LF or CRLF, the last one also with the end of the input;
//  - a field that begins with the quote ends with the next quote that is not doubled; delimiters
//  and line ends
//    inside belong to it. Anything but a delimiter or a line end behind the closing quote makes the
//    row bad;
//  - a quote elsewhere in an unquoted field is an ordinary character; spaces belong to the field;
//  - a line with nothing on it is blank, not a row.
// A bad row costs its first physical line only: the splitter goes on with the line behind it, so
// that one stray quote does not swallow a file.
#ifndef MR_CORE_FORMATS_CSV_H
#define MR_CORE_FORMATS_CSV_H

#include "core/formats/span.h"

#define MR_CSV_FIELDS_MAX 4096 // of one row

enum mr_csv_result { MR_CSV_ROW, MR_CSV_BLANK, MR_CSV_BAD, MR_CSV_MORE };

enum mr_csv_problem {
    MR_CSV_PROBLEM_NONE,
    MR_CSV_PROBLEM_AFTER_QUOTE,  // something stands between a closing quote and the next delimiter
    MR_CSV_PROBLEM_UNTERMINATED, // the input ends inside a quoted field
    MR_CSV_PROBLEM_FIELDS,       // more than MR_CSV_FIELDS_MAX fields
};

struct mr_csv_field {
    uint32_t offset; // of its first character from the row's start, quotes excluded
    uint32_t length;
    bool quoted;
    bool doubled; // has doubled quotes inside: see mr_csv_unquote
};

struct mr_csv {
    char delimiter, quote;
    uint64_t line;           // physical line where the next row begins, from 1
    uint64_t row_line;       // where the row returned last begins
    uint32_t problem;        // mr_csv_problem, MR_CSV_BAD
    uint32_t problem_offset; // byte in the row
    unsigned field_count;
    // The row in the making.
    uint32_t scanned;        // bytes looked at
    uint32_t field_start;    // of the field in the making
    uint32_t first_line_end; // behind the first line end inside quotes; 0: none yet
    uint32_t lines_inside;   // line ends inside quotes
    uint8_t state;
    bool doubled;
    struct mr_csv_field fields[MR_CSV_FIELDS_MAX];
};

void mr_csv_init(struct mr_csv *csv, char delimiter, char quote);
// Splits the row that begins at `bytes`. `final`: nothing follows bytes + length. On any answer but
// MR_CSV_MORE, *row_bytes is how far the row reaches, its line end included. MR_CSV_MORE with
// `final` means that no byte was left. At most 4 GiB - 1 of a row can be offered.
enum mr_csv_result mr_csv_next(struct mr_csv *csv, const char *bytes, size_t length, bool final,
                               size_t *row_bytes);
// Gives up the row in the making because it is longer than the caller takes. True: its first
// physical line is *row_bytes long, and the next row begins behind it. False: no line end was found
// yet; the caller drops bytes up to and including the next one. Either way the line is counted.
bool mr_csv_give_up(struct mr_csv *csv, size_t *row_bytes);
// The content of a field with doubled quotes, each pair made one. `out` has room for `length`
// bytes; returns how many were written.
size_t mr_csv_unquote(const char *text, size_t length, char quote, char *out);
// One sentence for MR_CSV_BAD: what was found where, what was expected.
void mr_csv_explain(const struct mr_csv *csv, const char *row, size_t row_bytes, char *out,
                    size_t out_bytes);

#endif
