// SPDX-License-Identifier: Apache-2.0
// Any bytes sent to the metrics endpoint of a run, through a connection of their own: the answer is HTTP, or none,
// and the server goes on. The connection is in memory: what the server does with its descriptor (of /dev/null) is
// answered here, for the kernel's sockets take twice as long as all else. It is served in this thread until it is
// closed: no port, no thread to wake, as core/pipeline/exporter.c has them around it.
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/pipeline/exporter.c"
#include "tests/support/run_pages.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

#define TURNS_MAX 10000

static struct run_pages run;
static struct mr_exporter exporter;
static struct {
    int fd;
    const uint8_t *bytes; // what the client has sent, and the server not read yet
    size_t left, answered;
    bool closed;
} connection = {.fd = -1};

// ---- the server's end of the connection
ssize_t recv(int fd, void *out, size_t bytes, int flags)
{
    if (fd != connection.fd)
        return syscall(SYS_recvfrom, fd, out, bytes, flags, NULL, NULL);
    size_t taken = mr_min_u64(bytes, connection.left);
    memcpy(out, connection.bytes, taken);
    connection.bytes += taken;
    connection.left -= taken;
    return (ssize_t)taken;
}

static void answer_with(const void *bytes, size_t length)
{
    static const char protocol[] = "HTTP/";
    const char *text = bytes;
    for (size_t i = 0; i < length && connection.answered < sizeof protocol - 1; i++)
        if (text[i] != protocol[connection.answered++])
            abort();
}

ssize_t send(int fd, const void *bytes, size_t length, int flags)
{
    if (fd != connection.fd)
        return syscall(SYS_sendto, fd, bytes, length, flags, NULL, 0);
    answer_with(bytes, length);
    return (ssize_t)length;
}

ssize_t sendmsg(int fd, const struct msghdr *message, int flags)
{
    size_t length = 0;
    if (fd != connection.fd)
        return syscall(SYS_sendmsg, fd, message, flags);
    for (size_t i = 0; i < message->msg_iovlen; i++) {
        answer_with(message->msg_iov[i].iov_base, message->msg_iov[i].iov_len);
        length += message->msg_iov[i].iov_len;
    }
    return (ssize_t)length;
}

int shutdown(int fd, int how)
{
    return fd == connection.fd ? 0 : (int)syscall(SYS_shutdown, fd, how);
}

int close(int fd)
{
    if (fd != connection.fd)
        return (int)syscall(SYS_close, fd);
    connection.closed = true;
    return 0;
}

// ---- a connection
static void close_at_exit(void)
{
    MHD_stop_daemon(exporter.daemon);
    run_pages_close(&run);
}

static void start(void)
{
    run_pages_open(&run, "fuzz");
    run_pages_finish(&run, 12932);
    exporter.pipeline = &run.pipeline;
    exporter.daemon = MHD_start_daemon(MHD_USE_NO_LISTEN_SOCKET, 0, NULL, NULL, answer, &exporter,
                                       MHD_OPTION_END);
    connection.fd = open("/dev/null", O_RDWR | O_CLOEXEC | O_NONBLOCK);
    if (!exporter.daemon || connection.fd < 0)
        abort();
    atexit(close_at_exit);
}

// Until the server has closed its end, which can be read and written at any time.
static void serve(void)
{
    const struct sockaddr_in peer = {.sin_family = AF_INET,
                                     .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    unsigned turns = 0;
    if (MHD_add_connection(exporter.daemon, connection.fd, (const struct sockaddr *)&peer,
                           sizeof peer) != MHD_YES)
        abort();
    while (!connection.closed) {
        fd_set readable, writable, failed;
        FD_ZERO(&readable);
        FD_ZERO(&writable);
        FD_ZERO(&failed);
        FD_SET(connection.fd, &readable);
        FD_SET(connection.fd, &writable);
        if (MHD_run_from_select(exporter.daemon, &readable, &writable, &failed) != MHD_YES ||
            turns++ == TURNS_MAX)
            abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    if (!exporter.daemon)
        start();
    connection.bytes = bytes;
    connection.left = size;
    connection.answered = 0;
    connection.closed = false;
    serve();
    if (connection.answered > 0 && connection.answered < 5)
        abort();
    return 0;
}
