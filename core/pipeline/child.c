// SPDX-License-Identifier: Apache-2.0
#include "core/pipeline/child.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/log.h"
#include "core/pipeline/notify.h"
#include "core/pipeline/report.h"
#include "core/pipeline/rundir.h"
#include "core/pipeline/stage_private.h"

#define KILL_AFTER_NS 3000000000LL   // a stage that was told to halt and does not
#define ARGUMENTS_MAX (2 * 128 + 10) // two per override

static const char *const stage_commands[] = {"produce", "transform", "load"};

// ---- its page -----------------------------------------------------------------------------------

static bool attach_page(const struct mr_child *child, enum mr_attach mode,
                        struct mr_segment *segment, struct mr_stage_layout **page)
{
    return mr_stage_attach_page(child->pipeline, child->role, mode, segment, page, NULL) == MR_OK;
}

// The page, if it is this process that has entered it.
static bool attach_own_page(const struct mr_child *child, enum mr_attach mode,
                            struct mr_segment *segment, struct mr_stage_layout **page)
{
    if (!attach_page(child, mode, segment, page))
        return false;
    bool entered = (*page)->gauges.pid == (uint32_t)child->pid;
    if (!entered)
        mr_segment_detach(segment);
    return entered;
}

// ---- starting -----------------------------------------------------------------------------------

static void fill_arguments(const struct mr_child_program *program, enum mr_role role,
                           const char **arguments)
{
    static const char *const numbers[MR_PRODUCERS_MAX] = {"1", "2", "3", "4"};
    unsigned count = 0;
    arguments[count++] = "millrace";
    arguments[count++] = stage_commands[mr_role_is_producer(role) ? MR_ROLE_PRODUCER : role];
    arguments[count++] = program->file;
    for (unsigned i = 0; i < program->set_count && count < ARGUMENTS_MAX - 6; i++) {
        arguments[count++] = "--set";
        arguments[count++] = program->sets[i];
    }
    if (mr_role_is_producer(role))
        arguments[count++] = "--after-others";
    if (role > MR_ROLE_LOADER) {
        arguments[count++] = "--source";
        arguments[count++] = numbers[mr_role_source(role)];
    }
    arguments[count] = NULL;
}

// Without what is for the supervisor alone. To be freed.
static char **stage_environment(void)
{
    unsigned count = 0, kept = 0;
    while (environ[count])
        count++;
    char **kept_variables = calloc(count + 1, sizeof *kept_variables);
    for (unsigned i = 0; kept_variables && i < count; i++)
        if (!mr_notify_owns(environ[i]))
            kept_variables[kept++] = environ[i];
    return kept_variables;
}

static int spawn(struct mr_child *child, const struct mr_child_program *program)
{
    const char *arguments[ARGUMENTS_MAX];
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attributes;
    char **environment = stage_environment();
    if (!environment)
        return ENOMEM;
    fill_arguments(program, child->role, arguments);
    posix_spawn_file_actions_init(&files);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
    posix_spawnattr_setsigmask(&attributes, program->signals);
    if (!mr_role_is_producer(child->role)) // standard input is a source's
        posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    if (program->stderr_fd >= 0)
        posix_spawn_file_actions_adddup2(&files, program->stderr_fd, STDERR_FILENO);
    int failed = posix_spawn(&child->pid, program->path ? program->path : "/proc/self/exe", &files,
                             &attributes, (char **)(void *)arguments, environment);
    free(environment);
    posix_spawn_file_actions_destroy(&files);
    posix_spawnattr_destroy(&attributes);
    return failed;
}

static void begin(struct mr_child *child, bool adopted)
{
    child->state = MR_CHILD_RUNNING;
    child->adopted = adopted;
    child->asked = MR_STOP_NONE;
    child->started_ns = mr_mono_ns();
    child->stall = (struct mr_stall){0};
}

int mr_child_start(struct mr_child *child, const struct mr_child_program *program,
                   struct mr_error *err)
{
    errno = spawn(child, program);
    if (errno)
        return mr_fail_errno(err, MR_ERR_STAGE, "cannot start the %s", mr_role_name(child->role));
    child->pidfd = pidfd_open(child->pid, 0);
    if (child->pidfd < 0) {
        mr_fail_errno(err, MR_ERR_STAGE, "cannot watch the %s (pid %d)", mr_role_name(child->role),
                      (int)child->pid);
        kill(child->pid, SIGKILL);
        waitpid(child->pid, NULL, 0);
        return MR_ERR_STAGE;
    }
    child->starts++;
    begin(child, false);
    return MR_OK;
}

// ---- adopting -----------------------------------------------------------------------------------

static int check_settings(const struct mr_child *child, const struct mr_stage_layout *page,
                          struct mr_error *err)
{
    if (page->settings == mr_stage_settings(child->pipeline, child->role))
        return MR_OK;
    return mr_fail(err, MR_ERR_SHM,
                   "the %s of \"%s\" runs (pid %u) with another `%s:` than this file says; give "
                   "this run the file and the --sets that it was started with, or stop it first",
                   mr_role_name(child->role), child->pipeline->name, page->gauges.pid,
                   mr_stage_settings_key(child->role));
}

static int adopt_living(struct mr_child *child, const struct mr_segment *segment,
                        const struct mr_stage_layout *page, struct mr_error *err)
{
    int code = check_settings(child, page, err);
    if (code != MR_OK)
        return code;
    pid_t pid = (pid_t)page->gauges.pid;
    int pidfd = pidfd_open(pid, 0), why = errno;
    if (!mr_segment_is_locked(segment)) { // it died between the two looks
        if (pidfd >= 0)
            close(pidfd);
        return MR_OK;
    }
    errno = why;
    if (pidfd < 0)
        return mr_fail_errno(err, MR_ERR_STAGE, "cannot watch the %s (pid %d)",
                             mr_role_name(child->role), (int)pid);
    child->pid = pid;
    child->pidfd = pidfd;
    begin(child, true);
    return MR_OK;
}

int mr_child_adopt(struct mr_child *child, struct mr_error *err)
{
    struct mr_segment segment;
    struct mr_stage_layout *page;
    int code = MR_OK;
    if (!attach_page(child, MR_ATTACH_READ_ONLY, &segment, &page))
        return MR_OK;
    if (mr_segment_is_locked(&segment))
        code = adopt_living(child, &segment, page, err);
    mr_segment_detach(&segment);
    return code;
}

// ---- its end ------------------------------------------------------------------------------------

static int explain_code(const struct mr_child *child, int code, struct mr_error *err)
{
    char word[sizeof err->text];
    if (mr_rundir_take_word(child->pipeline, child->role, (int)child->pid, word, sizeof word))
        return mr_fail(err, code, "%s: %s", mr_role_name(child->role), word);
    return mr_fail(err, code, "%s (pid %d) ended with exit code %d (%s); its log line says why",
                   mr_role_name(child->role), (int)child->pid, code, mr_code_name(code));
}

static bool read_last_word(const struct mr_child *child, const struct mr_stage_layout *page,
                           struct mr_child_end *end, struct mr_error *err)
{
    const struct mr_stage_gauges *gauges = &page->gauges;
    uint32_t phase = mr_load_acquire_u32(&gauges->phase);
    if (phase != MR_PHASE_DONE && phase != MR_PHASE_FAILED)
        return false;
    *end = (struct mr_child_end){.code = phase == MR_PHASE_DONE ? MR_OK : (int)gauges->exit_code};
    if (end->code != MR_OK && gauges->failure[0])
        mr_fail(err, end->code, "%s: %.*s", mr_role_name(child->role),
                (int)sizeof gauges->failure - 1, gauges->failure);
    else if (end->code != MR_OK)
        explain_code(child, end->code, err);
    return true;
}

bool mr_child_read_end(const struct mr_child *child, struct mr_child_end *end, struct mr_error *err)
{
    struct mr_segment segment;
    struct mr_stage_layout *page;
    if (!attach_page(child, MR_ATTACH_READ_ONLY, &segment, &page))
        return false;
    bool ended = read_last_word(child, page, end, err);
    mr_segment_detach(&segment);
    return ended;
}

static bool read_own_end(const struct mr_child *child, struct mr_child_end *end,
                         struct mr_error *err)
{
    struct mr_segment segment;
    struct mr_stage_layout *page;
    if (!attach_own_page(child, MR_ATTACH_READ_ONLY, &segment, &page))
        return false;
    bool ended = read_last_word(child, page, end, err);
    mr_segment_detach(&segment);
    return ended;
}

static void explain_death(const struct mr_child *child, const struct mr_child_end *end,
                          struct mr_error *err)
{
    if (end->signal)
        mr_fail(err, end->code, "%s (pid %d) was killed by signal %d (%s)",
                mr_role_name(child->role), (int)child->pid, end->signal, strsignal(end->signal));
    else
        mr_fail(err, end->code, "%s (pid %d) is gone and has not said why",
                mr_role_name(child->role), (int)child->pid);
}

static void say_it_goes_on(const struct mr_child *child)
{
    mr_info("%s (pid %d) goes on, after %.1f s without a sign of life", mr_role_name(child->role),
            (int)child->pid, (double)(mr_mono_ns() - child->stall.since_ns) / 1e9);
}

bool mr_child_collect(struct mr_child *child, struct mr_child_end *end, struct mr_error *err)
{
    siginfo_t info = {0};
    if (!child->adopted &&
        (waitid(P_PIDFD, (id_t)child->pidfd, &info, WEXITED) < 0 || info.si_pid == 0))
        return false;
    close(child->pidfd);
    child->pidfd = -1;
    bool exited = !child->adopted && info.si_code == CLD_EXITED;
    bool said = read_own_end(child, end, err);
    if (exited && (!said || end->code != info.si_status)) {
        *end = (struct mr_child_end){.code = info.si_status};
        if (end->code != MR_OK)
            explain_code(child, end->code, err);
    } else if (!said) {
        *end = (struct mr_child_end){
            .code = MR_ERR_STAGE, .died = true, .signal = child->adopted ? 0 : info.si_status};
        explain_death(child, end, err);
    }
    if (child->stall.since_ns && !end->died) // it was through before it was looked at again
        say_it_goes_on(child);
    child->stall = (struct mr_stall){0};
    return true;
}

// ---- telling it ---------------------------------------------------------------------------------

void mr_child_tell(struct mr_child *child, uint32_t ask)
{
    struct mr_segment segment;
    struct mr_stage_layout *page;
    if (child->state == MR_CHILD_WAITING && ask == MR_STOP_HALT)
        child->state = MR_CHILD_HALTED;
    if (child->state == MR_CHILD_WAITING)
        child->due_ns = 0; // it is needed to end what it has begun
    if (child->state != MR_CHILD_RUNNING)
        return;
    if (ask > child->asked) {
        child->asked = ask;
        child->asked_since_ns = mr_mono_ns();
    }
    if (ask == MR_STOP_HALT && mr_mono_ns() - child->asked_since_ns > KILL_AFTER_NS) {
        mr_warn("%s (pid %d) does not halt; killing it, which loses nothing",
                mr_role_name(child->role), (int)child->pid);
        pidfd_send_signal(child->pidfd, SIGKILL, NULL, 0);
    } else if (attach_own_page(child, MR_ATTACH_READ_WRITE, &segment, &page)) {
        mr_store_release_u32(&page->gauges.drain_asked, child->asked);
        mr_segment_detach(&segment);
    } else if (child->starts <=
               1) { // one that was started again has a page, and will soon enter it
        pidfd_send_signal(child->pidfd, SIGTERM, NULL, 0);
    }
}

// ---- watching it --------------------------------------------------------------------------------

static void look(struct mr_child *child, struct mr_stall *stall)
{
    struct mr_segment segment;
    struct mr_stage_layout *page;
    // Before it has entered its page it has shown nothing since its start.
    struct mr_stage_gauges gauges = {
        .pid = (uint32_t)child->pid, .phase = MR_PHASE_STARTING, .heartbeat_ns = child->started_ns};
    if (attach_own_page(child, MR_ATTACH_READ_ONLY, &segment, &page)) {
        gauges = page->gauges;
        mr_segment_detach(&segment);
    }
    mr_stall_look(stall, &gauges, mr_mono_ns());
    child->phase = gauges.phase;
}

void mr_child_watch(struct mr_child *child)
{
    struct mr_stall now;
    if (child->state != MR_CHILD_RUNNING)
        return;
    look(child, &now);
    if (now.since_ns && !child->stall.since_ns)
        mr_warn("%s (pid %d, %s) has shown no sign of life for %.1f s: %s; nobody takes its place "
                "while it lives",
                mr_role_name(child->role), (int)child->pid, mr_phase_name(child->phase),
                (double)(mr_mono_ns() - now.since_ns) / 1e9, mr_stall_text(now.cause));
    else if (!now.since_ns && child->stall.since_ns)
        say_it_goes_on(child);
    child->stall = now;
}
