// SPDX-License-Identifier: Apache-2.0
#include "core/pipeline/supervisor.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/log.h"
#include "core/pipeline/rundir.h"

#define LOOK_INTERVAL_NS 50000000LL // between looks at the rings while something is to be ended
#define KILL_AFTER_NS 3000000000LL  // a stage that was told to halt and does not
#define ARGUMENTS_MAX (2 * 128 + 8) // two per override

static const char *const stage_commands[MR_ROLE_COUNT] = {"produce", "transform", "load"};

// ---- telling a stage ----------------------------------------------------------------------------

static bool attach_page(const struct mr_supervisor *supervisor, enum mr_role role,
                        struct mr_segment *segment, struct mr_stage_layout **page)
{
    if (mr_stage_attach_page(supervisor->pipeline, role, MR_ATTACH_READ_WRITE, segment, page,
                             NULL) != MR_OK)
        return false;
    bool ours = (*page)->gauges.pid == (uint32_t)supervisor->children[role].pid;
    if (!ours)
        mr_segment_detach(segment);
    return ours;
}

// Through its page; by signal where it has none yet: then it has accepted nothing either. Said
// again and again until it ends, because a stage clears the word when it enters its page.
static void tell(struct mr_supervisor *supervisor, enum mr_role role, uint32_t ask)
{
    struct mr_child *child = &supervisor->children[role];
    struct mr_segment segment;
    struct mr_stage_layout *page;
    if (child->state != MR_CHILD_RUNNING)
        return;
    if (ask > child->asked) {
        child->asked = ask;
        child->asked_since_ns = mr_mono_ns();
    }
    if (ask == MR_STOP_HALT && mr_mono_ns() - child->asked_since_ns > KILL_AFTER_NS) {
        mr_warn("%s (pid %d) does not halt; killing it, which loses nothing", mr_role_name(role),
                (int)child->pid);
        kill(child->pid, SIGKILL);
    } else if (attach_page(supervisor, role, &segment, &page)) {
        mr_store_release_u32(&page->gauges.drain_asked, child->asked);
        mr_segment_detach(&segment);
    } else {
        kill(child->pid, SIGTERM);
    }
}

static bool any_running(const struct mr_supervisor *supervisor)
{
    for (unsigned role = 0; role < MR_ROLE_COUNT; role++)
        if (supervisor->children[role].state == MR_CHILD_RUNNING)
            return true;
    return false;
}

// ---- after a failure ----------------------------------------------------------------------------

// Whether its reader has taken everything that was published. A ring that is not there holds
// nothing.
static bool ring_is_read(const struct mr_supervisor *supervisor, enum mr_ring_index index,
                         bool *closed)
{
    char path[MR_RUNDIR_PATH_BYTES];
    struct mr_ring ring;
    *closed = false;
    mr_pipeline_ring_path(supervisor->pipeline, index, path, sizeof path);
    if (mr_ring_attach(&ring, path, MR_ATTACH_READ_ONLY, NULL) != MR_OK)
        return true;
    // The reader's cursor last: it stands for what it had taken when the writer stood there.
    uint64_t write_pos = mr_load_acquire_u64(&ring.writer_line->write_pos);
    *closed = mr_load_acquire_u32(&ring.news->closed) != 0;
    bool read = mr_load_acquire_u64(&ring.reader_line->read_pos) >= write_pos;
    mr_ring_detach(&ring);
    return read;
}

// The stages behind the failed one go on until nothing is left for them. From front to back: what a
// stage has let go of in its input stands in its output.
static void let_downstream_finish(struct mr_supervisor *supervisor, enum mr_role failed)
{
    static const struct {
        enum mr_ring_index ring;
        enum mr_role writer;
    } rings[] = {{MR_RING_INGRESS, MR_ROLE_PRODUCER},
                 {MR_RING_EGRESS, MR_ROLE_TRANSFORM},
                 {MR_RING_DEAD_PRODUCER, MR_ROLE_PRODUCER},
                 {MR_RING_DEAD_TRANSFORM, MR_ROLE_TRANSFORM}};
    bool quiet = true, ends_by_itself = true;
    for (unsigned i = 0; i < MR_COUNT_OF(rings); i++) {
        bool closed;
        if (rings[i].writer < failed)
            continue;
        quiet &= ring_is_read(supervisor, rings[i].ring, &closed);
        ends_by_itself &= closed || rings[i].writer != failed;
    }
    if (ends_by_itself || !quiet)
        return;
    for (unsigned role = failed + 1; role < MR_ROLE_COUNT; role++)
        tell(supervisor, role, MR_STOP_HALT);
}

static bool any_failed(const struct mr_supervisor *supervisor)
{
    for (unsigned role = 0; role < MR_ROLE_COUNT; role++)
        if (supervisor->children[role].state == MR_CHILD_FAILED)
            return true;
    return false;
}

static void contain_failures(struct mr_supervisor *supervisor)
{
    for (unsigned failed = 0; failed < MR_ROLE_COUNT; failed++) {
        if (supervisor->children[failed].state != MR_CHILD_FAILED)
            continue;
        for (unsigned role = 0; role < failed; role++)
            tell(supervisor, role, MR_STOP_HALT);
        let_downstream_finish(supervisor, failed);
    }
}

// What has been decided, said again: see tell.
static void pursue(struct mr_supervisor *supervisor)
{
    if (supervisor->signals_seen >= 2) {
        for (unsigned role = 0; role < MR_ROLE_COUNT; role++)
            tell(supervisor, role, MR_STOP_HALT);
        return;
    }
    if (supervisor->signals_seen == 1)
        tell(supervisor, MR_ROLE_PRODUCER, MR_STOP_DRAIN);
    contain_failures(supervisor);
}

// ---- what happens -------------------------------------------------------------------------------

// The sentence the stage left in its page; its log line has said the same to people.
static void explain_failure(struct mr_supervisor *supervisor, enum mr_role role,
                            const siginfo_t *info, struct mr_error *err)
{
    struct mr_child *child = &supervisor->children[role];
    struct mr_segment segment;
    struct mr_stage_layout *page;
    if (info->si_code != CLD_EXITED) {
        mr_fail(err, MR_ERR_STAGE, "%s (pid %d) was killed by signal %d (%s)", mr_role_name(role),
                (int)child->pid, info->si_status, strsignal(info->si_status));
        return;
    }
    mr_fail(err, info->si_status, "%s (pid %d) ended with exit code %d (%s); its log line says why",
            mr_role_name(role), (int)child->pid, info->si_status, mr_code_name(info->si_status));
    if (!attach_page(supervisor, role, &segment, &page))
        return;
    if (page->gauges.phase == MR_PHASE_FAILED && page->gauges.failure[0])
        mr_fail(err, info->si_status, "%s: %.*s", mr_role_name(role),
                (int)sizeof page->gauges.failure - 1, page->gauges.failure);
    mr_segment_detach(&segment);
}

// A stop that comes before a stage has set up its signals ends it as signals do: as was wanted.
static bool stopped_before_it_began(const struct mr_supervisor *supervisor, const siginfo_t *info)
{
    return supervisor->signals_seen > 0 && info->si_code != CLD_EXITED &&
           (info->si_status == SIGTERM || info->si_status == SIGINT || info->si_status == SIGHUP);
}

static void on_child_end(struct mr_supervisor *supervisor, enum mr_role role, struct mr_error *err)
{
    struct mr_child *child = &supervisor->children[role];
    siginfo_t info = {0};
    if (waitid(P_PIDFD, (id_t)child->pidfd, &info, WEXITED) < 0 || info.si_pid == 0)
        return;
    close(child->pidfd);
    child->pidfd = -1;
    if (info.si_code == CLD_EXITED && info.si_status == MR_OK) {
        child->state = MR_CHILD_ENDED;
        return;
    }
    // At a terminal the second interrupt reaches the stages without us.
    bool told = child->asked == MR_STOP_HALT || supervisor->signals_seen >= 2;
    child->state = told ? MR_CHILD_HALTED : MR_CHILD_FAILED;
    // The one policy there is, MR_RESTART_NEVER. Another would start the child again here.
    if (child->state == MR_CHILD_FAILED && err->code == MR_OK &&
        !stopped_before_it_began(supervisor, &info))
        explain_failure(supervisor, role, &info, err);
}

static void on_signal(struct mr_supervisor *supervisor)
{
    struct signalfd_siginfo info;
    if (read(supervisor->signal_fd, &info, sizeof info) != sizeof info)
        return;
    supervisor->signals_seen++;
    if (supervisor->signals_seen == 1)
        mr_info("%s: draining; once more halts at once", strsignal((int)info.ssi_signo));
    else if (supervisor->signals_seen == 2)
        mr_warn("%s again: halting; what is in the rings waits for the next run",
                strsignal((int)info.ssi_signo));
}

// Sleeps until something happens or the next tick is due.
static void await_event(struct mr_supervisor *supervisor, int64_t until_ns, struct mr_error *err)
{
    struct pollfd watched[MR_ROLE_COUNT + 1];
    enum mr_role roles[MR_ROLE_COUNT];
    unsigned count = 0;
    for (unsigned role = 0; role < MR_ROLE_COUNT; role++)
        if (supervisor->children[role].state == MR_CHILD_RUNNING) {
            roles[count] = role;
            watched[count++] =
                (struct pollfd){.fd = supervisor->children[role].pidfd, .events = POLLIN};
        }
    watched[count] = (struct pollfd){.fd = supervisor->signal_fd, .events = POLLIN};
    int64_t left_ns = until_ns - mr_mono_ns();
    struct timespec timeout = {.tv_sec = left_ns > 0 ? left_ns / 1000000000 : 0,
                               .tv_nsec = left_ns > 0 ? left_ns % 1000000000 : 0};
    if (ppoll(watched, count + 1, &timeout, NULL) <= 0)
        return;
    if (watched[count].revents & POLLIN)
        on_signal(supervisor);
    for (unsigned i = 0; i < count; i++)
        if (watched[i].revents)
            on_child_end(supervisor, roles[i], err);
}

static void watch(struct mr_supervisor *supervisor, struct mr_error *err)
{
    const struct mr_supervisor_options *options = &supervisor->options;
    int64_t tick_ns = mr_mono_ns() + options->tick_ns, look_ns = 0;
    while (any_running(supervisor)) {
        int64_t now_ns = mr_mono_ns();
        bool ending = supervisor->signals_seen > 0 || any_failed(supervisor);
        if (ending && now_ns >= look_ns) {
            pursue(supervisor);
            look_ns = now_ns + LOOK_INTERVAL_NS;
        }
        if (options->tick && options->tick_ns && now_ns >= tick_ns) {
            options->tick(options->context);
            tick_ns = now_ns + options->tick_ns;
        }
        int64_t until_ns = options->tick && options->tick_ns ? tick_ns : now_ns + 1000000000;
        await_event(supervisor, ending && look_ns < until_ns ? look_ns : until_ns, err);
    }
}

// ---- starting -----------------------------------------------------------------------------------

static void fill_arguments(const struct mr_supervisor_options *options, enum mr_role role,
                           const char **arguments)
{
    unsigned count = 0;
    arguments[count++] = "millrace";
    arguments[count++] = stage_commands[role];
    arguments[count++] = options->file;
    for (unsigned i = 0; i < options->set_count && count < ARGUMENTS_MAX - 4; i++) {
        arguments[count++] = "--set";
        arguments[count++] = options->sets[i];
    }
    if (role == MR_ROLE_PRODUCER)
        arguments[count++] = "--after-others";
    arguments[count] = NULL;
}

static int spawn(struct mr_supervisor *supervisor, enum mr_role role)
{
    const struct mr_supervisor_options *options = &supervisor->options;
    const char *arguments[ARGUMENTS_MAX];
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attributes;
    fill_arguments(options, role, arguments);
    posix_spawn_file_actions_init(&files);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
    posix_spawnattr_setsigmask(&attributes, &supervisor->signals_before);
    if (role != MR_ROLE_PRODUCER) // standard input is the source's
        posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    if (options->stages_stderr >= 0)
        posix_spawn_file_actions_adddup2(&files, options->stages_stderr, STDERR_FILENO);
    int failed = posix_spawn(&supervisor->children[role].pid,
                             options->program ? options->program : "/proc/self/exe", &files,
                             &attributes, (char **)(void *)arguments, environ);
    posix_spawn_file_actions_destroy(&files);
    posix_spawnattr_destroy(&attributes);
    return failed;
}

static int start(struct mr_supervisor *supervisor, enum mr_role role, struct mr_error *err)
{
    struct mr_child *child = &supervisor->children[role];
    errno = spawn(supervisor, role);
    if (errno)
        return mr_fail_errno(err, MR_ERR_STAGE, "cannot start the %s", mr_role_name(role));
    child->pidfd = pidfd_open(child->pid, 0);
    if (child->pidfd < 0) {
        mr_fail_errno(err, MR_ERR_STAGE, "cannot watch the %s (pid %d)", mr_role_name(role),
                      (int)child->pid);
        kill(child->pid, SIGKILL);
        waitpid(child->pid, NULL, 0);
        return MR_ERR_STAGE;
    }
    child->state = MR_CHILD_RUNNING;
    return MR_OK;
}

static int check_leftovers(struct mr_supervisor *supervisor, struct mr_error *err)
{
    const struct mr_pipeline *pipeline = supervisor->pipeline;
    struct mr_rundir_contents contents;
    switch (mr_stage_leftovers(pipeline)) {
    case MR_LEFTOVERS_NONE:
        return MR_OK;
    case MR_LEFTOVERS_SPENT:
    case MR_LEFTOVERS_EMPTY:
        return mr_stage_remove_segments(pipeline, err);
    case MR_LEFTOVERS_ALIVE:
        mr_rundir_look(pipeline, &contents);
        return mr_fail(err, MR_ERR_BUSY,
                       "pipeline \"%s\": its %s runs already, pid %u; stop it first, or watch it "
                       "with `millrace top`",
                       pipeline->name, mr_role_name(contents.live_role), contents.live_pid);
    case MR_LEFTOVERS_UNFINISHED:
        mr_rundir_look(pipeline, &contents);
        supervisor->resumed = true;
        supervisor->resumed_bytes = contents.waiting_bytes;
        return mr_stage_reopen_rings(pipeline, err);
    }
    return MR_OK;
}

static int catch_signals(struct mr_supervisor *supervisor, struct mr_error *err)
{
    sigset_t handled;
    struct sigaction hangup;
    sigemptyset(&handled);
    sigaddset(&handled, SIGINT);
    sigaddset(&handled, SIGTERM);
    if (sigaction(SIGHUP, NULL, &hangup) == 0 && hangup.sa_handler != SIG_IGN) // by nohup
        sigaddset(&handled, SIGHUP);
    sigprocmask(SIG_BLOCK, &handled, &supervisor->signals_before);
    supervisor->signal_fd = signalfd(-1, &handled, SFD_CLOEXEC | SFD_NONBLOCK);
    if (supervisor->signal_fd < 0)
        return mr_fail_errno(err, MR_ERR_STAGE, "cannot watch for signals");
    return MR_OK;
}

int mr_supervisor_open(struct mr_supervisor *supervisor, const struct mr_pipeline *pipeline,
                       const struct mr_supervisor_options *options, struct mr_error *err)
{
    *supervisor = (struct mr_supervisor){
        .pipeline = pipeline, .options = *options, .lock_fd = -1, .signal_fd = -1};
    for (unsigned role = 0; role < MR_ROLE_COUNT; role++)
        supervisor->children[role].pidfd = -1;
    int code = mr_stage_make_run_directory(pipeline, err);
    if (code == MR_OK)
        code = mr_rundir_lock(pipeline, &supervisor->lock_fd, err);
    if (code != MR_OK)
        return code;
    code = check_leftovers(supervisor, err);
    if (code == MR_OK)
        code = catch_signals(supervisor, err);
    if (code != MR_OK)
        close(supervisor->lock_fd);
    return code;
}

int mr_supervisor_run(struct mr_supervisor *supervisor, struct mr_error *err)
{
    int code = MR_OK;
    err->code = MR_OK;
    for (unsigned role = 0; role < MR_ROLE_COUNT && code == MR_OK; role++)
        code = start(supervisor, role, err);
    if (code != MR_OK)
        supervisor->signals_seen = 2; // those that did start are not wanted any more
    watch(supervisor, err);
    if (err->code == MR_OK && supervisor->signals_seen >= 2)
        return mr_fail(err, MR_ERR_STAGE,
                       "halted by a second signal; what was accepted waits in %s, run the pipeline "
                       "again to finish it",
                       supervisor->pipeline->directory);
    if (err->code == MR_OK && mr_stage_leftovers(supervisor->pipeline) == MR_LEFTOVERS_UNFINISHED)
        return mr_fail(err, MR_ERR_STAGE,
                       "all stages have ended, but not everything in %s is through; run the "
                       "pipeline again to finish it",
                       supervisor->pipeline->directory);
    return err->code;
}

void mr_supervisor_close(struct mr_supervisor *supervisor)
{
    struct mr_error err;
    enum mr_leftovers left = mr_stage_leftovers(supervisor->pipeline);
    if ((left == MR_LEFTOVERS_SPENT || left == MR_LEFTOVERS_EMPTY) &&
        mr_stage_remove_segments(supervisor->pipeline, &err) != MR_OK)
        mr_warn("%s", err.text);
    close(supervisor->signal_fd);
    sigprocmask(SIG_SETMASK, &supervisor->signals_before, NULL);
    close(supervisor->lock_fd);
}
