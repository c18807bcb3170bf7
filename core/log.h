// SPDX-License-Identifier: Apache-2.0
// One line to stderr: time, level, stage, text. Rate-limited per call site, so that a fault that
// repeats a million times a second costs a few lines and says how many it swallowed.
#ifndef MR_CORE_LOG_H
#define MR_CORE_LOG_H

#include "core/base.h"

enum mr_log_level { MR_LOG_DEBUG, MR_LOG_INFO, MR_LOG_WARN, MR_LOG_ERROR };

// One per call site; zero-initialised by the macros below.
struct mr_log_site {
    int64_t window_start_ns;
    uint32_t in_window;
    uint32_t suppressed;
};

// Names the process in every line ("producer"); lines below `level` are not written.
void mr_log_setup(const char *who, enum mr_log_level level);
void mr_log_write(struct mr_log_site *site, enum mr_log_level level, const char *format, ...)
    MR_PRINTF(3, 4);

#define MR_LOG_LINES_PER_SECOND_MAX 5
#define mr_log(level, ...)                                                                         \
    do {                                                                                           \
        static struct mr_log_site mr_log_site_here;                                                \
        mr_log_write(&mr_log_site_here, (level), __VA_ARGS__);                                     \
    } while (0)
#define mr_debug(...) mr_log(MR_LOG_DEBUG, __VA_ARGS__)
#define mr_info(...) mr_log(MR_LOG_INFO, __VA_ARGS__)
#define mr_warn(...) mr_log(MR_LOG_WARN, __VA_ARGS__)
#define mr_error_line(...) mr_log(MR_LOG_ERROR, __VA_ARGS__)

#endif
