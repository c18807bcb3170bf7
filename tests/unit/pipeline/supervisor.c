// SPDX-License-Identifier: Apache-2.0
// The supervisor with shell scripts for stages: what it starts, and what it makes of how they end.
#include "core/pipeline/supervisor.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/log.h"
#include "tests/support/emulated.h"
#include "tests/support/scratch.h"

static struct scratch scratch;
static struct mr_pipeline pipeline;
static struct mr_supervisor supervisor;
static struct mr_error err;
static char program[256];

static void set_up(void)
{
    mr_clock_setup();
    mr_log_setup("test", MR_LOG_ERROR);
    scratch_open(&scratch);
    snprintf(pipeline.name, sizeof pipeline.name, "script");
    // A run directory has a parent that is the user's own, too.
    snprintf(pipeline.directory, sizeof pipeline.directory, "%s/run", scratch.directory);
    scratch_path(&scratch, "stage.sh", program, sizeof program);
}
static void tear_down(void)
{
    scratch_close(&scratch);
}
TestSuite(supervisor, .init = set_up, .fini = tear_down, .timeout = 20);

// `commands` is a shell script; $1 is the stage's command and $2 the pipeline file.
static void write_program(const char *commands)
{
    FILE *out = fopen(program, "w");
    fprintf(out, "#!/bin/sh\ncd %s\n%s\n", scratch.directory, commands);
    fclose(out);
    chmod(program, 0700);
}

static int open_supervisor(void)
{
    static const char *const sets[] = {"a=1", "b=two words"};
    const struct mr_supervisor_options options = {
        .file = "pipe.yaml", .sets = sets, .set_count = 2, .program = program, .stages_stderr = -1};
    return mr_supervisor_open(&supervisor, &pipeline, &options, &err);
}

static int supervise(const char *commands)
{
    write_program(commands);
    cr_assert(open_supervisor() == MR_OK, "%s", err.text);
    int code = mr_supervisor_run(&supervisor, &err);
    mr_supervisor_close(&supervisor, MR_OK);
    return code;
}

static void expect_text(const char *file, const char *expected)
{
    char path[256], text[512] = "";
    FILE *in = fopen(scratch_path(&scratch, file, path, sizeof path), "r");
    cr_assert(in != NULL, "%s is there", file);
    size_t length = fread(text, 1, sizeof text - 1, in);
    text[length] = 0;
    fclose(in);
    cr_expect_str_eq(text, expected);
}

Test(supervisor, starts_three_stages_with_the_file_and_its_overrides)
{
    cr_expect_eq(supervise("printf '%s|' \"$@\" > $1.arguments"), MR_OK);
    expect_text("produce.arguments",
                "produce|pipe.yaml|--set|a=1|--set|b=two words|--after-others|");
    expect_text("transform.arguments", "transform|pipe.yaml|--set|a=1|--set|b=two words|");
    expect_text("load.arguments", "load|pipe.yaml|--set|a=1|--set|b=two words|");
}

Test(supervisor, a_stage_has_the_signals_it_would_have_alone)
{
    // Field SigBlk of the child: what the supervisor blocks for itself must not be passed on.
    cr_expect_eq(supervise("grep SigBlk /proc/$$/status | tr -d '\\t' > $1.blocked"), MR_OK);
    expect_text("produce.blocked", "SigBlk:0000000000000000\n");
}

Test(supervisor, the_first_failure_is_the_code_and_the_others_are_ended)
{
    int64_t began_ns = mr_mono_ns();
    cr_expect_eq(supervise("[ $1 = transform ] && exit 4; exec sleep 30"), MR_ERR_INPUT);
    cr_expect(strstr(err.text, "transform") && strstr(err.text, "exit code 4 (input)"), "%s",
              err.text);
    cr_expect(mr_mono_ns() - began_ns < 5000000000);
}

Test(supervisor, a_killed_stage_is_named_with_its_signal)
{
    cr_expect_eq(supervise("[ $1 = load ] && kill -9 $$; exec sleep 30"), MR_ERR_STAGE);
    cr_expect(strstr(err.text, "loader") && strstr(err.text, "signal 9"), "%s", err.text);
}

Test(supervisor, a_failure_of_the_producer_ends_the_others_too)
{
    cr_expect_eq(supervise("[ $1 = produce ] && exit 5; exec sleep 30"), MR_ERR_OUTPUT);
}

Test(supervisor, a_signal_before_anything_began_is_a_stop_and_no_failure)
{
    write_program("exec sleep 30");
    cr_assert(open_supervisor() == MR_OK, "%s", err.text);
    raise(SIGTERM); // blocked: it waits for the supervisor
    cr_expect_eq(mr_supervisor_run(&supervisor, &err), MR_OK, "%s", err.text);
    mr_supervisor_close(&supervisor, MR_OK);
}

Test(supervisor, a_stage_that_will_not_halt_is_killed)
{
    write_program("trap '' TERM; while :; do sleep 0.05; done");
    cr_assert(open_supervisor() == MR_OK, "%s", err.text);
    raise(SIGTERM);
    raise(SIGINT);
    int64_t began_ns = mr_mono_ns();
    cr_expect_eq(mr_supervisor_run(&supervisor, &err), MR_ERR_STAGE);
    cr_expect(strstr(err.text, "run the pipeline again"), "%s", err.text);
    cr_expect(mr_mono_ns() - began_ns < 10000000000);
    mr_supervisor_close(&supervisor, MR_OK);
}

// Each start of a stage leaves a line in <command>.starts.
#define NOTE_START "echo >> $1.starts; "
static unsigned starts_of(const char *command)
{
    char file[64], path[256];
    unsigned starts = 0;
    snprintf(file, sizeof file, "%s.starts", command);
    FILE *in = fopen(scratch_path(&scratch, file, path, sizeof path), "r");
    for (int byte; in && (byte = fgetc(in)) != EOF;)
        starts += byte == '\n';
    if (in)
        fclose(in);
    return starts;
}

static void restart_up_to(int64_t limit, int64_t backoff_ns)
{
    pipeline.supervise = (struct mr_supervise){.restart = MR_RESTART_ON_FAILURE,
                                               .backoff_ns = backoff_ns,
                                               .backoff_max_ns = 4 * backoff_ns,
                                               .limit = limit,
                                               .within_ns = 60000000000};
}

Test(supervisor, a_killed_stage_is_started_again)
{
    restart_up_to(5, 1000000);
    cr_expect_eq(supervise(NOTE_START "[ $1 = load ] && [ $(wc -l <load.starts) -lt 3 ] && "
                                      "kill -9 $$; exit 0"),
                 MR_OK, "%s", err.text);
    cr_expect_eq(starts_of("load"), 3);
    cr_expect_eq(starts_of("produce"), 1);
    cr_expect_eq(starts_of("transform"), 1);
}

Test(supervisor, the_limit_says_how_often_in_what_time_and_why)
{
    restart_up_to(3, 1000000);
    cr_expect_eq(supervise(NOTE_START "[ $1 = transform ] && kill -11 $$; exec sleep 30"),
                 MR_ERR_STAGE);
    cr_expect_eq(starts_of("transform"), 4);
    cr_expect(strstr(err.text, "transform") && strstr(err.text, "signal 11") &&
                  strstr(err.text, "started again 3 times within 60 s"),
              "%s", err.text);
}

Test(supervisor, the_first_restart_is_at_once_and_then_it_backs_off)
{
    restart_up_to(4, 200000000); // 0, 200, 400, 800 ms
    int64_t began_ns = mr_mono_ns();
    cr_expect_eq(supervise(NOTE_START "[ $1 = load ] && [ $(wc -l <load.starts) -lt 2 ] && "
                                      "kill -9 $$; exit 0"),
                 MR_OK);
    cr_expect(mr_mono_ns() - began_ns < 200000000, "the first waits for nothing");
    began_ns = mr_mono_ns();
    cr_expect_eq(supervise("[ $1 = load ] && kill -9 $$; exit 0"), MR_ERR_STAGE);
    cr_expect(mr_mono_ns() - began_ns > 1400000000, "200 + 400 + 800 ms");
}

Test(supervisor, what_another_try_does_not_help_is_not_tried)
{
    // Nothing was taken in: even what may pass is said at once.
    for (int code = MR_ERR_INTERNAL; code <= MR_ERR_LIMIT; code++) {
        char commands[128];
        snprintf(commands, sizeof commands, NOTE_START "[ $1 = load ] && exit %d; exec sleep 30",
                 code);
        restart_up_to(2, 1000000);
        cr_expect_eq(supervise(commands), code, "%s", err.text);
        cr_expect_eq(starts_of("load"), (unsigned)code);
    }
}

// ---- several producers

// A script's $who: produce, produce-2, transform, load.
#define WHO "case \"$*\" in *'--source 2'*) who=produce-2 ;; *) who=$1 ;; esac; "

Test(supervisor, starts_a_producer_for_each_source)
{
    pipeline.source_count = 3;
    cr_expect_eq(supervise("for word in \"$@\"; do last=$word; done\n"
                           "printf '%s|' \"$@\" > $1.$last.arguments; echo >> all.starts"),
                 MR_OK, "%s", err.text);
    expect_text("produce.--after-others.arguments",
                "produce|pipe.yaml|--set|a=1|--set|b=two words|--after-others|");
    expect_text("produce.2.arguments",
                "produce|pipe.yaml|--set|a=1|--set|b=two words|--after-others|--source|2|");
    expect_text("produce.3.arguments",
                "produce|pipe.yaml|--set|a=1|--set|b=two words|--after-others|--source|3|");
    expect_text("load.b=two words.arguments", "load|pipe.yaml|--set|a=1|--set|b=two words|");
    cr_expect_eq(starts_of("all"), 5);
}

// What is beside the failed one is told to drain; those behind are not halted before it has.
Test(supervisor, a_producer_that_fails_ends_the_other_and_then_the_rest)
{
    pipeline.source_count = 2;
    cr_expect_eq(supervise(WHO "[ $who = produce-2 ] && exit 4\n"
                               "if [ $who = produce ]; then\n"
                               "  trap 'trap : TERM; sleep 0.5; echo > drained; exit 0' TERM\n"
                               "else\n"
                               "  trap '[ -e drained ] && echo yes > $who.last; exit 9' TERM\n"
                               "fi\n"
                               "for i in $(seq 200); do sleep 0.05; done"),
                 MR_ERR_INPUT);
    cr_expect(strstr(err.text, "producer-2") && strstr(err.text, "exit code 4 (input)"), "%s",
              err.text);
    expect_text("transform.last", "yes\n");
    expect_text("load.last", "yes\n");
}

Test(supervisor, a_killed_second_producer_is_started_again)
{
    pipeline.source_count = 2;
    restart_up_to(5, 1000000);
    cr_expect_eq(supervise(WHO "echo >> $who.starts; [ $who = produce-2 ] && "
                               "[ $(wc -l <produce-2.starts) -lt 3 ] && kill -9 $$; exit 0"),
                 MR_OK, "%s", err.text);
    cr_expect_eq(starts_of("produce-2"), 3);
    cr_expect_eq(starts_of("produce"), 1);
}

Test(supervisor, a_run_that_was_concluded_is_not_done_again)
{
    const struct mr_rundir_before concluded = {.pid = 77, .concluded = true, .code = MR_ERR_INPUT};
    int fd;
    cr_assert_eq(mr_stage_make_run_directory(&pipeline, &err), MR_OK);
    cr_assert_eq(mr_rundir_lock(&pipeline, &fd, NULL, &err), MR_OK);
    mr_rundir_unlock(fd, &concluded);
    cr_assert_eq(open_supervisor(), MR_OK);
    cr_expect_eq(supervisor.before.pid, 77);
    cr_expect(supervisor.before.concluded);
    cr_expect_eq(supervisor.before.code, MR_ERR_INPUT);
    mr_supervisor_close(&supervisor, MR_OK);
    cr_assert_eq(open_supervisor(), MR_OK);
    cr_expect_eq(supervisor.before.pid, 0, "and once it has said so, that is past");
    mr_supervisor_close(&supervisor, MR_OK);
}

// Nor by whoever comes after one that was to say so, and was killed first.
Test(supervisor, a_conclusion_outlives_who_takes_it_up)
{
    const struct mr_rundir_before concluded = {.pid = 77, .concluded = true, .code = MR_ERR_INPUT};
    struct mr_rundir_before before;
    int fd;
    cr_assert_eq(mr_stage_make_run_directory(&pipeline, &err), MR_OK);
    cr_assert_eq(mr_rundir_lock(&pipeline, &fd, NULL, &err), MR_OK);
    mr_rundir_unlock(fd, &concluded);
    for (unsigned i = 0; i < 3; i++) {
        cr_assert_eq(mr_rundir_lock(&pipeline, &fd, &before, &err), MR_OK, "%s", err.text);
        cr_expect(before.concluded, "after %u deaths", i);
        cr_expect_eq(before.code, MR_ERR_INPUT);
        close(fd); // as a death does
    }
    cr_expect_eq(before.pid, (int)getpid());
}

// Killed between fork and exec: the copy has the lock still, and will not be long.
Test(supervisor, the_lock_outlives_its_holder_for_a_moment)
{
    struct mr_rundir_before before;
    int fd, status;
    cr_assert_eq(mr_stage_make_run_directory(&pipeline, &err), MR_OK);
    pid_t holder = fork();
    if (holder == 0) {
        if (mr_rundir_lock(&pipeline, &fd, NULL, &err) == MR_OK && fork() == 0)
            mr_sleep_until_mono_ns(mr_mono_ns() + 300000000LL);
        _exit(0);
    }
    cr_assert_eq(waitpid(holder, &status, 0), holder);
    cr_assert_eq(mr_rundir_lock(&pipeline, &fd, &before, &err), MR_OK, "%s", err.text);
    cr_expect_eq(before.pid, (int)holder);
    mr_rundir_unlock(fd, NULL);
}

// One that was started just before its supervisor was killed has the place: it is met, and adopted the next time.
Test(supervisor, a_stage_that_meets_an_orphan_is_not_refused)
{
    const struct mr_rundir_before killed = {.pid = 77};
    const char *commands = NOTE_START "[ $1 = load ] && [ $(wc -l <load.starts) = 1 ] && exit 7; "
                                      "exit 0";
    int fd;
    restart_up_to(3, 1000000);
    cr_assert_eq(mr_stage_make_run_directory(&pipeline, &err), MR_OK);
    cr_assert_eq(mr_rundir_lock(&pipeline, &fd, NULL, &err), MR_OK);
    mr_rundir_unlock(fd, &killed);
    cr_expect_eq(supervise(commands), MR_OK, "%s", err.text);
    cr_expect_eq(starts_of("load"), 2);
    char path[256];
    unlink(scratch_path(&scratch, "load.starts", path, sizeof path));
    cr_expect_eq(supervise(commands), MR_ERR_BUSY, "where nobody was killed it is refused");
}

Test(supervisor, two_at_once_are_refused_and_the_first_is_named)
{
    char expected[32];
    struct mr_supervisor first;
    cr_assert(open_supervisor() == MR_OK, "%s", err.text);
    first = supervisor;
    cr_expect_eq(open_supervisor(), MR_ERR_BUSY);
    snprintf(expected, sizeof expected, "pid %d", (int)getpid());
    cr_expect(strstr(err.text, expected) != NULL, "%s", err.text);
    mr_supervisor_close(&first, MR_OK);
    cr_expect_eq(open_supervisor(), MR_OK);
    mr_supervisor_close(&supervisor, MR_OK);
}

Test(supervisor, a_program_that_is_not_there)
{
    if (mr_test_emulated())
        cr_skip("an emulator does not report a program that cannot be started (posix_spawn)");
    snprintf(program, sizeof program, "/nonexistent/millrace");
    cr_assert(open_supervisor() == MR_OK);
    cr_expect_eq(mr_supervisor_run(&supervisor, &err), MR_ERR_STAGE);
    cr_expect(strstr(err.text, "cannot start the producer") != NULL, "%s", err.text);
    mr_supervisor_close(&supervisor, MR_OK);
}
