// SPDX-License-Identifier: Apache-2.0
// Concurrency Kit's ring for one producer and one consumer. Its best: typed through CK_RING_PROTOTYPE, so that
// records stand in the ring itself and their size is known to the compiler; written in place between reserve
// and commit; dequeued by copy, the only way that it has. No batches: each record is published by itself.
#include <ck_ring.h>

#include "bench/peers/peers.h"
#include "bench/peers/shared_pair.h"
#include "cli/pair_loops.h"

// The ring and its buffer, as one channel.
struct channel {
    ck_ring_t ring __attribute__((aligned(MR_FALSE_SHARING_RANGE)));
    uint8_t buffer[] __attribute__((aligned(MR_FALSE_SHARING_RANGE)));
};

#define LOOPS(size)                                                                                \
    struct slot_##size {                                                                           \
        uint64_t words[size / 8];                                                                  \
    };                                                                                             \
    CK_RING_PROTOTYPE(slot_##size, slot_##size)                                                    \
    static inline bool ck_send_##size(void *out, uint32_t bytes, uint64_t sequence,                \
                                      unsigned count, struct mr_pair_side *side)                   \
    {                                                                                              \
        struct channel *channel = out;                                                             \
        struct slot_##size *slots = (void *)channel->buffer, *slot;                                \
        for (unsigned i = 0; i < count; i++) {                                                     \
            while (!(slot = ck_ring_enqueue_reserve_spsc_slot_##size(&channel->ring, slots)))      \
                if (!mr_pair_wait_for_space(side))                                                 \
                    return false;                                                                  \
            mr_pair_fill(slot, bytes, sequence + i);                                               \
            ck_ring_enqueue_commit_spsc(&channel->ring);                                           \
        }                                                                                          \
        return true;                                                                               \
    }                                                                                              \
    static inline unsigned ck_receive_##size(void *in, uint32_t bytes, uint64_t sequence,          \
                                             unsigned count_max, struct mr_pair_side *side)        \
    {                                                                                              \
        struct channel *channel = in;                                                              \
        struct slot_##size *slots = (void *)channel->buffer, record;                               \
        unsigned count = 0;                                                                        \
        while (count < count_max &&                                                                \
               CK_RING_DEQUEUE_SPSC(slot_##size, &channel->ring, slots, &record)) {                \
            if (!mr_pair_is_good(&record, bytes, sequence + count)) {                              \
                mr_pair_refuse(side, &record, bytes, sequence + count);                            \
                return count;                                                                      \
            }                                                                                      \
            count++;                                                                               \
        }                                                                                          \
        return count;                                                                              \
    }                                                                                              \
    MR_PAIR_LOOPS(size, ck, ck_send_##size, ck_receive_##size, shared_pair_idle)
LOOPS(8)
MR_PAIR_EACH_SIZE(LOOPS)
#define ROW(bytes) MR_PAIR_LOOPS_ROW(bytes, ck)
static const struct mr_pair_loops loops[] = {ROW(8) MR_PAIR_EACH_SIZE(ROW)};

static int ck_open(void **state, uint32_t record_bytes, struct mr_error *err)
{
    uint32_t slots = mr_pair_slots(record_bytes);
    int code = shared_pair_open(state, sizeof(struct channel) + (size_t)slots * record_bytes,
                                record_bytes, err);
    for (int i = 0; code == MR_OK && i < 2; i++) {
        struct channel *channel = ((struct shared_pair *)*state)->channels[i];
        ck_ring_init(&channel->ring, slots);
    }
    return code;
}

const struct mr_pair_transport mr_peer_ck_ring = {
    .name = "ck_ring",
    .how = "spsc, typed, reserve and commit in place, dequeue by copy; no batches",
    .open = ck_open,
    .join = shared_pair_join,
    .close = shared_pair_close,
    .loops = loops,
    .loops_count = MR_COUNT_OF(loops),
};
