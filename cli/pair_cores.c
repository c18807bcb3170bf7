// SPDX-License-Identifier: Apache-2.0
#include "cli/pair_cores.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>

#define CACHES_MAX 8 // that the system lists for a core
#define NO_CACHE 99  // farther than any level
#define TWIN 98      // nearer than all others, and the last to be taken

bool mr_pair_core_is_listed(const char *list, int core)
{
    while (*list >= '0' && *list <= '9') {
        char *end;
        long first = strtol(list, &end, 10), last = first;
        if (*end == '-')
            last = strtol(end + 1, &end, 10);
        if (core >= first && core <= last)
            return true;
        list = *end == ',' ? end + 1 : end;
    }
    return false;
}

static bool read_line(const char *path, char *line, int line_bytes)
{
    FILE *file = fopen(path, "re");
    bool good = file && fgets(line, line_bytes, file);
    if (file)
        fclose(file);
    return good;
}

static int distance(int core, int other)
{
    int nearest = NO_CACHE;
    for (int i = 0; i < CACHES_MAX; i++) {
        char path[128], level[16], list[1024];
        const char *directory = "/sys/devices/system/cpu/cpu%d/cache/index%d/%s";
        snprintf(path, sizeof path, directory, core, i, "level");
        if (!read_line(path, level, sizeof level))
            break;
        snprintf(path, sizeof path, directory, core, i, "shared_cpu_list");
        if (!read_line(path, list, sizeof list) || !mr_pair_core_is_listed(list, other))
            continue;
        if (atoi(level) < nearest)
            nearest = atoi(level);
    }
    return nearest == 1 ? TWIN : nearest;
}

bool mr_pair_pin(int core)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(core, &set);
    return sched_setaffinity(0, sizeof set, &set) == 0;
}

int mr_pair_choose_cores(int cores[2], int *cache_level, struct mr_error *err)
{
    cpu_set_t set;
    int best = NO_CACHE + 1;
    cores[0] = cores[1] = -1;
    if (sched_getaffinity(0, sizeof set, &set) < 0)
        return mr_fail_errno(err, MR_ERR_LIMIT, "cannot ask which cores may be used");
    for (int core = 0; core < CPU_SETSIZE; core++) {
        if (!CPU_ISSET(core, &set))
            continue;
        if (cores[0] < 0) {
            cores[0] = core;
        } else if (distance(cores[0], core) < best) {
            cores[1] = core;
            best = distance(cores[0], core);
        }
    }
    if (cores[1] < 0)
        return mr_fail(err, MR_ERR_LIMIT, "found 1 core to run on, a pair of processes needs two");
    *cache_level = best == NO_CACHE ? 0 : best == TWIN ? 1 : best;
    return MR_OK;
}
