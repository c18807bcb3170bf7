// SPDX-License-Identifier: Apache-2.0
// What the two processes of a pair share beside the channels. Between cli/pair.c, which runs them, and
// cli/pair_side.c, which is what each of them does.
#ifndef MR_CLI_PAIR_PRIVATE_H
#define MR_CLI_PAIR_PRIVATE_H

#include "cli/pair.h"

#define MR_PAIR_PHASES                                                                             \
    3 // warm-up, measurement, for round trips one more with the other side's clock
#define MR_PAIR_OWN_LINE __attribute__((aligned(MR_FALSE_SHARING_RANGE)))

enum mr_pair_fault_kind { MR_PAIR_SOUND, MR_PAIR_WRONG, MR_PAIR_LOST, MR_PAIR_BROKEN };

// The first thing that went wrong, by the side that saw it.
struct mr_pair_fault {
    uint32_t kind; // mr_pair_fault_kind
    uint64_t sequence;
    uint32_t byte;
    uint64_t found, expected;
    int code;       // MR_PAIR_BROKEN
    char text[400]; // MR_PAIR_BROKEN
};

struct mr_pair_trips {
    uint64_t started[MR_PAIR_TRIPS_MAX], returned[MR_PAIR_TRIPS_MAX];
};
struct mr_pair_shared {
    MR_PAIR_OWN_LINE uint64_t there; // of the probe: written by side 0
    MR_PAIR_OWN_LINE uint64_t back;  // written by side 1
    MR_PAIR_OWN_LINE uint64_t met_0; // how often side 0 came to meet the other
    MR_PAIR_OWN_LINE uint64_t met_1;
    MR_PAIR_OWN_LINE uint32_t gave_up;
    // Records that side 0 has sent up to the end of each phase, plus 1; 0: not ended yet.
    MR_PAIR_OWN_LINE uint64_t total[MR_PAIR_PHASES];
    int64_t started_ns[MR_PAIR_PHASES];                // by side 0
    double raw_rtt_ns[2];                              // by side 0
    MR_PAIR_OWN_LINE int64_t ended_ns[MR_PAIR_PHASES]; // by side 1
    uint64_t checked[MR_PAIR_PHASES];                  // by side 1: records since the beginning
    struct mr_pair_fault fault[2];                     // of each side
    // There only where round trips are measured. Of each, measured and measured again with the other side's clock, by one side each.
    struct mr_pair_trips trips[2];
    uint64_t arrived[MR_PAIR_TRIPS_MAX];
};

struct mr_pair_task {
    const struct mr_pair_transport *transport;
    const struct mr_pair_loops *loops;
    enum mr_pair_part part;
    const struct mr_pair_plan *plan;
    void *state; // the transport's
    struct mr_pair_shared *shared;
};
// The life of one of the two processes; false where something went wrong, which its fault then says.
bool mr_pair_live(const struct mr_pair_task *task, int index);
static inline unsigned mr_pair_phases(enum mr_pair_part part)
{
    return part == MR_PAIR_ROUND_TRIP ? 3 : 2;
}

#endif
