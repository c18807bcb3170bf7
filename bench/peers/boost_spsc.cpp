// SPDX-License-Identifier: Apache-2.0
// boost::lockfree::spsc_queue, its capacity fixed at compile time as its documentation advises for shared
// memory: then it holds no pointer. Records are pushed by copy, in batches with the range overload; taken in
// place with consume_one and, in batches, consume_all.
#include <boost/lockfree/spsc_queue.hpp>
#include <new>

#include "bench/peers/loops.hpp"
#include "bench/peers/shared_pair.h"

namespace
{

constexpr uint32_t slots(uint32_t bytes)
{
    uint32_t count = 1;
    while (count * 2 * uint64_t(bytes) <= MR_PAIR_CHANNEL_BYTES)
        count *= 2;
    return count;
}

template <uint32_t Bytes> struct Spsc {
    using Queue =
        boost::lockfree::spsc_queue<Record<Bytes>, boost::lockfree::capacity<slots(Bytes)>>;
    static inline Record<Bytes> staged[MR_PAIR_BATCH];

    static inline bool send(void *out, uint32_t bytes, uint64_t sequence, unsigned count,
                            mr_pair_side *side)
    {
        Queue *queue = static_cast<Queue *>(out);
        for (unsigned i = 0; i < count; i++)
            mr_pair_fill(&staged[i], bytes, sequence + i);
        if (count == 1) {
            while (!queue->push(staged[0]))
                if (!mr_pair_wait_for_space(side))
                    return false;
            return true;
        }
        for (size_t sent = 0; sent < count;) {
            size_t more = queue->push(staged + sent, count - sent);
            sent += more;
            if (more == 0 && !mr_pair_wait_for_space(side))
                return false;
        }
        return true;
    }

    static inline unsigned receive(void *in, uint32_t bytes, uint64_t sequence, unsigned count_max,
                                   mr_pair_side *side)
    {
        Queue *queue = static_cast<Queue *>(in);
        unsigned good = 0;
        bool bad = false;
        auto check = [&](const Record<Bytes> &record) {
            if (bad)
                return;
            if (mr_pair_is_good(&record, bytes, sequence + good)) {
                good++;
            } else {
                bad = true;
                mr_pair_refuse(side, &record, bytes, sequence + good);
            }
        };
        if (count_max == 1)
            queue->consume_one(check);
        else
            queue->consume_all(check);
        return good;
    }
};

#define LOOPS(bytes)                                                                               \
    MR_PAIR_LOOPS(bytes, boost, Spsc<bytes>::send, Spsc<bytes>::receive, shared_pair_idle)
LOOPS(8)
MR_PAIR_EACH_SIZE(LOOPS)
#define ROW(bytes) MR_PAIR_LOOPS_ROW(bytes, boost)
const mr_pair_loops loops[] = {ROW(8) MR_PAIR_EACH_SIZE(ROW)};

template <uint32_t Bytes> int make(void **state, mr_error *err)
{
    using Queue = typename Spsc<Bytes>::Queue;
    int code = shared_pair_open(state, sizeof(Queue), Bytes, err);
    for (int i = 0; code == MR_OK && i < 2; i++)
        new (static_cast<shared_pair *>(*state)->channels[i]) Queue;
    return code;
}

int open(void **state, uint32_t record_bytes, mr_error *err)
{
    switch (record_bytes) {
#define CASE(bytes)                                                                                \
    case bytes:                                                                                    \
        return make<bytes>(state, err);
        CASE(8)
        MR_PAIR_EACH_SIZE(CASE)
    }
    return mr_fail(err, MR_ERR_INTERNAL,
                   "found records of %u bytes, expected one of the table's sizes", record_bytes);
}

} // namespace

const mr_pair_transport mr_peer_boost_spsc = {
    "boost spsc_queue",
    "fixed capacity, push by copy, consumed in place; ranges for batches",
    open,
    shared_pair_join,
    nullptr,
    shared_pair_close,
    loops,
    MR_COUNT_OF(loops),
};
