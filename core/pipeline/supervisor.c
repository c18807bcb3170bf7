// SPDX-License-Identifier: Apache-2.0
#include "core/pipeline/supervisor.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/log.h"
#include "core/pipeline/containment.h"
#include "core/pipeline/notify.h"
#include "core/pipeline/stage_private.h"
#include "core/pipeline/waits.h"

#define LOOK_INTERVAL_NS 50000000LL   // between looks at the rings while something is to be ended
#define WATCH_INTERVAL_NS 250000000LL // between looks at the stages' hearts

static bool any_is(const struct mr_supervisor *supervisor, enum mr_child_state state)
{
    for (unsigned role = 0; role < MR_ROLE_COUNT; role++)
        if (supervisor->children[role].state == state)
            return true;
    return false;
}

static void tell(struct mr_supervisor *supervisor, enum mr_role role, uint32_t ask)
{
    mr_child_tell(&supervisor->children[role], ask);
}

// ---- ending ---------------------------------------------------------------------------------------

static void tell_producers(struct mr_supervisor *supervisor, uint32_t ask)
{
    for (unsigned i = 0; i < mr_pipeline_sources(supervisor->pipeline); i++)
        tell(supervisor, mr_producer_role(i), ask);
}

// Of several sources some may still have something to write, which nobody takes any more: it waits in their rings. Who
// is halted does not close its rings, so the loader is told when nothing more will come in them.
static void end_without_transform(struct mr_supervisor *supervisor)
{
    bool over = true;
    for (unsigned i = 0; i < mr_pipeline_sources(supervisor->pipeline); i++) {
        enum mr_child_state state = supervisor->children[mr_producer_role(i)].state;
        over &= state != MR_CHILD_RUNNING && state != MR_CHILD_WAITING;
    }
    tell_producers(supervisor, MR_STOP_HALT);
    if (over)
        tell(supervisor, MR_ROLE_LOADER, MR_STOP_DRAIN);
}

// What has been decided, said again: see tell.
static void pursue(struct mr_supervisor *supervisor)
{
    if (supervisor->signals_seen >= 2 || supervisor->end_damaged) {
        for (unsigned role = 0; role < MR_ROLE_COUNT; role++)
            tell(supervisor, role, MR_STOP_HALT);
        return;
    }
    if (supervisor->signals_seen == 1)
        tell_producers(supervisor, MR_STOP_DRAIN);
    if (supervisor->children[MR_ROLE_TRANSFORM].state == MR_CHILD_ENDED)
        end_without_transform(supervisor);
    mr_contain_failures(supervisor->pipeline, supervisor->children);
}

// ---- a stage is gone ----------------------------------------------------------------------------

// A stop that comes before a stage has set up its signals ends it as signals do: as was wanted.
static bool stopped_before_it_began(const struct mr_supervisor *supervisor,
                                    const struct mr_child_end *end)
{
    return supervisor->signals_seen > 0 &&
           (end->signal == SIGTERM || end->signal == SIGINT || end->signal == SIGHUP);
}

static bool has_taken(const struct mr_pipeline *pipeline, enum mr_role role)
{
    struct mr_segment segment;
    struct mr_stage_layout *page;
    struct mr_stage_slot slot;
    if (mr_stage_attach_page(pipeline, role, MR_ATTACH_READ_ONLY, &segment, &page, NULL) != MR_OK)
        return false;
    bool read = mr_stage_snapshot(page, &slot);
    mr_segment_detach(&segment);
    return read && slot.counts[MR_COUNT_IN] > 0;
}

// Whether the first record was taken in: what fails before is refused at once, and has touched nothing.
static bool has_begun(const struct mr_supervisor *supervisor)
{
    bool begun = false;
    for (unsigned i = 0; i < mr_pipeline_sources(supervisor->pipeline); i++)
        begun |= has_taken(supervisor->pipeline, mr_producer_role(i));
    return begun;
}

static bool may_try_again(const struct mr_supervisor *supervisor, const struct mr_child_end *end)
{
    if (end->died)
        return !stopped_before_it_began(supervisor, end) || has_begun(supervisor);
    // Its place may be taken by one that a supervisor started just before it was killed: to be adopted.
    if (end->code == MR_ERR_BUSY && supervisor->before.pid)
        return true;
    return mr_code_may_pass(end->code) && has_begun(supervisor);
}

static bool start_again(struct mr_supervisor *supervisor, struct mr_child *child,
                        struct mr_error *why)
{
    const struct mr_supervise *policy = &supervisor->pipeline->supervise;
    int64_t now_ns = mr_mono_ns();
    if (mr_restart_due(policy, &child->restarts, now_ns, &child->due_ns)) {
        mr_warn("%s; starting it again in %.1f s, for the %u. of %lld times within %.0f s",
                why->text, (double)(child->due_ns - now_ns) / 1e9, child->restarts.count,
                (long long)policy->limit, (double)policy->within_ns / 1e9);
        mr_notify_status("%s; starting it again", why->text);
        child->state = MR_CHILD_WAITING;
        return true;
    }
    if (policy->restart != MR_RESTART_NEVER) {
        char text[sizeof why->text];
        memcpy(text, why->text, sizeof text);
        mr_fail(why, why->code,
                "%.800s; it was started again %u times within %.0f s and is not "
                "started any more",
                text, child->restarts.count, (double)policy->within_ns / 1e9);
    }
    return false;
}

static void on_end(struct mr_supervisor *supervisor, struct mr_child *child,
                   const struct mr_child_end *end, struct mr_error *why, struct mr_error *err)
{
    // At a terminal the second interrupt reaches the stages without us.
    bool told = child->asked == MR_STOP_HALT || supervisor->signals_seen >= 2;
    if (end->code == MR_OK) {
        child->state = MR_CHILD_ENDED;
    } else if (told) {
        child->state = MR_CHILD_HALTED;
    } else if (!may_try_again(supervisor, end) || !start_again(supervisor, child, why)) {
        child->state = MR_CHILD_FAILED;
        if (err->code == MR_OK && !stopped_before_it_began(supervisor, end))
            *err = *why;
    }
}

// ---- a stage is to come -------------------------------------------------------------------------

// Living ones first: a supervisor that was killed may have started one just before.
static int adopt_or_start(struct mr_supervisor *supervisor, struct mr_child *child,
                          struct mr_error *err)
{
    const struct mr_supervisor_options *options = &supervisor->options;
    const struct mr_child_program program = {.path = options->program,
                                             .file = options->file,
                                             .sets = options->sets,
                                             .set_count = options->set_count,
                                             .stderr_fd = options->stages_stderr,
                                             .signals = &supervisor->signals_before};
    int setup_fd;
    int code = mr_rundir_lock_setup(supervisor->pipeline, &setup_fd, err);
    if (code != MR_OK)
        return code;
    code = mr_child_adopt(child, err);
    close(setup_fd);
    if (code == MR_OK && child->state != MR_CHILD_RUNNING)
        code = mr_child_start(child, &program, err);
    return code;
}

static void start_what_is_due(struct mr_supervisor *supervisor, struct mr_error *err)
{
    for (unsigned role = 0; role < MR_ROLE_COUNT; role++) {
        struct mr_child *child = &supervisor->children[role];
        struct mr_error why = {0};
        if (child->state != MR_CHILD_WAITING || mr_mono_ns() < child->due_ns)
            continue;
        int code = adopt_or_start(supervisor, child, &why);
        if (code != MR_OK)
            on_end(supervisor, child, &(struct mr_child_end){.code = code}, &why, err);
    }
}

// What the stages of a supervisor that was killed have come to without it. Those that failed where another try may
// help are tried, as they would have been.
static void settle(struct mr_supervisor *supervisor, struct mr_child *child, struct mr_error *err)
{
    struct mr_child_end end;
    struct mr_error why = {0};
    if (!mr_child_read_end(child, &end, &why))
        return;
    if (end.code == MR_OK)
        child->state = MR_CHILD_ENDED;
    else if (!mr_code_may_pass(end.code))
        on_end(supervisor, child, &end, &why, err);
}

static int start_all(struct mr_supervisor *supervisor, struct mr_error *err)
{
    int code = MR_OK;
    for (unsigned role = 0; role < MR_ROLE_COUNT && code == MR_OK; role++) {
        struct mr_child *child = &supervisor->children[role];
        if (child->state == MR_CHILD_OFF && supervisor->takes_over)
            settle(supervisor, child, err);
        if (child->state == MR_CHILD_OFF)
            code = adopt_or_start(supervisor, child, err);
        if (child->adopted)
            mr_info("adopted the %s (pid %d) of a run whose supervisor is gone", mr_role_name(role),
                    (int)child->pid);
    }
    return code;
}

// ---- what happens -------------------------------------------------------------------------------

static void on_signal(struct mr_supervisor *supervisor)
{
    struct signalfd_siginfo info;
    if (read(supervisor->signal_fd, &info, sizeof info) != sizeof info)
        return;
    supervisor->signals_seen++;
    mr_notify_stopping(supervisor->signals_seen == 1 ? "draining" : "halting");
    if (supervisor->signals_seen == 1) {
        mr_info("%s: draining; once more halts at once", strsignal((int)info.ssi_signo));
        mr_waits_warn_draining(supervisor->pipeline);
    } else if (supervisor->signals_seen == 2) {
        mr_warn("%s again: halting; what is in the rings waits for the next run",
                strsignal((int)info.ssi_signo));
    }
}

// Sleeps until something happens or the next look is due.
static void await_event(struct mr_supervisor *supervisor, int64_t until_ns, struct mr_error *err)
{
    struct pollfd watched[MR_ROLE_COUNT + 1];
    struct mr_child *children[MR_ROLE_COUNT];
    unsigned count = 0;
    for (unsigned role = 0; role < MR_ROLE_COUNT; role++)
        if (supervisor->children[role].state == MR_CHILD_RUNNING) {
            children[count] = &supervisor->children[role];
            watched[count] = (struct pollfd){.fd = children[count]->pidfd, .events = POLLIN};
            count++;
        }
    watched[count] = (struct pollfd){.fd = supervisor->signal_fd, .events = POLLIN};
    int64_t left_ns = until_ns - mr_mono_ns();
    struct timespec timeout = {.tv_sec = left_ns > 0 ? left_ns / 1000000000 : 0,
                               .tv_nsec = left_ns > 0 ? left_ns % 1000000000 : 0};
    if (ppoll(watched, count + 1, &timeout, NULL) <= 0)
        return;
    if (watched[count].revents & POLLIN)
        on_signal(supervisor);
    for (unsigned i = 0; i < count; i++) {
        struct mr_child_end end;
        struct mr_error why = {0};
        if (watched[i].revents && mr_child_collect(children[i], &end, &why))
            on_end(supervisor, children[i], &end, &why, err);
    }
}

static int64_t next_due(const struct mr_supervisor *supervisor, int64_t until_ns)
{
    for (unsigned role = 0; role < MR_ROLE_COUNT; role++) {
        const struct mr_child *child = &supervisor->children[role];
        if (child->state == MR_CHILD_WAITING && child->due_ns < until_ns)
            until_ns = child->due_ns;
    }
    return until_ns;
}

static void look_at_hearts(struct mr_supervisor *supervisor, struct mr_error *err)
{
    bool at_work = true;
    struct mr_error why = {0};
    for (unsigned role = 0; role < MR_ROLE_COUNT; role++) {
        struct mr_child *child = &supervisor->children[role];
        mr_child_watch(child);
        at_work &= child->state == MR_CHILD_ENDED ||
                   (child->state == MR_CHILD_RUNNING && child->phase >= MR_PHASE_RUNNING);
    }
    mr_notify_alive();
    if (mr_containment_check_ends(supervisor->pipeline, supervisor->children, &why) != MR_OK) {
        supervisor->end_damaged = true;
        if (err->code == MR_OK)
            *err = why;
    }
    if (!at_work || supervisor->ready)
        return;
    supervisor->ready = true;
    mr_notify_ready("running");
}

static void watch(struct mr_supervisor *supervisor, struct mr_error *err)
{
    const struct mr_supervisor_options *options = &supervisor->options;
    bool ticks = options->tick && options->tick_ns;
    int64_t tick_ns = mr_mono_ns() + options->tick_ns, look_ns = 0, watch_ns = 0;
    while (any_is(supervisor, MR_CHILD_RUNNING) || any_is(supervisor, MR_CHILD_WAITING)) {
        int64_t now_ns = mr_mono_ns();
        bool ending = supervisor->signals_seen > 0 || supervisor->end_damaged ||
                      any_is(supervisor, MR_CHILD_FAILED);
        if (ending && now_ns >= look_ns) {
            pursue(supervisor);
            look_ns = now_ns + LOOK_INTERVAL_NS;
        }
        start_what_is_due(supervisor, err);
        if (now_ns >= watch_ns) {
            look_at_hearts(supervisor, err);
            watch_ns = now_ns + WATCH_INTERVAL_NS;
        }
        if (ticks && now_ns >= tick_ns) {
            options->tick(options->context);
            tick_ns = now_ns + options->tick_ns;
        }
        int64_t until_ns = ticks && tick_ns < watch_ns ? tick_ns : watch_ns;
        if (ending && look_ns < until_ns)
            until_ns = look_ns;
        await_event(supervisor, next_due(supervisor, until_ns), err);
    }
}

// ---- opening ------------------------------------------------------------------------------------

static int adopt_living(struct mr_supervisor *supervisor, struct mr_error *err)
{
    char path[MR_RUNDIR_PATH_BYTES];
    struct mr_ring ring;
    int code = MR_OK;
    for (unsigned i = 0; i < MR_RING_COUNT && code == MR_OK; i++) {
        mr_pipeline_ring_path(supervisor->pipeline, i, path, sizeof path);
        if (mr_ring_attach(&ring, path, MR_ATTACH_READ_ONLY, NULL) != MR_OK)
            continue;
        code = mr_stage_check_ring(supervisor->pipeline, i, &ring, err);
        mr_ring_detach(&ring);
    }
    for (unsigned role = 0; role < MR_ROLE_COUNT && code == MR_OK; role++)
        code = mr_child_adopt(&supervisor->children[role], err);
    return code;
}

static bool has_ended(const struct mr_supervisor *supervisor, enum mr_role role)
{
    struct mr_child_end end;
    return mr_child_read_end(&supervisor->children[role], &end, NULL) && end.code == MR_OK;
}

// With setup.lock held: nobody comes or goes but by dying.
static int look_at_leftovers(struct mr_supervisor *supervisor, struct mr_error *err)
{
    const struct mr_pipeline *pipeline = supervisor->pipeline;
    struct mr_rundir_contents contents;
    enum mr_leftovers left = mr_stage_leftovers(pipeline);
    // What its supervisor did not live to conclude is not done again.
    supervisor->takes_over =
        left == MR_LEFTOVERS_ALIVE || (left == MR_LEFTOVERS_SPENT && supervisor->before.pid &&
                                       has_ended(supervisor, MR_ROLE_LOADER));
    switch (left) {
    case MR_LEFTOVERS_NONE:
        return MR_OK;
    case MR_LEFTOVERS_SPENT:
    case MR_LEFTOVERS_EMPTY:
        return supervisor->takes_over ? MR_OK : mr_stage_remove_segments(pipeline, err);
    case MR_LEFTOVERS_ALIVE:
        return adopt_living(supervisor, err);
    case MR_LEFTOVERS_STOPPED:
    case MR_LEFTOVERS_UNFINISHED:
        // All stages are started: whoever comes first is not to find an end.
        mr_stage_undo_stops(pipeline);
        mr_rundir_look(pipeline, &contents);
        supervisor->resumed = true;
        supervisor->resumed_bytes = contents.waiting_bytes;
        return MR_OK;
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

static int check_leftovers(struct mr_supervisor *supervisor, struct mr_error *err)
{
    int setup_fd;
    int code = mr_rundir_lock_setup(supervisor->pipeline, &setup_fd, err);
    if (code != MR_OK)
        return code;
    // One that had concluded its run may have died over the removal.
    if (supervisor->before.concluded)
        code = mr_stage_leftovers(supervisor->pipeline) == MR_LEFTOVERS_ALIVE
                   ? MR_OK
                   : mr_stage_remove_segments(supervisor->pipeline, err);
    else
        code = look_at_leftovers(supervisor, err);
    close(setup_fd);
    return code;
}

int mr_supervisor_open(struct mr_supervisor *supervisor, const struct mr_pipeline *pipeline,
                       const struct mr_supervisor_options *options, struct mr_error *err)
{
    *supervisor = (struct mr_supervisor){
        .pipeline = pipeline, .options = *options, .lock_fd = -1, .signal_fd = -1};
    for (unsigned role = 0; role < MR_ROLE_COUNT; role++)
        supervisor->children[role] = (struct mr_child){
            .pipeline = pipeline,
            .role = role,
            .pidfd = -1,
            .state = mr_pipeline_has_role(pipeline, role) ? MR_CHILD_OFF : MR_CHILD_ENDED};
    int code = mr_stage_make_run_directory(pipeline, err);
    if (code == MR_OK)
        code = mr_rundir_lock(pipeline, &supervisor->lock_fd, &supervisor->before, err);
    if (code != MR_OK)
        return code;
    code = check_leftovers(supervisor, err);
    if (code == MR_OK)
        code = catch_signals(supervisor, err);
    if (code != MR_OK)
        mr_rundir_unlock(supervisor->lock_fd, &supervisor->before);
    return code;
}

// Whether what is left is what was asked for.
static int judge_leftovers(const struct mr_supervisor *supervisor, struct mr_error *err)
{
    enum mr_leftovers left = mr_stage_leftovers(supervisor->pipeline);
    bool unfinished = left == MR_LEFTOVERS_UNFINISHED;
    bool stopped_early = unfinished && err->code == MR_OK && supervisor->signals_seen > 0 &&
                         mr_pipeline_merges(supervisor->pipeline); // before each had begun
    if (left == MR_LEFTOVERS_STOPPED || stopped_early) {
        mr_info("stopped before its sources ended; where they were, and what waits in their rings, "
                "is in %s for the next run",
                supervisor->pipeline->directory);
        return err->code;
    }
    if (err->code == MR_OK && unfinished)
        return mr_fail(err, MR_ERR_STAGE,
                       "all stages have ended, but not everything in %s is through; run the "
                       "pipeline again to finish it",
                       supervisor->pipeline->directory);
    return err->code;
}

int mr_supervisor_run(struct mr_supervisor *supervisor, struct mr_error *err)
{
    err->code = MR_OK;
    supervisor->ran = true;
    if (start_all(supervisor, err) != MR_OK)
        supervisor->signals_seen = 2; // those that did start are not wanted any more
    watch(supervisor, err);
    // A service that ends well was ready, however short it was.
    if (err->code == MR_OK && !supervisor->ready)
        mr_notify_ready("ended");
    mr_notify_stopping(err->code == MR_OK ? "ended" : err->text);
    if (err->code == MR_OK && supervisor->signals_seen >= 2)
        return mr_fail(err, MR_ERR_STAGE,
                       "halted by a second signal; what was accepted waits in %s, run the pipeline "
                       "again to finish it",
                       supervisor->pipeline->directory);
    return judge_leftovers(supervisor, err);
}

void mr_supervisor_close(struct mr_supervisor *supervisor, int code)
{
    struct mr_error err;
    enum mr_leftovers left = mr_stage_leftovers(supervisor->pipeline);
    bool keeps = supervisor->takes_over && !supervisor->ran;
    bool spent = !keeps && (left == MR_LEFTOVERS_SPENT || left == MR_LEFTOVERS_EMPTY);
    // First the word that it is over, for whoever finds the run without its segments.
    if (spent)
        mr_rundir_conclude(supervisor->lock_fd, code);
    if (spent && mr_rundir_clear(supervisor->pipeline, &err) != MR_OK)
        mr_warn("%s", err.text);
    for (unsigned role = 0; role < MR_ROLE_COUNT; role++)
        if (supervisor->children[role].pidfd >= 0)
            close(supervisor->children[role].pidfd);
    close(supervisor->signal_fd);
    sigprocmask(SIG_SETMASK, &supervisor->signals_before, NULL);
    mr_rundir_unlock(supervisor->lock_fd, keeps ? &supervisor->before : NULL);
}
