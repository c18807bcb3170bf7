// SPDX-License-Identifier: Apache-2.0
#include "producers/pace.h"

#include <stdlib.h>
#include <string.h>

#include "core/clock.h"

int mr_pace_parse(struct mr_pace *pace, const char *text, struct mr_error *err)
{
    *pace = (struct mr_pace){0};
    if (strcmp(text, "asap") == 0)
        return MR_OK;
    if (strcmp(text, "realtime") == 0) {
        pace->factor = 1.0;
        return MR_OK;
    }
    char *end = NULL;
    pace->factor = strtod(text, &end);
    if (end != text && strcmp(end, "x") == 0 && pace->factor > 0 && pace->factor <= 1e9)
        return MR_OK;
    return mr_fail(err, MR_ERR_CONFIG,
                   "found \"%s\", expected asap, realtime or a factor such as 10x", text);
}

int64_t mr_pace_due_mono_ns(struct mr_pace *pace, int64_t event_ns)
{
    if (pace->factor == 0)
        return 0;
    if (!pace->started) {
        pace->started = true;
        pace->first_event_ns = event_ns;
        pace->first_mono_ns = mr_mono_ns();
    }
    double after_ns = (double)(event_ns - pace->first_event_ns) / pace->factor;
    return after_ns <= 0
               ? 0
               : pace->first_mono_ns + (int64_t)mr_min_u64((uint64_t)after_ns, INT64_MAX / 4);
}
