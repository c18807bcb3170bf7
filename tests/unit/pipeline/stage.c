// SPDX-License-Identifier: Apache-2.0
// A stage that dies anywhere loses nothing and repeats nothing. Children kill themselves at every
// step between two calls (at every instruction: tests/faults/singlestep.c).
#include <criterion/criterion.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/pipeline/rundir.h"
#include "tests/support/counting_stage.h"

static struct counting_run run;
static struct mr_error err;

static void open_fixture(void)
{
    counting_run_open(&run, 120, 7);
}
static void close_fixture(void)
{
    counting_run_close(&run);
}
TestSuite(stage, .init = open_fixture, .fini = close_fixture, .timeout = 120);

static void live_on(void *unused)
{
    (void)unused;
}

static void die_at_zero(void *countdown)
{
    if ((*(uint64_t *)countdown)-- == 0)
        kill(getpid(), SIGKILL);
}

typedef int counting_stage(const struct counting_run *run, counting_point *point, void *context,
                           struct mr_error *err);

// Runs the stage in a child that dies at its `steps`-th point. True: it got to its end.
static bool child_finished(counting_stage *stage, uint64_t steps)
{
    pid_t child = fork();
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        struct mr_error child_err = {0};
        int code = stage(&run, die_at_zero, &steps, &child_err);
        if (code != MR_OK)
            fprintf(stderr, "the child failed: %s\n", child_err.text);
        _exit(code);
    }
    int status;
    waitpid(child, &status, 0);
    cr_assert((WIFEXITED(status) && WEXITSTATUS(status) == 0) ||
                  (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL),
              "wait status 0x%x", status);
    return WIFEXITED(status);
}

static void expect_committed(enum mr_role role, uint64_t records)
{
    struct mr_stage_slot slot;
    uint8_t state[COUNTING_STATE_BYTES];
    cr_assert_eq(counting_look(&run, role, &slot, state, &err), MR_OK, "%s", err.text);
    cr_expect_eq(slot.counts[MR_COUNT_IN], records, "in %lu", slot.counts[MR_COUNT_IN]);
    cr_expect_eq(slot.counts[MR_COUNT_OUT], records);
    cr_expect_eq(slot.counts[MR_COUNT_EMITTED], records);
    cr_expect_eq(slot.out_by_schema[0], records);
    cr_expect(counting_state_is_right(state, records), "the state is that of %lu records", records);
}

Test(stage, an_undisturbed_run)
{
    cr_assert_eq(counting_produce(&run, live_on, NULL, &err), MR_OK, "%s", err.text);
    cr_expect_eq(counting_read(&run, MR_RING_INGRESS, 0), 120);
    expect_committed(MR_ROLE_PRODUCER, 120);
}

// One death at every single point of the first batches: what was read before and after the death is
// the whole sequence.
Test(stage, a_producer_that_dies_once_anywhere)
{
    for (uint64_t steps = 0; steps < 180; steps++) {
        cr_assert_not(child_finished(counting_produce, steps));
        uint64_t before = counting_read(&run, MR_RING_INGRESS, 0);
        cr_assert(before <= 120 && before % 7 == 0, "whole batches only: %lu after %lu steps",
                  before, steps);
        cr_assert(child_finished(counting_produce, UINT64_MAX));
        uint64_t after = counting_read(&run, MR_RING_INGRESS, before);
        cr_assert_eq(before + after, 120, "%lu and %lu records, killed after %lu steps", before,
                     after, steps);
        expect_committed(MR_ROLE_PRODUCER, 120);
        cr_assert_eq(mr_stage_remove_segments(&run.pipeline, &err), MR_OK);
    }
}

Test(stage, a_producer_that_dies_again_and_again)
{
    uint64_t random = random_seed(31);
    for (int round = 0; round < 20; round++) {
        uint64_t seen = 0, deaths = 0;
        while (!child_finished(counting_produce, random_below(&random, 300))) {
            uint64_t more = counting_read(&run, MR_RING_INGRESS, seen);
            cr_assert_neq(more, UINT64_MAX, "after %lu records", seen);
            seen += more;
            deaths++;
        }
        seen += counting_read(&run, MR_RING_INGRESS, seen);
        cr_expect_eq(seen, 120, "%lu after %lu deaths", seen, deaths);
        expect_committed(MR_ROLE_PRODUCER, 120);
        cr_assert_eq(mr_stage_remove_segments(&run.pipeline, &err), MR_OK);
    }
}

Test(stage, a_transform_that_dies_again_and_again)
{
    uint64_t random = random_seed(32);
    for (int round = 0; round < 20; round++) {
        cr_assert(child_finished(counting_produce, UINT64_MAX));
        uint64_t seen = 0;
        while (!child_finished(counting_transform, random_below(&random, 300))) {
            uint64_t more = counting_read(&run, MR_RING_EGRESS, seen);
            cr_assert_neq(more, UINT64_MAX, "after %lu records", seen);
            seen += more;
        }
        seen += counting_read(&run, MR_RING_EGRESS, seen);
        cr_expect_eq(seen, 120, "%lu", seen);
        expect_committed(MR_ROLE_TRANSFORM, 120);
        cr_assert_eq(mr_stage_remove_segments(&run.pipeline, &err), MR_OK);
    }
}

static struct mr_stage stage;

static void open_stage(void)
{
    cr_assert_eq(mr_stage_open(&stage, &run.pipeline, MR_ROLE_PRODUCER, &err), MR_OK, "%s",
                 err.text);
    cr_assert_eq(mr_stage_reserve_state(&stage, COUNTING_STATE_BYTES, &err), MR_OK, "%s", err.text);
}

// Modifies places at random, some of them many times, commits once on the way, and is gone.
static void modify_and_die(uint64_t random, const char *picture_path)
{
    open_stage();
    for (uint64_t i = 0; i < 2000; i++) {
        uint32_t bytes = 1 + (uint32_t)random_below(&random, 64);
        uint8_t *at = stage.state + random_below(&random, COUNTING_STATE_BYTES - bytes);
        mr_stage_touch(&stage, at, bytes);
        memset(at, (int)random_below(&random, 256), bytes);
        if (i != 700)
            continue;
        stage.now.counts[MR_COUNT_IN]++; // what has accepted nothing would be made anew
        mr_stage_commit(&stage);
        FILE *picture = fopen(picture_path, "w");
        if (!picture ||
            fwrite(stage.state, 1, COUNTING_STATE_BYTES, picture) != COUNTING_STATE_BYTES)
            _exit(1);
        fclose(picture);
    }
    kill(getpid(), SIGKILL);
}

Test(stage, the_undo_log_restores_every_byte)
{
    uint8_t committed[COUNTING_STATE_BYTES];
    uint64_t random = random_seed(33);
    char path[256];
    scratch_path(&run.scratch, "committed", path, sizeof path);
    for (int round = 0; round < 30; round++) {
        int status;
        random_next(&random);
        pid_t child = fork();
        if (child == 0)
            modify_and_die(random, path);
        waitpid(child, &status, 0);
        cr_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
        FILE *picture = fopen(path, "r");
        cr_assert_not_null(picture);
        cr_assert_eq(fread(committed, 1, sizeof committed, picture), sizeof committed);
        fclose(picture);
        open_stage();
        cr_expect_eq(memcmp(stage.state, committed, sizeof committed), 0, "round %d", round);
        mr_stage_close(&stage, MR_OK, NULL);
    }
}

Test(stage, what_was_not_committed_is_seen_by_nobody)
{
    open_stage();
    cr_assert_not_null(mr_stage_claim(&stage, MR_PORT_MAIN, 100));
    mr_stage_emit(&stage, MR_PORT_MAIN);
    cr_expect_eq(counting_read(&run, MR_RING_INGRESS, 0), 0);
    cr_expect_eq(stage.shared->epoch, 0);
    mr_stage_close(&stage, MR_OK, NULL);
    cr_expect_eq(counting_read(&run, MR_RING_INGRESS, 0), 0);
}

Test(stage, one_process_a_role)
{
    open_stage();
    mr_stage_set_phase(&stage, MR_PHASE_RUNNING);
    mr_writer_close(&stage.writers[MR_PORT_MAIN]);
    static struct mr_stage second;
    cr_expect_eq(mr_stage_open(&second, &run.pipeline, MR_ROLE_PRODUCER, &err), MR_ERR_BUSY);
    cr_expect_not_null(strstr(err.text, "producer"), "%s", err.text);
    cr_expect_eq(stage.shared->gauges.phase, MR_PHASE_RUNNING);
    cr_expect_eq(stage.writers[MR_PORT_MAIN].ring->news->closed, 1,
                 "the one that was refused has changed nothing");
    mr_stage_close(&stage, MR_OK, NULL);
}

Test(stage, dead_letters_are_part_of_the_batch)
{
    struct mr_ring ring;
    struct mr_reader reader;
    uint32_t length;
    char path[320];
    open_stage();
    mr_stage_reject(&stage, MR_REASON_BAD_VALUE, 41, 99, "raw bytes", 9, "found %d", 7);
    mr_pipeline_ring_path(&run.pipeline, MR_RING_DEAD_PRODUCER, path, sizeof path);
    cr_assert_eq(mr_ring_attach(&ring, path, MR_ATTACH_READ_WRITE, &err), MR_OK, "%s", err.text);
    mr_reader_open(&reader, &ring);
    cr_expect_null(mr_next(&reader, &length));
    mr_stage_commit(&stage);
    const struct mr_record *letter = mr_next(&reader, &length);
    cr_assert_not_null(letter);
    cr_expect_eq(letter->sequence, 41);
    cr_expect_eq(letter->event_time_ns, 99);
    cr_expect_eq(length, 256 + 9);
    cr_expect_eq(memcmp((const uint8_t *)letter + 256, "raw bytes", 9), 0);
    cr_expect_eq(memcmp((const uint8_t *)letter + 36, "bad_value\0", 10), 0);
    cr_expect_eq(memcmp((const uint8_t *)letter + 68, "found 7\0", 8), 0);
    struct mr_stage_slot slot;
    mr_stage_snapshot(stage.shared, &slot);
    cr_expect_eq(slot.counts[MR_COUNT_REJECTED], 1);
    cr_expect_eq(slot.rejected[MR_REASON_BAD_VALUE], 1);
    mr_ring_detach(&ring);
    mr_stage_close(&stage, MR_OK, NULL);
}

Test(stage, a_full_ring_drops_the_newest_where_asked_to)
{
    run.pipeline.rings[MR_RING_INGRESS].full_policy = MR_FULL_DROP_NEWEST;
    open_stage();
    unsigned taken = 0;
    while (mr_stage_claim(&stage, MR_PORT_MAIN, 1024)) {
        mr_stage_emit(&stage, MR_PORT_MAIN);
        taken++;
    }
    cr_expect_eq(taken, 63, "a commit word's room is kept");
    cr_expect_not(stage.halted);
    cr_expect_eq(stage.writers[MR_PORT_MAIN].ring->news->dropped, 1);
    mr_stage_close(&stage, MR_OK, NULL);
}

Test(stage, one_that_was_halted_has_not_done_its_work)
{
    open_stage();
    struct mr_stage_layout *page = stage.shared;
    mr_store_release_u32(&page->gauges.drain_asked, MR_STOP_HALT);
    cr_assert(mr_stage_is_stopping(&stage) && stage.halted);
    cr_expect_eq(mr_stage_close(&stage, MR_OK, NULL), MR_ERR_STAGE);
    open_stage();
    cr_expect_eq(stage.writers[MR_PORT_MAIN].ring->news->closed, 0);
    mr_stage_close(&stage, MR_OK, NULL);
}

Test(stage, a_batch_that_outgrows_its_ring_ends_with_an_error)
{
    open_stage();
    while (mr_stage_claim(&stage, MR_PORT_MAIN, 1024))
        mr_stage_emit(&stage, MR_PORT_MAIN);
    cr_expect(stage.halted);
    cr_expect_not_null(strstr(stage.problem.text, "make it larger"), "%s", stage.problem.text);
    cr_expect_eq(mr_stage_close(&stage, MR_OK, NULL), MR_ERR_LIMIT);
    cr_expect_eq(counting_read(&run, MR_RING_INGRESS, 0), 0, "nothing of it is in the stream");
}

static void end_producer(int code)
{
    cr_assert_eq(counting_produce(&run, live_on, NULL, &err), MR_OK, "%s", err.text);
    open_stage();
    mr_stage_close(&stage, code, &err);
}

// The transform, opened before the producer of the resumed run is.
static bool transform_sees_an_end(void)
{
    uint32_t length;
    cr_assert_eq(mr_stage_open(&stage, &run.pipeline, MR_ROLE_TRANSFORM, &err), MR_OK, "%s",
                 err.text);
    struct mr_reader *reader = &stage.readers[MR_PORT_MAIN];
    while (mr_next(reader, &length))
        continue;
    bool end = mr_reader_at_end(reader);
    mr_stage_close(&stage, MR_OK, NULL);
    return end;
}

Test(stage, the_end_of_a_ring_whose_writer_failed_is_none)
{
    end_producer(MR_OK);
    cr_expect(transform_sees_an_end());
    end_producer(MR_ERR_INPUT);
    cr_expect_not(transform_sees_an_end());
}

// A supervisor has it go on before it starts its stages: an end that comes later is one, whoever reads it.
Test(stage, the_end_of_a_ring_whose_writer_failed_is_one_while_a_supervisor_watches)
{
    int lock_fd;
    cr_assert_eq(counting_produce(&run, live_on, NULL, &err), MR_OK, "%s", err.text);
    cr_assert_eq(mr_rundir_lock(&run.pipeline, &lock_fd, NULL, &err), MR_OK, "%s", err.text);
    end_producer(MR_ERR_INPUT);
    cr_expect(transform_sees_an_end());
    mr_stage_undo_stops(&run.pipeline); // the next one does
    cr_expect_not(transform_sees_an_end());
    mr_rundir_unlock(lock_fd, NULL);
    end_producer(MR_ERR_INPUT);
    cr_expect_not(transform_sees_an_end(), "a run by hand may go on");
}

Test(stage, a_page_of_another_version_is_neither_read_nor_removed)
{
    struct mr_segment segment;
    char path[320];
    cr_assert_eq(counting_produce(&run, live_on, NULL, &err), MR_OK, "%s", err.text);
    mr_pipeline_stage_path(&run.pipeline, MR_ROLE_LOADER, path, sizeof path);
    cr_assert_eq(mr_segment_create(&segment, path, "loader", MR_SEGMENT_STAGE, 2 * MR_PAGE_BYTES,
                                   NULL, NULL, &err),
                 MR_OK);
    cr_expect_eq(mr_stage_leftovers(&run.pipeline), MR_LEFTOVERS_UNFINISHED);
    cr_assert_eq(mr_segment_lock(&segment, &err), MR_OK);
    cr_expect_eq(mr_stage_leftovers(&run.pipeline), MR_LEFTOVERS_ALIVE);
    mr_segment_detach(&segment);
}

// A loader lets go of what is on the disk, of each input by itself, and not of what it has looked at.
Test(stage, a_loader_commits_what_is_durable)
{
    static struct mr_stage loader;
    uint32_t length;
    cr_assert_eq(counting_produce(&run, live_on, NULL, &err), MR_OK, "%s", err.text);
    cr_assert_eq(counting_transform(&run, live_on, NULL, &err), MR_OK, "%s", err.text);
    cr_assert_eq(mr_stage_open(&loader, &run.pipeline, MR_ROLE_LOADER, &err), MR_OK, "%s",
                 err.text);
    struct mr_reader *reader = &loader.readers[MR_PORT_MAIN];
    const uint64_t begun_pos = reader->position;
    cr_assert_not_null(mr_next(reader, &length));
    const uint64_t first_end_pos = reader->position;
    cr_assert_not_null(mr_next(reader, &length));
    mr_stage_commit(&loader);
    cr_expect_eq(reader->ring->reader_line->read_pos, begun_pos);
    loader.now.in_pos[MR_PORT_MAIN] = first_end_pos;
    mr_stage_commit(&loader);
    cr_expect_eq(reader->ring->reader_line->read_pos, first_end_pos);
    cr_expect_eq(loader.shared->slots[loader.epoch & 1].in_pos[MR_PORT_MAIN], first_end_pos);
    cr_expect_eq(loader.readers[MR_PORT_DEAD].ring->reader_line->read_pos, 0);
    mr_stage_close(&loader, MR_OK, NULL);
}

// What an undo log holds of a batch that is committed asks for no other commit.
Test(stage, half_an_undo_log_is_a_batch)
{
    open_stage();
    cr_assert_eq(mr_stage_reserve_state(&stage, COUNTING_STATE_BYTES, &err), MR_OK, "%s", err.text);
    unsigned touches = 0;
    for (; !mr_stage_should_commit(&stage); touches++) {
        cr_assert_leq(stage.undo_used, MR_UNDO_BYTES / 2);
        mr_stage_touch(&stage, stage.state, 256);
    }
    cr_expect_gt(touches, 0);
    cr_expect_gt(stage.undo_used, MR_UNDO_BYTES / 2);
    mr_stage_commit(&stage);
    cr_expect_not(mr_stage_should_commit(&stage));
    mr_stage_touch(&stage, stage.state, 8);
    cr_expect_not(mr_stage_should_commit(&stage));
    mr_stage_close(&stage, MR_OK, NULL);
}

Test(stage, counters_have_names)
{
    open_stage();
    unsigned first = mr_stage_add_counter(&stage, "itch_file", "gaps");
    unsigned second = mr_stage_add_counter(&stage, "itch_file", "heartbeats");
    cr_expect_neq(first, second);
    cr_expect_str_eq(stage.shared->plugin_name[second], "itch_file.heartbeats");
    for (int i = 0; i < 100; i++)
        cr_expect_lt(mr_stage_add_counter(&stage, "many", "more"), MR_STAGE_PLUGIN_COUNTS);
    mr_stage_close(&stage, MR_OK, NULL);
}

Test(stage, a_state_of_another_size_is_another_pipelines)
{
    cr_assert_eq(counting_produce(&run, live_on, NULL, &err), MR_OK, "%s", err.text);
    cr_assert_eq(mr_stage_open(&stage, &run.pipeline, MR_ROLE_PRODUCER, &err), MR_OK, "%s",
                 err.text);
    cr_expect_eq(mr_stage_reserve_state(&stage, 10 * COUNTING_STATE_BYTES, &err), MR_ERR_SHM);
    cr_expect_not_null(strstr(err.text, "clean counting"), "%s", err.text);
    mr_stage_close(&stage, MR_ERR_SHM, &err);
}
