// SPDX-License-Identifier: Apache-2.0
#include "core/clock.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define SECOND_NS 1000000000LL
#define CALIBRATION_NS 2000000LL

bool mr_tick_is_cpu_counter = false;
double mr_ns_per_tick = 1.0;

static int64_t read_clock_ns(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (int64_t)now.tv_sec * SECOND_NS + now.tv_nsec;
}

int64_t mr_mono_ns(void)
{
    return read_clock_ns(CLOCK_MONOTONIC);
}

int64_t mr_wall_ns(void)
{
    return read_clock_ns(CLOCK_REALTIME);
}

uint64_t mr_tick_fallback(void)
{
    return (uint64_t)mr_mono_ns();
}

void mr_sleep_until_mono_ns(int64_t mono_ns)
{
    struct timespec until = {.tv_sec = mono_ns / SECOND_NS, .tv_nsec = mono_ns % SECOND_NS};
    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
}

// The kernel trusts the counter as its own clock source only where it is invariant and agrees
// between cores, so its choice is ours. Every process of a host reads the same answer.
#if defined(__x86_64__)
static bool cpu_counter_is_invariant(void)
{
    char line[4096];
    bool constant = false;
    FILE *cpuinfo = fopen("/proc/cpuinfo", "re");
    if (!cpuinfo)
        return false;
    while (!constant && fgets(line, sizeof line, cpuinfo))
        if (strncmp(line, "flags", 5) == 0)
            constant = strstr(line, " constant_tsc") && strstr(line, " nonstop_tsc");
    fclose(cpuinfo);
    return constant;
}

static double measure_ns_per_tick(void)
{
    // A reading of the clock between two of the counter; the narrowest of several is taken at each
    // end.
    uint64_t best_width = UINT64_MAX, tick_at[2] = {0};
    int64_t ns_at[2] = {0};
    for (int end = 0; end < 2; end++) {
        best_width = UINT64_MAX;
        for (int i = 0; i < 20; i++) {
            uint64_t before = __builtin_ia32_rdtsc();
            int64_t now_ns = mr_mono_ns();
            uint64_t after = __builtin_ia32_rdtsc();
            if (after - before < best_width) {
                best_width = after - before;
                tick_at[end] = before + (after - before) / 2;
                ns_at[end] = now_ns;
            }
        }
        if (end == 0)
            while (mr_mono_ns() - ns_at[0] < CALIBRATION_NS)
                __builtin_ia32_pause();
    }
    return (double)(ns_at[1] - ns_at[0]) / (double)(tick_at[1] - tick_at[0]);
}

void mr_clock_setup(void)
{
    if (mr_tick_is_cpu_counter || !cpu_counter_is_invariant())
        return;
    mr_ns_per_tick = measure_ns_per_tick();
    mr_tick_is_cpu_counter = true;
}
#elif defined(__aarch64__)
void mr_clock_setup(void)
{
    // The generic timer's counter is one for all cores and says its own rate.
    uint64_t hz;
    __asm__ volatile("mrs %0, cntfrq_el0" : "=r"(hz));
    if (hz == 0)
        return;
    mr_ns_per_tick = 1e9 / (double)hz;
    mr_tick_is_cpu_counter = true;
}
#else
void mr_clock_setup(void)
{
}
#endif
