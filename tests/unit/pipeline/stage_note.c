// SPDX-License-Identifier: Apache-2.0
// Notes that a stage leaves for whoever writes checkpoints: whole, once each, never half of one.
#include "core/pipeline/stage_note.h"

#include <criterion/criterion.h>
#include <string.h>

#include "tests/support/run_pages.h"

static struct run_pages run;
static struct mr_stage stage;
static struct mr_stage_note note, found;
static uint64_t seen;

static void set_up(void)
{
    run_pages_open(&run, "notes");
    stage.shared = run.pages[MR_ROLE_PRODUCER];
    memset((uint8_t *)&note + sizeof note.number, 0x5A, sizeof note - sizeof note.number);
}
static void tear_down(void)
{
    run_pages_close(&run);
}
TestSuite(stage_note, .init = set_up, .fini = tear_down);

static bool take(void)
{
    return mr_note_take(stage.shared, &seen, &found);
}

Test(stage_note, each_is_taken_once_and_whole)
{
    cr_expect_not(take(), "none was left");
    for (unsigned i = 0; i < 3; i++) {
        mr_note_leave(&stage, &note);
        cr_assert(take());
        cr_expect_eq(memcmp((uint8_t *)&found + sizeof found.number,
                            (uint8_t *)&note + sizeof note.number,
                            sizeof note - sizeof note.number),
                     0);
        cr_expect_not(take(), "it was seen");
    }
}

Test(stage_note, one_that_is_being_written_is_not_taken_until_the_next_is_left)
{
    mr_note_leave(&stage, &note);
    stage.shared->note.number++; // died there
    cr_expect_not(take());
    mr_note_leave(&stage, &note);
    cr_expect(take());
    cr_expect_eq(seen % 2, 0);
}

static bool wanted(const char *text, unsigned sources)
{
    struct mr_pipeline pipeline = {.source_count = sources};
    struct mr_error err;
    cr_assert_eq(mr_config_parse(text, "p.yaml", &pipeline.root, &err), MR_OK, "%s", err.text);
    pipeline.sink_node = pipeline.root;
    bool are = mr_notes_are_wanted(&pipeline);
    mr_config_free(pipeline.root);
    return are;
}

Test(stage_note, only_a_journal_that_is_synced_wants_them)
{
    cr_expect(wanted("{type: journal, path: j}", 1));
    cr_expect_not(wanted("{type: journal, path: j, durability: none}", 1));
    cr_expect_not(wanted("{type: text, path: j}", 1));
}

Test(stage_note, of_several_sources_no_one_moment_is_known)
{
    cr_expect_not(wanted("{type: journal, path: j}", 2));
}
