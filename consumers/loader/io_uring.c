// SPDX-License-Identifier: Apache-2.0
// The I/O layer on io_uring. Requests are queued by submit() and started by reap(), so that all of
// a turn of the loader go in with one system call.
#include <errno.h>
#include <liburing.h>
#include <stdlib.h>
#include <string.h>

#include "consumers/loader/io.h"

static int probe(struct io_uring *ring, struct mr_error *err)
{
    struct io_uring_probe *found = io_uring_get_probe_ring(ring);
    bool able = found && io_uring_opcode_supported(found, IORING_OP_WRITE) &&
                io_uring_opcode_supported(found, IORING_OP_FSYNC);
    io_uring_free_probe(found);
    if (!able || !(ring->features & IORING_FEAT_EXT_ARG))
        return mr_fail(err, MR_ERR_OUTPUT,
                       "io_uring of this kernel is too old, expected that of Linux 5.11");
    return MR_OK;
}

static int uring_open(void **device, unsigned depth, struct mr_error *err)
{
    struct io_uring *ring = calloc(1, sizeof *ring);
    if (!ring)
        return mr_fail(err, MR_ERR_MEMORY, "io_uring: out of memory");
    // The completion queue is twice as long: `depth` in flight can never overflow it.
    int failed = io_uring_queue_init(depth, ring, 0);
    if (failed < 0) {
        free(ring);
        errno = -failed;
        return mr_fail_errno(err, MR_ERR_OUTPUT, "io_uring cannot be had here");
    }
    int code = probe(ring, err);
    if (code != MR_OK) {
        io_uring_queue_exit(ring);
        free(ring);
        return code;
    }
    *device = ring;
    return MR_OK;
}

static void uring_submit(void *device, const struct mr_io_request *request, unsigned slot)
{
    struct io_uring *ring = device;
    // There is always one: the queue is as long as requests can be in flight.
    struct io_uring_sqe *sqe = io_uring_get_sqe(ring);
    if (request->op == MR_IO_SYNC)
        io_uring_prep_fsync(sqe, request->fd, IORING_FSYNC_DATASYNC);
    else
        io_uring_prep_write(sqe, request->fd, request->bytes, (unsigned)request->length,
                            (__u64)request->offset);
    io_uring_sqe_set_data64(sqe, slot);
}

// Busy, out of memory for now, interrupted: what was queued stays queued and goes in next time.
static bool passes(int result)
{
    return result >= 0 || result == -ETIME || result == -EINTR || result == -EAGAIN ||
           result == -EBUSY;
}

static int uring_reap(void *device, struct mr_io_event *out, unsigned max, int64_t wait_ns)
{
    struct io_uring *ring = device;
    struct io_uring_cqe *cqe;
    int result = 0;
    unsigned count = 0;
    if (wait_ns > 0) {
        struct __kernel_timespec timeout = {.tv_sec = wait_ns / 1000000000,
                                            .tv_nsec = wait_ns % 1000000000};
        result = io_uring_submit_and_wait_timeout(ring, &cqe, 1, &timeout, NULL);
    } else if (io_uring_sq_ready(ring) > 0) {
        result = io_uring_submit(ring);
    }
    if (!passes(result))
        return result;
    while (count < max && io_uring_peek_cqe(ring, &cqe) == 0) {
        out[count++] = (struct mr_io_event){.slot = (unsigned)io_uring_cqe_get_data64(cqe),
                                            .result = cqe->res};
        io_uring_cqe_seen(ring, cqe);
    }
    return (int)count;
}

static void uring_close(void *device)
{
    io_uring_queue_exit(device);
    free(device);
}

const struct mr_io_backend mr_io_uring = {
    .name = "io_uring",
    .gauge = 1,
    .open = uring_open,
    .submit = uring_submit,
    .reap = uring_reap,
    .close = uring_close,
};
