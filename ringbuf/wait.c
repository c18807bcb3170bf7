// SPDX-License-Identifier: Apache-2.0
#include "ringbuf/wait.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define SECOND_NS 1000000000LL
#define READERS_MAX 8

// auto, with a core for every busy process: spin about 20 us, then be polite.
#define SPINS_WITH_SPARE_CORES 2000
#define YIELDS_WITH_SPARE_CORES 50
// auto, with fewer: a spinner would keep the process that has work off the core.
#define SPINS_WITHOUT_SPARE_CORES 50
#define YIELDS_WITHOUT_SPARE_CORES 20

static unsigned cgroup_cores(void)
{
    long long quota_us, period_us;
    FILE *file = fopen("/sys/fs/cgroup/cpu.max", "re");
    if (!file)
        return UINT_MAX;
    int found = fscanf(file, "%lld %lld", &quota_us, &period_us);
    fclose(file);
    if (found != 2 || period_us <= 0 || quota_us <= 0)
        return UINT_MAX; // "max": no quota
    long long cores = quota_us / period_us;
    return cores < 1 ? 1 : (unsigned)cores;
}

unsigned mr_allowed_cores(void)
{
    cpu_set_t set;
    unsigned allowed = 1;
    if (sched_getaffinity(0, sizeof set, &set) == 0)
        allowed = (unsigned)CPU_COUNT(&set);
    unsigned quota = cgroup_cores();
    return allowed < quota ? allowed : quota;
}

void mr_wait_setup(struct mr_wait *wait, enum mr_wait_strategy strategy, unsigned busy_processes)
{
    bool spare = mr_allowed_cores() >= busy_processes;
    *wait = (struct mr_wait){
        .strategy = strategy,
        .spins_max = spare ? SPINS_WITH_SPARE_CORES : SPINS_WITHOUT_SPARE_CORES,
        .yields_max = spare ? YIELDS_WITH_SPARE_CORES : YIELDS_WITHOUT_SPARE_CORES,
    };
}

// What this step of waiting is.
static enum mr_wait_strategy next_step(struct mr_wait *wait)
{
    if (wait->strategy != MR_WAIT_AUTO)
        return wait->strategy;
    uint32_t round = wait->rounds++;
    if (round < wait->spins_max)
        return MR_WAIT_SPIN;
    if (round < wait->spins_max + wait->yields_max)
        return MR_WAIT_YIELD;
    wait->rounds = wait->spins_max + wait->yields_max; // stay parked until there is work
    return MR_WAIT_PARK;
}

// ---- the sleeper's half of the futex; the other is in ringbuf/bell.c

static void sleep_on_one(uint32_t *bell, uint32_t seen, int64_t timeout_ns)
{
    struct timespec timeout = {timeout_ns / SECOND_NS, timeout_ns % SECOND_NS};
    syscall(SYS_futex, bell, FUTEX_WAIT, seen, &timeout, NULL, 0);
}

// futex_waitv (Linux 5.16) sleeps on several words; older kernels sleep on the first, and not for
// long.
static void sleep_on_several(struct mr_reader *const *readers, const uint32_t *seen, unsigned count,
                             int64_t timeout_ns)
{
#ifdef SYS_futex_waitv
    struct futex_waitv waiters[READERS_MAX];
    struct timespec until;
    memset(waiters, 0, sizeof waiters);
    for (unsigned i = 0; i < count; i++) {
        waiters[i].val = seen[i];
        waiters[i].uaddr = (uintptr_t)&readers[i]->ring->reader_sleep->bell;
        waiters[i].flags = FUTEX_32;
    }
    clock_gettime(CLOCK_MONOTONIC, &until);
    int64_t until_ns = until.tv_sec * SECOND_NS + until.tv_nsec + timeout_ns;
    until = (struct timespec){until_ns / SECOND_NS, until_ns % SECOND_NS};
    if (syscall(SYS_futex_waitv, waiters, count, 0, &until, CLOCK_MONOTONIC) >= 0 ||
        errno != ENOSYS)
        return;
#endif
    sleep_on_one(&readers[0]->ring->reader_sleep->bell, seen[0],
                 (int64_t)mr_min_u64((uint64_t)timeout_ns, SECOND_NS / 1000));
}

static bool has_news(struct mr_reader *reader)
{
    return mr_peek_bytes(reader) > 0 || reader->corrupt ||
           mr_load_acquire_u32(&reader->ring->writer_line->closed) == 1;
}

static void park_readers(struct mr_reader *const *readers, unsigned count, int64_t timeout_ns)
{
    uint32_t seen[READERS_MAX];
    bool news = false;
    for (unsigned i = 0; i < count; i++) {
        struct mr_ring_reader_sleep *sleep = readers[i]->ring->reader_sleep;
        seen[i] = mr_load_acquire_u32(&sleep->bell);
        mr_store_relaxed_u32(&sleep->asleep, 1);
    }
    mr_fence_full(); // pairs with the one in ring_bell
    // A closed ring that is read out has no more news for us; it does not keep the others from
    // sleeping.
    for (unsigned i = 0; i < count; i++)
        news |= count == 1 ? has_news(readers[i]) : mr_peek_bytes(readers[i]) > 0;
    if (!news && count == 1)
        sleep_on_one(&readers[0]->ring->reader_sleep->bell, seen[0], timeout_ns);
    else if (!news && count > 1)
        sleep_on_several(readers, seen, count, timeout_ns);
    for (unsigned i = 0; i < count; i++)
        mr_store_relaxed_u32(&readers[i]->ring->reader_sleep->asleep, 0);
}

void mr_wait_for_data(struct mr_wait *wait, struct mr_reader *const *readers, unsigned count,
                      int64_t timeout_ns)
{
    switch (next_step(wait)) {
    case MR_WAIT_SPIN:
        mr_cpu_relax();
        break;
    case MR_WAIT_YIELD:
        sched_yield();
        break;
    default:
        wait->parks++;
        park_readers(readers, count < READERS_MAX ? count : READERS_MAX, timeout_ns);
    }
}

static void park_writer(struct mr_writer *writer, uint32_t length, int64_t timeout_ns)
{
    struct mr_ring_writer_sleep *sleep = writer->ring->writer_sleep;
    uint32_t seen = mr_load_acquire_u32(&sleep->bell);
    mr_store_relaxed_u32(&sleep->asleep, 1);
    mr_fence_full(); // pairs with the one in ring_bell
    // A claim that succeeds now is given back: the caller claims again.
    if (mr_claim(writer, length))
        mr_abort(writer);
    else
        sleep_on_one(&sleep->bell, seen, timeout_ns);
    mr_store_relaxed_u32(&sleep->asleep, 0);
}

void mr_wait_for_space(struct mr_wait *wait, struct mr_writer *writer, uint32_t length,
                       int64_t timeout_ns)
{
    switch (next_step(wait)) {
    case MR_WAIT_SPIN:
        mr_cpu_relax();
        break;
    case MR_WAIT_YIELD:
        sched_yield();
        break;
    default:
        wait->parks++;
        park_writer(writer, length, timeout_ns);
    }
}
