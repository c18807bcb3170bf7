// SPDX-License-Identifier: Apache-2.0
#include "tests/support/singlestep_clock.h"

#include <stdint.h>
#include <time.h>
#include <unistd.h>

#define SECOND_NS 1000000000LL
#define HOUR_NS (3600 * SECOND_NS)
#define LOOK_NS 1000000

// Found by the linker only.
int __wrap_clock_gettime(clockid_t clock, struct timespec *out);
int __wrap_clock_nanosleep(clockid_t clock, int flags, const struct timespec *until,
                           struct timespec *left);
void __wrap_mr_clock_setup(void);
pid_t __wrap_getpid(void);

static int64_t now_ns = HOUR_NS;

void singlestep_clock_set(unsigned hour)
{
    now_ns = hour * HOUR_NS;
}

int __wrap_clock_gettime(clockid_t clock, struct timespec *out)
{
    (void)clock;
    now_ns += LOOK_NS;
    *out = (struct timespec){now_ns / SECOND_NS, now_ns % SECOND_NS};
    return 0;
}

// All sleeps are to a moment.
int __wrap_clock_nanosleep(clockid_t clock, int flags, const struct timespec *until,
                           struct timespec *left)
{
    (void)clock, (void)flags, (void)left;
    int64_t until_ns = until->tv_sec * SECOND_NS + until->tv_nsec;
    now_ns = until_ns > now_ns ? until_ns : now_ns;
    return 0;
}

// Ticks are the clock's.
void __wrap_mr_clock_setup(void)
{
}

// Who asks has died or will soon; who lives is told by locks.
pid_t __wrap_getpid(void)
{
    return 1;
}
