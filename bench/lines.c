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
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "core/formats/json_out.h"
#include "tests/support/line_reference.h"
#include "tests/support/producer_fixture.h"
#include "tests/support/samples.h"

#define ROUNDS_MAX 31
#define DRAIN_BYTES (1u << 20) // of records, before they are checked
#define READ_BYTES 262144

#define NO_FIELD UINT_MAX
#define MINUTES "%Y-%m-%d %H:%M:%S"

struct bench_case {
    const char *name, *sample;
    const char *unpack; // shell command that writes the lines of "$1"
    bool has_header;
    const char *source; // the source's options in the pipeline file, without its path
    const char *schema; // "time:" and "fields:"
    struct line_reference reference;
};

static const struct line_reference_field retail_fields[] = {
    {"0", NULL},    {"1", NULL}, {"2", NULL}, {"3", NULL},
    {"4", MINUTES}, {"5", NULL}, {"6", NULL}, {"7", NULL}};
static const struct line_reference_field machine_fields[] = {{"0", MINUTES}, {"1", NULL}};
static const struct line_reference_field gps_fields[] = {
    {"0", NULL}, {"1", NULL}, {"2", MINUTES}, {"3", NULL}};
static const struct line_reference_field card_fields[] = {
    {"0", NULL},  {"1", NULL},  {"2", NULL},  {"3", NULL},  {"4", NULL},  {"5", NULL},
    {"6", NULL},  {"7", NULL},  {"8", NULL},  {"9", NULL},  {"10", NULL}, {"11", NULL},
    {"12", NULL}, {"13", NULL}, {"14", NULL}, {"15", NULL}, {"16", NULL}, {"17", NULL},
    {"18", NULL}, {"19", NULL}, {"20", NULL}, {"21", NULL}, {"22", NULL}, {"23", NULL},
    {"24", NULL}, {"25", NULL}, {"26", NULL}, {"27", NULL}, {"28", NULL}, {"29", NULL},
    {"30", NULL}};
static const struct line_reference_field few_card_fields[] = {
    {"0", NULL}, {"14", NULL}, {"29", NULL}, {"30", NULL}};
static const struct line_reference_field trade_fields[] = {
    {"s", NULL}, {"p", NULL}, {"q", NULL}, {"m", NULL}, {"T", "ms"}, {"@prefix", "ns"}};
static const struct line_reference_field ticker_fields[] = {
    {"s", NULL}, {"u", NULL}, {"b", NULL}, {"B", NULL},
    {"a", NULL}, {"A", NULL}, {"T", "ms"}, {"@prefix", "ns"}};
static const struct line_reference_field event_fields[] = {
    {"e", NULL}, {"s", NULL}, {"E", "ms"}, {"@prefix", "ns"}};

#define REAL(name) "{name: " #name ", type: f64}"
#define CARD_VALUES                                                                                                                                                                                       \
    REAL(V1)                                                                                                                                                                                              \
    ", " REAL(V2) ", " REAL(V3) ", " REAL(V4) ", " REAL(V5) ", " REAL(V6) ", " REAL(V7) ", " REAL(V8) ", " REAL(V9) ", " REAL(V10) ", " REAL(V11) ", " REAL(V12) ", " REAL(V13) ", " REAL(V14) ", " REAL( \
        V15) ", " REAL(V16) ", " REAL(V17) ", " REAL(V18) ", " REAL(V19) ", " REAL(V20) ", " REAL(V21) ", " REAL(V22) ", " REAL(V23) ", " REAL(V24) ", " REAL(V25) ", " REAL(V26) ", " REAL(V27) ", " REAL(V28) ", "
#define CRYPTO "crypto/binance-usdm-btcusdt-20240808.ndjson.gz"
#define RECEIVED "{name: received, type: timestamp, from: '@prefix', format: ns}"

static const struct bench_case cases[] = {
    {"retail",
     "ecommerce/online-retail-by-day.tar.gz",
     "tar xzOf \"$1\" --wildcards '*.csv' | awk 'NR == 1 || !/^InvoiceNo,/'",
     true,
     "format: csv",
     "time: date, fields: [{name: invoice, type: 'char[8]', from: InvoiceNo}, {name: stock, type: "
     "'char[16]', "
     "from: StockCode}, {name: description, type: 'char[48]', from: Description, missing: null}, "
     "{name: quantity, type: i32, from: Quantity}, {name: date, type: timestamp, from: "
     "InvoiceDate, format: "
     "'%Y-%m-%d %H:%M:%S'}, {name: price, type: decimal(3), from: UnitPrice}, {name: customer, "
     "type: u32, "
     "from: CustomerID, missing: null}, {name: country, type: 'char[24]', from: Country}]",
     {LINE_REFERENCE_CSV, retail_fields, NULL, NULL, 4, NO_FIELD}},
    {"machine",
     "iot/machine-temperature.csv",
     "cat \"$1\"",
     true,
     "format: csv",
     "time: timestamp, fields: [{name: timestamp, type: timestamp}, " REAL(value) "]",
     {LINE_REFERENCE_CSV, machine_fields, NULL, NULL, 0, NO_FIELD}},
    {"gps",
     "gps/geolife-sample.txt.gz",
     "gzip -dc \"$1\"",
     true,
     "format: csv",
     "time: datetime, fields: [{name: lat, type: decimal(9)}, {name: lng, type: decimal(9)}, "
     "{name: datetime, type: timestamp}, {name: uid, type: 'char[3]'}]",
     {LINE_REFERENCE_CSV, gps_fields, NULL, NULL, 2, NO_FIELD}},
    {"cards",
     "cards/creditcard-subset.csv",
     "cat \"$1\"",
     true,
     "format: csv",
     "fields: [" REAL(Time) ", " CARD_VALUES
                            "{name: Amount, type: decimal(2)}, {name: Class, type: u8}]",
     {LINE_REFERENCE_CSV, card_fields, NULL, NULL, NO_FIELD, NO_FIELD}},
    {"4cards",
     "cards/creditcard-subset.csv",
     "cat \"$1\"",
     true,
     "format: csv",
     "fields: [" REAL(Time) ", " REAL(
         V14) ", {name: Amount, type: decimal(2)}, {name: Class, type: u8}]",
     {LINE_REFERENCE_CSV, few_card_fields, NULL, NULL, NO_FIELD, NO_FIELD}},
    {"trades",
     CRYPTO,
     "gzip -dc \"$1\"",
     false,
     "format: ndjson, prefix: true, select: data.e=trade, ingest: received",
     "time: event, fields: [{name: symbol, type: 'char[16]', from: data.s}, {name: price, type: "
     "decimal(8), "
     "from: data.p}, {name: quantity, type: decimal(8), from: data.q}, {name: maker, type: bool, "
     "from: "
     "data.m}, "
     "{name: event, type: timestamp, from: data.T, format: ms}, " RECEIVED "]",
     {LINE_REFERENCE_NDJSON, trade_fields, "\"data\":", "\"e\":\"trade\"", 4, 5}},
    {"tickers",
     CRYPTO,
     "gzip -dc \"$1\" | grep bookTicker",
     false,
     "format: ndjson, prefix: true, ingest: received",
     "time: event, fields: [{name: symbol, type: 'char[16]', from: data.s}, {name: update, type: "
     "u64, from: "
     "data.u}, {name: bid, type: decimal(8), from: data.b}, {name: bid_size, type: decimal(8), "
     "from: data.B}, "
     "{name: ask, type: decimal(8), from: data.a}, {name: ask_size, type: decimal(8), from: "
     "data.A}, "
     "{name: event, type: timestamp, from: data.T, format: ms}, " RECEIVED "]",
     {LINE_REFERENCE_NDJSON, ticker_fields, "\"data\":", NULL, 6, 7}},
    {"events",
     CRYPTO,
     "gzip -dc \"$1\"",
     false,
     "format: ndjson, prefix: true, ingest: received",
     "time: event, fields: [{name: kind, type: 'char[16]', from: data.e}, {name: symbol, type: "
     "'char[16]', "
     "from: data.s}, {name: event, type: timestamp, from: data.E, format: ms}, " RECEIVED "]",
     {LINE_REFERENCE_NDJSON, event_fields, "\"data\":", NULL, 2, 3}},
};

struct expectation { // of one line that becomes a record
    uint64_t digest, line;
};

struct lines_run {
    const struct bench_case *what;
    char *content; // as unpacked, header and all
    size_t content_bytes, header_bytes;
    uint64_t lines; // below the header
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

static void fail(const struct bench_case *what, const char *sentence)
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

// False where the sample is not there.
static bool load(struct lines_run *run)
{
    char sample[512], command[1024];
    size_t room = 64u << 20;
    if (!sample_path(run->what->sample, sample, sizeof sample))
        return false;
    snprintf(command, sizeof command, "set -- '%s'; %s", sample, run->what->unpack);
    FILE *pipe = popen(command, "r");
    run->content = malloc(room);
    run->content_bytes = fread(run->content, 1, room - 1, pipe);
    if (pclose(pipe) != 0 || run->content_bytes == 0 || run->content_bytes == room - 1)
        fail(run->what, "the sample cannot be unpacked");
    run->content[run->content_bytes] = '\0';
    if (run->what->has_header)
        run->header_bytes = strcspn(run->content, "\n") + 1;
    return true;
}

static void write_file(struct lines_run *run, const struct producer_fixture *fixture)
{
    const char *body = run->content + run->header_bytes;
    size_t body_bytes = run->content_bytes - run->header_bytes;
    snprintf(run->path, sizeof run->path, "%s/lines", fixture->directory);
    FILE *file = fopen(run->path, "w");
    run->repeats = (unsigned)(settings.file_bytes / body_bytes + 1);
    run->file_bytes = run->header_bytes + (uint64_t)run->repeats * body_bytes;
    fwrite(run->content, 1, run->header_bytes, file);
    for (unsigned i = 0; i < run->repeats; i++)
        fwrite(body, 1, body_bytes, file);
    if (ferror(file) || fclose(file) != 0)
        fail(run->what, "no room in /dev/shm");
}

// What each line must become.
static void expect(struct lines_run *run, const struct mr_schema *schema)
{
    struct mr_record *record = malloc(schema->record_bytes);
    size_t room = 1u << 20;
    run->expected = malloc(room * sizeof *run->expected);
    char *at = run->content + run->header_bytes;
    for (char *end; *at; at = end + 1) {
        end = strchr(at, '\n');
        if (!end || run->expected_count == room)
            fail(run->what, "a line without end, or too many");
        char *text_end = end > at && end[-1] == '\r' ? end - 1 : end;
        *text_end = '\0';
        if (line_reference_fill(&run->what->reference, schema, at, record))
            run->expected[run->expected_count++] =
                (struct expectation){digest_of(record, record->length), run->lines};
        run->lines++;
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
        uint64_t line = 1 + run->what->has_header + repeat * run->lines + expected->line;
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
    uint64_t lines = run->repeats * run->lines;
    uint64_t records = run->repeats * (uint64_t)run->expected_count;
    if (fixture->last != MR_POLL_END || counts[MR_COUNT_IN] != lines || fixture->seen != records ||
        counts[MR_COUNT_OUT] != records || counts[MR_COUNT_FILTERED] != lines - records)
        fail(run->what, "the counts are not those of the file");
}

static void open_source(const struct lines_run *run, struct producer_fixture *fixture)
{
    char yaml[4096];
    snprintf(yaml, sizeof yaml,
             "source: {type: lines, schema: line, path: '%s', %s}\n"
             "schemas: [{name: line, %s}]\n",
             run->path, run->what->source, run->what->schema);
    if (producer_fixture_open(fixture, yaml) != MR_OK)
        fail(run->what, fixture->err.text);
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
    open_source(run, &fixture);
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
    if (lines != run->repeats * run->lines + run->what->has_header)
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
    double lines = (double)run->repeats * (double)run->lines;
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
    mr_json_u64(json, "lines", run->repeats * run->lines);
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
    if (!load(run))
        return false;
    write_file(run, home);
    open_source(run, &fixture);
    expect(run, fixture.stage->out_schemas.schemas[0]);
    producer_fixture_close(&fixture);
    return true;
}

static void measure(const struct bench_case *what, struct mr_json *json)
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
    free(run.content);
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
    for (unsigned i = 0; i < MR_COUNT_OF(cases); i++)
        if (!settings.only || strncmp(cases[i].name, settings.only, strlen(settings.only)) == 0)
            measure(&cases[i], &json);
    mr_json_close(&json);
    mr_json_close(&json);
    if (settings.json)
        fputs(mr_json_finish(&json), stdout);
    mr_json_free(&json);
    return 0;
}
