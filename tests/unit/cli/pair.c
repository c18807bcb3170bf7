// SPDX-License-Identifier: Apache-2.0
// The harness of a pair of processes catches what a transport does wrong: it is tried on one that flips a
// bit, loses, repeats or swaps a record, at a place that a seed picks.
#include "cli/pair.h"

#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <stdio.h>
#include <string.h>

#include "cli/pair_cores.h"
#include "cli/pair_loops.h"
#include "cli/pair_rounds.h"
#include "gen/random.h"

#define SLOTS 16
#define RECORDS 1000 // measured; a tenth as many before it, which warm up
#define FIRST_MEASURED (RECORDS / 10)

enum fault { NONE, FLIP, LOSE, REPEAT, SWAP };

struct queue {
    uint64_t written __attribute__((aligned(128)));
    uint64_t read __attribute__((aligned(128)));
    uint8_t slots[SLOTS][4096] __attribute__((aligned(128)));
};

static enum fault fault;
static uint64_t fault_at, fault_bit;
static struct queue *queues; // there, back

static bool put(struct queue *queue, uint32_t bytes, uint64_t sequence, struct mr_pair_side *side)
{
    while (queue->written - mr_load_acquire_u64(&queue->read) == SLOTS)
        if (!mr_pair_wait_for_space(side))
            return false;
    uint8_t *slot = queue->slots[queue->written % SLOTS];
    mr_pair_fill(slot, bytes, sequence);
    if (fault == FLIP && sequence == fault_at)
        slot[fault_bit / 8 % bytes] ^= (uint8_t)(1 << fault_bit % 8);
    mr_store_release_u64(&queue->written, queue->written + 1);
    return true;
}

static inline bool queue_send(void *out, uint32_t bytes, uint64_t sequence, unsigned count,
                              struct mr_pair_side *side)
{
    for (unsigned i = 0; i < count; i++, sequence++) {
        uint64_t number = sequence;
        if (fault == SWAP && (number == fault_at || number == fault_at + 1))
            number = fault_at + fault_at + 1 - number;
        if (fault == LOSE && number == fault_at)
            continue;
        if (fault == REPEAT && number == fault_at && !put(out, bytes, number, side))
            return false;
        if (!put(out, bytes, number, side))
            return false;
    }
    return true;
}

static inline unsigned queue_receive(void *in, uint32_t bytes, uint64_t sequence,
                                     unsigned count_max, struct mr_pair_side *side)
{
    struct queue *queue = in;
    unsigned count = 0;
    while (count < count_max && queue->read != mr_load_acquire_u64(&queue->written)) {
        const uint8_t *slot = queue->slots[queue->read % SLOTS];
        if (!mr_pair_is_good(slot, bytes, sequence + count)) {
            mr_pair_refuse(side, slot, bytes, sequence + count);
            return count;
        }
        mr_store_release_u64(&queue->read, queue->read + 1);
        count++;
    }
    return count;
}

static inline void queue_idle(void *out)
{
    (void)out;
}

#define LOOPS(bytes) MR_PAIR_LOOPS(bytes, queue, queue_send, queue_receive, queue_idle)
LOOPS(8)
MR_PAIR_EACH_SIZE(LOOPS)
#define ROW(bytes) MR_PAIR_LOOPS_ROW(bytes, queue)
static const struct mr_pair_loops loops[] = {ROW(8) MR_PAIR_EACH_SIZE(ROW)};

static int queue_open(void **state, uint32_t record_bytes, struct mr_error *err)
{
    (void)record_bytes;
    *state = queues = mr_pair_map(2 * sizeof *queues);
    return queues ? MR_OK : mr_fail_errno(err, MR_ERR_MEMORY, "cannot map two queues");
}
static int queue_join(void *state, int side, void **out, void **in, struct mr_error *err)
{
    (void)state, (void)err;
    *out = &queues[side];
    *in = &queues[1 - side];
    return MR_OK;
}
static void queue_close(void *state)
{
    mr_pair_unmap(state, 2 * sizeof *queues);
}

static const struct mr_pair_transport queue_transport = {
    .name = "queue",
    .how = "sixteen slots",
    .open = queue_open,
    .join = queue_join,
    .close = queue_close,
    .loops = loops,
    .loops_count = MR_COUNT_OF(loops),
};

// Runs RECORDS records, of which the one at `place` of the measured ones meets the fault.
static int run(const struct mr_pair_transport *transport, uint32_t bytes, enum mr_pair_part part,
               enum fault what, uint64_t place, struct mr_pair_result *result, struct mr_error *err)
{
    struct mr_pair_plan plan = {
        .trips_max = RECORDS, .records_max = RECORDS, .ns_max = 60000000000, .raw_trips = 100};
    int level;
    if (mr_pair_choose_cores(plan.cores, &level, err) != MR_OK)
        cr_skip_test("%s", err->text);
    fault = what;
    fault_at = FIRST_MEASURED + place;
    return mr_pair_run(transport, mr_pair_loops_of(transport, bytes), part, &plan, result, err);
}

// A counter of microseconds (an emulator's) shows nothing of what takes less.
static bool ticks_are_coarse(void)
{
    uint64_t before = mr_tick(), after;
    while ((after = mr_tick()) == before)
        continue;
    return mr_ticks_to_ns((int64_t)(after - before)) >= 500;
}

// Sound transports, every part and every size: each record is measured, none is complained about.
static void check_sound(const struct mr_pair_transport *transport)
{
    static struct mr_pair_result result;
    struct mr_error err;
    for (unsigned i = 0; i < transport->loops_count; i++)
        for (int part = MR_PAIR_ROUND_TRIP; part <= MR_PAIR_BATCHES; part++) {
            uint32_t bytes = transport->loops[i].record_bytes;
            int code = run(transport, bytes, (enum mr_pair_part)part, NONE, 0, &result, &err);
            cr_assert_eq(code, MR_OK, "%s", err.text);
            cr_assert_eq(result.records, RECORDS, "%s, %u bytes", transport->name, bytes);
            cr_assert_gt(result.ns, 0);
            cr_assert(result.raw_rtt_ns[0] > 0 || ticks_are_coarse());
            cr_assert(result.raw_rtt_ns[1] > 0 || ticks_are_coarse());
            bool trips = part == MR_PAIR_ROUND_TRIP;
            cr_assert_eq(result.round_trip_ns.count, trips ? RECORDS : 0);
            cr_assert_eq(result.one_way_ns.count, trips ? RECORDS : 0); // half as many, two ways
        }
}

Test(pair, a_sound_transport_passes)
{
    check_sound(&queue_transport);
}
Test(pair, the_ring_passes)
{
    check_sound(&mr_pair_millrace);
}
Test(pair, the_limits_pass)
{
    check_sound(&mr_pair_copy);
    check_sound(&mr_pair_handling);
}

// What was wrong is named: which record, and that it is the one that a fault met.
static void check_fault(enum fault what, uint64_t seed)
{
    static struct mr_pair_result result;
    struct mr_random random;
    struct mr_error err;
    char expected[64];
    mr_random_seed(&random, seed);
    for (unsigned i = 0; i < MR_COUNT_OF(loops); i++)
        for (int part = MR_PAIR_ROUND_TRIP; part <= MR_PAIR_BATCHES; part++) {
            // A round trip that is lost is waited for: once is enough.
            if (what == LOSE && part == MR_PAIR_ROUND_TRIP && i > 0)
                continue;
            fault_bit = mr_random_below(&random, loops[i].record_bytes * 8);
            uint64_t place = mr_random_below(&random, RECORDS - 1);
            int code = run(&queue_transport, loops[i].record_bytes, (enum mr_pair_part)part, what,
                           place, &result, &err);
            cr_assert_eq(code, MR_ERR_CORRUPT, "seed %llu", (unsigned long long)seed);
            snprintf(expected, sizeof expected, "queue: record %llu",
                     (unsigned long long)(fault_at + (what == REPEAT)));
            cr_assert(strstr(err.text, expected), "found '%s', expected '%s'", err.text, expected);
        }
}

Test(pair, a_flipped_bit_is_caught)
{
    for (uint64_t seed = 1; seed <= 10; seed++)
        check_fault(FLIP, seed);
}
Test(pair, a_lost_record_is_caught)
{
    check_fault(LOSE, 11);
}
Test(pair, a_repeated_record_is_caught)
{
    check_fault(REPEAT, 12);
}
Test(pair, swapped_records_are_caught)
{
    check_fault(SWAP, 13);
}

Test(pair, the_last_record_lost_is_caught)
{
    static struct mr_pair_result result;
    struct mr_error err;
    int code = run(&queue_transport, 64, MR_PAIR_BATCHES, LOSE, RECORDS - 1, &result, &err);
    cr_assert_eq(code, MR_ERR_CORRUPT);
    cr_assert_str_eq(err.text, "queue: record 1099 did not come");
}

// ---- what may be compared

static struct mr_pair_cell cells[2];

static void note(struct mr_pair_cell *cell, double value, double raw_before, double raw_after)
{
    cell->value[cell->rounds] = value;
    cell->raw_rtt_ns[cell->rounds][0] = raw_before;
    cell->raw_rtt_ns[cell->rounds++][1] = raw_after;
}

static struct mr_pair_rounds judge(enum mr_pair_part first, enum mr_pair_part second)
{
    struct mr_pair_rounds rounds = {0};
    struct mr_error err;
    cells[0].part = first;
    cells[1].part = second;
    cr_assert_eq(mr_pair_rounds_judge(&rounds, cells, 2, &err), MR_OK);
    return rounds;
}

Test(pair_rounds, rates_of_another_regime_are_left_out)
{
    memset(cells, 0, sizeof cells);
    note(&cells[0], 200, 100, 100);
    note(&cells[0], 900, 450, 440); // the machine was another
    note(&cells[0], 260, 120, 140); // within the regime is enough: no ratio is taken to these
    note(&cells[0], 300, 130, 500); // it became another meanwhile
    note(&cells[1], 50, 110, 110);
    note(&cells[1], 70, 60, 110); // faster is another, too
    struct mr_pair_rounds rounds = judge(MR_PAIR_BATCHES, MR_PAIR_ONE_AT_A_TIME);
    cr_assert_eq(rounds.measured, 6);
    cr_assert_eq(rounds.kept, 3);
    cr_assert_eq(cells[0].kept, 2);
    cr_assert_eq(cells[0].kept_value.min, 200);
    cr_assert_eq(cells[0].kept_value.median, 230);
    cr_assert_eq(cells[0].kept_value.max, 260);
    cr_assert_eq(cells[1].kept, 1);
    cr_assert_eq(cells[1].kept_value.median, 50);
    cr_assert_eq(rounds.raw_rtt_ns.min, 60);
    cr_assert_eq(rounds.raw_rtt_ns.max, 500);
    cr_assert_eq(rounds.regime_from_ns, 100);
    cr_assert_eq(rounds.regime_rtt_ns, 110);
}

// The median of these probes is 150, and near none of them but one.
Test(pair_rounds, the_regime_is_no_place_between_two_modes)
{
    memset(cells, 0, sizeof cells);
    note(&cells[0], 1, 70, 75);
    note(&cells[0], 2, 600, 610);
    note(&cells[0], 3, 72, 150);
    note(&cells[1], 4, 74, 73);
    note(&cells[1], 5, 620, 600);
    note(&cells[1], 6, 640, 76);
    struct mr_pair_rounds rounds = judge(MR_PAIR_BATCHES, MR_PAIR_BATCHES);
    cr_assert_eq(rounds.regime_from_ns, 70);
    cr_assert_eq(rounds.kept, 2);
    cr_assert_eq(cells[0].kept_value.median, 1);
    cr_assert_eq(cells[1].kept_value.median, 4);
}

Test(pair_rounds, round_trips_are_kept_by_their_own_two_probes)
{
    memset(cells, 0, sizeof cells);
    note(&cells[0], 105, 100, 100);
    note(&cells[0], 660, 600, 600); // far from all others, and as good
    note(&cells[0], 250, 100, 114); // up to 15 %
    note(&cells[0], 131, 116, 100);
    note(&cells[0], 131, 100, 116);
    note(&cells[0], 140, 70, 651);
    for (unsigned i = 0; i < 4; i++)
        note(&cells[1], 1e8, 100, 100);
    struct mr_pair_rounds rounds = judge(MR_PAIR_ROUND_TRIP, MR_PAIR_BATCHES);
    cr_assert_eq(cells[0].kept, 3);
    cr_assert_float_eq(cells[0].kept_ratio.min, 1.05, 1e-9);
    cr_assert_float_eq(cells[0].kept_ratio.median, 1.1, 1e-9);
    cr_assert_float_eq(cells[0].kept_ratio.max, 250 / 107.0, 1e-9); // to the mean of the two
    cr_assert_eq(cells[0].kept_raw_rtt_ns.median, 107);
    cr_assert_eq(cells[0].kept_value.median, 250);
    cr_assert_eq(rounds.kept, 7);
}

Test(pair_rounds, fewer_than_five_decide_nothing)
{
    memset(cells, 0, sizeof cells);
    for (unsigned i = 0; i < 4; i++)
        note(&cells[0], 105, 100, 100);
    judge(MR_PAIR_ROUND_TRIP, MR_PAIR_BATCHES);
    cr_assert_str_eq(mr_pair_why_unjudged(&cells[0]), "too few rounds to judge");
    note(&cells[0], 105, 100, 300);
    judge(MR_PAIR_ROUND_TRIP, MR_PAIR_BATCHES);
    cr_assert_str_eq(mr_pair_why_unjudged(&cells[0]), "too unsteady to judge");
    note(&cells[0], 105, 100, 100);
    judge(MR_PAIR_ROUND_TRIP, MR_PAIR_BATCHES);
    cr_assert_null(mr_pair_why_unjudged(&cells[0]));
    judge(MR_PAIR_BATCHES, MR_PAIR_BATCHES);
    cr_assert_null(mr_pair_why_unjudged(&cells[0]));
    cr_assert_not_null(mr_pair_why_unjudged(&cells[1])); // nothing was measured
}

Test(pair_cores, lists_of_cores_as_the_system_writes_them)
{
    cr_assert(mr_pair_core_is_listed("0-1\n", 1));
    cr_assert(mr_pair_core_is_listed("0,2,8-15\n", 8));
    cr_assert(mr_pair_core_is_listed("7", 7));
    cr_assert_not(mr_pair_core_is_listed("0,2,8-15\n", 7));
    cr_assert_not(mr_pair_core_is_listed("", 0));
    cr_assert_not(mr_pair_core_is_listed("x", 0));
}
