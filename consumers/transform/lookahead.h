// SPDX-License-Identifier: Apache-2.0
// Records of the input, a few of them looked at before their turn, so that the chain can start
// fetching the memory that they will ask for (mr_operator.foresee).
//
//     while ((upcoming = mr_lookahead_next(&ahead, reader, chain)) != NULL)
//         ... upcoming->record, ->length; behind it the input goes on at ->end_pos ...
//
// The reader's own position is that of the last record looked at. What is looked at and not taken
// stays for the next call: it is not released, so it stands.
#ifndef MR_CONSUMERS_TRANSFORM_LOOKAHEAD_H
#define MR_CONSUMERS_TRANSFORM_LOOKAHEAD_H

#include "consumers/transform/operator.h"

#define MR_LOOKAHEAD_MAX 64 // a power of two

struct mr_upcoming {
    const struct mr_record *record;
    uint64_t end_pos;
    uint32_t length;
};

struct mr_lookahead {
    struct mr_upcoming seen[MR_LOOKAHEAD_MAX];
    unsigned first, end; // modulo 2^32
    unsigned depth;      // how many to look ahead; 0: as much as there is no use of it
};

// The next record in its turn, or NULL where there is none now (or the reader is corrupt). Valid until
// the next call.
static inline const struct mr_upcoming *
mr_lookahead_next(struct mr_lookahead *ahead, struct mr_reader *reader, struct mr_chain *chain)
{
    while (ahead->end - ahead->first <= ahead->depth) {
        struct mr_upcoming *fresh = &ahead->seen[ahead->end % MR_LOOKAHEAD_MAX];
        fresh->record = mr_next(reader, &fresh->length);
        if (fresh->record == NULL)
            break;
        fresh->end_pos = reader->position;
        ahead->end++;
        if (ahead->depth > 0)
            mr_chain_foresee(chain, fresh->record, fresh->length);
    }
    if (ahead->first == ahead->end)
        return NULL;
    return &ahead->seen[ahead->first++ % MR_LOOKAHEAD_MAX];
}

#endif
