// SPDX-License-Identifier: Apache-2.0
// The session file: its bytes, its two slots, and what it makes of a pipeline.
#include "core/pipeline/session.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tests/support/journal_bytes.h"

static char *directory;
static void set_up(void)
{
    directory = mr_test_directory();
}
static void tear_down(void)
{
    mr_test_remove_directory(directory);
}
TestSuite(session, .init = set_up, .fini = tear_down);

static struct mr_session sound(void)
{
    struct mr_session session = {
        .settings = 77, .again = MR_AGAIN_SAME, .state = MR_SESSION_RUNNING};
    for (unsigned ring = 0; ring < MR_RING_COUNT; ring++) {
        session.capacity[ring] = MR_RING_CAPACITY_MIN;
        session.start_pos[ring] = ring * MR_RING_CAPACITY_MIN;
    }
    return session;
}

Test(session, the_layout_is_what_the_header_shows)
{
    cr_expect_eq(offsetof(struct mr_session, version), 8);
    cr_expect_eq(offsetof(struct mr_session, epoch), 16);
    cr_expect_eq(offsetof(struct mr_session, check), 24);
    cr_expect_eq(offsetof(struct mr_session, settings), 32);
    cr_expect_eq(offsetof(struct mr_session, again), 40);
    cr_expect_eq(offsetof(struct mr_session, state), 44);
    cr_expect_eq(offsetof(struct mr_session, start_pos), 48);
    cr_expect_eq(offsetof(struct mr_session, capacity), 128);
    cr_expect_eq(offsetof(struct mr_session, has_checkpoint), 208);
    cr_expect_eq(offsetof(struct mr_session, checkpoint), 216);
    cr_expect_eq(MR_SESSION_SLOT_BYTES, 8192);
}

// Slots as they may stand in the file: `first` and `second` epochs, 0 for none.
static void make_file(uint8_t *file, uint64_t first, uint64_t second)
{
    struct mr_session session = sound();
    memset(file, 0, MR_SESSION_FILE_BYTES);
    for (unsigned slot = 0; slot < 2; slot++) {
        session.settings = 100 + slot;
        mr_session_seal(&session, slot ? second : first);
        if (session.epoch)
            memcpy(file + slot * MR_SESSION_SLOT_BYTES, &session, sizeof session);
    }
}

Test(session, the_higher_epoch_holds_and_a_torn_write_leaves_the_other)
{
    static uint8_t file[MR_SESSION_FILE_BYTES];
    struct mr_session found;
    struct mr_error err;
    make_file(file, 8, 7);
    cr_assert_eq(mr_session_parse(file, sizeof file, &found, &err), MR_OK, "%s", err.text);
    cr_expect_eq(found.settings, 100);
    make_file(file, 8, 9);
    cr_assert_eq(mr_session_parse(file, sizeof file, &found, &err), MR_OK, "%s", err.text);
    cr_expect_eq(found.settings, 101);
    // Each byte of the slot that holds, torn: the other one holds then.
    for (size_t at = 0; at < sizeof found; at += 61) {
        file[MR_SESSION_SLOT_BYTES + at] ^= 1;
        cr_assert_eq(mr_session_parse(file, sizeof file, &found, &err), MR_OK, "byte %zu", at);
        cr_expect_eq(found.settings, 100, "byte %zu", at);
        file[MR_SESSION_SLOT_BYTES + at] ^= 1;
    }
    memset(file, 0, MR_SESSION_SLOT_BYTES);
    file[MR_SESSION_SLOT_BYTES + 40] ^= 1;
    cr_expect_eq(mr_session_parse(file, sizeof file, &found, &err), MR_ERR_CORRUPT);
    cr_expect_eq(mr_session_parse(file, 100, &found, &err), MR_ERR_CORRUPT);
}

static void expect_refused(const struct mr_session *session, const char *words)
{
    static uint8_t file[MR_SESSION_FILE_BYTES];
    struct mr_session sealed = *session, found;
    struct mr_error err = {0};
    mr_session_seal(&sealed, 2);
    memcpy(file, &sealed, sizeof sealed);
    cr_expect_eq(mr_session_parse(file, sizeof file, &found, &err), MR_ERR_CORRUPT);
    cr_expect_not_null(strstr(err.text, words), "%s", err.text);
}

Test(session, what_no_ring_can_be_made_of_is_refused)
{
    struct mr_session session = sound();
    session.capacity[MR_RING_EGRESS] = 3;
    expect_refused(&session, "ring egress: found capacity 3");
    session = sound();
    session.start_pos[MR_RING_EGRESS] = 8;
    expect_refused(&session, "start position 8");
    session = sound();
    session.again = 5;
    expect_refused(&session, "found source 5");
    session = sound();
    session.has_checkpoint = 1; // and its positions are before the session's
    expect_refused(&session, "found position 0");
    session = sound();
    memset(session.start_pos, 0, sizeof session.start_pos);
    session.has_checkpoint = 1;
    session.checkpoint[MR_ROLE_LOADER].in_pos[0] = 8;
    expect_refused(&session, "has not read what the one before it has written");
}

Test(session, is_made_read_and_removed)
{
    struct mr_session session = sound(), found;
    struct mr_error err;
    bool there;
    cr_assert_eq(mr_session_read(directory, &found, &there, &err), MR_OK);
    cr_expect_not(there);
    cr_assert_eq(mr_session_create(directory, &session, &err), MR_OK, "%s", err.text);
    cr_assert_eq(mr_session_read(directory, &found, &there, &err), MR_OK, "%s", err.text);
    cr_expect(there);
    cr_expect_eq(memcmp(&found, &session, sizeof found), 0);
    cr_assert_eq(mr_session_give_up(directory, &there, &err), MR_OK, "%s", err.text);
    cr_expect(there);
    cr_assert_eq(mr_session_give_up(directory, &there, &err), MR_OK);
    cr_expect_not(there);
    cr_assert_eq(mr_session_remove(directory, &err), MR_OK);
}

static void load(struct mr_pipeline *pipeline, const char *set)
{
    char path[600];
    struct mr_error err;
    snprintf(path, sizeof path, "%s/p.yaml", directory);
    FILE *file = fopen(path, "w");
    fprintf(file,
            "name: p\nsource: {type: mock, count: 9}\nsink: {type: journal, path: %s}\n"
            "ring: {size: 64KiB}\ndead_letter: {size: 64KiB}\n",
            directory);
    fclose(file);
    cr_assert_eq(mr_pipeline_load(pipeline, path, &set, set ? 1 : 0, &err), MR_OK, "%s", err.text);
}

Test(session, settings_are_what_makes_the_bytes)
{
    struct mr_pipeline pipeline;
    static const char *const others[] = {"source.count=8", "transform=[drop: [id]]",
                                         "ring.size=128KiB", "egress.size=128KiB",
                                         "sink.durability=none"};
    static const char *const same[] = {"wait=park", "batch=4KiB", "name=q", "metrics={port: 9464}"};
    load(&pipeline, NULL);
    uint64_t settings = mr_session_settings(&pipeline);
    mr_pipeline_free(&pipeline);
    for (unsigned i = 0; i < MR_COUNT_OF(others) + MR_COUNT_OF(same); i++) {
        bool other = i < MR_COUNT_OF(others);
        const char *set = other ? others[i] : same[i - MR_COUNT_OF(others)];
        load(&pipeline, set);
        cr_expect_eq(mr_session_settings(&pipeline) != settings, other, "%s", set);
        mr_pipeline_free(&pipeline);
    }
}

Test(session, a_plan_goes_on_from_the_start_or_the_checkpoint)
{
    struct mr_pipeline pipeline;
    struct mr_session session = sound();
    struct mr_session_plan plan;
    struct mr_stage_slot slot;
    struct mr_error err;
    uint64_t position;
    load(&pipeline, NULL);
    session.settings = mr_session_settings(&pipeline);
    cr_assert_eq(mr_session_create(directory, &session, &err), MR_OK);
    cr_assert_eq(mr_session_plan(&pipeline, &plan, &err), MR_OK, "%s", err.text);
    cr_expect_eq(plan.resume, MR_RESUME_AGAIN);
    cr_assert_eq(mr_session_start_pos(&plan, &pipeline, MR_RING_EGRESS, &position, &err), MR_OK);
    cr_expect_eq(position, session.start_pos[MR_RING_EGRESS]);
    cr_expect_not(mr_session_slot(&plan, MR_ROLE_LOADER, &slot));
    memset(session.start_pos, 0, sizeof session.start_pos);
    session.has_checkpoint = 1;
    session.checkpoint[MR_ROLE_TRANSFORM].out_pos[0] = 800;
    session.checkpoint[MR_ROLE_LOADER].in_pos[0] = 800;
    cr_assert_eq(mr_session_create(directory, &session, &err), MR_OK);
    cr_assert_eq(mr_session_plan(&pipeline, &plan, &err), MR_OK, "%s", err.text);
    cr_assert_eq(mr_session_start_pos(&plan, &pipeline, MR_RING_EGRESS, &position, &err), MR_OK);
    cr_expect_eq(position, 800);
    cr_expect(mr_session_slot(&plan, MR_ROLE_LOADER, &slot));
    cr_expect_eq(slot.in_pos[0], 800);
    session.again = MR_AGAIN_NEVER;
    cr_assert_eq(mr_session_create(directory, &session, &err), MR_OK);
    cr_assert_eq(mr_session_plan(&pipeline, &plan, &err), MR_OK, "%s", err.text);
    cr_expect_eq(plan.resume, MR_RESUME_BEHIND);
    mr_pipeline_free(&pipeline);
}
