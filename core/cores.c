// SPDX-License-Identifier: Apache-2.0
#include "core/cores.h"

#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>

#define CGROUP_ROOT "/sys/fs/cgroup"

static bool read_line(const char *path, char *line, int line_bytes)
{
    FILE *file = fopen(path, "re");
    if (!file)
        return false;
    bool found = fgets(line, line_bytes, file) != NULL;
    fclose(file);
    return found;
}

unsigned mr_cores_quota_of(const char *cpu_max)
{
    long long quota_us, period_us;
    if (sscanf(cpu_max, "%lld %lld", &quota_us, &period_us) != 2 || period_us <= 0 || quota_us <= 0)
        return UINT_MAX; // "max 100000"
    long long cores = quota_us / period_us;
    return cores < 1 ? 1 : cores > UINT_MAX ? UINT_MAX : (unsigned)cores;
}

// "0::/a/b" in /proc/self/cgroup. In a container that is mostly "0::/", its own group being the root it
// sees.
static void own_group(char *group, size_t group_bytes)
{
    char line[PATH_MAX];
    FILE *file = fopen("/proc/self/cgroup", "re");
    group[0] = '\0';
    while (file && fgets(line, sizeof line, file))
        if (strncmp(line, "0::", 3) == 0)
            snprintf(group, group_bytes, "%.*s", (int)strcspn(line + 3, "\n"), line + 3);
    if (file)
        fclose(file);
}

// The least that the group or one of those above it grants.
static unsigned find_quota(void)
{
    char group[PATH_MAX], path[PATH_MAX + 64], line[64];
    unsigned least = UINT_MAX;
    own_group(group, sizeof group);
    for (;;) {
        snprintf(path, sizeof path, CGROUP_ROOT "%s/cpu.max", group);
        unsigned quota = read_line(path, line, sizeof line) ? mr_cores_quota_of(line) : UINT_MAX;
        least = quota < least ? quota : least;
        char *slash = strrchr(group, '/');
        if (!slash)
            return least;
        *slash = '\0';
    }
}

// "0,32" or "0-1": the first is the lowest.
static uint16_t physical_of(int cpu)
{
    char path[96], line[64];
    unsigned first;
    snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu%d/topology/thread_siblings_list", cpu);
    if (read_line(path, line, sizeof line) && sscanf(line, "%u", &first) == 1 &&
        first < MR_CORES_MAX)
        return (uint16_t)first;
    return (uint16_t)cpu;
}

void mr_cores_allowed(struct mr_cores *out)
{
    cpu_set_t set;
    *out = (struct mr_cores){.quota = find_quota()};
    if (sched_getaffinity(0, sizeof set, &set) < 0) {
        CPU_ZERO(&set);
        CPU_SET(0, &set);
    }
    for (int cpu = 0; cpu < CPU_SETSIZE && cpu < MR_CORES_MAX; cpu++)
        if (CPU_ISSET(cpu, &set)) {
            out->physical[out->count] = physical_of(cpu);
            out->cpu[out->count++] = (uint16_t)cpu;
        }
}
