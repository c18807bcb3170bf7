// SPDX-License-Identifier: Apache-2.0
// `merge: time`: of several inputs the record with the least event time is next; of equal ones that of the lower
// input. Each input is taken to be in the order of its event times: where one is not, its records come when they
// are its next. So the merged stream follows from the inputs alone, however fast each of them came, and can be made
// again. The price: nothing is next while an input that has not ended shows nothing.
//
//     struct mr_turn turn;
//     while (mr_merge_next(ahead, readers, count, whole, chain, &turn))
//         ... take from turn.input what mr_turn_has(&turn, record) ...
//     ... wait for turn.input: it is the one that shows nothing; or all have ended ...
//
// Where a source was stopped or has failed the merged stream is cut: what the others have beyond that moment stays in
// their rings. It is the beginning of the whole stream all the same.
#ifndef MR_CONSUMERS_TRANSFORM_MERGE_H
#define MR_CONSUMERS_TRANSFORM_MERGE_H

#include "consumers/transform/lookahead.h"

struct mr_turn {
    unsigned input;
    // The next record of the others: what is before it is still this input's turn.
    int64_t until_ns;
    unsigned until_input;
};

static inline bool mr_is_earlier(int64_t a_ns, unsigned a_input, int64_t b_ns, unsigned b_input)
{
    return a_ns < b_ns || (a_ns == b_ns && a_input < b_input);
}

static inline bool mr_turn_has(const struct mr_turn *turn, const struct mr_record *record)
{
    return mr_is_earlier(record->event_time_ns, turn->input, turn->until_ns, turn->until_input);
}

// whole[i]: the input has been read to its end, and that is its source's own: who was stopped before might still have
// had something to say. False: turn->input shows nothing and is not whole, or is damaged; turn->input == count: all
// have ended.
bool mr_merge_next(struct mr_lookahead *ahead, struct mr_reader *readers, unsigned count,
                   const bool *whole, struct mr_chain *chain, struct mr_turn *turn);

#endif
