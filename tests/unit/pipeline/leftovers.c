// SPDX-License-Identifier: Apache-2.0
// What is left when a run's segments are being removed and the one who removes them dies: at every point it is
// known for what it is, so that the next run removes the rest.
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

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
    run_pages_open(run, "leftovers");
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
