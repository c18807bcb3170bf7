// SPDX-License-Identifier: Apache-2.0
#include "ringbuf/bell.h"

#include <limits.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/atomic.h"

static void ring_bell(uint32_t *asleep, uint32_t *bell)
{
    // Orders the cursor's store before the load of the flag. Pairs with the full fence between the
    // sleeper's store of the flag and its last look at the cursor: one of the two sees the other.
    mr_fence_full();
    if (MR_LIKELY(mr_load_relaxed_u32(asleep) == 0))
        return;
    mr_add_u32(bell, 1);
    syscall(SYS_futex, bell, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}

void mr_ring_wake_reader(struct mr_ring *ring)
{
    ring_bell(&ring->reader_sleep->asleep, &ring->reader_sleep->bell);
}

void mr_ring_wake_writer(struct mr_ring *ring)
{
    ring_bell(&ring->writer_sleep->asleep, &ring->writer_sleep->bell);
}
