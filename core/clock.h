// SPDX-License-Identifier: Apache-2.0
// Three clocks, each for one purpose.
//   mr_tick()      the CPU's counter, for latency only: never for order, recovery or identity.
//   mr_mono_ns()   CLOCK_MONOTONIC, for timeouts, rates and pacing.
//   mr_wall_ns()   CLOCK_REALTIME, ns since the Unix epoch, for ingest times of live sources.
//
// Ticks of all processes of one host agree where the TSC is invariant; where it is not, mr_tick()
// is CLOCK_MONOTONIC in ns and mr_tick_hz() says 1e9. The choice is made once per process, and the
// same on every process of the host, by mr_clock_setup(); it takes under 3 ms.
#ifndef MR_CORE_CLOCK_H
#define MR_CORE_CLOCK_H

#include "core/base.h"

extern bool mr_tick_is_cpu_counter; // written by mr_clock_setup() only
extern double mr_ns_per_tick;

void mr_clock_setup(void);
uint64_t mr_tick_fallback(void);
int64_t mr_mono_ns(void);
int64_t mr_wall_ns(void);
void mr_sleep_until_mono_ns(int64_t mono_ns);

static inline uint64_t mr_tick(void)
{
    if (MR_UNLIKELY(!mr_tick_is_cpu_counter))
        return mr_tick_fallback();
#if defined(__x86_64__)
    return __builtin_ia32_rdtsc();
#elif defined(__aarch64__)
    uint64_t ticks;
    __asm__ volatile("mrs %0, cntvct_el0" : "=r"(ticks));
    return ticks;
#else
    return mr_tick_fallback();
#endif
}

static inline int64_t mr_ticks_to_ns(int64_t ticks)
{
    return (int64_t)((double)ticks * mr_ns_per_tick);
}

#endif
