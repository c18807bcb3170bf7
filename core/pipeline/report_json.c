// SPDX-License-Identifier: Apache-2.0
#include <string.h>

#include "core/formats/number.h"
#include "core/pipeline/waits.h"

static const char *counter_name(unsigned index, const char *names, size_t name_bytes)
{
    return names + index * name_bytes;
}

static void json_named(struct mr_json *json, const char *key, unsigned count, const char *names,
                       size_t name_bytes, const uint64_t *values)
{
    mr_json_open(json, key, '{');
    for (unsigned i = 0; i < count; i++)
        mr_json_u64(json, counter_name(i, names, name_bytes), values[i]);
    mr_json_close(json);
}

static void json_counts(struct mr_json *json, const struct mr_stage_report *stage)
{
    for (unsigned count = 0; count < MR_COUNT_KINDS; count++)
        mr_json_u64(json, mr_count_name(count), stage->slot.counts[count]);
    mr_json_u64(json, "in_flight", stage->in_flight);
    mr_json_open(json, "rejected_by_reason", '{');
    for (unsigned reason = 0; reason < MR_REASON_KINDS; reason++)
        mr_json_u64(json, mr_reason_name(reason), stage->slot.rejected[reason]);
    mr_json_close(json);
    json_named(json, "schemas_in", stage->in_schema_count, stage->in_schema_name[0], MR_NAME_BYTES,
               stage->slot.in_by_schema);
    json_named(json, "schemas_out", stage->out_schema_count, stage->out_schema_name[0],
               MR_NAME_BYTES, stage->slot.out_by_schema);
    json_named(json, "counters", stage->plugin_count, stage->plugin_name[0],
               sizeof stage->plugin_name[0], stage->slot.plugin);
}

// 0: never, an empty text.
static void json_time(struct mr_json *json, const char *key, int64_t wall_ns)
{
    char text[40];
    text[wall_ns == 0 ? 0 : mr_print_timestamp(wall_ns, text)] = '\0';
    mr_json_text(json, key, text);
}

static void json_waiting(struct mr_json *json, const struct mr_report *report, enum mr_role role)
{
    const struct mr_stage_report *stage = &report->stages[role];
    struct mr_waits waits;
    mr_waits_of(report, role, &waits);
    mr_json_text(json, "waiting_for", mr_wait_name(waits.what));
    mr_json_text(json, "waiting_on", waits.whom);
    mr_json_real(json, "waiting_seconds", (double)waits.lasted_ns / 1e9);
    json_time(json, "waiting_since", waits.since_wall_ns);
    mr_json_open(json, "waited_seconds", '{');
    for (unsigned why = MR_WAIT_INPUT; why <= MR_WAIT_DEVICE; why++)
        mr_json_real(json, mr_wait_name(why), (double)waits.total_ns[why] / 1e9);
    mr_json_close(json);
    mr_json_open(json, "waited_share", '{');
    for (unsigned why = MR_WAIT_INPUT; why <= MR_WAIT_DEVICE; why++)
        mr_json_real(json, mr_wait_name(why), waits.share[why]);
    mr_json_close(json);
    mr_json_u64(json, "parks", stage->gauges.parks);
    mr_json_real(json, "heartbeat_age_seconds", (double)waits.beat_age_ns / 1e9);
    mr_json_bool(json, "stalled", stage->stall.since_ns != 0);
    mr_json_text(json, "stall_cause", mr_stall_name(stage->stall.cause));
}

static void json_stage(struct mr_json *json, const struct mr_report *report, enum mr_role role)
{
    const struct mr_stage_report *stage = &report->stages[role];
    mr_json_open(json, mr_role_name(role), '{');
    mr_json_text(json, "phase", mr_phase_name(stage->gauges.phase));
    mr_json_u64(json, "pid", stage->gauges.pid);
    mr_json_bool(json, "alive", stage->alive);
    mr_json_u64(json, "restarts", stage->restarts);
    json_counts(json, stage);
    json_waiting(json, report, role);
    if (stage->gauges.phase == MR_PHASE_FAILED) {
        mr_json_u64(json, "exit_code", stage->gauges.exit_code);
        mr_json_text(json, "failure", stage->gauges.failure);
    }
    mr_json_close(json);
}

static void json_ring(struct mr_json *json, const struct mr_ring_report *ring, const char *name)
{
    uint64_t used = mr_ring_used_bytes(ring->write_pos, ring->read_pos);
    mr_json_open(json, name, '{');
    mr_json_u64(json, "capacity_bytes", ring->capacity);
    mr_json_u64(json, "used_bytes", used);
    mr_json_real(json, "fill", ring->capacity ? (double)used / (double)ring->capacity : 0);
    mr_json_u64(json, "used_bytes_max", ring->used_bytes_max);
    mr_json_u64(json, "written_bytes", ring->write_pos - ring->start_pos);
    mr_json_u64(json, "in_flight", ring->in_flight);
    mr_json_u64(json, "dropped", ring->dropped);
    mr_json_bool(json, "finished", ring->finished);
    mr_json_close(json);
}

static void json_latency(struct mr_json *json, const char *name,
                         const struct mr_histogram *histogram)
{
    uint64_t values_ns[MR_REPORT_PERCENTILES];
    mr_histogram_percentiles(histogram, mr_report_percentiles, MR_REPORT_PERCENTILES, values_ns);
    mr_json_open(json, name, '{');
    for (unsigned i = 0; i < MR_REPORT_PERCENTILES; i++)
        mr_json_u64(json, mr_report_percentile_names[i], histogram->count ? values_ns[i] : 0);
    mr_json_u64(json, "max", histogram->max_ns);
    mr_json_u64(json, "count", histogram->count);
    mr_json_close(json);
}

static void json_device(struct mr_json *json, const struct mr_report *report)
{
    const struct mr_device_gauges *gauges = &report->stages[MR_ROLE_LOADER].gauges.device;
    struct mr_device_waits device;
    mr_waits_device(report, &device);
    mr_json_open(json, "device", '{');
    mr_json_bool(json, "no_room", device.no_room);
    mr_json_text(json, "no_room_what", device.no_room ? gauges->refused_what : "");
    mr_json_real(json, "no_room_seconds", (double)device.no_room_ns / 1e9);
    json_time(json, "no_room_since", device.no_room_since_wall_ns);
    mr_json_u64(json, "refusals", gauges->refusals);
    mr_json_real(json, "syncing_seconds", (double)device.syncing_ns / 1e9);
    mr_json_text(json, "call", device.call);
    mr_json_real(json, "call_seconds", (double)device.call_ns / 1e9);
    mr_json_close(json);
}

static void json_sink(struct mr_json *json, const struct mr_report *report)
{
    const struct mr_stage_gauges *gauges = &report->stages[MR_ROLE_LOADER].gauges;
    char files[sizeof gauges->files];
    char *rest = files;
    memcpy(files, gauges->files, sizeof files);
    mr_json_open(json, "sink", '{');
    mr_json_open(json, "files", '[');
    for (char *file; (file = strsep(&rest, "\n")) != NULL;)
        if (*file)
            mr_json_text(json, NULL, file);
    mr_json_close(json);
    mr_json_text(json, "io_backend", mr_io_backend_name(gauges->io_backend));
    mr_json_u64(json, "durable_position", gauges->durable_pos[MR_PORT_MAIN]);
    json_device(json, report);
    mr_json_close(json);
}

static void json_chain(struct mr_json *json, const struct mr_report *report)
{
    char text[MR_WAITS_TEXT_BYTES];
    enum mr_chain chain = mr_waits_chain(report, text, sizeof text);
    mr_json_open(json, "waits", '{');
    mr_json_text(json, "state", mr_chain_name(chain));
    mr_json_text(json, "chain", text);
    mr_json_close(json);
}

void mr_report_json(const struct mr_report *report, struct mr_json *json)
{
    mr_json_open(json, NULL, '{');
    mr_json_text(json, "name", report->name);
    mr_json_text(json, "directory", report->directory);
    mr_json_text(json, "phase", mr_report_phase(report));
    mr_json_bool(json, "balance", report->balance);
    if (!report->balance)
        mr_json_text(json, "imbalance", report->imbalance);
    if (report->final)
        mr_json_u64(json, "exit_code", (uint64_t)report->exit_code);
    if (report->problem[0])
        mr_json_text(json, "problem", report->problem);
    mr_json_real(json, "seconds", report->seconds);
    mr_json_u64(json, "records", mr_report_produced(report, MR_COUNT_IN));
    mr_json_real(json, "records_per_second", report->records_per_second);
    json_chain(json, report);
    mr_json_open(json, "stages", '{');
    MR_EACH_ROLE (report, role)
        json_stage(json, report, role);
    mr_json_close(json);
    mr_json_open(json, "rings", '{');
    MR_EACH_RING (report, ring)
        json_ring(json, &report->rings[ring], mr_ring_index_name(ring));
    mr_json_close(json);
    mr_json_open(json, "latency_ns", '{');
    for (unsigned hop = 0; hop < MR_REPORT_HOPS; hop++)
        json_latency(json, mr_report_hop_name(hop), mr_report_hop(report, hop));
    mr_json_close(json);
    json_sink(json, report);
    mr_json_close(json);
}
