// SPDX-License-Identifier: Apache-2.0
#include "ringbuf/bell.h"

#include <limits.h>
#include <linux/futex.h>
#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <unistd.h>

bool mr_bell_is_fenced_by_others;

#ifndef MR_ATOMIC_BUILTIN
void mr_bell_setup(void)
{
    mr_bell_is_fenced_by_others =
        syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED, 0, 0) == 0;
}

bool mr_bell_fence_all(void)
{
    mr_fence_full();
    return syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL_EXPEDITED, 0, 0) == 0;
}
#else // the sanitizer knows no membarrier: every process fences for itself
void mr_bell_setup(void)
{
}

bool mr_bell_fence_all(void)
{
    mr_fence_full();
    return true;
}
#endif

void mr_ring_bell(uint32_t *bell)
{
    mr_add_u32(bell, 1);
    syscall(SYS_futex, bell, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}

void mr_ring_bell_for_room(struct mr_ring *ring, uint64_t read_pos)
{
    // The cursor of before the writer slept, or an older one, which lets the ring look emptier than it is: rung for
    // nothing. It may even stand behind read_pos.
    uint64_t write_pos = mr_load_relaxed_u64(&ring->writer_line->write_pos);
    int64_t used = (int64_t)(write_pos - read_pos);
    if (used <= (int64_t)(ring->capacity - ring->capacity / MR_WAKE_PART))
        mr_ring_bell(&ring->writer_sleep->bell);
}
