// SPDX-License-Identifier: Apache-2.0
#include "cli/bench_hop.h"

#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ringbuf/reader.h"
#include "ringbuf/wait.h"
#include "ringbuf/writer.h"

#define RECORD_BYTES 64
#define RING_BYTES (1 << 20)
#define BATCH 64
#define WARM_UP_SHARE 10 // a tenth of the round trips before each round is not counted

enum part { PART_RAW, PART_RING, PART_STREAM };

// What the two processes share: the raw cache line of each direction, and the echo's verdict.
struct shared {
    uint64_t there __attribute__((aligned(MR_FALSE_SHARING_RANGE)));
    uint64_t back __attribute__((aligned(MR_FALSE_SHARING_RANGE)));
    uint64_t wrong_at
        __attribute__((aligned(MR_FALSE_SHARING_RANGE))); // sequence + 1; 0: all was well
};

struct bench {
    struct shared *shared;
    struct mr_ring rings[2]; // there, back
    int cores[2];
};

static uint64_t content_of(uint64_t sequence)
{
    return (sequence + 1) * 0x9E3779B97F4A7C15ULL;
}

static int pin(int core)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(core, &set);
    return sched_setaffinity(0, sizeof set, &set);
}

static unsigned allowed_cores(int *cores, unsigned count_max)
{
    cpu_set_t set;
    unsigned count = 0;
    if (sched_getaffinity(0, sizeof set, &set) < 0)
        return 0;
    for (int core = 0; core < CPU_SETSIZE && count < count_max; core++)
        if (CPU_ISSET(core, &set))
            cores[count++] = core;
    return count;
}

// ---- the two sides

static void put(struct mr_writer *writer, uint64_t sequence)
{
    struct mr_record *record;
    while (!(record = mr_claim(writer, RECORD_BYTES))) {
        mr_publish(writer, 0);
        mr_cpu_relax();
    }
    memset((uint8_t *)record + 8, 0, RECORD_BYTES - 8);
    record->sequence = sequence;
    record->event_time_ns = (int64_t)content_of(sequence);
    mr_commit(writer);
}

// The next record, checked. False where it is not the one that was sent, or the other side gave up.
static bool take(struct bench *bench, struct mr_reader *reader, uint64_t sequence)
{
    const struct mr_record *record;
    uint32_t length;
    while (!(record = mr_next(reader, &length))) {
        if (reader->corrupt || mr_load_relaxed_u64(&bench->shared->wrong_at))
            return false;
        mr_cpu_relax();
    }
    return length == RECORD_BYTES && record->sequence == sequence &&
           record->event_time_ns == (int64_t)content_of(sequence);
}

static bool echo_ring(struct bench *bench, uint64_t count)
{
    struct mr_reader reader;
    struct mr_writer writer;
    mr_reader_open(&reader, &bench->rings[0]);
    mr_writer_open(&writer, &bench->rings[1]);
    for (uint64_t i = 0; i < count; i++) {
        bool good = take(bench, &reader, i);
        mr_release(&reader, reader.position, NULL);
        put(&writer, i);
        mr_publish(&writer, 0);
        if (!good) {
            mr_store_release_u64(&bench->shared->wrong_at, i + 1);
            return false;
        }
    }
    return true;
}

static bool echo_raw(struct bench *bench, uint64_t count)
{
    for (uint64_t i = 1; i <= count; i++) {
        while (mr_load_acquire_u64(&bench->shared->there) != i)
            mr_cpu_relax();
        mr_store_release_u64(&bench->shared->back, i);
    }
    return true;
}

static bool drain_stream(struct bench *bench, uint64_t count)
{
    struct mr_reader reader;
    mr_reader_open(&reader, &bench->rings[0]);
    for (uint64_t i = 0; i < count; i++) {
        if (!take(bench, &reader, i)) {
            mr_store_release_u64(&bench->shared->wrong_at, i + 1);
            return false;
        }
        if (i % BATCH == BATCH - 1)
            mr_release(&reader, reader.position, NULL);
    }
    mr_release(&reader, reader.position, NULL);
    mr_store_release_u64(&bench->shared->back, count);
    return true;
}

static void ping_ring(struct bench *bench, uint64_t count, uint64_t counted_from,
                      struct mr_histogram *histogram)
{
    struct mr_writer writer;
    struct mr_reader reader;
    mr_writer_open(&writer, &bench->rings[0]);
    mr_reader_open(&reader, &bench->rings[1]);
    for (uint64_t i = 0; i < count; i++) {
        uint64_t start = mr_tick();
        put(&writer, i);
        mr_publish(&writer, start);
        if (!take(bench, &reader, i)) {
            mr_store_release_u64(&bench->shared->wrong_at, i + 1);
            return;
        }
        mr_release(&reader, reader.position, NULL);
        if (i >= counted_from)
            mr_histogram_add(histogram, mr_ticks_to_ns((int64_t)(mr_tick() - start)) / 2, 1);
    }
}

static void ping_raw(struct bench *bench, uint64_t count, uint64_t counted_from,
                     struct mr_histogram *histogram)
{
    for (uint64_t i = 1; i <= count; i++) {
        uint64_t start = mr_tick();
        mr_store_release_u64(&bench->shared->there, i);
        while (mr_load_acquire_u64(&bench->shared->back) != i)
            mr_cpu_relax();
        if (i > counted_from)
            mr_histogram_add(histogram, mr_ticks_to_ns((int64_t)(mr_tick() - start)) / 2, 1);
    }
}

static void send_stream(struct bench *bench, uint64_t count)
{
    struct mr_writer writer;
    mr_writer_open(&writer, &bench->rings[0]);
    for (uint64_t i = 0; i < count; i++) {
        put(&writer, i);
        if (i % BATCH == BATCH - 1)
            mr_publish(&writer, 0);
    }
    mr_publish(&writer, 0);
    while (mr_load_acquire_u64(&bench->shared->back) != count &&
           !mr_load_acquire_u64(&bench->shared->wrong_at))
        mr_cpu_relax();
}

// ---- one part of one round

static int make_rings(struct bench *bench, struct mr_error *err)
{
    struct mr_ring_options options = {.capacity = RING_BYTES};
    char directory[] = "/dev/shm/millrace-bench.XXXXXX", path[64];
    int code = MR_OK;
    if (!mkdtemp(directory))
        return mr_fail_errno(err, MR_ERR_SHM, "%s: cannot create the directory", directory);
    for (int i = 0; i < 2 && code == MR_OK; i++) {
        snprintf(path, sizeof path, "%s/%s", directory, i == 0 ? "there" : "back");
        code = mr_ring_create(&bench->rings[i], path, "bench", &options, err);
        unlink(path); // the mapping stays, and the child inherits it
    }
    rmdir(directory);
    return code;
}

static pid_t start_echo(struct bench *bench, enum part part, uint64_t count)
{
    pid_t pid = fork();
    if (pid != 0)
        return pid;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    bool good = pin(bench->cores[1]) == 0;
    if (good && part == PART_RAW)
        good = echo_raw(bench, count);
    else if (good && part == PART_RING)
        good = echo_ring(bench, count);
    else if (good)
        good = drain_stream(bench, count);
    _exit(good ? 0 : 1);
}

// `ns` is the time that the part took.
static int run_part(struct bench *bench, enum part part, uint64_t count,
                    struct mr_histogram *histogram, int64_t *ns, struct mr_error *err)
{
    int status = 0, code = make_rings(bench, err);
    memset(bench->shared, 0, sizeof *bench->shared);
    pid_t echo = code == MR_OK ? start_echo(bench, part, count) : -1;
    if (echo > 0) {
        int64_t start_ns = mr_mono_ns();
        if (part == PART_RAW)
            ping_raw(bench, count, count / WARM_UP_SHARE, histogram);
        else if (part == PART_RING)
            ping_ring(bench, count, count / WARM_UP_SHARE, histogram);
        else
            send_stream(bench, count);
        *ns = mr_mono_ns() - start_ns;
        waitpid(echo, &status, 0);
    } else if (code == MR_OK) {
        code = mr_fail_errno(err, MR_ERR_STAGE, "cannot start the echo process");
    }
    if (code == MR_OK && (status != 0 || bench->shared->wrong_at != 0))
        code = mr_fail(err, MR_ERR_CORRUPT, "record %llu came wrong (echo ended with %d)",
                       (unsigned long long)(bench->shared->wrong_at - 1), status);
    for (int i = 0; i < 2; i++)
        mr_ring_detach(&bench->rings[i]);
    return code;
}

static int run_round(struct bench *bench, const struct mr_hop_options *options,
                     struct mr_hop_report *report, struct mr_error *err)
{
    struct mr_histogram *now = calloc(2, sizeof *now);
    unsigned round = report->rounds;
    int64_t ns;
    if (!now)
        return mr_fail(err, MR_ERR_MEMORY, "no memory for two histograms");
    int code = run_part(bench, PART_RAW, options->round_trips, &now[0], &ns, err);
    if (code == MR_OK)
        code = run_part(bench, PART_RING, options->round_trips, &now[1], &ns, err);
    if (code == MR_OK)
        code = run_part(bench, PART_STREAM, options->records, NULL, &ns, err);
    if (code == MR_OK) {
        report->raw_p50_ns[round] = mr_histogram_percentile(&now[0], 50);
        report->hop_p50_ns[round] = mr_histogram_percentile(&now[1], 50);
        report->records_per_second[round] = (double)options->records * 1e9 / (double)ns;
        mr_histogram_merge(&report->raw_ns, &now[0]);
        mr_histogram_merge(&report->hop_ns, &now[1]);
        report->rounds++;
    }
    free(now);
    return code;
}

int mr_bench_hop(const struct mr_hop_options *options, struct mr_hop_report *report,
                 struct mr_error *err)
{
    struct bench bench = {0};
    cpu_set_t before;
    memset(report, 0, sizeof *report);
    report->records = options->records;
    mr_clock_setup();
    if (allowed_cores(bench.cores, 2) < 2)
        return mr_fail(err, MR_ERR_LIMIT, "found 1 core to run on, a hop needs two");
    memcpy(report->cores, bench.cores, sizeof report->cores);
    bench.shared =
        mmap(NULL, sizeof *bench.shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (bench.shared == MAP_FAILED)
        return mr_fail_errno(err, MR_ERR_MEMORY, "cannot map the shared words");
    sched_getaffinity(0, sizeof before, &before);
    pin(bench.cores[0]);
    int code = MR_OK;
    while (report->rounds < options->rounds && code == MR_OK)
        code = run_round(&bench, options, report, err);
    sched_setaffinity(0, sizeof before, &before);
    munmap(bench.shared, sizeof *bench.shared);
    return code;
}
