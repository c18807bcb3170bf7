// SPDX-License-Identifier: Apache-2.0
// moodycamel::ReaderWriterQueue: records constructed in place with try_emplace, which never allocates, and
// looked at in place with peek and pop. No batches. It allocates its blocks with malloc when it is made; here
// they come from the memory that both processes share.
#include <cstdlib>
#include <new>

static void *shared_allocate(std::size_t bytes);
namespace std
{
inline void *shared_malloc(size_t bytes)
{
    return ::shared_allocate(bytes);
}
} // namespace std
// What else the header includes must not see the other name.
#include <cassert>
#include <chrono>
#include <cstdint>
#include <ctime>
#include <memory>
#include <new>
#include <stdexcept>
#include <type_traits>
#include <utility>

#include <readerwriterqueue/atomicops.h>
#define malloc shared_malloc
#include <readerwriterqueue/readerwriterqueue.h>
#undef malloc

#include "bench/peers/loops.hpp"
#include "bench/peers/shared_pair.h"

namespace
{

// Where the blocks of the queue that is being made go; a queue is never unmade, its memory is.
struct {
    unsigned char *at, *end;
} room;

template <uint32_t Bytes> struct Made : Record<Bytes> {
    explicit Made(uint64_t sequence)
    {
        mr_pair_fill(this->bytes, Bytes, sequence);
    }
};

template <uint32_t Bytes> struct Channel {
    using Queue = moodycamel::ReaderWriterQueue<Made<Bytes>>;

    static inline bool send(void *out, uint32_t, uint64_t sequence, unsigned count,
                            mr_pair_side *side)
    {
        Queue *queue = static_cast<Queue *>(out);
        for (unsigned i = 0; i < count; i++)
            while (!queue->try_emplace(sequence + i))
                if (!mr_pair_wait_for_space(side))
                    return false;
        return true;
    }

    static inline unsigned receive(void *in, uint32_t bytes, uint64_t sequence, unsigned count_max,
                                   mr_pair_side *side)
    {
        Queue *queue = static_cast<Queue *>(in);
        unsigned count = 0;
        const Made<Bytes> *record;
        while (count < count_max && (record = queue->peek())) {
            if (!mr_pair_is_good(record, bytes, sequence + count)) {
                mr_pair_refuse(side, record, bytes, sequence + count);
                return count;
            }
            queue->pop();
            count++;
        }
        return count;
    }
};

#define LOOPS(bytes)                                                                               \
    MR_PAIR_LOOPS(bytes, moodycamel, Channel<bytes>::send, Channel<bytes>::receive,                \
                  shared_pair_idle)
LOOPS(8)
MR_PAIR_EACH_SIZE(LOOPS)
#define ROW(bytes) MR_PAIR_LOOPS_ROW(bytes, moodycamel)
const mr_pair_loops loops[] = {ROW(8) MR_PAIR_EACH_SIZE(ROW)};

template <uint32_t Bytes> int make(void **state, mr_error *err)
{
    using Queue = typename Channel<Bytes>::Queue;
    // The queue rounds up, and each of its blocks has a head and an alignment of its own.
    int code = shared_pair_open(state, 3 * MR_PAIR_CHANNEL_BYTES, Bytes, err);
    for (int i = 0; code == MR_OK && i < 2; i++) {
        auto *memory =
            static_cast<unsigned char *>(static_cast<shared_pair *>(*state)->channels[i]);
        room = {memory + mr_align_up(sizeof(Queue), MR_FALSE_SHARING_RANGE),
                memory + 3 * MR_PAIR_CHANNEL_BYTES};
        try {
            new (memory) Queue(mr_pair_slots(Bytes) - 1);
        } catch (const std::bad_alloc &) {
            shared_pair_close(*state);
            code = mr_fail(err, MR_ERR_MEMORY, "the queue wants more than %u bytes",
                           3 * MR_PAIR_CHANNEL_BYTES);
        }
    }
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

static void *shared_allocate(std::size_t bytes)
{
    unsigned char *memory = room.at;
    bytes = mr_align_up(bytes, MR_FALSE_SHARING_RANGE);
    if (bytes > std::size_t(room.end - room.at))
        return nullptr; // the queue throws std::bad_alloc
    room.at += bytes;
    return memory;
}

const mr_pair_transport mr_peer_moodycamel = {
    "moodycamel", "ReaderWriterQueue, try_emplace, peek and pop in place; no batches",
    open,         shared_pair_join,
    nullptr,      shared_pair_close,
    loops,        MR_COUNT_OF(loops),
};
