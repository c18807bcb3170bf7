// SPDX-License-Identifier: Apache-2.0
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>

#include "cli/pair_cores.h"
#include "cli/pair_loops.h"
#include "cli/pair_private.h"
#include "core/clock.h"

#define PATIENCE_NS INT64_C(2000000000) // without a record, before it counts as lost
#define LOOKS_PER_CLOCK 4096            // looks in vain between two looks at the clock
#define WARM_UP_SHARE 10                // a tenth of the records, or of the time
#define RECORDS_MAX (1ULL << 60)        // of a phase: sequences do not wrap
#define PROBE_TRIPS_MAX 65536
#define ONE_WAY_SHARE 2 // half as many round trips with the other side's clock

// ---- giving up

static struct mr_pair_fault *give_up(struct mr_pair_side *side, enum mr_pair_fault_kind kind)
{
    struct mr_pair_fault *fault = &side->shared->fault[side->index];
    fault->kind = kind;
    // Pairs with the acquire loads in mr_pair_wait and mr_pair_wait_for_space.
    mr_store_release_u32(&side->shared->gave_up, 1);
    return fault;
}

void mr_pair_refuse(struct mr_pair_side *side, const void *record, uint32_t record_bytes,
                    uint64_t sequence)
{
    struct mr_pair_fault *fault = give_up(side, MR_PAIR_WRONG);
    struct mr_pair_head head = mr_pair_head_of(record_bytes, sequence);
    const mr_pair_word *words = record;
    uint32_t i = 0;
    for (;; i++) {
        fault->found = words[i];
        fault->expected = i < MR_PAIR_HEAD_WORDS ? head.words[i] : mr_pair_content(sequence) + i;
        if (fault->found != fault->expected || i + 1 == record_bytes / 8)
            break;
    }
    fault->sequence = sequence;
    fault->byte = i * 8;
}

// Whether to go on waiting for `looked_for`.
static bool is_patient(struct mr_pair_side *side, uint64_t looked_for, int64_t patience_ns)
{
    if (mr_load_acquire_u32(&side->shared->gave_up))
        return false;
    if (looked_for != side->looked_for || side->looks == 0) {
        side->looked_for = looked_for;
        side->looks = 0;
        side->patience_until_ns = 0;
    }
    if (++side->looks % LOOKS_PER_CLOCK != 0)
        return true;
    int64_t now_ns = mr_mono_ns();
    if (side->patience_until_ns == 0)
        side->patience_until_ns = now_ns + patience_ns;
    if (now_ns < side->patience_until_ns)
        return true;
    give_up(side, MR_PAIR_LOST)->sequence = looked_for;
    return false;
}

bool mr_pair_wait(struct mr_pair_side *side)
{
    if (side->index == 1) {
        // Pairs with the release store in run_phase.
        uint64_t total = mr_load_acquire_u64(&side->shared->total[side->phase]);
        if (total != 0 && total == side->received + 1)
            return false;
    }
    return is_patient(side, side->received, PATIENCE_NS);
}

bool mr_pair_wait_for_space(struct mr_pair_side *side)
{
    mr_cpu_relax();
    return !mr_load_acquire_u32(&side->shared->gave_up);
}

// Both sides come here before either goes on.
static bool meet(struct mr_pair_side *side)
{
    struct mr_pair_shared *shared = side->shared;
    uint64_t *own = side->index == 0 ? &shared->met_0 : &shared->met_1;
    uint64_t *other = side->index == 0 ? &shared->met_1 : &shared->met_0;
    uint64_t meetings = *own + 1;
    // Pairs with the acquire load below, of the other side.
    mr_store_release_u64(own, meetings);
    while (mr_load_acquire_u64(other) < meetings) {
        mr_cpu_relax();
        // Longer than the other side waits for a record: what it misses is what is to be said.
        if (!is_patient(side, ~meetings, 3 * PATIENCE_NS))
            return false;
    }
    return true;
}

// ---- the bare cache line

static int compare_ticks(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

// Round trips of the bare cache line. Both sides spin without a pause between looks: what is measured is
// the least that it can take.
static double probe_from_here(struct mr_pair_shared *shared, uint64_t trips)
{
    static uint64_t taken[PROBE_TRIPS_MAX];
    for (uint64_t i = 0; i < trips; i++) {
        uint64_t number = shared->there + 1, start = mr_tick();
        mr_store_release_u64(&shared->there, number);
        while (mr_load_acquire_u64(&shared->back) != number)
            ;
        taken[i] = mr_tick() - start;
    }
    qsort(taken, trips, sizeof *taken, compare_ticks);
    uint64_t median = trips / 2;
    return (double)taken[median] * mr_ns_per_tick;
}

static void probe_from_there(struct mr_pair_shared *shared, uint64_t trips)
{
    for (uint64_t number = shared->back + 1, end = number + trips; number < end; number++) {
        while (mr_load_acquire_u64(&shared->there) != number)
            ;
        mr_store_release_u64(&shared->back, number);
    }
}

static bool probe(struct mr_pair_side *side, uint64_t trips, unsigned which)
{
    if (!meet(side))
        return false;
    trips = mr_min_u64(trips, PROBE_TRIPS_MAX);
    if (side->index == 1)
        probe_from_there(side->shared, trips);
    else
        side->shared->raw_rtt_ns[which] = probe_from_here(side->shared, trips);
    return true;
}

// ---- the phases

static mr_pair_loop *loop_of(const struct mr_pair_task *task, int index)
{
    const struct mr_pair_loops *loops = task->loops;
    switch (task->part) {
    case MR_PAIR_ROUND_TRIP:
        return index == 0 ? loops->ping : loops->echo;
    case MR_PAIR_ONE_AT_A_TIME:
        return index == 0 ? loops->send_one : loops->receive_one;
    case MR_PAIR_BATCHES:
        break;
    }
    return index == 0 ? loops->send_batch : loops->receive_batch;
}

static void set_limits(const struct mr_pair_task *task, struct mr_pair_side *side, unsigned phase)
{
    uint64_t share = phase == 0 ? WARM_UP_SHARE : phase == 1 ? 1 : ONE_WAY_SHARE;
    uint64_t records = task->plan->records_max;
    if (task->part == MR_PAIR_ROUND_TRIP)
        records = mr_min_u64(task->plan->trips_max, MR_PAIR_TRIPS_MAX);
    side->phase = phase;
    side->records_max = mr_max_u64(mr_min_u64(records, RECORDS_MAX) / share, 1);
    side->deadline_tick =
        mr_tick() + (uint64_t)((double)task->plan->ns_max / (double)share / mr_ns_per_tick);
    struct mr_pair_trips *taken = &side->shared->trips[phase == 2];
    side->started = taken->started;
    side->returned = taken->returned;
    side->arrived = phase == 2 ? side->shared->arrived : NULL;
}

static bool run_phase(const struct mr_pair_task *task, struct mr_pair_side *side, unsigned phase)
{
    struct mr_pair_shared *shared = side->shared;
    if (!meet(side))
        return false;
    set_limits(task, side, phase);
    if (side->index == 0)
        shared->started_ns[phase] = mr_mono_ns();
    loop_of(task, side->index)(side);
    if (side->index == 0) {
        // Pairs with the acquire load in mr_pair_wait.
        mr_store_release_u64(&shared->total[phase], side->sent + 1);
    } else {
        shared->ended_ns[phase] = mr_mono_ns();
        shared->checked[phase] = side->received;
    }
    return !mr_load_acquire_u32(&shared->gave_up);
}

static bool broken(struct mr_pair_side *side, const struct mr_error *err)
{
    struct mr_pair_fault *fault = give_up(side, MR_PAIR_BROKEN);
    fault->code = err->code;
    snprintf(fault->text, sizeof fault->text, "%.*s", (int)sizeof fault->text - 1, err->text);
    return false;
}

bool mr_pair_live(const struct mr_pair_task *task, int index)
{
    struct mr_pair_side side = {.shared = task->shared, .index = index};
    const struct mr_pair_transport *transport = task->transport;
    struct mr_error err;
    if (!mr_pair_pin(task->plan->cores[index])) {
        mr_fail_errno(&err, MR_ERR_LIMIT, "cannot run on core %d", task->plan->cores[index]);
        return broken(&side, &err);
    }
    if (transport->join(task->state, index, &side.out, &side.in, &err) != MR_OK)
        return broken(&side, &err);
    bool good = probe(&side, task->plan->raw_trips, 0);
    for (unsigned phase = 0; good && phase < mr_pair_phases(task->part); phase++)
        good = run_phase(task, &side, phase);
    good = good && probe(&side, task->plan->raw_trips, 1);
    if (transport->leave)
        transport->leave(task->state, index);
    return good;
}
