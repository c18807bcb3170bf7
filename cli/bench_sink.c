// SPDX-License-Identifier: Apache-2.0
#include "cli/bench_sink.h"

#include <errno.h>
#include <ftw.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/bench_raw_rtt.h"
#include "consumers/loader/output_file.h"
#include "core/clock.h"
#include "core/dead_letter.h"
#include "core/journal.h"
#include "core/log.h"
#include "core/pipeline/memory.h"
#include "core/pipeline/rundir.h"
#include "core/pipeline/stage.h"
#include "ringbuf/writer.h"

#define BATCH_BYTES (64u << 10) // published at once
#define PATTERNS 64
#define LOOK_INTERVAL_NS 20000
#define START_WAIT_NS 10000000000LL
#define DIRECTORY_BYTES 320

static volatile sig_atomic_t stop_asked;

struct sink_bench {
    const struct mr_sink_bench_options *options;
    struct mr_sink_bench_report *report;
    char directory[DIRECTORY_BYTES]; // everything is below it
    struct mr_pipeline pipeline;
    bool loaded, made;
    int lock_fd;
    struct mr_ring egress;
    struct mr_writer writer;
    uint8_t *patterns;           // of records: content and envelope
    uint64_t lap_records, place; // in the ring's lap, and which of them is the next
    uint32_t *checksums;         // of each record of the stream
    pid_t loader;
};

// ---- the stream --------------------------------------------------------------------------------
static uint64_t content_of(uint64_t sequence)
{
    return (sequence + 1) * 0x9E3779B97F4A7C15ULL;
}

static void fill_record(struct mr_record *record, uint32_t length, uint64_t place)
{
    *record = (struct mr_record){.length = length,
                                 .event_time_ns = (int64_t)place,
                                 .ingest_time_ns = (int64_t)place,
                                 .schema_id = MR_SCHEMA_ID_DECLARED};
    uint8_t *content = (uint8_t *)(record + 1);
    size_t bytes = length - sizeof *record;
    for (size_t at = 0; at < bytes; at += sizeof(uint64_t)) {
        uint64_t word = content_of(place + at);
        memcpy(content + at, &word, mr_min_u64(sizeof word, bytes - at));
    }
}

static struct mr_record *pattern_of(const struct sink_bench *bench, uint64_t n)
{
    uint64_t stride = mr_record_stride((uint32_t)bench->options->record_bytes);
    return (struct mr_record *)(void *)(bench->patterns + n % PATTERNS * stride);
}

// A few patterns whose turn comes again and again, and the checksum of each record of the stream: what
// is left to do while the clock runs is to copy, and to set sequence and checksum.
static int make_stream(struct sink_bench *bench, struct mr_error *err)
{
    uint32_t length = (uint32_t)bench->options->record_bytes;
    uint64_t stride = mr_record_stride(length);
    uint64_t capacity = bench->options->ring_bytes, laps = bench->options->bytes / capacity;
    bench->lap_records = capacity / stride;
    bench->report->records = laps * bench->lap_records;
    bench->checksums = calloc(bench->report->records, sizeof *bench->checksums);
    bench->patterns = calloc(PATTERNS, stride);
    if (!bench->checksums || !bench->patterns)
        return mr_fail(err, MR_ERR_MEMORY, "no memory for the stream's checksums");
    for (uint64_t i = 0; i < PATTERNS; i++)
        fill_record(pattern_of(bench, i), length, i);
    for (uint64_t n = 0; n < bench->report->records && !stop_asked; n++) {
        struct mr_record *record = pattern_of(bench, n);
        record->sequence = n;
        bench->checksums[n] = mr_record_checksum(
            record, length, n / bench->lap_records * capacity + n % bench->lap_records * stride);
    }
    return MR_OK;
}

// The next record. False: the ring is full. Its checksum is there already; the padding that may stand
// before the first of a lap gets its own from the ring.
static inline bool put_record(struct sink_bench *bench, uint64_t n)
{
    size_t length = bench->options->record_bytes;
    bench->egress.checksummed = bench->place == 0;
    struct mr_record *record = mr_claim(&bench->writer, (uint32_t)length);
    if (!record)
        return false;
    const size_t from = offsetof(struct mr_record, sequence); // what is before it is the ring's
    memcpy((uint8_t *)record + from, (const uint8_t *)pattern_of(bench, n) + from, length - from);
    record->sequence = n;
    mr_commit(&bench->writer);
    record->checksum = bench->checksums[n];
    if (++bench->place == bench->lap_records)
        bench->place = 0;
    return true;
}

// Up to `count` records, end to end; says how many there was room for. Not the first of a lap: padding may stand
// before it.
static uint64_t put_run(struct sink_bench *bench, uint64_t n, uint64_t count)
{
    const size_t from = offsetof(struct mr_record, sequence);
    uint32_t length = (uint32_t)bench->options->record_bytes;
    uint64_t stride = mr_record_stride(length);
    if (bench->place == 0)
        return 0;
    bench->egress.checksummed = false;
    count = mr_min_u64(count, bench->lap_records - bench->place);
    uint64_t made = mr_claim_run(&bench->writer, count * stride) / stride;
    uint8_t *at = (uint8_t *)mr_claimed(&bench->writer);
    for (uint64_t i = 0; i < made; i++, at += stride) {
        struct mr_record *record = (struct mr_record *)(void *)at;
        memcpy(at + from, (const uint8_t *)pattern_of(bench, n + i) + from, stride - from);
        record->sequence = n + i;
        record->checksum = bench->checksums[n + i];
        if (i > 0) // the first one's is the ring's
            record->length = length;
    }
    mr_commit_run(&bench->writer, made * stride, made, length);
    bench->place = (bench->place + made) % bench->lap_records;
    return made;
}

static bool record_is_good(const struct sink_bench *bench, const struct mr_record *record,
                           uint64_t n)
{
    struct mr_record *expected = pattern_of(bench, n);
    expected->sequence = n;
    expected->checksum = bench->checksums[n];
    return memcmp(record, expected, bench->options->record_bytes) == 0;
}

// ---- the loader process ------------------------------------------------------------------------
static int lost_loader(struct sink_bench *bench, struct mr_error *err)
{
    int status;
    if (stop_asked)
        return mr_fail(err, MR_ERR_STAGE, "stopped by a signal");
    if (waitpid(bench->loader, &status, WNOHANG) != bench->loader)
        return MR_OK;
    bench->loader = 0;
    return mr_fail(err, WIFEXITED(status) ? WEXITSTATUS(status) : MR_ERR_STAGE,
                   "the loader ended before its stream (status %d); its line is above", status);
}

static void start_loader(struct sink_bench *bench)
{
    fflush(stdout);
    bench->loader = fork();
    if (bench->loader != 0)
        return;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    prctl(PR_SET_NAME, "millrace-load");
    mr_log_setup("loader", MR_LOG_WARN);
    _exit(mr_loader_main(&bench->pipeline));
}

static int await_loader(struct sink_bench *bench, struct mr_segment *segment,
                        struct mr_stage_layout **page, struct mr_error *err)
{
    int64_t until_ns = mr_mono_ns() + START_WAIT_NS;
    int code =
        bench->loader > 0 ? MR_OK : mr_fail_errno(err, MR_ERR_STAGE, "cannot start a loader");
    for (*page = NULL; code == MR_OK; code = lost_loader(bench, err)) {
        if (!*page && mr_stage_attach_page(&bench->pipeline, MR_ROLE_LOADER, MR_ATTACH_READ_ONLY,
                                           segment, page, NULL) != MR_OK)
            *page = NULL;
        if (*page && mr_load_acquire_u32(&(*page)->gauges.phase) == MR_PHASE_RUNNING)
            return MR_OK;
        if (mr_mono_ns() > until_ns)
            return mr_fail(err, MR_ERR_STAGE, "the loader did not start within 10 s");
        mr_sleep_until_mono_ns(mr_mono_ns() + LOOK_INTERVAL_NS);
    }
    return code;
}

static int reap_loader(struct sink_bench *bench, double *cpu_s, struct mr_error *err)
{
    int status;
    struct rusage usage;
    pid_t pid;
    do {
        pid = wait4(bench->loader, &status, 0, &usage);
    } while (pid < 0 && errno == EINTR && !stop_asked);
    if (pid < 0)
        return mr_fail_errno(err, MR_ERR_STAGE, "cannot wait for the loader");
    bench->loader = 0;
    *cpu_s = (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
             (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
    if (WIFEXITED(status) && WEXITSTATUS(status) == MR_OK)
        return MR_OK;
    return mr_fail(err, WIFEXITED(status) ? WEXITSTATUS(status) : MR_ERR_STAGE,
                   "the loader ended with status %d; its line is above", status);
}

// ---- a round of the sink -----------------------------------------------------------------------
static int wait_a_little(struct sink_bench *bench, struct mr_error *err)
{
    mr_sleep_until_mono_ns(mr_mono_ns() + LOOK_INTERVAL_NS);
    return lost_loader(bench, err);
}

static int give_out(struct sink_bench *bench, struct mr_error *err)
{
    uint64_t stride = mr_record_stride((uint32_t)bench->options->record_bytes);
    uint64_t per_batch = BATCH_BYTES / stride + 1;
    int code = MR_OK;
    for (uint64_t n = 0; n < bench->report->records && code == MR_OK;) {
        uint64_t made = put_run(bench, n, mr_min_u64(per_batch, bench->report->records - n));
        if (made == 0)
            made = put_record(bench, n);
        n += made;
        mr_publish(&bench->writer, mr_tick());
        if (made == 0)
            code = wait_a_little(bench, err);
    }
    bench->report->bytes = bench->writer.position;
    // Pairs with the release store in mr_release.
    while (code == MR_OK &&
           mr_load_acquire_u64(&bench->egress.reader_line->read_pos) != bench->writer.position)
        code = wait_a_little(bench, err);
    return code;
}

static int close_rings(struct sink_bench *bench, struct mr_ring *dead)
{
    struct mr_writer writer;
    mr_writer_close(&bench->writer);
    for (unsigned i = 0; i < 2; i++) {
        mr_writer_open(&writer, &dead[i]);
        mr_writer_close(&writer);
    }
    return MR_OK;
}

static int describe(struct mr_ring *ring, struct mr_schema *schema, struct mr_error *err)
{
    struct mr_schema_set set = {0};
    int code = mr_schema_set_add(&set, schema, err);
    if (code == MR_OK)
        code = mr_ring_describe(ring, &set, err);
    else
        mr_schema_free(schema);
    mr_schema_set_clear(&set);
    return code;
}

static int make_ring(struct sink_bench *bench, enum mr_ring_index index, struct mr_ring *ring,
                     struct mr_error *err)
{
    char path[MR_RUNDIR_PATH_BYTES];
    mr_pipeline_ring_path(&bench->pipeline, index, path, sizeof path);
    int code =
        mr_ring_create(ring, path, mr_ring_index_name(index), &bench->pipeline.rings[index], err);
    return code == MR_OK ? mr_memory_prepare(&bench->pipeline, &ring->segment, err) : code;
}

static int make_rings(struct sink_bench *bench, struct mr_ring *dead, struct mr_error *err)
{
    static const enum mr_ring_index dead_index[] = {MR_RING_DEAD_PRODUCER, MR_RING_DEAD_TRANSFORM};
    struct mr_schema *schema = mr_schema_new("bench", MR_SCHEMA_ID_DECLARED);
    mr_schema_add(schema, "content", "bytes", false, NULL);
    mr_schema_seal(schema);
    int code = make_ring(bench, MR_RING_EGRESS, &bench->egress, err);
    for (unsigned i = 0; i < 2 && code == MR_OK; i++) {
        code = make_ring(bench, dead_index[i], &dead[i], err);
        if (code == MR_OK)
            code = describe(&dead[i], mr_dead_letter_schema(), err);
    }
    if (code == MR_OK)
        return describe(&bench->egress, schema, err);
    mr_schema_free(schema);
    return code;
}

static int measure_sink(struct sink_bench *bench, struct mr_ring *dead, struct mr_error *err)
{
    struct mr_sink_bench_report *report = bench->report;
    struct mr_segment segment;
    struct mr_stage_layout *page;
    double cpu_s = 0;
    mr_writer_open(&bench->writer, &bench->egress);
    bench->place = 0;
    start_loader(bench);
    int code = await_loader(bench, &segment, &page, err);
    if (code != MR_OK)
        return code;
    int64_t start_ns = mr_mono_ns();
    code = give_out(bench, err);
    double seconds = (double)(mr_mono_ns() - start_ns) / 1e9;
    close_rings(bench, dead);
    if (code == MR_OK)
        code = reap_loader(bench, &cpu_s, err);
    report->io_backend = page->gauges.io_backend;
    mr_histogram_merge(&report->durable_ns, &page->hop_ns);
    mr_segment_detach(&segment);
    report->bytes_per_second[report->rounds] = (double)report->bytes / seconds;
    report->cpu_s_per_gb[report->rounds] = cpu_s / ((double)report->bytes / 1e9);
    return code;
}

static int verify(struct sink_bench *bench, const char *path, struct mr_error *err)
{
    struct mr_journal journal;
    const struct mr_record *record;
    uint64_t count = 0, wrong = 0;
    int code = mr_journal_open(&journal, path, err);
    if (code != MR_OK)
        return code;
    while (!stop_asked && (record = mr_journal_next(&journal)) != NULL) {
        wrong += count >= bench->report->records || !record_is_good(bench, record, count);
        count++;
    }
    if (journal.stop != MR_JOURNAL_END)
        code = mr_fail(err, MR_ERR_CORRUPT, "%s", journal.problem.text);
    else if (!stop_asked && (wrong > 0 || count != bench->report->records))
        code = mr_fail(err, MR_ERR_CORRUPT,
                       "%s: found %" PRIu64 " records, %" PRIu64
                       " of them wrong, expected the %" PRIu64 " of the stream",
                       path, count, wrong, bench->report->records);
    mr_journal_close(&journal);
    return code;
}

static int remove_one(const char *path, const struct stat *status, int kind, struct FTW *level)
{
    (void)status, (void)kind, (void)level;
    remove(path);
    return 0;
}

static void remove_tree(const char *path)
{
    nftw(path, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static int round_of_sink(struct sink_bench *bench, struct mr_error *err)
{
    struct mr_ring dead[2] = {0};
    char path[DIRECTORY_BYTES + 16];
    snprintf(path, sizeof path, "%s/journal", bench->directory);
    int code = make_rings(bench, dead, err);
    if (code == MR_OK)
        code = measure_sink(bench, dead, err);
    if (bench->loader > 0) {
        kill(bench->loader, SIGKILL);
        waitpid(bench->loader, NULL, 0);
        bench->loader = 0;
    }
    mr_ring_detach(&bench->egress);
    for (unsigned i = 0; i < 2; i++)
        mr_ring_detach(&dead[i]);
    if (code == MR_OK)
        code = verify(bench, path, err);
    remove_tree(path);
    int removed = mr_stage_remove_segments(&bench->pipeline, code == MR_OK ? err : NULL);
    return code == MR_OK ? removed : code;
}

// ---- a round of the bare loop ------------------------------------------------------------------
static int round_of_raw(struct sink_bench *bench, unsigned way, struct mr_error *err)
{
    struct mr_sink_bench_report *report = bench->report;
    char path[DIRECTORY_BYTES + 16];
    int64_t ns = 0, cpu_ns = 0;
    snprintf(path, sizeof path, "%s/raw", bench->directory);
    int code = mr_raw_write(path, report->bytes, &report->ways[way], bench->options->direct,
                            &stop_asked, &ns, &cpu_ns, err);
    if (stop_asked)
        return mr_fail(err, MR_ERR_STAGE, "stopped by a signal");
    if (code != MR_OK)
        return code;
    report->raw_per_second[way][report->rounds] = (double)report->bytes * 1e9 / (double)ns;
    report->raw_cpu_s_per_gb[way][report->rounds] = (double)cpu_ns / (double)report->bytes;
    return MR_OK;
}

static unsigned best_way(const struct mr_sink_bench_report *report, bool fed)
{
    double best = 0;
    unsigned found = 0;
    for (unsigned way = 0; way < report->way_count; way++) {
        double values[MR_BENCH_ROUNDS_MAX];
        memcpy(values, report->raw_per_second[way], sizeof values);
        double median = mr_bench_median(values, report->rounds);
        if (report->ways[way].fed == fed && median > best) {
            best = median;
            found = way;
        }
    }
    return found;
}

static void choose_ways(struct mr_sink_bench_report *report,
                        const struct mr_sink_bench_options *options)
{
    unsigned count = mr_raw_ways(options->durability, options->direct, report->ways);
    for (unsigned i = 0; i < count; i++) {
        report->ways[count + i] = report->ways[i];
        report->ways[count + i].fed = true;
    }
    report->way_count = 2 * count;
}

// ---- before and after --------------------------------------------------------------------------
static void on_signal(int number)
{
    (void)number;
    stop_asked = 1;
}

static void catch_signals(void)
{
    struct sigaction action = {.sa_handler = on_signal};
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGHUP, &action, NULL);
}

// The type of the file system that a directory is on, by its device in the list of mounts.
static void name_file_system(const char *path, char *out, size_t out_bytes)
{
    char line[1024], device[32], type[32];
    struct stat status;
    FILE *mounts = fopen("/proc/self/mountinfo", "re");
    snprintf(out, out_bytes, "unknown");
    if (mounts && stat(path, &status) == 0) {
        snprintf(device, sizeof device, " %u:%u ", major(status.st_dev), minor(status.st_dev));
        while (fgets(line, sizeof line, mounts)) {
            const char *behind = strstr(line, " - ");
            if (strstr(line, device) && behind && sscanf(behind, " - %31s", type) == 1)
                snprintf(out, out_bytes, "%s", type);
        }
    }
    if (mounts)
        fclose(mounts);
}

static int write_pipeline(const struct sink_bench *bench, const char *path, struct mr_error *err)
{
    static const char *const durabilities[] = {"none", "batch", "record"};
    FILE *file = fopen(path, "we");
    if (!file)
        return mr_fail_errno(err, MR_ERR_OUTPUT, "%s: cannot create", path);
    fprintf(file,
            "name: bench-sink-%d\nprefault: true\nsource: {type: mock}\negress: {size: %" PRIu64
            "}\nsink: {type: journal, path: journal, existing: replace, durability: %s, "
            "segment_size: %" PRIu64 "%s}\n",
            (int)getpid(), bench->options->ring_bytes, durabilities[bench->options->durability],
            bench->options->segment_bytes, bench->options->direct ? ", direct: true" : "");
    return fclose(file) == 0 ? MR_OK : mr_fail_errno(err, MR_ERR_OUTPUT, "%s: cannot write", path);
}

static int load_pipeline(struct sink_bench *bench, struct mr_error *err)
{
    char path[DIRECTORY_BYTES + 16], set[DIRECTORY_BYTES + 32];
    const char *sets[] = {set};
    snprintf(path, sizeof path, "%s/sink.yaml", bench->directory);
    snprintf(set, sizeof set, "sink.path=%s/journal", bench->directory);
    int code = write_pipeline(bench, path, err);
    if (code == MR_OK)
        code = mr_pipeline_load(&bench->pipeline, path, sets, 1, err);
    bench->loaded = code == MR_OK;
    return code;
}

static int prepare(struct sink_bench *bench, struct mr_error *err)
{
    bench->lock_fd = -1;
    int code = mr_make_directories(bench->options->path, err);
    if (code != MR_OK)
        return code;
    int length = snprintf(bench->directory, sizeof bench->directory,
                          "%s/millrace-bench-sink.XXXXXX", bench->options->path);
    if ((size_t)length >= sizeof bench->directory)
        return mr_fail(err, MR_ERR_USAGE, "path: found %d bytes, expected under %d", length,
                       DIRECTORY_BYTES);
    if (!mkdtemp(bench->directory))
        return mr_fail_errno(err, MR_ERR_OUTPUT, "%s: cannot create the directory",
                             bench->directory);
    bench->made = true;
    name_file_system(bench->directory, bench->report->file_system,
                     sizeof bench->report->file_system);
    code = load_pipeline(bench, err);
    if (code == MR_OK)
        code = mr_stage_make_run_directory(&bench->pipeline, err);
    // As its supervisor: nobody else takes away what stands there.
    return code == MR_OK ? mr_rundir_lock(&bench->pipeline, &bench->lock_fd, NULL, err) : code;
}

static void clear_away(struct sink_bench *bench)
{
    if (bench->lock_fd >= 0)
        close(bench->lock_fd);
    if (bench->loaded) {
        remove_tree(bench->pipeline.directory);
        mr_pipeline_free(&bench->pipeline);
    }
    if (bench->made)
        remove_tree(bench->directory);
    free(bench->patterns);
    free(bench->checksums);
}

int mr_bench_sink(const struct mr_sink_bench_options *options, struct mr_sink_bench_report *report,
                  struct mr_error *err)
{
    struct sink_bench bench = {.options = options, .report = report};
    memset(report, 0, sizeof *report);
    catch_signals();
    choose_ways(report, options);
    int code = prepare(&bench, err);
    if (code == MR_OK)
        code = make_stream(&bench, err);
    if (code == MR_OK)
        code = mr_bench_raw_rtt_least(&report->raw_rtt_ns, err);
    while (code == MR_OK && report->rounds < options->rounds) {
        code = round_of_sink(&bench, err);
        for (unsigned way = 0; way < report->way_count && code == MR_OK; way++)
            code = round_of_raw(&bench, way, err);
        report->rounds += code == MR_OK;
    }
    if (code == MR_OK)
        code = mr_bench_raw_rtt_least(&report->raw_rtt_ns, err);
    clear_away(&bench);
    if (code != MR_OK)
        return code;
    report->best_way = best_way(report, false);
    report->best_fed = best_way(report, true);
    return MR_OK;
}
