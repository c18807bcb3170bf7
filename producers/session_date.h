// SPDX-License-Identifier: Apache-2.0
// The day of a feed whose messages only say how long ago midnight was: which day, and when its
// midnight was in UTC. Daylight saving comes from the system's time zone files.
//
//     char date[MR_DATE_BYTES];
//     if (!mr_session_date_in_name("20200130.itch", date)) ...
//     mr_session_midnight(date, "America/New_York", &midnight_ns, &err); // 2020-01-30T05:00:00Z
#ifndef MR_PRODUCERS_SESSION_DATE_H
#define MR_PRODUCERS_SESSION_DATE_H

#include "core/error.h"

#define MR_DATE_BYTES 11 // "2020-01-30" and NUL

// The date in a file's name: 2020-01-30, 20200130, 01302020 or S013020 (as the exchange names its
// files), standing alone between other characters than digits. False where there is none.
bool mr_session_date_in_name(const char *path, char out[MR_DATE_BYTES]);
// Midnight of "YYYY-MM-DD" in that zone, ns since the Unix epoch. MR_ERR_CONFIG for a date or a
// zone that does not exist.
int mr_session_midnight(const char *date, const char *zone, int64_t *midnight_ns,
                        struct mr_error *err);
// The date in that zone at a moment.
int mr_session_date_at(int64_t time_ns, const char *zone, char out[MR_DATE_BYTES],
                       struct mr_error *err);

#endif
