// SPDX-License-Identifier: Apache-2.0
// A stage is stepped through one batch and its commit, instruction by instruction, and killed: at
// the first instruction, at the next one that the stride says, and so on to the last. Each time
// another process takes over, and what comes out is the whole sequence, each record once; the state
// is that of all records. Ends with `ok`.
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/counting_stage.h"
#include "tests/support/ring_stream.h"

#define RECORDS 12
#define BATCH 3
#define TRIALS 80
#define STEPS_MAX 10000000

typedef int counting_stage(const struct counting_run *run, counting_point *point, void *context,
                           struct mr_error *err);

static struct counting_run run;

// Stops for the tracer each time a batch begins and each time one was committed.
static void stop_at_commits(void *context)
{
    uint64_t *points = context;
    // Points before the first batch: 2; of a batch: 9 a record, one before and one after its
    // commit.
    uint64_t in_batch = (*points)++ - 2;
    if (*points > 2 && in_batch % (9 * BATCH + 2) == 9 * BATCH + 1)
        raise(SIGSTOP);
}

static void live_on(void *unused)
{
    (void)unused;
}

static pid_t start_traced(counting_stage *stage)
{
    pid_t pid = fork();
    if (pid != 0)
        return pid;
    uint64_t points = 0;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    ptrace(PTRACE_TRACEME, 0, NULL, NULL);
    _exit(stage(&run, stop_at_commits, &points, NULL));
}

// Runs the stage up to its first commit, then `steps` instructions of the second batch, and kills
// it. Returns how many steps it took: fewer where the second commit was over before. -1: it did not
// get there.
static int64_t kill_after(counting_stage *stage, int64_t steps)
{
    int status;
    int64_t taken = 0;
    pid_t pid = start_traced(stage);
    waitpid(pid, &status, 0);
    bool stopped = WIFSTOPPED(status) && WSTOPSIG(status) == SIGSTOP;
    while (stopped && taken < steps) {
        ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL);
        waitpid(pid, &status, 0);
        if (!WIFSTOPPED(status) || WSTOPSIG(status) != SIGTRAP)
            break; // the next SIGSTOP: the second commit is over
        taken++;
    }
    kill(pid, SIGKILL);
    waitpid(pid, &status, 0);
    return stopped ? taken : -1;
}

static bool runs_to_its_end(counting_stage *stage)
{
    int status;
    struct mr_error err = {0};
    pid_t pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        int code = stage(&run, live_on, NULL, &err);
        if (code != MR_OK)
            printf("%s\n", err.text);
        fflush(stdout);
        _exit(code);
    }
    waitpid(pid, &status, 0);
    return status == 0;
}

static bool is_complete(enum mr_role role, enum mr_ring_index ring, uint64_t before)
{
    struct mr_stage_slot slot;
    uint8_t state[COUNTING_STATE_BYTES];
    struct mr_error err = {0};
    uint64_t after = counting_read(&run, ring, before);
    if (after == UINT64_MAX || before + after != RECORDS || before % BATCH != 0) {
        printf("%" PRIu64 " records before, %" PRIu64 " after\n", before, after);
        return false;
    }
    if (counting_look(&run, role, &slot, state, &err) != MR_OK) {
        printf("%s\n", err.text);
        return false;
    }
    bool good = slot.counts[MR_COUNT_IN] == RECORDS && slot.counts[MR_COUNT_EMITTED] == RECORDS &&
                counting_state_is_right(state, RECORDS);
    if (!good)
        printf("counts %" PRIu64 " in, %" PRIu64 " emitted, or the state is wrong\n",
               slot.counts[MR_COUNT_IN], slot.counts[MR_COUNT_EMITTED]);
    return good;
}

// One death and what follows. *taken: how many instructions it lived.
static bool survives(counting_stage *stage, enum mr_role role, int64_t steps, int64_t *taken)
{
    enum mr_ring_index ring = role == MR_ROLE_PRODUCER ? MR_RING_INGRESS : MR_RING_EGRESS;
    if (role == MR_ROLE_TRANSFORM && !runs_to_its_end(counting_produce))
        return false;
    *taken = kill_after(stage, steps);
    uint64_t before = counting_read(&run, ring, 0);
    bool good = *taken >= 0 && before != UINT64_MAX && runs_to_its_end(stage) &&
                is_complete(role, ring, before);
    if (!good)
        printf("%s killed after %" PRId64 " instructions\n", mr_role_name(role), *taken);
    mr_stage_remove_segments(&run.pipeline, NULL);
    return good;
}

static bool kill_everywhere(counting_stage *stage, enum mr_role role, int64_t trials)
{
    int64_t batch_steps, taken;
    bool good = survives(stage, role, STEPS_MAX, &batch_steps);
    int64_t stride = batch_steps / trials + 1;
    int64_t deaths = 0;
    for (int64_t steps = 0; good && steps <= batch_steps; steps += stride, deaths++)
        good = survives(stage, role, steps, &taken);
    printf("%s: a batch of %" PRId64 " instructions, killed at %" PRId64 " of them\n",
           mr_role_name(role), batch_steps, deaths);
    return good && deaths > 10;
}

// An emulator may not let one process step another.
static bool may_trace(void)
{
    int status;
    pid_t pid = fork();
    if (pid == 0)
        _exit(ptrace(PTRACE_TRACEME, 0, NULL, NULL) == 0 ? EXIT_SUCCESS : EXIT_FAILURE);
    return waitpid(pid, &status, 0) == pid && status == 0;
}

int main(void)
{
    if (!may_trace()) {
        puts("skip - stage_kill: no process may be stepped here (ptrace)");
        return EXIT_SUCCESS;
    }
    int64_t trials = (int64_t)(ring_stream_records(TRIALS * 1000) / 1000);
    setvbuf(stdout, NULL, _IOLBF, 0);
    counting_run_open(&run, RECORDS, BATCH);
    bool good = kill_everywhere(counting_produce, MR_ROLE_PRODUCER, trials) &&
                kill_everywhere(counting_transform, MR_ROLE_TRANSFORM, trials);
    counting_run_close(&run);
    printf(good ? "ok\n" : "failed\n");
    return good ? EXIT_SUCCESS : EXIT_FAILURE;
}
