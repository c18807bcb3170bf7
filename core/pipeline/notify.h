// SPDX-License-Identifier: Apache-2.0
// Tells systemd how a process stands (sd_notify(3)), where it asked for that: a service of Type=notify with, if
// wanted, WatchdogSec=. Elsewhere these calls do nothing and cost nothing worth a name.
//
//     mr_notify_ready("running");       READY=1, once it does what it is there for
//     mr_notify_alive();                WATCHDOG=1, twice in the time that the watchdog allows; call it often
//     mr_notify_stopping("draining");   STOPPING=1
//
// NOTIFY_SOCKET and WATCHDOG_* are for one process: a supervisor's stages are started without them.
#ifndef MR_CORE_PIPELINE_NOTIFY_H
#define MR_CORE_PIPELINE_NOTIFY_H

#include "core/base.h"

void mr_notify_ready(const char *status);
void mr_notify_stopping(const char *status);
// What `systemctl status` shows.
void mr_notify_status(const char *format, ...) MR_PRINTF(1, 2);
void mr_notify_alive(void);
// Whether anybody listens.
bool mr_notify_wanted(void);
// Whether "NAME=..." of an environment is for this process alone.
bool mr_notify_owns(const char *variable);

#endif
