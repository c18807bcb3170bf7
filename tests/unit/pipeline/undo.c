// SPDX-License-Identifier: Apache-2.0
// The undo log as a damaged page may hold it: nothing outside of the state is ever written, and the next process
// says what it found.
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/pipeline/stage_private.h"
#include "tests/support/counting_stage.h"
#include "tests/support/refusal.h"

static struct counting_run run;
static struct mr_stage stage;
static struct mr_error err;

static int open_stage(void)
{
    cr_assert_eq(mr_stage_open(&stage, &run.pipeline, MR_ROLE_PRODUCER, &err), MR_OK, "%s",
                 err.text);
    return mr_stage_reserve_state(&stage, COUNTING_STATE_BYTES, &err);
}

static void set_up(void)
{
    counting_run_open(&run, 0, 1);
    cr_assert_eq(open_stage(), MR_OK, "%s", err.text);
    stage.now.counts[MR_COUNT_IN] = 1; // what has accepted nothing would be made anew
    stage.now.counts[MR_COUNT_OUT] = 1;
    mr_stage_commit(&stage);
}
static void tear_down(void)
{
    counting_run_close(&run);
}
TestSuite(undo, .init = set_up, .fini = tear_down, .timeout = 60);

// As a process that died with the log begun.
static void die(void)
{
    mr_stage_detach(&stage);
}

static void touch(uint32_t offset, uint32_t bytes)
{
    mr_stage_touch(&stage, stage.state + offset, bytes);
    memset(stage.state + offset, 0xEE, bytes);
}

static void expect_refused(const char *words)
{
    die();
    cr_expect_eq(open_stage(), MR_ERR_CORRUPT, "%s", words);
    cr_expect_not_null(strstr(err.text, words), "'%s' says nothing of '%s'", err.text, words);
}

static struct mr_undo_trailer *last_trailer(void)
{
    return (void *)(stage.undo->entries + stage.undo->used - sizeof(struct mr_undo_trailer));
}

Test(undo, takes_back_short_and_long_entries_and_those_at_the_end_of_the_state)
{
    touch(0, 8);
    touch(4, 100);
    touch(COUNTING_STATE_BYTES - 8, 8);
    for (unsigned i = 0; i < COUNTING_STATE_BYTES; i += 200)
        touch(0, COUNTING_STATE_BYTES);
    die();
    cr_assert_eq(open_stage(), MR_OK, "%s", err.text);
    for (unsigned i = 0; i < COUNTING_STATE_BYTES; i++)
        cr_assert_eq(stage.state[i], 0, "byte %u", i);
}

Test(undo, more_used_than_the_log_holds)
{
    touch(0, 8);
    stage.undo->used = MR_UNDO_BYTES + 8;
    expect_refused("found 8388616 bytes used");
}

Test(undo, less_used_than_a_trailer_takes)
{
    touch(0, 8);
    stage.undo->used = sizeof(struct mr_undo_trailer) - 1;
    expect_refused("found 7 bytes used");
}

Test(undo, an_entry_that_begins_before_the_log)
{
    touch(0, 8);
    last_trailer()->bytes = 64;
    expect_refused("found offset 0, 64 bytes");
}

Test(undo, an_entry_outside_of_the_state)
{
    touch(0, 8);
    last_trailer()->offset = COUNTING_STATE_BYTES - 4;
    expect_refused("found offset 4092, 8 bytes");
}

Test(undo, the_last_room_of_the_log_is_used_and_asks_for_a_commit)
{
    cr_expect_not(mr_stage_should_commit(&stage));
    while (stage.undo_used + 2 * (COUNTING_STATE_BYTES + sizeof(struct mr_undo_trailer)) <=
           MR_UNDO_BYTES)
        touch(0, COUNTING_STATE_BYTES);
    cr_expect(mr_stage_should_commit(&stage));
    while (stage.undo_used + 8 + sizeof(struct mr_undo_trailer) <= MR_UNDO_BYTES)
        touch(16, 8); // at last slowly: a short entry is copied longer than it is
    die();
    cr_assert_eq(open_stage(), MR_OK, "%s", err.text);
    cr_expect_eq(stage.state[0], 0);
    cr_expect_eq(stage.state[16], 0);
}

// Going on would make the next crash unrecoverable.
Test(undo, what_does_not_fit_the_log_ends_the_process, .exit_code = MR_ERR_CORRUPT)
{
    for (;;)
        touch(0, COUNTING_STATE_BYTES);
}

Test(undo, an_output_a_quarter_full_asks_for_a_commit)
{
    while (stage.writers[0].position <= MR_RING_CAPACITY_MIN / 4) {
        cr_expect_not(mr_stage_should_commit(&stage));
        cr_assert_not_null(mr_stage_claim(&stage, MR_PORT_MAIN, 1024));
        mr_stage_emit(&stage, MR_PORT_MAIN);
    }
    cr_expect(mr_stage_should_commit(&stage));
}

// ---- what state there can be

Test(undo, no_state_needs_none)
{
    die();
    cr_assert_eq(mr_stage_open(&stage, &run.pipeline, MR_ROLE_PRODUCER, &err), MR_OK);
    cr_expect_eq(mr_stage_reserve_state(&stage, 0, &err), MR_OK);
    cr_expect_null(stage.state);
}

Test(undo, too_much_of_it_is_refused)
{
    cr_expect_eq(mr_stage_reserve_state(&stage, (uint64_t)UINT32_MAX + 1, &err), MR_ERR_CONFIG);
    cr_expect_not_null(strstr(err.text, "at most 4 GiB"), "%s", err.text);
}

Test(undo, a_state_that_is_no_segment_is_refused)
{
    char path[352];
    snprintf(path, sizeof path, "%s.state", stage.segment.path);
    cr_assert_eq(truncate(path, 100), 0);
    die();
    cr_expect_eq(open_stage(), MR_ERR_SHM);
    cr_expect_not_null(strstr(err.text, ".state"), "%s", err.text);
}

Test(undo, a_state_that_cannot_be_locked_is_refused)
{
    cr_assert_eq(mr_config_parse("lock_memory: true\n", "counting.yaml", &run.pipeline.root, &err),
                 MR_OK);
    run.pipeline.memory.lock = true;
    refuse_call("mlock", ENOMEM);
    if (mlock(&err, 1) == 0)
        cr_skip("a sanitizer answers mlock itself");
    cr_expect_eq(mr_stage_reserve_state(&stage, COUNTING_STATE_BYTES, &err), MR_ERR_CONFIG, "%s",
                 err.text);
    cr_expect_not_null(strstr(err.text, "cannot lock"), "%s", err.text);
}
