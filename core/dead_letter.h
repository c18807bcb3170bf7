// SPDX-License-Identifier: Apache-2.0
// A dead letter: a record that could not be used, whole and with the reason, so that it can be
// looked at, mended and fed in again. Envelope: the source's sequence and event time of what was
// rejected.
//
//   36 reason      char[16]: its name, see core/counts.h
//   52 stage       char[12]: which stage rejected it
//   64 raw_length  of what was rejected; the raw bytes kept are fewer where it is too long
//   68 detail      char[188]: one sentence, what was found and what was expected
//  256 raw         the bytes as they came, to the end of the record
#ifndef MR_CORE_DEAD_LETTER_H
#define MR_CORE_DEAD_LETTER_H

#include "core/schema.h"

#define MR_DEAD_LETTER_ID 90
#define MR_DEAD_LETTER_DETAIL_BYTES 188

struct __attribute__((packed, aligned(4))) mr_dead_letter {
    struct mr_record env;
    char reason[16];
    char stage[12];
    uint32_t raw_length;
    char detail[MR_DEAD_LETTER_DETAIL_BYTES];
    uint8_t raw[];
};
_Static_assert(offsetof(struct mr_dead_letter, reason) == 36, "reason");
_Static_assert(offsetof(struct mr_dead_letter, raw_length) == 64, "raw_length");
_Static_assert(offsetof(struct mr_dead_letter, detail) == 68, "detail");
_Static_assert(offsetof(struct mr_dead_letter, raw) == 256, "raw");

// A new schema each call; the caller owns it (or gives it to a set).
struct mr_schema *mr_dead_letter_schema(void);

#endif
