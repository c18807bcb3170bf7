// SPDX-License-Identifier: Apache-2.0
// Any bytes sent to the metrics endpoint of a run, through a connection of their own: the answer is HTTP, or none,
// and the server goes on. The connection is one half of a pair of sockets, served in this thread until it is closed:
// no port, no thread to wake, as core/pipeline/exporter.c has them around it.
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/pipeline/exporter.c"
#include "tests/support/run_pages.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

#define TURNS_MAX 10000

static struct run_pages run;
static struct mr_exporter exporter;

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
    if (!exporter.daemon)
        abort();
    atexit(close_at_exit);
}

// Until the server has closed its end.
static void serve(int fd)
{
    const struct sockaddr_in peer = {.sin_family = AF_INET,
                                     .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    unsigned turns = 0;
    if (MHD_add_connection(exporter.daemon, fd, (const struct sockaddr *)&peer, sizeof peer) !=
        MHD_YES)
        abort();
    while (
        MHD_get_daemon_info(exporter.daemon, MHD_DAEMON_INFO_CURRENT_CONNECTIONS)->num_connections >
        0)
        if (MHD_run(exporter.daemon) != MHD_YES || turns++ == TURNS_MAX)
            abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static char answered[1 << 20];
    int ends[2];
    size_t used = 0;
    if (!exporter.daemon)
        start();
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) < 0)
        abort();
    if (send(ends[0], bytes, size, MSG_NOSIGNAL) < 0 && size > 0)
        abort();
    shutdown(ends[0], SHUT_WR);
    serve(ends[1]);
    for (ssize_t got; (got = recv(ends[0], answered + used, sizeof answered - used, 0)) > 0;)
        used += (size_t)got;
    close(ends[0]);
    if (used > 0 && (used < 5 || memcmp(answered, "HTTP/", 5) != 0))
        abort();
    return 0;
}
