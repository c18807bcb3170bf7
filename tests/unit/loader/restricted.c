// SPDX-License-Identifier: Apache-2.0
// An io_uring that was restricted: it writes and syncs, and refuses everything else.
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "consumers/loader/io.h"

#define WAIT_NS 1000000000LL

static struct mr_io io;
static int64_t last_result;
static int fd = -1;

static void on_done(void *self, uint64_t tag, int64_t result)
{
    (void)self, (void)tag;
    last_result = result;
}
static const struct mr_io_client client = {on_done, NULL};

static void open_fixture(void)
{
    struct mr_error err;
    char name[] = "/tmp/millrace-restricted.XXXXXX";
    if (mr_io_open(&io, &mr_io_uring, 8, &err) != MR_OK)
        cr_skip("no io_uring here: %s", err.text);
    cr_assert_eq(mr_io_restrict(&io, &err), MR_OK, "%s", err.text);
    fd = mkstemp(name);
    cr_assert_geq(fd, 0);
    unlink(name);
}
static void close_fixture(void)
{
    mr_io_close(&io);
    close(fd);
}
TestSuite(restricted, .init = open_fixture, .fini = close_fixture, .timeout = 30);

static void reap(void)
{
    struct mr_error err;
    last_result = INT64_MIN;
    while (io.in_flight > 0)
        cr_assert_eq(mr_io_reap(&io, WAIT_NS, &err), MR_OK, "%s", err.text);
}

Test(restricted, it_writes_and_syncs)
{
    char found[8] = "";
    cr_assert(mr_io_write(&io, &client, fd, "millrace", 8, 0, 1));
    reap();
    cr_expect_eq(last_result, 8);
    cr_assert(mr_io_sync(&io, &client, fd, 2));
    reap();
    cr_expect_eq(last_result, 0);
    cr_expect_eq(pread(fd, found, sizeof found, 0), 8);
    cr_expect_eq(memcmp(found, "millrace", 8), 0);
}

// The device begins with its ring.
static int result_of(void (*prepare)(struct io_uring_sqe *sqe))
{
    struct io_uring *ring = io.device;
    struct io_uring_cqe *cqe;
    struct io_uring_sqe *sqe = io_uring_get_sqe(ring);
    prepare(sqe);
    cr_assert_geq(io_uring_submit_and_wait(ring, 1), 1);
    cr_assert_eq(io_uring_peek_cqe(ring, &cqe), 0);
    int result = cqe->res;
    io_uring_cqe_seen(ring, cqe);
    return result;
}

static char scratch_bytes[16];

static void prepare_read(struct io_uring_sqe *sqe)
{
    io_uring_prep_read(sqe, fd, scratch_bytes, sizeof scratch_bytes, 0);
}
static void prepare_open(struct io_uring_sqe *sqe)
{
    io_uring_prep_openat(sqe, AT_FDCWD, "/etc/passwd", O_RDONLY, 0);
}
static void prepare_socket(struct io_uring_sqe *sqe)
{
    io_uring_prep_connect(sqe, fd, NULL, 0);
}
static void prepare_linked_write(struct io_uring_sqe *sqe)
{
    io_uring_prep_write(sqe, fd, scratch_bytes, sizeof scratch_bytes, 0);
    sqe->flags |= IOSQE_IO_LINK;
}

Test(restricted, other_operations_are_refused)
{
    cr_expect_eq(result_of(prepare_read), -EACCES);
    cr_expect_eq(result_of(prepare_open), -EACCES);
    cr_expect_eq(result_of(prepare_socket), -EACCES);
    cr_expect_eq(result_of(prepare_linked_write), -EACCES);
}

Test(restricted, nothing_can_be_registered)
{
    struct io_uring *ring = io.device;
    struct iovec memory = {scratch_bytes, sizeof scratch_bytes};
    cr_expect_eq(syscall(SYS_io_uring_register, ring->ring_fd, IORING_REGISTER_BUFFERS, &memory, 1),
                 -1);
    if (errno == ENOMEM)
        cr_skip("nothing can be registered here anyway");
    cr_expect_eq(errno, EACCES);
}
