// SPDX-License-Identifier: Apache-2.0
// A value as it stands in its input: a pointer into the bytes it was found in, its length, and what
// the format says it is. Nothing is copied or converted: a number is the text that was written, so
// that decimals stay exact. A span is valid as long as the bytes it points into.
#ifndef MR_CORE_FORMATS_SPAN_H
#define MR_CORE_FORMATS_SPAN_H

#include "core/base.h"

enum mr_span_kind {
    MR_SPAN_MISSING,   // the key or the column is not there
    MR_SPAN_NULL,      // JSON null
    MR_SPAN_BARE,      // a CSV value without quotes: text or number, as the field's type wants it
    MR_SPAN_STRING,    // a string, its quotes taken off and its escapes resolved
    MR_SPAN_INTEGER,   // a JSON number without fraction and exponent
    MR_SPAN_REAL,      // any other JSON number
    MR_SPAN_BOOL,      // JSON true or false
    MR_SPAN_CONTAINER, // a JSON object or array, as its text
};

struct mr_span {
    const char *text; // not NUL-terminated; NULL where MISSING
    uint32_t length;
    uint8_t kind; // mr_span_kind
};

#endif
