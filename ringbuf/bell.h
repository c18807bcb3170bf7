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
static inline void mr_ring_bell_if(const uint32_t *asleep, uint32_t *bell)
{
    // Orders the cursor's store before the load of the flag. Pairs with mr_bell_fence_all between the
    // sleeper's store of the flag and its last look at the cursor: one of the two sees the other.
    if (MR_LIKELY(mr_bell_is_fenced_by_others))
        mr_fence_compiler();
    else
        mr_fence_full();
    if (MR_UNLIKELY(mr_load_relaxed_u32(asleep) != 0))
        mr_ring_bell(bell);
}
static inline void mr_ring_wake_reader(struct mr_ring *ring)
{
    mr_ring_bell_if(&ring->reader_sleep->asleep, &ring->reader_sleep->bell);
}
static inline void mr_ring_wake_writer(struct mr_ring *ring)
{
    mr_ring_bell_if(&ring->writer_sleep->asleep, &ring->writer_sleep->bell);
}

// The sleeper's half, between storing that it sleeps and its last look. False where the kernel refuses
// to fence for the others: a wake-up may be missed then, so the sleep must be short.
bool mr_bell_fence_all(void);

#endif
