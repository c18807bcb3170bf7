// SPDX-License-Identifier: Apache-2.0
#include "core/pipeline/exporter.h"

#include <arpa/inet.h>
#include <errno.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/pipeline/metrics.h"

#define CONNECTIONS_MAX 16
#define IDLE_TIMEOUT_S 10
// How long an answer is held back for stages that have yet to say what they count.
#define DECLARED_WAIT_NS 1000000000
#define DECLARED_LOOK_NS 2000000

struct mr_exporter {
    struct MHD_Daemon *daemon;
    const struct mr_pipeline *pipeline;
    int port;
    bool declared; // every stage has said what it counts; only the server's thread uses it
};

static void write_index(const struct mr_report *report, FILE *out)
{
    fprintf(out,
            "<!doctype html><meta charset=utf-8><meta http-equiv=refresh content=2>"
            "<title>millrace: %s</title>"
            "<p><a href=metrics>metrics</a> <a href=stat>stat</a></p><pre>\n",
            report->name);
    mr_report_text(report, out);
    fprintf(out, "</pre>\n");
}

static void write_json(const struct mr_report *report, FILE *out)
{
    struct mr_json json;
    mr_json_init(&json, 2);
    mr_report_json(report, &json);
    fputs(mr_json_finish(&json), out);
    mr_json_free(&json);
}

static const struct page {
    const char *path;
    const char *type;
    void (*write)(const struct mr_report *report, FILE *out);
} pages[] = {
    {"/metrics", "text/plain; version=0.0.4; charset=utf-8", mr_metrics_write},
    {"/stat", "application/json", write_json},
    {"/", "text/html; charset=utf-8", write_index},
};

static enum MHD_Result send_text(struct MHD_Connection *connection, unsigned status,
                                 const char *type, void *text, size_t length,
                                 enum MHD_ResponseMemoryMode memory)
{
    struct MHD_Response *response = MHD_create_response_from_buffer(length, text, memory);
    if (!response)
        return MHD_NO;
    MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type);
    enum MHD_Result result = MHD_queue_response(connection, status, response);
    MHD_destroy_response(response);
    return result;
}

// A stage that runs, or has ended, has its schemas and plugins in its page.
static bool is_declared(const struct mr_report *report)
{
    MR_EACH_ROLE (report, role)
        if (!report->stages[role].present || report->stages[role].gauges.phase < MR_PHASE_RUNNING)
            return false;
    return true;
}

// The first scrape may come while the stages start: series by schema and by plugin's counter would
// be missing from it. Nothing there: everything is zero.
static void read_report(struct mr_exporter *exporter, struct mr_report *report)
{
    int64_t until_ns = mr_mono_ns() + DECLARED_WAIT_NS;
    for (;;) {
        mr_report_read(report, exporter->pipeline, NULL);
        exporter->declared = exporter->declared || is_declared(report);
        if (exporter->declared || mr_mono_ns() >= until_ns)
            return;
        mr_sleep_until_mono_ns(mr_mono_ns() + DECLARED_LOOK_NS);
    }
}

static enum MHD_Result send_page(struct MHD_Connection *connection, struct mr_exporter *exporter,
                                 const struct page *page)
{
    char *text = NULL;
    size_t length = 0;
    FILE *out = open_memstream(&text, &length);
    if (!out)
        return MHD_NO;
    struct mr_report *report = mr_report_new();
    read_report(exporter, report);
    page->write(report, out);
    mr_report_free(report);
    fclose(out);
    return send_text(connection, MHD_HTTP_OK, page->type, text, length, MHD_RESPMEM_MUST_FREE);
}

static enum MHD_Result answer(void *context, struct MHD_Connection *connection, const char *url,
                              const char *method, const char *version, const char *upload,
                              size_t *upload_bytes, void **request)
{
    static char not_found[] = "not found; there are /metrics, /stat and /\n";
    static char not_allowed[] = "only GET\n";
    (void)version, (void)upload, (void)upload_bytes, (void)request;
    if (strcmp(method, MHD_HTTP_METHOD_GET) != 0 && strcmp(method, MHD_HTTP_METHOD_HEAD) != 0)
        return send_text(connection, MHD_HTTP_METHOD_NOT_ALLOWED, "text/plain", not_allowed,
                         sizeof not_allowed - 1, MHD_RESPMEM_PERSISTENT);
    for (unsigned i = 0; i < MR_COUNT_OF(pages); i++)
        if (strcmp(url, pages[i].path) == 0)
            return send_page(connection, context, &pages[i]);
    return send_text(connection, MHD_HTTP_NOT_FOUND, "text/plain", not_found, sizeof not_found - 1,
                     MHD_RESPMEM_PERSISTENT);
}

union listen_address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

// `host` was checked with the pipeline file. Returns the address's length.
static socklen_t fill_address(union listen_address *address, const char *host, int port)
{
    memset(address, 0, sizeof *address);
    if (inet_pton(AF_INET, host, &address->v4.sin_addr) == 1) {
        address->v4.sin_family = AF_INET;
        address->v4.sin_port = htons((uint16_t)port);
        return sizeof address->v4;
    }
    inet_pton(AF_INET6, host, &address->v6.sin6_addr);
    address->v6.sin6_family = AF_INET6;
    address->v6.sin6_port = htons((uint16_t)port);
    return sizeof address->v6;
}

// Bound here and not by the library, so that a port in use can be told from any other failure.
static int listen_on(const char *host, int port, int *fd, struct mr_error *err)
{
    union listen_address address;
    int yes = 1;
    socklen_t bytes = fill_address(&address, host, port);
    *fd = socket(address.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (*fd < 0)
        return mr_fail_errno(err, MR_ERR_INTERNAL, "metrics: cannot make a socket");
    setsockopt(*fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (bind(*fd, &address.any, bytes) == 0 && listen(*fd, 64) == 0)
        return MR_OK;
    int code = errno == EADDRINUSE || errno == EACCES ? MR_ERR_BUSY : MR_ERR_INTERNAL;
    mr_fail_errno(err, code, "metrics.port: cannot listen on %s:%d", host, port);
    close(*fd);
    return code;
}

int mr_exporter_start(struct mr_exporter **exporter, const struct mr_pipeline *pipeline, int port,
                      struct mr_error *err)
{
    int fd = -1;
    union listen_address bound = {0};
    const char *host =
        pipeline->metrics_address ? pipeline->metrics_address : MR_METRICS_ADDRESS_DEFAULT;
    socklen_t bound_bytes = sizeof bound;
    int code = listen_on(host, port, &fd, err);
    if (code != MR_OK)
        return code;
    struct mr_exporter *made = calloc(1, sizeof *made);
    if (!made)
        abort();
    made->pipeline = pipeline;
    // The port stands in the same place in both.
    made->port = getsockname(fd, &bound.any, &bound_bytes) == 0 ? ntohs(bound.v4.sin_port) : port;
    made->daemon = MHD_start_daemon(
        MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_POLL, 0, NULL, NULL, answer, made,
        MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_CONNECTION_LIMIT, (unsigned)CONNECTIONS_MAX,
        MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)IDLE_TIMEOUT_S, MHD_OPTION_END);
    if (!made->daemon) {
        close(fd);
        free(made);
        return mr_fail(err, MR_ERR_INTERNAL, "metrics: cannot start the HTTP server on port %d",
                       port);
    }
    *exporter = made;
    return MR_OK;
}

int mr_exporter_port(const struct mr_exporter *exporter)
{
    return exporter->port;
}

void mr_exporter_stop(struct mr_exporter *exporter)
{
    if (!exporter)
        return;
    MHD_stop_daemon(exporter->daemon); // closes the socket
    free(exporter);
}
