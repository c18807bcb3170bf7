// SPDX-License-Identifier: Apache-2.0
// Kills a running pipeline with SIGKILL at random moments, again and again: a stage, all stages, the supervisor, all of
// them, and what has just come back. Each run ends in its own time; its journal must then be that of an undisturbed run,
// byte for byte, its counts must balance and nothing may be left in shared memory. The sink appends: what was done
// twice would show.
//
//     crash --program build/release/millrace --sample day.itch [--kills 1000] [--seed 1] [--messages 3000000]
//           [--judge 99] [--sources 3]
//
// With several sources each has the messages of a part of the symbols, and they are merged by time: the same stream.
// Measured is the time from a kill to the first record that the stage's next process commits. The moments come from the
// seed, and from when the machine gets round to them. Ends with one line; where something is wrong that line is
// FAILED, with what and with the command that does it again, and the files stay.
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/pipeline/report.h"
#include "core/pipeline/rundir.h"
#include "tests/support/itch_loop.h"
#include "tests/support/journal_bytes.h"
#include "tests/support/same_files.h"
#include "tests/support/scratch.h"

#define MS 1000000LL
#define WORK_MS_MAX 70    // between a recovery and the next kill
#define AGAIN_MS_MAX 40   // from a kill to one during the recovery
#define AGAIN_PERCENT 30  // of the kills are followed by such a one
#define RECOVERY_MS 30000 // after which a stage counts as lost
#define RUN_MS 300000     // after which a run does
#define RESTART_MS_MAX                                                                             \
    250.0 // from a kill to the first new record, at the percentile that is judged
#define SAMPLES_MAX 100000

// What a kill is of. Of 20 kills 15 are of one stage, each as often.
enum target { TARGET_ONE, TARGET_ALL, TARGET_SUPERVISOR, TARGET_EVERYTHING };
static const struct {
    enum target target;
    unsigned of_20;
} targets[] = {{TARGET_ONE, 15}, {TARGET_ALL, 2}, {TARGET_SUPERVISOR, 2}, {TARGET_EVERYTHING, 1}};

// A stage that was killed, until its next process has committed something new.
struct victim {
    bool waiting;
    int64_t killed_ns;
    uint64_t records; // it had committed when it died
};

static struct {
    const char *program, *sample;
    uint64_t kills, seed, messages;
    char directory[64], shm[64], yaml[128];
    struct mr_pipeline pipeline;
    unsigned judged; // percentile of the restarts that must be short enough
    unsigned sources;
    char *inputs[ITCH_LOOP_FILES_MAX]; // their files
} test = {.kills = 1000, .seed = 1, .messages = 3000000, .judged = 99, .sources = 1};

static struct {
    pid_t supervisor;
    int64_t began_ns;
    struct mr_segment segments[MR_ROLE_COUNT];
    struct mr_stage_layout *pages[MR_ROLE_COUNT]; // NULL: not there yet
    struct victim victims[MR_ROLE_COUNT];
} run;

static uint64_t random_state, kills_of[MR_ROLE_COUNT], kills_of_supervisor, kills, runs;
static double restart_ms[SAMPLES_MAX];
static unsigned restarts;

static void failed(const char *format, ...) MR_PRINTF(1, 2) __attribute__((noreturn));
static void failed(const char *format, ...)
{
    va_list args;
    printf("crash: FAILED after %llu kills in run %llu: ", (unsigned long long)kills,
           (unsigned long long)runs + 1);
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    printf("; %s and %s are kept; again: make crash KILLS=%llu SEED=%llu SOURCES=%u\n",
           test.directory, test.shm, (unsigned long long)test.kills, (unsigned long long)test.seed,
           test.sources);
    exit(1);
}

static uint64_t below(uint64_t limit)
{
    return random_below(&random_state, limit);
}

static void sleep_ns(int64_t ns)
{
    mr_sleep_until_mono_ns(mr_mono_ns() + ns);
}

static void file_path(char *out, size_t out_bytes, const char *name)
{
    snprintf(out, out_bytes, "%s/%s", test.directory, name);
}

// ---- the program --------------------------------------------------------------------------------

static pid_t spawn_run(const char *final, const char *set)
{
    char final_path[128], log_path[128];
    const char *arguments[] = {"millrace",           "run", test.yaml, "--json",
                               set ? "--set" : NULL, set,   NULL};
    posix_spawn_file_actions_t files;
    pid_t pid;
    file_path(final_path, sizeof final_path, final);
    file_path(log_path, sizeof log_path, "log");
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_addopen(&files, STDOUT_FILENO, final_path,
                                     O_WRONLY | O_CREAT | O_TRUNC, 0600);
    posix_spawn_file_actions_addopen(&files, STDERR_FILENO, log_path, O_WRONLY | O_CREAT | O_APPEND,
                                     0600);
    errno = posix_spawn(&pid, test.program, &files, NULL, (char **)(void *)arguments, environ);
    posix_spawn_file_actions_destroy(&files);
    if (errno)
        failed("%s: %s", test.program, strerror(errno));
    return pid;
}

static void write_pipeline(void)
{
    struct mr_error err;
    file_path(test.yaml, sizeof test.yaml, "crash.yaml");
    FILE *out = fopen(test.yaml, "we");
    if (!out)
        failed("%s: %s", test.yaml, strerror(errno));
    fprintf(out,
            "name: crash\n"
            "shm: %s\n"
            "merge: time\n"
            "source:\n",
            test.shm);
    for (unsigned i = 0; i < test.sources; i++)
        fprintf(out, "  - {type: itch_file, path: %s}\n", test.inputs[i]);
    fprintf(out,
            "transform:\n"
            "  - order_book: {pass: true, orders_max: 1000000}\n"
            "  - bars: {on: book_trade, key: symbol, price: price, volume: shares, every: 1s, "
            "pass: true}\n"
            "ring: {size: 1MiB}\n"
            "sink: {type: journal, path: %s/journal, segment_size: 64MiB}\n"
            // Each kill is the first: nothing is waited for and nothing given up.
            "supervise: {limit: 100, within: 1us}\n",
            test.directory);
    if (fclose(out) != 0 || mr_pipeline_load(&test.pipeline, test.yaml, NULL, 0, &err) != MR_OK)
        failed("%s: cannot be used", test.yaml);
}

// ---- looking ------------------------------------------------------------------------------------

static bool has(unsigned role)
{
    return mr_pipeline_has_role(&test.pipeline, role);
}

static bool attach_pages(void)
{
    bool all = true;
    for (unsigned role = 0; role < MR_ROLE_COUNT; role++) {
        if (!has(role))
            continue;
        if (!run.pages[role] &&
            mr_stage_attach_page(&test.pipeline, role, MR_ATTACH_READ_ONLY, &run.segments[role],
                                 &run.pages[role], NULL) != MR_OK)
            run.pages[role] = NULL;
        all &= run.pages[role] != NULL;
    }
    return all;
}

static void detach_pages(void)
{
    for (unsigned role = 0; role < MR_ROLE_COUNT; role++)
        if (run.pages[role])
            mr_segment_detach(&run.segments[role]);
    memset(run.pages, 0, sizeof run.pages);
}

// Killed before it had taken anything in, a run is begun anew by the next supervisor: with other pages.
static void attach_new_pages(void)
{
    for (unsigned role = 0; role < MR_ROLE_COUNT; role++) {
        struct stat status;
        struct mr_segment segment;
        struct mr_stage_layout *page;
        if (!has(role) || fstat(run.segments[role].fd, &status) < 0 || status.st_nlink > 0 ||
            mr_stage_attach_page(&test.pipeline, role, MR_ATTACH_READ_ONLY, &segment, &page,
                                 NULL) != MR_OK)
            continue;
        mr_segment_detach(&run.segments[role]);
        run.segments[role] = segment;
        run.pages[role] = page;
        run.victims[role].records = 0;
    }
}

// What it has let out for good.
static uint64_t committed(enum mr_role role)
{
    struct mr_stage_slot slot;
    mr_stage_snapshot(run.pages[role], &slot);
    return slot.counts[role == MR_ROLE_LOADER ? MR_COUNT_OUT : MR_COUNT_EMITTED];
}

static bool has_ended(enum mr_role role)
{
    return mr_load_acquire_u32(&run.pages[role]->gauges.phase) == MR_PHASE_DONE;
}

// Takes the time of those that have come back. True while one has not.
static bool any_is_missing(void)
{
    bool missing = false;
    attach_new_pages();
    for (unsigned role = 0; role < MR_ROLE_COUNT; role++) {
        struct victim *victim = &run.victims[role];
        int64_t now_ns = mr_mono_ns();
        if (!victim->waiting)
            continue;
        if (committed(role) > victim->records && restarts < SAMPLES_MAX)
            restart_ms[restarts++] = (double)(now_ns - victim->killed_ns) / 1e6;
        else if (now_ns - victim->killed_ns > RECOVERY_MS * MS)
            failed("the %s did not come back within %d s", mr_role_name(role), RECOVERY_MS / 1000);
        else if (!has_ended(role)) {
            missing = true;
            continue;
        }
        victim->waiting = false;
    }
    return missing;
}

// ---- killing ------------------------------------------------------------------------------------

static void await_death(int pidfd)
{
    struct pollfd gone = {.fd = pidfd, .events = POLLIN};
    if (poll(&gone, 1, RECOVERY_MS) != 1)
        failed("a process outlived SIGKILL by %d s", RECOVERY_MS / 1000);
    close(pidfd);
}

// The process whose pid stands in the page, if it holds the stage's lock. -1: there is none now.
static int open_stage(enum mr_role role)
{
    uint32_t pid = run.pages[role]->gauges.pid;
    int pidfd = pid ? pidfd_open((pid_t)pid, 0) : -1;
    if (pidfd >= 0 && run.pages[role]->gauges.pid == pid &&
        mr_segment_is_locked(&run.segments[role]) && !has_ended(role))
        return pidfd;
    if (pidfd >= 0)
        close(pidfd);
    return -1;
}

static void kill_stages(const bool *wanted)
{
    int pidfds[MR_ROLE_COUNT];
    for (unsigned role = 0; role < MR_ROLE_COUNT; role++)
        pidfds[role] = wanted[role] ? open_stage(role) : -1;
    int64_t now_ns = mr_mono_ns();
    for (unsigned role = 0; role < MR_ROLE_COUNT; role++)
        if (pidfds[role] >= 0)
            pidfd_send_signal(pidfds[role], SIGKILL, NULL, 0);
    for (unsigned role = 0; role < MR_ROLE_COUNT; role++) {
        if (pidfds[role] < 0)
            continue;
        await_death(pidfds[role]);
        run.victims[role] = (struct victim){true, now_ns, committed(role)};
        kills_of[role]++;
        kills++;
    }
}

static void kill_all_stages(void)
{
    bool all[MR_ROLE_COUNT];
    for (unsigned role = 0; role < MR_ROLE_COUNT; role++)
        all[role] = has(role);
    kill_stages(all);
}

static void kill_one_stage(void)
{
    bool one[MR_ROLE_COUNT] = {false};
    unsigned role = (unsigned)below(MR_TRIO + test.sources - 1);
    one[role] = true;
    kill_stages(one);
}

// Whether the run was over already, and all that is lost is its exit code.
static bool was_over(void)
{
    char path[MR_RUNDIR_PATH_BYTES];
    struct stat status;
    mr_rundir_path(&test.pipeline, "run.lock", path, sizeof path);
    return stat(path, &status) == 0 && status.st_size == 0;
}

// Returns false where the run is over.
static bool kill_supervisor(bool with_stages)
{
    int status;
    kill(run.supervisor, SIGKILL);
    if (with_stages)
        kill_all_stages();
    waitpid(run.supervisor, &status, 0);
    kills_of_supervisor++;
    kills++;
    if (was_over())
        return false;
    sleep_ns((int64_t)below(20) * MS);
    // The time of a stage that nobody watched does not count; how fast it comes back now does.
    int64_t now_ns = mr_mono_ns();
    run.supervisor = spawn_run("final", NULL);
    for (unsigned role = 0; role < MR_ROLE_COUNT; role++)
        run.victims[role].killed_ns = run.victims[role].waiting ? now_ns : 0;
    return true;
}

static enum target choose_target(void)
{
    unsigned drawn = (unsigned)below(20), i = 0;
    while (drawn >= targets[i].of_20)
        drawn -= targets[i++].of_20;
    return targets[i].target;
}

// Returns false where the run is over.
static bool kill_target(enum target target)
{
    if (target == TARGET_SUPERVISOR || target == TARGET_EVERYTHING)
        return kill_supervisor(target == TARGET_EVERYTHING);
    if (target == TARGET_ALL)
        kill_all_stages();
    else
        kill_one_stage();
    return true;
}

// ---- one run ------------------------------------------------------------------------------------

static bool is_over(int *code)
{
    int status;
    if (mr_mono_ns() - run.began_ns > RUN_MS * MS)
        failed("a run took longer than %d s", RUN_MS / 1000);
    if (waitpid(run.supervisor, &status, WNOHANG) != run.supervisor)
        return false;
    *code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    return true;
}

// Until nothing is missing and `work_ns` of work have passed. False where the run has ended.
static bool let_work(int64_t work_ns, bool until_back, int *code)
{
    int64_t until_ns = mr_mono_ns() + work_ns;
    while ((until_back && any_is_missing()) || mr_mono_ns() < until_ns) {
        if (is_over(code))
            return false;
        if (until_back && any_is_missing())
            until_ns = mr_mono_ns() + work_ns;
        sleep_ns(MS / 2);
    }
    return true;
}

// Returns the exit code of the run; kills only while there are some left to do.
static int run_killing(void)
{
    int code = 0;
    bool again = false;
    memset(run.victims, 0, sizeof run.victims);
    run.began_ns = mr_mono_ns();
    run.supervisor = spawn_run("final", NULL);
    while (!attach_pages()) {
        if (is_over(&code))
            return code;
        sleep_ns(MS);
    }
    while (kills < test.kills) {
        int64_t wait_ns = (int64_t)below((again ? AGAIN_MS_MAX : WORK_MS_MAX) * 1000) * 1000;
        if (!let_work(wait_ns, !again, &code))
            return code;
        again = below(100) < AGAIN_PERCENT;
        if (!kill_target(choose_target()))
            return 0;
    }
    while (!is_over(&code)) {
        any_is_missing();
        sleep_ns(MS);
    }
    return code;
}

// ---- what came of it ----------------------------------------------------------------------------

static void compare_journals(void)
{
    char whole[128], found[128], difference[700];
    file_path(whole, sizeof whole, "whole");
    file_path(found, sizeof found, "journal");
    if (!mr_test_same_files(whole, found, difference, sizeof difference))
        failed("%s", difference);
}

static void remove_directory(const char *name)
{
    char path[128];
    file_path(path, sizeof path, name);
    mr_test_remove_directory(strdup(path));
    if (access(path, F_OK) == 0)
        failed("%s: cannot be removed", path);
}

static void check_balance(const char *final)
{
    char text[1 << 16] = "";
    char path[128];
    file_path(path, sizeof path, final);
    FILE *in = fopen(path, "re");
    size_t length = in ? fread(text, 1, sizeof text - 1, in) : 0;
    if (in)
        fclose(in);
    text[length] = 0;
    // Nothing was printed where the run was killed when it was over; then the report was saved.
    if (length > 0 && !strstr(text, "\"balance\": true"))
        failed("%s: the counts do not balance", path);
}

static void check_run(int code)
{
    struct mr_rundir_contents contents;
    if (code != MR_OK)
        failed("exit code %d (%s)", code, mr_code_name(code));
    check_balance("final");
    mr_rundir_look(&test.pipeline, &contents);
    if (contents.segment_count > 0)
        failed("%u segments are left in %s", contents.segment_count, test.pipeline.directory);
    compare_journals();
    remove_directory("journal");
}

// ---- the figure ---------------------------------------------------------------------------------

static int by_value(const void *a, const void *b)
{
    double left = *(const double *)a, right = *(const double *)b;
    return left < right ? -1 : left > right;
}

static double percentile(double percent)
{
    return restarts ? restart_ms[(size_t)((double)(restarts - 1) * percent / 100)] : 0;
}

static int conclude(void)
{
    uint64_t producers = 0;
    qsort(restart_ms, restarts, sizeof restart_ms[0], by_value);
    for (unsigned i = 0; i < test.sources; i++)
        producers += kills_of[mr_producer_role(i)];
    bool fast = percentile(test.judged) <= RESTART_MS_MAX;
    printf("crash: %llu kills (%u producer%s %llu, transform %llu, loader %llu, supervisor %llu), "
           "%llu runs of %llu messages, 0 lost, 0 repeated; restart to first new record p50 %.1f "
           "p99 %.1f max %.1f ms of %u%s; seed %llu\n",
           (unsigned long long)kills, test.sources, test.sources > 1 ? "s" : "",
           (unsigned long long)producers, (unsigned long long)kills_of[MR_ROLE_TRANSFORM],
           (unsigned long long)kills_of[MR_ROLE_LOADER], (unsigned long long)kills_of_supervisor,
           (unsigned long long)runs, (unsigned long long)test.messages, percentile(50),
           percentile(99), percentile(100), restarts, fast ? "" : " (FAILED: expected <= 250 ms)",
           (unsigned long long)test.seed);
    return fast ? 0 : 1;
}

static void set_up(void)
{
    struct mr_error err;
    const char *temporary = getenv("TMPDIR");
    snprintf(test.directory, sizeof test.directory, "%.40s/millrace-crash.XXXXXX",
             temporary ? temporary : "/tmp");
    snprintf(test.shm, sizeof test.shm, "/dev/shm/millrace-crash.XXXXXX");
    if (!mkdtemp(test.directory) || !mkdtemp(test.shm))
        failed("%s: %s", test.directory, strerror(errno));
    for (unsigned i = 0; i < test.sources; i++)
        if (asprintf(&test.inputs[i], "%s/20200130-%u.itch", test.directory, i + 1) < 0)
            failed("no memory");
    if (itch_loop(test.sample, test.inputs, test.sources, test.messages, &err) != MR_OK)
        failed("%s", err.text);
    write_pipeline();
}

static void undisturbed(void)
{
    char set[128];
    int status;
    snprintf(set, sizeof set, "sink.path=%s/whole", test.directory);
    pid_t pid = spawn_run("whole.final", set);
    if (waitpid(pid, &status, 0) != pid || status != 0)
        failed("the undisturbed run ended with %d", WEXITSTATUS(status));
    check_balance("whole.final");
}

static void tear_down(void)
{
    static const char *const files[] = {"crash.yaml", "final", "whole.final", "log"};
    static const char *const run_files[] = {"run.lock", "setup.lock", MR_LAST_JSON, MR_LAST_TEXT,
                                            "session"};
    char path[512];
    remove_directory("whole");
    for (unsigned i = 0; i < test.sources; i++) {
        unlink(test.inputs[i]);
        free(test.inputs[i]);
    }
    for (unsigned i = 0; i < MR_COUNT_OF(files); i++) {
        file_path(path, sizeof path, files[i]);
        unlink(path);
    }
    rmdir(test.directory);
    for (unsigned i = 0; i < MR_COUNT_OF(run_files); i++) {
        mr_rundir_path(&test.pipeline, run_files[i], path, sizeof path);
        unlink(path);
    }
    rmdir(test.pipeline.directory);
    char *slash = strrchr(test.pipeline.directory, '/');
    *slash = 0;
    rmdir(test.pipeline.directory);
    if (rmdir(test.shm) < 0)
        failed("something is left in %s", test.shm);
    mr_pipeline_free(&test.pipeline);
}

static void parse(int argc, char **argv)
{
    for (int i = 1; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--program") == 0)
            test.program = argv[i + 1];
        else if (strcmp(argv[i], "--sample") == 0)
            test.sample = argv[i + 1];
        else if (strcmp(argv[i], "--kills") == 0)
            test.kills = strtoull(argv[i + 1], NULL, 10);
        else if (strcmp(argv[i], "--seed") == 0)
            test.seed = strtoull(argv[i + 1], NULL, 10);
        else if (strcmp(argv[i], "--messages") == 0)
            test.messages = strtoull(argv[i + 1], NULL, 10);
        else if (strcmp(argv[i], "--judge") == 0)
            test.judged = (unsigned)strtoul(argv[i + 1], NULL, 10);
        else if (strcmp(argv[i], "--sources") == 0)
            test.sources = (unsigned)strtoul(argv[i + 1], NULL, 10);
    }
    if (test.program && test.sample && argc % 2 == 1 && test.sources >= 1 &&
        test.sources <= ITCH_LOOP_FILES_MAX)
        return;
    fprintf(stderr, "usage: crash --program MILLRACE --sample ITCH [--kills N] [--seed S] "
                    "[--messages N] [--judge PERCENTILE] [--sources 1..4]\n");
    exit(2);
}

int main(int argc, char **argv)
{
    parse(argc, argv);
    setvbuf(stdout, NULL, _IOLBF, 0);
    mr_clock_setup();
    random_state = test.seed;
    set_up();
    undisturbed();
    while (kills < test.kills) {
        int code = run_killing();
        detach_pages();
        check_run(code);
        runs++;
    }
    tear_down();
    return conclude();
}
