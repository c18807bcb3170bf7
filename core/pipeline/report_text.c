// SPDX-License-Identifier: Apache-2.0
#include <string.h>

#include "core/formats/number.h"
#include "core/pipeline/waits.h"

const char *mr_report_count_text(uint64_t count, char *out, size_t out_bytes)
{
    char digits[32];
    int length = snprintf(digits, sizeof digits, "%llu", (unsigned long long)count);
    size_t used = 0;
    for (int i = 0; i < length && used + 2 < out_bytes; i++) {
        out[used++] = digits[i];
        if ((length - i - 1) % 3 == 0 && i + 1 < length)
            out[used++] = ',';
    }
    out[used] = 0;
    return out;
}

const char *mr_report_duration_text(double ns, char *out, size_t out_bytes)
{
    static const struct {
        double ns;
        const char *unit;
    } units[] = {{1e9, "s"}, {1e6, "ms"}, {1e3, "us"}, {1, "ns"}};
    for (unsigned i = 0; i < MR_COUNT_OF(units); i++) {
        if (ns < units[i].ns && i + 1 < MR_COUNT_OF(units))
            continue;
        double value = ns / units[i].ns;
        snprintf(out, out_bytes, "%.*f %s", value >= 100 || units[i].ns == 1 ? 0 : 1, value,
                 units[i].unit);
        break;
    }
    return out;
}

// The counts, and behind them what is in flight.
#define COLUMNS (MR_COUNT_KINDS + 1)

static uint64_t column_value(const struct mr_stage_report *stage, unsigned column)
{
    return column < MR_COUNT_KINDS ? stage->slot.counts[column] : stage->in_flight;
}

// As narrow as its content lets a column be: the table shall fit a terminal.
static int column_width(const struct mr_report *report, unsigned column, const char *title)
{
    char number[32];
    size_t width = strlen(title);
    MR_EACH_ROLE (report, role) {
        mr_report_count_text(column_value(&report->stages[role], column), number, sizeof number);
        width = mr_max_u64(width, strlen(number));
    }
    return (int)width;
}

static void text_counts(const struct mr_report *report, FILE *out)
{
    char number[32];
    int widths[COLUMNS];
    fprintf(out, "\n  %-10s", "");
    for (unsigned i = 0; i < COLUMNS; i++) {
        const char *title = i < MR_COUNT_KINDS ? mr_count_name(i) : "in_flight";
        widths[i] = column_width(report, i, title);
        fprintf(out, "  %*s", widths[i], title);
    }
    fputc('\n', out);
    MR_EACH_ROLE (report, role) {
        fprintf(out, "  %-10s", mr_role_name(role));
        for (unsigned i = 0; i < COLUMNS; i++)
            fprintf(out, "  %*s", widths[i],
                    mr_report_count_text(column_value(&report->stages[role], i), number,
                                         sizeof number));
        fputc('\n', out);
    }
}

// "  producer counts     itch.messages 12,932, itch.gaps 1": only what is not zero.
static void text_named(FILE *out, const char *title, unsigned count, const char *names,
                       size_t name_bytes, const uint64_t *values)
{
    char number[32];
    unsigned column = 0;
    bool first = true;
    for (unsigned i = 0; i < count; i++) {
        if (values[i] == 0)
            continue;
        const char *name = names + i * name_bytes;
        mr_report_count_text(values[i], number, sizeof number);
        if (first)
            column = (unsigned)fprintf(out, "  %-20s", title);
        else if (column + strlen(name) + strlen(number) > 96)
            column = (unsigned)fprintf(out, ",\n  %-20s", "") - 2;
        else
            column += (unsigned)fprintf(out, ", ");
        column += (unsigned)fprintf(out, "%s %s", name, number);
        first = false;
    }
    if (!first)
        fprintf(out, "\n");
}

static void text_details(const struct mr_report *report, FILE *out)
{
    char reasons[MR_REASON_KINDS][MR_NAME_BYTES];
    char title[64];
    for (unsigned reason = 0; reason < MR_REASON_KINDS; reason++)
        snprintf(reasons[reason], sizeof reasons[reason], "%s", mr_reason_name(reason));
    MR_EACH_ROLE (report, role) {
        const struct mr_stage_report *stage = &report->stages[role];
        if (role != MR_ROLE_LOADER) {
            snprintf(title, sizeof title, "%s emitted", mr_role_name(role));
            text_named(out, title, stage->out_schema_count, stage->out_schema_name[0],
                       MR_NAME_BYTES, stage->slot.out_by_schema);
        }
        snprintf(title, sizeof title, "%s rejected", mr_role_name(role));
        text_named(out, title, MR_REASON_KINDS, reasons[0], MR_NAME_BYTES, stage->slot.rejected);
        snprintf(title, sizeof title, "%s counted", mr_role_name(role));
        text_named(out, title, stage->plugin_count, stage->plugin_name[0],
                   sizeof stage->plugin_name[0], stage->slot.plugin);
    }
}

static void text_latency(const struct mr_report *report, FILE *out)
{
    char text[32];
    fprintf(out, "\n  %-12s", "latency");
    for (unsigned i = 0; i < MR_REPORT_PERCENTILES; i++)
        fprintf(out, " %9s", mr_report_percentile_names[i]);
    fprintf(out, " %9s %13s\n", "max", "count");
    for (unsigned hop = 0; hop < MR_REPORT_HOPS; hop++) {
        const struct mr_histogram *histogram = mr_report_hop(report, hop);
        uint64_t values_ns[MR_REPORT_PERCENTILES + 1];
        mr_histogram_percentiles(histogram, mr_report_percentiles, MR_REPORT_PERCENTILES,
                                 values_ns);
        values_ns[MR_REPORT_PERCENTILES] = histogram->max_ns;
        fprintf(out, "  %-12s", mr_report_hop_name(hop));
        for (unsigned i = 0; i <= MR_REPORT_PERCENTILES; i++)
            fprintf(out, " %9s",
                    histogram->count
                        ? mr_report_duration_text((double)values_ns[i], text, sizeof text)
                        : "-");
        fprintf(out, " %13s\n", mr_report_count_text(histogram->count, text, sizeof text));
    }
}

// "now for room in the ingress ring, 3.2 s since 2026-11-23T00:40:01.288786870Z"
static void text_wait_now(const struct mr_waits *waits, enum mr_role role, FILE *out)
{
    char what[64], lasted[32], time[40];
    if (waits->what == MR_WAIT_NOTHING)
        return;
    time[mr_print_timestamp(waits->since_wall_ns, time)] = '\0';
    fprintf(out, "; now for %s, %s since %s", mr_waits_for_text(waits, role, what, sizeof what),
            mr_report_duration_text((double)waits->lasted_ns, lasted, sizeof lasted), time);
}

// "  producer waited      input 12.0 %, room 3.1 %; now for ...; last sign of life 4.1 ms ago": of the
// time since its first process was there.
static void text_waited(const struct mr_report *report, enum mr_role role, FILE *out)
{
    static const char *const names[] = {"", "input", "room", "device"};
    char title[64], age[32];
    const char *comma = "";
    struct mr_waits waits;
    mr_waits_of(report, role, &waits);
    snprintf(title, sizeof title, "%s waited", mr_role_name(role));
    fprintf(out, "  %-20s", title);
    for (unsigned why = MR_WAIT_INPUT; why <= MR_WAIT_DEVICE; why++) {
        if (waits.total_ns[why] == 0)
            continue;
        fprintf(out, "%s%s %.1f %%", comma, names[why], waits.share[why] * 100);
        comma = ", ";
    }
    text_wait_now(&waits, role, out);
    if (report->stages[role].alive)
        fprintf(out, "; last sign of life %s ago",
                mr_report_duration_text((double)waits.beat_age_ns, age, sizeof age));
    fputc('\n', out);
}

static void text_fill(const struct mr_report *report, FILE *out)
{
    fprintf(out, "  %-20s", "rings (at most)");
    MR_EACH_RING (report, index) {
        const struct mr_ring_report *ring = &report->rings[index];
        double percent = ring->capacity ? 100 / (double)ring->capacity : 0;
        fprintf(out, "%s%s %.1f %% (%.1f %%)", index ? ", " : "", mr_ring_index_name(index),
                (double)mr_ring_used_bytes(ring->write_pos, ring->read_pos) * percent,
                (double)ring->used_bytes_max * percent);
    }
    fputc('\n', out);
}

// Who waits for whom now, to the end of the chain; and since when the file system has had no room.
static void text_waits(const struct mr_report *report, FILE *out)
{
    char chain[MR_WAITS_TEXT_BYTES], time[40];
    struct mr_device_waits device;
    if (mr_waits_chain(report, chain, sizeof chain) != MR_CHAIN_NONE)
        fprintf(out, "  waits: %s\n", chain);
    mr_waits_device(report, &device);
    if (!device.no_room)
        return;
    time[mr_print_timestamp(device.no_room_since_wall_ns, time)] = '\0';
    fprintf(out, "  no room since %s: %s\n", time,
            report->stages[MR_ROLE_LOADER].gauges.device.refused_what);
}

static void text_problems(const struct mr_report *report, FILE *out)
{
    char number[32];
    bool several = mr_report_has_role(report, MR_ROLE_PRODUCER_2);
    MR_EACH_ROLE (report, role)
        if (report->stages[role].restarts)
            fprintf(out, "  %s restarts: %s\n", mr_role_name(role),
                    mr_report_count_text(report->stages[role].restarts, number, sizeof number));
    MR_EACH_ROLE (report, role)
        if (report->stages[role].gauges.phase == MR_PHASE_FAILED &&
            report->stages[role].gauges.failure[0]) // else: halted, as it was told
            fprintf(out, "  %s failed: %s\n", mr_role_name(role),
                    report->stages[role].gauges.failure);
    MR_EACH_RING (report, ring)
        if (report->rings[ring].in_flight)
            fprintf(out, "  %s ring%s: %s records on their way\n", mr_ring_index_name(ring),
                    ring == MR_RING_INGRESS && several ? "s" : "",
                    mr_report_count_text(report->rings[ring].in_flight, number, sizeof number));
}

static void text_results(const struct mr_stage_gauges *gauges, FILE *out)
{
    char files[sizeof gauges->files];
    char *rest = files;
    const char *title = "results";
    memcpy(files, gauges->files, sizeof files);
    for (char *file; (file = strsep(&rest, "\n")) != NULL;) {
        if (!*file)
            continue;
        fprintf(out, "%s  %-12s %s\n", *title ? "\n" : "", title, file);
        title = "";
    }
}

void mr_report_text(const struct mr_report *report, FILE *out)
{
    char in[32], rate[32];
    mr_report_count_text(mr_report_produced(report, MR_COUNT_IN), in, sizeof in);
    mr_report_count_text((uint64_t)report->records_per_second, rate, sizeof rate);
    fprintf(out, "%s: %s, %s records in %.3f s, %s records/s\n", report->name,
            mr_report_phase(report), in, report->seconds, rate);
    text_counts(report, out);
    fprintf(out, "  balance: %s\n\n", report->balance ? "exact" : report->imbalance);
    text_details(report, out);
    MR_EACH_ROLE (report, role)
        text_waited(report, role, out);
    text_fill(report, out);
    text_waits(report, out);
    text_problems(report, out);
    text_latency(report, out);
    text_results(&report->stages[MR_ROLE_LOADER].gauges, out);
}
