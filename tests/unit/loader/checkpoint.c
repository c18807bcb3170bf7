// SPDX-License-Identifier: Apache-2.0
// Checkpoints of a session: written when what they stand for is durable, to the slot that does not hold, synced before
// they count; one that cannot be written is said, and the one before it stands.
#include "consumers/loader/checkpoint.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/support/failing_disk.h"
#include "tests/support/faulty_io.h"
#include "tests/support/journal_bytes.h"

static char *directory;
static struct mr_pipeline pipeline;
static struct mr_stage *loader, *transform;
static struct mr_io io;
static struct mr_session session;
static struct mr_checkpoint checkpoint;
static struct mr_checkpoint_options options;
static struct mr_error err;

static void load(const char *durability)
{
    char path[600], set[64];
    const char *sets[] = {set};
    snprintf(path, sizeof path, "%s/p.yaml", directory);
    snprintf(set, sizeof set, "sink.durability=%s", durability);
    FILE *file = fopen(path, "w");
    fprintf(file, "name: p\nsource: {type: mock, count: 9}\nsink: {type: journal, path: %s}\n",
            directory);
    fclose(file);
    cr_assert_eq(mr_pipeline_load(&pipeline, path, sets, 1, &err), MR_OK, "%s", err.text);
    loader->pipeline = &pipeline;
}

static void set_up(void)
{
    directory = mr_test_directory();
    failing_disk_leave();
    faulty_io = (struct faulty_io){0};
    loader = calloc(1, sizeof *loader);
    transform = calloc(1, sizeof *transform);
    cr_assert(loader && transform);
    transform->shared = calloc(1, sizeof *transform->shared);
    cr_assert_not_null(transform->shared);
    load("batch");
    session =
        (struct mr_session){.settings = 7, .again = MR_AGAIN_SAME, .state = MR_SESSION_RUNNING};
    for (unsigned ring = 0; ring < MR_RING_COUNT; ring++)
        session.capacity[ring] = MR_RING_CAPACITY_MIN;
    cr_assert_eq(mr_session_create(directory, &session, &err), MR_OK, "%s", err.text);
    cr_assert_eq(mr_io_open(&io, &faulty_io_backend, 8, &err), MR_OK);
    options = (struct mr_checkpoint_options){
        .directory = directory, .interval_ns = 1, .letter_counters = {3, 4}};
}
static void tear_down(void)
{
    failing_disk_leave();
    mr_checkpoint_close(&checkpoint);
    mr_io_close(&io);
    mr_pipeline_free(&pipeline);
    free(transform->shared);
    free(transform);
    free(loader);
    mr_test_remove_directory(directory);
}
TestSuite(checkpoint, .init = set_up, .fini = tear_down);

static void open_checkpoint(void)
{
    cr_assert_eq(mr_checkpoint_open(&checkpoint, loader, &io, &session, &options, &err), MR_OK,
                 "%s", err.text);
    if (checkpoint.fd >= 0) // a run of its own would have a transform; its page is all that counts
        checkpoint.upstream_page = transform->shared;
}

// A note of a moment when so many records were through.
static void leave_note(uint64_t records)
{
    struct mr_stage_note note = {.letters = {1, 2}};
    note.producer.out_pos[MR_PORT_MAIN] = note.transform.in_pos[MR_PORT_MAIN] = 64 * records;
    note.producer.out_pos[MR_PORT_DEAD] = 8;
    note.transform.out_pos[MR_PORT_MAIN] = 64 * records;
    note.transform.out_pos[MR_PORT_DEAD] = 16;
    note.transform.counts[MR_COUNT_EMITTED] = records;
    mr_note_leave(transform, &note);
}

static void be_durable(uint64_t main_pos, uint64_t dead_pos, uint64_t dead_2_pos)
{
    loader->now.in_pos[MR_PORT_MAIN] = main_pos;
    loader->now.in_pos[MR_PORT_DEAD] = dead_pos;
    loader->now.in_pos[MR_PORT_DEAD_2] = dead_2_pos;
}

static int turns(void)
{
    int code = MR_OK;
    for (unsigned turn = 0; turn < 6 && code == MR_OK; turn++) {
        code = mr_checkpoint_poll(&checkpoint, loader, &err);
        cr_assert_eq(mr_io_reap(&io, 0, &err), MR_OK);
    }
    return code;
}

static struct mr_session on_disk(void)
{
    struct mr_session found = {0};
    bool there = false;
    cr_assert_eq(mr_session_read(directory, &found, &there, &err), MR_OK, "%s", err.text);
    cr_assert(there);
    return found;
}

Test(checkpoint, is_written_when_all_of_it_is_durable)
{
    static const uint64_t not_yet[][3] = {{639, 8, 16}, {640, 7, 16}, {640, 8, 15}};
    open_checkpoint();
    cr_assert_eq(turns(), MR_OK);
    cr_expect_eq(faulty_io.writes, 0, "there is no note");
    leave_note(10);
    for (unsigned i = 0; i < MR_COUNT_OF(not_yet); i++) {
        be_durable(not_yet[i][0], not_yet[i][1], not_yet[i][2]);
        cr_assert_eq(turns(), MR_OK);
        cr_expect_eq(faulty_io.writes, 0);
    }
    be_durable(640, 8, 16);
    cr_assert_eq(turns(), MR_OK, "%s", err.text);
    struct mr_session found = on_disk();
    cr_expect_eq(found.epoch, 2);
    cr_expect_eq(found.has_checkpoint, 1);
    cr_expect_eq(memcmp(&found, &session, sizeof found), 0, "what counts is what stands there");
    const struct mr_stage_slot *slot = &found.checkpoint[MR_ROLE_LOADER];
    cr_expect_eq(slot->in_pos[MR_PORT_MAIN], 640);
    cr_expect_eq(slot->counts[MR_COUNT_IN], 10);
    cr_expect_eq(slot->counts[MR_COUNT_OUT], 10);
    cr_expect(slot->plugin[3] == 1 && slot->plugin[4] == 2, "the dead letters are counted");
    leave_note(20);
    be_durable(1280, 8, 16);
    cr_assert_eq(turns(), MR_OK);
    cr_expect_eq(on_disk().epoch, 3);
    cr_expect_eq(on_disk().checkpoint[MR_ROLE_LOADER].in_pos[MR_PORT_MAIN], 1280);
    cr_expect_eq(faulty_io.syncs, 2);
}

// Before it is due a note is dropped for a newer one.
Test(checkpoint, waits_until_it_is_due)
{
    options.interval_ns = 3600LL * 1000000000;
    open_checkpoint();
    leave_note(10);
    be_durable(640, 8, 16);
    cr_assert_eq(turns(), MR_OK);
    cr_expect_eq(faulty_io.writes, 0);
    checkpoint.due_ns = 0;
    cr_assert_eq(turns(), MR_OK);
    cr_expect_eq(faulty_io.writes, 0, "the old note is gone");
    leave_note(10);
    cr_assert_eq(turns(), MR_OK);
    cr_expect_eq(on_disk().epoch, 2);
}

static void expect_failure(const char *sentence)
{
    open_checkpoint();
    leave_note(10);
    be_durable(640, 8, 16);
    cr_expect_eq(turns(), MR_ERR_OUTPUT);
    cr_expect_not_null(strstr(err.text, sentence), "%s", err.text);
    cr_expect_not_null(strstr(err.text, strerror(EIO)), "%s", err.text);
    cr_expect_eq(session.epoch, 1, "it does not count");
    cr_expect_eq(turns(), MR_ERR_OUTPUT, "and is not tried again");
}

Test(checkpoint, a_failed_write_is_said)
{
    faulty_io.fail_write_after = 1;
    faulty_io.writes = 1;
    faulty_io.fail_write_errno = EIO;
    expect_failure("session: cannot write the checkpoint");
    cr_expect_eq(on_disk().epoch, 1);
    cr_expect_eq(faulty_io.syncs, 0, "what was not written is not synced");
}

Test(checkpoint, a_failed_sync_is_said)
{
    faulty_io.fail_sync_after = 1;
    faulty_io.syncs = 1;
    expect_failure("session: cannot sync the checkpoint");
    cr_expect_eq(faulty_io.syncs_after_failure, 0);
}

// One at a time: what comes meanwhile waits until that is safe.
Test(checkpoint, one_after_the_other)
{
    open_checkpoint();
    leave_note(10);
    be_durable(640, 8, 16);
    cr_assert_eq(mr_checkpoint_poll(&checkpoint, loader, &err), MR_OK);
    cr_expect_eq((int)checkpoint.doing, MR_CHECKPOINT_WRITING);
    leave_note(20);
    be_durable(1280, 8, 16);
    cr_assert_eq(mr_checkpoint_poll(&checkpoint, loader, &err), MR_OK);
    cr_assert_eq(mr_io_reap(&io, 0, &err), MR_OK);
    cr_expect_eq((int)checkpoint.doing, MR_CHECKPOINT_SYNCING);
    cr_assert_eq(mr_checkpoint_poll(&checkpoint, loader, &err), MR_OK);
    cr_assert_eq(mr_io_reap(&io, 0, &err), MR_OK);
    cr_expect_eq(on_disk().epoch, 2);
    cr_expect_eq(on_disk().checkpoint[MR_ROLE_LOADER].in_pos[MR_PORT_MAIN], 640);
    cr_assert_eq(turns(), MR_OK);
    cr_expect_eq(on_disk().epoch, 3);
    cr_expect_eq(on_disk().checkpoint[MR_ROLE_LOADER].in_pos[MR_PORT_MAIN], 1280);
}

// An I/O layer that is full takes it another time.
Test(checkpoint, waits_for_a_place)
{
    uint8_t byte = 0;
    char path[600];
    open_checkpoint();
    snprintf(path, sizeof path, "%s/other", directory);
    mr_test_write_file(path, "", 0);
    int fd = mr_disk->open(path, O_WRONLY);
    struct mr_io_client nobody = checkpoint.client;
    struct mr_checkpoint unused = {.failure.code = MR_OK, .io = &io};
    nobody.self = &unused;
    while (mr_io_write(&io, &nobody, fd, &byte, 1, 0, 1))
        continue;
    unused.session = &unused.next;
    leave_note(10);
    be_durable(640, 8, 16);
    cr_assert_eq(mr_checkpoint_poll(&checkpoint, loader, &err), MR_OK);
    cr_expect_eq((int)checkpoint.doing, MR_CHECKPOINT_IDLE);
    cr_assert_eq(mr_io_reap(&io, 0, &err), MR_OK);
    leave_note(10);
    cr_assert_eq(turns(), MR_OK);
    cr_expect_eq(on_disk().epoch, 2);
    mr_disk->close(fd);
}

// ---- where there are none ------------------------------------------------------------------------
static void expect_none(void)
{
    cr_assert_eq(mr_checkpoint_open(&checkpoint, loader, &io, &session, &options, &err), MR_OK,
                 "%s", err.text);
    leave_note(10);
    be_durable(640, 8, 16);
    cr_assert_eq(turns(), MR_OK);
    cr_expect_eq(faulty_io.writes, 0);
    mr_checkpoint_close(&checkpoint);
}

Test(checkpoint, where_there_are_none)
{
    expect_none(); // no transform's page is there
    options.interval_ns = 0;
    expect_none();
    options.interval_ns = 1;
    session.again = MR_AGAIN_NEVER;
    expect_none();
    session.again = MR_AGAIN_SAME;
    mr_pipeline_free(&pipeline);
    load("none");
    expect_none();
    mr_pipeline_free(&pipeline);
    load("batch");
    cr_assert_eq(mr_session_remove(directory, &err), MR_OK);
    expect_none();
}

Test(checkpoint, a_file_that_cannot_be_opened_is_said)
{
    failing_disk_use(FAILING_OPEN, 1, EACCES);
    cr_expect_eq(mr_checkpoint_open(&checkpoint, loader, &io, &session, &options, &err),
                 MR_ERR_OUTPUT);
    cr_expect_not_null(strstr(err.text, MR_SESSION_FILE ": cannot open"), "%s", err.text);
    cr_expect_not_null(strstr(err.text, directory), "%s", err.text);
}
