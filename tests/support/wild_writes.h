// SPDX-License-Identifier: Apache-2.0
// Writes whatever into the segments of a run, as a process might that has gone mad or means harm: random
// bytes, flipped bits, huge numbers, neighbours, words from elsewhere, what stood there before. More often than
// chance would have it, into the words that steer.
//
//     struct wild_writes wild;
//     wild_writes_open(&wild, run_directory, seed);
//     for (...) wild_writes_one(&wild);        // maps the segments as they come; false: none is there yet
//     wild_writes_close(&wild);
//
// A segment that has been given up and made anew is followed by wild_writes_look().
#ifndef MR_TESTS_SUPPORT_WILD_WRITES_H
#define MR_TESTS_SUPPORT_WILD_WRITES_H

#include "core/base.h"

#define WILD_SEGMENTS 9 // four rings, three stage pages, two states
#define WILD_KEPT 32    // old values

struct wild_segment {
    char path[320];
    uint8_t *base; // NULL: not there
    size_t bytes;
    unsigned kind; // mr_segment_kind by its name
    uint64_t inode;
};

struct wild_writes {
    uint64_t random;
    struct wild_segment segments[WILD_SEGMENTS];
    uint64_t kept[WILD_KEPT];
    uint64_t writes;  // so far
    unsigned avoided; // a bit per segment that is left alone
};

void wild_writes_open(struct wild_writes *wild, const char *directory, uint64_t seed);
// Maps what has come, or come anew.
void wild_writes_look(struct wild_writes *wild);
bool wild_writes_one(struct wild_writes *wild);
void wild_writes_close(struct wild_writes *wild);

#endif
