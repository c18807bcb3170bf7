// SPDX-License-Identifier: Apache-2.0
// Who is told what when a stage has failed, by what stands in the rings: also by what cannot stand there.
#include "core/pipeline/containment.h"

#include <criterion/criterion.h>
#include <string.h>

#include "core/log.h"
#include "tests/support/run_pages.h"

static struct run_pages run;
static struct mr_child children[MR_ROLE_COUNT];
static struct mr_error err;

static void set_up(void)
{
    mr_log_setup("test", MR_LOG_ERROR);
    run_pages_open_several(&run, "containment", 2);
    for (unsigned role = 0; role < MR_ROLE_COUNT; role++)
        children[role] = (struct mr_child){
            .pipeline = &run.pipeline,
            .role = role,
            .pidfd = -1,
            .state = mr_pipeline_has_role(&run.pipeline, role) ? MR_CHILD_RUNNING : MR_CHILD_ENDED};
    for (unsigned i = 0; i < MR_RING_COUNT; i++)
        if (run.rings[i].news)
            mr_store_relaxed_u32(&run.rings[i].news->schemas_ready, 1);
}
static void tear_down(void)
{
    run_pages_close(&run);
}
TestSuite(containment, .init = set_up, .fini = tear_down, .timeout = 20);

static void close_rings_of(enum mr_role role, uint32_t closed)
{
    for (unsigned i = 0; i < MR_RING_COUNT; i++)
        if (mr_ring_writer(i) == role && run.rings[i].news)
            mr_store_relaxed_u32(&run.rings[i].news->closed, closed);
}

static void move(enum mr_ring_index ring, uint64_t write_pos, uint64_t read_pos)
{
    mr_store_relaxed_u64(&run.rings[ring].writer_line->write_pos, write_pos);
    mr_store_relaxed_u64(&run.rings[ring].reader_line->read_pos, read_pos);
}

static void expect_asked(enum mr_role role, uint32_t expected)
{
    mr_contain_failures(&run.pipeline, children);
    cr_expect_eq(children[role].asked, expected, "the %s was told %u, expected %u",
                 mr_role_name(role), children[role].asked, expected);
}

static void let_transform_fail(uint32_t closed)
{
    children[MR_ROLE_PRODUCER].state = children[MR_ROLE_PRODUCER_2].state = MR_CHILD_HALTED;
    children[MR_ROLE_TRANSFORM].state = MR_CHILD_FAILED;
    close_rings_of(MR_ROLE_TRANSFORM, closed);
}

Test(containment, nobody_is_told_anything_while_none_has_failed)
{
    close_rings_of(MR_ROLE_PRODUCER, 0);
    for (unsigned role = 0; role < MR_ROLE_COUNT; role++)
        expect_asked(role, MR_STOP_NONE);
}

Test(containment, before_and_beside_a_failed_one)
{
    children[MR_ROLE_TRANSFORM].state = MR_CHILD_FAILED;
    expect_asked(MR_ROLE_PRODUCER, MR_STOP_HALT);
    expect_asked(MR_ROLE_PRODUCER_2, MR_STOP_HALT);
    set_up();
    children[MR_ROLE_PRODUCER_2].state = MR_CHILD_FAILED;
    expect_asked(MR_ROLE_PRODUCER, MR_STOP_DRAIN);
    run.pipeline.merges_by_time = true;
    expect_asked(MR_ROLE_PRODUCER, MR_STOP_HALT);
}

Test(containment, behind_it_all_is_read_first)
{
    let_transform_fail(0);
    move(MR_RING_EGRESS, 640, 64);
    expect_asked(MR_ROLE_LOADER, MR_STOP_NONE);
    move(MR_RING_EGRESS, 640, 640);
    expect_asked(MR_ROLE_LOADER, MR_STOP_HALT);
}

Test(containment, who_may_come_back_is_waited_for)
{
    children[MR_ROLE_PRODUCER].state = MR_CHILD_FAILED;
    children[MR_ROLE_PRODUCER_2].state = MR_CHILD_WAITING;
    close_rings_of(MR_ROLE_PRODUCER, 0);
    mr_contain_failures(&run.pipeline, children);
    cr_expect_eq(children[MR_ROLE_TRANSFORM].asked, MR_STOP_NONE);
    children[MR_ROLE_PRODUCER_2].state = MR_CHILD_ENDED;
    expect_asked(MR_ROLE_TRANSFORM, MR_STOP_HALT);
    cr_expect_eq(children[MR_ROLE_LOADER].asked, MR_STOP_NONE, "the transform may still write");
}

Test(containment, with_all_rings_closed_it_ends_by_itself)
{
    let_transform_fail(1);
    close_rings_of(MR_ROLE_PRODUCER, 1);
    close_rings_of(MR_ROLE_PRODUCER_2, 1);
    expect_asked(MR_ROLE_LOADER, MR_STOP_NONE);
    // A producer that halted leaves its ring of dead letters open.
    mr_store_relaxed_u32(&run.rings[MR_RING_DEAD_PRODUCER].news->closed, 0);
    expect_asked(MR_ROLE_LOADER, MR_STOP_HALT);
}

Test(containment, what_its_reader_does_not_take_for_an_end_is_none)
{
    let_transform_fail(2);
    expect_asked(MR_ROLE_LOADER, MR_STOP_HALT);
}

Test(containment, a_cursor_that_cannot_be_is_not_waited_for)
{
    let_transform_fail(0);
    move(MR_RING_EGRESS, UINT64_MAX - 63, 0); // the reader takes it for one that lags behind
    expect_asked(MR_ROLE_LOADER, MR_STOP_HALT);
}

Test(containment, the_ring_before_a_failed_one_is_nobodys_concern)
{
    let_transform_fail(0);
    move(MR_RING_INGRESS, 1 << 20, 64); // its reader is gone
    children[MR_ROLE_PRODUCER].state = MR_CHILD_FAILED;
    expect_asked(MR_ROLE_LOADER, MR_STOP_HALT);
}

Test(containment, who_knows_no_schemas_reads_nothing)
{
    let_transform_fail(0);
    mr_store_relaxed_u32(&run.rings[MR_RING_EGRESS].news->schemas_ready, 0);
    move(MR_RING_DEAD_PRODUCER, 640, 64); // it will stay so
    expect_asked(MR_ROLE_LOADER, MR_STOP_HALT);
    set_up();
    move(MR_RING_INGRESS, 640, 64);
    children[MR_ROLE_PRODUCER].state = children[MR_ROLE_PRODUCER_2].state = MR_CHILD_FAILED;
    expect_asked(MR_ROLE_TRANSFORM, MR_STOP_NONE);
    mr_store_relaxed_u32(&run.rings[MR_RING_INGRESS_2].news->schemas_ready, 0);
    expect_asked(MR_ROLE_TRANSFORM, MR_STOP_HALT);
}

Test(containment, an_end_that_is_none_is_not_waited_for)
{
    children[MR_ROLE_PRODUCER].state = MR_CHILD_FAILED;
    children[MR_ROLE_PRODUCER_2].state = MR_CHILD_ENDED;
    close_rings_of(MR_ROLE_PRODUCER, 1);
    close_rings_of(MR_ROLE_PRODUCER_2, 1);
    run.pages[MR_ROLE_PRODUCER]->end = MR_END_FAILED;
    run.pages[MR_ROLE_PRODUCER_2]->end = MR_END_WHOLE;
    expect_asked(MR_ROLE_TRANSFORM, MR_STOP_NONE);
    run.pages[MR_ROLE_PRODUCER]->end = 77;
    expect_asked(MR_ROLE_TRANSFORM, MR_STOP_HALT);
}

Test(containment, a_loader_that_is_to_drain_is_not_halted)
{
    children[MR_ROLE_PRODUCER].state = MR_CHILD_FAILED;
    children[MR_ROLE_PRODUCER_2].state = MR_CHILD_HALTED;
    children[MR_ROLE_TRANSFORM].state = MR_CHILD_ENDED;
    close_rings_of(MR_ROLE_TRANSFORM, 1);
    expect_asked(MR_ROLE_LOADER, MR_STOP_NONE);
}

Test(containment, in_a_merge_one_dry_source_holds_up_the_rest)
{
    run.pipeline.merges_by_time = true;
    children[MR_ROLE_PRODUCER].state = MR_CHILD_FAILED;
    children[MR_ROLE_PRODUCER_2].state = MR_CHILD_HALTED;
    close_rings_of(MR_ROLE_PRODUCER, 0);
    close_rings_of(MR_ROLE_PRODUCER_2, 0);
    move(MR_RING_INGRESS, 640, 64);
    move(MR_RING_INGRESS_2, 1280, 64);
    expect_asked(MR_ROLE_TRANSFORM, MR_STOP_NONE);
    move(MR_RING_INGRESS, 640, 640);
    expect_asked(MR_ROLE_TRANSFORM, MR_STOP_HALT);
}

// ---- ends that do not stand any more -------------------------------------------------------------

static void expect_damage(const char *file, const char *found)
{
    cr_expect_eq(mr_containment_check_ends(&run.pipeline, children, &err), MR_ERR_CORRUPT);
    cr_expect(strstr(err.text, file) && strstr(err.text, found), "%s", err.text);
}

Test(containment, an_end_stands_until_the_run_is_over)
{
    cr_expect_eq(mr_containment_check_ends(&run.pipeline, children, &err), MR_OK,
                 "those that live have none");
    children[MR_ROLE_PRODUCER].state = MR_CHILD_ENDED;
    close_rings_of(MR_ROLE_PRODUCER, 1);
    run.pages[MR_ROLE_PRODUCER]->end = MR_END_WHOLE;
    cr_expect_eq(mr_containment_check_ends(&run.pipeline, children, &err), MR_OK, "%s", err.text);
    run.pages[MR_ROLE_PRODUCER]->end = MR_END_NOT;
    expect_damage("producer.stage", "found end 0, expected 1 or 2");
    run.pages[MR_ROLE_PRODUCER]->end = MR_END_STOPPED;
    cr_expect_eq(mr_containment_check_ends(&run.pipeline, children, &err), MR_OK, "%s", err.text);
    close_rings_of(MR_ROLE_PRODUCER, 0);
    expect_damage("ingress.ring", "found closed 0, expected 1");
    close_rings_of(MR_ROLE_PRODUCER, 77);
    expect_damage("ingress.ring", "found closed 77, expected 1");
}

Test(containment, a_transform_has_rings_to_have_closed)
{
    children[MR_ROLE_TRANSFORM].state = MR_CHILD_ENDED;
    close_rings_of(MR_ROLE_TRANSFORM, 1);
    cr_expect_eq(mr_containment_check_ends(&run.pipeline, children, &err), MR_OK, "%s", err.text);
    close_rings_of(MR_ROLE_TRANSFORM, 0);
    expect_damage("egress.ring", "found closed 0, expected 1");
}

Test(containment, who_was_started_once_more_has_not_ended)
{
    children[MR_ROLE_PRODUCER].state = MR_CHILD_ENDED;
    close_rings_of(MR_ROLE_PRODUCER, 0);
    expect_damage("producer.stage", "found end 0");
    cr_assert_eq(mr_segment_lock(&run.segments[MR_ROLE_PRODUCER], NULL), MR_OK);
    cr_expect_eq(mr_containment_check_ends(&run.pipeline, children, &err), MR_OK, "%s", err.text);
}
