// SPDX-License-Identifier: Apache-2.0
// The metrics page against the rules of the Prometheus text format and its naming conventions.
#include "core/pipeline/exporter.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <ctype.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/pipeline/metrics.h"
#include "tests/support/run_pages.h"

static struct run_pages run;
static struct mr_exporter *exporter;

static void set_up(void)
{
    struct mr_error err = {0};
    run_pages_open(&run, "export\"er");
    cr_assert(mr_exporter_start(&exporter, &run.pipeline, 0, &err) == MR_OK, "%s", err.text);
}
static void tear_down(void)
{
    mr_exporter_stop(exporter);
    run_pages_close(&run);
}
TestSuite(exporter, .init = set_up, .fini = tear_down);

// The whole answer, head included; freed by the caller.
static char *request(const char *method, const char *path)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)mr_exporter_port(exporter))};
    char line[128], *answer = calloc(1, 1 << 20);
    size_t used = 0;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    cr_assert(connect(fd, (struct sockaddr *)&address, sizeof address) == 0);
    int length = snprintf(line, sizeof line,
                          "%s %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", method, path);
    cr_assert(write(fd, line, (size_t)length) == length);
    for (ssize_t got; (got = read(fd, answer + used, (1 << 20) - 1 - used)) > 0;)
        used += (size_t)got;
    close(fd);
    return answer;
}
static char *metrics(void)
{
    char *answer = request("GET", "/metrics");
    cr_assert(strncmp(answer, "HTTP/1.1 200", 12) == 0, "%.100s", answer);
    cr_assert(strstr(answer, "Content-Type: text/plain; version=0.0.4") != NULL);
    return answer;
}
static const char *body(const char *answer)
{
    return strstr(answer, "\r\n\r\n") + 4;
}
static bool has_line(const char *answer, const char *line)
{
    size_t length = strlen(line);
    for (const char *at = answer; (at = strstr(at, line)) != NULL; at++)
        if (at[-1] == '\n' && at[length] == '\n')
            return true;
    return false;
}

Test(exporter, every_series_is_there_before_anything_happened)
{
    char line[160], *answer = metrics();
    for (unsigned role = 0; role <= MR_ROLE_LOADER; role++)
        for (unsigned reason = 0; reason < MR_REASON_KINDS; reason++) {
            snprintf(line, sizeof line,
                     "millrace_stage_records_rejected_total{stage=\"%s\",reason=\"%s\"} 0",
                     mr_role_name(role), mr_reason_name(reason));
            cr_expect(has_line(answer, line), "missing: %s", line);
        }
    for (unsigned ring = 0; ring <= MR_RING_DEAD_TRANSFORM; ring++) {
        snprintf(line, sizeof line, "millrace_ring_used_bytes{ring=\"%s\"} 0",
                 mr_ring_index_name(ring));
        cr_expect(has_line(answer, line), "missing: %s", line);
    }
    cr_expect(has_line(answer, "millrace_latency_seconds_count{hop=\"end_to_end\"} 0"));
    cr_expect(has_line(answer, "millrace_balance 1"));
    free(answer);
}

Test(exporter, values_are_the_stages)
{
    run_pages_finish(&run, 12932);
    struct mr_stage_layout *loader = run.pages[MR_ROLE_LOADER];
    mr_histogram_add(&loader->age_ns, 1500, 3);        // 1.5 us
    mr_histogram_add(&loader->age_ns, 20000000000, 1); // 20 s: above every bound
    char *answer = metrics();
    cr_expect(has_line(answer, "millrace_stage_records_in_total{stage=\"producer\"} 12932"));
    cr_expect(has_line(answer, "millrace_run_seconds 2"));
    cr_expect(has_line(answer, "millrace_stage_phase{stage=\"loader\",phase=\"done\"} 1"));
    cr_expect(
        has_line(answer, "millrace_latency_seconds_bucket{hop=\"end_to_end\",le=\"1e-06\"} 0"));
    cr_expect(
        has_line(answer, "millrace_latency_seconds_bucket{hop=\"end_to_end\",le=\"2e-06\"} 3"));
    cr_expect(has_line(answer, "millrace_latency_seconds_bucket{hop=\"end_to_end\",le=\"10\"} 3"));
    cr_expect(
        has_line(answer, "millrace_latency_seconds_bucket{hop=\"end_to_end\",le=\"+Inf\"} 4"));
    cr_expect(has_line(answer, "millrace_latency_seconds_count{hop=\"end_to_end\"} 4"));
    free(answer);
}

Test(exporter, an_imbalance_shows)
{
    run_pages_finish(&run, 10);
    run.pages[MR_ROLE_PRODUCER]->slots[0].counts[MR_COUNT_OUT] = 9;
    char *answer = metrics();
    cr_expect(has_line(answer, "millrace_balance 0"));
    free(answer);
}

// ---- the format ---------------------------------------------------------------------------------

struct parsed {
    char family[96], type[16]; // what the last # TYPE line said
    bool helped;               // and whether # HELP stood before it
    char seen[1024][192];      // series so far, to find one that comes twice
    unsigned seen_count;
};

static bool is_name(const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if (!(isalpha((unsigned char)text[i]) || text[i] == '_' ||
              (i > 0 && isdigit((unsigned char)text[i]))))
            return false;
    return length > 0;
}

static void parse_comment(struct parsed *parsed, const char *line)
{
    char kind[8], name[96], rest[16];
    cr_assert(sscanf(line, "# %7s %95s %15s", kind, name, rest) == 3, "%s", line);
    if (strcmp(kind, "HELP") == 0) {
        size_t length = strlen(line);
        cr_expect(line[length - 1] == '.', "help is a sentence: %s", line);
        snprintf(parsed->family, sizeof parsed->family, "%s", name);
        parsed->helped = true;
        return;
    }
    cr_assert(strcmp(kind, "TYPE") == 0, "%s", line);
    cr_expect(parsed->helped && strcmp(parsed->family, name) == 0, "HELP before TYPE: %s", line);
    snprintf(parsed->type, sizeof parsed->type, "%s", rest);
    parsed->helped = false;
    cr_expect(is_name(name, strlen(name)) && strncmp(name, "millrace_", 9) == 0, "%s", name);
    bool counter = strcmp(rest, "counter") == 0, total = strstr(name, "_total") != NULL;
    cr_expect(counter == total, "counters, and only they, end in _total: %s is a %s", name, rest);
    static const char *const not_base[] = {"ms", "ns", "us", "kb", "mib", "percent", "minutes"};
    char words[96], *rest_of_name = words;
    snprintf(words, sizeof words, "%s", name);
    for (char *word; (word = strsep(&rest_of_name, "_")) != NULL;)
        for (unsigned i = 0; i < MR_COUNT_OF(not_base); i++)
            cr_expect_str_neq(word, not_base[i], "base units only: %s", name);
}

// Labels in braces; returns where they end.
static const char *parse_labels(const char *at, const char *line)
{
    while (*at != '}') {
        size_t length = strcspn(at, "=");
        cr_assert(is_name(at, length), "label name: %s", line);
        at += length + 1;
        cr_assert(*at++ == '"', "%s", line);
        while (*at != '"') {
            cr_assert(*at != '\0', "value ends: %s", line);
            at += *at == '\\' ? 2 : 1;
        }
        at++;
        if (*at == ',')
            at++;
    }
    return at + 1;
}

static void parse_sample(struct parsed *parsed, const char *line)
{
    size_t name_length = strcspn(line, "{ ");
    size_t family_length = strlen(parsed->family);
    cr_expect(is_name(line, name_length), "%s", line);
    cr_expect(strncmp(line, parsed->family, family_length) == 0, "of its family: %s", line);
    if (strcmp(parsed->type, "histogram") == 0)
        cr_expect(line[family_length] == '_', "a histogram's series has a suffix: %s", line);
    else
        cr_expect_eq(name_length, family_length, "%s", line);
    const char *end =
        line[name_length] == '{' ? parse_labels(line + name_length + 1, line) : line + name_length;
    cr_assert(*end == ' ', "%s", line);
    char *number_end;
    strtod(end + 1, &number_end);
    cr_expect(*number_end == '\0' && number_end != end + 1, "a number and nothing else: %s", line);
    char series[192];
    snprintf(series, sizeof series, "%.*s", (int)(end - line), line);
    for (unsigned i = 0; i < parsed->seen_count; i++)
        cr_expect_str_neq(parsed->seen[i], series);
    cr_assert(parsed->seen_count < MR_COUNT_OF(parsed->seen));
    strcpy(parsed->seen[parsed->seen_count++], series);
}

Test(exporter, the_page_obeys_the_format)
{
    run_pages_finish(&run, 3);
    struct mr_stage_layout *producer = run.pages[MR_ROLE_PRODUCER];
    producer->out_schema_count = 1;
    snprintf(producer->out_schema_name[0], MR_NAME_BYTES, "odd\"na\\me\n");
    char *answer = metrics(), *rest = (char *)body(answer);
    struct parsed *parsed = calloc(1, sizeof *parsed);
    for (char *line; (line = strsep(&rest, "\n")) != NULL;) {
        if (line[0] == '#')
            parse_comment(parsed, line);
        else if (line[0])
            parse_sample(parsed, line);
    }
    cr_expect(parsed->seen_count > 100);
    free(parsed);
    free(answer);
}

Test(exporter, the_declared_unit_ends_the_name)
{
    for (const struct mr_metric *metric = mr_metrics; metric->name; metric++) {
        char expected[32];
        snprintf(expected, sizeof expected, "_%s%s", metric->unit,
                 metric->type == MR_METRIC_COUNTER ? "_total" : "");
        size_t length = strlen(metric->name), tail = strlen(expected);
        if (metric->unit[0])
            cr_expect_str_eq(metric->name + length - tail, expected);
    }
}

// ---- the server ---------------------------------------------------------------------------------

Test(exporter, other_pages)
{
    char *stat = request("GET", "/stat"), *index = request("GET", "/"),
         *absent = request("GET", "/etc/passwd"), *posted = request("POST", "/metrics");
    cr_expect(strstr(stat, "Content-Type: application/json") != NULL);
    cr_expect(strstr(body(stat), "\"balance\": true") != NULL);
    cr_expect(strncmp(index, "HTTP/1.1 200", 12) == 0);
    cr_expect(strncmp(absent, "HTTP/1.1 404", 12) == 0, "%.40s", absent);
    cr_expect(strncmp(posted, "HTTP/1.1 405", 12) == 0, "%.40s", posted);
    free(stat), free(index), free(absent), free(posted);
}

Test(exporter, a_run_that_is_gone_is_all_zeroes)
{
    char path[320];
    for (unsigned role = 0; role <= MR_ROLE_LOADER; role++) {
        mr_pipeline_stage_path(&run.pipeline, role, path, sizeof path);
        unlink(path);
    }
    char *answer = metrics();
    cr_expect(has_line(answer, "millrace_stage_up{stage=\"producer\"} 0"));
    free(answer);
}

Test(exporter, a_port_in_use_is_named)
{
    struct mr_exporter *second;
    struct mr_error err = {0};
    char expected[32];
    int port = mr_exporter_port(exporter);
    cr_expect_eq(mr_exporter_start(&second, &run.pipeline, port, &err), MR_ERR_BUSY);
    snprintf(expected, sizeof expected, "127.0.0.1:%d", port);
    cr_expect(strstr(err.text, expected) != NULL, "%s", err.text);
}
