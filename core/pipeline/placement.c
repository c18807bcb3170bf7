// SPDX-License-Identifier: Apache-2.0
#include "core/pipeline/placement.h"

#include <stdio.h>

static bool is_allowed(const struct mr_cores *cores, int core)
{
    for (unsigned i = 0; i < cores->count; i++)
        if (cores->cpu[i] == core)
            return true;
    return false;
}

static bool is_taken(const struct mr_cores *cores, const unsigned *taken, unsigned count,
                     unsigned at, bool whole_core)
{
    for (unsigned i = 0; i < count; i++)
        if (taken[i] == at || (whole_core && cores->physical[taken[i]] == cores->physical[at]))
            return true;
    return false;
}

// The last ones first: interrupts and other people's work tend to be on the first. Physical cores before
// second threads of the same.
static unsigned pick_cores(const struct mr_cores *cores, unsigned wanted, unsigned *picked)
{
    unsigned count = 0;
    for (int whole_core = 1; whole_core >= 0; whole_core--)
        for (unsigned at = cores->count; at-- > 0 && count < wanted;)
            if (!is_taken(cores, picked, count, at, whole_core))
                picked[count++] = at;
    return count;
}

static unsigned stages_of(const struct mr_placement *placement)
{
    return MR_TRIO + (placement->source_count > 1 ? placement->source_count - 1 : 0);
}

static void place_by_itself(unsigned stages, const struct mr_cores *cores,
                            struct mr_place places[MR_ROLE_COUNT])
{
    // By number of cores: which of those picked each role gets.
    static const unsigned seats[MR_TRIO][MR_TRIO] = {{0, 0, 0}, {1, 0, 1}, {0, 1, 2}};
    unsigned picked[MR_ROLE_COUNT] = {0};
    unsigned usable = mr_cores_usable(cores);
    unsigned count = pick_cores(cores, usable < stages ? usable : stages, picked);
    const unsigned *seat = seats[mr_min_u64(mr_max_u64(count, 1), MR_TRIO) - 1];
    for (unsigned role = 0; role < stages; role++) {
        unsigned at = role < MR_TRIO ? seat[role] : role < count ? role : seat[MR_ROLE_PRODUCER];
        places[role].core = cores->cpu[picked[at]];
    }
}

static int place_by_list(const struct mr_placement *placement, const struct mr_cores *cores,
                         struct mr_place places[MR_ROLE_COUNT], struct mr_error *err)
{
    for (unsigned role = 0; role < stages_of(placement); role++) {
        places[role].core = placement->core[role];
        if (!is_allowed(cores, places[role].core))
            return mr_config_fail(placement->node, err,
                                  "found core %d for the %s, which this process may not use: "
                                  "expected one of its %u (%u to %u)",
                                  places[role].core, mr_role_name(role), cores->count,
                                  cores->cpu[0], cores->cpu[cores->count - 1]);
    }
    return MR_OK;
}

// About as much again as a turn of the loader with the two switches: then most of what is due is on time.
#define KEEP_NS 10000

static void find_shares(unsigned stages, const struct mr_cores *cores,
                        struct mr_place places[MR_ROLE_COUNT])
{
    unsigned used = 0;
    for (unsigned role = 0; role < stages; role++) {
        unsigned on_it = 0, before = 0;
        for (unsigned other = 0; other < stages; other++) {
            on_it += places[other].core == places[role].core;
            before += other < role && places[other].core == places[role].core;
        }
        used += before == 0;
        places[role].share = on_it > 1 ? MR_CORE_SHARED : MR_CORE_OWN;
    }
    // A transform on the same core is to answer at once.
    for (unsigned role = 0; role < stages; role++)
        if (mr_role_is_producer(role) && places[role].core != places[MR_ROLE_TRANSFORM].core)
            places[role].keep_ns = KEEP_NS;
    for (unsigned role = 0; role < stages && cores->quota < used; role++)
        places[role].share = MR_CORE_METERED;
}

int mr_placement_plan(const struct mr_placement *placement, const struct mr_cores *cores,
                      struct mr_place places[MR_ROLE_COUNT], struct mr_error *err)
{
    int code = MR_OK;
    unsigned stages = stages_of(placement);
    enum mr_core_share share = cores->count < stages   ? MR_CORE_SHARED
                               : cores->quota < stages ? MR_CORE_METERED
                                                       : MR_CORE_OWN;
    for (unsigned role = 0; role < MR_ROLE_COUNT; role++)
        places[role] = (struct mr_place){.core = -1, .share = share};
    if (placement->kind == MR_PLACEMENT_NONE)
        return MR_OK;
    if (placement->kind == MR_PLACEMENT_AUTO)
        place_by_itself(stages, cores, places);
    else
        code = place_by_list(placement, cores, places, err);
    find_shares(stages, cores, places);
    return code;
}
