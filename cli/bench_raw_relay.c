// SPDX-License-Identifier: Apache-2.0
#include "cli/bench_raw_relay.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/pair_cores.h"
#include "core/clock.h"
#include "core/histogram.h"

#define SECONDS 0.2      // with a switch a record
#define SECONDS_KEPT 0.1 // with the core kept, each
#define WARM_UP_SHARE 10
#define NEAR_NS 10000 // so shortly before a record is due the first one keeps its core
#define ALARM_S 20    // should one of the others be gone

struct item {
    int64_t due_ns;
    uint64_t content[7];
};
_Static_assert(sizeof(struct item) == 64, "as long as the trio's records");

struct relay { // shared by the three; the items follow, once from each of the first two
    _Alignas(MR_FALSE_SHARING_RANGE) uint64_t made;
    _Alignas(MR_FALSE_SHARING_RANGE) uint64_t passed;
    _Alignas(MR_FALSE_SHARING_RANGE) uint32_t ready; // of the other two
    struct mr_histogram handed_ns;
};

struct view {
    struct relay *relay;
    size_t bytes; // of the mapping
    struct item *first, *second;
    uint64_t count;
    double rate;
    int64_t keep_ns; // how long the first one keeps its core; 0: it yields after each record
    int fd;
};

static void produce(const struct view *view)
{
    int64_t start_ns = mr_mono_ns() + NEAR_NS, kept_since_ns = start_ns, now_ns;
    for (uint64_t i = 0; i < view->count; i++) {
        int64_t due_ns = start_ns + (int64_t)((double)i * 1e9 / view->rate);
        while ((now_ns = mr_mono_ns()) < due_ns)
            if (due_ns - now_ns > NEAR_NS)
                sched_yield();
        view->first[i].due_ns = due_ns;
        view->first[i].content[0] = i;
        mr_store_release_u64(&view->relay->made, i + 1); // pairs with the load in pass_on
        if (now_ns - kept_since_ns < view->keep_ns)
            continue;
        sched_yield();
        kept_since_ns = view->keep_ns > 0 ? mr_mono_ns() : 0;
    }
}

static void pass_on(const struct view *view)
{
    __atomic_add_fetch(&view->relay->ready, 1, __ATOMIC_RELEASE);
    for (uint64_t i = 0; i < view->count; i++) {
        while (mr_load_acquire_u64(&view->relay->made) <= i)
            mr_cpu_relax();
        view->second[i] = view->first[i];
        mr_store_release_u64(&view->relay->passed, i + 1); // pairs with the load in hand_over
    }
}

// False: the file system took less.
static bool hand_over(const struct view *view)
{
    __atomic_add_fetch(&view->relay->ready, 1, __ATOMIC_RELEASE);
    for (uint64_t i = 0, passed; i < view->count; i = passed) {
        while ((passed = mr_load_acquire_u64(&view->relay->passed)) == i)
            sched_yield();
        size_t bytes = (passed - i) * sizeof(struct item);
        if (pwrite(view->fd, view->second + i, bytes, (off_t)(i * sizeof(struct item))) !=
            (ssize_t)bytes)
            return false;
        int64_t now_ns = mr_mono_ns();
        for (; i < passed; i++)
            if (i > view->count / WARM_UP_SHARE)
                mr_histogram_add(&view->relay->handed_ns, now_ns - view->second[i].due_ns, 1);
    }
    return true;
}

static pid_t start(const struct view *view, int core, bool last)
{
    pid_t pid = fork();
    if (pid != 0)
        return pid;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    alarm(ALARM_S);
    if (!mr_pair_pin(core))
        _exit(1);
    if (last)
        _exit(hand_over(view) ? 0 : 1);
    pass_on(view);
    _exit(0);
}

static bool ended_well(pid_t pid)
{
    int status;
    return waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static void stop(pid_t pid)
{
    if (pid <= 0)
        return;
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
}

static int run(const struct view *view, const int cores[2], struct mr_error *err)
{
    pid_t second = start(view, cores[1], false), third = start(view, cores[0], true);
    if (second < 0 || third < 0 || !mr_pair_pin(cores[0])) {
        int code = mr_fail_errno(err, MR_ERR_STAGE, "cannot start the bare relay's processes");
        stop(second);
        stop(third);
        return code;
    }
    int64_t until_ns = mr_mono_ns() + ALARM_S * 1000000000LL;
    while (mr_load_acquire_u32(&view->relay->ready) < 2 && mr_mono_ns() < until_ns)
        sched_yield();
    produce(view);
    bool passed = ended_well(second), handed = ended_well(third);
    return passed && handed ? MR_OK
                            : mr_fail(err, MR_ERR_STAGE, "a process of the bare relay ended early");
}

static int open_view(struct view *view, const char *directory, struct mr_error *err)
{
    char path[600];
    size_t items = view->count * sizeof(struct item);
    view->bytes = mr_align_up(sizeof(struct relay), MR_PAGE_BYTES) + 2 * items;
    void *memory =
        mmap(NULL, view->bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        return mr_fail_errno(err, MR_ERR_MEMORY, "cannot map %zu bytes", view->bytes);
    memset(memory, 0, view->bytes); // so that there is memory behind it all
    view->relay = memory;
    view->first = (void *)((uint8_t *)memory + mr_align_up(sizeof(struct relay), MR_PAGE_BYTES));
    view->second = view->first + view->count;
    snprintf(path, sizeof path, "%s/relay", directory);
    view->fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (view->fd < 0 || unlink(path) < 0)
        return mr_fail_errno(err, MR_ERR_OUTPUT, "%s: cannot create", path);
    int failed = posix_fallocate(view->fd, 0, (off_t)items);
    return failed == 0 ? MR_OK
                       : mr_fail(err, MR_ERR_OUTPUT, "%s: cannot preallocate %zu bytes: %s", path,
                                 items, strerror(failed));
}

static void take(const struct mr_histogram *handed_ns, struct mr_raw_relay *least)
{
    double p50_ns = (double)mr_histogram_percentile(handed_ns, 50);
    if (least->p50_ns > 0 && least->p50_ns <= p50_ns)
        return;
    least->p50_ns = p50_ns;
    least->p99_ns = (double)mr_histogram_percentile(handed_ns, 99);
}

static int probe(const char *directory, double rate, int64_t keep_ns, struct mr_raw_relay *least,
                 struct mr_error *err)
{
    double seconds = keep_ns > 0 ? SECONDS_KEPT : SECONDS;
    struct view view = {.count = (uint64_t)(rate * seconds) + WARM_UP_SHARE,
                        .rate = rate,
                        .keep_ns = keep_ns,
                        .fd = -1};
    cpu_set_t before;
    int cores[2], cache_level;
    int code = mr_pair_choose_cores(cores, &cache_level, err);
    if (code != MR_OK)
        return code;
    sched_getaffinity(0, sizeof before, &before);
    code = open_view(&view, directory, err);
    if (code == MR_OK)
        code = run(&view, cores, err);
    if (code == MR_OK)
        take(&view.relay->handed_ns, least);
    sched_setaffinity(0, sizeof before, &before);
    if (view.fd >= 0)
        close(view.fd);
    if (view.relay)
        munmap(view.relay, view.bytes);
    return code;
}

int mr_bench_raw_relay(const char *directory, double rate, struct mr_raw_relay *least,
                       struct mr_error *err)
{
    static const int64_t kept_ns[] = {4000, 6000, 8000, 10000};
    if (rate <= MR_RAW_RELAY_SWITCH_RATE_MAX)
        return probe(directory, rate, 0, least, err);
    int code = MR_OK;
    for (unsigned i = 0; i < MR_COUNT_OF(kept_ns) && code == MR_OK; i++)
        code = probe(directory, rate, kept_ns[i], least, err);
    return code;
}
