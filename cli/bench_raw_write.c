// SPDX-License-Identifier: Apache-2.0
#include "cli/bench_raw_write.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "consumers/loader/io.h"
#include "core/atomic.h"
#include "core/clock.h"
#include "gen/random.h"

#define KIB (1ULL << 10)
#define MIB (1ULL << 20)
#define REAP_WAIT_NS 100000000LL
#define LOOKS_PER_CHECK 1024

static unsigned every_way(enum mr_durability durability, bool direct,
                          struct mr_raw_way out[MR_RAW_WAYS_MAX])
{
    static const struct mr_raw_way buffered[] = {
        {&mr_io_pwrite, 64 * KIB, 1, false, 0}, {&mr_io_pwrite, 256 * KIB, 1, false, 0},
        {&mr_io_pwrite, MIB, 1, false, 0},      {&mr_io_uring, 64 * KIB, 8, false, 0},
        {&mr_io_uring, 256 * KIB, 8, false, 0}, {&mr_io_uring, MIB, 8, false, 0},
    };
    static const struct mr_raw_way synced[] = {
        {&mr_io_pwrite, MIB, 1, false, MIB},           {&mr_io_pwrite, MIB, 1, false, 8 * MIB},
        {&mr_io_pwrite, 256 * KIB, 1, false, 8 * MIB}, {&mr_io_pwrite, 4 * MIB, 1, false, 16 * MIB},
        {&mr_io_uring, MIB, 8, false, 8 * MIB},        {&mr_io_uring, 256 * KIB, 8, false, 8 * MIB},
    };
    static const struct mr_raw_way each[] = {
        {&mr_io_pwrite, 64 * KIB, 1, false, 64 * KIB},
        {&mr_io_pwrite, 256 * KIB, 1, false, 256 * KIB},
        {&mr_io_pwrite, MIB, 1, false, MIB},
        {&mr_io_pwrite, 4 * MIB, 1, false, 4 * MIB},
    };
    static const struct mr_raw_way past_cache[] = {
        {&mr_io_pwrite, MIB, 1, false, 0},      {&mr_io_uring, 128 * KIB, 8, false, 0},
        {&mr_io_uring, 256 * KIB, 8, false, 0}, {&mr_io_uring, MIB, 8, false, 0},
        {&mr_io_uring, 4 * MIB, 4, false, 0},
    };
    static const struct mr_raw_way past_cache_synced[] = {
        {&mr_io_pwrite, MIB, 1, false, 8 * MIB},      {&mr_io_uring, 128 * KIB, 8, false, 8 * MIB},
        {&mr_io_uring, 256 * KIB, 8, false, 8 * MIB}, {&mr_io_uring, MIB, 8, false, 8 * MIB},
        {&mr_io_uring, 4 * MIB, 4, false, 16 * MIB},
    };
#define WAYS(list) (memcpy(out, (list), sizeof(list)), (unsigned)MR_COUNT_OF(list))
    if (durability == MR_DURABILITY_RECORD)
        return WAYS(each);
    if (durability == MR_DURABILITY_BATCH)
        return direct ? WAYS(past_cache_synced) : WAYS(synced);
    return direct ? WAYS(past_cache) : WAYS(buffered);
#undef WAYS
}

static bool can_be_had(const struct mr_io_backend *backend)
{
    struct mr_io io;
    if (mr_io_open(&io, backend, 1, NULL) != MR_OK)
        return false;
    mr_io_close(&io);
    return true;
}

unsigned mr_raw_ways(enum mr_durability durability, bool direct,
                     struct mr_raw_way out[MR_RAW_WAYS_MAX])
{
    unsigned count = every_way(durability, direct, out), kept = 0;
    bool with_uring = can_be_had(&mr_io_uring);
    for (unsigned i = 0; i < count; i++)
        if (with_uring || out[i].backend != &mr_io_uring)
            out[kept++] = out[i];
    return kept;
}

// ---- what feeds a way: a process of its own
#define FED_BYTES (16 * MIB) // a multiple of every block
#define FED_CHUNK_BYTES (64 * KIB)

struct feed { // shared; the bytes follow at the next page
    _Alignas(MR_CACHE_LINE) uint64_t made;
    _Alignas(MR_CACHE_LINE) uint64_t taken;
    _Alignas(MR_CACHE_LINE) uint32_t ready; // the feeder has mapped it all, as the writer has
};

struct raw_run {
    struct mr_io io;
    struct mr_io_client client;
    const struct mr_raw_way *way;
    int fd;
    uint8_t *blocks; // `depth` of them; of a way that is fed, FED_BYTES
    void *mapped;
    size_t mapped_bytes;
    struct feed *feed; // NULL: not fed
    pid_t feeder;
    bool busy[MR_RAW_DEPTH_MAX];
    uint64_t from[MR_RAW_DEPTH_MAX]; // of the file, where busy
    int64_t failure;                 // -errno
    bool syncing;
};

static void on_done(void *self, uint64_t tag, int64_t result)
{
    struct raw_run *run = self;
    if (result < 0)
        run->failure = result;
    if (tag < run->way->depth)
        run->busy[tag] = false;
    else
        run->syncing = false;
}

// Waits until fewer than `below` are in flight.
static int drain(struct raw_run *run, unsigned below, struct mr_error *err)
{
    int code = MR_OK;
    while (code == MR_OK && run->io.in_flight >= below && run->failure == 0)
        code = mr_io_reap(&run->io, REAP_WAIT_NS, err);
    return code;
}

static int sync_all(struct raw_run *run, struct mr_error *err)
{
    int code = drain(run, 1, err);
    if (code != MR_OK || run->failure != 0)
        return code;
    run->syncing = mr_io_sync(&run->io, &run->client, run->fd, run->way->depth);
    return drain(run, 1, err);
}

_Noreturn static void feed_all(struct raw_run *run, uint64_t bytes)
{
    static uint8_t chunk[FED_CHUNK_BYTES];
    memcpy(chunk, run->blocks, sizeof chunk);
    for (uint64_t at = 0; at < FED_BYTES; at += sizeof chunk)
        memcpy(run->blocks + at, chunk, sizeof chunk);
    mr_store_release_u32(&run->feed->ready, 1);
    for (uint64_t at = 0, length; at < bytes; at += length) {
        length = mr_min_u64(sizeof chunk, bytes - at);
        // Pairs with the release store in let_go.
        while (at + length - mr_load_acquire_u64(&run->feed->taken) > FED_BYTES)
            sched_yield();
        memcpy(run->blocks + at % FED_BYTES, chunk, length);
        mr_store_release_u64(&run->feed->made, at + length);
    }
    _exit(0);
}

// Looked at before what it has made: one that has made everything is gone, too.
static bool feeder_is_gone(struct raw_run *run)
{
    if (run->feeder > 0 && waitpid(run->feeder, NULL, WNOHANG) == run->feeder)
        run->feeder = 0;
    return run->feeder == 0;
}

static int lost_feeder(struct mr_error *err)
{
    return mr_fail(err, MR_ERR_OUTPUT, "what feeds the bare loop ended before the loop did");
}

static int start_feeder(struct raw_run *run, uint64_t bytes, const volatile sig_atomic_t *stop,
                        struct mr_error *err)
{
    if (!run->feed)
        return MR_OK;
    run->feeder = fork();
    if (run->feeder < 0)
        return mr_fail_errno(err, MR_ERR_OUTPUT, "cannot start what feeds the bare loop");
    if (run->feeder == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        feed_all(run, bytes);
    }
    bool gone = false;
    // Pairs with the release store in feed_all.
    while (mr_load_acquire_u32(&run->feed->ready) == 0 && !*stop) {
        if (gone)
            return lost_feeder(err);
        sched_yield();
        gone = feeder_is_gone(run);
    }
    return MR_OK;
}

static void end_feeder(struct raw_run *run)
{
    if (run->feeder <= 0)
        return;
    kill(run->feeder, SIGKILL);
    waitpid(run->feeder, NULL, 0);
}

// All before `at` that is not under way has been written.
static void let_go(struct raw_run *run, uint64_t at)
{
    for (unsigned slot = 0; slot < run->way->depth; slot++)
        if (run->busy[slot])
            at = mr_min_u64(at, run->from[slot]);
    mr_store_release_u64(&run->feed->taken, at);
}

// Until what is to be written from `at` has been made.
static int await_feed(struct raw_run *run, uint64_t at, uint64_t length,
                      const volatile sig_atomic_t *stop, struct mr_error *err)
{
    int code = MR_OK;
    unsigned looks = 0;
    bool gone = false;
    if (!run->feed)
        return MR_OK;
    let_go(run, at);
    // Pairs with the release store in feed_all.
    while (code == MR_OK && run->failure == 0 && !*stop &&
           mr_load_acquire_u64(&run->feed->made) < at + length) {
        if (gone)
            return lost_feeder(err);
        sched_yield();
        code = mr_io_reap(&run->io, 0, err);
        let_go(run, at);
        if (++looks % LOOKS_PER_CHECK == 0)
            gone = feeder_is_gone(run);
    }
    return code;
}

static int write_block(struct raw_run *run, uint64_t at, uint64_t length, struct mr_error *err)
{
    unsigned slot = 0;
    int code = drain(run, run->way->depth, err);
    while (slot < run->way->depth && run->busy[slot])
        slot++;
    if (code != MR_OK || slot == run->way->depth)
        return code; // failed
    run->busy[slot] = true;
    run->from[slot] = at;
    uint8_t *block = run->blocks + (run->feed ? at % FED_BYTES : slot * run->way->block_bytes);
    mr_io_write(&run->io, &run->client, run->fd, block, length, (int64_t)at, slot);
    return mr_io_reap(&run->io, 0, err); // starts it
}

static int write_all(struct raw_run *run, uint64_t bytes, const volatile sig_atomic_t *stop,
                     struct mr_error *err)
{
    uint64_t unsynced = 0, length;
    int code = MR_OK;
    for (uint64_t at = 0; at < bytes && code == MR_OK && run->failure == 0 && !*stop;
         at += length) {
        length = mr_min_u64(run->way->block_bytes, bytes - at);
        code = await_feed(run, at, length, stop, err);
        if (code == MR_OK)
            code = write_block(run, at, length, err);
        unsynced += length;
        if (code == MR_OK && run->way->sync_bytes > 0 && unsynced >= run->way->sync_bytes) {
            code = sync_all(run, err);
            unsynced = 0;
        }
    }
    if (code == MR_OK && run->way->sync_bytes > 0)
        return sync_all(run, err);
    return code == MR_OK ? drain(run, 1, err) : code;
}

static int64_t cpu_now_ns(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000000LL +
           (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * 1000LL;
}

static int open_file(struct raw_run *run, const char *path, uint64_t bytes, bool direct,
                     struct mr_error *err)
{
    run->fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | (direct ? O_DIRECT : 0), 0600);
    if (run->fd < 0)
        return mr_fail_errno(err, MR_ERR_OUTPUT, "%s: cannot create%s", path,
                             direct ? " for direct writing" : "");
    if (fallocate(run->fd, 0, 0, (off_t)bytes) != 0 && errno != EOPNOTSUPP && errno != ENOSYS)
        return mr_fail_errno(err, MR_ERR_OUTPUT, "%s: cannot preallocate %llu bytes", path,
                             (unsigned long long)bytes);
    return MR_OK;
}

static int open_blocks(struct raw_run *run, struct mr_error *err)
{
    bool fed = run->way->fed;
    size_t bytes = fed ? FED_BYTES : run->way->depth * run->way->block_bytes;
    run->mapped_bytes = bytes + MR_PAGE_BYTES;
    run->mapped = mmap(NULL, run->mapped_bytes, PROT_READ | PROT_WRITE,
                       (fed ? MAP_SHARED : MAP_PRIVATE) | MAP_ANONYMOUS, -1, 0);
    if (run->mapped == MAP_FAILED)
        return mr_fail_errno(err, MR_ERR_MEMORY, "no memory for %zu bytes of blocks", bytes);
    run->feed = fed ? run->mapped : NULL;
    run->blocks = (uint8_t *)run->mapped + MR_PAGE_BYTES;
    struct mr_random random;
    mr_random_seed(&random, 1);
    for (size_t at = 0; at < bytes; at += sizeof(uint64_t)) {
        uint64_t noise = mr_random_next(&random);
        memcpy(run->blocks + at, &noise, sizeof noise);
    }
    return MR_OK;
}

static int measure(struct raw_run *run, uint64_t bytes, const volatile sig_atomic_t *stop,
                   int64_t *ns, int64_t *cpu_ns, struct mr_error *err)
{
    int code = mr_io_open(&run->io, run->way->backend, run->way->depth + 1, err);
    if (code != MR_OK)
        return code;
    code = start_feeder(run, bytes, stop, err);
    int64_t start_ns = mr_mono_ns(), start_cpu_ns = cpu_now_ns();
    if (code == MR_OK)
        code = write_all(run, bytes, stop, err);
    *ns = mr_mono_ns() - start_ns;
    *cpu_ns = cpu_now_ns() - start_cpu_ns;
    mr_io_close(&run->io);
    end_feeder(run);
    if (code == MR_OK && run->failure != 0) {
        errno = (int)-run->failure;
        code = mr_fail_errno(err, MR_ERR_OUTPUT, "cannot write %llu bytes by %s",
                             (unsigned long long)bytes, run->way->backend->name);
    }
    return code;
}

int mr_raw_write(const char *path, uint64_t bytes, const struct mr_raw_way *way, bool direct,
                 const volatile sig_atomic_t *stop, int64_t *ns, int64_t *cpu_ns,
                 struct mr_error *err)
{
    struct raw_run run = {.way = way, .fd = -1, .mapped = MAP_FAILED};
    run.client = (struct mr_io_client){on_done, &run};
    int code = open_file(&run, path, bytes, direct, err);
    if (code == MR_OK)
        code = open_blocks(&run, err);
    if (code == MR_OK)
        code = measure(&run, bytes, stop, ns, cpu_ns, err);
    if (run.mapped != MAP_FAILED)
        munmap(run.mapped, run.mapped_bytes);
    if (run.fd >= 0) {
        close(run.fd);
        unlink(path);
    }
    return code;
}
