// SPDX-License-Identifier: Apache-2.0
// Records of the input, a few of them looked at before their turn, so that the chain can start
// fetching the memory that they will ask for (mr_operator.foresee).
//
//     while ((upcoming = mr_lookahead_next(&ahead, reader, chain)) != NULL)
//         ... upcoming->record, ->length; behind it the input goes on at ->end_pos ...
//
// The reader's own position is that of the last record looked at. What is looked at and not taken
// stays for the next call: it is not released, so it stands. They are looked at a few at a time.
#ifndef MR_CONSUMERS_TRANSFORM_LOOKAHEAD_H
#define MR_CONSUMERS_TRANSFORM_LOOKAHEAD_H

#include "consumers/transform/operator.h"

#define MR_LOOKAHEAD_MAX 64 // a power of two
#define MR_LOOKAHEAD_BURST 4
_Static_assert(MR_FORESIGHT + MR_LOOKAHEAD_BURST <= MR_LOOKAHEAD_MAX, "what is seen has a place");

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

static inline void mr_lookahead_fill(struct mr_lookahead *ahead, struct mr_reader *shared,
                                     const struct mr_chain *chain)
{
    struct mr_reader reader = *shared; // private, so that it can be in registers
    // Without foresight one at a time: nothing is left over, for the reader may be read by others, too.
    unsigned end = ahead->end, more = ahead->depth > 0 ? ahead->depth + MR_LOOKAHEAD_BURST : 1;
    const unsigned last = ahead->first + more;
    for (; end != last; end++) {
        uint32_t length;
        const struct mr_record *record = mr_next(&reader, &length);
        if (record == NULL)
            break;
        ahead->seen[end % MR_LOOKAHEAD_MAX] = (struct mr_upcoming){record, reader.position, length};
        if (ahead->depth > 0)
            mr_chain_foresee(chain, record, length);
    }
    ahead->end = end;
    *shared = reader;
}

static inline bool mr_lookahead_is_empty(const struct mr_lookahead *ahead)
{
    return ahead->first == ahead->end;
}

// The next record, or NULL where there is none now (or the reader is corrupt). Valid until the next call.
static inline const struct mr_upcoming *
mr_lookahead_peek(struct mr_lookahead *ahead, struct mr_reader *reader, struct mr_chain *chain)
{
    if (ahead->end - ahead->first <= ahead->depth)
        mr_lookahead_fill(ahead, reader, chain);
    return mr_lookahead_is_empty(ahead) ? NULL : &ahead->seen[ahead->first % MR_LOOKAHEAD_MAX];
}

// The same, and takes it: its turn has come.
static inline const struct mr_upcoming *
mr_lookahead_next(struct mr_lookahead *ahead, struct mr_reader *reader, struct mr_chain *chain)
{
    const struct mr_upcoming *next = mr_lookahead_peek(ahead, reader, chain);
    ahead->first += next != NULL;
    return next;
}

#endif
