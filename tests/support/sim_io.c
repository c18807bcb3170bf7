// SPDX-License-Identifier: Apache-2.0
// The simulated disk under the loader's I/O layer: requests are carried out late and in any order,
// and told of later still, in another one.
#include <errno.h>
#include <string.h>

#include "tests/support/scratch.h"
#include "tests/support/sim_disk.h"

// ---- what becomes of a request -----------------------------------------------------------------
static int64_t refuse(struct sim_disk *disk)
{
    const struct sim_faults *faults = &disk->faults;
    if (sim_disk_chance(disk, faults->again))
        return -EAGAIN;
    if (sim_disk_chance(disk, faults->interrupted))
        return -EINTR;
    if (sim_disk_chance(disk, faults->cancelled))
        return -ECANCELED;
    if (sim_disk_chance(disk, faults->busy))
        return -EBUSY;
    return 0;
}

static bool is_off_the_grid(const struct mr_io_request *request)
{
    return request->length % MR_SECTOR_BYTES || request->offset % MR_SECTOR_BYTES ||
           (uintptr_t)request->bytes % MR_SECTOR_BYTES;
}

int64_t sim_request_write(struct sim_disk *disk, const struct sim_request *request)
{
    const struct mr_io_request *asked = &request->request;
    const char *path = sim_disk_path_of(disk, request->file);
    uint64_t at = (uint64_t)asked->offset;
    size_t length = asked->length, unit = request->direct ? MR_SECTOR_BYTES : 1;
    if (request->direct && is_off_the_grid(asked)) {
        sim_disk_misuse(disk, "%s: direct write of %zu bytes at %llu", path, length,
                        (unsigned long long)at);
        return -EINVAL;
    }
    if (at + length > SIM_FILE_BYTES_MAX)
        return -EFBIG;
    disk->writes++;
    bool fails = disk->writes == disk->faults.write_error_at ||
                 sim_disk_chance(disk, disk->faults.write_error);
    if (length > unit && !sim_is_one_sector(at, length) &&
        (fails || sim_disk_chance(disk, disk->faults.short_write)))
        length = (1 + random_below(&disk->random, length / unit - 1)) * unit;
    if (!fails || length < asked->length)
        sim_file_write(&disk->files[request->file], asked->bytes, length, at, request->direct);
    disk->failed += fails;
    sim_disk_trace(disk, "%s: %s%zu of %zu bytes at %llu%s", path,
                   request->direct ? "direct, " : "", length, asked->length, (unsigned long long)at,
                   fails ? ", then fails" : "");
    return fails ? -EIO : (int64_t)length;
}

int64_t sim_request_carry_out(struct sim_disk *disk, const struct sim_request *request)
{
    int64_t refused = refuse(disk);
    if (refused == -EINTR || refused == -EAGAIN)
        return refused;
    if (refused != 0) {
        disk->failed++;
        return refused;
    }
    return request->request.op == MR_IO_SYNC ? sim_file_sync(disk, request->file)
                                             : sim_request_write(disk, request);
}

// ---- the backend -------------------------------------------------------------------------------
static int sim_io_open(void **device, unsigned depth, struct mr_error *err)
{
    (void)depth, (void)err;
    *device = sim_disk_now();
    return MR_OK;
}

static void carry_out(struct sim_disk *disk, struct sim_request *request)
{
    request->result = sim_request_carry_out(disk, request);
    request->carried_out = true;
}

static bool sim_io_submit(void *device, const struct mr_io_request *request, unsigned slot)
{
    struct sim_disk *disk = device;
    // One backend makes brief writes at once, the other does not.
    bool at_once = request->brief && sim_disk_chance(disk, 512) && sim_disk_step(disk);
    const struct sim_open_file *open_file =
        disk->dead ? NULL : sim_disk_open_file(disk, request->fd);
    if (!open_file)
        return false;
    if (disk->request_count == SIM_REQUESTS_MAX) {
        sim_disk_misuse(disk, "more than %d requests in flight", SIM_REQUESTS_MAX);
        return false;
    }
    struct sim_request *waiting = &disk->requests[disk->request_count++];
    *waiting = (struct sim_request){
        .request = *request, .slot = slot, .file = open_file->file, .direct = open_file->direct};
    if (at_once)
        carry_out(disk, waiting);
    return at_once;
}

static struct sim_request *any_request(struct sim_disk *disk, bool carried_out)
{
    if (disk->request_count == 0)
        return NULL;
    unsigned begin = (unsigned)random_below(&disk->random, disk->request_count);
    for (unsigned i = 0; i < disk->request_count; i++) {
        struct sim_request *request = &disk->requests[(begin + i) % disk->request_count];
        if (request->carried_out == carried_out && !request->orphan)
            return request;
    }
    return NULL;
}

// Comes back with fewer than are wanted, as after the time that may be waited.
static int sim_io_reap(void *device, struct mr_io_event *out, unsigned max, unsigned wanted,
                       int64_t wait_ns)
{
    (void)wanted;
    struct sim_disk *disk = device;
    struct sim_request *request;
    unsigned count = 0;
    while (sim_disk_chance(disk, 640) && any_request(disk, false) && sim_disk_step(disk) &&
           (request = any_request(disk, false)) != NULL)
        carry_out(disk, request);
    if (disk->dead)
        return -ESHUTDOWN;
    while (count < max && ((wait_ns > 0 && count == 0) || sim_disk_chance(disk, 640)) &&
           (request = any_request(disk, true)) != NULL) {
        out[count++] = (struct mr_io_event){.slot = request->slot, .result = request->result};
        *request = disk->requests[--disk->request_count];
    }
    disk->now_ns += count == 0 ? wait_ns : 0;
    return (int)count;
}

static void sim_io_close(void *device)
{
    struct sim_disk *disk = device;
    unsigned kept = 0;
    for (unsigned i = 0; i < disk->request_count; i++) // the others are cancelled
        if (disk->requests[i].orphan)
            disk->requests[kept++] = disk->requests[i];
    disk->request_count = kept;
}

const struct mr_io_backend sim_io_backend = {
    .name = "simulated",
    .gauge = 9,
    .open = sim_io_open,
    .submit = sim_io_submit,
    .reap = sim_io_reap,
    .close = sim_io_close,
};
