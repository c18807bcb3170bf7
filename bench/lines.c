// SPDX-License-Identifier: Apache-2.0
// NDJSON and CSV to records, on one core: the lines source itself, as the producer process runs it,
// from a file in memory through the field map into its real ring, with its commits.
//
//     build/release/bench/lines [--megabytes=128] [--rounds=5] [--case=retail] [--json]
//
// The content is that of the sample files ($MILLRACE_SAMPLES, or ../shared/data), repeated. Every
// record that comes out is checked: its line, and a digest of all else against what the C library
// makes of the same line (tests/support/line_reference.h); only that checking is not timed. The limit
// beside it reads the same file and looks for every line end with memchr, and does nothing else.
// Path and limit take turns. Times are this thread's CPU time, system calls included.
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "core/formats/json_out.h"
#include "tests/support/line_cases.h"

#define ROUNDS_MAX 31
#define DRAIN_BYTES (1u << 20) // of records, before they are checked
#define READ_BYTES 262144

struct expectation { // of one line that becomes a record
    uint64_t digest, line;
};

struct lines_run {
    const struct line_case *what;
    struct line_case_content content;
    struct expectation *expected;
    size_t expected_count;
    char path[256];
    uint64_t file_bytes;
    unsigned repeats;
    double path_ns[ROUNDS_MAX], limit_ns[ROUNDS_MAX];
};

static struct settings {
    uint64_t file_bytes;
    unsigned rounds;
    const char *only;
    bool json;
} settings = {128000000, 5, NULL, false};

static void fail(const struct line_case *what, const char *sentence)
{
    fprintf(stderr, "lines: %s: %s\n", what->name, sentence);
    exit(1);
}

static double cpu_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static uint64_t digest_of(const struct mr_record *record, uint32_t length)
{
    size_t from = offsetof(struct mr_record, event_time_ns); // length, checksum, sequence apart
    return XXH3_64bits((const char *)record + from, length - from);
}

// ---- content -----------------------------------------------------------------------------------

static void write_file(struct lines_run *run, const struct producer_fixture *fixture)
{
    const char *body = run->content.text + run->content.header_bytes;
    size_t body_bytes = run->content.bytes - run->content.header_bytes;
    snprintf(run->path, sizeof run->path, "%s/lines", fixture->directory);
    FILE *file = fopen(run->path, "w");
    run->repeats = (unsigned)(settings.file_bytes / body_bytes + 1);
    run->file_bytes = run->content.header_bytes + (uint64_t)run->repeats * body_bytes;
    fwrite(run->content.text, 1, run->content.header_bytes, file);
    for (unsigned i = 0; i < run->repeats; i++)
        fwrite(body, 1, body_bytes, file);
    if (ferror(file) || fclose(file) != 0)
        fail(run->what, "no room in /dev/shm");
}

// What each line must become.
static void expect(struct lines_run *run, const struct mr_schema *schema)
{
    struct mr_record *record = malloc(schema->record_bytes);
    uint64_t line = 0;
    run->expected = malloc(run->content.lines * sizeof *run->expected);
    char *at = run->content.text + run->content.header_bytes;
    for (char *end; *at; at = end + 1) {
        end = strchr(at, '\n');
        char *text_end = end > at && end[-1] == '\r' ? end - 1 : end;
        *text_end = '\0';
        if (line_reference_fill(&run->what->reference, schema, at, record))
            run->expected[run->expected_count++] =
                (struct expectation){digest_of(record, record->length), line};
        line++;
        *text_end = text_end < end ? '\r' : '\n';
    }
    free(record);
}

// ---- the path ----------------------------------------------------------------------------------

static void check_records(const struct lines_run *run, struct producer_fixture *fixture)
{
    const struct mr_record *record;
    uint32_t length;
    while ((record = mr_next(&fixture->main, &length)) != NULL) {
        size_t repeat = fixture->seen / run->expected_count;
        const struct expectation *expected = &run->expected[fixture->seen % run->expected_count];
        uint64_t line = 1 + run->what->has_header + repeat * run->content.lines + expected->line;
        if (record->sequence != line || digest_of(record, length) != expected->digest) {
            fprintf(stderr, "lines: %s: record %zu is not what line %llu must become\n",
                    run->what->name, fixture->seen, (unsigned long long)line);
            exit(1);
        }
        fixture->seen++;
    }
    mr_release(&fixture->main, fixture->main.position, NULL);
}

static void check_end(const struct lines_run *run, struct producer_fixture *fixture)
{
    const uint64_t *counts = fixture->stage->now.counts;
    uint64_t lines = run->repeats * run->content.lines;
    uint64_t records = run->repeats * (uint64_t)run->expected_count;
    if (fixture->last != MR_POLL_END || counts[MR_COUNT_IN] != lines || fixture->seen != records ||
        counts[MR_COUNT_OUT] != records || counts[MR_COUNT_FILTERED] != lines - records)
        fail(run->what, "the counts are not those of the file");
}

// As the producer's loop does it, until there is something to check.
static void produce(struct producer_fixture *fixture)
{
    const struct mr_writer *writer = &fixture->stage->writers[MR_PORT_MAIN];
    do {
        fixture->stage->origin_tick = mr_tick();
        fixture->last = fixture->run.source->poll(&fixture->run);
        mr_source_commit(&fixture->run);
    } while (fixture->last == MR_POLL_MORE &&
             writer->position - fixture->main.position < DRAIN_BYTES);
}

// One pass over the file; the ns of it that were the source's.
static double time_path(const struct lines_run *run)
{
    struct producer_fixture fixture = {0};
    double spent_ns = 0;
    line_case_open(run->what, run->path, &fixture);
    do {
        double start_ns = cpu_ns();
        produce(&fixture);
        spent_ns += cpu_ns() - start_ns;
        check_records(run, &fixture);
    } while (fixture.last == MR_POLL_MORE);
    check_end(run, &fixture);
    producer_fixture_close(&fixture);
    return spent_ns;
}

// ---- the limit ---------------------------------------------------------------------------------

static uint64_t count_lines(const char *bytes, size_t length)
{
    uint64_t lines = 0;
    const char *end = bytes + length;
    while ((bytes = memchr(bytes, '\n', (size_t)(end - bytes))) != NULL) {
        bytes++;
        lines++;
    }
    return lines;
}

static double time_limit(const struct lines_run *run)
{
    static char buffer[READ_BYTES];
    uint64_t lines = 0;
    ssize_t got;
    double start_ns = cpu_ns();
    int fd = open(run->path, O_RDONLY);
    while ((got = read(fd, buffer, sizeof buffer)) > 0)
        lines += count_lines(buffer, (size_t)got);
    close(fd);
    double spent_ns = cpu_ns() - start_ns;
    if (lines != run->repeats * run->content.lines + run->what->has_header)
        fail(run->what, "the limit counted other lines");
    return spent_ns;
}

// ---- results -----------------------------------------------------------------------------------

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double rate(const struct lines_run *run, double ns) // MB/s
{
    return (double)run->file_bytes * 1e3 / ns;
}

static void report(struct lines_run *run, struct mr_json *json)
{
    unsigned last = settings.rounds - 1, middle = settings.rounds / 2;
    qsort(run->path_ns, settings.rounds, sizeof run->path_ns[0], ascending);
    qsort(run->limit_ns, settings.rounds, sizeof run->limit_ns[0], ascending);
    double median = rate(run, run->path_ns[middle]), limit = rate(run, run->limit_ns[middle]);
    double lines = (double)run->repeats * (double)run->content.lines;
    if (!settings.json) {
        printf("%-16s %8.0f %8.0f %8.0f %8.2f %8.1f %9.0f %7.3f\n", run->what->name,
               rate(run, run->path_ns[last]), median, rate(run, run->path_ns[0]),
               lines * 1e3 / run->path_ns[middle], run->path_ns[middle] / lines, limit,
               median / limit);
        return;
    }
    mr_json_open(json, NULL, '{');
    mr_json_text(json, "case", run->what->name);
    mr_json_u64(json, "bytes", run->file_bytes);
    mr_json_u64(json, "lines", run->repeats * run->content.lines);
    mr_json_u64(json, "records", run->repeats * (uint64_t)run->expected_count);
    mr_json_real(json, "mb_per_s_min", rate(run, run->path_ns[last]));
    mr_json_real(json, "mb_per_s", median);
    mr_json_real(json, "mb_per_s_max", rate(run, run->path_ns[0]));
    mr_json_real(json, "lines_per_s", lines * 1e9 / run->path_ns[middle]);
    mr_json_real(json, "limit_mb_per_s", limit);
    mr_json_real(json, "ratio", median / limit);
    mr_json_close(json);
}

// The file, and what its lines must become.
static bool prepare(struct lines_run *run, const struct producer_fixture *home)
{
    struct producer_fixture fixture = {0};
    if (!line_case_load(run->what, &run->content))
        return false;
    write_file(run, home);
    line_case_open(run->what, run->path, &fixture);
    expect(run, fixture.stage->out_schemas.schemas[0]);
    producer_fixture_close(&fixture);
    return true;
}

static void measure(const struct line_case *what, struct mr_json *json)
{
    struct lines_run run = {.what = what};
    struct producer_fixture home;
    producer_fixture_directory(&home);
    if (prepare(&run, &home)) {
        for (unsigned i = 0; i < settings.rounds; i++) {
            run.limit_ns[i] = time_limit(&run);
            run.path_ns[i] = time_path(&run);
        }
        report(&run, json);
        unlink(run.path);
    }
    rmdir(home.directory);
    free(run.content.text);
    free(run.expected);
}

static void read_settings(int argc, char **argv)
{
    static const struct option known[] = {{"megabytes", required_argument, NULL, 'm'},
                                          {"rounds", required_argument, NULL, 'r'},
                                          {"case", required_argument, NULL, 'c'},
                                          {"json", no_argument, NULL, 'j'},
                                          {0}};
    for (int letter; (letter = getopt_long(argc, argv, "", known, NULL)) >= 0;) {
        if (letter == 'm')
            settings.file_bytes = strtoull(optarg, NULL, 10) * 1000000;
        else if (letter == 'r')
            settings.rounds = (unsigned)strtoul(optarg, NULL, 10);
        else if (letter == 'c')
            settings.only = optarg;
        else if (letter == 'j')
            settings.json = true;
        else
            exit(2);
    }
    if (settings.rounds < 1 || settings.rounds > ROUNDS_MAX) {
        fprintf(stderr, "lines: --rounds: expected 1 to %d\n", ROUNDS_MAX);
        exit(2);
    }
}

int main(int argc, char **argv)
{
    struct mr_json json;
    read_settings(argc, argv);
    mr_json_init(&json, 2);
    mr_json_open(&json, NULL, '{');
    mr_json_u64(&json, "rounds", settings.rounds);
    mr_json_open(&json, "cases", '[');
    if (!settings.json)
        printf("lines to records on one core, MB/s of CPU time, %u rounds\n"
               "%-16s %8s %8s %8s %8s %8s %9s %7s\n",
               settings.rounds, "", "min", "median", "max", "Mlines/s", "ns/line", "memchr",
               "ratio");
    for (unsigned i = 0; i < LINE_CASE_COUNT; i++)
        if (!settings.only ||
            strncmp(line_cases[i].name, settings.only, strlen(settings.only)) == 0)
            measure(&line_cases[i], &json);
    mr_json_close(&json);
    mr_json_close(&json);
    if (settings.json)
        fputs(mr_json_finish(&json), stdout);
    mr_json_free(&json);
    return 0;
}
