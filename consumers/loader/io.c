// SPDX-License-Identifier: Apache-2.0
#include "consumers/loader/io.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/log.h"

// The kernel takes at most 2 GiB less a page at once; a larger write goes in pieces.
#define PIECE_BYTES_MAX (1u << 30)
#define BUSY_STREAM_WAIT_MS 10
#define CLOSE_WAIT_NS 100000000LL
#define WANTED_MAX 16 // completions that are waited for at once

int mr_io_choose(const char *choice, const struct mr_io_backend **backend, struct mr_error *err)
{
    const char *environment = getenv("MILLRACE_IO");
    const char *where = "sink.io";
    *backend = NULL;
    if (environment && *environment) {
        choice = environment;
        where = "MILLRACE_IO";
    }
    if (!choice || strcmp(choice, "auto") == 0)
        return MR_OK;
    if (strcmp(choice, "uring") == 0)
        *backend = &mr_io_uring;
    else if (strcmp(choice, "pwrite") == 0)
        *backend = &mr_io_pwrite;
    else
        return mr_fail(err, MR_ERR_CONFIG, "%s: found \"%s\", expected auto, uring or pwrite",
                       where, choice);
    return MR_OK;
}

int mr_io_open(struct mr_io *io, const struct mr_io_backend *backend, unsigned depth,
               struct mr_error *err)
{
    struct mr_error why;
    *io = (struct mr_io){.backend = backend ? backend : &mr_io_uring};
    io->depth = depth > MR_IO_DEPTH_MAX ? MR_IO_DEPTH_MAX : depth;
    int code = io->backend->open(&io->device, io->depth, &why);
    if (code != MR_OK && !backend) {
        mr_info("writing with pwrite: %s", why.text);
        io->backend = &mr_io_pwrite;
        code = io->backend->open(&io->device, io->depth, &why);
    }
    if (code != MR_OK) {
        io->backend = NULL; // nothing to close
        if (err)
            *err = why;
        return code;
    }
    for (unsigned slot = 0; slot < io->depth; slot++)
        io->free_slots[io->free_count++] = io->depth - 1 - slot;
    return MR_OK;
}

int mr_io_restrict(struct mr_io *io, struct mr_error *err)
{
    if (!io->backend->restrict_to_submits)
        return MR_OK;
    return io->backend->restrict_to_submits(io->device, err);
}

void mr_io_lend(struct mr_io *io, const void *bytes, size_t length)
{
    if (io->backend->lend)
        io->backend->lend(io->device, bytes, length);
}

static void submit(struct mr_io *io, unsigned slot)
{
    struct mr_io_request piece = io->slots[slot].request;
    if (piece.length > PIECE_BYTES_MAX)
        piece.length = PIECE_BYTES_MAX;
    if (io->backend->submit(io->device, &piece, slot))
        io->taken_tick = mr_tick();
    else
        io->starting = true;
}

// Syncs are few, and so is what this costs.
static void show_syncs(const struct mr_io *io)
{
    int64_t since_ns = 0;
    for (unsigned slot = 0; slot < io->depth; slot++) {
        int64_t begun_ns = io->slots[slot].begun_ns;
        if (begun_ns != 0 && (since_ns == 0 || begun_ns < since_ns))
            since_ns = begun_ns;
    }
    mr_device_syncs_since(since_ns);
}

static bool begin(struct mr_io *io, const struct mr_io_client *client,
                  const struct mr_io_request *request, uint64_t tag)
{
    if (io->free_count == 0)
        return false;
    unsigned slot = io->free_slots[--io->free_count];
    io->slots[slot] = (struct mr_io_slot){.request = *request, .client = client, .tag = tag};
    io->in_flight++;
    if (request->op == MR_IO_SYNC) {
        io->slots[slot].begun_ns = mr_mono_ns();
        io->sync_count++;
        show_syncs(io);
    }
    submit(io, slot);
    return true;
}

bool mr_io_write(struct mr_io *io, const struct mr_io_client *client, int fd, const void *bytes,
                 size_t length, int64_t offset, uint64_t tag)
{
    struct mr_io_request request = {
        .op = MR_IO_WRITE, .fd = fd, .bytes = bytes, .length = length, .offset = offset};
    return begin(io, client, &request, tag);
}

bool mr_io_write_brief(struct mr_io *io, const struct mr_io_client *client, int fd,
                       const void *bytes, size_t length, int64_t offset, uint64_t tag)
{
    struct mr_io_request request = {.op = MR_IO_WRITE,
                                    .fd = fd,
                                    .bytes = bytes,
                                    .length = length,
                                    .offset = offset,
                                    .brief = true};
    return begin(io, client, &request, tag);
}

bool mr_io_sync(struct mr_io *io, const struct mr_io_client *client, int fd, uint64_t tag)
{
    struct mr_io_request request = {.op = MR_IO_SYNC, .fd = fd};
    return begin(io, client, &request, tag);
}

static void complete(struct mr_io *io, unsigned slot, int64_t result)
{
    struct mr_io_slot done = io->slots[slot];
    io->free_slots[io->free_count++] = slot;
    io->in_flight--;
    mr_device_accept(&done.refusal);
    if (done.begun_ns != 0) {
        io->slots[slot].begun_ns = 0;
        io->sync_count--;
        show_syncs(io);
    }
    done.client->done(done.client->self, done.tag, result);
}

static void try_again(struct mr_io *io, unsigned slot, bool would_block)
{
    const struct mr_io_request *request = &io->slots[slot].request;
    if (would_block && request->offset == MR_IO_STREAM) { // a stream in non-blocking mode
        struct pollfd writable = {.fd = request->fd, .events = POLLOUT};
        poll(&writable, 1, BUSY_STREAM_WAIT_MS);
    }
    submit(io, slot);
}

static void fail_no_room(const struct mr_io_request *request, int os_errno, struct mr_error *err)
{
    char link[64], path[256];
    snprintf(link, sizeof link, "/proc/self/fd/%d", request->fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    path[length > 0 ? length : 0] = '\0';
    errno = os_errno;
    mr_fail_errno(err, MR_ERR_OUTPUT, "%s: cannot write %zu bytes at byte %" PRIi64, path,
                  request->length, request->offset);
}

// A stream has no room to wait for: it is a device that is full for good, or a reader's that is gone.
static bool waits_for_room(const struct mr_io_request *request, int64_t result)
{
    return result < 0 && mr_errno_is_no_room((int)-result) && request->op == MR_IO_WRITE &&
           request->offset != MR_IO_STREAM;
}

static void refuse(struct mr_io *io, unsigned slot, int64_t result)
{
    struct mr_io_slot *refused = &io->slots[slot];
    struct mr_error err;
    if (io->refused_count++ == 0)
        io->retry_ns = mr_mono_ns() + MR_DEVICE_RETRY_NS;
    refused->refused = true;
    fail_no_room(&refused->request, (int)-result, &err);
    mr_device_refuse(&refused->refusal, &err, refused->request.fd);
}

static void try_refused(struct mr_io *io)
{
    for (unsigned slot = 0; slot < io->depth && io->refused_count > 0; slot++)
        if (io->slots[slot].refused) {
            io->slots[slot].refused = false;
            io->refused_count--;
            submit(io, slot);
        }
}

static void on_event(struct mr_io *io, const struct mr_io_event *event)
{
    struct mr_io_slot *slot = &io->slots[event->slot];
    struct mr_io_request *request = &slot->request;
    int64_t result = event->result;
    if (result == -EINTR || result == -EAGAIN) {
        try_again(io, event->slot, result == -EAGAIN);
        return;
    }
    if (waits_for_room(request, result)) {
        refuse(io, event->slot, result);
        return;
    }
    if (result < 0 || request->op == MR_IO_SYNC) {
        complete(io, event->slot, result);
        return;
    }
    if (result == 0 && request->length > 0) { // no progress and no reason: never try that for ever
        complete(io, event->slot, -EIO);
        return;
    }
    size_t written = (size_t)result < request->length ? (size_t)result : request->length;
    slot->written += written;
    request->bytes += written;
    request->length -= written;
    if (request->offset != MR_IO_STREAM)
        request->offset += (int64_t)written;
    if (request->length > 0)
        submit(io, event->slot);
    else
        complete(io, event->slot, (int64_t)slot->written);
}

static int reap(struct mr_io *io, unsigned wanted, int64_t wait_ns, struct mr_error *err)
{
    struct mr_io_event events[MR_IO_DEPTH_MAX];
    if (io->in_flight == 0)
        return MR_OK;
    if (MR_UNLIKELY(io->refused_count > 0)) {
        int64_t now_ns = mr_mono_ns();
        if (now_ns >= io->retry_ns)
            try_refused(io);
        else if (io->refused_count == io->in_flight && wait_ns > 0) // nothing else will come
            mr_sleep_until_mono_ns(
                now_ns + (int64_t)mr_min_u64((uint64_t)wait_ns, (uint64_t)(io->retry_ns - now_ns)));
        if (io->refused_count == io->in_flight)
            return MR_OK;
    }
    int count = io->backend->reap(io->device, events, io->depth, wanted, wait_ns);
    if (io->starting)
        io->taken_tick = mr_tick();
    io->starting = false;
    if (count < 0) {
        errno = -count;
        return mr_fail_errno(err, MR_ERR_OUTPUT, "%s: cannot reap", io->backend->name);
    }
    for (int i = 0; i < count; i++)
        on_event(io, &events[i]);
    return MR_OK;
}

int mr_io_reap(struct mr_io *io, int64_t wait_ns, struct mr_error *err)
{
    return reap(io, 1, wait_ns, err);
}

int mr_io_reap_several(struct mr_io *io, int64_t wait_ns, struct mr_error *err)
{
    unsigned under_way = io->in_flight - io->refused_count;
    uint64_t wanted = io->sync_count > 0 ? 1 : mr_min_u64(under_way / 2, WANTED_MAX);
    return reap(io, (unsigned)mr_max_u64(wanted, 1), wait_ns, err);
}

void mr_io_close(struct mr_io *io)
{
    if (!io->backend)
        return;
    // The bytes in flight are memory that is about to be unmapped.
    while (io->in_flight > io->refused_count && mr_io_reap(io, CLOSE_WAIT_NS, NULL) == MR_OK)
        continue;
    io->backend->close(io->device);
    io->backend = NULL;
}
