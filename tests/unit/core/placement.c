// SPDX-License-Identifier: Apache-2.0
// Who runs where: by what cores there are, and by list.
#include "core/pipeline/placement.h"

#include <criterion/criterion.h>
#include <limits.h>
#include <string.h>

static struct mr_cores cores;
static struct mr_place places[MR_ROLE_COUNT];
static struct mr_error err;

// Cores first .. first + count - 1; `threads` of them in a row are one physical core.
static void have(unsigned first, unsigned count, unsigned threads, unsigned quota)
{
    cores = (struct mr_cores){.count = count, .quota = quota};
    for (unsigned i = 0; i < count; i++) {
        cores.cpu[i] = (uint16_t)(first + i);
        cores.physical[i] = (uint16_t)((first + i) / threads * threads);
    }
}

static void plan(enum mr_placement_kind kind)
{
    struct mr_placement placement = {.kind = kind};
    cr_assert_eq(mr_placement_plan(&placement, &cores, places, &err), MR_OK);
}

static void expect_cores(int producer, int transform, int loader)
{
    cr_expect_eq(places[MR_ROLE_PRODUCER].core, producer, "%d", places[MR_ROLE_PRODUCER].core);
    cr_expect_eq(places[MR_ROLE_TRANSFORM].core, transform, "%d", places[MR_ROLE_TRANSFORM].core);
    cr_expect_eq(places[MR_ROLE_LOADER].core, loader, "%d", places[MR_ROLE_LOADER].core);
}

static void expect_shares(enum mr_core_share producer, enum mr_core_share transform,
                          enum mr_core_share loader)
{
    cr_expect_eq(places[MR_ROLE_PRODUCER].share, producer);
    cr_expect_eq(places[MR_ROLE_TRANSFORM].share, transform);
    cr_expect_eq(places[MR_ROLE_LOADER].share, loader);
}

Test(placement, without_one_the_scheduler_decides)
{
    have(0, 4, 1, UINT_MAX);
    plan(MR_PLACEMENT_NONE);
    expect_cores(-1, -1, -1);
    expect_shares(MR_CORE_OWN, MR_CORE_OWN, MR_CORE_OWN);
    have(0, 2, 1, UINT_MAX);
    plan(MR_PLACEMENT_NONE);
    expect_shares(MR_CORE_SHARED, MR_CORE_SHARED, MR_CORE_SHARED);
    have(0, 8, 1, 2);
    plan(MR_PLACEMENT_NONE);
    expect_shares(MR_CORE_METERED, MR_CORE_METERED, MR_CORE_METERED);
}

Test(placement, a_core_for_each_where_there_are_three)
{
    have(0, 3, 1, UINT_MAX);
    plan(MR_PLACEMENT_AUTO);
    expect_cores(2, 1, 0);
    expect_shares(MR_CORE_OWN, MR_CORE_OWN, MR_CORE_OWN);
    have(0, 8, 2, UINT_MAX);
    plan(MR_PLACEMENT_AUTO);
    expect_cores(7, 5, 3);
    have(0, 4, 2, UINT_MAX);
    plan(MR_PLACEMENT_AUTO);
    expect_cores(3, 1, 2);
}

Test(placement, on_two_cores_the_transform_has_one_for_itself)
{
    have(4, 2, 1, UINT_MAX);
    plan(MR_PLACEMENT_AUTO);
    expect_cores(4, 5, 4);
    expect_shares(MR_CORE_SHARED, MR_CORE_OWN, MR_CORE_SHARED);
    cr_expect_gt(places[MR_ROLE_PRODUCER].keep_ns, 0, "what is due in the loader's turn is late");
}

Test(placement, on_one_core_all_share_it)
{
    have(1, 1, 1, UINT_MAX);
    plan(MR_PLACEMENT_AUTO);
    expect_cores(1, 1, 1);
    cr_expect_eq(places[MR_ROLE_PRODUCER].keep_ns, 0, "the transform is to answer at once");
    expect_shares(MR_CORE_SHARED, MR_CORE_SHARED, MR_CORE_SHARED);
}

Test(placement, a_quota_is_so_many_cores)
{
    have(0, 64, 1, 2);
    plan(MR_PLACEMENT_AUTO);
    expect_cores(62, 63, 62);
    expect_shares(MR_CORE_SHARED, MR_CORE_OWN, MR_CORE_SHARED);
}

Test(placement, a_list_says_it)
{
    struct mr_placement placement = {.kind = MR_PLACEMENT_LIST, .core = {1, 1, 0}};
    have(0, 4, 1, UINT_MAX);
    cr_assert_eq(mr_placement_plan(&placement, &cores, places, &err), MR_OK);
    expect_cores(1, 1, 0);
    expect_shares(MR_CORE_SHARED, MR_CORE_SHARED, MR_CORE_OWN);
    have(0, 4, 1, 1);
    cr_assert_eq(mr_placement_plan(&placement, &cores, places, &err), MR_OK);
    expect_shares(MR_CORE_METERED, MR_CORE_METERED, MR_CORE_METERED);
}

Test(placement, a_core_that_is_not_ours_is_refused)
{
    struct mr_node node = {.file = "run.yaml", .line = 7, .path = (char *)"placement"};
    struct mr_placement placement = {.kind = MR_PLACEMENT_LIST, .core = {0, 9, 1}, .node = &node};
    have(0, 2, 1, UINT_MAX);
    cr_expect_eq(mr_placement_plan(&placement, &cores, places, &err), MR_ERR_CONFIG);
    cr_expect_str_eq(err.text, "run.yaml:7: placement: found core 9 for the transform, which this "
                               "process may not use: expected one of its 2 (0 to 1)");
}
