// SPDX-License-Identifier: Apache-2.0
#include "consumers/transform/merge.h"

bool mr_merge_next(struct mr_lookahead *ahead, struct mr_reader *readers, unsigned count,
                   const bool *whole, struct mr_chain *chain, struct mr_turn *turn)
{
    int64_t first_ns = INT64_MAX;
    *turn = (struct mr_turn){.input = count, .until_ns = INT64_MAX, .until_input = count};
    for (unsigned i = 0; i < count; i++) {
        const struct mr_upcoming *next = mr_lookahead_peek(&ahead[i], &readers[i], chain);
        if (!next && !whole[i]) {
            turn->input = i;
            return false;
        }
        if (!next)
            continue;
        int64_t time_ns = next->record->event_time_ns;
        if (turn->input == count || mr_is_earlier(time_ns, i, first_ns, turn->input)) {
            turn->until_ns = first_ns;
            turn->until_input = turn->input;
            turn->input = i;
            first_ns = time_ns;
        } else if (mr_is_earlier(time_ns, i, turn->until_ns, turn->until_input)) {
            turn->until_ns = time_ns;
            turn->until_input = i;
        }
    }
    return turn->input < count;
}
