// SPDX-License-Identifier: Apache-2.0
// What a stage may find where its segments should be, and what it may not be allowed: each is refused with a
// sentence, and nothing stays open or locked.
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/journal.h"
#include "core/pipeline/realtime.h"
#include "core/pipeline/rundir.h"
#include "core/pipeline/session.h"
#include "core/pipeline/stage_private.h"
#include "tests/support/counting_stage.h"
#include "tests/support/refusal.h"

static struct counting_run run;
static struct mr_stage stage;
static struct mr_error err;

static void set_up(void)
{
    counting_run_open(&run, 20, 5);
}
static void tear_down(void)
{
    counting_run_close(&run);
}
TestSuite(stage_open, .init = set_up, .fini = tear_down, .timeout = 60);

static void open_as(enum mr_role role)
{
    cr_assert_eq(mr_stage_open(&stage, &run.pipeline, role, &err), MR_OK, "%s", err.text);
}

static void expect_refused(enum mr_role role, int code, const char *words)
{
    err.text[0] = '\0';
    cr_expect_eq(mr_stage_open(&stage, &run.pipeline, role, &err), code, "'%s': %s", words,
                 err.text);
    cr_expect_not_null(strstr(err.text, words), "'%s' says nothing of '%s'", err.text, words);
    cr_expect_null(stage.segment.base);
    cr_expect_null(stage.shared);
}

static void live_on(void *unused)
{
    (void)unused;
}

// A run with something in its rings.
static void leave_a_run(void)
{
    cr_assert_eq(counting_produce(&run, live_on, NULL, &err), MR_OK, "%s", err.text);
}

static void configure(const char *text)
{
    cr_assert_eq(mr_config_parse(text, "counting.yaml", &run.pipeline.root, &err), MR_OK, "%s",
                 err.text);
}

// ---- rings and pages of others

Test(stage_open, rings_with_other_settings_are_anothers)
{
    struct mr_ring_options *options = &run.pipeline.rings[MR_RING_INGRESS];
    leave_a_run();
    options->capacity *= 2;
    expect_refused(MR_ROLE_PRODUCER, MR_ERR_SHM, "found 65536 bytes, expected 131072");
    options->capacity /= 2;
    options->full_policy = MR_FULL_DROP_NEWEST;
    expect_refused(MR_ROLE_PRODUCER, MR_ERR_SHM, "with other settings");
    options->full_policy = MR_FULL_BLOCK;
    options->checksummed = true;
    expect_refused(MR_ROLE_PRODUCER, MR_ERR_SHM, "with other settings");
    options->checksummed = false;
    open_as(MR_ROLE_PRODUCER);
    mr_stage_close(&stage, MR_OK, NULL);
}

static void spoil(const char *path)
{
    FILE *file = fopen(path, "w");
    cr_assert_not_null(file, "%s", path);
    fputs("no segment\n", file);
    fclose(file);
}

Test(stage_open, what_is_no_ring_is_refused)
{
    char path[320];
    leave_a_run();
    mr_pipeline_ring_path(&run.pipeline, MR_RING_DEAD_PRODUCER, path, sizeof path);
    spoil(path);
    expect_refused(MR_ROLE_PRODUCER, MR_ERR_SHM, path);
}

Test(stage_open, what_is_no_page_is_refused)
{
    char path[320];
    leave_a_run();
    mr_pipeline_stage_path(&run.pipeline, MR_ROLE_PRODUCER, path, sizeof path);
    spoil(path);
    expect_refused(MR_ROLE_PRODUCER, MR_ERR_SHM, path);
}

Test(stage_open, a_page_of_another_length_is_another_versions)
{
    struct mr_segment segment;
    char path[320];
    leave_a_run();
    mr_pipeline_stage_path(&run.pipeline, MR_ROLE_TRANSFORM, path, sizeof path);
    cr_assert_eq(mr_segment_create(&segment, path, "transform", MR_SEGMENT_STAGE, 2 * MR_PAGE_BYTES,
                                   NULL, NULL, &err),
                 MR_OK);
    mr_segment_detach(&segment);
    expect_refused(MR_ROLE_TRANSFORM, MR_ERR_SHM, "made by another version");
}

Test(stage_open, a_page_of_another_source_is_refused)
{
    configure("source: {type: mock, count: 20}\n");
    leave_a_run();
    mr_config_free(run.pipeline.root);
    configure("source: {type: mock, count: 21}\n");
    expect_refused(MR_ROLE_PRODUCER, MR_ERR_SHM, "another `source:`");
}

Test(stage_open, a_committed_position_that_cannot_be_is_damage)
{
    leave_a_run();
    open_as(MR_ROLE_TRANSFORM);
    stage.now.counts[MR_COUNT_IN] = stage.now.counts[MR_COUNT_FILTERED] = 1;
    mr_stage_commit(&stage);
    stage.shared->slots[stage.epoch & 1].out_pos[MR_PORT_DEAD] = 1ULL << 50;
    mr_stage_detach(&stage);
    expect_refused(MR_ROLE_TRANSFORM, MR_ERR_CORRUPT, "committed write position 1125899906842624");
}

// A loader has three inputs: the first that cannot be protected ends it.
Test(stage_open, an_input_that_cannot_be_mapped_again_is_refused)
{
    char path[320];
    run.pipeline.harden = true;
    mr_pipeline_ring_path(&run.pipeline, MR_RING_EGRESS, path, sizeof path);
    refuse_call_with("mmap", ENOMEM, 2, PROT_READ);
    expect_refused(MR_ROLE_LOADER, MR_ERR_SHM, path);
    cr_expect_not_null(strstr(err.text, "cannot map it for reading"), "%s", err.text);
}

// ---- what stands on the disk

static char journal[320];

// With a journal for its sink.
static void sink_to_journal(void)
{
    char text[400];
    scratch_path(&run.scratch, "journal", journal, sizeof journal);
    cr_assert_eq(mkdir(journal, 0700), 0);
    snprintf(text, sizeof text, "sink: {type: journal, path: %s}\n", journal);
    configure(text);
    run.pipeline.sink_node = (struct mr_node *)mr_config_child(run.pipeline.root, "sink");
}

Test(stage_open, a_journal_whose_end_is_damaged_is_not_written_behind)
{
    char path[512];
    sink_to_journal();
    mr_journal_segment_path(journal, 0, path, sizeof path);
    spoil(path);
    expect_refused(MR_ROLE_TRANSFORM, MR_ERR_CORRUPT, path);
    mr_pipeline_ring_path(&run.pipeline, MR_RING_EGRESS, path, sizeof path);
    cr_expect_neq(access(path, F_OK), 0, "no ring was made");
}

Test(stage_open, a_session_that_is_damaged_begins_nothing)
{
    char path[512];
    sink_to_journal();
    snprintf(path, sizeof path, "%s/" MR_SESSION_FILE, journal);
    spoil(path);
    expect_refused(MR_ROLE_PRODUCER, MR_ERR_CORRUPT, path);
    mr_pipeline_ring_path(&run.pipeline, MR_RING_INGRESS, path, sizeof path);
    cr_expect_neq(access(path, F_OK), 0, "no ring was made");
}

Test(stage_open, a_stage_goes_on_from_its_checkpoint)
{
    static struct mr_session session;
    sink_to_journal();
    session = (struct mr_session){.settings = mr_session_settings(&run.pipeline),
                                  .again = MR_AGAIN_SAME,
                                  .state = MR_SESSION_RUNNING,
                                  .has_checkpoint = 1};
    for (unsigned ring = 0; ring < MR_RING_COUNT; ring++)
        session.capacity[ring] = run.pipeline.rings[ring].capacity;
    struct mr_stage_slot *slot = &session.checkpoint[MR_ROLE_PRODUCER];
    memset(slot->mark, 0x5A, sizeof slot->mark);
    slot->counts[MR_COUNT_IN] = slot->counts[MR_COUNT_OUT] = 7;
    slot->out_pos[MR_PORT_MAIN] = 4096;
    session.checkpoint[MR_ROLE_TRANSFORM].in_pos[MR_PORT_MAIN] = 4096;
    cr_assert_eq(mr_session_create(journal, &session, &err), MR_OK, "%s", err.text);
    open_as(MR_ROLE_PRODUCER);
    cr_expect_eq(stage.shared->resume, MR_RESUME_AGAIN);
    cr_expect_eq(stage.epoch, MR_STAGE_EPOCH_CHECKPOINT);
    cr_expect_eq(stage.now.counts[MR_COUNT_OUT], 7);
    cr_expect_eq(memcmp(stage.now.mark, slot->mark, sizeof slot->mark), 0);
    cr_expect_eq(stage.writers[MR_PORT_MAIN].position, 4096);
    cr_expect_eq(stage.writers[MR_PORT_DEAD].position, 0);
    mr_stage_close(&stage, MR_OK, NULL);
}

// ---- what an earlier run has left

// Nothing to go on from: it took nothing in.
static void leave_spent_segments(void)
{
    open_as(MR_ROLE_PRODUCER);
    mr_stage_close(&stage, MR_ERR_INPUT, NULL);
    cr_assert_eq(mr_stage_leftovers(&run.pipeline), MR_LEFTOVERS_SPENT);
}

static ino_t inode_of_ring(void)
{
    struct stat status;
    char path[320];
    mr_pipeline_ring_path(&run.pipeline, MR_RING_INGRESS, path, sizeof path);
    return stat(path, &status) == 0 ? status.st_ino : 0;
}

Test(stage_open, what_is_spent_is_removed_unless_a_supervisor_does_it)
{
    char path[320];
    leave_spent_segments();
    ino_t before = inode_of_ring();
    snprintf(path, sizeof path, "%s/run.lock", run.pipeline.directory);
    FILE *file = fopen(path, "w+");
    cr_assert_not_null(file);
    fprintf(file, "%d\n", (int)getpid());
    fflush(file);
    cr_assert_eq(flock(fileno(file), LOCK_EX | LOCK_NB), 0);
    cr_assert_neq(mr_rundir_supervisor(&run.pipeline), 0);
    open_as(MR_ROLE_PRODUCER);
    cr_expect_eq(inode_of_ring(), before, "it is another's to remove");
    mr_stage_close(&stage, MR_ERR_INPUT, NULL);
    fclose(file);
    mr_pipeline_ring_path(&run.pipeline, MR_RING_INGRESS, path, sizeof path);
    int old = open(path, O_RDONLY); // else the new one may get the number of the old
    open_as(MR_ROLE_PRODUCER);
    cr_expect_neq(inode_of_ring(), before);
    mr_stage_close(&stage, MR_OK, NULL);
    close(old);
}

Test(stage_open, what_is_spent_and_cannot_be_removed_is_in_the_way)
{
    char path[320];
    leave_spent_segments();
    mr_pipeline_ring_path(&run.pipeline, MR_RING_INGRESS, path, sizeof path);
    unlink(path);
    cr_assert_eq(mkdir(path, 0700), 0);
    expect_refused(MR_ROLE_PRODUCER, MR_ERR_SHM, "cannot remove the segment");
    cr_expect_not_null(strstr(err.text, path), "%s", err.text);
    mr_pipeline_stage_path(&run.pipeline, MR_ROLE_PRODUCER, path, sizeof path);
    cr_expect_eq(access(path, F_OK), 0, "nothing was made, and nothing else removed");
}

// ---- the run's directory

Test(stage_open, a_directory_that_cannot_be_made_is_refused)
{
    scratch_path(&run.scratch, "counting", run.pipeline.directory, sizeof run.pipeline.directory);
    spoil(run.pipeline.directory);
    expect_refused(MR_ROLE_PRODUCER, MR_ERR_SHM, run.pipeline.directory);
    cr_expect_eq(mr_stage_open(&stage, &run.pipeline, MR_ROLE_PRODUCER, NULL), MR_ERR_SHM);
}

Test(stage_open, a_lock_that_cannot_be_made_is_refused)
{
    char path[320];
    leave_a_run();
    snprintf(path, sizeof path, "%s/setup.lock", run.pipeline.directory);
    unlink(path);
    cr_assert_eq(mkdir(path, 0700), 0);
    expect_refused(MR_ROLE_PRODUCER, MR_ERR_SHM, "setup.lock");
}

Test(stage_open, rings_that_find_no_room_are_refused)
{
    refuse_call("fallocate", ENOSPC);
    expect_refused(MR_ROLE_PRODUCER, MR_ERR_SHM, "");
}

// ---- what the system may refuse

Test(stage_open, pages_are_shared_with_a_group)
{
    struct stat status;
    run.pipeline.share_gid = getgid() ? getgid() : 1;
    open_as(MR_ROLE_PRODUCER);
    cr_assert_eq(stat(stage.segment.path, &status), 0);
    cr_expect_eq(status.st_gid, run.pipeline.share_gid);
    cr_expect_eq(status.st_mode & 0777, 0640);
    cr_assert_eq(stat(stage.rings[MR_RING_INGRESS].segment.path, &status), 0);
    cr_expect_eq(status.st_gid, run.pipeline.share_gid);
    mr_stage_close(&stage, MR_OK, NULL);
}

Test(stage_open, a_group_that_may_not_be_shared_with_is_refused)
{
    run.pipeline.share_gid = getgid() + 1;
    refuse_call("fchown", EPERM);
    refuse_call("fchmod", EPERM);
    expect_refused(MR_ROLE_PRODUCER, MR_ERR_SHM, run.pipeline.directory);
}

Test(stage_open, inputs_are_mapped_for_reading_or_the_stage_does_not_start)
{
    run.pipeline.harden = true;
    open_as(MR_ROLE_LOADER);
    mr_stage_close(&stage, MR_OK, NULL);
    refuse_call_flagged("mmap", ENOMEM, 3, MAP_SHARED | MAP_FIXED);
    expect_refused(MR_ROLE_LOADER, MR_ERR_SHM, run.pipeline.directory);
}

Test(stage_open, memory_that_may_not_be_locked_is_refused)
{
    configure("lock_memory: true\n");
    run.pipeline.memory.lock = true;
    refuse_call("mlock", EPERM);
    if (mlock(&err, 1) == 0)
        cr_skip("a sanitizer answers mlock itself");
    expect_refused(MR_ROLE_PRODUCER, MR_ERR_CONFIG, "cannot lock");
}

Test(stage_open, a_real_time_class_that_may_not_be_had_is_refused)
{
    configure("realtime: 5\n");
    run.pipeline.realtime = 5;
    refuse_call("sched_setscheduler", EPERM);
    cr_expect_neq(mr_stage_open(&stage, &run.pipeline, MR_ROLE_PRODUCER, &err), MR_OK);
    cr_expect_not_null(strstr(err.text, "realtime"), "%s", err.text);
    cr_expect_eq(stage.wait.share, MR_CORE_METERED);
}

// Whoever has lost the class says so with its next beat, once.
Test(stage_open, a_real_time_class_that_is_lost_is_said)
{
    char line[256] = "";
    configure("realtime: 5\n");
    run.pipeline.realtime = 5;
    refuse_call("sched_setscheduler", EPERM);
    mr_realtime_enter(&run.pipeline,
                      &err); // watches over it all the same, where it may be had at all
    run.pipeline.realtime = 0;
    struct sigaction watch;
    sigaction(SIGXCPU, NULL, &watch);
    if (watch.sa_handler == SIG_DFL)
        cr_skip_test("%s", err.text);
    FILE *said = tmpfile();
    cr_assert_not_null(said);
    open_as(MR_ROLE_PRODUCER);
    int before = dup(STDERR_FILENO);
    dup2(fileno(said), STDERR_FILENO);
    raise(SIGXCPU);
    for (unsigned i = 0; i < 2; i++) {
        usleep(12000); // a beat looks at most every 10 ms
        mr_stage_beat(&stage);
    }
    dup2(before, STDERR_FILENO);
    rewind(said);
    cr_assert_not_null(fgets(line, sizeof line, said));
    cr_expect_not_null(strstr(line, "realtime: the producer had not slept for 200 ms"), "%s", line);
    cr_expect_null(fgets(line, sizeof line, said), "said once: %s", line);
    fclose(said);
    mr_stage_close(&stage, MR_OK, NULL);
}

static int first_core(void)
{
    cpu_set_t set;
    cr_assert_eq(sched_getaffinity(0, sizeof set, &set), 0);
    for (int core = 0; core < CPU_SETSIZE; core++)
        if (CPU_ISSET(core, &set))
            return core;
    return -1;
}

static void place_on(int core)
{
    configure("placement: [0, 0, 0]\n");
    run.pipeline.placement.kind = MR_PLACEMENT_LIST;
    run.pipeline.placement.node = mr_config_child(run.pipeline.root, "placement");
    for (unsigned role = 0; role < MR_ROLE_COUNT; role++)
        run.pipeline.placement.core[role] = core;
}

Test(stage_open, a_stage_runs_on_the_core_it_is_given)
{
    cpu_set_t set;
    int core = first_core();
    place_on(core);
    open_as(MR_ROLE_PRODUCER);
    cr_assert_eq(sched_getaffinity(0, sizeof set, &set), 0);
    cr_expect(CPU_COUNT(&set) == 1 && CPU_ISSET(core, &set));
    mr_stage_close(&stage, MR_OK, NULL);
    refuse_call("sched_setaffinity", EPERM);
    char words[64];
    snprintf(words, sizeof words, "cannot run on core %d", core);
    expect_refused(MR_ROLE_PRODUCER, MR_ERR_STAGE, words);
}

Test(stage_open, a_core_that_is_not_there_is_refused)
{
    place_on(1023);
    expect_refused(MR_ROLE_PRODUCER, MR_ERR_CONFIG, "1023");
}

// ---- signals

Test(stage_open, a_second_signal_counts_when_it_is_no_copy_of_the_first)
{
    open_as(MR_ROLE_PRODUCER);
    cr_expect_eq(mr_stage_signals_seen(), 0);
    raise(SIGTERM);
    raise(SIGINT);
    cr_expect_eq(mr_stage_signals_seen(), 1);
    cr_expect(mr_stage_is_stopping(&stage));
    cr_expect_not(stage.halted);
    usleep(320000);
    raise(SIGHUP);
    cr_expect_eq(mr_stage_signals_seen(), 2);
    cr_expect(mr_stage_is_halted(&stage));
    cr_expect_eq(mr_stage_close(&stage, MR_OK, NULL), MR_ERR_STAGE);
}

Test(stage_open, a_hang_up_that_nohup_has_set_aside_stays_so)
{
    signal(SIGHUP, SIG_IGN);
    open_as(MR_ROLE_PRODUCER);
    raise(SIGHUP);
    cr_expect_eq(mr_stage_signals_seen(), 0);
    mr_stage_close(&stage, MR_OK, NULL);
}

// ---- the end of a ring whose writer may come again

Test(stage_open, an_end_stays_one_while_its_writer_lives)
{
    static struct mr_stage reader;
    leave_a_run();
    open_as(MR_ROLE_PRODUCER);
    mr_writer_close(&stage.writers[MR_PORT_MAIN]);
    stage.shared->gauges.phase = MR_PHASE_FAILED;
    cr_assert_eq(mr_stage_open(&reader, &run.pipeline, MR_ROLE_TRANSFORM, &err), MR_OK);
    cr_expect_eq(reader.readers[0].ring->news->closed, 1);
    mr_stage_detach(&reader);
    stage.shared->gauges.phase = MR_PHASE_FAILED;
    stage.rings[MR_RING_INGRESS].news->schemas_ready = 0;
    mr_stage_detach(&stage);
    cr_assert_eq(mr_stage_open(&reader, &run.pipeline, MR_ROLE_TRANSFORM, &err), MR_OK);
    cr_expect_eq(reader.readers[0].ring->news->closed, 1, "it has never begun");
    reader.readers[0].ring->news->schemas_ready = 1;
    mr_stage_detach(&reader); // and is none when it is gone
    cr_assert_eq(mr_stage_open(&reader, &run.pipeline, MR_ROLE_TRANSFORM, &err), MR_OK);
    cr_expect_eq(reader.readers[0].ring->news->closed, 0);
    mr_stage_detach(&reader);
}
