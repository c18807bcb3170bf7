// SPDX-License-Identifier: Apache-2.0
// How a stage waits and stops: for input, for room, for the one before it that is gone; what it says meanwhile, and
// what it leaves undone.
#include <criterion/criterion.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/pipeline/stage_private.h"
#include "tests/support/counting_stage.h"

#define MS 1000000LL

static struct counting_run run;
static struct mr_stage stage, producer;
static struct mr_error err;

static void set_up(void)
{
    counting_run_open(&run, 20, 5);
}
static void tear_down(void)
{
    counting_run_close(&run);
}
TestSuite(stage_stop, .init = set_up, .fini = tear_down, .timeout = 60);

static void open_as(struct mr_stage *which, enum mr_role role)
{
    cr_assert_eq(mr_stage_open(which, &run.pipeline, role, &err), MR_OK, "%s", err.text);
}

static void ask(uint32_t what)
{
    mr_store_release_u32(&stage.shared->gauges.drain_asked, what);
}

static void beat(void)
{
    usleep(12000); // a beat looks at most every 10 ms
    mr_stage_beat(&stage);
}

// Until the ring is full, published.
static void fill_ring(void)
{
    while (mr_claim(&stage.writers[MR_PORT_MAIN], 4096))
        mr_stage_emit(&stage, MR_PORT_MAIN);
    mr_stage_commit(&stage);
}

// ---- who stops when

Test(stage_stop, a_producer_drains_when_it_is_told_to)
{
    open_as(&stage, MR_ROLE_PRODUCER);
    cr_expect_not(mr_stage_is_stopping(&stage));
    ask(77);
    cr_expect_not(mr_stage_is_stopping(&stage), "nobody asks for that");
    ask(MR_STOP_DRAIN);
    cr_expect(mr_stage_is_stopping(&stage));
    cr_expect_not(mr_stage_is_halted(&stage));
    ask(MR_STOP_HALT);
    cr_expect(mr_stage_is_stopping(&stage));
    ask(MR_STOP_NONE);
    cr_expect(mr_stage_is_stopping(&stage), "once halted, halted");
    mr_stage_set_phase(&stage, MR_PHASE_DRAINING);
    mr_stage_close(&stage, MR_OK, NULL);
}

Test(stage_stop, a_transform_drains_only_where_the_producer_is_gone)
{
    open_as(&producer, MR_ROLE_PRODUCER);
    open_as(&stage, MR_ROLE_TRANSFORM);
    ask(MR_STOP_DRAIN);
    cr_expect_not(mr_stage_is_stopping(&stage));
    mr_stage_detach(&producer);
    cr_expect_not(mr_stage_is_stopping(&stage), "asked every 50 ms");
    usleep(60000);
    cr_expect(mr_stage_is_stopping(&stage));
    mr_stage_detach(&stage);
}

Test(stage_stop, a_transform_of_several_drains_only_where_all_producers_are_gone)
{
    static struct mr_stage second;
    run.pipeline.source_count = 2;
    open_as(&producer, MR_ROLE_PRODUCER);
    open_as(&second, MR_ROLE_PRODUCER_2);
    open_as(&stage, MR_ROLE_TRANSFORM);
    cr_assert_eq(stage.reader_count, 2);
    ask(MR_STOP_DRAIN);
    mr_stage_detach(&producer);
    usleep(60000);
    cr_expect_not(mr_stage_is_stopping(&stage));
    mr_store_release_u32(&second.shared->gauges.drain_asked, MR_STOP_DRAIN);
    cr_expect(mr_stage_is_stopping(&second), "a producer waits for nobody");
    mr_stage_detach(&second);
    usleep(60000);
    cr_expect(mr_stage_is_stopping(&stage));
    mr_stage_detach(&stage);
}

// ---- waiting

Test(stage_stop, waits_are_short_and_are_counted)
{
    open_as(&stage, MR_ROLE_TRANSFORM);
    int64_t start_ns = mr_mono_ns();
    for (unsigned i = 0; i < 3; i++)
        mr_stage_wait(&stage, MR_WAIT_INPUT, 3600 * 1000 * MS);
    mr_stage_wait(&stage, MR_WAIT_DEVICE, 3600 * 1000 * MS);
    mr_stage_wait(&stage, MR_WAIT_DEVICE, 5 * MS);
    cr_expect_lt(mr_mono_ns() - start_ns, 20000 * MS);
    cr_expect_eq(stage.waits.why, MR_WAIT_DEVICE);
    cr_assert_not_null(mr_stage_claim(&stage, MR_PORT_MAIN, 64));
    mr_stage_emit(&stage, MR_PORT_MAIN);
    stage.origin_tick = mr_tick();
    mr_stage_commit(&stage);
    cr_expect_eq(stage.waits.why, MR_WAIT_NOTHING);
    cr_expect_geq(stage.shared->gauges.waited_ns[MR_WAIT_DEVICE], 50 * MS);
    cr_expect_eq(stage.shared->gauges.wait_version % 2, 0);
    mr_stage_close(&stage, MR_OK, NULL);
}

Test(stage_stop, a_first_stage_waits_for_a_while_or_for_a_descriptor)
{
    int ends[2];
    cr_assert_eq(pipe(ends), 0);
    open_as(&stage, MR_ROLE_PRODUCER);
    mr_stage_wait(&stage, MR_WAIT_INPUT, MS);
    int64_t start_ns = mr_mono_ns();
    mr_stage_wait_readable(&stage, ends[0], 3600 * 1000 * MS);
    cr_expect_geq(mr_mono_ns() - start_ns, 49 * MS, "nothing comes");
    mr_stage_wait_readable(&stage, ends[0], MS);
    cr_assert_eq(write(ends[1], "x", 1), 1);
    mr_stage_wait_readable(&stage, ends[0], MS);
    cr_expect_eq(stage.shared->gauges.waiting_for, MR_WAIT_INPUT);
    mr_stage_close(&stage, MR_OK, NULL);
}

static void *read_later(void *unused)
{
    struct mr_ring ring;
    struct mr_reader reader;
    uint32_t length;
    (void)unused;
    cr_assert_eq(mr_ring_attach(&ring, stage.rings[MR_RING_INGRESS].segment.path,
                                MR_ATTACH_READ_WRITE, NULL),
                 MR_OK);
    mr_reader_open(&reader, &ring);
    usleep(120000);
    for (unsigned i = 0; i < 4; i++)
        mr_next(&reader, &length);
    mr_release(&reader, reader.position, NULL);
    mr_ring_detach(&ring);
    return NULL;
}

Test(stage_stop, a_full_ring_is_waited_for)
{
    pthread_t thread;
    open_as(&stage, MR_ROLE_PRODUCER);
    fill_ring();
    pthread_create(&thread, NULL, read_later, NULL);
    cr_expect_not_null(mr_stage_claim(&stage, MR_PORT_MAIN, 4096));
    pthread_join(thread, NULL);
    cr_expect_eq(stage.waits.why, MR_WAIT_NOTHING);
    cr_expect_gt(stage.shared->gauges.waited_ns[MR_WAIT_OUTPUT], 0);
    cr_expect_gt(stage.shared->gauges.used_bytes_max[MR_PORT_MAIN], MR_RING_CAPACITY_MIN / 2);
    mr_stage_close(&stage, MR_OK, NULL);
}

Test(stage_stop, a_halt_ends_the_wait_for_room)
{
    open_as(&stage, MR_ROLE_PRODUCER);
    fill_ring();
    ask(MR_STOP_HALT);
    cr_expect_null(mr_stage_claim(&stage, MR_PORT_MAIN, 4096));
    cr_expect(stage.halted);
    cr_expect_eq(stage.problem.code, MR_OK, "it was told to");
    cr_expect_eq(mr_stage_close(&stage, MR_OK, NULL), MR_ERR_STAGE);
}

static void expect_damage_on_claim(void)
{
    stage.writers[MR_PORT_MAIN].ring->reader_line->read_pos = 1ULL << 40;
    cr_expect_null(mr_stage_claim(&stage, MR_PORT_MAIN, 4096));
    cr_expect(stage.halted);
    cr_expect_eq(stage.problem.code, MR_ERR_CORRUPT);
    cr_expect_eq(mr_stage_close(&stage, MR_OK, NULL), MR_ERR_CORRUPT);
}

Test(stage_stop, damage_ends_the_wait_for_room)
{
    open_as(&stage, MR_ROLE_PRODUCER);
    fill_ring();
    expect_damage_on_claim();
}

Test(stage_stop, damage_is_no_full_ring_that_drops)
{
    run.pipeline.rings[MR_RING_INGRESS].full_policy = MR_FULL_DROP_NEWEST;
    open_as(&stage, MR_ROLE_PRODUCER);
    fill_ring();
    expect_damage_on_claim();
}

Test(stage_stop, lengths_that_no_ring_takes_are_not_waited_for)
{
    open_as(&stage, MR_ROLE_PRODUCER);
    cr_expect_null(mr_stage_claim(&stage, MR_PORT_MAIN, MR_RING_CAPACITY_MIN / 4 + 1));
    cr_expect_null(mr_stage_claim(&stage, MR_PORT_MAIN, MR_ENVELOPE_BYTES - 1));
    cr_expect_not(stage.halted);
    mr_stage_close(&stage, MR_OK, NULL);
}

// ---- what a drain waits for is said once

static void wait_in_a_drain(enum mr_wait_for why)
{
    mr_stage_wait(&stage, why, MS);
    stage.waits.since_ns -= 1000 * MS;
    beat();
}

Test(stage_stop, a_drain_says_what_it_waits_for)
{
    open_as(&stage, MR_ROLE_PRODUCER);
    wait_in_a_drain(MR_WAIT_DEVICE);
    cr_expect_not(stage.drain_waits_said, "nobody asked");
    ask(MR_STOP_DRAIN);
    wait_in_a_drain(MR_WAIT_INPUT);
    cr_expect_not(stage.drain_waits_said, "that is what a drain ends");
    mr_stage_wait(&stage, MR_WAIT_OUTPUT, MS);
    beat();
    cr_expect_not(stage.drain_waits_said, "not yet");
    wait_in_a_drain(MR_WAIT_OUTPUT);
    cr_expect(stage.drain_waits_said);
    beat();
    stage.drain_waits_said = false;
    wait_in_a_drain(MR_WAIT_DEVICE);
    cr_expect(stage.drain_waits_said);
    mr_stage_close(&stage, MR_OK, NULL);
}

// ---- room, of which output?

static void *read_dead_letters(void *unused)
{
    struct mr_reader reader;
    const struct mr_stage_gauges *gauges = &stage.shared->gauges;
    uint32_t length;
    (void)unused;
    mr_reader_open(&reader, &stage.rings[MR_RING_DEAD_PRODUCER]);
    while (mr_load_acquire_u32(&gauges->waiting_port) != MR_PORT_DEAD) // else the test ends in time
        usleep(1000);
    while (mr_next(&reader, &length))
        continue;
    mr_release(&reader, reader.position, NULL);
    return NULL;
}

Test(stage_stop, who_looks_sees_which_output_is_full)
{
    static uint8_t raw[MR_RING_CAPACITY_MIN];
    pthread_t thread;
    open_as(&stage, MR_ROLE_PRODUCER);
    while (mr_claim(&stage.writers[MR_PORT_DEAD], 4096))
        mr_stage_emit(&stage, MR_PORT_DEAD);
    mr_stage_commit(&stage);
    mr_stage_wait(&stage, MR_WAIT_OUTPUT, MS);
    cr_expect_eq(stage.shared->gauges.waiting_port, MR_PORT_MAIN);
    pthread_create(&thread, NULL, read_dead_letters, NULL);
    mr_stage_reject(&stage, MR_REASON_BAD_VALUE, 1, 2, raw, 3900, "waits");
    pthread_join(thread, NULL);
    cr_expect_eq(stage.now.rejected[MR_REASON_BAD_VALUE], 1);
    cr_expect_eq(stage.shared->gauges.waiting_for, MR_WAIT_NOTHING);
    mr_stage_close(&stage, MR_OK, NULL);
}

// ---- dead letters, the end, and those who look

Test(stage_stop, a_letter_says_how_long_it_was_and_is_cut)
{
    static uint8_t raw[MR_RING_CAPACITY_MIN];
    open_as(&stage, MR_ROLE_PRODUCER);
    mr_stage_reject(&stage, MR_REASON_BAD_VALUE, 1, 2, raw, (size_t)UINT32_MAX + 7, "too long");
    cr_expect_eq(stage.now.rejected[MR_REASON_BAD_VALUE], 1);
    ask(MR_STOP_HALT);
    while (!stage.halted)
        mr_stage_reject(&stage, MR_REASON_BAD_VALUE, 1, 2, raw, sizeof raw, "too many");
    uint64_t rejected = stage.now.rejected[MR_REASON_BAD_VALUE];
    mr_stage_reject(&stage, MR_REASON_BAD_VALUE, 1, 2, raw, sizeof raw, "halted");
    cr_expect_eq(stage.now.rejected[MR_REASON_BAD_VALUE], rejected, "none was written");
    mr_stage_close(&stage, MR_OK, NULL);
}

Test(stage_stop, a_failure_without_words)
{
    struct mr_stage_layout *page;
    struct mr_segment segment;
    open_as(&stage, MR_ROLE_PRODUCER);
    cr_expect_eq(mr_stage_close(&stage, MR_ERR_INPUT, NULL), MR_ERR_INPUT);
    cr_assert_eq(mr_stage_attach_page(&run.pipeline, MR_ROLE_PRODUCER, MR_ATTACH_READ_ONLY,
                                      &segment, &page, &err),
                 MR_OK);
    cr_expect_eq(page->gauges.phase, MR_PHASE_FAILED);
    cr_expect_eq(page->gauges.exit_code, MR_ERR_INPUT);
    cr_expect_str_empty(page->gauges.failure);
    mr_segment_detach(&segment);
}

Test(stage_stop, gauges_of_one_that_stopped_within_a_change_are_taken_as_they_are)
{
    static struct mr_stage_gauges gauges;
    open_as(&stage, MR_ROLE_PRODUCER);
    stage.shared->gauges.wait_version = 7;
    stage.shared->gauges.waiting_port = 3;
    memset(stage.shared->gauges.failure, 'x', sizeof stage.shared->gauges.failure);
    mr_stage_copy_gauges(stage.shared, &gauges);
    cr_expect_eq(gauges.waiting_port, 3);
    cr_expect_eq(strlen(gauges.failure), sizeof gauges.failure - 1);
    mr_stage_close(&stage, MR_OK, NULL);
}
