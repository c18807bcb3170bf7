// SPDX-License-Identifier: Apache-2.0
// DPDK's ring for one producer and one consumer, set up with rte_ring_init in shared memory: it needs neither
// the environment layer nor huge pages. Two ways of use, both with whole records as elements:
//
//   rte_ring             elements copied in and out (rte_ring_elem.h): one by one, or in bursts
//   rte_ring zero-copy   elements written and read in place between start and finish (rte_ring_peek_zc.h)
#define ALLOW_EXPERIMENTAL_API 1 // rte_ring_peek_zc.h
#include <rte_ring_elem.h>
#include <rte_ring_peek_zc.h>

#include "bench/peers/peers.h"
#include "bench/peers/shared_pair.h"
#include "cli/pair_loops.h"

#define STAGED_BYTES_MAX (MR_PAIR_BATCH * 4096)

static uint8_t staged[STAGED_BYTES_MAX] __attribute__((aligned(MR_CACHE_LINE)));
static uint8_t taken[STAGED_BYTES_MAX] __attribute__((aligned(MR_CACHE_LINE)));

// Checks `count` records that stand one behind the other; the number of good ones.
MR_PAIR_INLINE unsigned check_row(const uint8_t *records, uint32_t bytes, uint64_t sequence,
                                  unsigned count, struct mr_pair_side *side)
{
    for (unsigned i = 0; i < count; i++)
        if (MR_UNLIKELY(!mr_pair_is_good(records + (size_t)i * bytes, bytes, sequence + i))) {
            mr_pair_refuse(side, records + (size_t)i * bytes, bytes, sequence + i);
            return i;
        }
    return count;
}

// ---- copied

MR_PAIR_INLINE bool copied_send(void *out, uint32_t bytes, uint64_t sequence, unsigned count,
                                struct mr_pair_side *side)
{
    for (unsigned i = 0; i < count; i++)
        mr_pair_fill(staged + (size_t)i * bytes, bytes, sequence + i);
    if (count == 1) {
        while (rte_ring_sp_enqueue_elem(out, staged, bytes) != 0)
            if (!mr_pair_wait_for_space(side))
                return false;
        return true;
    }
    for (unsigned sent = 0; sent < count;) {
        unsigned more = rte_ring_sp_enqueue_burst_elem(out, staged + (size_t)sent * bytes, bytes,
                                                       count - sent, NULL);
        sent += more;
        if (more == 0 && !mr_pair_wait_for_space(side))
            return false;
    }
    return true;
}

MR_PAIR_INLINE unsigned copied_receive(void *in, uint32_t bytes, uint64_t sequence,
                                       unsigned count_max, struct mr_pair_side *side)
{
    unsigned count = count_max == 1
                         ? rte_ring_sc_dequeue_elem(in, taken, bytes) == 0
                         : rte_ring_sc_dequeue_burst_elem(in, taken, bytes, count_max, NULL);
    return check_row(taken, bytes, sequence, count, side);
}

// ---- in place

MR_PAIR_INLINE bool zero_copy_send(void *out, uint32_t bytes, uint64_t sequence, unsigned count,
                                   struct mr_pair_side *side)
{
    struct rte_ring_zc_data room;
    for (unsigned sent = 0; sent < count;) {
        unsigned more = rte_ring_enqueue_zc_burst_elem_start(out, bytes, count - sent, &room, NULL);
        if (more == 0) {
            if (!mr_pair_wait_for_space(side))
                return false;
            continue;
        }
        for (unsigned i = 0; i < more; i++) {
            uint8_t *slot = i < room.n1 ? (uint8_t *)room.ptr1 + (size_t)i * bytes
                                        : (uint8_t *)room.ptr2 + (size_t)(i - room.n1) * bytes;
            mr_pair_fill(slot, bytes, sequence + sent + i);
        }
        rte_ring_enqueue_zc_elem_finish(out, more);
        sent += more;
    }
    return true;
}

MR_PAIR_INLINE unsigned zero_copy_receive(void *in, uint32_t bytes, uint64_t sequence,
                                          unsigned count_max, struct mr_pair_side *side)
{
    struct rte_ring_zc_data found;
    unsigned count = rte_ring_dequeue_zc_burst_elem_start(in, bytes, count_max, &found, NULL);
    if (count == 0)
        return 0;
    unsigned good = check_row(found.ptr1, bytes, sequence, found.n1, side);
    if (good == found.n1 && good < count)
        good += check_row(found.ptr2, bytes, sequence + good, count - good, side);
    rte_ring_dequeue_zc_elem_finish(in, count);
    return good;
}

#define COPIED_LOOPS(bytes)                                                                        \
    MR_PAIR_LOOPS(bytes, copied, copied_send, copied_receive, shared_pair_idle)
#define ZERO_COPY_LOOPS(bytes)                                                                     \
    MR_PAIR_LOOPS(bytes, zero_copy, zero_copy_send, zero_copy_receive, shared_pair_idle)
COPIED_LOOPS(8)
MR_PAIR_EACH_SIZE(COPIED_LOOPS)
ZERO_COPY_LOOPS(8)
MR_PAIR_EACH_SIZE(ZERO_COPY_LOOPS)
#define COPIED_ROW(bytes) MR_PAIR_LOOPS_ROW(bytes, copied)
#define ZERO_COPY_ROW(bytes) MR_PAIR_LOOPS_ROW(bytes, zero_copy)
static const struct mr_pair_loops copied_loops[] = {COPIED_ROW(8) MR_PAIR_EACH_SIZE(COPIED_ROW)};
static const struct mr_pair_loops zero_copy_loops[] = {ZERO_COPY_ROW(8)
                                                           MR_PAIR_EACH_SIZE(ZERO_COPY_ROW)};

static int rte_open(void **state, uint32_t record_bytes, struct mr_error *err)
{
    uint32_t slots = mr_pair_slots(record_bytes);
    ssize_t bytes = rte_ring_get_memsize_elem(record_bytes, slots);
    if (bytes < 0)
        return mr_fail(err, MR_ERR_LIMIT, "rte_ring takes no %u elements of %u bytes", slots,
                       record_bytes);
    int code = shared_pair_open(state, (size_t)bytes, record_bytes, err);
    for (int i = 0; code == MR_OK && i < 2; i++) {
        struct rte_ring *ring = ((struct shared_pair *)*state)->channels[i];
        if (rte_ring_init(ring, i ? "back" : "there", slots, RING_F_SP_ENQ | RING_F_SC_DEQ) != 0) {
            shared_pair_close(*state);
            code = mr_fail(err, MR_ERR_INTERNAL, "rte_ring_init failed");
        }
    }
    return code;
}

const struct mr_pair_transport mr_peer_rte_ring = {
    .name = "rte_ring",
    .how = "single producer and consumer, elements copied, bursts for batches",
    .open = rte_open,
    .join = shared_pair_join,
    .close = shared_pair_close,
    .loops = copied_loops,
    .loops_count = MR_COUNT_OF(copied_loops),
};
const struct mr_pair_transport mr_peer_rte_ring_zero_copy = {
    .name = "rte_ring zero-copy",
    .how = "single producer and consumer, elements in place, bursts for batches",
    .open = rte_open,
    .join = shared_pair_join,
    .close = shared_pair_close,
    .loops = zero_copy_loops,
    .loops_count = MR_COUNT_OF(zero_copy_loops),
};
