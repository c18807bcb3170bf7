// SPDX-License-Identifier: Apache-2.0
#include "cli/bench_trio.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "cli/bench_taps.h"
#include "cli/bench_trio_check.h"
#include "core/clock.h"
#include "core/pipeline/supervisor.h"

#define WARM_UP_SHARE 4   // of a run at a rate
#define RATE_REACHED 0.99 // of what was asked for, at least
#define LATE_SHARE                                                                                 \
    0.1 // of the records made more than 1 ms late, at most: more is no rate, but bursts
#define SCHEMA "bench"

struct cpu_used {
    int64_t mono_ns; // 0: not looked at
    int64_t used_ns; // by the run's processes
};

struct trio {
    const struct mr_trio_options *options;
    struct mr_trio_result *result;
    struct mr_pipeline pipeline;
    struct mr_supervisor supervisor;
    struct mr_report *warm_up, *report; // warm_up: as it was when the warm-up was over
    bool warm;
    struct cpu_used first, last; // after the warm-up, and when it was looked at last
};

// ---- the pipeline --------------------------------------------------------------------------------

static void write_fields(FILE *out, uint64_t record_bytes)
{
    uint64_t words = (record_bytes - MR_TRIO_RECORD_BYTES_MIN) / 8, numbers = mr_min_u64(words, 3);
    fprintf(out, "      - {name: a, type: u32}\n");
    for (uint64_t i = 0; i < numbers; i++)
        fprintf(out, "      - {name: %c, type: u64}\n", (char)('b' + i));
    if (words > numbers)
        fprintf(out, "      - {name: text, type: \"char[%" PRIu64 "]\"}\n", 8 * (words - numbers));
}

// Each has its share of the rate, or of the records; which is whose, cli/bench_trio_check.h says.
static void write_sources(FILE *out, const struct mr_trio_options *options)
{
    fprintf(out, "source:\n");
    for (unsigned i = 0; i < options->producers; i++) {
        const char *indent = options->producers > 1 ? "    " : "  ";
        uint64_t records =
            options->records / options->producers + (i < options->records % options->producers);
        fprintf(out, "%stype: mock\n%sschema: " SCHEMA "\n%sclock: steps\n",
                options->producers > 1 ? "  - " : indent, indent, indent);
        fprintf(out, "%sseed: %u\n%sepoch: \"" MR_TRIO_EPOCH "\"\n", indent, MR_TRIO_SEED(i),
                indent, i);
        if (options->rate > 0)
            fprintf(out, "%srate: %.17g\n%srun_time: %.9gs\n", indent,
                    options->rate / options->producers, indent, options->seconds);
        else
            fprintf(out, "%scount: %" PRIu64 "\n", indent, records);
    }
}

static int write_pipeline(const struct mr_bench_scratch *scratch,
                          const struct mr_trio_options *options, char *path, size_t path_bytes,
                          struct mr_error *err)
{
    snprintf(path, path_bytes, "%s/trio.yaml", scratch->files);
    FILE *out = fopen(path, "we");
    if (!out)
        return mr_fail_errno(err, MR_ERR_OUTPUT, "%s: cannot create", path);
    fprintf(out, "name: trio\nshm: %s\nschemas:\n  - name: " SCHEMA "\n    fields:\n",
            scratch->shm);
    write_fields(out, options->record_bytes);
    write_sources(out, options);
    fprintf(
        out,
        "wait: %s\nplacement: %s\nsink: {type: journal, path: \"%s/journal\", durability: %s}\n",
        options->wait, options->placement, scratch->files, options->durability);
    if (fclose(out) != 0)
        return mr_fail_errno(err, MR_ERR_OUTPUT, "%s: cannot write", path);
    return MR_OK;
}

// ---- the run -------------------------------------------------------------------------------------

// False where one of them has ended.
static bool look_at_cpu(const struct mr_supervisor *supervisor, struct cpu_used *out)
{
    struct cpu_used found = {.mono_ns = mr_mono_ns()};
    for (unsigned role = 0; role < MR_ROLE_COUNT; role++) {
        clockid_t clock;
        struct timespec used;
        if (!mr_pipeline_has_role(supervisor->pipeline, role))
            continue;
        if (clock_getcpuclockid(supervisor->children[role].pid, &clock) != 0 ||
            clock_gettime(clock, &used) != 0)
            return false;
        found.used_ns += (int64_t)used.tv_sec * 1000000000 + used.tv_nsec;
    }
    *out = found;
    return true;
}

// Each quarter of a run at a rate; the first ends the warm-up.
static void look(void *context)
{
    struct trio *trio = context;
    if (trio->first.mono_ns) {
        look_at_cpu(&trio->supervisor, &trio->last);
        return;
    }
    trio->warm = mr_report_read(trio->warm_up, &trio->pipeline, NULL) == MR_OK;
    look_at_cpu(&trio->supervisor, &trio->first);
}

static int64_t children_cpu_ns(void)
{
    struct rusage used;
    getrusage(RUSAGE_CHILDREN, &used);
    return (int64_t)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1000000000 +
           (int64_t)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) * 1000;
}

// Without start and end where that could be looked at, else of the whole run.
static double cores_used(const struct trio *trio, int64_t run_ns, int64_t cpu_ns)
{
    if (trio->first.mono_ns && trio->last.mono_ns)
        return (double)(trio->last.used_ns - trio->first.used_ns) /
               (double)(trio->last.mono_ns - trio->first.mono_ns);
    return (double)cpu_ns / (double)run_ns;
}

static int supervise(struct trio *trio, const char *file, int64_t *run_ns, struct mr_error *err)
{
    const struct mr_trio_options *options = trio->options;
    struct mr_supervisor_options how = {.file = file,
                                        .sets = options->sets ? options->sets->items : NULL,
                                        .set_count = options->sets ? options->sets->count : 0,
                                        .stages_stderr = -1};
    if (options->rate > 0) {
        how.tick = look;
        how.tick_ns = (int64_t)(options->seconds * 1e9 / WARM_UP_SHARE);
        how.context = trio;
    }
    int code = mr_supervisor_open(&trio->supervisor, &trio->pipeline, &how, err);
    if (code != MR_OK)
        return code;
    int64_t start_ns = mr_mono_ns();
    code = mr_supervisor_run(&trio->supervisor, err);
    *run_ns = mr_mono_ns() - start_ns;
    bool stopped = trio->supervisor.signals_seen > 0;
    int reported = code == MR_OK ? mr_report_read(trio->report, &trio->pipeline, err) : code;
    mr_supervisor_close(&trio->supervisor, code);
    trio->result->first_record_ms =
        (double)(trio->report->stages[MR_ROLE_PRODUCER].gauges.started_ns - start_ns) / 1e6;
    return stopped ? mr_fail(err, MR_ERR_STAGE, "ended by a signal") : reported;
}

static int run(struct trio *trio, const char *file, struct mr_error *err)
{
    struct mr_bench_taps taps;
    char ring[512];
    int64_t run_ns;
    mr_pipeline_ring_path(&trio->pipeline, MR_RING_EGRESS, ring, sizeof ring);
    int code = mr_bench_taps_start(&taps, trio->options->taps, ring, err);
    int64_t before_ns = children_cpu_ns();
    if (code == MR_OK)
        code = supervise(trio, file, &run_ns, err);
    if (code == MR_OK)
        trio->result->cores = cores_used(trio, run_ns, children_cpu_ns() - before_ns);
    mr_bench_taps_stop(&taps, &trio->result->tapped, &trio->result->tap_lost_bytes);
    return code;
}

// ---- what came of it -----------------------------------------------------------------------------

// Takes out what was counted before the warm-up was over. The greatest value left is known to its bucket.
static void subtract(struct mr_histogram *from, const struct mr_histogram *warm_up)
{
    uint64_t max_ns = 0;
    from->count -= warm_up->count;
    from->sum_ns -= warm_up->sum_ns;
    for (uint32_t i = 0; i < MR_HISTOGRAM_BUCKETS; i++) {
        from->buckets[i] -= warm_up->buckets[i];
        if (from->buckets[i] > 0)
            max_ns = mr_histogram_bucket_high(i);
    }
    from->max_ns = mr_min_u64(from->max_ns, max_ns);
}

static uint64_t plugin_count(const struct mr_stage_report *stage, const char *name)
{
    for (unsigned i = 0; i < stage->plugin_count; i++)
        if (strcmp(stage->plugin_name[i], name) == 0)
            return stage->slot.plugin[i];
    return 0;
}

static uint64_t overdue_of(const struct mr_report *report)
{
    uint64_t overdue = 0;
    for (unsigned i = 0; i < MR_PRODUCERS_MAX; i++)
        overdue += plugin_count(&report->stages[mr_producer_role(i)], "mock.overdue");
    return overdue;
}

// First record to last, of all generators together.
static int64_t made_ns(const struct trio *trio)
{
    int64_t started_ns = INT64_MAX, ended_ns = 0;
    for (unsigned i = 0; i < trio->options->producers; i++) {
        const struct mr_stage_gauges *gauges = &trio->report->stages[mr_producer_role(i)].gauges;
        if (gauges->started_ns < started_ns)
            started_ns = gauges->started_ns;
        if (gauges->ended_ns > ended_ns)
            ended_ns = gauges->ended_ns;
    }
    return ended_ns - started_ns;
}

static void take_result(struct trio *trio)
{
    const struct mr_trio_options *options = trio->options;
    const struct mr_report *report = trio->report;
    struct mr_trio_result *result = trio->result;
    result->records = mr_report_produced(report, MR_COUNT_IN);
    result->overdue = overdue_of(report);
    result->placement = trio->pipeline.placement.kind;
    result->io_backend = report->stages[MR_ROLE_LOADER].gauges.io_backend;
    result->seconds = options->rate > 0 ? (double)made_ns(trio) / 1e9 : report->seconds;
    if (result->seconds > 0)
        result->records_per_second = (double)result->records / result->seconds;
    uint64_t late = result->overdue;
    if (trio->warm)
        late -= overdue_of(trio->warm_up);
    result->missed =
        options->rate > 0 && (result->records_per_second < RATE_REACHED * options->rate ||
                              (double)late > LATE_SHARE * (double)result->records);
    for (unsigned hop = 0; hop < MR_REPORT_HOPS; hop++) {
        result->hops[hop] = *mr_report_hop(report, hop);
        if (trio->warm)
            subtract(&result->hops[hop], mr_report_hop(trio->warm_up, hop));
    }
}

static int check(struct trio *trio, const struct mr_bench_scratch *scratch, struct mr_error *err)
{
    const struct mr_trio_options *options = trio->options;
    char journal[512];
    struct mr_trio_stream stream = {
        .schema = SCHEMA, .period_ns = 1000, .sources = options->producers};
    if (options->rate > 0)
        stream.period_ns = 1e9 / (options->rate / options->producers);
    for (unsigned i = 0; i < options->producers; i++)
        stream.records[i] = trio->report->stages[mr_producer_role(i)].slot.counts[MR_COUNT_IN];
    snprintf(journal, sizeof journal, "%s/journal", scratch->files);
    if (!trio->report->balance)
        return mr_fail(err, MR_ERR_BALANCE, "%s", trio->report->imbalance);
    return mr_trio_check(journal, &trio->pipeline, &stream, &trio->result->verified, err);
}

int mr_bench_trio(const struct mr_bench_scratch *scratch, const struct mr_trio_options *options,
                  struct mr_trio_result *result, struct mr_error *err)
{
    struct trio trio = {.options = options, .result = result};
    char file[512];
    memset(result, 0, sizeof *result);
    int code = write_pipeline(scratch, options, file, sizeof file, err);
    if (code == MR_OK)
        code = mr_pipeline_load(&trio.pipeline, file, options->sets ? options->sets->items : NULL,
                                options->sets ? options->sets->count : 0, err);
    if (code != MR_OK)
        return code;
    // A figure with a restart in it is none.
    trio.pipeline.supervise.restart = MR_RESTART_NEVER;
    trio.warm_up = mr_report_new();
    trio.report = mr_report_new();
    if (options->rate == 0)
        mr_bench_scratch_touch(scratch, options->records *
                                            mr_record_stride((uint32_t)options->record_bytes));
    code = run(&trio, file, err);
    if (code == MR_OK) {
        take_result(&trio);
        code = check(&trio, scratch, err);
    }
    mr_report_free(trio.report);
    mr_report_free(trio.warm_up);
    mr_pipeline_free(&trio.pipeline);
    mr_bench_scratch_clear(scratch);
    return code;
}
