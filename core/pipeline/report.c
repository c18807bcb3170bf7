// SPDX-License-Identifier: Apache-2.0
// Reads and checks; core/pipeline/report_json.c and report_text.c print.
#include "core/pipeline/report.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/formats/utf8.h"

#define PER_SECOND_MAX 1e18 // more there is not: a damaged count

const double mr_report_percentiles[MR_REPORT_PERCENTILES] = {50, 90, 99, 99.9, 99.99};
const char *const mr_report_percentile_names[MR_REPORT_PERCENTILES] = {"p50", "p90", "p99", "p99.9",
                                                                       "p99.99"};

struct mr_report *mr_report_new(void)
{
    struct mr_report *report = calloc(1, sizeof *report);
    if (!report)
        abort();
    return report;
}

void mr_report_free(struct mr_report *report)
{
    free(report);
}

const char *mr_phase_name(unsigned phase)
{
    static const char *const names[] = {"off", "starting", "running", "draining", "done", "failed"};
    return phase < MR_COUNT_OF(names) ? names[phase] : "damaged";
}

const char *mr_wait_name(unsigned wait_for)
{
    static const char *const names[] = {"nothing", "input", "output", "device"};
    return wait_for < MR_COUNT_OF(names) ? names[wait_for] : "damaged";
}

const char *mr_io_backend_name(unsigned io_backend)
{
    static const char *const names[] = {"none", "io_uring", "pwrite"};
    return io_backend < MR_COUNT_OF(names) ? names[io_backend] : "damaged";
}

const char *mr_report_hop_name(unsigned hop)
{
    static const char *const names[MR_REPORT_HOPS] = {"ingress",   "egress",    "to_egress",
                                                      "to_loader", "hand_over", "end_to_end"};
    return names[hop];
}

const struct mr_histogram *mr_report_hop(const struct mr_report *report, unsigned hop)
{
    return &report->hops[hop];
}

static uint64_t fates(const uint64_t *counts)
{
    uint64_t sum = 0;
    for (unsigned count = MR_COUNT_OUT; count <= MR_COUNT_DROPPED; count++)
        sum += counts[count];
    return sum;
}

static bool is_ended(uint32_t phase)
{
    return phase == MR_PHASE_DONE || phase == MR_PHASE_FAILED || phase == MR_PHASE_OFF;
}

// Text of a page goes to terminals: what is no printable ASCII or UTF-8 does not, nor what would be acted on.
static void make_printable(char *text, size_t bytes)
{
    text[bytes - 1] = 0;
    for (size_t i = 0, length; text[i]; i += length) {
        const unsigned char *at = (const unsigned char *)text + i;
        length = mr_utf8_length(at, (const unsigned char *)text + bytes - 1);
        bool shown = length > 1 || (length == 1 && at[0] >= 0x20 && at[0] != 0x7f) || at[0] == '\n';
        if (shown && !(at[0] == 0xc2 && at[1] < 0xa0))
            continue;
        text[i] = '?';
        length = 1;
    }
}

// Times of a page are differences of plausible times everywhere behind this.
static int64_t plausible_ns(int64_t time_ns)
{
    return time_ns < 0 || time_ns > INT64_MAX / 2 ? 0 : time_ns;
}

// The names in a page are its writer's; a damaged one must not run us out of the array.
static unsigned copy_names(char *to, const char *from, size_t name_bytes, uint32_t count,
                           unsigned count_max)
{
    if (count > count_max)
        count = count_max;
    memcpy(to, from, count * name_bytes);
    for (unsigned i = 0; i < count; i++)
        make_printable(to + i * name_bytes, name_bytes);
    return count;
}

static void copy_gauges(struct mr_stage_gauges *to, const struct mr_stage_layout *from)
{
    mr_stage_copy_gauges(from, to);
    make_printable(to->failure, sizeof to->failure);
    make_printable(to->files, sizeof to->files);
    make_printable(to->device.refused_what, sizeof to->device.refused_what);
    to->device.refused_since_ns = plausible_ns(to->device.refused_since_ns);
    to->device.syncing_since_ns = plausible_ns(to->device.syncing_since_ns);
    to->waiting_since_ns = plausible_ns(to->waiting_since_ns);
    to->heartbeat_ns = plausible_ns(to->heartbeat_ns);
    to->opened_ns = plausible_ns(to->opened_ns);
    to->started_ns = plausible_ns(to->started_ns);
    to->ended_ns = plausible_ns(to->ended_ns);
}

static void copy_page(struct mr_stage_report *stage, const struct mr_stage_layout *page)
{
    mr_stage_snapshot(page, &stage->slot);
    copy_gauges(&stage->gauges, page);
    stage->plugin_count =
        copy_names(&stage->plugin_name[0][0], &page->plugin_name[0][0],
                   sizeof stage->plugin_name[0], page->plugin_count, MR_STAGE_PLUGIN_COUNTS);
    stage->in_schema_count = copy_names(&stage->in_schema_name[0][0], &page->in_schema_name[0][0],
                                        MR_NAME_BYTES, page->in_schema_count, MR_SCHEMAS_MAX);
    stage->out_schema_count =
        copy_names(&stage->out_schema_name[0][0], &page->out_schema_name[0][0], MR_NAME_BYTES,
                   page->out_schema_count, MR_SCHEMAS_MAX);
    uint64_t in = stage->slot.counts[MR_COUNT_IN], gone = fates(stage->slot.counts);
    stage->in_flight = in > gone ? in - gone : 0;
    stage->restarts = stage->gauges.starts > 1 ? stage->gauges.starts - 1 : 0;
}

// Each stage measures what it is the last to see; the producer nothing.
static void copy_hops(struct mr_report *report, enum mr_role role,
                      const struct mr_stage_layout *page)
{
    struct mr_histogram *hops = report->hops;
    if (role == MR_ROLE_TRANSFORM)
        hops[MR_HOP_INGRESS] = page->hop_ns;
    if (role != MR_ROLE_LOADER)
        return;
    hops[MR_HOP_EGRESS] = page->hop_ns;
    hops[MR_HOP_TO_EGRESS] = page->published_ns;
    hops[MR_HOP_TO_LOADER] = page->seen_ns;
    hops[MR_HOP_HAND_OVER] = page->handed_ns;
    hops[MR_HOP_END_TO_END] = page->age_ns;
}

void mr_report_take_stage(struct mr_report *report, enum mr_role role,
                          const struct mr_stage_layout *page, bool locked)
{
    struct mr_stage_report *stage = &report->stages[role];
    stage->present = true;
    copy_page(stage, page);
    copy_hops(report, role, page);
    // The lock tells; the pid is only shown.
    stage->alive = !is_ended(stage->gauges.phase) && locked;
    if (stage->alive)
        mr_stall_look(&stage->stall, &stage->gauges, mr_mono_ns());
}

static void read_stage(struct mr_report *report, const struct mr_pipeline *pipeline,
                       enum mr_role role)
{
    struct mr_segment segment;
    struct mr_stage_layout *page;
    if (mr_stage_attach_page(pipeline, role, MR_ATTACH_READ_ONLY, &segment, &page, NULL) != MR_OK)
        return;
    mr_report_take_stage(report, role, page, mr_segment_is_locked(&segment));
    mr_segment_detach(&segment);
}

void mr_report_take_ring(struct mr_report *report, enum mr_ring_index index,
                         const struct mr_ring *ring)
{
    struct mr_ring_report *out = &report->rings[index];
    out->present = true;
    out->finished = mr_ring_is_finished(ring);
    out->capacity = ring->capacity;
    out->start_pos = ring->start_pos;
    // The reader's cursor first: the writer's can only have moved further away since.
    out->read_pos = mr_load_acquire_u64(&ring->reader_line->read_pos);
    out->write_pos = mr_load_acquire_u64(&ring->writer_line->write_pos);
    if (out->write_pos > out->read_pos && out->write_pos - out->read_pos > out->capacity)
        out->read_pos = out->write_pos - out->capacity; // damage, or both have moved on meanwhile
    out->dropped = mr_load_relaxed_u64(&ring->news->dropped);
}

static void read_ring(struct mr_report *report, const struct mr_pipeline *pipeline,
                      enum mr_ring_index index)
{
    char path[512];
    struct mr_ring ring;
    mr_pipeline_ring_path(pipeline, index, path, sizeof path);
    if (mr_ring_attach(&ring, path, MR_ATTACH_READ_ONLY, NULL) != MR_OK)
        return;
    mr_report_take_ring(report, index, &ring);
    mr_ring_detach(&ring);
}

// The writers have watched their rings; who looks now may have seen more.
static void note_used_max(struct mr_report *report)
{
    for (unsigned index = 0; index < MR_RING_COUNT; index++) {
        struct mr_ring_report *ring = &report->rings[index];
        const struct mr_stage_gauges *gauges = &report->stages[mr_ring_writer(index)].gauges;
        bool dead = index != MR_RING_EGRESS && !mr_ring_is_ingress(index);
        ring->used_bytes_max =
            mr_max_u64(gauges->used_bytes_max[dead ? MR_PORT_DEAD : MR_PORT_MAIN],
                       mr_ring_used_bytes(ring->write_pos, ring->read_pos));
    }
}

static bool unbalanced(struct mr_report *report, const char *format, ...) MR_PRINTF(2, 3);
static bool unbalanced(struct mr_report *report, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    if (!report->imbalance[0])
        vsnprintf(report->imbalance, sizeof report->imbalance, format, args);
    va_end(args);
    return false;
}

static bool check_stage(struct mr_report *report, enum mr_role role)
{
    const struct mr_stage_report *stage = &report->stages[role];
    uint64_t in = stage->slot.counts[MR_COUNT_IN], gone = fates(stage->slot.counts);
    bool may_hold = role == MR_ROLE_LOADER && stage->gauges.phase != MR_PHASE_DONE;
    if (gone > in || (in > gone && !may_hold))
        return unbalanced(report, "%s: in %llu, but out and all other fates make %llu",
                          mr_role_name(role), (unsigned long long)in, (unsigned long long)gone);
    uint64_t reasons = 0;
    for (unsigned reason = 0; reason < MR_REASON_KINDS; reason++)
        reasons += stage->slot.rejected[reason];
    if (reasons != stage->slot.counts[MR_COUNT_REJECTED])
        return unbalanced(
            report, "%s: rejected %llu, but the reasons make %llu", mr_role_name(role),
            (unsigned long long)stage->slot.counts[MR_COUNT_REJECTED], (unsigned long long)reasons);
    return true;
}

uint64_t mr_report_produced(const struct mr_report *report, enum mr_count count)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < MR_PRODUCERS_MAX; i++)
        sum += report->stages[mr_producer_role(i)].slot.counts[count];
    return sum;
}

static bool check_hop(struct mr_report *report, enum mr_ring_index ring, const char *upstream,
                      uint64_t emitted, uint64_t in, bool finished)
{
    report->rings[ring].in_flight = emitted > in ? emitted - in : 0;
    if (in > emitted || (finished && in != emitted))
        return unbalanced(report, "%s ring%s emitted %llu, the %s took in %llu",
                          mr_ring_index_name(ring), upstream, (unsigned long long)emitted,
                          mr_role_name(mr_ring_reader(ring)), (unsigned long long)in);
    return true;
}

// The transform counts what it took in from all producers together; so are what they emitted, and the rings between.
static bool check_ingress(struct mr_report *report)
{
    uint64_t emitted = mr_report_produced(report, MR_COUNT_EMITTED);
    uint64_t in = report->stages[MR_ROLE_TRANSFORM].slot.counts[MR_COUNT_IN];
    bool finished = true;
    for (unsigned i = 0; i < MR_PRODUCERS_MAX; i++)
        if (mr_report_has_ring(report, mr_ingress_ring(i)))
            finished &= report->rings[mr_ingress_ring(i)].finished;
    const char *upstream =
        mr_report_has_role(report, MR_ROLE_PRODUCER_2) ? "s: the producers" : ": the producer";
    return check_hop(report, MR_RING_INGRESS, upstream, emitted, in, finished);
}

static bool check_egress(struct mr_report *report)
{
    return check_hop(report, MR_RING_EGRESS, ": the transform",
                     report->stages[MR_ROLE_TRANSFORM].slot.counts[MR_COUNT_EMITTED],
                     report->stages[MR_ROLE_LOADER].slot.counts[MR_COUNT_IN],
                     report->rings[MR_RING_EGRESS].finished);
}

// What a stage rejected goes through its dead ring to the loader, which counts what it has written.
static bool check_dead_letters(struct mr_report *report, enum mr_ring_index index)
{
    enum mr_role upstream = mr_ring_writer(index);
    struct mr_ring_report *ring = &report->rings[index];
    const struct mr_stage_report *loader = &report->stages[MR_ROLE_LOADER];
    uint64_t rejected = report->stages[upstream].slot.counts[MR_COUNT_REJECTED], written = 0;
    char counter[sizeof loader->plugin_name[0]];
    snprintf(counter, sizeof counter, "dead_letter.%s", mr_role_name(upstream));
    for (unsigned i = 0; i < loader->plugin_count; i++)
        if (strcmp(loader->plugin_name[i], counter) == 0)
            written = loader->slot.plugin[i];
    ring->in_flight = rejected > written ? rejected - written : 0;
    if (written > rejected || (ring->finished && written != rejected))
        return unbalanced(report, "%s ring: the %s rejected %llu, %llu dead letters were written",
                          mr_ring_index_name(index), mr_role_name(upstream),
                          (unsigned long long)rejected, (unsigned long long)written);
    return true;
}

static void measure_time(struct mr_report *report)
{
    int64_t started_ns = 0, ended_ns = 0;
    for (unsigned role = 0; role < MR_ROLE_COUNT; role++) {
        const struct mr_stage_report *stage = &report->stages[role];
        int64_t first_ns = stage->gauges.started_ns;
        if (mr_role_is_producer(role) && first_ns && (!started_ns || first_ns < started_ns))
            started_ns = first_ns;
        // A process that is gone without a word was there until its last heartbeat.
        int64_t until_ns = stage->alive             ? report->read_mono_ns
                           : stage->gauges.ended_ns ? stage->gauges.ended_ns
                                                    : stage->gauges.heartbeat_ns;
        if (until_ns > ended_ns)
            ended_ns = until_ns;
    }
    report->seconds =
        started_ns && ended_ns > started_ns ? (double)(ended_ns - started_ns) / 1e9 : 0;
    report->records_per_second =
        report->seconds > 0 ? (double)mr_report_produced(report, MR_COUNT_IN) / report->seconds : 0;
    if (report->records_per_second > PER_SECOND_MAX)
        report->records_per_second = PER_SECOND_MAX;
}

void mr_report_blank(struct mr_report *report, const struct mr_pipeline *pipeline)
{
    memset(report, 0, sizeof *report);
    snprintf(report->name, sizeof report->name, "%s", pipeline->name);
    snprintf(report->directory, sizeof report->directory, "%s", pipeline->directory);
}

void mr_report_conclude(struct mr_report *report)
{
    report->read_mono_ns = mr_mono_ns();
    report->read_wall_ns = mr_wall_ns();
    note_used_max(report);
    report->balance = true;
    for (unsigned role = 0; role < MR_ROLE_COUNT; role++)
        report->balance &= check_stage(report, role);
    report->balance &= check_ingress(report);
    report->balance &= check_egress(report);
    for (unsigned i = 0; i < MR_PRODUCERS_MAX; i++)
        report->balance &= check_dead_letters(report, mr_dead_producer_ring(i));
    report->balance &= check_dead_letters(report, MR_RING_DEAD_TRANSFORM);
    measure_time(report);
}

int mr_report_read(struct mr_report *report, const struct mr_pipeline *pipeline,
                   struct mr_error *err)
{
    bool any = false;
    mr_report_blank(report, pipeline);
    // Back to front: what a stage took in was emitted before, so the one before it, read later,
    // cannot seem to be behind.
    for (unsigned role = MR_ROLE_LOADER + 1; role-- > 0;)
        read_stage(report, pipeline, role);
    for (unsigned role = MR_ROLE_PRODUCER_2; role < MR_ROLE_COUNT; role++)
        read_stage(report, pipeline, role);
    for (unsigned role = 0; role < MR_ROLE_COUNT; role++)
        any |= report->stages[role].present;
    for (unsigned ring = 0; ring < MR_RING_COUNT; ring++)
        read_ring(report, pipeline, ring);
    mr_report_conclude(report);
    if (!any)
        return mr_fail(err, MR_ERR_SHM, "%s: no stage of pipeline \"%s\" is there",
                       pipeline->directory, pipeline->name);
    return MR_OK;
}

bool mr_report_has_role(const struct mr_report *report, enum mr_role role)
{
    return role <= MR_ROLE_LOADER || report->stages[role].present;
}

bool mr_report_has_ring(const struct mr_report *report, enum mr_ring_index ring)
{
    return ring <= MR_RING_DEAD_TRANSFORM || report->rings[ring].present;
}

int mr_report_next_role(const struct mr_report *report, int role)
{
    static const int behind[MR_ROLE_COUNT] = {
        [MR_ROLE_PRODUCER] = MR_ROLE_PRODUCER_2,   [MR_ROLE_PRODUCER_2] = MR_ROLE_PRODUCER_3,
        [MR_ROLE_PRODUCER_3] = MR_ROLE_PRODUCER_4, [MR_ROLE_PRODUCER_4] = MR_ROLE_TRANSFORM,
        [MR_ROLE_TRANSFORM] = MR_ROLE_LOADER,      [MR_ROLE_LOADER] = -1};
    do {
        role = role < 0 ? MR_ROLE_PRODUCER : behind[role];
    } while (role >= 0 && !mr_report_has_role(report, (enum mr_role)role));
    return role;
}

int mr_report_next_ring(const struct mr_report *report, int ring)
{
    do {
        ring++;
    } while (ring < MR_RING_COUNT && !mr_report_has_ring(report, (enum mr_ring_index)ring));
    return ring < MR_RING_COUNT ? ring : -1;
}

bool mr_report_is_alive(const struct mr_report *report)
{
    for (unsigned role = 0; role < MR_ROLE_COUNT; role++)
        if (report->stages[role].alive)
            return true;
    return false;
}

const char *mr_report_phase(const struct mr_report *report)
{
    unsigned stages = 0, done = 0, least = MR_PHASE_DONE;
    for (unsigned role = 0; role < MR_ROLE_COUNT; role++) {
        unsigned phase = report->stages[role].gauges.phase;
        if (!mr_report_has_role(report, role))
            continue;
        stages++;
        if (phase == MR_PHASE_FAILED)
            return mr_phase_name(MR_PHASE_FAILED);
        done += phase == MR_PHASE_DONE;
        if (phase < least)
            least = phase;
    }
    if (done == stages)
        return mr_phase_name(MR_PHASE_DONE);
    if (!mr_report_is_alive(report))
        return "stopped";
    if (done > 0 && least >= MR_PHASE_RUNNING)
        return mr_phase_name(MR_PHASE_DRAINING);
    return mr_phase_name(least < MR_PHASE_STARTING ? MR_PHASE_STARTING : least);
}
