// SPDX-License-Identifier: Apache-2.0
// Options of the stages that no stage can have: each is named with its place in the file.
#include "core/pipeline/stage_options.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

static struct mr_pipeline pipeline;
static struct mr_error err;

static const struct mr_node *parse(const char *key, const char *value)
{
    char text[200];
    snprintf(text, sizeof text, "%s: %s\n", key, value);
    cr_assert_eq(mr_config_parse(text, "p.yaml", &pipeline.root, &err), MR_OK, "%s", err.text);
    return mr_config_child(pipeline.root, key);
}

static void expect_refused(int code, const char *value, const char *words)
{
    cr_expect_eq(code, MR_ERR_CONFIG, "%s", value);
    cr_expect_not_null(strstr(err.text, words), "'%s' says nothing of '%s'", err.text, words);
    cr_expect_eq(strncmp(err.text, "p.yaml:1: ", 10), 0, "%s", err.text);
    mr_config_free(pipeline.root);
}

Test(stage_options, waits)
{
    static const char *const values[][2] = {
        {"asleep", "found \"asleep\""},
        {"{spin: park}", "found keys and values"},
        {"[spin, park]", "found a list of 2"},
        {"[spin, [park], park]", "wait[1]"},
        {"[spin, park, asleep]", "wait[2]: found \"asleep\""},
    };
    enum mr_wait_strategy wait[MR_ROLE_COUNT];
    for (unsigned i = 0; i < MR_COUNT_OF(values); i++)
        expect_refused(mr_stages_read_wait(parse("wait", values[i][0]), wait, &err), values[i][0],
                       values[i][1]);
}

Test(stage_options, placements)
{
    static const char *const values[][2] = {
        {"[0, one, 2]", "placement[1]"},
        {"[0, 1, 1024]", "placement[2]: found 1024"},
        {"[-1, 1, 2]", "placement[0]: found -1"},
    };
    struct mr_placement placement;
    for (unsigned i = 0; i < MR_COUNT_OF(values); i++)
        expect_refused(mr_stages_read_placement(parse("placement", values[i][0]), &placement, &err),
                       values[i][0], values[i][1]);
}

Test(stage_options, priorities)
{
    static const int64_t priorities[] = {-1, 100};
    for (unsigned i = 0; i < MR_COUNT_OF(priorities); i++) {
        parse("realtime", "1");
        expect_refused(mr_stages_check_realtime(&pipeline, priorities[i], &err), "realtime",
                       "expected a priority from 1 to");
    }
}

Test(stage_options, a_priority_is_for_stages_that_sleep)
{
    for (int strategy = MR_WAIT_SPIN; strategy <= MR_WAIT_YIELD; strategy++) {
        for (unsigned role = 0; role < MR_ROLE_COUNT; role++)
            pipeline.wait[role] = MR_WAIT_PARK;
        pipeline.wait[MR_ROLE_LOADER] = (enum mr_wait_strategy)strategy;
        parse("realtime", "10");
        cr_expect_eq(mr_stages_check_realtime(&pipeline, 0, &err), MR_OK);
        expect_refused(mr_stages_check_realtime(&pipeline, 10, &err), "realtime",
                       mr_wait_strategy_names[strategy]);
    }
}
