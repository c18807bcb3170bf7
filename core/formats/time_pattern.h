// SPDX-License-Identifier: Apache-2.0
// Times written to a pattern, as strptime(3) knows them, in UTC and exact to the nanosecond:
//
//     %Y year (4 digits)   %m month   %d %e day   %j day of year   %b %B month's English name
//     %H hour   %M minute   %S second   %f fraction of a second (1 to 9 digits)   %p AM or PM with
//     %I %y year of the century (69-99: 19xx)   %z +hhmm, +hh:mm or Z   %s seconds since the epoch
//     %T is %H:%M:%S   %F is %Y-%m-%d   %D is %m/%d/%y   %R is %H:%M   %% is %
//
// Anything else stands for itself; white space stands for any amount of it, none included. Numbers
// may have fewer digits than their field where no digit follows. The date is 1970-01-01 where the
// pattern has none.
#ifndef MR_CORE_FORMATS_TIME_PATTERN_H
#define MR_CORE_FORMATS_TIME_PATTERN_H

#include "core/base.h"

// NULL where the pattern is fine, else the place of the directive that is not known.
const char *mr_time_pattern_check(const char *pattern);
// The whole text must match. False where it does not, names a day that does not exist, or a time
// beyond the years 1678 to 2262 that ns can tell.
bool mr_time_pattern_parse(const char *pattern, const char *text, size_t length, int64_t *out_ns);

#endif
