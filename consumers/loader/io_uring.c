// SPDX-License-Identifier: Apache-2.0
// The I/O layer on io_uring. Requests are queued by submit() and started by reap(), so that all of
// a turn of the loader go in with one system call.
//
// A buffered write to ext4 is carried out by a worker thread of the kernel's, whose waking takes longer than
// a few bytes do: brief writes are made by the call itself, and reaped like the others.
//
// Completions are worked off when they are reaped (DEFER_TASKRUN, where the kernel has it), not whenever
// one arrives. Memory that was lent is registered: it is pinned once, not with each direct write.
#include <errno.h>
#include <liburing.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "consumers/loader/io.h"
#include "core/clock.h"
#include "core/log.h"

#define PROBE_OPS 256                   // as many as there can be
#define REGISTER_BYTES_MAX (1ULL << 30) // in one piece; more the kernel refuses
#define REGISTER_WAIT_NS 1000000000LL   // until what a dead loader had registered is given free
#define REGISTER_RETRY_NS 10000000LL

struct uring {
    struct io_uring ring;
    const uint8_t *lent; // registered as buffer 0
    size_t lent_bytes;
    bool restricted; // nothing can be registered any more
    unsigned depth;
    unsigned under_way; // requests that the kernel's queues hold
    unsigned brief_count;
    struct mr_io_event briefs[MR_IO_DEPTH_MAX]; // done already
};

static int probe(struct io_uring *ring, struct mr_error *err)
{
    struct io_uring_probe *found = calloc(1, sizeof *found + PROBE_OPS * sizeof found->ops[0]);
    int failed = found ? io_uring_register_probe(ring, found, PROBE_OPS) : -ENOMEM;
    bool able = failed == 0 && io_uring_opcode_supported(found, IORING_OP_WRITE) &&
                io_uring_opcode_supported(found, IORING_OP_FSYNC) &&
                (ring->features & IORING_FEAT_EXT_ARG);
    free(found);
    errno = -failed;
    if (failed < 0 && failed != -EINVAL) // which a kernel says that cannot be asked yet
        return mr_fail_errno(err, MR_ERR_OUTPUT, "io_uring cannot be asked what it can do");
    if (!able)
        return mr_fail(err, MR_ERR_OUTPUT,
                       "io_uring of this kernel is too old, expected that of Linux 5.11");
    return MR_OK;
}

// The completion queue is twice as long: `depth` in flight can never overflow it.
static int init_queues(struct io_uring *ring, unsigned depth, unsigned flags)
{
    int failed = io_uring_queue_init(
        depth, ring, flags | IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN);
    return failed == -EINVAL ? io_uring_queue_init(depth, ring, flags) : failed; // before Linux 6.1
}

static int uring_open(void **device, unsigned depth, struct mr_error *err)
{
    struct uring *uring = calloc(1, sizeof *uring);
    if (!uring)
        return mr_fail(err, MR_ERR_MEMORY, "io_uring: out of memory");
    struct io_uring *ring = &uring->ring;
    int failed = init_queues(ring, depth, 0);
    if (failed < 0) {
        free(uring);
        errno = -failed;
        return mr_fail_errno(err, MR_ERR_OUTPUT, "io_uring cannot be had here");
    }
    int code = probe(ring, err);
    if (code != MR_OK) {
        io_uring_queue_exit(ring);
        free(uring);
        return code;
    }
    uring->depth = depth;
    *device = uring;
    return MR_OK;
}

// liburing has a function for each of the two, but its shared library, up to 2.3, does not export them.
static int register_with(const struct io_uring *ring, unsigned what, void *argument, unsigned count)
{
    long failed = syscall(__NR_io_uring_register, ring->ring_fd, what, argument, count);
    return failed < 0 ? -errno : 0;
}

// What a filter of system calls cannot see, the ring itself refuses: any operation but these, any flag on
// them, and any further registration. It takes a ring that has not been enabled yet, so it is made anew.
static int uring_restrict(void *device, struct mr_error *err)
{
    struct uring *uring = device;
    struct io_uring_restriction allowed[] = {
        {.opcode = IORING_RESTRICTION_SQE_OP, .sqe_op = IORING_OP_WRITE},
        {.opcode = IORING_RESTRICTION_SQE_OP, .sqe_op = IORING_OP_FSYNC},
        {.opcode = IORING_RESTRICTION_SQE_FLAGS_ALLOWED, .sqe_flags = 0},
    };
    struct io_uring fresh;
    int failed = init_queues(&fresh, uring->depth, IORING_SETUP_R_DISABLED);
    if (failed == 0) {
        failed = register_with(&fresh, IORING_REGISTER_RESTRICTIONS, allowed, MR_COUNT_OF(allowed));
        if (failed == 0)
            failed = register_with(&fresh, IORING_REGISTER_ENABLE_RINGS, NULL, 0);
        if (failed < 0)
            io_uring_queue_exit(&fresh);
    }
    errno = -failed;
    if (failed < 0)
        return mr_fail_errno(err, MR_ERR_OUTPUT, "harden: io_uring cannot be restricted here");
    io_uring_queue_exit(&uring->ring);
    uring->ring = fresh;
    uring->restricted = true;
    return MR_OK;
}

// Whether waiting can help: more than RLIMIT_MEMLOCK allows in all is never granted, however long one waits.
static bool may_be_locked(size_t bytes)
{
    struct rlimit limit;
    return getrlimit(RLIMIT_MEMLOCK, &limit) == 0 && bytes <= limit.rlim_cur;
}

// Memory that a killed loader had registered stays locked for a moment, and counts: that is waited out.
static void uring_lend(void *device, const void *bytes, size_t length)
{
    struct uring *uring = device;
    struct iovec memory = {(void *)(uintptr_t)bytes, length};
    int64_t until_ns = mr_mono_ns() + REGISTER_WAIT_NS;
    int failed;
    if (uring->lent || uring->restricted || length > REGISTER_BYTES_MAX)
        return;
    while ((failed = io_uring_register_buffers(&uring->ring, &memory, 1)) == -ENOMEM &&
           may_be_locked(length) && mr_mono_ns() < until_ns)
        mr_sleep_until_mono_ns(mr_mono_ns() + REGISTER_RETRY_NS);
    if (failed < 0) {
        mr_info("writing from memory that is not registered (%zu bytes; RLIMIT_MEMLOCK may allow "
                "fewer): %s",
                length, strerror(-failed));
        return; // each write pins its own
    }
    uring->lent = bytes;
    uring->lent_bytes = length;
}

static bool is_lent(const struct uring *uring, const uint8_t *bytes)
{
    return uring->lent && bytes >= uring->lent && bytes < uring->lent + uring->lent_bytes;
}

static void write_briefly(struct uring *uring, const struct mr_io_request *request, unsigned slot)
{
    uint32_t outer = mr_device_call_begins(MR_CALL_WRITE);
    ssize_t done = pwrite(request->fd, request->bytes, request->length, request->offset);
    mr_device_call_ends(outer);
    uring->briefs[uring->brief_count++] =
        (struct mr_io_event){.slot = slot, .result = done < 0 ? -errno : done};
}

static bool uring_submit(void *device, const struct mr_io_request *request, unsigned slot)
{
    struct uring *uring = device;
    if (request->brief) {
        write_briefly(uring, request, slot);
        return true;
    }
    uring->under_way++;
    // There is always one: the queue is as long as requests can be in flight.
    struct io_uring_sqe *sqe = io_uring_get_sqe(&uring->ring);
    if (request->op == MR_IO_SYNC) {
        io_uring_prep_fsync(sqe, request->fd, IORING_FSYNC_DATASYNC);
    } else if (is_lent(uring, request->bytes)) {
        io_uring_prep_write_fixed(sqe, request->fd, request->bytes, (unsigned)request->length,
                                  (__u64)request->offset, 0);
    } else {
        io_uring_prep_write(sqe, request->fd, request->bytes, (unsigned)request->length,
                            (__u64)request->offset);
    }
    io_uring_sqe_set_data64(sqe, slot);
    return false;
}

// Busy, out of memory for now, interrupted: what was queued stays queued and goes in next time.
static bool passes(int result)
{
    return result >= 0 || result == -ETIME || result == -EINTR || result == -EAGAIN ||
           result == -EBUSY;
}

static unsigned take_briefs(struct uring *uring, struct mr_io_event *out, unsigned max)
{
    unsigned count = uring->brief_count < max ? uring->brief_count : max;
    memcpy(out, uring->briefs, count * sizeof *out);
    uring->brief_count -= count;
    memmove(uring->briefs, uring->briefs + count, uring->brief_count * sizeof *out);
    return count;
}

static int uring_reap(void *device, struct mr_io_event *out, unsigned max, unsigned wanted,
                      int64_t wait_ns)
{
    struct uring *uring = device;
    struct io_uring *ring = &uring->ring;
    struct io_uring_cqe *cqe;
    int result = 0;
    unsigned count = take_briefs(uring, out, max);
    if (uring->under_way == 0)
        return (int)count;
    if (wait_ns > 0 && count == 0) {
        struct __kernel_timespec timeout = {.tv_sec = wait_ns / 1000000000,
                                            .tv_nsec = wait_ns % 1000000000};
        result = io_uring_submit_and_wait_timeout(ring, &cqe, wanted, &timeout, NULL);
    } else if (io_uring_sq_ready(ring) > 0 || (ring->flags & IORING_SETUP_DEFER_TASKRUN)) {
        result = io_uring_submit_and_get_events(ring);
    }
    if (!passes(result))
        return result;
    while (count < max && io_uring_peek_cqe(ring, &cqe) == 0) {
        out[count++] = (struct mr_io_event){.slot = (unsigned)io_uring_cqe_get_data64(cqe),
                                            .result = cqe->res};
        io_uring_cqe_seen(ring, cqe);
        uring->under_way--;
    }
    return (int)count;
}

static void uring_close(void *device)
{
    io_uring_queue_exit(&((struct uring *)device)->ring);
    free(device);
}

const struct mr_io_backend mr_io_uring = {
    .name = "io_uring",
    .gauge = 1,
    .open = uring_open,
    .lend = uring_lend,
    .submit = uring_submit,
    .reap = uring_reap,
    .close = uring_close,
    .restrict_to_submits = uring_restrict,
};
