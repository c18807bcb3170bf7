// SPDX-License-Identifier: Apache-2.0
// Writes one JSON document (RFC 8259) into memory: status objects, not record streams. Commas,
// quotes, escapes and indentation are its business; the caller only opens, names and closes.
//
//     struct mr_json json;
//     mr_json_init(&json, 2);
//     mr_json_open(&json, NULL, '{');
//     mr_json_text(&json, "name", "itch");
//     mr_json_open(&json, "files", '[');
//     mr_json_text(&json, NULL, "a.csv");
//     mr_json_close(&json);
//     mr_json_close(&json);
//     fputs(mr_json_finish(&json), stdout);
//     mr_json_free(&json);
//
// `key` is NULL inside a list and for the document itself. Text that is not UTF-8 comes out with
// U+FFFD in place of each byte that does not belong; numbers that JSON does not have (infinite, not
// a number) as null.
#ifndef MR_CORE_FORMATS_JSON_OUT_H
#define MR_CORE_FORMATS_JSON_OUT_H

#include "core/base.h"

#define MR_JSON_DEPTH_MAX 16

struct mr_json {
    char *bytes; // owned, NUL-ended
    size_t length, room;
    unsigned indent; // spaces a level; 0: everything on one line
    unsigned depth;
    char closer[MR_JSON_DEPTH_MAX];
    bool filled[MR_JSON_DEPTH_MAX]; // something was written on this level
};

void mr_json_init(struct mr_json *json, unsigned indent);
void mr_json_open(struct mr_json *json, const char *key, char bracket); // '{' or '['
void mr_json_close(struct mr_json *json);
void mr_json_text(struct mr_json *json, const char *key, const char *text); // NULL: null
void mr_json_u64(struct mr_json *json, const char *key, uint64_t value);
void mr_json_i64(struct mr_json *json, const char *key, int64_t value);
void mr_json_real(struct mr_json *json, const char *key, double value);
void mr_json_bool(struct mr_json *json, const char *key, bool value);
// The document, with a final newline; everything opened must be closed.
const char *mr_json_finish(struct mr_json *json);
void mr_json_free(struct mr_json *json);

#endif
