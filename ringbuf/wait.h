// SPDX-License-Identifier: Apache-2.0
// What a side does when it has nothing to do.
//   spin   looks again at once: lowest latency, needs a core of its own
//   yield  gives the core away and looks again
//   park   sleeps on the ring's futex until the other side rings (or a timeout passes)
//   auto   spins while there is a core to spare for it, then yields, then parks: with fewer cores
//   than
//          busy stages it never lets a spinner keep a stage with work from running
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

struct mr_wait {
    enum mr_wait_strategy strategy;
    uint32_t spins_max;  // auto: looks before the first yield
    uint32_t yields_max; // auto: yields before the first park
    uint32_t rounds;     // looks in vain since the last reset
    uint64_t parks;      // for the metrics
};

// `busy_processes`: how many processes of this pipeline want a core at the same time.
void mr_wait_setup(struct mr_wait *wait, enum mr_wait_strategy strategy, unsigned busy_processes);
static inline void mr_wait_reset(struct mr_wait *wait)
{
    wait->rounds = 0;
}
// One step of waiting: returns after a look, a yield, a wake-up or timeout_ns, whichever the
// strategy says is next. The caller looks for work again and calls again. Of the readers, the first
// 8 can wake a sleeper.
void mr_wait_for_data(struct mr_wait *wait, struct mr_reader *const *readers, unsigned count,
                      int64_t timeout_ns);
void mr_wait_for_space(struct mr_wait *wait, struct mr_writer *writer, uint32_t length,
                       int64_t timeout_ns);
// Cores this process may run on: affinity mask and cgroup quota, at least 1.
unsigned mr_allowed_cores(void);

#endif
