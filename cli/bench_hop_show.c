// SPDX-License-Identifier: Apache-2.0
#include <inttypes.h>
#include <stdio.h>

#include "cli/bench_hop.h"
#include "cli/pair_loops.h"
#include "core/pipeline/report.h"

static double bytes_per_second(const struct mr_pair_cell *cell)
{
    return cell->kept_value.median * cell->loops->record_bytes;
}

static double to_copy(const struct mr_hop_report *report, unsigned size)
{
    return report->copy_bytes_per_second > 0
               ? bytes_per_second(&report->batches[size]) / report->copy_bytes_per_second
               : 0;
}

// To the nearer of two limits: the plain copy, and making and checking the records without moving them.
static double to_limit(const struct mr_hop_report *report, unsigned size)
{
    double handled = report->handling[size].kept_value.median;
    double to_handled = handled > 0 ? report->batches[size].kept_value.median / handled : 0;
    return to_handled > to_copy(report, size) ? to_handled : to_copy(report, size);
}

static double worst_to_copy(const struct mr_hop_report *report)
{
    double worst = to_copy(report, 0);
    for (unsigned i = 1; i < report->sizes; i++)
        if (to_copy(report, i) < worst)
            worst = to_copy(report, i);
    return worst;
}

// Why the figures decide nothing about the goal; NULL: they decide.
static const char *trip_unjudged(const struct mr_hop_report *report)
{
    return mr_pair_why_unjudged(report->round_trip);
}
static const char *copy_unjudged(const struct mr_hop_report *report)
{
    const char *why = mr_pair_why_unjudged(report->copy ? report->copy : &report->copies[0]);
    for (unsigned i = 0; i < report->sizes && !why; i++)
        why = mr_pair_why_unjudged(&report->batches[i]);
    return why;
}

// ---- JSON

static void json_goals(const struct mr_hop_report *report)
{
    bool trip_judged = !trip_unjudged(report), copy_judged = !copy_unjudged(report);
    bool trip_met = trip_judged && report->round_trip->kept_ratio.median <= MR_HOP_RTT_RATIO_GOAL;
    bool copy_met = copy_judged && worst_to_copy(report) >= MR_HOP_COPY_RATIO_GOAL;
    printf("\"goals\": {\"rtt_ratio\": {\"at_most\": %.2f, \"judged\": %s, \"met\": %s}, "
           "\"copy_ratio\": {\"at_least\": %.2f, \"worst\": %.3f, \"judged\": %s, \"met\": %s}}",
           MR_HOP_RTT_RATIO_GOAL, trip_judged ? "true" : "false", trip_met ? "true" : "false",
           MR_HOP_COPY_RATIO_GOAL, worst_to_copy(report), copy_judged ? "true" : "false",
           copy_met ? "true" : "false");
}

static void json_distribution(const char *name, const struct mr_histogram *histogram)
{
    printf("\"%s\": {", name);
    for (unsigned i = 0; i < MR_REPORT_PERCENTILES; i++)
        printf("\"%s\": %" PRIu64 ", ", mr_report_percentile_names[i],
               mr_histogram_percentile(histogram, mr_report_percentiles[i]));
    printf("\"max\": %" PRIu64 ", \"n\": %" PRIu64 "}, ", histogram->max_ns, histogram->count);
}

static void json_rate(const struct mr_pair_cell *cell)
{
    printf("\"record_bytes\": %u, \"records_per_second\": %.0f, \"records_per_second_min\": %.0f, "
           "\"records_per_second_max\": %.0f, \"kept\": %u",
           mr_pair_length(cell->loops->record_bytes), cell->kept_value.median, cell->kept_value.min,
           cell->kept_value.max, cell->kept);
}

static void json_batches(const struct mr_hop_report *report)
{
    printf("\"batch_records\": %d, \"batches\": [", MR_PAIR_BATCH);
    for (unsigned i = 0; i < report->sizes; i++) {
        printf("%s{", i ? ", " : "");
        json_rate(&report->batches[i]);
        printf(
            ", \"bytes_per_second\": %.0f, \"copy_ratio\": %.3f, \"handling_records_per_second\": "
            "%.0f, \"limit_ratio\": %.3f}",
            bytes_per_second(&report->batches[i]), to_copy(report, i),
            report->handling[i].kept_value.median, to_limit(report, i));
    }
    printf("], ");
}

void mr_bench_hop_json(const struct mr_hop_report *report, const char *machine)
{
    const struct mr_pair_rounds *rounds = &report->rounds;
    const struct mr_pair_spread *ratio = &report->round_trip->kept_ratio;
    printf("{\"bench\": \"hop\", \"machine\": \"%s\", \"n\": %" PRIu64 ", \"cores\": [%d, %d], "
           "\"shared_cache_level\": %d, \"record_bytes\": %d, \"rounds\": %u, ",
           machine, report->records, report->cores[0], report->cores[1], report->cache_level,
           MR_HOP_RECORD_BYTES, rounds->rounds_run);
    json_distribution("round_trip_ns", report->round_trip->round_trip_ns);
    json_distribution("one_way_ns", report->round_trip->one_way_ns);
    printf("\"raw_rtt_ns\": %.1f, \"rtt_ratio\": %.3f, \"rtt_ratio_min\": %.3f, \"rtt_ratio_max\": "
           "%.3f, \"rtt_kept\": %u, \"one_at_a_time\": {",
           report->round_trip->kept_raw_rtt_ns.median, ratio->median, ratio->min, ratio->max,
           report->round_trip->kept);
    json_rate(report->one_at_a_time);
    printf("}, ");
    json_batches(report);
    printf("\"copy_bytes_per_second\": %.0f, \"regime\": {\"measured\": %u, \"kept\": %u, "
           "\"raw_rtt_ns_min\": %.1f, "
           "\"raw_rtt_ns_max\": %.1f, \"moved\": %s}, ",
           report->copy_bytes_per_second, rounds->measured, rounds->kept, rounds->raw_rtt_ns.min,
           rounds->raw_rtt_ns.max, rounds->kept < rounds->measured ? "true" : "false");
    json_goals(report);
    printf("}\n");
}

// ---- text

static void show_spread(const char *what, const struct mr_pair_spread *spread, double unit,
                        const char *text)
{
    printf("  %-28s %12.2f %12.2f %12.2f  %s\n", what, spread->min / unit, spread->median / unit,
           spread->max / unit, text);
}

static void show_batches(const struct mr_hop_report *report)
{
    printf("\nrecords one way, in batches of %d; a plain copy moves %.2f GB/s\n", MR_PAIR_BATCH,
           report->copy_bytes_per_second / 1e9);
    printf("  %-12s %12s %12s %12s %8s %8s %12s %6s\n", "record", "M/s min", "median", "max",
           "GB/s", "to copy", "to limit", "kept");
    for (unsigned i = 0; i < report->sizes; i++) {
        const struct mr_pair_spread *rate = &report->batches[i].kept_value;
        const char *why = mr_pair_why_unjudged(&report->batches[i]);
        printf("  %5u bytes  %12.2f %12.2f %12.2f %8.2f %7.2fx %11.2fx %3u/%-2u  %s\n",
               mr_pair_length(report->batches[i].loops->record_bytes), rate->min / 1e6,
               rate->median / 1e6, rate->max / 1e6, bytes_per_second(&report->batches[i]) / 1e9,
               to_copy(report, i), to_limit(report, i), report->batches[i].kept,
               report->batches[i].rounds, why ? why : "");
    }
    if (!report->copy || mr_pair_why_unjudged(report->copy))
        printf("  the plain copy: %u measurements kept, %s\n",
               report->copy ? report->copy->kept : 0, copy_unjudged(report));
}

static void show_regime(const struct mr_hop_report *report)
{
    const struct mr_pair_rounds *rounds = &report->rounds;
    if (report->cache_level == 0)
        printf("cores %d and %d share no cache that the system knows of: every hop crosses the "
               "memory's interconnect; pin to cores of one socket with taskset\n",
               report->cores[0], report->cores[1]);
    if (rounds->kept < rounds->measured)
        printf("the machine moved: the bare cache line took %.0f to %.0f ns; kept are %u of %u "
               "measurements: round trips whose own two probes agree, rates whose probes are near "
               "%.0f ns\n",
               rounds->raw_rtt_ns.min, rounds->raw_rtt_ns.max, rounds->kept, rounds->measured,
               rounds->regime_rtt_ns);
}

void mr_bench_hop_show(const struct mr_hop_report *report)
{
    const struct mr_pair_spread *ratio = &report->round_trip->kept_ratio;
    const char *good = ratio->median <= MR_HOP_RTT_RATIO_GOAL ? "(good)" : "";
    char cache[32] = "no cache in common";
    if (report->cache_level > 0)
        snprintf(cache, sizeof cache, "L%d in common", report->cache_level);
    printf("\na %d-byte record there and back, cores %d and %d (%s), %u rounds, %u kept\n",
           MR_HOP_RECORD_BYTES, report->cores[0], report->cores[1], cache,
           report->rounds.rounds_run, report->round_trip->kept);
    printf("  %-28s %12s %12s %12s\n", "", "min", "median", "max");
    show_spread("round trip p50", &report->round_trip->kept_value, 1, "ns");
    show_spread("bare cache line", &report->round_trip->kept_raw_rtt_ns, 1, "ns, same rounds");
    show_spread("ratio", ratio, 1, trip_unjudged(report) ? trip_unjudged(report) : good);
    show_spread("one way, one at a time", &report->one_at_a_time->kept_value, 1e6, "M records/s");
    mr_bench_show_distribution_heading("ns, kept rounds");
    mr_bench_show_distribution("round trip", report->round_trip->round_trip_ns);
    mr_bench_show_distribution("one way", report->round_trip->one_way_ns);
    show_batches(report);
    printf("\n%" PRIu64 " records, each one's sequence and content checked\n", report->records);
    show_regime(report);
}
