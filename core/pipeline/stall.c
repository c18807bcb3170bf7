// SPDX-License-Identifier: Apache-2.0
#include "core/pipeline/stall.h"

#include <stdio.h>
#include <string.h>

// The letter behind the name, which may hold brackets itself: "12 (mill) race) T 1 ..." (proc(5)).
static char process_state(uint32_t pid)
{
    char path[32], text[256];
    snprintf(path, sizeof path, "/proc/%u/stat", pid);
    FILE *in = fopen(path, "re");
    if (!in)
        return 0;
    size_t length = fread(text, 1, sizeof text - 1, in);
    fclose(in);
    text[length] = 0;
    const char *behind_name = strrchr(text, ')');
    return behind_name && behind_name[1] == ' ' ? behind_name[2] : 0;
}

static enum mr_stall_cause cause_of(const struct mr_stage_gauges *gauges)
{
    char state = process_state(gauges->pid);
    if (state == 'T' || state == 't')
        return MR_STALL_STOPPED;
    if (state == 'D' || gauges->waiting_for == MR_WAIT_DEVICE ||
        gauges->device.call != MR_CALL_NONE)
        return MR_STALL_DEVICE;
    return state == 'R' ? MR_STALL_BUSY : MR_STALL_ASLEEP;
}

void mr_stall_look(struct mr_stall *stall, const struct mr_stage_gauges *gauges, int64_t now_ns)
{
    int64_t beat_ns = (int64_t)mr_load_relaxed_u64((const uint64_t *)&gauges->heartbeat_ns);
    *stall = (struct mr_stall){0};
    // A beat of the future is none that it can have made.
    if (beat_ns >= 0 && beat_ns < now_ns && now_ns - beat_ns > MR_STALL_AFTER_NS)
        *stall = (struct mr_stall){.since_ns = beat_ns, .cause = cause_of(gauges)};
}

const char *mr_stall_name(enum mr_stall_cause cause)
{
    static const char *const names[] = {"none", "stopped", "device", "busy", "asleep"};
    return (unsigned)cause < MR_COUNT_OF(names) ? names[cause] : "unknown";
}

const char *mr_stall_text(enum mr_stall_cause cause)
{
    static const char *const texts[] = {
        "it works", "it is stopped by a signal", "it waits in a call to a device",
        "it computes or is given no processor", "it sleeps in the kernel"};
    return (unsigned)cause < MR_COUNT_OF(texts) ? texts[cause] : "unknown";
}
