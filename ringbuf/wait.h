// SPDX-License-Identifier: Apache-2.0
// What a side does when it has nothing to do.
//   spin   looks again at once: lowest latency, needs a core of its own
//   yield  gives the core away and looks again
//   park   sleeps on the ring's futex until the other side rings (or a timeout passes)
//   auto   learns how long waits last. Where they are short it stays awake, for a sleep would cost each
//          record more than it saves: it spins on a core of its own, and yields on one that others of
//          the pipeline want, too, so that it never keeps a stage with work from running. Where waits are
//          long it sleeps at once.
//
//     struct mr_wait wait;
//     mr_wait_setup(&wait, MR_WAIT_AUTO, stages);
//     for (;;) {
//         if (work()) { mr_wait_reset(&wait); continue; }
//         mr_wait_for_data(&wait, readers, count, timeout_ns);
//     }
#ifndef MR_RINGBUF_WAIT_H
#define MR_RINGBUF_WAIT_H

#include "ringbuf/reader.h"
#include "ringbuf/writer.h"

enum mr_wait_strategy { MR_WAIT_SPIN, MR_WAIT_YIELD, MR_WAIT_PARK, MR_WAIT_AUTO };

// Who else of the pipeline wants the core that a stage waits on.
enum mr_core_share {
    MR_CORE_OWN,    // nobody: to look costs nobody anything
    MR_CORE_SHARED, // another stage, or the stages are more than the cores
    MR_CORE_METERED, // time is rationed (a quota of cores below the stages): what is burnt is missing
};

// auto stays awake while waits of late were not longer than this on average: a sleeper is back 5 to 50 us
// after it was rung for, which is little beside a longer wait.
#define MR_WAIT_TYPICAL_NS_MAX 200000
// Among short waits it gives one so long before it sleeps. A core that was taken away for a moment makes
// for such a wait, and to come back from a sleep onto a shared core can take a time slice.
#define MR_WAIT_PATIENCE_NS 1000000

struct mr_wait {
    enum mr_wait_strategy strategy;
    enum mr_core_share share;
    uint64_t begun_tick; // of the wait at hand; 0: none
    int64_t keep_ns;     // how long a shared core is kept while there is something to do
    uint64_t given_tick; // when it was given away last
    uint64_t last_tick;  // of the last step, about when it ended
    int64_t typical_ns;  // auto: how long waits lasted of late
    uint32_t looks;      // in vain, since the start
    uint64_t parks;      // for the metrics
};

// `busy_processes`: how many processes of this pipeline want a core at the same time; what they share
// is found from the cores that this process may use. Who knows better sets wait->share afterwards.
void mr_wait_setup(struct mr_wait *wait, enum mr_wait_strategy strategy, unsigned busy_processes);
// One step of waiting: returns after some looks, a yield, a wake-up or timeout_ns, whichever the
// strategy says is next. The caller looks for work again and calls again. Of the readers, the first
// 8 can wake a sleeper.
void mr_wait_for_data(struct mr_wait *wait, struct mr_reader *const *readers, unsigned count,
                      int64_t timeout_ns);
void mr_wait_for_space(struct mr_wait *wait, struct mr_writer *writer, uint32_t length,
                       int64_t timeout_ns);
// How many cores this process can keep busy (core/cores.h), at least 1.
unsigned mr_allowed_cores(void);
// Until that moment of CLOCK_MONOTONIC, which is known beforehand.
void mr_wait_until(struct mr_wait *wait, int64_t mono_ns);

// For one that has published just now: on a shared core the others have a turn at once where its next work
// is not due soon (mono_ns; 0: it is), else when it has had the core for keep_ns.
void mr_wait_give_way(struct mr_wait *wait, int64_t mono_ns);

// ---- the decisions, pure
// What a wait that has lasted so long goes on with: MR_WAIT_SPIN, MR_WAIT_YIELD or MR_WAIT_PARK.
enum mr_wait_strategy mr_wait_next(const struct mr_wait *wait, int64_t waited_ns);
// A wait has ended after so long.
void mr_wait_learn(struct mr_wait *wait, int64_t waited_ns);
// How long before a known moment, `left_ns` from now, a sleep is to end: it wakes up late, and what it
// comes early is spun away. 0: as late as can be.
int64_t mr_wait_early_ns(const struct mr_wait *wait, int64_t left_ns);

// There was work: the wait is over.
static inline void mr_wait_reset(struct mr_wait *wait)
{
    if (wait->begun_tick == 0)
        return;
    mr_wait_learn(wait, mr_ticks_to_ns((int64_t)(mr_tick() - wait->begun_tick)));
    wait->begun_tick = 0;
}

#endif
