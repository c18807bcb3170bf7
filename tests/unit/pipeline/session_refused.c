// SPDX-License-Identifier: Apache-2.0
// A session's file on a disk that refuses, in a directory that is none, damaged in every field; and what a run plans
// from it.
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/pipeline/session.h"
#include "tests/support/failing_disk.h"
#include "tests/support/journal_bytes.h"
#include "tests/support/refusal.h"

static char *directory;
static char path[400], new_path[400], file_path[400];
static struct mr_pipeline pipeline;
static struct mr_session session, found;
static struct mr_session_plan plan;
static struct mr_error err;

static void set_up(void)
{
    directory = mr_test_directory();
    snprintf(path, sizeof path, "%s/" MR_SESSION_FILE, directory);
    snprintf(new_path, sizeof new_path, "%s/" MR_SESSION_FILE ".new", directory);
    snprintf(file_path, sizeof file_path, "%s/p.yaml", directory); // also a directory that is none
    mr_test_write_file(file_path, "", 0);
    session =
        (struct mr_session){.settings = 77, .again = MR_AGAIN_SAME, .state = MR_SESSION_RUNNING};
    for (unsigned ring = 0; ring < MR_RING_COUNT; ring++)
        session.capacity[ring] = MR_RING_CAPACITY_MIN;
}
static void tear_down(void)
{
    mr_pipeline_free(&pipeline);
    mr_test_remove_directory(directory);
}
TestSuite(session_refused, .init = set_up, .fini = tear_down, .timeout = 60);

static void expect(int code, int expected, const char *words)
{
    cr_expect_eq(code, expected, "%s: %s", words, err.text);
    cr_expect_not_null(strstr(err.text, words), "'%s' says nothing of '%s'", err.text, words);
}

static void create(void)
{
    cr_assert_eq(mr_session_create(directory, &session, &err), MR_OK, "%s", err.text);
}

static int read_it(bool *there)
{
    return mr_session_read(directory, &found, there, &err);
}

// ---- reading

Test(session_refused, a_file_that_cannot_be_read)
{
    bool there;
    cr_assert_eq(symlink(path, path), 0);
    expect(read_it(&there), MR_ERR_OUTPUT, "cannot open");
    unlink(path);
    cr_assert_eq(mkdir(path, 0700), 0);
    expect(read_it(&there), MR_ERR_OUTPUT, "cannot read");
    rmdir(path);
    mr_test_write_file(path, "short", 5);
    expect(read_it(&there), MR_ERR_CORRUPT, "found no slot that checks in 5 bytes");
    cr_expect_not_null(strstr(err.text, path), "%s", err.text);
    cr_expect_not(there);
}

Test(session_refused, no_directory_no_session)
{
    bool there = true;
    cr_expect_eq(mr_session_read(file_path, &found, &there, &err), MR_OK);
    cr_expect_not(there);
    cr_expect_eq(mr_session_remove(file_path, &err), MR_OK);
    cr_expect_eq(mr_session_remove("/dev/shm/none/of/these", &err), MR_OK);
}

// ---- writing

Test(session_refused, a_directory_that_is_none)
{
    expect(mr_session_create(file_path, &session, &err), MR_ERR_OUTPUT, "cannot create");
}

// What was there before stays, and nothing half is left.
static void expect_untouched(void)
{
    bool there;
    cr_expect_eq(access(new_path, F_OK), -1);
    cr_assert_eq(read_it(&there), MR_OK, "%s", err.text);
    cr_expect(there);
    cr_expect_eq(found.settings, 77);
}

Test(session_refused, a_disk_without_room_for_all_of_it)
{
    struct rlimit limit = {.rlim_cur = 100, .rlim_max = RLIM_INFINITY}, before;
    create();
    getrlimit(RLIMIT_FSIZE, &before);
    signal(SIGXFSZ, SIG_IGN);
    limit.rlim_max = before.rlim_max;
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    session.settings = 78;
    int code = mr_session_create(directory, &session, &err);
    setrlimit(RLIMIT_FSIZE, &before);
    expect(code, MR_ERR_OUTPUT, strerror(EFBIG));
    expect_untouched();
}

Test(session_refused, a_disk_that_takes_nothing)
{
    create();
    session.settings = 78;
    refuse_call_with("pwrite64", EIO, 2, MR_SESSION_FILE_BYTES);
    expect(mr_session_create(directory, &session, &err), MR_ERR_OUTPUT, "cannot write");
    expect_untouched();
}

Test(session_refused, a_disk_that_does_not_sync)
{
    create();
    session.settings = 78;
    refuse_call("fdatasync", EIO);
    expect(mr_session_create(directory, &session, &err), MR_ERR_OUTPUT, "cannot sync");
    expect_untouched();
    refuse_call("fsync", EIO);
    expect(mr_session_remove(directory, &err), MR_ERR_OUTPUT, "cannot sync the directory");
}

Test(session_refused, an_update_that_fails_leaves_a_session)
{
    bool there;
    expect(mr_session_update(directory, &session, &err), MR_ERR_OUTPUT, "cannot open");
    create();
    session.settings = 78;
    cr_assert_eq(mr_session_update(directory, &session, &err), MR_OK, "%s", err.text);
    cr_assert_eq(read_it(&there), MR_OK, "%s", err.text);
    cr_expect(there && found.settings == 78 && found.epoch == 2);
    session.settings = 79;
    refuse_call("pwrite64", EIO);
    expect(mr_session_update(directory, &session, &err), MR_ERR_OUTPUT, "cannot write");
    cr_assert_eq(read_it(&there), MR_OK, "%s", err.text);
    cr_expect(there && found.settings == 78);
}

Test(session_refused, an_update_that_is_not_synced_is_said)
{
    create();
    refuse_call("fdatasync", EIO);
    expect(mr_session_update(directory, &session, &err), MR_ERR_OUTPUT, "cannot sync");
}

// Who goes on with one makes sure of it first; what cannot be made sure of is not gone on with.
Test(session_refused, taken_up_is_durable_or_an_error)
{
    static const enum failing_call calls[] = {FAILING_OPEN, FAILING_LOCK, FAILING_READ,
                                              FAILING_SYNC, FAILING_SYNC_DIRECTORY};
    bool there;
    cr_assert_eq(mr_session_take_up(directory, &found, &there, &err), MR_OK, "%s", err.text);
    cr_expect_not(there);
    create();
    for (unsigned i = 0; i < MR_COUNT_OF(calls); i++) {
        failing_disk_use(calls[i], 1, EIO);
        expect(mr_session_take_up(directory, &found, &there, &err), MR_ERR_OUTPUT, directory);
        cr_expect(failing_disk.failed && !there, "%s", failing_names[calls[i]]);
        cr_expect_not_null(strstr(err.text, strerror(EIO)), "%s", err.text);
    }
    failing_disk_use(FAILING_NONE, 0, 0);
    cr_assert_eq(mr_session_take_up(directory, &found, &there, &err), MR_OK, "%s", err.text);
    cr_expect(there && found.settings == 77);
    cr_expect(failing_disk.calls[FAILING_SYNC] == 1);
    failing_disk_leave();
}

// Done again, it writes the same slot: the other one is what the disk has.
Test(session_refused, an_update_that_fails_writes_no_other_slot)
{
    create();
    for (unsigned tries = 0; tries < 2; tries++) {
        failing_disk_use(FAILING_SYNC, 1, ENOSPC);
        expect(mr_session_update(directory, &session, &err), MR_ERR_OUTPUT, strerror(ENOSPC));
        cr_expect_not(mr_error_is_no_room(&err), "a sync that failed is not tried again");
        cr_expect_eq(session.epoch, 1);
    }
    failing_disk_leave();
}

Test(session_refused, a_directory_that_cannot_be_opened)
{
    bool there;
    create();
    refuse_call_flagged("openat", EMFILE, 2, O_DIRECTORY);
    expect(mr_session_give_up(directory, &there, &err), MR_ERR_OUTPUT, "cannot open");
    expect(mr_session_create(directory, &session, &err), MR_ERR_OUTPUT,
           "cannot sync the directory");
    unlink(path), unlink(file_path), rmdir(directory); // it cannot be listed any more
}

Test(session_refused, a_directory_where_the_file_should_be)
{
    cr_assert_eq(mkdir(path, 0700), 0);
    expect(mr_session_create(directory, &session, &err), MR_ERR_OUTPUT, "cannot rename");
    cr_expect_eq(access(new_path, F_OK), -1);
    expect(mr_session_remove(directory, &err), MR_ERR_OUTPUT, "cannot remove");
    rmdir(path);
}

static int lock_directory(void)
{
    int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    cr_assert_geq(fd, 0);
    cr_assert_eq(flock(fd, LOCK_EX | LOCK_NB), 0);
    return fd;
}

Test(session_refused, a_journal_that_is_written_to_keeps_its_session)
{
    bool there;
    create();
    int fd = lock_directory();
    expect(mr_session_give_up(directory, &there, &err), MR_ERR_BUSY, "a loader writes to it");
    close(fd);
    expect_untouched();
}

// ---- the link

Test(session_refused, the_link_leads_to_the_journal)
{
    char target[400], small[4];
    snprintf(pipeline.directory, sizeof pipeline.directory, "%s", directory);
    cr_expect_not(mr_session_follow_link(&pipeline, target, sizeof target), "there is none");
    expect(mr_session_link(&pipeline, "/dev/shm/none/of/these", &err), MR_ERR_OUTPUT,
           "cannot be found");
    cr_assert_eq(mr_session_link(&pipeline, directory, &err), MR_OK, "%s", err.text);
    cr_assert(mr_session_follow_link(&pipeline, target, sizeof target));
    cr_expect_str_eq(target, directory);
    cr_expect_not(mr_session_follow_link(&pipeline, small, sizeof small), "it would be cut");
    refuse_call("symlink", EPERM);
    refuse_call("symlinkat", EPERM);
    expect(mr_session_link(&pipeline, directory, &err), MR_ERR_SHM, "cannot make");
}

// ---- damage in every field

static void expect_damage(const char *words)
{
    static uint8_t file[MR_SESSION_FILE_BYTES];
    mr_session_seal(&session, 2);
    memcpy(file, &session, sizeof session);
    expect(mr_session_parse(file, sizeof file, &found, &err), MR_ERR_CORRUPT, words);
    session.has_checkpoint = 0;
}

Test(session_refused, an_envelope_of_another_program)
{
    static uint8_t file[MR_SESSION_FILE_BYTES];
    static const size_t fields[] = {offsetof(struct mr_session, magic),
                                    offsetof(struct mr_session, version),
                                    offsetof(struct mr_session, bytes)};
    mr_session_seal(&session, 2);
    for (unsigned i = 0; i < MR_COUNT_OF(fields); i++) {
        memcpy(file, &session, sizeof session);
        file[fields[i]] ^= 1;
        expect(mr_session_parse(file, sizeof file, &found, &err), MR_ERR_CORRUPT, "no slot");
    }
}

Test(session_refused, no_more_than_two_slots_are_looked_at)
{
    static uint8_t file[MR_SESSION_FILE_BYTES + MR_SESSION_SLOT_BYTES];
    mr_session_seal(&session, 2);
    memcpy(file + MR_SESSION_FILE_BYTES, &session, sizeof session);
    expect(mr_session_parse(file, sizeof file, &found, &err), MR_ERR_CORRUPT, "no slot");
}

Test(session_refused, words_that_have_no_meaning)
{
    static const struct {
        uint32_t again, state, has_checkpoint;
    } cases[] = {{0, 1, 0}, {5, 1, 0}, {1, 0, 0}, {1, 3, 0}, {1, 1, 2}};
    for (unsigned i = 0; i < MR_COUNT_OF(cases); i++) {
        session.again = cases[i].again;
        session.state = cases[i].state;
        session.has_checkpoint = cases[i].has_checkpoint;
        expect_damage("byte 40: found source");
    }
}

Test(session_refused, rings_that_there_cannot_be)
{
    static const uint64_t capacities[] = {MR_RING_CAPACITY_MIN + 8, MR_RING_CAPACITY_MIN / 2,
                                          2 * MR_RING_CAPACITY_MAX};
    for (unsigned i = 0; i < MR_COUNT_OF(capacities); i++) {
        session.capacity[MR_RING_DEAD_TRANSFORM] = capacities[i];
        expect_damage("ring dead-transform: found capacity");
    }
}

Test(session_refused, checkpoints_before_the_session_or_off_the_grid)
{
    for (unsigned ring = 0; ring <= MR_RING_DEAD_TRANSFORM; ring++) {
        session.has_checkpoint = 1;
        session.start_pos[ring] = MR_RING_CAPACITY_MIN;
        expect_damage("found position 0, expected a multiple of 8 from 65536");
        cr_expect_not_null(strstr(err.text, mr_ring_index_name(ring)), "%s", err.text);
        session.start_pos[ring] = 0;
    }
    session.has_checkpoint = 1;
    session.checkpoint[MR_ROLE_TRANSFORM].out_pos[MR_PORT_MAIN] = 12;
    expect_damage("found position 12");
}

Test(session_refused, checkpoints_with_something_in_a_ring)
{
    struct mr_stage_slot *slots = session.checkpoint;
    uint64_t *positions[] = {&slots[MR_ROLE_PRODUCER].out_pos[MR_PORT_MAIN],
                             &slots[MR_ROLE_TRANSFORM].out_pos[MR_PORT_MAIN],
                             &slots[MR_ROLE_PRODUCER].out_pos[MR_PORT_DEAD],
                             &slots[MR_ROLE_TRANSFORM].out_pos[MR_PORT_DEAD]};
    for (unsigned i = 0; i < MR_COUNT_OF(positions); i++) {
        session.has_checkpoint = 1;
        *positions[i] = 64;
        expect_damage("has not read what the one before it has written");
        *positions[i] = 0;
    }
}

// ---- what a run plans

static void load(const char *sink)
{
    FILE *file = fopen(file_path, "w");
    cr_assert_not_null(file);
    fprintf(file,
            "name: p\nsource: {type: mock, count: 9}\nsink: {%s, path: %s}\n"
            "ring: {size: 64KiB}\ndead_letter: {size: 64KiB}\n",
            sink, directory);
    fclose(file);
    cr_assert_eq(mr_pipeline_load(&pipeline, file_path, NULL, 0, &err), MR_OK, "%s", err.text);
}

static void write_segment(void)
{
    struct mr_schema_set schemas = mr_test_schemas();
    uint8_t stream[512];
    size_t bytes = mr_test_record(&schemas, 0, 1, 100, stream);
    mr_test_segment(directory, &schemas, 0, 0, MR_RING_CAPACITY_MIN, stream, bytes, bytes);
    mr_schema_set_clear(&schemas);
}

static int make_plan(void)
{
    return mr_session_plan(&pipeline, &plan, &err);
}

Test(session_refused, a_damaged_session_is_given_up_by_name)
{
    load("type: journal");
    mr_test_write_file(path, "short", 5);
    expect(make_plan(), MR_ERR_CORRUPT, "millrace clean");
}

Test(session_refused, only_a_session_that_holds_something_is_in_the_way)
{
    load("type: journal");
    create();
    cr_expect_eq(make_plan(), MR_OK, "%s", err.text);
    cr_expect_eq(plan.resume, MR_RESUME_NOT, "its journal is empty");
    write_segment();
    expect(make_plan(), MR_ERR_OUTPUT, "with other settings");
    int fd = lock_directory();
    expect(make_plan(), MR_ERR_BUSY, "another run writes there");
    close(fd);
    session.state = MR_SESSION_STOPPED;
    create();
    cr_expect_eq(make_plan(), MR_OK, "%s", err.text);
    cr_expect_eq(plan.resume, MR_RESUME_NOT);
    cr_assert_eq(mr_session_remove(directory, &err), MR_OK, "%s", err.text);
    cr_expect_eq(make_plan(), MR_OK, "there is none");
    cr_expect_eq(plan.resume, MR_RESUME_NOT);
}

// Whether another run writes there is not known then: what is known is said.
Test(session_refused, a_lock_that_cannot_be_asked_for_is_no_other_run)
{
    load("type: journal");
    create();
    write_segment();
    refuse_call_with("flock", ENOLCK, 1, LOCK_SH | LOCK_NB);
    expect(make_plan(), MR_ERR_OUTPUT, "with other settings");
}

Test(session_refused, a_journal_that_was_never_synced_is_looked_through)
{
    load("type: journal, durability: none");
    create();
    write_segment();
    expect(make_plan(), MR_ERR_OUTPUT, "with other settings");
}

static void spoil_segment(void)
{
    char segment[512];
    write_segment();
    mr_journal_segment_path(directory, 0, segment, sizeof segment);
    cr_assert_eq(truncate(segment, 10), 0);
}

Test(session_refused, a_journal_whose_end_cannot_be_found)
{
    uint64_t position;
    load("type: journal");
    create();
    spoil_segment();
    int code = make_plan();
    cr_expect_neq(code, MR_OK, "found plan %d", plan.resume);
    plan.resume = MR_RESUME_NOT;
    cr_expect_eq(mr_session_start_pos(&plan, &pipeline, MR_RING_EGRESS, &position, &err), code);
}

Test(session_refused, a_new_stream_begins_in_the_lap_behind_the_journal)
{
    uint64_t position;
    load("type: journal");
    write_segment();
    plan.resume = MR_RESUME_NOT;
    cr_assert_eq(mr_session_start_pos(&plan, &pipeline, MR_RING_EGRESS, &position, &err), MR_OK);
    cr_expect_eq(position, MR_RING_CAPACITY_MIN);
    cr_assert_eq(mr_session_start_pos(&plan, &pipeline, MR_RING_INGRESS, &position, &err), MR_OK);
    cr_expect_eq(position, 0);
    plan.resume = MR_RESUME_BEHIND;
    cr_assert_eq(mr_session_start_pos(&plan, &pipeline, MR_RING_EGRESS, &position, &err), MR_OK);
    cr_expect_eq(position, MR_RING_CAPACITY_MIN);
    cr_assert_eq(mr_session_start_pos(&plan, &pipeline, MR_RING_INGRESS, &position, &err), MR_OK);
    cr_expect_eq(position, 0, "nothing of the ingress ring is on disk");
}

Test(session_refused, a_checkpoint_says_where_each_ring_goes_on)
{
    static const uint64_t expected[] = {[MR_RING_INGRESS] = 8,
                                        [MR_RING_EGRESS] = 16,
                                        [MR_RING_DEAD_PRODUCER] = 24,
                                        [MR_RING_DEAD_TRANSFORM] = 32};
    uint64_t position;
    plan.resume = MR_RESUME_AGAIN;
    plan.session.has_checkpoint = 1;
    plan.session.checkpoint[MR_ROLE_TRANSFORM].in_pos[MR_PORT_MAIN] = 8;
    for (unsigned port = MR_PORT_MAIN; port <= MR_PORT_DEAD_2; port++)
        plan.session.checkpoint[MR_ROLE_LOADER].in_pos[port] = 16 + 8 * port;
    for (unsigned ring = 0; ring < MR_COUNT_OF(expected); ring++) {
        cr_assert_eq(mr_session_start_pos(&plan, &pipeline, ring, &position, &err), MR_OK);
        cr_expect_eq(position, expected[ring], "%s", mr_ring_index_name(ring));
    }
}
