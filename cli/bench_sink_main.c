// SPDX-License-Identifier: Apache-2.0
// The command line of `millrace bench sink`, and what it prints.
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/bench_sink.h"
#include "cli/cli.h"
#include "core/clock.h"
#include "core/formats/json_out.h"
#include "core/pipeline/report.h"

#define MIB (1ULL << 20)

static const char *const durabilities[] = {"none", "batch", "record"};

static double median_of(const double *values, unsigned count)
{
    double sorted[MR_BENCH_ROUNDS_MAX];
    memcpy(sorted, values, count * sizeof *values);
    return mr_bench_median(sorted, count);
}

static double ratio_to(const struct mr_sink_bench_report *report, unsigned way)
{
    double ratio[MR_BENCH_ROUNDS_MAX];
    for (unsigned i = 0; i < report->rounds; i++)
        ratio[i] = report->bytes_per_second[i] / report->raw_per_second[way][i];
    return mr_bench_median(ratio, report->rounds);
}

static const char *way_text(const struct mr_raw_way *way, char *out, size_t out_bytes)
{
    int used =
        snprintf(out, out_bytes, "%s %" PRIu64 " KiB", way->backend->name, way->block_bytes >> 10);
    if (way->depth > 1)
        used += snprintf(out + used, out_bytes - (size_t)used, " x %u", way->depth);
    if (way->sync_bytes > 0)
        used += snprintf(out + used, out_bytes - (size_t)used, ", sync each %" PRIu64 " KiB",
                         way->sync_bytes >> 10);
    if (way->fed)
        snprintf(out + used, out_bytes - (size_t)used, ", fed");
    return out;
}

static void print_row(const char *what, const double *per_second, const double *cpu,
                      unsigned rounds)
{
    double sorted[MR_BENCH_ROUNDS_MAX];
    memcpy(sorted, per_second, sizeof sorted);
    double median = mr_bench_median(sorted, rounds);
    printf("  %-44s %9.0f %9.0f %9.0f  %8.3f\n", what, sorted[0] / 1e6, median / 1e6,
           sorted[rounds - 1] / 1e6, median_of(cpu, rounds));
}

static void print_text(const struct mr_sink_bench_options *options,
                       const struct mr_sink_bench_report *report)
{
    char text[96];
    printf("\nthe journal sink, durability %s%s, on %s; %" PRIu64 " MB a round, records of %" PRIu64
           " bytes, %u rounds\n",
           durabilities[options->durability], options->direct ? ", direct" : "",
           report->file_system, report->bytes / 1000000, options->record_bytes, report->rounds);
    printf("  %-44s %9s %9s %9s  %8s\n", "MB/s", "min", "median", "max", "CPU s/GB");
    snprintf(text, sizeof text, "journal sink (%s)", mr_io_backend_name(report->io_backend));
    print_row(text, report->bytes_per_second, report->cpu_s_per_gb, report->rounds);
    for (unsigned way = 0; way < report->way_count; way++)
        if (report->raw_per_second[way][0] > 0)
            print_row(way_text(&report->ways[way], text, sizeof text), report->raw_per_second[way],
                      report->raw_cpu_s_per_gb[way], report->rounds);
    printf("  %-44s %9.2f  of %s\n", "ratio, median of the rounds",
           ratio_to(report, report->best_way),
           way_text(&report->ways[report->best_way], text, sizeof text));
    printf("  %-44s %9.2f  of %s: bytes that another process just made\n",
           "ratio, median of the rounds", ratio_to(report, report->best_fed),
           way_text(&report->ways[report->best_fed], text, sizeof text));
    mr_bench_show_distribution_heading("ns");
    mr_bench_show_distribution("published to released", &report->durable_ns);
    printf("every record's checksum, sequence and content were read back and checked\n");
}

static void json_latency(struct mr_json *json, const struct mr_histogram *histogram)
{
    mr_json_open(json, "latency_ns", '{');
    for (unsigned i = 0; i < MR_REPORT_PERCENTILES; i++)
        mr_json_u64(json, mr_report_percentile_names[i],
                    mr_histogram_percentile(histogram, mr_report_percentiles[i]));
    mr_json_u64(json, "max", histogram->max_ns);
    mr_json_u64(json, "n", histogram->count);
    mr_json_close(json);
}

static void json_raw(struct mr_json *json, const struct mr_sink_bench_report *report)
{
    mr_json_open(json, "raw", '[');
    for (unsigned way = 0; way < report->way_count; way++) {
        mr_json_open(json, NULL, '{');
        mr_json_text(json, "backend", report->ways[way].backend->name);
        mr_json_u64(json, "block_bytes", report->ways[way].block_bytes);
        mr_json_u64(json, "depth", report->ways[way].depth);
        mr_json_u64(json, "sync_bytes", report->ways[way].sync_bytes);
        mr_json_bool(json, "fed", report->ways[way].fed);
        mr_json_real(json, "bytes_per_second",
                     median_of(report->raw_per_second[way], report->rounds));
        mr_json_real(json, "cpu_s_per_gb",
                     median_of(report->raw_cpu_s_per_gb[way], report->rounds));
        mr_json_close(json);
    }
    mr_json_close(json);
}

static void json_rounds(struct mr_json *json, const struct mr_sink_bench_report *report)
{
    mr_json_open(json, "rounds", '[');
    for (unsigned i = 0; i < report->rounds; i++) {
        mr_json_open(json, NULL, '{');
        mr_json_real(json, "bytes_per_second", report->bytes_per_second[i]);
        mr_json_real(json, "raw_bytes_per_second", report->raw_per_second[report->best_way][i]);
        mr_json_real(json, "fed_bytes_per_second", report->raw_per_second[report->best_fed][i]);
        mr_json_close(json);
    }
    mr_json_close(json);
}

static void print_json(const struct mr_sink_bench_options *options,
                       const struct mr_sink_bench_report *report, const char *machine)
{
    struct mr_json json;
    mr_json_init(&json, 2);
    mr_json_open(&json, NULL, '{');
    mr_json_text(&json, "bench", "sink");
    mr_json_text(&json, "machine", machine);
    mr_json_text(&json, "mode", durabilities[options->durability]);
    mr_json_bool(&json, "direct", options->direct);
    mr_json_text(&json, "file_system", report->file_system);
    mr_json_text(&json, "io_backend", mr_io_backend_name(report->io_backend));
    mr_json_u64(&json, "n", report->records);
    mr_json_u64(&json, "bytes", report->bytes);
    mr_json_u64(&json, "record_bytes", options->record_bytes);
    mr_json_real(&json, "raw_rtt_ns", report->raw_rtt_ns);
    double bytes_per_second = median_of(report->bytes_per_second, report->rounds);
    mr_json_real(&json, "records_per_second",
                 bytes_per_second * (double)report->records / (double)report->bytes);
    mr_json_real(&json, "bytes_per_second", bytes_per_second);
    mr_json_real(&json, "raw_bytes_per_second",
                 median_of(report->raw_per_second[report->best_way], report->rounds));
    mr_json_real(&json, "ratio", ratio_to(report, report->best_way));
    mr_json_real(&json, "fed_bytes_per_second",
                 median_of(report->raw_per_second[report->best_fed], report->rounds));
    mr_json_real(&json, "fed_ratio", ratio_to(report, report->best_fed));
    mr_json_real(&json, "cpu_s_per_gb", median_of(report->cpu_s_per_gb, report->rounds));
    json_latency(&json, &report->durable_ns);
    json_rounds(&json, report);
    json_raw(&json, report);
    mr_json_close(&json);
    fputs(mr_json_finish(&json), stdout);
    mr_json_free(&json);
}

static int check_options(struct mr_sink_bench_options *options, const char *durability,
                         uint64_t mib, uint64_t ring_mib, uint64_t rounds, struct mr_error *err)
{
    unsigned index = 0;
    while (index < MR_COUNT_OF(durabilities) && strcmp(durability, durabilities[index]) != 0)
        index++;
    if (index == MR_COUNT_OF(durabilities))
        return mr_fail(err, MR_ERR_USAGE, "durability: found '%s', expected none, batch or record",
                       durability);
    if (ring_mib < 1 || !mr_is_power_of_two(ring_mib) || mib < ring_mib || mib > 65536 ||
        mib % ring_mib != 0)
        return mr_fail(err, MR_ERR_USAGE,
                       "found %" PRIu64 " MiB a round and a ring of %" PRIu64
                       ", expected a power of two as ring, and whole laps of it, up to 65536",
                       mib, ring_mib);
    if (options->record_bytes < 48 || options->record_bytes > 16384)
        return mr_fail(err, MR_ERR_USAGE,
                       "found records of %" PRIu64 " bytes, expected 48 to 16384",
                       options->record_bytes);
    if (rounds < 1 || rounds > MR_BENCH_ROUNDS_MAX)
        return mr_fail(err, MR_ERR_USAGE, "found %" PRIu64 " rounds, expected 1 to %d", rounds,
                       MR_BENCH_ROUNDS_MAX);
    options->durability = (enum mr_durability)index;
    options->bytes = mib * MIB;
    options->ring_bytes = ring_mib * MIB;
    options->rounds = (unsigned)rounds;
    return MR_OK;
}

static int run(const struct mr_sink_bench_options *options, bool as_json)
{
    static struct mr_sink_bench_report report;
    struct mr_error err;
    char machine[512];
    if (mr_bench_sink(options, &report, &err) != MR_OK)
        return mr_cli_fail("bench sink", &err);
    mr_bench_machine(machine, sizeof machine);
    if (as_json) {
        print_json(options, &report, machine);
    } else {
        printf("%s\n", machine);
        print_text(options, &report);
    }
    return MR_OK;
}

int mr_bench_sink_main(int argc, char **argv)
{
    struct mr_sink_bench_options options = {.path = ".", .record_bytes = 64};
    const char *durability = "batch";
    uint64_t rounds = 5, mib = 512, ring_mib = 16, segment_mib = 1024;
    bool as_json = false;
    struct mr_error err;
    const struct mr_arg table[] = {
        {"json", NULL, "print one JSON object", MR_ARG_SWITCH, &as_json},
        {"path", "DIR", "where to write, in a directory of its own (default here)", MR_ARG_TEXT,
         &options.path},
        {"durability", "none|batch|record", "as of the journal sink (default batch)", MR_ARG_TEXT,
         &durability},
        {"direct", NULL, "past the page cache", MR_ARG_SWITCH, &options.direct},
        {"mib", "N", "MiB a round (default 512)", MR_ARG_COUNT, &mib},
        {"ring", "N", "MiB of the ring, a power of two (default 16)", MR_ARG_COUNT, &ring_mib},
        {"segment", "N", "MiB of a segment of the journal (default 1024)", MR_ARG_COUNT,
         &segment_mib},
        {"record-bytes", "N", "length of a record (default 64)", MR_ARG_COUNT,
         &options.record_bytes},
        {"rounds", "N", "how often to repeat (default 5)", MR_ARG_COUNT, &rounds},
        {0}};
    const struct mr_usage usage = {
        "bench sink",
        "",
        "Measures the journal sink: a stream of records made beforehand goes from a ring through a "
        "real loader into DIR, in turn with a bare loop of writes in several block sizes, of bytes "
        "that stay where they are, and of such that another process has just made. The "
        "journal is read back and checked; all that was written is removed.",
        table,
        0,
        0};
    struct mr_arg_list words;
    int code;
    if (!mr_args_parse(&usage, argc, argv, &words, &code))
        return code;
    if (check_options(&options, durability, mib, ring_mib, rounds, &err) != MR_OK)
        return mr_cli_fail("bench sink", &err);
    options.segment_bytes = segment_mib * MIB;
    mr_clock_setup();
    return run(&options, as_json);
}
