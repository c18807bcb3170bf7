// SPDX-License-Identifier: Apache-2.0
// Records of several inputs by event time: the order, whose turn lasts how long, and what is waited for.
#include "consumers/transform/merge.h"

#include <criterion/criterion.h>

#include "tests/support/ring_fixture.h"

#define INPUTS 3

static struct ring_fixture inputs[INPUTS];
static struct mr_reader readers[INPUTS];
static struct mr_lookahead ahead[INPUTS];
static bool whole[INPUTS];
static struct mr_turn turn;

static void set_up(void)
{
    for (unsigned i = 0; i < INPUTS; i++) {
        ring_fixture_open(&inputs[i], (struct mr_ring_options){0});
        readers[i] = inputs[i].reader;
        ahead[i] = (struct mr_lookahead){0};
        whole[i] = false;
    }
}

static void tear_down(void)
{
    for (unsigned i = 0; i < INPUTS; i++)
        ring_fixture_close(&inputs[i]);
}

TestSuite(merge, .init = set_up, .fini = tear_down);

static void put(unsigned input, int64_t time_ns)
{
    struct mr_writer *writer = &inputs[input].writer;
    struct mr_record *record = mr_claim(writer, MR_ENVELOPE_BYTES);
    cr_assert_not_null(record);
    memset((uint8_t *)record + 8, 0, MR_ENVELOPE_BYTES - 8);
    record->schema_id = MR_SCHEMA_ID_DECLARED;
    record->event_time_ns = time_ns;
    mr_commit(writer);
    mr_publish(writer, 0);
}

static void end(unsigned input)
{
    mr_writer_close(&inputs[input].writer);
}

// Who has ended was not stopped.
static bool next(void)
{
    for (;;) {
        if (mr_merge_next(ahead, readers, INPUTS, whole, NULL, &turn))
            return true;
        if (turn.input == INPUTS || !mr_reader_at_end(&readers[turn.input]))
            return false;
        whole[turn.input] = true;
    }
}

static void expect_turn(unsigned input, unsigned records)
{
    const struct mr_upcoming *upcoming;
    unsigned taken = 0;
    cr_assert(next());
    cr_expect_eq(turn.input, input, "input %u", turn.input);
    while ((upcoming = mr_lookahead_peek(&ahead[input], &readers[input], NULL)) != NULL &&
           mr_turn_has(&turn, upcoming->record)) {
        ahead[input].first++;
        taken++;
    }
    cr_expect_eq(taken, records, "%u records", taken);
}

Test(merge, the_earliest_is_next_and_goes_on_until_anothers_is)
{
    for (unsigned i = 0; i < 4; i++)
        put(0, 10 + i); // 10 11 12 13
    put(1, 12);
    put(2, 11);
    put(2, 20);
    for (unsigned i = 0; i < INPUTS; i++)
        end(i);
    expect_turn(0, 2); // 10, and 11 before that of a higher input
    expect_turn(2, 1); // 11
    expect_turn(0, 1); // 12
    expect_turn(1, 1); // 12
    expect_turn(0, 1); // 13
    expect_turn(2, 1); // 20
    cr_expect_not(next());
    cr_expect_eq(turn.input, INPUTS, "all have ended");
}

Test(merge, an_input_that_shows_nothing_is_waited_for)
{
    put(0, 10);
    put(2, 5);
    cr_expect_not(next());
    cr_expect_eq(turn.input, 1);
    put(1, 7);
    expect_turn(2, 1); // 5
    cr_expect_not(next(), "the next of input 2 may be before 7");
    cr_expect_eq(turn.input, 2);
    end(2);
    expect_turn(1, 1); // 7
    end(1);
    expect_turn(0, 1);
}

Test(merge, an_input_that_was_stopped_is_the_end)
{
    put(0, 10);
    put(1, 7);
    put(2, 5);
    cr_assert(next());
    ahead[2].first++;
    end(2);
    cr_expect_not(mr_merge_next(ahead, readers, INPUTS, whole, NULL, &turn));
    cr_expect_eq(turn.input, 2, "it might have had more before 7");
}

Test(merge, the_latest_and_the_earliest_times_there_are)
{
    put(0, INT64_MAX);
    put(1, INT64_MIN);
    put(2, INT64_MAX);
    for (unsigned i = 0; i < INPUTS; i++)
        end(i);
    expect_turn(1, 1);
    expect_turn(0, 1);
    expect_turn(2, 1);
}

Test(merge, a_damaged_input_is_named)
{
    put(0, 1);
    put(1, 1);
    *(uint32_t *)(void *)inputs[2].ring.data = 3; // no record is that short
    cr_expect_not(next());
    cr_expect_eq(turn.input, 2);
    cr_expect(readers[2].corrupt);
}

// However the records of the inputs come, they leave in the same order.
Test(merge, the_order_follows_from_the_inputs_alone)
{
    int64_t times[INPUTS] = {0};
    unsigned left[INPUTS] = {300, 300, 300}, taken = 0;
    uint64_t chance = 88172645463325252ULL;
    int64_t last_ns = -1;
    unsigned last_input = 0;
    while (taken < 900) {
        chance ^= chance << 13, chance ^= chance >> 7, chance ^= chance << 17; // xorshift64
        unsigned input = (unsigned)(chance % INPUTS);
        if (left[input] > 0) {
            times[input] += (int64_t)(chance >> 32) % 3;
            put(input, times[input]);
            if (--left[input] == 0)
                end(input);
        }
        while (next()) {
            const struct mr_record *record =
                mr_lookahead_next(&ahead[turn.input], &readers[turn.input], NULL)->record;
            cr_assert(record->event_time_ns > last_ns ||
                      (record->event_time_ns == last_ns && turn.input >= last_input));
            last_ns = record->event_time_ns;
            last_input = turn.input;
            taken++;
        }
    }
}
