// SPDX-License-Identifier: Apache-2.0
#include "cli/pair.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/pair_private.h"
#include "core/clock.h"

void *mr_pair_map(size_t bytes)
{
    void *memory =
        mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    return memory == MAP_FAILED ? NULL : memory;
}

void mr_pair_unmap(void *memory, size_t bytes)
{
    if (memory)
        munmap(memory, bytes);
}

uint32_t mr_pair_slots(uint32_t record_bytes)
{
    uint32_t slots = 1;
    while (2ULL * slots * record_bytes <= MR_PAIR_CHANNEL_BYTES)
        slots *= 2;
    return slots;
}

const struct mr_pair_loops *mr_pair_loops_of(const struct mr_pair_transport *transport,
                                             uint32_t record_bytes)
{
    for (unsigned i = 0; i < transport->loops_count; i++)
        if (transport->loops[i].record_bytes == record_bytes)
            return &transport->loops[i];
    return NULL;
}

static pid_t start(const struct mr_pair_task *task, int index)
{
    pid_t parent = getpid(), pid = fork();
    if (pid != 0)
        return pid;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(1);
    _exit(mr_pair_live(task, index) ? 0 : 1);
}

static int say_fault(const struct mr_pair_fault *fault, const char *name, struct mr_error *err)
{
    switch ((enum mr_pair_fault_kind)fault->kind) {
    case MR_PAIR_WRONG:
        return mr_fail(err, MR_ERR_CORRUPT,
                       "%s: record %llu, byte %u: found 0x%016llx, expected 0x%016llx", name,
                       (unsigned long long)fault->sequence, fault->byte,
                       (unsigned long long)fault->found, (unsigned long long)fault->expected);
    case MR_PAIR_LOST:
        return mr_fail(err, MR_ERR_CORRUPT, "%s: record %llu did not come", name,
                       (unsigned long long)fault->sequence);
    case MR_PAIR_BROKEN:
        return mr_fail(err, fault->code, "%s: %s", name, fault->text);
    case MR_PAIR_SOUND:
        break;
    }
    return MR_OK;
}

// A wrong record says more than that the other side then got none.
static int judge(const struct mr_pair_task *task, const int *status, struct mr_error *err)
{
    const struct mr_pair_fault *fault = task->shared->fault;
    int first = fault[1].kind == MR_PAIR_SOUND || fault[0].kind == MR_PAIR_WRONG ? 0 : 1;
    int code = say_fault(&fault[first], task->transport->name, err);
    for (int i = 0; i < 2 && code == MR_OK; i++)
        if (status[i] != 0)
            code = mr_fail(err, MR_ERR_STAGE, "%s: process %d of the pair ended with status 0x%x",
                           task->transport->name, i, (unsigned)status[i]);
    return code;
}

static int run_both(const struct mr_pair_task *task, struct mr_error *err)
{
    pid_t pid[2];
    int status[2] = {0};
    pid[0] = start(task, 0);
    pid[1] = pid[0] > 0 ? start(task, 1) : -1;
    if (pid[1] < 0) {
        mr_fail_errno(err, MR_ERR_STAGE, "cannot start a process");
        if (pid[0] > 0) {
            kill(pid[0], SIGKILL);
            waitpid(pid[0], NULL, 0);
        }
        return MR_ERR_STAGE;
    }
    for (int i = 0; i < 2; i++)
        waitpid(pid[i], &status[i], 0);
    return judge(task, status, err);
}

static void add_ticks(struct mr_histogram *histogram, uint64_t from, uint64_t to)
{
    mr_histogram_add(histogram, mr_ticks_to_ns((int64_t)(to - from)), 1);
}

static void collect(const struct mr_pair_shared *shared, enum mr_pair_part part,
                    struct mr_pair_result *result)
{
    memcpy(result->raw_rtt_ns, shared->raw_rtt_ns, sizeof result->raw_rtt_ns);
    result->records = shared->checked[1] - shared->checked[0];
    result->ns = shared->ended_ns[1] - shared->started_ns[1];
    if (part != MR_PAIR_ROUND_TRIP)
        return;
    uint64_t plain = result->records, timed = shared->checked[2] - shared->checked[1];
    for (uint64_t i = 0; i < plain; i++)
        add_ticks(&result->round_trip_ns, shared->trips[0].started[i],
                  shared->trips[0].returned[i]);
    for (uint64_t i = 0; i < timed; i++) {
        add_ticks(&result->one_way_ns, shared->trips[1].started[i], shared->arrived[i]);
        add_ticks(&result->one_way_ns, shared->arrived[i], shared->trips[1].returned[i]);
    }
}

int mr_pair_run(const struct mr_pair_transport *transport, const struct mr_pair_loops *loops,
                enum mr_pair_part part, const struct mr_pair_plan *plan,
                struct mr_pair_result *result, struct mr_error *err)
{
    struct mr_pair_task task = {.transport = transport, .loops = loops, .part = part, .plan = plan};
    memset(result, 0, sizeof *result);
    mr_clock_setup();
    size_t bytes =
        part == MR_PAIR_ROUND_TRIP ? sizeof *task.shared : offsetof(struct mr_pair_shared, trips);
    task.shared = mr_pair_map(bytes);
    if (!task.shared)
        return mr_fail_errno(err, MR_ERR_MEMORY, "cannot map %zu bytes", bytes);
    int code = transport->open(&task.state, loops->record_bytes, err);
    if (code == MR_OK) {
        code = run_both(&task, err);
        transport->close(task.state);
    }
    if (code == MR_OK)
        collect(task.shared, part, result);
    mr_pair_unmap(task.shared, bytes);
    return code;
}
