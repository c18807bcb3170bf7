// SPDX-License-Identifier: Apache-2.0
#include "tests/support/faulty_io.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

struct faulty_io faulty_io;

static struct {
    struct mr_io_request request;
    unsigned slot;
} waiting[MR_IO_DEPTH_MAX];
static unsigned waiting_count, calls;

static int faulty_open(void **device, unsigned depth, struct mr_error *err)
{
    (void)depth, (void)err;
    *device = &faulty_io;
    waiting_count = calls = 0;
    return MR_OK;
}

static bool faulty_submit(void *device, const struct mr_io_request *request, unsigned slot)
{
    (void)device;
    waiting[waiting_count].request = *request;
    waiting[waiting_count++].slot = slot;
    return false;
}

static int64_t sync_it(int fd)
{
    if (faulty_io.failed_syncs > 0)
        faulty_io.syncs_after_failure++;
    if (faulty_io.fail_sync_after > 0 && faulty_io.syncs == faulty_io.fail_sync_after &&
        faulty_io.failed_syncs == 0) {
        faulty_io.failed_syncs++;
        return -EIO;
    }
    faulty_io.syncs++;
    return fdatasync(fd) == 0 ? 0 : -errno;
}

static void note_direct(const struct mr_io_request *request)
{
    uint64_t pages = (uintptr_t)request->bytes | request->length | (uint64_t)request->offset;
    faulty_io.direct_writes++;
    faulty_io.off_the_grid += pages % MR_PAGE_BYTES != 0;
}

static int64_t carry_out(const struct mr_io_request *request)
{
    calls++;
    if (faulty_io.interrupt_each > 0 && calls % faulty_io.interrupt_each == 0)
        return calls / faulty_io.interrupt_each % 2 ? -EINTR : -EAGAIN;
    if (request->op == MR_IO_SYNC)
        return sync_it(request->fd);
    if (faulty_io.fail_write_after > 0 && faulty_io.writes >= faulty_io.fail_write_after)
        return -faulty_io.fail_write_errno;
    size_t length = request->length;
    if (faulty_io.write_bytes_max > 0 && length > faulty_io.write_bytes_max)
        length = faulty_io.write_bytes_max;
    faulty_io.writes++;
    if (faulty_io.direct_fd > 0 && request->fd == faulty_io.direct_fd)
        note_direct(request);
    ssize_t done = request->offset == MR_IO_STREAM
                       ? write(request->fd, request->bytes, length)
                       : pwrite(request->fd, request->bytes, length, request->offset);
    return done < 0 ? -errno : done;
}

static int faulty_reap(void *device, struct mr_io_event *out, unsigned max, unsigned wanted,
                       int64_t wait_ns)
{
    unsigned count = 0;
    faulty_io.wanted = wanted;
    (void)device, (void)wait_ns;
    if (faulty_io.events_max > 0 && max > faulty_io.events_max)
        max = faulty_io.events_max;
    while (waiting_count > 0 && count < max) {
        unsigned at = faulty_io.backwards ? waiting_count - 1 : 0;
        struct mr_io_request request = waiting[at].request;
        out[count].slot = waiting[at].slot;
        waiting_count--;
        memmove(&waiting[at], &waiting[at + 1], (waiting_count - at) * sizeof waiting[0]);
        out[count++].result = carry_out(&request);
    }
    return (int)count;
}

static void faulty_close(void *device)
{
    (void)device;
}

const struct mr_io_backend faulty_io_backend = {
    .name = "faulty",
    .gauge = 9,
    .open = faulty_open,
    .submit = faulty_submit,
    .reap = faulty_reap,
    .close = faulty_close,
};
