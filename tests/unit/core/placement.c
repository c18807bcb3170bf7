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

// ---- several producers

static struct mr_placement several(enum mr_placement_kind kind, unsigned sources)
{
    return (struct mr_placement){.kind = kind, .source_count = sources, .core = {1, 0, 0, 1, 1, 1}};
}

// On so many cores, the last of which is picked first: the core of each producer.
static void expect_producers(unsigned core_count, int first, int second, int third)
{
    const int expected[] = {first, second, third};
    struct mr_placement placement = several(MR_PLACEMENT_AUTO, 3);
    have(0, core_count, 1, UINT_MAX);
    cr_assert_eq(mr_placement_plan(&placement, &cores, places, &err), MR_OK);
    for (unsigned i = 0; i < 3; i++) {
        int core = places[mr_producer_role(i)].core;
        cr_expect_eq(core, expected[i], "%u cores: %s on %d", core_count,
                     mr_role_name(mr_producer_role(i)), core);
    }
    cr_expect_eq(places[MR_ROLE_PRODUCER_4].core, -1, "there is none");
}

Test(placement, producers_share_the_first_ones_core_until_there_are_more)
{
    expect_producers(1, 0, 0, 0);
    expect_shares(MR_CORE_SHARED, MR_CORE_SHARED, MR_CORE_SHARED);
    expect_producers(2, 0, 0, 0);
    expect_cores(0, 1, 0);
    expect_shares(MR_CORE_SHARED, MR_CORE_OWN, MR_CORE_SHARED);
    expect_producers(3, 2, 2, 2);
    expect_cores(2, 1, 0);
    expect_shares(MR_CORE_SHARED, MR_CORE_OWN, MR_CORE_OWN);
    expect_producers(4, 3, 0, 3);
    expect_cores(3, 2, 1);
    cr_expect_eq(places[MR_ROLE_PRODUCER_2].share, MR_CORE_OWN);
    cr_expect_eq(places[MR_ROLE_PRODUCER_3].share, MR_CORE_SHARED);
    expect_producers(8, 7, 4, 3);
    expect_cores(7, 6, 5);
    for (unsigned role = 0; role < MR_ROLE_PRODUCER_4; role++)
        cr_expect_eq(places[role].share, MR_CORE_OWN, "%s", mr_role_name(role));
}

Test(placement, each_producer_keeps_the_core_where_the_transform_has_another)
{
    expect_producers(2, 0, 0, 0);
    for (unsigned i = 0; i < 3; i++)
        cr_expect_gt(places[mr_producer_role(i)].keep_ns, 0);
    cr_expect_eq(places[MR_ROLE_TRANSFORM].keep_ns, 0);
    cr_expect_eq(places[MR_ROLE_LOADER].keep_ns, 0);
    expect_producers(1, 0, 0, 0);
    for (unsigned i = 0; i < 3; i++)
        cr_expect_eq(places[mr_producer_role(i)].keep_ns, 0);
}

Test(placement, a_list_has_all_producers_on_its_first_core)
{
    struct mr_placement placement = several(MR_PLACEMENT_LIST, 2);
    have(0, 2, 1, UINT_MAX);
    cr_assert_eq(mr_placement_plan(&placement, &cores, places, &err), MR_OK);
    expect_cores(1, 0, 0);
    cr_expect_eq(places[MR_ROLE_PRODUCER_2].core, 1);
    cr_expect_eq(places[MR_ROLE_PRODUCER_2].share, MR_CORE_SHARED);
    cr_expect_eq(places[MR_ROLE_PRODUCER_3].core, -1);
}

Test(placement, without_one_further_producers_count_too)
{
    struct mr_placement placement = several(MR_PLACEMENT_NONE, 2);
    have(0, 3, 1, UINT_MAX);
    cr_assert_eq(mr_placement_plan(&placement, &cores, places, &err), MR_OK);
    expect_shares(MR_CORE_SHARED, MR_CORE_SHARED, MR_CORE_SHARED);
    have(0, 4, 1, 3);
    cr_assert_eq(mr_placement_plan(&placement, &cores, places, &err), MR_OK);
    expect_shares(MR_CORE_METERED, MR_CORE_METERED, MR_CORE_METERED);
    have(0, 4, 1, UINT_MAX);
    cr_assert_eq(mr_placement_plan(&placement, &cores, places, &err), MR_OK);
    expect_shares(MR_CORE_OWN, MR_CORE_OWN, MR_CORE_OWN);
}
