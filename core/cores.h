// SPDX-License-Identifier: Apache-2.0
// The cores that this process may use: its affinity mask, and how much of their time its control
// groups grant it.
//
//     struct mr_cores cores;
//     mr_cores_allowed(&cores);
//     ... cores.cpu[0 .. count-1]; at most cores.quota of them at a time ...
#ifndef MR_CORE_CORES_H
#define MR_CORE_CORES_H

#include "core/base.h"

#define MR_CORES_MAX 1024 // as many as fit a cpu_set_t

struct mr_cores {
    unsigned count;
    unsigned quota;             // whole cores of time, at least 1; UINT_MAX: no quota
    uint16_t cpu[MR_CORES_MAX]; // ascending
    uint16_t
        physical[MR_CORES_MAX]; // lowest hardware thread of the same physical core, where known
};

void mr_cores_allowed(struct mr_cores *out);
// How many of them can be busy at a time, at least 1.
static inline unsigned mr_cores_usable(const struct mr_cores *cores)
{
    return cores->count < cores->quota ? cores->count : cores->quota;
}
// The quota that a control group's `cpu.max` grants, in whole cores; UINT_MAX: none.
unsigned mr_cores_quota_of(const char *cpu_max);

#endif
