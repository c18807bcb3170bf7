// SPDX-License-Identifier: Apache-2.0
// Any bytes sent to the metrics endpoint of a run, through a connection of their own: the answer is HTTP, or none,
// and the server goes on.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/pipeline/exporter.h"
#include "tests/support/run_pages.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static struct run_pages run;
static struct mr_exporter *exporter;
static struct sockaddr_in address;

static void close_at_exit(void)
{
    mr_exporter_stop(exporter);
    run_pages_close(&run);
}

static void start(void)
{
    signal(SIGPIPE, SIG_IGN);
    run_pages_open(&run, "fuzz");
    run_pages_finish(&run, 12932);
    if (mr_exporter_start(&exporter, &run.pipeline, 0, NULL) != MR_OK)
        abort();
    address = (struct sockaddr_in){.sin_family = AF_INET,
                                   .sin_port = htons((uint16_t)mr_exporter_port(exporter)),
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    atexit(close_at_exit);
}

// Leaves no port behind that waits for what may still come.
static int connect_once(void)
{
    const struct linger at_once = {.l_onoff = 1, .l_linger = 0};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once) < 0 ||
        connect(fd, (const struct sockaddr *)&address, sizeof address) < 0)
        abort();
    return fd;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static char answer[1 << 20];
    size_t used = 0;
    if (!exporter)
        start();
    int fd = connect_once();
    size_t sent = 0;
    for (ssize_t n; sent < size && (n = send(fd, bytes + sent, size - sent, 0)) > 0;)
        sent += (size_t)n;
    shutdown(fd, SHUT_WR);
    for (ssize_t got;
         used < sizeof answer && (got = recv(fd, answer + used, sizeof answer - used, 0)) > 0;)
        used += (size_t)got;
    close(fd);
    if (used > 0 && (used < 5 || memcmp(answer, "HTTP/", 5) != 0))
        abort();
    return 0;
}
