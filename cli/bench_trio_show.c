// SPDX-License-Identifier: Apache-2.0
#include "cli/bench_trio_show.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

// The bare round trip of all runs: what their latencies are multiples of.
static double raw_rtt_ns(const struct mr_trio_runs *runs)
{
    double each[MR_TRIO_WAYS_MAX * MR_BENCH_ROUNDS_MAX];
    unsigned count = 0;
    for (unsigned i = 0; i < runs->way_count; i++)
        for (unsigned round = 0; round < runs->ways[i].rounds; round++)
            each[count++] = runs->ways[i].raw_rtt_ns[round];
    return mr_bench_median(each, count);
}

static const char *placement_name(const struct mr_trio_way *way)
{
    static const char *const names[] = {
        [MR_PLACEMENT_NONE] = "none", [MR_PLACEMENT_AUTO] = "auto", [MR_PLACEMENT_LIST] = "list"};
    return names[way->placement_found];
}

static const char *way_name(const struct mr_trio_way *way, char *out, size_t out_bytes)
{
    char count[32];
    if (way->rate > 0)
        mr_report_count_text((uint64_t)way->rate, count, sizeof count);
    snprintf(out, out_bytes, "%s%s, wait %s, placement %s, durability %s",
             way->rate > 0 ? count : "flat out", way->rate > 0 ? "/s" : "", way->wait,
             placement_name(way), way->durability);
    return out;
}

// ---- for people ----------------------------------------------------------------------------------

static void show_way(struct mr_trio_way *way)
{
    char name[128], records[32], rate[32], verdict[64] = "";
    double per_second = mr_bench_median(way->records_per_second, way->rounds);
    if (way->missed)
        snprintf(verdict, sizeof verdict, "; FAILED: missed its rate in %u of %u rounds",
                 way->missed, way->rounds);
    printf("\n%s: %s records/s, %.2f cores, %s records verified%s\n",
           way_name(way, name, sizeof name),
           mr_report_count_text((uint64_t)per_second, rate, sizeof rate),
           mr_bench_median(way->cores, way->rounds),
           mr_report_count_text(way->verified, records, sizeof records), verdict);
    if (way->write_limit[0] > 0)
        printf("  the file system takes %.0f MB/s from a bare loop of writes: %.2f of that\n",
               mr_bench_median(way->write_limit, way->rounds) / 1e6,
               mr_bench_median(way->write_ratio, way->rounds));
    double relay_ns = mr_bench_median(way->raw_relay_ns, way->rounds);
    if (relay_ns > 0)
        printf("  three bare processes hand over %.2f us after a record was due (p99 %.2f): %.2f "
               "times that\n",
               relay_ns / 1000, mr_bench_median(way->raw_relay_p99_ns, way->rounds) / 1000,
               (double)mr_histogram_percentile(&way->hops[MR_HOP_HAND_OVER], 50) / relay_ns);
    if (way->tapped)
        printf("  taps saw %" PRIu64 " records, lost %" PRIu64 " bytes\n", way->tapped,
               way->tap_lost_bytes);
    mr_bench_show_distribution_heading("ns");
    for (unsigned hop = 0; hop < MR_REPORT_HOPS; hop++)
        mr_bench_show_distribution(mr_report_hop_name(hop), &way->hops[hop]);
}

void mr_trio_show(struct mr_trio_runs *runs, const char *machine)
{
    char generators[32] = "generator";
    if (runs->options.producers > 1)
        snprintf(generators, sizeof generators, "%u generators", runs->options.producers);
    printf("%s\n\nthe trio: %s, transform that lets all pass, journal; records of %" PRIu64
           " bytes with checksum; %u round%s; latency from the moment a record was due\n"
           "bare cache line there and back %.0f ns (median of the probes around the runs)\n",
           machine, generators, runs->options.record_bytes, runs->rounds,
           runs->rounds == 1 ? "" : "s", raw_rtt_ns(runs));
    for (unsigned i = 0; i < runs->way_count; i++)
        show_way(&runs->ways[i]);
    printf("\nevery record's sequence, times, content and checksum were checked in the journal\n");
}

// ---- as JSON -------------------------------------------------------------------------------------

static void json_spread(struct mr_json *json, const char *key, double *values, unsigned count)
{
    double median = mr_bench_median(values, count);
    mr_json_open(json, key, '{');
    mr_json_real(json, "min", values[0]);
    mr_json_real(json, "median", median);
    mr_json_real(json, "max", values[count - 1]);
    mr_json_close(json);
}

static void json_hop(struct mr_json *json, struct mr_trio_way *way, unsigned hop, double raw_ns,
                     double relay_ns)
{
    const struct mr_histogram *histogram = &way->hops[hop];
    uint64_t p50_ns = mr_histogram_percentile(histogram, 50);
    mr_json_open(json, mr_report_hop_name(hop), '{');
    for (unsigned i = 0; i < MR_REPORT_PERCENTILES; i++)
        mr_json_u64(json, mr_report_percentile_names[i],
                    mr_histogram_percentile(histogram, mr_report_percentiles[i]));
    mr_json_u64(json, "max", histogram->max_ns);
    mr_json_u64(json, "n", histogram->count);
    json_spread(json, "p50_rounds", way->p50_ns[hop], way->rounds);
    if (raw_ns > 0)
        mr_json_real(json, "p50_by_raw_rtt", (double)p50_ns / raw_ns);
    if (relay_ns > 0 && hop == MR_HOP_HAND_OVER)
        mr_json_real(json, "p50_by_raw_relay", (double)p50_ns / relay_ns);
    mr_json_close(json);
}

static void json_way(struct mr_json *json, struct mr_trio_way *way)
{
    double raw_ns = mr_bench_median(way->raw_rtt_ns, way->rounds);
    double relay_ns = mr_bench_median(way->raw_relay_ns, way->rounds);
    mr_json_open(json, NULL, '{');
    mr_json_real(json, "rate", way->rate);
    mr_json_text(json, "wait", way->wait);
    mr_json_text(json, "placement", placement_name(way));
    mr_json_text(json, "durability", way->durability);
    mr_json_u64(json, "rounds", way->rounds);
    mr_json_u64(json, "missed_rounds", way->missed);
    mr_json_bool(json, "ok", way->missed == 0 && way->verified == way->records);
    mr_json_u64(json, "n", way->records);
    mr_json_u64(json, "verified", way->verified);
    mr_json_u64(json, "overdue", way->overdue);
    json_spread(json, "records_per_second", way->records_per_second, way->rounds);
    json_spread(json, "cores", way->cores, way->rounds);
    if (way->write_limit[0] > 0) {
        json_spread(json, "raw_bytes_per_second", way->write_limit, way->rounds);
        json_spread(json, "ratio", way->write_ratio, way->rounds);
    }
    json_spread(json, "first_record_ms", way->first_record_ms, way->rounds);
    mr_json_text(json, "io_backend", mr_io_backend_name(way->io_backend));
    mr_json_u64(json, "tapped", way->tapped);
    mr_json_u64(json, "tap_lost_bytes", way->tap_lost_bytes);
    mr_json_real(json, "raw_rtt_ns", raw_ns);
    if (relay_ns > 0) {
        mr_json_real(json, "raw_relay_ns", relay_ns);
        mr_json_real(json, "raw_relay_p99_ns", mr_bench_median(way->raw_relay_p99_ns, way->rounds));
    }
    mr_json_open(json, "latency_ns", '{');
    for (unsigned hop = 0; hop < MR_REPORT_HOPS; hop++)
        json_hop(json, way, hop, raw_ns, relay_ns);
    mr_json_close(json);
    mr_json_close(json);
}

void mr_trio_show_json(struct mr_trio_runs *runs, const char *machine)
{
    struct mr_json json;
    mr_json_init(&json, 0);
    mr_json_open(&json, NULL, '{');
    mr_json_text(&json, "bench", "trio");
    mr_json_text(&json, "machine", machine);
    mr_json_u64(&json, "record_bytes", runs->options.record_bytes);
    mr_json_real(&json, "seconds", runs->options.seconds);
    mr_json_u64(&json, "taps", runs->options.taps);
    mr_json_u64(&json, "producers", runs->options.producers);
    mr_json_real(&json, "raw_rtt_ns", raw_rtt_ns(runs));
    mr_json_open(&json, "runs", '[');
    for (unsigned i = 0; i < runs->way_count; i++)
        json_way(&json, &runs->ways[i]);
    mr_json_close(&json);
    mr_json_close(&json);
    fputs(mr_json_finish(&json), stdout);
    mr_json_free(&json);
}

// ---- as files ------------------------------------------------------------------------------------

static int save_hop(const struct mr_trio_way *way, unsigned hop, const char *directory,
                    struct mr_error *err)
{
    char path[600];
    snprintf(path, sizeof path, "%s/%.0f-%s%s-%s-%s.hgrm", directory, way->rate, way->wait,
             strcmp(way->placement, "auto") == 0 ? "-placed" : "", way->durability,
             mr_report_hop_name(hop));
    return mr_bench_save_hgrm(&way->hops[hop], path, err);
}

int mr_trio_save_hgrm(const struct mr_trio_runs *runs, const char *directory, struct mr_error *err)
{
    if (mkdir(directory, 0777) < 0 && errno != EEXIST)
        return mr_fail_errno(err, MR_ERR_OUTPUT, "%s: cannot create the directory", directory);
    for (unsigned i = 0; i < runs->way_count; i++)
        for (unsigned hop = 0; hop < MR_REPORT_HOPS; hop++) {
            int code = save_hop(&runs->ways[i], hop, directory, err);
            if (code != MR_OK)
                return code;
        }
    return MR_OK;
}
