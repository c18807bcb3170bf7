// SPDX-License-Identifier: Apache-2.0
// What nothing on a record's way would notice, a stage's heartbeat does: words of its own that another process
// has written, and a partner's that cannot be.
#include <criterion/criterion.h>
#include <string.h>
#include <unistd.h>

#include "tests/support/counting_stage.h"

static struct counting_run run;
static struct mr_stage stage;
static struct mr_error err;

static void open_fixture(void)
{
    counting_run_open(&run, 0, 1);
    cr_assert_eq(mr_stage_open(&stage, &run.pipeline, MR_ROLE_TRANSFORM, &err), MR_OK, "%s",
                 err.text);
}
static void close_fixture(void)
{
    stage.halted = true; // nothing is published any more
    mr_stage_close(&stage, MR_OK, NULL);
    counting_run_close(&run);
}
TestSuite(damage, .init = open_fixture, .fini = close_fixture, .timeout = 60);

static void beat(void)
{
    usleep(12000); // a beat looks at most every 10 ms
    mr_stage_beat(&stage);
}

static void expect_noticed(const char *words)
{
    cr_expect_not(stage.halted, "%s", words);
    beat();
    cr_expect(stage.halted, "%s", words);
    cr_expect_eq(stage.problem.code, MR_ERR_CORRUPT, "%s", words);
    cr_expect_not_null(strstr(stage.problem.text, words), "'%s' says nothing of '%s'",
                       stage.problem.text, words);
    stage.halted = false;
    stage.problem.code = MR_OK;
    stage.writers[0].corrupt = stage.readers[0].corrupt = false;
    stage.writers[0].bad_own_words = stage.readers[0].bad_read_pos = false;
}

static struct mr_ring *ring(enum mr_ring_index index)
{
    return &stage.rings[index];
}

Test(damage, none_is_found_where_there_is_none)
{
    beat();
    beat();
    cr_expect_not(stage.halted, "%s", stage.problem.text);
}

Test(damage, own_words_of_a_writer)
{
    ring(MR_RING_EGRESS)->writer_line->write_pos = 64;
    expect_noticed("found write position 64");
    ring(MR_RING_EGRESS)->writer_line->write_pos = 0;
    ring(MR_RING_EGRESS)->news->closed = 1;
    expect_noticed("closed 1");
    ring(MR_RING_EGRESS)->news->closed = 0;
    ring(MR_RING_EGRESS)->news->horizon = 1;
    expect_noticed("horizon 1");
}

Test(damage, the_partners_cursors)
{
    ring(MR_RING_EGRESS)->reader_line->read_pos = 8;
    expect_noticed("found read position 8");
    ring(MR_RING_EGRESS)->reader_line->read_pos = 0;
    ring(MR_RING_INGRESS)->writer_line->write_pos = 128; // and no record there
    expect_noticed("found record length 0");
}

Test(damage, own_words_of_a_reader_and_a_stage)
{
    ring(MR_RING_INGRESS)->reader_line->read_pos = 4096;
    expect_noticed("found read position 4096");
    ring(MR_RING_INGRESS)->reader_line->read_pos = 0;
    stage.shared->epoch = 99;
    expect_noticed("found epoch 99");
    stage.shared->epoch = stage.epoch;
    stage.shared->gauges.drain_asked = 77;
    expect_noticed("found 77 asked for");
}

Test(damage, gauges_are_set_right)
{
    mr_stage_set_phase(&stage, MR_PHASE_RUNNING);
    stage.shared->gauges.phase = 1234;
    stage.shared->gauges.waiting_for = 77;
    ring(MR_RING_EGRESS)->writer_sleep->asleep = 1;
    beat();
    cr_expect_not(stage.halted);
    cr_expect_eq(stage.shared->gauges.phase, MR_PHASE_RUNNING);
    cr_expect_eq(stage.shared->gauges.waiting_for, MR_WAIT_NOTHING);
    cr_expect_eq(ring(MR_RING_EGRESS)->writer_sleep->asleep, 0);
}

// Who waits for this stage's description would wait for ever.
Test(damage, a_description_stays_one)
{
    beat();
    cr_expect_eq(ring(MR_RING_EGRESS)->news->schemas_ready, 0, "none was given yet");
    cr_assert_eq(mr_stage_describe(&stage, &err), MR_OK, "%s", err.text);
    ring(MR_RING_EGRESS)->news->schemas_ready = 0;
    ring(MR_RING_DEAD_TRANSFORM)->news->schemas_ready = 77;
    beat();
    cr_expect_not(stage.halted);
    cr_expect_eq(ring(MR_RING_EGRESS)->news->schemas_ready, 1);
    cr_expect_eq(ring(MR_RING_DEAD_TRANSFORM)->news->schemas_ready, 1);
}

// What follows from the first damage is not told in its place.
Test(damage, the_first_is_told)
{
    stage.shared->epoch = 99;
    beat();
    cr_assert(stage.halted);
    stage.shared->epoch = stage.epoch;
    stage.shared->gauges.drain_asked = 77;
    mr_stage_set_phase(&stage, MR_PHASE_RUNNING);
    stage.shared->gauges.phase = 1234;
    beat();
    cr_expect_not_null(strstr(stage.problem.text, "found epoch 99"), "%s", stage.problem.text);
    cr_expect_eq(stage.shared->gauges.phase, MR_PHASE_RUNNING, "who looks still sees what is so");
    stage.shared->gauges.drain_asked = 0;
}

// What a restart finds: a slot with positions that cannot be.
Test(damage, a_committed_slot)
{
    static const uint64_t positions[] = {8 + 4, 1ULL << 40, UINT64_MAX - 7};
    stage.now.counts[MR_COUNT_IN] = stage.now.counts[MR_COUNT_FILTERED] =
        1; // else nothing is to be resumed
    mr_stage_commit(&stage);
    for (size_t i = 0; i < 2 * MR_COUNT_OF(positions); i++) {
        struct mr_stage again;
        struct mr_stage_slot *slot = &stage.shared->slots[stage.shared->epoch & 1];
        uint64_t *word = i % 2 ? &slot->in_pos[0] : &slot->out_pos[0];
        uint64_t before = *word;
        *word = positions[i / 2];
        mr_segment_detach(&stage.segment);
        cr_expect_eq(mr_stage_open(&again, &run.pipeline, MR_ROLE_TRANSFORM, &err), MR_ERR_CORRUPT,
                     "%zu: %s", i, err.text);
        cr_expect_not_null(strstr(err.text, "is not one that can have been reached"), "%s",
                           err.text);
        cr_assert_eq(mr_stage_attach_page(&run.pipeline, MR_ROLE_TRANSFORM, MR_ATTACH_READ_WRITE,
                                          &stage.segment, &stage.shared, &err),
                     MR_OK);
        slot = &stage.shared->slots[stage.shared->epoch & 1];
        *(i % 2 ? &slot->in_pos[0] : &slot->out_pos[0]) = before;
    }
}
