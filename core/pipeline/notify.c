// SPDX-License-Identifier: Apache-2.0
#include "core/pipeline/notify.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-daemon.h>

#include "core/clock.h"

#define NEVER INT64_MAX

static int64_t alive_due_ns; // 0: not asked yet; NEVER: there is no watchdog
static int64_t alive_interval_ns;

void mr_notify_ready(const char *status)
{
    sd_notifyf(0, "READY=1\nSTATUS=%s", status);
}

void mr_notify_stopping(const char *status)
{
    sd_notifyf(0, "STOPPING=1\nSTATUS=%s", status);
}

void mr_notify_status(const char *format, ...)
{
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    sd_notifyf(0, "STATUS=%s", text);
}

static void look_for_watchdog(void)
{
    uint64_t allowed_us = 0;
    alive_due_ns = sd_watchdog_enabled(0, &allowed_us) > 0 ? 1 : NEVER;
    alive_interval_ns = (int64_t)allowed_us * 1000 / 2;
}

void mr_notify_alive(void)
{
    if (alive_due_ns == 0)
        look_for_watchdog();
    if (alive_due_ns == NEVER)
        return;
    int64_t now_ns = mr_mono_ns();
    if (now_ns < alive_due_ns)
        return;
    alive_due_ns = now_ns + alive_interval_ns;
    sd_notify(0, "WATCHDOG=1");
}

bool mr_notify_wanted(void)
{
    const char *socket_path = getenv("NOTIFY_SOCKET");
    return socket_path && *socket_path;
}

bool mr_notify_owns(const char *variable)
{
    static const char *const names[] = {"NOTIFY_SOCKET=", "WATCHDOG_PID=", "WATCHDOG_USEC="};
    for (unsigned i = 0; i < MR_COUNT_OF(names); i++)
        if (strncmp(variable, names[i], strlen(names[i])) == 0)
            return true;
    return false;
}
