// SPDX-License-Identifier: Apache-2.0
// The simulated disk behind the real io_uring backend: each request goes through the kernel's queues, to a file of
// this program's, and when its completion has been reaped there it is carried out on the simulated disk, and is told
// with what came of it: shortened, EAGAIN, EINTR, ECANCELED, EBUSY, EIO. So consumers/loader/io_uring.c and the layer
// above it meet completions that a kernel returns once in years. What the kernel really wrote is compared.
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/support/sim_disk.h"

#define WAIT_NS 1000000000LL

static struct {
    void *ring;
    int fd; // each simulated file has a stretch of it
    unsigned under_way;
    struct {
        struct mr_io_request request; // as the kernel has it
        bool arrived;
    } slots[MR_IO_DEPTH_MAX];
} uring = {.fd = -1};

static int uring_open(void **device, unsigned depth, struct mr_error *err)
{
    if (uring.fd < 0)
        uring.fd = memfd_create("simulated disk", MFD_CLOEXEC);
    if (uring.fd < 0)
        return mr_fail_errno(err, MR_ERR_OUTPUT, "memfd_create");
    memset(uring.slots, 0, sizeof uring.slots);
    uring.under_way = 0;
    *device = sim_disk_now();
    return mr_io_uring.open(&uring.ring, depth, err);
}

static bool uring_submit(void *device, const struct mr_io_request *request, unsigned slot)
{
    struct sim_disk *disk = device;
    sim_io_backend.submit(disk, request, slot);
    if (disk->dead)
        return false;
    struct mr_io_request *real = &uring.slots[slot].request;
    *real = *request;
    real->fd = uring.fd;
    real->offset +=
        (int64_t)sim_disk_open_file(disk, request->fd)->file * (int64_t)SIM_FILE_BYTES_MAX;
    uring.under_way++;
    return mr_io_uring.submit(uring.ring, real, slot);
}

static bool was_written(const struct mr_io_request *request)
{
    static uint8_t found[SIM_FILE_BYTES_MAX];
    return pread(uring.fd, found, request->length, request->offset) == (ssize_t)request->length &&
           memcmp(found, request->bytes, request->length) == 0;
}

static void note_arrival(struct sim_disk *disk, const struct mr_io_event *event)
{
    const struct mr_io_request *request = &uring.slots[event->slot].request;
    bool write = request->op == MR_IO_WRITE;
    if (event->result != (write ? (int64_t)request->length : 0))
        sim_disk_misuse(disk, "io_uring: a request of %zu bytes came back with %lld",
                        request->length, (long long)event->result);
    else if (write && !was_written(request))
        sim_disk_misuse(disk, "io_uring: other bytes were written than asked for");
    uring.slots[event->slot].arrived = true;
    uring.under_way--;
}

static void take_arrivals(struct sim_disk *disk, unsigned wanted, int64_t wait_ns)
{
    struct mr_io_event events[MR_IO_DEPTH_MAX];
    int count = mr_io_uring.reap(uring.ring, events, MR_IO_DEPTH_MAX, wanted, wait_ns);
    if (count < 0)
        sim_disk_misuse(disk, "io_uring cannot be reaped: %s", strerror(-count));
    for (int i = 0; i < count; i++)
        note_arrival(disk, &events[i]);
    if (count == 0 && wait_ns > 0 && uring.under_way > 0)
        sim_disk_misuse(disk, "io_uring: nothing came back for a second");
}

static struct sim_request *arrived_request(struct sim_disk *disk)
{
    for (unsigned i = 0; i < disk->request_count; i++)
        if (!disk->requests[i].orphan && uring.slots[disk->requests[i].slot].arrived)
            return &disk->requests[i];
    return NULL;
}

static int uring_reap(void *device, struct mr_io_event *out, unsigned max, unsigned wanted,
                      int64_t wait_ns)
{
    struct sim_disk *disk = device;
    struct sim_request *request;
    unsigned count = 0;
    if (!disk->dead)
        take_arrivals(disk, wanted < uring.under_way ? wanted : uring.under_way,
                      wait_ns > 0 ? WAIT_NS : 0);
    while (count < max && (request = arrived_request(disk)) != NULL) {
        if (!request->carried_out) {
            if (!sim_disk_step(disk))
                break;
            request = arrived_request(disk); // a dead process's may have gone meanwhile
            request->result = sim_request_carry_out(disk, request);
        }
        uring.slots[request->slot].arrived = false;
        out[count++] = (struct mr_io_event){.slot = request->slot, .result = request->result};
        *request = disk->requests[--disk->request_count];
    }
    if (disk->dead)
        return -ESHUTDOWN;
    if (count == 0 && uring.under_way == 0)
        sim_disk_misuse(disk, "io_uring: a request never came back");
    if (disk->misuse[0])
        return -EPROTO;
    disk->now_ns += count == 0 ? wait_ns : 0;
    return (int)count;
}

// The kernel has nothing of this memory any more when it returns.
static void uring_close(void *device)
{
    struct sim_disk *disk = device;
    while (uring.under_way > 0 && !disk->misuse[0])
        take_arrivals(disk, 1, WAIT_NS);
    mr_io_uring.close(uring.ring);
    sim_io_backend.close(disk);
}

const struct mr_io_backend sim_uring_backend = {
    .name = "io_uring, simulated",
    .gauge = 9,
    .open = uring_open,
    .submit = uring_submit,
    .reap = uring_reap,
    .close = uring_close,
};
