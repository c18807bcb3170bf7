// SPDX-License-Identifier: Apache-2.0
// A session of several sources: the order in which their records were taken is known to nobody any more, so it is
// gone on with only behind what there is, where none of them can be read again.
#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/pipeline/session.h"
#include "core/pipeline/stream_path.h"
#include "tests/support/journal_bytes.h"

static char *directory;
static char path[400], letters[600];
static struct mr_pipeline pipeline;
static struct mr_session session;
static struct mr_session_plan plan;
static struct mr_error err;

static void load(unsigned sources, const char *more)
{
    FILE *file = fopen(path, "w");
    cr_assert_not_null(file);
    fprintf(file,
            "name: p\nsink: {type: journal, path: %s}\nring: {size: 64KiB}\n"
            "dead_letter: {size: 64KiB, path: %s}\n%ssource:\n",
            directory, directory, more);
    for (unsigned i = 0; i < sources; i++)
        fprintf(file, "  - {type: mock, count: %u}\n", i + 1);
    fclose(file);
    mr_pipeline_free(&pipeline);
    cr_assert_eq(mr_pipeline_load(&pipeline, path, NULL, 0, &err), MR_OK, "%s", err.text);
}

static void set_up(void)
{
    directory = mr_test_directory();
    snprintf(path, sizeof path, "%s/p.yaml", directory);
    load(2, "");
    session = (struct mr_session){.settings = mr_session_settings(&pipeline),
                                  .again = MR_AGAIN_MIXED,
                                  .state = MR_SESSION_RUNNING};
    for (unsigned ring = 0; ring < MR_RING_COUNT; ring++)
        session.capacity[ring] = MR_RING_CAPACITY_MIN;
}
static void tear_down(void)
{
    mr_pipeline_free(&pipeline);
    mr_test_remove_directory(directory);
}
TestSuite(session_several, .init = set_up, .fini = tear_down, .timeout = 60);

static int make_plan(void)
{
    cr_assert_eq(mr_session_create(directory, &session, &err), MR_OK, "%s", err.text);
    return mr_session_plan(&pipeline, &plan, &err);
}

static void expect_refused(int code, int expected, const char *words)
{
    cr_expect_eq(code, expected, "%s", err.text);
    cr_expect_not_null(strstr(err.text, words), "'%s' says nothing of '%s'", err.text, words);
}

static void write_segment(const char *where)
{
    struct mr_schema_set schemas = mr_test_schemas();
    uint8_t stream[512];
    size_t bytes = mr_test_record(&schemas, 0, 1, 100, stream);
    mr_test_segment(where, &schemas, 0, 0, MR_RING_CAPACITY_MIN, stream, bytes, bytes);
    mr_schema_set_clear(&schemas);
}

Test(session_several, one_whose_order_is_lost_is_refused_and_says_how_to_give_it_up)
{
    cr_assert_eq(make_plan(), MR_OK, "%s", err.text);
    cr_expect_eq(plan.resume, MR_RESUME_NOT, "nothing was written: there is no order to keep to");
    write_segment(directory);
    expect_refused(make_plan(), MR_ERR_INPUT, "a run of several sources that was cut off");
    session.state = MR_SESSION_STOPPED;
    expect_refused(make_plan(), MR_ERR_INPUT, "of several sources that ended before they did");
    session.state = MR_SESSION_RUNNING;
    expect_refused(make_plan(), MR_ERR_INPUT, "millrace clean");
    cr_expect_not_null(strstr(err.text, path), "%s", err.text);
    int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    cr_assert_eq(flock(fd, LOCK_EX | LOCK_NB), 0);
    expect_refused(make_plan(), MR_ERR_BUSY, "another run writes there");
    close(fd);
    bool there;
    cr_assert_eq(mr_session_give_up(directory, &there, &err), MR_OK, "%s", err.text);
    cr_expect_eq(mr_session_plan(&pipeline, &plan, &err), MR_OK, "%s", err.text);
    cr_expect_eq(plan.resume, MR_RESUME_NOT);
}

Test(session_several, where_none_can_be_read_again_it_goes_on_behind)
{
    static const enum mr_ring_index of_second[] = {MR_RING_INGRESS_2, MR_RING_DEAD_PRODUCER_2};
    uint64_t position;
    session.again = MR_AGAIN_NEVER;
    write_segment(directory);
    cr_assert_eq(make_plan(), MR_OK, "%s", err.text);
    cr_expect_eq(plan.resume, MR_RESUME_BEHIND);
    cr_assert_eq(mr_session_start_pos(&plan, &pipeline, MR_RING_EGRESS, &position, &err), MR_OK);
    cr_expect_eq(position, MR_RING_CAPACITY_MIN);
    for (unsigned i = 0; i < MR_COUNT_OF(of_second); i++) {
        cr_assert_eq(mr_session_start_pos(&plan, &pipeline, of_second[i], &position, &err), MR_OK,
                     "%s", err.text);
        cr_expect_eq(position, 0, "%s", mr_ring_index_name(of_second[i]));
    }
}

Test(session_several, more_or_fewer_sources_are_other_settings)
{
    uint64_t settings = session.settings;
    load(3, "");
    cr_expect_neq(mr_session_settings(&pipeline), settings);
    write_segment(directory);
    expect_refused(make_plan(), MR_ERR_OUTPUT, "with other settings");
    load(2, "wait: park\n");
    cr_expect_eq(mr_session_settings(&pipeline), settings);
}

// Where nothing but letters of the second producer was written, that is something all the same.
Test(session_several, dead_letters_of_any_producer_are_in_the_way_of_other_settings)
{
    session.settings++;
    cr_assert_eq(make_plan(), MR_OK, "%s", err.text);
    cr_expect_eq(plan.resume, MR_RESUME_NOT, "nothing was written");
    mr_dead_letter_directory(&pipeline, MR_RING_DEAD_PRODUCER_2, letters, sizeof letters);
    cr_expect_str_eq(strrchr(letters, '/'), "/producer-2");
    cr_assert_eq(mkdir(letters, 0700), 0);
    write_segment(letters);
    expect_refused(make_plan(), MR_ERR_OUTPUT, "with other settings");
}
