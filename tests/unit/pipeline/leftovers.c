// SPDX-License-Identifier: Apache-2.0
// What is left when a run's segments are being removed and the one who removes them dies: at every point it is
// known for what it is, so that the next run removes the rest.
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/pipeline/session.h"
#include "tests/support/run_pages.h"

// In the order in which they go. Returns false where that is all.
static bool name_segment(const struct mr_pipeline *pipeline, unsigned index, char *path,
                         size_t path_bytes)
{
    if (index < MR_RING_COUNT) {
        mr_pipeline_ring_path(pipeline, index, path, path_bytes);
        return true;
    }
    index -= MR_RING_COUNT;
    if (index >= 2 * MR_ROLE_COUNT)
        return false;
    mr_pipeline_stage_path(pipeline, index / 2, path, path_bytes - sizeof ".state");
    if (index % 2 == 0)
        strcat(path, ".state");
    return true;
}

static void make_run(struct run_pages *run)
{
    char path[512];
    run_pages_open_several(run, "leftovers", MR_PRODUCERS_MAX);
    run_pages_finish(run, 5);
    for (unsigned i = MR_RING_COUNT; name_segment(&run->pipeline, i, path, sizeof path); i += 2)
        fclose(fopen(path, "w"));
}

Test(leftovers, a_removal_that_was_cut_short_is_known_at_every_point)
{
    char path[512];
    struct run_pages run;
    make_run(&run);
    cr_expect_eq(mr_stage_leftovers(&run.pipeline), MR_LEFTOVERS_SPENT);
    for (unsigned i = 0; name_segment(&run.pipeline, i, path, sizeof path); i++) {
        enum mr_leftovers left = mr_stage_leftovers(&run.pipeline);
        cr_expect(left == MR_LEFTOVERS_SPENT, "before %s is removed: %d", path, left);
        cr_assert_eq(unlink(path), 0);
    }
    cr_expect_eq(mr_stage_leftovers(&run.pipeline), MR_LEFTOVERS_NONE);
    run_pages_close(&run);
}

Test(leftovers, they_go_in_that_order)
{
    char path[512];
    struct run_pages run;
    struct mr_error err;
    make_run(&run);
    // A directory in its place cannot be unlinked: everything before it is gone, everything behind it is there.
    for (unsigned stop = 0; name_segment(&run.pipeline, stop, path, sizeof path); stop++) {
        unlink(path);
        cr_assert_eq(mkdir(path, 0700), 0);
        cr_expect_eq(mr_stage_remove_segments(&run.pipeline, &err), MR_ERR_SHM);
        rmdir(path);
        char other[512];
        for (unsigned i = 0; name_segment(&run.pipeline, i, other, sizeof other); i++)
            cr_expect_eq(access(other, F_OK) == 0, i > stop, "%s, stopped at %s", other, path);
        run_pages_close(&run);
        make_run(&run);
    }
    run_pages_close(&run);
}

Test(leftovers, a_producer_that_was_not_there_has_its_part_to_do)
{
    struct run_pages run;
    char path[512];
    run_pages_open_several(&run, "leftovers", 2);
    run_pages_finish(&run, 5);
    cr_expect_eq(mr_stage_leftovers(&run.pipeline), MR_LEFTOVERS_SPENT);
    // The transform has made its ring.
    mr_pipeline_stage_path(&run.pipeline, MR_ROLE_PRODUCER_2, path, sizeof path);
    cr_assert_eq(unlink(path), 0);
    mr_store_release_u32(&run.rings[MR_RING_INGRESS_2].news->closed, 0);
    cr_expect_eq(mr_stage_leftovers(&run.pipeline), MR_LEFTOVERS_UNFINISHED);
    run_pages_close(&run);
}

Test(leftovers, any_of_the_producers_may_live_and_may_have_taken_records)
{
    struct run_pages run;
    run_pages_open_several(&run, "leftovers", 2);
    cr_expect_eq(mr_stage_leftovers(&run.pipeline), MR_LEFTOVERS_SPENT, "nothing was taken in");
    run.pages[MR_ROLE_PRODUCER_2]->slots[0].counts[MR_COUNT_IN] = 1;
    cr_expect_eq(mr_stage_leftovers(&run.pipeline), MR_LEFTOVERS_UNFINISHED);
    cr_assert_eq(mr_segment_lock(&run.segments[MR_ROLE_PRODUCER_2], NULL), MR_OK);
    cr_expect_eq(mr_stage_leftovers(&run.pipeline), MR_LEFTOVERS_ALIVE);
    run_pages_close(&run);
}

Test(leftovers, the_worst_end_of_a_producer_is_the_end_of_all)
{
    static const struct {
        enum mr_end first, second, all;
    } cases[] = {{MR_END_WHOLE, MR_END_WHOLE, MR_END_WHOLE},
                 {MR_END_WHOLE, MR_END_STOPPED, MR_END_STOPPED},
                 {MR_END_FAILED, MR_END_STOPPED, MR_END_FAILED},
                 {MR_END_WHOLE, MR_END_NOT, MR_END_NOT},
                 {MR_END_STOPPED, (enum mr_end)77, MR_END_NOT},
                 {MR_END_FAILED, MR_END_NOT, MR_END_FAILED}};
    struct run_pages run;
    run_pages_open_several(&run, "leftovers", 2);
    for (unsigned i = 0; i < MR_COUNT_OF(cases); i++) {
        run.pages[MR_ROLE_PRODUCER]->end = cases[i].first;
        run.pages[MR_ROLE_PRODUCER_2]->end = cases[i].second;
        cr_expect_eq(mr_stage_end_of_producers(&run.pipeline), cases[i].all, "case %u", i);
    }
    run_pages_close(&run);
}

// ---- several sources that were stopped

static enum mr_leftovers left_with(const struct run_pages *run, enum mr_again again,
                                   uint64_t settings)
{
    struct mr_error err;
    struct mr_session session = {.settings = settings, .again = again, .state = MR_SESSION_STOPPED};
    for (unsigned ring = 0; ring < MR_RING_COUNT; ring++)
        session.capacity[ring] = MR_RING_CAPACITY_MIN;
    cr_assert_eq(mr_session_create(run->scratch.directory, &session, &err), MR_OK, "%s", err.text);
    return mr_stage_leftovers(&run->pipeline);
}

Test(leftovers, where_stopped_sources_were_is_kept_if_it_stands_nowhere_else)
{
    struct run_pages run;
    struct mr_error err;
    char path[512];
    run_pages_open_several(&run, "leftovers", 2);
    run_pages_finish(&run, 5);
    run.pages[MR_ROLE_TRANSFORM]->end = MR_END_STOPPED;
    uint64_t settings = mr_session_settings(&run.pipeline);
    cr_expect_eq(mr_stage_leftovers(&run.pipeline), MR_LEFTOVERS_SPENT, "no session is known");
    cr_assert_eq(mr_session_link(&run.pipeline, run.scratch.directory, &err), MR_OK, "%s",
                 err.text);
    cr_expect_eq(mr_stage_leftovers(&run.pipeline), MR_LEFTOVERS_SPENT, "there is none");
    cr_expect_eq(left_with(&run, MR_AGAIN_MIXED, settings), MR_LEFTOVERS_STOPPED);
    cr_expect_eq(left_with(&run, MR_AGAIN_SAME, settings), MR_LEFTOVERS_SPENT,
                 "a stream merged by time is made again");
    cr_expect_eq(left_with(&run, MR_AGAIN_MIXED, ~settings),
                 run.pipeline.root ? MR_LEFTOVERS_SPENT : MR_LEFTOVERS_STOPPED);
    left_with(&run, MR_AGAIN_MIXED, settings);
    run.pages[MR_ROLE_TRANSFORM]->end = MR_END_WHOLE;
    cr_expect_eq(mr_stage_leftovers(&run.pipeline), MR_LEFTOVERS_SPENT, "its sources had ended");
    run.pages[MR_ROLE_TRANSFORM]->end = MR_END_FAILED;
    cr_expect_eq(mr_stage_leftovers(&run.pipeline), MR_LEFTOVERS_STOPPED);
    mr_store_release_u32(&run.pages[MR_ROLE_LOADER]->gauges.phase, MR_PHASE_RUNNING);
    cr_expect_eq(mr_stage_leftovers(&run.pipeline), MR_LEFTOVERS_UNFINISHED, "not yet");
    mr_store_release_u32(&run.pages[MR_ROLE_LOADER]->gauges.phase, MR_PHASE_DONE);
    mr_pipeline_ring_path(&run.pipeline, MR_RING_INGRESS, path, sizeof path);
    mr_store_release_u32(&run.rings[MR_RING_INGRESS].news->closed, 0);
    left_with(&run, MR_AGAIN_SAME, settings);
    cr_expect_eq(mr_stage_leftovers(&run.pipeline), MR_LEFTOVERS_STOPPED, "something is in flight");
    mr_store_release_u32(&run.rings[MR_RING_INGRESS].news->closed, 1);
    char session[sizeof path + sizeof MR_SESSION_FILE];
    snprintf(session, sizeof session, "%s/" MR_SESSION_FILE, run.scratch.directory);
    cr_assert_eq(truncate(session, 100), 0);
    cr_expect_eq(mr_stage_leftovers(&run.pipeline), MR_LEFTOVERS_STOPPED, "it cannot be read");
    left_with(&run, MR_AGAIN_MIXED, settings);
    cr_assert_eq(unlink(path), 0);
    cr_expect_eq(mr_stage_leftovers(&run.pipeline), MR_LEFTOVERS_SPENT, "being removed");
    run_pages_close(&run);
}

// ---- a stop that is taken back

static bool is_closed(const struct run_pages *run, enum mr_ring_index ring)
{
    return mr_load_acquire_u32(&run->rings[ring].news->closed) != 0;
}

Test(leftovers, where_all_go_on_stops_and_failures_are_taken_back)
{
    struct run_pages run;
    run_pages_open_several(&run, "leftovers", 3);
    run_pages_finish(&run, 5);
    run.pages[MR_ROLE_PRODUCER]->end = MR_END_WHOLE;
    run.pages[MR_ROLE_PRODUCER_2]->end = MR_END_STOPPED;
    run.pages[MR_ROLE_PRODUCER_3]->end = MR_END_FAILED;
    run.pages[MR_ROLE_TRANSFORM]->end = MR_END_WHOLE; // with what its operators let go of
    mr_stage_undo_stops(&run.pipeline);
    cr_expect_eq(run.pages[MR_ROLE_PRODUCER]->end, MR_END_WHOLE);
    cr_expect_eq(run.pages[MR_ROLE_PRODUCER_2]->end, MR_END_NOT);
    cr_expect_eq(run.pages[MR_ROLE_PRODUCER_3]->end, MR_END_NOT);
    cr_expect_eq(run.pages[MR_ROLE_TRANSFORM]->end, MR_END_NOT);
    for (unsigned role = 0; role < MR_ROLE_COUNT; role++)
        if (mr_pipeline_has_role(&run.pipeline, role))
            cr_expect_eq(run.pages[role]->gauges.phase,
                         role == MR_ROLE_PRODUCER ? MR_PHASE_DONE : MR_PHASE_OFF, "%s",
                         mr_role_name(role));
    for (unsigned ring = 0; ring < MR_RING_COUNT; ring++) {
        enum mr_role writer = mr_ring_writer(ring);
        if (mr_pipeline_has_ring(&run.pipeline, ring))
            cr_expect_eq(is_closed(&run, ring), writer == MR_ROLE_PRODUCER, "%s",
                         mr_ring_index_name(ring));
    }
    run_pages_close(&run);
}
