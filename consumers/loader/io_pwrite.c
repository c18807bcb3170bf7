// SPDX-License-Identifier: Apache-2.0
// The I/O layer on plain system calls, for kernels and containers without io_uring. Requests are
// queued by submit() and done by reap(), in order.
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "consumers/loader/io.h"

struct waiting {
    struct mr_io_request request;
    unsigned slot;
};

struct pwrite_queue {
    unsigned room, first, count;
    struct waiting items[];
};

static int pwrite_open(void **device, unsigned depth, struct mr_error *err)
{
    struct pwrite_queue *queue = calloc(1, sizeof *queue + depth * sizeof queue->items[0]);
    if (!queue)
        return mr_fail(err, MR_ERR_MEMORY, "pwrite queue: out of memory");
    queue->room = depth;
    *device = queue;
    return MR_OK;
}

static bool pwrite_submit(void *device, const struct mr_io_request *request, unsigned slot)
{
    struct pwrite_queue *queue = device;
    unsigned at = (queue->first + queue->count++) % queue->room;
    queue->items[at] = (struct waiting){.request = *request, .slot = slot};
    return false;
}

// A pipe whose reader is slow must not hold the loader fast: the call is made when there is room,
// and for no more than certainly fits then. False: no room yet.
static bool write_stream(const struct mr_io_request *request, int64_t wait_ns, int64_t *result)
{
    struct stat status;
    size_t length = request->length;
    struct pollfd writable = {.fd = request->fd, .events = POLLOUT};
    struct timespec timeout = {.tv_sec = wait_ns / 1000000000, .tv_nsec = wait_ns % 1000000000};
    if (fstat(request->fd, &status) != 0 || !S_ISREG(status.st_mode)) {
        if (ppoll(&writable, 1, &timeout, NULL) == 0)
            return false;
        length = length < PIPE_BUF ? length : PIPE_BUF;
    }
    ssize_t written = write(request->fd, request->bytes, length);
    *result = written < 0 ? -errno : written;
    return true;
}

static bool carry_out(const struct mr_io_request *request, int64_t wait_ns, int64_t *result)
{
    if (request->op == MR_IO_WRITE && request->offset == MR_IO_STREAM)
        return write_stream(request, wait_ns, result);
    uint32_t outer =
        mr_device_call_begins(request->op == MR_IO_SYNC ? MR_CALL_SYNC : MR_CALL_WRITE);
    ssize_t done = request->op == MR_IO_SYNC
                       ? fdatasync(request->fd)
                       : pwrite(request->fd, request->bytes, request->length, request->offset);
    *result = done < 0 ? -errno : done;
    mr_device_call_ends(outer);
    return true;
}

// Each is carried out here: there is nothing to wake for, be it one or several.
static int pwrite_reap(void *device, struct mr_io_event *out, unsigned max, unsigned wanted,
                       int64_t wait_ns)
{
    (void)wanted;
    struct pwrite_queue *queue = device;
    unsigned count = 0, todo = queue->count;
    for (unsigned i = 0; i < todo && count < max; i++) {
        struct waiting item = queue->items[queue->first];
        int64_t result;
        queue->first = (queue->first + 1) % queue->room;
        queue->count--;
        if (carry_out(&item.request, count == 0 ? wait_ns : 0, &result))
            out[count++] = (struct mr_io_event){.slot = item.slot, .result = result};
        else
            pwrite_submit(queue, &item.request, item.slot);
    }
    return (int)count;
}

static void pwrite_close(void *device)
{
    free(device);
}

const struct mr_io_backend mr_io_pwrite = {
    .name = "pwrite",
    .gauge = 2,
    .open = pwrite_open,
    .submit = pwrite_submit,
    .reap = pwrite_reap,
    .close = pwrite_close,
};
