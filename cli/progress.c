// SPDX-License-Identifier: Apache-2.0
#include "cli/progress.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/pipeline/rundir.h"
#include "core/pipeline/waits.h"

#define BLOCK_TICK_NS 200000000LL
#define LINES_TICK_NS 5000000000LL
#define BAR_CELLS 20
#define WAITS_COLUMNS 78
#define NAMEABLE_WAIT_NS 1000000 // shorter waits are ordinary work
#define RECORDS_MAX (1ULL << 50) // between two looks; more is a damaged count

void mr_rate_update(struct mr_rate *rate, int64_t now_ns, uint64_t count)
{
    if (rate->last_ns && now_ns > rate->last_ns && count >= rate->last_count &&
        count - rate->last_count < RECORDS_MAX)
        rate->per_second =
            (double)(count - rate->last_count) * 1e9 / (double)(now_ns - rate->last_ns);
    rate->last_ns = now_ns;
    rate->last_count = count;
}

static uint64_t records_in(const struct mr_report *report)
{
    return mr_report_produced(report, MR_COUNT_IN);
}

static void print_ring(const struct mr_ring_report *ring, const char *name, FILE *out)
{
    uint64_t used = mr_ring_used_bytes(ring->write_pos, ring->read_pos);
    double fill = ring->capacity ? (double)used / (double)ring->capacity : 0;
    unsigned cells = (unsigned)(fill * BAR_CELLS + 0.5);
    char count[32];
    fprintf(out, "  %-9s [", name);
    for (unsigned i = 0; i < BAR_CELLS; i++)
        fputc(i < cells ? '#' : '.', out);
    double most = ring->capacity ? (double)ring->used_bytes_max / (double)ring->capacity : 0;
    fprintf(out, "] %3.0f %% (most %.0f %%)  %s on their way\n", fill * 100, most * 100,
            mr_report_count_text(ring->in_flight, count, sizeof count));
}

static void print_stage(const struct mr_report *report, enum mr_role role, FILE *out)
{
    const struct mr_stage_report *stage = &report->stages[role];
    const struct mr_stage_gauges *gauges = &stage->gauges;
    const struct mr_stall *stall = &stage->stall;
    struct mr_waits waits;
    char in[32], emitted[32], wait[32], what[64];
    mr_waits_of(report, role, &waits);
    fprintf(out, "  %-10s  %-8s  in %s, emitted %s", mr_role_name(role),
            mr_phase_name(gauges->phase),
            mr_report_count_text(stage->slot.counts[MR_COUNT_IN], in, sizeof in),
            mr_report_count_text(stage->slot.counts[MR_COUNT_EMITTED], emitted, sizeof emitted));
    if (stage->slot.counts[MR_COUNT_REJECTED])
        fprintf(out, ", rejected %s",
                mr_report_count_text(stage->slot.counts[MR_COUNT_REJECTED], in, sizeof in));
    if (stage->restarts)
        fprintf(out, ", restarts %s", mr_report_count_text(stage->restarts, in, sizeof in));
    if (stall->since_ns)
        fprintf(out, "; NO SIGN OF LIFE for %s: %s",
                mr_report_duration_text((double)(report->read_mono_ns - stall->since_ns), wait,
                                        sizeof wait),
                mr_stall_text(stall->cause));
    else if (waits.lasted_ns > NAMEABLE_WAIT_NS)
        fprintf(out, "; waits for %s, %s", mr_waits_for_text(&waits, role, what, sizeof what),
                mr_report_duration_text((double)waits.lasted_ns, wait, sizeof wait));
    fputc('\n', out);
}

static void print_latency(const struct mr_report *report, FILE *out)
{
    char p50[32], p99[32];
    fprintf(out, "  latency (p50 / p99)");
    static const enum mr_report_hop shown[] = {MR_HOP_INGRESS, MR_HOP_EGRESS, MR_HOP_END_TO_END};
    for (unsigned i = 0; i < MR_COUNT_OF(shown); i++) {
        enum mr_report_hop hop = shown[i];
        const struct mr_histogram *histogram = mr_report_hop(report, hop);
        double at50 = (double)mr_histogram_percentile(histogram, 50);
        double at99 = (double)mr_histogram_percentile(histogram, 99);
        fprintf(out, "%s%s %s / %s", i ? ",  " : "  ", mr_report_hop_name(hop),
                histogram->count ? mr_report_duration_text(at50, p50, sizeof p50) : "-",
                histogram->count ? mr_report_duration_text(at99, p99, sizeof p99) : "-");
    }
    fputc('\n', out);
}

// Words, in lines of at most WAITS_COLUMNS, the following ones indented.
static void print_wrapped(const char *title, const char *text, FILE *out)
{
    int column = fprintf(out, "%s", title), indent = column;
    while (*text) {
        int word = (int)strcspn(text, " ");
        if (column > indent && column + word > WAITS_COLUMNS)
            column = fprintf(out, "\n%*s", indent, "") - 1;
        column += fprintf(out, "%.*s ", word, text);
        text += word + (text[word] == ' ');
    }
    fputc('\n', out);
}

static void print_waits(const struct mr_report *report, FILE *out)
{
    char chain[MR_WAITS_TEXT_BYTES];
    if (mr_waits_chain(report, chain, sizeof chain) != MR_CHAIN_NONE)
        print_wrapped("  waits     ", chain, out);
}

// Of the whole run, what a stage has waited for.
static void print_shares(const struct mr_report *report, FILE *out)
{
    fprintf(out, "  waited (input / room / device)");
    MR_EACH_ROLE (report, role) {
        struct mr_waits waits;
        mr_waits_of(report, role, &waits);
        fprintf(out, "%s %s %.0f / %.0f / %.0f %%", role ? "," : "", mr_role_name(role),
                waits.share[MR_WAIT_INPUT] * 100, waits.share[MR_WAIT_OUTPUT] * 100,
                waits.share[MR_WAIT_DEVICE] * 100);
    }
    fputc('\n', out);
}

void mr_progress_block(const struct mr_report *report, const struct mr_rate *rate, FILE *out)
{
    char in[32], now[32];
    fprintf(out, "%s  %s  %.0f s  %s records  %s/s\n", report->name, mr_report_phase(report),
            report->seconds, mr_report_count_text(records_in(report), in, sizeof in),
            mr_report_count_text((uint64_t)rate->per_second, now, sizeof now));
    for (unsigned i = 0; i < MR_PRODUCERS_MAX; i++) {
        enum mr_ring_index ring = mr_ingress_ring(i);
        if (!mr_report_has_role(report, mr_producer_role(i)))
            continue;
        print_stage(report, mr_producer_role(i), out);
        print_ring(&report->rings[ring], mr_ring_index_name(ring), out);
    }
    print_stage(report, MR_ROLE_TRANSFORM, out);
    print_ring(&report->rings[MR_RING_EGRESS], "egress", out);
    print_stage(report, MR_ROLE_LOADER, out);
    print_shares(report, out);
    print_latency(report, out);
    print_waits(report, out);
}

void mr_progress_line(const struct mr_report *report, const struct mr_rate *rate, FILE *out)
{
    char in[32], now[32], age[32];
    const struct mr_histogram *end_to_end = mr_report_hop(report, MR_HOP_END_TO_END);
    double p99 = (double)mr_histogram_percentile(end_to_end, 99);
    fprintf(out, "%s: %s, %s records, %s/s, end to end p99 %s\n", report->name,
            mr_report_phase(report), mr_report_count_text(records_in(report), in, sizeof in),
            mr_report_count_text((uint64_t)rate->per_second, now, sizeof now),
            end_to_end->count ? mr_report_duration_text(p99, age, sizeof age) : "-");
    char chain[MR_WAITS_TEXT_BYTES];
    if (mr_waits_chain(report, chain, sizeof chain) > MR_CHAIN_IDLE)
        fprintf(out, "%s: %s\n", report->name, chain);
}

// ---- on the terminal ----------------------------------------------------------------------------

static void erase(struct mr_progress *progress)
{
    if (progress->drawn_lines)
        fprintf(stderr, "\033[%uA\r\033[J", progress->drawn_lines);
    progress->drawn_lines = 0;
}

// Whole lines only: the end of one that is being written comes next time.
static void show_log(struct mr_progress *progress, bool all)
{
    char bytes[4096];
    ssize_t length;
    while ((length = pread(progress->log_fd, bytes, sizeof bytes, progress->log_at)) > 0) {
        const char *end = memrchr(bytes, '\n', (size_t)length);
        size_t whole = end ? (size_t)(end - bytes) + 1 : 0;
        if (all || whole == 0)
            whole = (size_t)length;
        fwrite(bytes, 1, whole, stderr);
        progress->log_at += (off_t)whole;
    }
}

static unsigned terminal_columns(void)
{
    struct winsize size;
    return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

// A line that wrapped would be two when the block is taken away again: cut it.
static void draw(struct mr_progress *progress)
{
    char *text = NULL, *rest;
    size_t length = 0;
    unsigned columns = terminal_columns();
    FILE *out = open_memstream(&text, &length);
    if (!out)
        return;
    mr_progress_block(progress->report, &progress->rate, out);
    fclose(out);
    rest = text;
    for (char *line; (line = strsep(&rest, "\n")) != NULL && rest;) {
        fprintf(stderr, "%.*s\n", (int)columns - 1, line);
        progress->drawn_lines++;
    }
    fflush(stderr);
    free(text);
}

int mr_progress_open(struct mr_progress *progress, const struct mr_pipeline *pipeline,
                     enum mr_progress_mode mode, struct mr_error *err)
{
    char path[MR_RUNDIR_PATH_BYTES];
    *progress = (struct mr_progress){.mode = mode, .pipeline = pipeline, .log_fd = -1};
    if (mode == MR_PROGRESS_BLOCK) {
        mr_rundir_path(pipeline, "stages.log", path, sizeof path);
        progress->log_fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600);
        if (progress->log_fd < 0)
            return mr_fail_errno(err, MR_ERR_SHM, "%s: cannot write", path);
    }
    progress->report = mr_report_new();
    return MR_OK;
}

int64_t mr_progress_tick_ns(const struct mr_progress *progress)
{
    switch (progress->mode) {
    case MR_PROGRESS_BLOCK:
        return BLOCK_TICK_NS;
    case MR_PROGRESS_LINES:
        return LINES_TICK_NS;
    case MR_PROGRESS_NONE:
        break;
    }
    return 0;
}

void mr_progress_tick(void *context)
{
    struct mr_progress *progress = context;
    if (mr_report_read(progress->report, progress->pipeline, NULL) != MR_OK)
        return;
    mr_rate_update(&progress->rate, progress->report->read_mono_ns, records_in(progress->report));
    if (progress->mode == MR_PROGRESS_LINES) {
        mr_progress_line(progress->report, &progress->rate, stderr);
        return;
    }
    erase(progress);
    show_log(progress, false);
    draw(progress);
}

void mr_progress_close(struct mr_progress *progress)
{
    if (progress->mode == MR_PROGRESS_BLOCK) {
        erase(progress);
        show_log(progress, true);
        close(progress->log_fd);
    }
    mr_report_free(progress->report);
}
