// SPDX-License-Identifier: Apache-2.0
#include "consumers/loader/io.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/clock.h"
#include "tests/support/faulty_io.h"
#include "tests/support/journal_bytes.h"

#define BYTES 100000
#define WAIT_NS 1000000000LL

static struct {
    unsigned count;
    uint64_t tags[64];
    int64_t results[64];
} done;

static void on_done(void *self, uint64_t tag, int64_t result)
{
    cr_assert_eq(self, &done);
    done.tags[done.count] = tag;
    done.results[done.count++] = result;
}

static const struct mr_io_client client = {on_done, &done};
static struct mr_io io;
static char *directory;
static char path[512];
static uint8_t bytes[BYTES];

// False where this host has no io_uring: the test was skipped.
static bool set_up(const struct mr_io_backend *backend, unsigned depth)
{
    struct mr_error err;
    memset(&done, 0, sizeof done);
    int code = mr_io_open(&io, backend, depth, &err);
    if (code != MR_OK && backend == &mr_io_uring) {
        cr_skip("no io_uring here: %s", err.text);
        return false;
    }
    cr_assert_eq(code, MR_OK, "%s", err.text);
    directory = mr_test_directory();
    snprintf(path, sizeof path, "%s/file", directory);
    for (unsigned i = 0; i < BYTES; i++)
        bytes[i] = (uint8_t)(i * 7 + i / 256);
    return true;
}

static void tear_down(void)
{
    mr_io_close(&io);
    mr_test_remove_directory(directory);
}

static void reap_all(void)
{
    struct mr_error err;
    while (io.in_flight > 0)
        cr_assert_eq(mr_io_reap(&io, WAIT_NS, &err), MR_OK, "%s", err.text);
}

static void check_file(void)
{
    size_t length;
    uint8_t *found = mr_test_read_file(path, &length);
    cr_assert_eq(length, BYTES);
    cr_assert_eq(memcmp(found, bytes, BYTES), 0);
    free(found);
}

// Ten writes of a tenth each, in any order, every third a brief one, from memory that was lent or not; and
// a sync.
static void write_and_check(const struct mr_io_backend *backend, size_t lent_bytes)
{
    if (!set_up(backend, 16))
        return;
    int fd = open(path, O_RDWR | O_CREAT, 0600);
    if (lent_bytes > 0)
        mr_io_lend(&io, bytes, lent_bytes);
    for (unsigned i = 0; i < 10; i++) {
        unsigned at = i * 7 % 10 * (BYTES / 10);
        cr_assert((i % 3 == 0 ? mr_io_write_brief : mr_io_write)(&io, &client, fd, bytes + at,
                                                                 BYTES / 10, at, 100 + i));
    }
    reap_all();
    cr_assert_eq(done.count, 10);
    uint64_t tags = 0;
    for (unsigned i = 0; i < 10; i++) {
        cr_assert_eq(done.results[i], BYTES / 10);
        tags |= 1ULL << (done.tags[i] - 100);
    }
    cr_assert_eq(tags, 0x3ff, "each tag once");
    cr_assert(mr_io_sync(&io, &client, fd, 7));
    reap_all();
    cr_assert_eq(done.tags[10], 7);
    cr_assert_eq(done.results[10], 0);
    check_file();
    close(fd);
    tear_down();
}

Test(io, uring_writes)
{
    write_and_check(&mr_io_uring, 0);
}
Test(io, uring_writes_from_lent_memory)
{
    write_and_check(&mr_io_uring, BYTES);
}
Test(io, pwrite_writes)
{
    write_and_check(&mr_io_pwrite, BYTES);
}

// When the kernel had taken it all: a brief write at once, where the backend makes it at once.
static void check_taken(const struct mr_io_backend *backend, bool at_once)
{
    if (!set_up(backend, 4))
        return;
    struct mr_error err;
    int fd = open(path, O_RDWR | O_CREAT, 0600);
    cr_assert(mr_io_write_brief(&io, &client, fd, bytes, 64, 0, 1));
    uint64_t brief_tick = io.taken_tick;
    cr_expect_eq(brief_tick != 0, at_once);
    cr_assert_eq(mr_io_reap(&io, 0, &err), MR_OK);
    cr_expect_eq(io.taken_tick == brief_tick, at_once, "nothing was taken with that reap");
    brief_tick = io.taken_tick;
    cr_assert(mr_io_write(&io, &client, fd, bytes, 64, 64, 2));
    cr_expect_eq(io.taken_tick, brief_tick, "that one waits for the next reap");
    cr_assert_eq(mr_io_reap(&io, 0, &err), MR_OK);
    cr_expect_gt(io.taken_tick, brief_tick);
    reap_all();
    close(fd);
    tear_down();
}

Test(io, uring_takes_brief_writes_at_once)
{
    check_taken(&mr_io_uring, true);
}
Test(io, pwrite_takes_them_with_the_next_reap)
{
    check_taken(&mr_io_pwrite, false);
}

// The caller of a brief write hears of its failure as of any other.
Test(io, a_brief_write_that_fails)
{
    if (!set_up(&mr_io_uring, 16))
        return;
    int fd = open("/dev/null", O_RDONLY);
    cr_assert(mr_io_write_brief(&io, &client, fd, bytes, 10, 0, 3));
    reap_all();
    cr_assert_eq(done.count, 1);
    cr_assert_eq(done.tags[0], 3);
    cr_assert_eq(done.results[0], -EBADF);
    close(fd);
    tear_down();
}
Test(io, short_writes_are_finished)
{
    faulty_io = (struct faulty_io){.write_bytes_max = 777};
    write_and_check(&faulty_io_backend, 0);
    cr_assert_geq(faulty_io.writes, BYTES / 777);
}
Test(io, interruptions_are_tried_again)
{
    faulty_io = (struct faulty_io){.write_bytes_max = 5000, .interrupt_each = 2};
    write_and_check(&faulty_io_backend, 0);
}
Test(io, any_order_of_completion)
{
    faulty_io = (struct faulty_io){.backwards = true, .events_max = 1, .write_bytes_max = 9999};
    write_and_check(&faulty_io_backend, 0);
}

// What does not fit is refused, not lost; after a reap there is room again.
static void check_depth(const struct mr_io_backend *backend)
{
    if (!set_up(backend, 4))
        return;
    int fd = open(path, O_RDWR | O_CREAT, 0600);
    for (unsigned i = 0; i < 4; i++)
        cr_assert(mr_io_write(&io, &client, fd, bytes, 10, 0, i));
    cr_assert_not(mr_io_write(&io, &client, fd, bytes, 10, 0, 4));
    cr_assert_not(mr_io_sync(&io, &client, fd, 4));
    cr_assert_eq(io.in_flight, 4);
    reap_all();
    cr_assert(mr_io_write(&io, &client, fd, bytes, 10, 0, 4));
    reap_all();
    cr_assert_eq(done.count, 5);
    close(fd);
    tear_down();
}
Test(io, uring_depth)
{
    check_depth(&mr_io_uring);
}
Test(io, pwrite_depth)
{
    check_depth(&mr_io_pwrite);
}

// Who takes them several at a time is woken for half of what is in flight, for no more than sixteen, and beside a
// sync for the first.
static unsigned wanted_of(unsigned writes, bool several)
{
    for (unsigned i = 0; i < writes; i++)
        cr_assert(mr_io_write(&io, &client, -1, bytes, 10, 0, i));
    cr_assert_eq((several ? mr_io_reap_several : mr_io_reap)(&io, WAIT_NS, NULL), MR_OK);
    reap_all();
    done.count = 0;
    return faulty_io.wanted;
}
Test(io, how_many_are_waited_for)
{
    faulty_io = (struct faulty_io){0};
    set_up(&faulty_io_backend, 64);
    cr_expect_eq(wanted_of(1, true), 1);
    cr_expect_eq(wanted_of(2, true), 1);
    cr_expect_eq(wanted_of(7, true), 3);
    cr_expect_eq(wanted_of(32, true), 16);
    cr_expect_eq(wanted_of(60, true), 16);
    cr_expect_eq(wanted_of(60, false), 1);
    int fd = open(path, O_RDWR | O_CREAT, 0600);
    cr_assert(mr_io_sync(&io, &client, fd, 7));
    cr_expect_eq(wanted_of(60, true), 1, "a sync is in flight");
    cr_expect_eq(wanted_of(60, true), 16, "it is not any more");
    close(fd);
    tear_down();
}

static void fill_pipe(const int ends[2])
{
    cr_assert_eq(fcntl(ends[1], F_SETFL, O_NONBLOCK), 0);
    while (write(ends[1], bytes, BYTES) > 0)
        continue;
    cr_assert_eq(fcntl(ends[1], F_SETFL, 0), 0);
}

// Of eight writes the kernel can make three, the others wait for the reader of a pipe: that reaches the kernel, too.
static int reap_wanted(unsigned wanted, int64_t wait_ns, int64_t *waited_ns)
{
    int ends[2], fd = open(path, O_RDWR | O_CREAT, 0600);
    struct mr_io_event events[8];
    cr_assert_eq(pipe2(ends, O_CLOEXEC), 0);
    fill_pipe(ends);
    for (unsigned i = 0; i < 3; i++)
        cr_assert(mr_io_write(&io, &client, fd, bytes, BYTES, 0, i));
    for (unsigned i = 3; i < 8; i++)
        cr_assert(mr_io_write(&io, &client, ends[1], bytes, BYTES, MR_IO_STREAM, i));
    int64_t begun_ns = mr_mono_ns();
    int count = io.backend->reap(io.device, events, 8, wanted, wait_ns);
    *waited_ns = mr_mono_ns() - begun_ns;
    io.in_flight = 0; // those that still wait are cancelled, and nobody is told
    tear_down();
    close(ends[0]);
    close(ends[1]);
    close(fd);
    return count;
}
Test(io, uring_comes_back_with_as_many_as_are_wanted)
{
    int64_t waited_ns;
    if (!set_up(&mr_io_uring, 8))
        return;
    cr_expect_eq(reap_wanted(3, 10 * WAIT_NS, &waited_ns), 3);
    cr_expect_lt(waited_ns, 10 * WAIT_NS);
}
Test(io, uring_waits_for_as_many_as_are_wanted)
{
    const int64_t wait_ns = 50000000;
    int64_t waited_ns;
    if (!set_up(&mr_io_uring, 8))
        return;
    cr_expect_leq(reap_wanted(4, wait_ns, &waited_ns), 3);
    cr_expect_geq(waited_ns, wait_ns);
}

static void check_error(const struct mr_io_backend *backend)
{
    if (!set_up(backend, 4))
        return;
    int fd = open("/dev/full", O_WRONLY);
    cr_assert(mr_io_write(&io, &client, fd, bytes, 10, MR_IO_STREAM, 1));
    reap_all();
    cr_assert_eq(done.results[0], -ENOSPC);
    close(fd);
    cr_assert(mr_io_write(&io, &client, fd, bytes, 10, 0, 2));
    reap_all();
    cr_assert_eq(done.results[1], -EBADF);
    tear_down();
}
Test(io, uring_error)
{
    check_error(&mr_io_uring);
}
Test(io, pwrite_error)
{
    check_error(&mr_io_pwrite);
}
// A file whose file system is full is waited for: what is refused stays in flight, is shown, does not hold
// up a reap for longer than it may last, and goes in when there is room.
static void check_no_room(int os_errno)
{
    struct mr_device_gauges gauges = {0};
    faulty_io = (struct faulty_io){
        .write_bytes_max = 3000, .fail_write_after = 5, .fail_write_errno = os_errno};
    if (!set_up(&faulty_io_backend, 16))
        return;
    mr_device_show(&gauges);
    int fd = open(path, O_RDWR | O_CREAT, 0600);
    for (unsigned i = 0; i < 10; i++)
        cr_assert(mr_io_write(&io, &client, fd, bytes + i * (BYTES / 10), BYTES / 10,
                              i * (BYTES / 10), i));
    int64_t begun_ns = mr_mono_ns();
    while (mr_mono_ns() - begun_ns < 3 * MR_DEVICE_RETRY_NS)
        cr_assert_eq(mr_io_reap(&io, 5000000, NULL), MR_OK);
    cr_assert_eq(io.in_flight, 10, "of five the first piece was written");
    cr_assert_eq(gauges.refused_errno, (uint32_t)os_errno);
    cr_assert_geq(gauges.refused_since_ns, begun_ns);
    cr_assert_not_null(strstr(gauges.refused_what, path), "%s", gauges.refused_what);
    cr_assert_not_null(strstr(gauges.refused_what, "bytes free"), "%s", gauges.refused_what);
    cr_assert(mr_device_is_refused());
    faulty_io.fail_write_after = 0;
    reap_all();
    cr_assert_eq(done.count, 10);
    cr_assert_eq(gauges.refused_errno, 0);
    cr_assert_not(mr_device_is_refused());
    check_file();
    mr_device_show(NULL);
    close(fd);
    tear_down();
}
Test(io, a_full_disk_is_waited_for)
{
    check_no_room(ENOSPC);
}
Test(io, a_used_up_quota_is_waited_for)
{
    check_no_room(EDQUOT);
}

// Who ends while it waits for room ends.
Test(io, what_was_refused_is_given_up_at_the_end)
{
    faulty_io = (struct faulty_io){.fail_write_after = 1, .fail_write_errno = ENOSPC};
    if (!set_up(&faulty_io_backend, 4))
        return;
    int fd = open(path, O_RDWR | O_CREAT, 0600);
    for (unsigned i = 0; i < 3; i++)
        cr_assert(mr_io_write(&io, &client, fd, bytes, 10, 10 * i, i));
    cr_assert_eq(mr_io_reap(&io, 0, NULL), MR_OK);
    cr_assert_eq(io.refused_count, 2);
    tear_down();
    cr_assert_eq(done.count, 1);
    mr_device_show(NULL);
    close(fd);
}

// While a sync runs it is shown since when.
Test(io, a_sync_under_way_is_shown)
{
    struct mr_device_gauges gauges = {0};
    faulty_io = (struct faulty_io){0};
    if (!set_up(&faulty_io_backend, 4))
        return;
    mr_device_show(&gauges);
    int fd = open(path, O_RDWR | O_CREAT, 0600);
    int64_t begun_ns = mr_mono_ns();
    cr_assert(mr_io_sync(&io, &client, fd, 1));
    int64_t since_ns = gauges.syncing_since_ns;
    cr_assert_geq(since_ns, begun_ns);
    cr_assert(mr_io_sync(&io, &client, fd, 2));
    cr_assert_eq(gauges.syncing_since_ns, since_ns, "the oldest counts");
    faulty_io.events_max = 1;
    cr_assert_eq(mr_io_reap(&io, 0, NULL), MR_OK);
    cr_assert_gt(gauges.syncing_since_ns, since_ns);
    reap_all();
    cr_assert_eq(gauges.syncing_since_ns, 0);
    mr_device_show(NULL);
    close(fd);
    tear_down();
}
Test(io, no_progress_is_an_error)
{
    // A backend that writes nothing and says no reason must not be asked for ever.
    if (!set_up(&mr_io_pwrite, 4))
        return;
    int fd = open(path, O_RDWR | O_CREAT, 0600);
    cr_assert(mr_io_write(&io, &client, fd, bytes, 0, 0, 1));
    reap_all();
    cr_assert_eq(done.results[0], 0, "nothing to write is written");
    close(fd);
    tear_down();
}

// A pipe whose reader comes late: the layer waits for no longer than it was told, and loses
// nothing.
static void check_pipe(const struct mr_io_backend *backend)
{
    int ends[2];
    static uint8_t found[BYTES + 1];
    size_t got = 0;
    if (!set_up(backend, 4))
        return;
    cr_assert_eq(pipe2(ends, O_CLOEXEC), 0);
    cr_assert(mr_io_write(&io, &client, ends[1], bytes, BYTES, MR_IO_STREAM, 3));
    for (unsigned i = 0; i < 50; i++) // a pipe takes 64 KiB: the write cannot be done yet
        cr_assert_eq(mr_io_reap(&io, 100000, NULL), MR_OK);
    cr_assert_eq(done.count, 0);
    cr_assert_eq(fcntl(ends[0], F_SETFL, O_NONBLOCK), 0);
    while (io.in_flight > 0) {
        ssize_t n = read(ends[0], found + got, sizeof found - got);
        got += n > 0 ? (size_t)n : 0;
        cr_assert_eq(mr_io_reap(&io, 1000000, NULL), MR_OK);
    }
    for (ssize_t n; (n = read(ends[0], found + got, sizeof found - got)) > 0;)
        got += (size_t)n;
    cr_assert_eq(done.results[0], BYTES);
    cr_assert_eq(got, BYTES);
    cr_assert_eq(memcmp(found, bytes, BYTES), 0);
    close(ends[0]);
    close(ends[1]);
    tear_down();
}
Test(io, uring_pipe)
{
    check_pipe(&mr_io_uring);
}
Test(io, pwrite_pipe)
{
    check_pipe(&mr_io_pwrite);
}

static int cannot_open(void **device, unsigned depth, struct mr_error *err)
{
    (void)device, (void)depth;
    return mr_fail(err, MR_ERR_OUTPUT, "it cannot be had here");
}
static void never_closed(void *device)
{
    (void)device;
    cr_assert(false, "what was not opened is closed");
}

Test(io, one_that_cannot_be_had)
{
    const struct mr_io_backend none = {.name = "none", .open = cannot_open, .close = never_closed};
    struct mr_error err;
    cr_assert_eq(mr_io_open(&io, &none, 8, &err), MR_ERR_OUTPUT);
    cr_expect_str_eq(err.text, "it cannot be had here");
    mr_io_close(&io);
}

Test(io, choice)
{
    const struct mr_io_backend *backend;
    struct mr_error err;
    unsetenv("MILLRACE_IO");
    cr_assert_eq(mr_io_choose("auto", &backend, &err), MR_OK);
    cr_assert_null(backend);
    cr_assert_eq(mr_io_choose("uring", &backend, &err), MR_OK);
    cr_assert_eq(backend, &mr_io_uring);
    cr_assert_eq(mr_io_choose("quick", &backend, &err), MR_ERR_CONFIG);
    setenv("MILLRACE_IO", "pwrite", 1);
    cr_assert_eq(mr_io_choose("uring", &backend, &err), MR_OK);
    cr_assert_eq(backend, &mr_io_pwrite);
}
