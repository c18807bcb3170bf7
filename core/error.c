// SPDX-License-Identifier: Apache-2.0
#include "core/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

// What the analyzer sees instead, see error.h.
#undef mr_fail
#undef mr_fail_errno

static void set_text(struct mr_error *err, int code, const char *format, va_list args)
{
    char text[sizeof err->text]; // the arguments may point into the old text
    vsnprintf(text, sizeof text, format, args);
    err->code = code;
    memcpy(err->text, text, strlen(text) + 1);
}

int mr_fail(struct mr_error *err, int code, const char *format, ...)
{
    if (!err)
        return code;
    va_list args;
    va_start(args, format);
    set_text(err, code, format, args);
    va_end(args);
    err->os_errno = 0;
    return code;
}

int mr_fail_errno(struct mr_error *err, int code, const char *format, ...)
{
    int saved_errno = errno;
    if (!err)
        return code;
    va_list args;
    va_start(args, format);
    set_text(err, code, format, args);
    va_end(args);
    err->os_errno = saved_errno;
    size_t used = strlen(err->text);
    snprintf(err->text + used, sizeof err->text - used, ": %s", strerror(saved_errno));
    return code;
}

int mr_error_within(struct mr_error *err, const char *format, ...)
{
    if (!err)
        return MR_ERR_INTERNAL;
    char inner[sizeof err->text];
    memcpy(inner, err->text, sizeof inner);
    va_list args;
    va_start(args, format);
    set_text(err, err->code, format, args);
    va_end(args);
    size_t used = strlen(err->text);
    snprintf(err->text + used, sizeof err->text - used, ": %s", inner);
    return err->code;
}

bool mr_errno_is_no_room(int os_errno)
{
    return os_errno == ENOSPC || os_errno == EDQUOT;
}

bool mr_error_is_no_room(const struct mr_error *err)
{
    return mr_errno_is_no_room(err->os_errno);
}

const char *mr_code_name(int code)
{
    static const char *const names[] = {
        [MR_OK] = "ok",
        [MR_ERR_INTERNAL] = "internal",
        [MR_ERR_USAGE] = "usage",
        [MR_ERR_CONFIG] = "config",
        [MR_ERR_INPUT] = "input",
        [MR_ERR_OUTPUT] = "output",
        [MR_ERR_SHM] = "shm",
        [MR_ERR_BUSY] = "busy",
        [MR_ERR_CORRUPT] = "corrupt",
        [MR_ERR_STAGE] = "stage",
        [MR_ERR_BALANCE] = "balance",
        [MR_ERR_MEMORY] = "memory",
        [MR_ERR_LIMIT] = "limit",
    };
    if (code < 0 || (size_t)code >= MR_COUNT_OF(names))
        return "unknown";
    return names[code];
}

bool mr_code_may_pass(int code)
{
    switch (code) {
    case MR_ERR_OUTPUT:
    case MR_ERR_SHM:
    case MR_ERR_BUSY:
    case MR_ERR_STAGE:
    case MR_ERR_MEMORY:
        return true;
    default:
        return false;
    }
}
