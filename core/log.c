// SPDX-License-Identifier: Apache-2.0
#include "core/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/clock.h"

#define SECOND_NS 1000000000LL

static char process_name[32] = "millrace";
static enum mr_log_level level_min = MR_LOG_INFO;

void mr_log_setup(const char *who, enum mr_log_level level)
{
    snprintf(process_name, sizeof process_name, "%s", who);
    level_min = level;
}

// Whether this site may write now; *suppressed is how many lines it kept back since the last one.
static bool site_may_write(struct mr_log_site *site, uint32_t *suppressed)
{
    int64_t now_ns = mr_mono_ns();
    *suppressed = 0;
    if (now_ns - site->window_start_ns >= SECOND_NS || site->window_start_ns == 0) {
        *suppressed = site->suppressed;
        site->window_start_ns = now_ns;
        site->in_window = 0;
        site->suppressed = 0;
    }
    if (site->in_window >= MR_LOG_LINES_PER_SECOND_MAX) {
        site->suppressed++;
        return false;
    }
    site->in_window++;
    return true;
}

static int format_prefix(char *out, size_t out_bytes, enum mr_log_level level)
{
    static const char *const level_names[] = {"debug", "info", "warn", "error"};
    int64_t wall_ns = mr_wall_ns();
    time_t seconds = (time_t)(wall_ns / SECOND_NS);
    struct tm utc;
    gmtime_r(&seconds, &utc);
    return snprintf(out, out_bytes, "%02d:%02d:%02d.%03d %-5s %s: ", utc.tm_hour, utc.tm_min,
                    utc.tm_sec, (int)(wall_ns % SECOND_NS / 1000000), level_names[level],
                    process_name);
}

void mr_log_write(struct mr_log_site *site, enum mr_log_level level, const char *format, ...)
{
    uint32_t suppressed;
    if (level < level_min || !site_may_write(site, &suppressed))
        return;
    char line[1400];
    size_t used = (size_t)format_prefix(line, sizeof line, level);
    va_list args;
    va_start(args, format);
    int wanted = vsnprintf(line + used, sizeof line - used - 64, format, args);
    va_end(args);
    if (wanted > 0)
        used += mr_min_u64((uint64_t)wanted, sizeof line - used - 65);
    if (suppressed > 0)
        used +=
            (size_t)snprintf(line + used, sizeof line - used, " (%u more like this)", suppressed);
    line[used++] = '\n';
    // One write a line, so that the lines of several processes do not mix. Nobody can be told if it
    // fails.
    ssize_t ignored = write(STDERR_FILENO, line, used);
    (void)ignored;
}
