// SPDX-License-Identifier: Apache-2.0
// Rows and fields as RFC 4180 has them, whole and in pieces of every size.
#include "core/formats/csv.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// Everything the splitter says about a text, one line a row: "1:a|b\n"; quoted fields in brackets.
static void split(const char *text, size_t length, size_t piece, char *out, size_t out_bytes)
{
    struct mr_csv *csv = malloc(sizeof *csv);
    size_t begin = 0, end = piece < length ? piece : length, used = 0, row_bytes;
    char unquoted[4096];
    out[0] = '\0';
    mr_csv_init(csv, ',', '"');
    for (;;) {
        enum mr_csv_result result =
            mr_csv_next(csv, text + begin, end - begin, end == length, &row_bytes);
        if (result == MR_CSV_MORE) {
            if (end == length)
                break;
            end = end + piece < length ? end + piece : length;
            continue;
        }
        used += (size_t)snprintf(out + used, out_bytes - used, "%d:", (int)csv->row_line);
        if (result == MR_CSV_BAD)
            used += (size_t)snprintf(out + used, out_bytes - used, "BAD%u@%u", csv->problem,
                                     csv->problem_offset);
        for (unsigned i = 0; result == MR_CSV_ROW && i < csv->field_count; i++) {
            const struct mr_csv_field *field = &csv->fields[i];
            size_t bytes = mr_csv_unquote(text + begin + field->offset, field->length,
                                          field->doubled ? '"' : '\0', unquoted);
            used += (size_t)snprintf(out + used, out_bytes - used,
                                     field->quoted ? "%s[%.*s]" : "%s%.*s", i ? "|" : "",
                                     (int)bytes, unquoted);
        }
        used +=
            (size_t)snprintf(out + used, out_bytes - used, result == MR_CSV_BLANK ? "BLANK;" : ";");
        begin += row_bytes;
    }
    cr_expect_eq(begin, length, "every byte belongs to a row");
    free(csv);
}

static void expect(const char *text, const char *rows)
{
    char found[8192];
    for (size_t piece = 1; piece <= strlen(text); piece++) {
        split(text, strlen(text), piece, found, sizeof found);
        cr_expect_str_eq(found, rows, "in pieces of %zu: found %s, expected %s", piece, found,
                         rows);
    }
}

Test(csv, plain_rows)
{
    expect("a,b,c\nd,e,f\n", "1:a|b|c;2:d|e|f;");
    expect("a,b\r\nc,d", "1:a|b;2:c|d;");
    expect(",\n,,\n", "1:|;2:||;");
    expect("a, b ,c\n", "1:a| b |c;");
}

Test(csv, quoted_fields)
{
    expect("\"a\",\"b,c\",d\n", "1:[a]|[b,c]|d;");
    expect("\"say \"\"hi\"\"\",x\n", "1:[say \"hi\"]|x;");
    expect("\"\",\"\"\"\"\r\n", "1:[]|[\"];");
    expect("\"a\"", "1:[a];");
    expect("\"a\"\r", "1:[a];");
}

Test(csv, a_quote_inside_an_unquoted_field_is_a_character)
{
    expect("5\" pipe,a\"b\"\n", "1:5\" pipe|a\"b\";");
}

Test(csv, line_ends_inside_quotes_count_as_lines)
{
    expect("a,\"1\n2\r\n3\",b\nc\n", "1:a|[1\n2\r\n3]|b;4:c;");
}

Test(csv, blank_lines_are_not_rows)
{
    expect("a\n\n\r\nb\n\"\"\n", "1:a;2:BLANK;3:BLANK;4:b;5:[];");
}

Test(csv, text_behind_a_closing_quote_costs_its_line_only)
{
    expect("\"a\"x,b\nc,d\n", "1:BAD1@3;2:c|d;");
    expect("\"a\nb\"x\nc\n", "1:BAD1@5;2:b\"x;3:c;");
    expect("\"a\"\rx\n", "1:BAD1@3;");
}

Test(csv, a_quote_that_is_never_closed_costs_its_line_only)
{
    expect("a,\"b\nc,d\ne,f", "1:BAD2@2;2:c|d;3:e|f;");
    expect("\"", "1:BAD2@0;");
}

Test(csv, too_many_fields)
{
    size_t length = MR_CSV_FIELDS_MAX + 1;
    char *text = malloc(length + 4), found[64];
    memset(text, ',', length);
    memcpy(text + length, "\na\n", 4);
    split(text, length + 3, 1000, found, sizeof found);
    cr_expect_str_eq(found, "1:BAD3@4096;2:a;");
    free(text);
}

Test(csv, giving_up_a_row)
{
    struct mr_csv *csv = malloc(sizeof *csv);
    size_t bytes = 0;
    mr_csv_init(csv, ',', '"');
    cr_expect_eq(mr_csv_next(csv, "\"a\nbc", 5, false, &bytes), MR_CSV_MORE);
    cr_expect(mr_csv_give_up(csv, &bytes));
    cr_expect_eq(bytes, 3);
    cr_expect_eq(csv->line, 2);
    cr_expect_eq(mr_csv_next(csv, "bc", 2, false, &bytes), MR_CSV_MORE);
    cr_expect_not(mr_csv_give_up(csv, &bytes), "no line end was seen");
    cr_expect_eq(csv->row_line, 2);
    free(csv);
}

Test(csv, sentences)
{
    struct mr_csv *csv = malloc(sizeof *csv);
    char text[200];
    size_t bytes;
    mr_csv_init(csv, ';', '\'');
    cr_expect_eq(mr_csv_next(csv, "a;'b'c\n", 7, true, &bytes), MR_CSV_BAD);
    mr_csv_explain(csv, "a;'b'c\n", 7, text, sizeof text);
    cr_expect_str_eq(text, "column 2: found 'c' at byte 5 behind the closing quote, expected ';' "
                           "or the end of the line");
    free(csv);
}
