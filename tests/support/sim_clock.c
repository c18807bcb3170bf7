// SPDX-License-Identifier: Apache-2.0
// Time of a simulation: what the journal waits for passes at once. Programs that are linked with
// --wrap for both functions have it.
#include "core/clock.h"
#include "tests/support/sim_disk.h"

int64_t __wrap_mr_mono_ns(void);
void __wrap_mr_sleep_until_mono_ns(int64_t mono_ns);

int64_t __wrap_mr_mono_ns(void)
{
    return sim_disk_now()->now_ns;
}

void __wrap_mr_sleep_until_mono_ns(int64_t mono_ns)
{
    struct sim_disk *disk = sim_disk_now();
    disk->now_ns = mono_ns > disk->now_ns ? mono_ns : disk->now_ns;
}
