// SPDX-License-Identifier: Apache-2.0
#include "ringbuf/wait.h"

#include <errno.h>
#include <linux/futex.h>
#include <sched.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "core/cores.h"
#include "ringbuf/bell.h"

#define SECOND_NS 1000000000LL
#define READERS_MAX 8
#define LOOKS_PER_CHECK 64 // waits in vain; then it is checked whether the ring is damaged

#define LOOKS_PER_STEP 32 // about a microsecond; then the caller beats its heart
#define YIELDS_PER_STEP 4
#define LEARNT_WAITS 8 // the last so many count
// On a shared core: what another one that finds nothing to do takes until the core is back.
#define TURN_OF_OTHERS_NS 4000
#define EARLY_NS_MAX 20000 // a sleep seldom ends later
#define EARLY_PART 256     // but no more than this part of the time is spun away

unsigned mr_allowed_cores(void)
{
    struct mr_cores cores;
    mr_cores_allowed(&cores);
    return mr_cores_usable(&cores);
}

void mr_wait_setup(struct mr_wait *wait, enum mr_wait_strategy strategy, unsigned busy_processes)
{
    struct mr_cores cores;
    mr_cores_allowed(&cores);
    *wait = (struct mr_wait){.strategy = strategy, .share = MR_CORE_OWN};
    if (cores.count < busy_processes)
        wait->share = MR_CORE_SHARED;
    else if (cores.quota < busy_processes)
        wait->share = MR_CORE_METERED;
}

// ---- decisions ----------------------------------------------------------------------------------

enum mr_wait_strategy mr_wait_next(const struct mr_wait *wait, int64_t waited_ns)
{
    if (wait->strategy != MR_WAIT_AUTO)
        return wait->strategy;
    if (wait->share == MR_CORE_METERED || wait->typical_ns > MR_WAIT_TYPICAL_NS_MAX ||
        waited_ns > MR_WAIT_PATIENCE_NS)
        return MR_WAIT_PARK;
    return wait->share == MR_CORE_OWN ? MR_WAIT_SPIN : MR_WAIT_YIELD;
}

void mr_wait_learn(struct mr_wait *wait, int64_t waited_ns)
{
    // One long wait among short ones shall not end staying awake.
    if (waited_ns > MR_WAIT_PATIENCE_NS)
        waited_ns = MR_WAIT_PATIENCE_NS;
    wait->typical_ns += (waited_ns - wait->typical_ns) / LEARNT_WAITS;
}

int64_t mr_wait_early_ns(const struct mr_wait *wait, int64_t left_ns)
{
    if (wait->strategy == MR_WAIT_PARK || wait->share == MR_CORE_METERED)
        return 0;
    int64_t early_ns = left_ns / EARLY_PART;
    return early_ns < EARLY_NS_MAX ? early_ns : EARLY_NS_MAX;
}

// What this step of waiting is.
static enum mr_wait_strategy next_step(struct mr_wait *wait)
{
    uint64_t now_tick = mr_tick();
    if (wait->begun_tick == 0)
        wait->begun_tick = now_tick;
    wait->last_tick = now_tick;
    return mr_wait_next(wait, mr_ticks_to_ns((int64_t)(now_tick - wait->begun_tick)));
}

// ---- the sleeper's half of the futex; the other is in ringbuf/bell.c

// For a sleep whose end may go unheard.
static int64_t brief(int64_t timeout_ns)
{
    return timeout_ns < SECOND_NS / 1000 ? timeout_ns : SECOND_NS / 1000;
}

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
    sleep_on_one(&readers[0]->ring->reader_sleep->bell, seen[0], brief(timeout_ns));
}

static bool has_news(struct mr_reader *reader)
{
    return mr_has_record(reader) || reader->corrupt ||
           mr_load_acquire_u32(&reader->ring->news->closed) == 1;
}

// A closed ring that is read out has no more news for us; it does not keep the others from being waited
// for.
static bool any_has_news(struct mr_reader *const *readers, unsigned count)
{
    bool news = count == 1 && has_news(readers[0]);
    for (unsigned i = 0; i < count && count > 1; i++)
        news |= mr_has_record(readers[i]) || readers[i]->corrupt;
    return news;
}

static void park_readers(struct mr_reader *const *readers, unsigned count, int64_t timeout_ns)
{
    uint32_t seen[READERS_MAX];
    for (unsigned i = 0; i < count; i++) {
        struct mr_ring_reader_sleep *sleep = readers[i]->ring->reader_sleep;
        seen[i] = mr_load_acquire_u32(&sleep->bell);
        mr_store_relaxed_u32(&sleep->asleep, 1);
    }
    // Pairs with the fence in mr_ring_finds_asleep.
    if (!mr_bell_fence_all())
        timeout_ns = brief(timeout_ns);
    bool news = any_has_news(readers, count);
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
    enum mr_wait_strategy step = next_step(wait);
    if (++wait->looks % LOOKS_PER_CHECK == 0)
        for (unsigned i = 0; i < count; i++)
            mr_reader_check(readers[i]);
    if (step == MR_WAIT_PARK) {
        wait->parks++;
        park_readers(readers, count < READERS_MAX ? count : READERS_MAX, timeout_ns);
        wait->last_tick = mr_tick();
        return;
    }
    unsigned looks = step == MR_WAIT_SPIN ? LOOKS_PER_STEP : YIELDS_PER_STEP;
    do {
        if (step == MR_WAIT_SPIN)
            mr_cpu_relax();
        else
            sched_yield();
    } while (--looks > 0 && !any_has_news(readers, count));
}

static void park_writer(struct mr_writer *writer, uint32_t length, int64_t timeout_ns)
{
    struct mr_ring_writer_sleep *sleep = writer->ring->writer_sleep;
    uint32_t seen = mr_load_acquire_u32(&sleep->bell);
    mr_store_relaxed_u32(&sleep->asleep, 1);
    // Pairs with the fence in mr_ring_finds_asleep.
    if (!mr_bell_fence_all())
        timeout_ns = brief(timeout_ns);
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

static void give_core(struct mr_wait *wait)
{
    sched_yield();
    wait->given_tick = mr_tick();
}

static void stay_awake_until(struct mr_wait *wait, int64_t mono_ns)
{
    bool shared = wait->share != MR_CORE_OWN || wait->strategy == MR_WAIT_YIELD;
    for (int64_t left_ns; (left_ns = mono_ns - mr_mono_ns()) > 0;)
        if (shared && left_ns >= TURN_OF_OTHERS_NS)
            give_core(wait);
        else
            mr_cpu_relax();
}

void mr_wait_until(struct mr_wait *wait, int64_t mono_ns)
{
    int64_t left_ns = mono_ns - mr_mono_ns();
    bool sleeps = wait->strategy == MR_WAIT_PARK || wait->share == MR_CORE_METERED ||
                  (wait->strategy == MR_WAIT_AUTO && left_ns > MR_WAIT_TYPICAL_NS_MAX);
    if (sleeps)
        mr_sleep_until_mono_ns(mono_ns - mr_wait_early_ns(wait, left_ns));
    stay_awake_until(wait, mono_ns);
    wait->last_tick = mr_tick();
}

void mr_wait_give_way(struct mr_wait *wait, int64_t mono_ns)
{
    if (wait->strategy != MR_WAIT_AUTO || wait->share != MR_CORE_SHARED)
        return;
    if (mr_ticks_to_ns((int64_t)(mr_tick() - wait->given_tick)) >= wait->keep_ns ||
        (mono_ns != 0 && mono_ns - mr_mono_ns() >= TURN_OF_OTHERS_NS))
        give_core(wait);
}
