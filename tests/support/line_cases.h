// SPDX-License-Identifier: Apache-2.0
// Real files of lines, how the lines source is to read them, and what must come of each line: for
// benchmarks of text to records and back.
//
//     struct line_case_content content;
//     if (line_case_load(&line_cases[i], &content)) ... content.text + content.header_bytes ...
//     free(content.text);
#ifndef MR_TESTS_SUPPORT_LINE_CASES_H
#define MR_TESTS_SUPPORT_LINE_CASES_H

#include "tests/support/line_reference.h"
#include "tests/support/producer_fixture.h"

struct line_case {
    const char *name, *sample;
    const char *unpack; // shell command that writes the lines of "$1"
    bool has_header;
    const char *source; // the source's options in the pipeline file, without its path
    const char *schema; // "time:" and "fields:"
    struct line_reference reference;
};

#define LINE_CASE_COUNT 8
extern const struct line_case line_cases[LINE_CASE_COUNT];

struct line_case_content {
    char *text; // as unpacked, header and all; NUL-ended; the caller frees it
    size_t bytes, header_bytes;
    uint64_t lines; // below the header
};

// False, said on stderr, where the sample is not there. Ends the program where it is damaged.
bool line_case_load(const struct line_case *what, struct line_case_content *content);
// Opens the lines source on this file; ends the program where that fails.
void line_case_open(const struct line_case *what, const char *path,
                    struct producer_fixture *fixture);

#endif
