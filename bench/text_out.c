// SPDX-License-Identifier: Apache-2.0
// Records to CSV and NDJSON, on one core: the rows as the text sinks format them, from records as the
// lines source makes them of the sample files ($MILLRACE_SAMPLES, or ../shared/data).
//
//     build/release/bench/text_out [--rounds=5] [--case=retail] [--json]
//
// Before anything is timed, every line is read back by the C library alone (tests/support/
// line_reference.h) and must give the same record; every timed pass must then give the same text, whose
// digest is taken outside the timed part. The limit beside it copies the same text to the same place.
// Passes of both formats and the limit take turns. Times are this thread's CPU time.
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "core/formats/json_out.h"
#include "core/formats/record_text.h"
#include "tests/support/line_cases.h"

#define ROUNDS_MAX 31
#define RECORDS_MAX 100000 // of a sample
#define BUFFER_BYTES (1u << 20)
#define LINE_BYTES_MAX 8192

typedef size_t line_function(const struct mr_record_text *row, const struct mr_record *record,
                             char *out, size_t room);

static const struct text_format {
    const char *name;
    line_function *line;
    enum line_reference_format reference;
} formats[] = {{"ndjson", mr_record_ndjson, LINE_REFERENCE_NDJSON},
               {"csv", mr_record_csv, LINE_REFERENCE_CSV}};

struct text_run {
    const struct line_case *what;
    struct producer_fixture fixture;
    const struct mr_schema *schema;
    struct mr_record_text row;
    struct mr_record **records;
    size_t count;
    uint64_t digest[MR_COUNT_OF(formats)], bytes[MR_COUNT_OF(formats)];
    double format_ns[MR_COUNT_OF(formats)][ROUNDS_MAX], copy_ns[MR_COUNT_OF(formats)][ROUNDS_MAX];
};

static struct settings {
    unsigned rounds;
    const char *only;
    bool json;
} settings = {5, NULL, false};
static char buffer[BUFFER_BYTES], copied[BUFFER_BYTES];

static void fail(const struct text_run *run, const char *sentence)
{
    fprintf(stderr, "text_out: %s: %s\n", run->what->name, sentence);
    exit(1);
}

static double cpu_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

// ---- records -----------------------------------------------------------------------------------

// False where the sample is not there.
static bool make_records(struct text_run *run)
{
    struct line_case_content content;
    char path[300];
    if (!line_case_load(run->what, &content))
        return false;
    producer_fixture_directory(&run->fixture);
    producer_fixture_put_file(&run->fixture, "lines", content.text, content.bytes);
    snprintf(path, sizeof path, "%s/lines", run->fixture.directory);
    line_case_open(run->what, path, &run->fixture);
    while (producer_fixture_poll(&run->fixture) == MR_POLL_MORE &&
           run->fixture.records.count < RECORDS_MAX)
        ;
    free(content.text);
    run->records = run->fixture.records.records;
    run->count = run->fixture.records.count;
    run->schema = run->fixture.stage->out_schemas.schemas[0];
    mr_record_text_open(&run->row, run->schema, NULL, false);
    return run->count > 0;
}

// What the text must say, by a reading of it that shares no code with its writing.
static void check_line(const struct text_run *run, const struct text_format *format,
                       const struct mr_record *record)
{
    static char line[LINE_BYTES_MAX], columns[MR_FIELDS_MAX][4];
    static _Alignas(8) char found[4096];
    struct line_reference_field fields[MR_FIELDS_MAX];
    struct line_reference reference = run->what->reference;
    bool is_csv = format->reference == LINE_REFERENCE_CSV;
    for (unsigned i = 0; i < run->schema->field_count; i++) {
        snprintf(columns[i], sizeof columns[i], "%u", i);
        fields[i].from = is_csv ? columns[i] : run->schema->fields[i].name;
        fields[i].format = "%Y-%m-%dT%H:%M:%S";
    }
    size_t length = format->line(&run->row, record, line, sizeof line);
    if (length < 2 || length > sizeof line || line[--length] != '\n')
        fail(run, "a line that does not end in its line feed");
    line[length] = '\0';
    reference.format = format->reference;
    reference.fields = fields;
    reference.inside = "{";
    reference.selected = NULL;
    if (!line_reference_fill(&reference, run->schema, line, (struct mr_record *)(void *)found) ||
        memcmp(found + MR_ENVELOPE_BYTES, (const char *)record + MR_ENVELOPE_BYTES,
               run->schema->record_bytes - MR_ENVELOPE_BYTES) != 0)
        fail(run, line);
}

// ---- passes ------------------------------------------------------------------------------------

// One pass over all records, a buffer at a time; what was written is digested untimed, and copied
// once more, timed apart.
static double pass(struct text_run *run, unsigned f, uint64_t *digest, double *copy_ns)
{
    double spent_ns = 0;
    XXH3_state_t state;
    XXH3_64bits_reset(&state);
    run->bytes[f] = 0;
    *copy_ns = 0;
    for (size_t i = 0; i < run->count;) {
        size_t used = 0;
        double start_ns = cpu_ns();
        for (; i < run->count && used < BUFFER_BYTES - LINE_BYTES_MAX; i++)
            used += formats[f].line(&run->row, run->records[i], buffer + used, BUFFER_BYTES - used);
        double middle_ns = cpu_ns();
        memcpy(copied, buffer, used);
        *copy_ns += cpu_ns() - middle_ns;
        spent_ns += middle_ns - start_ns;
        XXH3_64bits_update(&state, copied, used);
        run->bytes[f] += used;
    }
    *digest = XXH3_64bits_digest(&state);
    return spent_ns;
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void report(struct text_run *run, unsigned f, struct mr_json *json)
{
    double *ns = run->format_ns[f], *copy_ns = run->copy_ns[f], count = (double)run->count;
    unsigned middle = settings.rounds / 2;
    qsort(ns, settings.rounds, sizeof ns[0], ascending);
    qsort(copy_ns, settings.rounds, sizeof copy_ns[0], ascending);
    double bytes = (double)run->bytes[f];
    if (!settings.json) {
        printf("%-10s %-7s %6.2f %6.2f %6.2f %9.1f %8.0f %9.0f %7.3f\n", run->what->name,
               formats[f].name, count * 1e3 / ns[settings.rounds - 1], count * 1e3 / ns[middle],
               count * 1e3 / ns[0], ns[middle] / count, bytes * 1e3 / ns[middle],
               bytes * 1e3 / copy_ns[middle], copy_ns[middle] / ns[middle]);
        return;
    }
    mr_json_open(json, NULL, '{');
    mr_json_text(json, "case", run->what->name);
    mr_json_text(json, "format", formats[f].name);
    mr_json_u64(json, "records", run->count);
    mr_json_u64(json, "bytes", run->bytes[f]);
    mr_json_real(json, "records_per_s_min", count * 1e9 / ns[settings.rounds - 1]);
    mr_json_real(json, "records_per_s", count * 1e9 / ns[middle]);
    mr_json_real(json, "records_per_s_max", count * 1e9 / ns[0]);
    mr_json_real(json, "mb_per_s", bytes * 1e3 / ns[middle]);
    mr_json_real(json, "copy_mb_per_s", bytes * 1e3 / copy_ns[middle]);
    mr_json_real(json, "ratio", copy_ns[middle] / ns[middle]);
    mr_json_close(json);
}

static void measure(const struct line_case *what, struct mr_json *json)
{
    struct text_run *run = calloc(1, sizeof *run);
    uint64_t digest;
    run->what = what;
    if (make_records(run)) {
        for (unsigned f = 0; f < MR_COUNT_OF(formats); f++)
            for (size_t i = 0; i < run->count; i++)
                check_line(run, &formats[f], run->records[i]);
        for (unsigned round = 0; round < settings.rounds; round++)
            for (unsigned f = 0; f < MR_COUNT_OF(formats); f++) {
                run->format_ns[f][round] = pass(run, f, &digest, &run->copy_ns[f][round]);
                if (round == 0)
                    run->digest[f] = digest;
                if (digest != run->digest[f])
                    fail(run, "two passes gave two texts");
            }
        for (unsigned f = 0; f < MR_COUNT_OF(formats); f++)
            report(run, f, json);
        producer_fixture_close(&run->fixture);
    }
    free(run);
}

static void read_settings(int argc, char **argv)
{
    static const struct option known[] = {{"rounds", required_argument, NULL, 'r'},
                                          {"case", required_argument, NULL, 'c'},
                                          {"json", no_argument, NULL, 'j'},
                                          {0}};
    for (int letter; (letter = getopt_long(argc, argv, "", known, NULL)) >= 0;) {
        if (letter == 'r')
            settings.rounds = (unsigned)strtoul(optarg, NULL, 10);
        else if (letter == 'c')
            settings.only = optarg;
        else if (letter == 'j')
            settings.json = true;
        else
            exit(2);
    }
    if (settings.rounds < 1 || settings.rounds > ROUNDS_MAX) {
        fprintf(stderr, "text_out: --rounds: expected 1 to %d\n", ROUNDS_MAX);
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
        printf("records to text on one core, M records/s of CPU time, %u rounds\n"
               "%-10s %-7s %6s %6s %6s %9s %8s %9s %7s\n",
               settings.rounds, "", "", "min", "median", "max", "ns/record", "MB/s", "copy MB/s",
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
