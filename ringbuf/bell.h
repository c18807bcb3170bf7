// SPDX-License-Identifier: Apache-2.0
// Waking the side that sleeps on a ring (ringbuf/wait.h puts it to sleep). Called after every publish and
// every release; where nobody sleeps it costs a look at a line that nobody writes.
//
// Each side stores something (a cursor, or that it sleeps) and then looks at what the other has stored.
// One of the two must see the other, so the store has to come before the look, which takes a full fence
// on both sides. Sleeping is rare and publishing is not: the sleeper pays for both, with membarrier(2),
// which runs a full fence on every core where a process runs that has registered for it.
#ifndef MR_RINGBUF_BELL_H
#define MR_RINGBUF_BELL_H

#include "core/atomic.h"
#include "ringbuf/ring.h"

// Once per process and before it writes or reads a ring (mr_writer_open and mr_reader_open do it):
// registers for other processes' membarrier. Where the kernel refuses, this process fences at each ring.
void mr_bell_setup(void);
extern bool mr_bell_is_fenced_by_others; // written by mr_bell_setup() only

void mr_ring_bell(uint32_t *bell);
// Whether the other side says that it sleeps, after this side has stored its cursor.
static inline bool mr_ring_finds_asleep(const uint32_t *asleep)
{
    // Orders the cursor's store before the load of the flag. Pairs with mr_bell_fence_all between the
    // sleeper's store of the flag and its last look at the cursor: one of the two sees the other.
    if (MR_LIKELY(mr_bell_is_fenced_by_others))
        mr_fence_compiler();
    else
        mr_fence_full();
    return mr_load_relaxed_u32(asleep) != 0;
}
static inline void mr_ring_wake_reader(struct mr_ring *ring)
{
    if (MR_UNLIKELY(mr_ring_finds_asleep(&ring->reader_sleep->asleep)))
        mr_ring_bell(&ring->reader_sleep->bell);
}

// A writer sleeps because the ring is full. Woken for each record's room it would fill that and sleep again, and a
// reader with much to do would do little but wake it: it is left asleep until an eighth of the ring is free. It has that
// at the latest when all that it has published is released, so it never sleeps on while the reader has nothing to do.
#define MR_WAKE_PART 8
void mr_ring_bell_for_room(struct mr_ring *ring, uint64_t read_pos);
static inline void mr_ring_wake_writer(struct mr_ring *ring, uint64_t read_pos)
{
    if (MR_UNLIKELY(mr_ring_finds_asleep(&ring->writer_sleep->asleep)))
        mr_ring_bell_for_room(ring, read_pos);
}

// The sleeper's half, between storing that it sleeps and its last look. False where the kernel refuses
// to fence for the others: a wake-up may be missed then, so the sleep must be short.
bool mr_bell_fence_all(void);

#endif
