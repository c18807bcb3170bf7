// SPDX-License-Identifier: Apache-2.0
// Values out of one JSON text (RFC 8259) by paths that were resolved beforehand, in one pass over
// it.
//
// Concept. A reader is made for a list of paths and used for any number of texts, one after
// another. Each text gives one span per path, in the paths' order: a pointer into the text (or, for
// a string with escapes, into the reader), a length and a kind. Numbers come as they were written.
// The whole text is checked, also what no path asks for: a text that is not JSON, or has something
// behind it, gives no values.
//
// A path is keys joined by dots, with indexes in brackets:
//     id          data.p          data.items[0].x          [2]          a\.b  (one key "a.b"; \\ is
//     \)
// A path that leads through a null, or to nothing, gives MR_SPAN_MISSING. Where a path is met twice
// in one text, the first counts. Half of a surrogate pair ("\ud83d" alone) becomes U+FFFD.
//
//     static const char *const paths[] = {"data.s", "data.p"};
//     struct mr_json_reader *json;
//     mr_json_reader_new(&json, paths, 2, line_bytes_max, &err);
//     struct mr_span values[2];
//     struct mr_json_problem problem;
//     if (!mr_json_reader_read(json, line, length, values, &problem)) ... problem.offset,
//     problem.text ... mr_json_reader_free(json);
//
// No byte outside the text is read. Spans are valid until the next mr_json_reader_read, and as long
// as the text itself.
#ifndef MR_CORE_FORMATS_JSON_H
#define MR_CORE_FORMATS_JSON_H

#include "core/error.h"
#include "core/formats/span.h"

#ifdef __cplusplus
extern "C" {
#endif

#define MR_JSON_PATHS_MAX 256
#define MR_JSON_DEPTH_MAX 256 // of nesting

struct mr_json_reader; // opaque

struct mr_json_problem {
    size_t offset;  // of the byte where it was noticed
    char text[160]; // "found ..., expected ..."
};

// `text_bytes_max`: longest text that will be read. MR_ERR_CONFIG where a path is not one;
// MR_ERR_MEMORY.
int mr_json_reader_new(struct mr_json_reader **json, const char *const *paths, unsigned path_count,
                       size_t text_bytes_max, struct mr_error *err);
void mr_json_reader_free(struct mr_json_reader *json); // NULL is fine
bool mr_json_reader_read(struct mr_json_reader *json, const char *text, size_t length,
                         struct mr_span *values, struct mr_json_problem *problem);

#ifdef __cplusplus
}
#endif
#endif
