// SPDX-License-Identifier: Apache-2.0
#include "core/pipeline/metrics.h"

#include <string.h>

#include "core/pipeline/waits.h"

#define NS_PER_S 1e9

// A label's value: backslash, quote and newline are escaped.
static void put_label_value(FILE *out, const char *value)
{
    for (; *value; value++) {
        if (*value == '\\' || *value == '"')
            fputc('\\', out);
        if (*value == '\n')
            fputs("\\n", out);
        else
            fputc(*value, out);
    }
}

// name{label="value",label2="value2"} -- the second label where it is not NULL.
static void put_series(FILE *out, const char *name, const char *label, const char *value,
                       const char *label2, const char *value2)
{
    fprintf(out, "%s{%s=\"", name, label);
    put_label_value(out, value);
    if (label2) {
        fprintf(out, "\",%s=\"", label2);
        put_label_value(out, value2);
    }
    fputs("\"} ", out);
}

static void put_count(FILE *out, uint64_t value)
{
    fprintf(out, "%llu\n", (unsigned long long)value);
}

static void put_real(FILE *out, double value)
{
    fprintf(out, "%.9g\n", value);
}

// ---- the run ------------------------------------------------------------------------------------

static void write_build(FILE *out, const struct mr_metric *metric, const struct mr_report *report)
{
    put_series(out, metric->name, "version", MR_VERSION, "pipeline", report->name);
    put_count(out, 1);
}

static void write_run(FILE *out, const struct mr_metric *metric, const struct mr_report *report)
{
    double values[] = {report->balance, report->seconds};
    fprintf(out, "%s ", metric->name);
    put_real(out, values[metric->what]);
}

// ---- stages -------------------------------------------------------------------------------------

static void write_count(FILE *out, const struct mr_metric *metric, const struct mr_report *report)
{
    MR_EACH_ROLE (report, role) {
        put_series(out, metric->name, "stage", mr_role_name(role), NULL, NULL);
        put_count(out, report->stages[role].slot.counts[metric->what]);
    }
}

static void write_rejected(FILE *out, const struct mr_metric *metric,
                           const struct mr_report *report)
{
    MR_EACH_ROLE (report, role)
        for (unsigned reason = 0; reason < MR_REASON_KINDS; reason++) {
            put_series(out, metric->name, "stage", mr_role_name(role), "reason",
                       mr_reason_name(reason));
            put_count(out, report->stages[role].slot.rejected[reason]);
        }
}

static void write_dropped(FILE *out, const struct mr_metric *metric, const struct mr_report *report)
{
    MR_EACH_ROLE (report, role) {
        put_series(out, metric->name, "stage", mr_role_name(role), "reason", "ring_full");
        put_count(out, report->stages[role].slot.counts[MR_COUNT_DROPPED]);
    }
}

static void write_in_flight(FILE *out, const struct mr_metric *metric,
                            const struct mr_report *report)
{
    MR_EACH_ROLE (report, role) {
        put_series(out, metric->name, "stage", mr_role_name(role), NULL, NULL);
        put_count(out, report->stages[role].in_flight);
    }
}

enum { SCHEMAS_IN, SCHEMAS_OUT };

static void write_schemas(FILE *out, const struct mr_metric *metric, const struct mr_report *report)
{
    MR_EACH_ROLE (report, role) {
        const struct mr_stage_report *stage = &report->stages[role];
        bool in = metric->what == SCHEMAS_IN;
        unsigned count = in ? stage->in_schema_count : stage->out_schema_count;
        for (unsigned i = 0; i < count; i++) {
            put_series(out, metric->name, "stage", mr_role_name(role), "schema",
                       in ? stage->in_schema_name[i] : stage->out_schema_name[i]);
            put_count(out, in ? stage->slot.in_by_schema[i] : stage->slot.out_by_schema[i]);
        }
    }
}

// A plugin's own counters keep the names their plugins gave them: "order_book.unknown_reference".
static void write_plugin(FILE *out, const struct mr_metric *metric, const struct mr_report *report)
{
    MR_EACH_ROLE (report, role)
        for (unsigned i = 0; i < report->stages[role].plugin_count; i++) {
            put_series(out, metric->name, "stage", mr_role_name(role), "counter",
                       report->stages[role].plugin_name[i]);
            put_count(out, report->stages[role].slot.plugin[i]);
        }
}

static void write_phase(FILE *out, const struct mr_metric *metric, const struct mr_report *report)
{
    MR_EACH_ROLE (report, role)
        for (unsigned phase = MR_PHASE_OFF; phase <= MR_PHASE_FAILED; phase++) {
            put_series(out, metric->name, "stage", mr_role_name(role), "phase",
                       mr_phase_name(phase));
            put_count(out, report->stages[role].gauges.phase == phase);
        }
}

static void write_up(FILE *out, const struct mr_metric *metric, const struct mr_report *report)
{
    MR_EACH_ROLE (report, role) {
        put_series(out, metric->name, "stage", mr_role_name(role), NULL, NULL);
        put_count(out, report->stages[role].alive);
    }
}

static void write_restarts(FILE *out, const struct mr_metric *metric,
                           const struct mr_report *report)
{
    MR_EACH_ROLE (report, role) {
        put_series(out, metric->name, "stage", mr_role_name(role), NULL, NULL);
        put_count(out, report->stages[role].restarts);
    }
}

static void write_waited(FILE *out, const struct mr_metric *metric, const struct mr_report *report)
{
    MR_EACH_ROLE (report, role) {
        struct mr_waits waits;
        mr_waits_of(report, role, &waits);
        for (unsigned why = MR_WAIT_INPUT; why <= MR_WAIT_DEVICE; why++) {
            put_series(out, metric->name, "stage", mr_role_name(role), "reason", mr_wait_name(why));
            put_real(out, (double)waits.total_ns[why] / NS_PER_S);
        }
    }
}

static void write_waiting(FILE *out, const struct mr_metric *metric, const struct mr_report *report)
{
    MR_EACH_ROLE (report, role) {
        struct mr_waits waits;
        mr_waits_of(report, role, &waits);
        for (unsigned why = MR_WAIT_INPUT; why <= MR_WAIT_DEVICE; why++) {
            put_series(out, metric->name, "stage", mr_role_name(role), "reason", mr_wait_name(why));
            put_real(out, waits.what == why ? (double)waits.lasted_ns / NS_PER_S : 0);
        }
    }
}

static void write_stalled(FILE *out, const struct mr_metric *metric, const struct mr_report *report)
{
    MR_EACH_ROLE (report, role)
        for (unsigned cause = MR_STALL_STOPPED; cause <= MR_STALL_ASLEEP; cause++) {
            put_series(out, metric->name, "stage", mr_role_name(role), "cause",
                       mr_stall_name(cause));
            put_count(out, report->stages[role].stall.cause == cause);
        }
}

static void write_parks(FILE *out, const struct mr_metric *metric, const struct mr_report *report)
{
    MR_EACH_ROLE (report, role) {
        put_series(out, metric->name, "stage", mr_role_name(role), NULL, NULL);
        put_count(out, report->stages[role].gauges.parks);
    }
}

static void write_heartbeat(FILE *out, const struct mr_metric *metric,
                            const struct mr_report *report)
{
    MR_EACH_ROLE (report, role) {
        struct mr_waits waits;
        mr_waits_of(report, role, &waits);
        put_series(out, metric->name, "stage", mr_role_name(role), NULL, NULL);
        put_real(out, (double)waits.beat_age_ns / NS_PER_S);
    }
}

// ---- rings --------------------------------------------------------------------------------------

enum {
    RING_CAPACITY,
    RING_USED,
    RING_USED_MAX,
    RING_WRITTEN,
    RING_READ,
    RING_IN_FLIGHT,
    RING_DROPPED
};

static void write_ring(FILE *out, const struct mr_metric *metric, const struct mr_report *report)
{
    MR_EACH_RING (report, index) {
        const struct mr_ring_report *ring = &report->rings[index];
        const uint64_t values[] = {
            [RING_CAPACITY] = ring->capacity,
            [RING_USED] = mr_ring_used_bytes(ring->write_pos, ring->read_pos),
            [RING_USED_MAX] = ring->used_bytes_max,
            [RING_WRITTEN] = ring->write_pos - ring->start_pos,
            [RING_READ] = ring->read_pos - ring->start_pos,
            [RING_IN_FLIGHT] = ring->in_flight,
            [RING_DROPPED] = ring->dropped,
        };
        put_series(out, metric->name, "ring", mr_ring_index_name(index), NULL, NULL);
        put_count(out, values[metric->what]);
    }
}

// ---- sink and latency ---------------------------------------------------------------------------

static void write_durable(FILE *out, const struct mr_metric *metric, const struct mr_report *report)
{
    uint64_t durable = report->stages[MR_ROLE_LOADER].gauges.durable_pos[MR_PORT_MAIN];
    uint64_t start = report->rings[MR_RING_EGRESS].start_pos;
    fprintf(out, "%s ", metric->name);
    put_count(out, durable > start ? durable - start : 0);
}

enum { DEVICE_NO_ROOM, DEVICE_NO_ROOM_SECONDS, DEVICE_REFUSALS, DEVICE_SYNC, DEVICE_CALL };

static void write_device(FILE *out, const struct mr_metric *metric, const struct mr_report *report)
{
    struct mr_device_waits device;
    mr_waits_device(report, &device);
    const double values[] = {
        [DEVICE_NO_ROOM] = device.no_room,
        [DEVICE_NO_ROOM_SECONDS] = (double)device.no_room_ns / NS_PER_S,
        [DEVICE_REFUSALS] = (double)report->stages[MR_ROLE_LOADER].gauges.device.refusals,
        [DEVICE_SYNC] = (double)device.syncing_ns / NS_PER_S,
        [DEVICE_CALL] = (double)device.call_ns / NS_PER_S,
    };
    fprintf(out, "%s ", metric->name);
    put_real(out, values[metric->what]);
}

static void write_io_backend(FILE *out, const struct mr_metric *metric,
                             const struct mr_report *report)
{
    for (unsigned backend = 0; backend < 3; backend++) {
        put_series(out, metric->name, "backend", mr_io_backend_name(backend), NULL, NULL);
        put_count(out, report->stages[MR_ROLE_LOADER].gauges.io_backend == backend);
    }
}

// Upper bounds: 1, 2, 5 a decade, from 1 us to 10 s.
static const double bounds_ns[] = {1e3, 2e3, 5e3, 1e4, 2e4, 5e4, 1e5, 2e5, 5e5, 1e6, 2e6,
                                   5e6, 1e7, 2e7, 5e7, 1e8, 2e8, 5e8, 1e9, 2e9, 5e9, 1e10};

static void write_hop(FILE *out, const struct mr_metric *metric,
                      const struct mr_histogram *histogram, const char *hop)
{
    char name[96], bound[32];
    uint64_t below = 0;
    uint32_t bucket = 0;
    snprintf(name, sizeof name, "%s_bucket", metric->name);
    for (unsigned i = 0; i < MR_COUNT_OF(bounds_ns); i++) {
        while (bucket < MR_HISTOGRAM_BUCKETS &&
               (double)mr_histogram_bucket_high(bucket) <= bounds_ns[i])
            below += mr_load_relaxed_u64(&histogram->buckets[bucket++]);
        snprintf(bound, sizeof bound, "%g", bounds_ns[i] / NS_PER_S);
        put_series(out, name, "hop", hop, "le", bound);
        put_count(out, below);
    }
    while (bucket < MR_HISTOGRAM_BUCKETS)
        below += histogram->buckets[bucket++];
    put_series(out, name, "hop", hop, "le", "+Inf");
    put_count(out, below);
    snprintf(name, sizeof name, "%s_sum", metric->name);
    put_series(out, name, "hop", hop, NULL, NULL);
    put_real(out, (double)histogram->sum_ns / NS_PER_S);
    snprintf(name, sizeof name, "%s_count", metric->name);
    put_series(out, name, "hop", hop, NULL, NULL);
    put_count(out, below); // not histogram->count: it may be a record ahead of its buckets
}

static void write_latency(FILE *out, const struct mr_metric *metric, const struct mr_report *report)
{
    for (unsigned hop = 0; hop < MR_REPORT_HOPS; hop++)
        write_hop(out, metric, mr_report_hop(report, hop), mr_report_hop_name(hop));
}

// ---- the table ----------------------------------------------------------------------------------

#define COUNTER MR_METRIC_COUNTER
#define GAUGE MR_METRIC_GAUGE

const struct mr_metric mr_metrics[] = {
    {"millrace_build_info", "", "Version and pipeline; always 1.", write_build, GAUGE, 0},
    {"millrace_balance", "", "1 while every record is accounted for, else 0.", write_run, GAUGE, 0},
    {"millrace_run_seconds", "seconds", "Since the first record came in.", write_run, GAUGE, 1},
    {"millrace_stage_up", "", "1 while the stage's process runs.", write_up, GAUGE, 0},
    {"millrace_stage_restarts_total", "", "Processes that took over from one that was gone.",
     write_restarts, COUNTER, 0},
    {"millrace_stage_phase", "", "1 for the phase the stage is in.", write_phase, GAUGE, 0},
    {"millrace_stage_records_in_total", "", "Records the stage took in.", write_count, COUNTER,
     MR_COUNT_IN},
    {"millrace_stage_records_out_total", "", "Records taken in that left as one or more.",
     write_count, COUNTER, MR_COUNT_OUT},
    {"millrace_stage_records_emitted_total", "", "Records written downstream.", write_count,
     COUNTER, MR_COUNT_EMITTED},
    {"millrace_stage_records_filtered_total", "", "Records nobody downstream wants.", write_count,
     COUNTER, MR_COUNT_FILTERED},
    {"millrace_stage_records_duplicate_total", "", "Records seen before.", write_count, COUNTER,
     MR_COUNT_DUPLICATE},
    {"millrace_stage_records_late_total", "", "Records behind the allowed lateness.", write_count,
     COUNTER, MR_COUNT_LATE},
    {"millrace_stage_records_rejected_total", "",
     "Records sent to the dead-letter journal, by reason.", write_rejected, COUNTER, 0},
    {"millrace_stage_records_dropped_total", "", "Records lost, by reason.", write_dropped, COUNTER,
     0},
    {"millrace_stage_records_in_flight", "", "Records taken in whose fate is not yet known.",
     write_in_flight, GAUGE, 0},
    {"millrace_stage_schema_records_in_total", "", "Records taken in, by schema.", write_schemas,
     COUNTER, SCHEMAS_IN},
    {"millrace_stage_schema_records_emitted_total", "", "Records written downstream, by schema.",
     write_schemas, COUNTER, SCHEMAS_OUT},
    {"millrace_stage_plugin_events_total", "", "What the stage's plugins count.", write_plugin,
     COUNTER, 0},
    {"millrace_stage_waited_seconds_total", "seconds", "Time the stage waited, by what for.",
     write_waited, COUNTER, 0},
    {"millrace_stage_waiting_seconds", "seconds",
     "How long the wait at hand has lasted, by what for.", write_waiting, GAUGE, 0},
    {"millrace_stage_parks_total", "", "Times the stage went to sleep.", write_parks, COUNTER, 0},
    {"millrace_stage_heartbeat_age_seconds", "seconds", "Since the stage was last seen working.",
     write_heartbeat, GAUGE, 0},
    {"millrace_stage_stalled", "",
     "1 while the stage lives without a sign of life for a second, by cause.", write_stalled, GAUGE,
     0},
    {"millrace_ring_capacity_bytes", "bytes", "Size of the ring.", write_ring, GAUGE,
     RING_CAPACITY},
    {"millrace_ring_used_bytes", "bytes", "Bytes written and not yet released.", write_ring, GAUGE,
     RING_USED},
    {"millrace_ring_used_max_bytes", "bytes",
     "The most that was in the ring: seen every 10 ms, and whenever it was full.", write_ring,
     GAUGE, RING_USED_MAX},
    {"millrace_ring_written_bytes_total", "bytes", "Bytes written to the ring.", write_ring,
     COUNTER, RING_WRITTEN},
    {"millrace_ring_read_bytes_total", "bytes", "Bytes released by its reader.", write_ring,
     COUNTER, RING_READ},
    {"millrace_ring_records_in_flight", "", "Records written and not yet taken in.", write_ring,
     GAUGE, RING_IN_FLIGHT},
    {"millrace_ring_records_dropped_total", "", "Records dropped because it was full.", write_ring,
     COUNTER, RING_DROPPED},
    {"millrace_sink_durable_bytes_total", "bytes", "Bytes of the egress stream that are safe.",
     write_durable, COUNTER, 0},
    {"millrace_sink_io_backend", "", "1 for the I/O backend in use.", write_io_backend, GAUGE, 0},
    {"millrace_sink_no_room", "", "1 while the sink's file system is full, or a quota used up.",
     write_device, GAUGE, DEVICE_NO_ROOM},
    {"millrace_sink_no_room_seconds", "seconds", "Since the file system has had no room.",
     write_device, GAUGE, DEVICE_NO_ROOM_SECONDS},
    {"millrace_sink_refusals_total", "", "Times there was no room.", write_device, COUNTER,
     DEVICE_REFUSALS},
    {"millrace_sink_sync_seconds", "seconds", "Since the oldest sync under way was begun.",
     write_device, GAUGE, DEVICE_SYNC},
    {"millrace_sink_call_seconds", "seconds", "Since a call to the device has not returned.",
     write_device, GAUGE, DEVICE_CALL},
    {"millrace_latency_seconds", "seconds",
     "Latency of records, by hop: ingress and egress ring, to the hand-over to the kernel, and "
     "from "
     "end to end.",
     write_latency, MR_METRIC_HISTOGRAM, 0},
    {0},
};

void mr_metrics_write(const struct mr_report *report, FILE *out)
{
    static const char *const types[] = {"counter", "gauge", "histogram"};
    for (const struct mr_metric *metric = mr_metrics; metric->name; metric++) {
        fprintf(out, "# HELP %s %s\n# TYPE %s %s\n", metric->name, metric->help, metric->name,
                types[metric->type]);
        metric->write(out, metric, report);
    }
}
