// SPDX-License-Identifier: Apache-2.0
// Well-formed UTF-8 (RFC 3629), one sequence at a time.
#ifndef MR_CORE_FORMATS_UTF8_H
#define MR_CORE_FORMATS_UTF8_H

#include "core/base.h"

#define MR_UTF8_REPLACEMENT "\xef\xbf\xbd" // U+FFFD
#define MR_UTF8_REPLACEMENT_BYTES 3

// Length of the sequence that begins at `at`; 0 where there is none: a stray or missing
// continuation, an overlong form, a surrogate, a code above U+10FFFF. at < end.
static inline size_t mr_utf8_length(const unsigned char *at, const unsigned char *end)
{
    if (at[0] < 0x80)
        return 1;
    if (at[0] < 0xc2 || at[0] > 0xf4)
        return 0;
    size_t length = at[0] < 0xe0 ? 2 : at[0] < 0xf0 ? 3 : 4;
    if ((size_t)(end - at) < length)
        return 0;
    for (size_t i = 1; i < length; i++)
        if ((at[i] & 0xc0) != 0x80)
            return 0;
    bool overlong = (at[0] == 0xe0 && at[1] < 0xa0) || (at[0] == 0xf0 && at[1] < 0x90);
    bool not_text = (at[0] == 0xed && at[1] > 0x9f) || (at[0] == 0xf4 && at[1] > 0x8f);
    return overlong || not_text ? 0 : length;
}

#endif
