// SPDX-License-Identifier: Apache-2.0
// How fast recorded input is played: `asap`, `realtime`, or a factor of real time such as `10x`.
//
//     int64_t due = mr_pace_due_mono_ns(&pace, event_time_ns);   // 0: at once
#ifndef MR_PRODUCERS_PACE_H
#define MR_PRODUCERS_PACE_H

#include "core/error.h"

struct mr_pace {
    double factor; // 0: asap
    bool started;
    int64_t first_event_ns; // what the clock of the recording said when the playing began
    int64_t first_mono_ns;
};

// MR_ERR_CONFIG says what was expected.
int mr_pace_parse(struct mr_pace *pace, const char *text, struct mr_error *err);
// When what happened at event_ns of the recording is due, on CLOCK_MONOTONIC. The first call starts
// the clock.
int64_t mr_pace_due_mono_ns(struct mr_pace *pace, int64_t event_ns);

#endif
