// SPDX-License-Identifier: Apache-2.0
#include "tests/support/singlestep.h"

#include <elf.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/singlestep_cradle.h"

#define STEPS_MAX 20000000
#define MET_MAX (1u << 16)

// ---- the tracer

enum stop { STOP_STEP, STOP_SYSCALL, STOP_MARK, STOP_DEAD };

static enum stop wait_for(pid_t pid)
{
    int status;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (!WIFSTOPPED(status))
        return STOP_DEAD;
    switch (WSTOPSIG(status)) {
    case SIGTRAP:
        return STOP_STEP;
    case SIGTRAP | 0x80:
        return STOP_SYSCALL;
    case SIGSTOP:
        return STOP_MARK;
    default:
        return STOP_DEAD; // a signal that nobody has sent
    }
}

static enum stop go_on(pid_t pid, int how)
{
    ptrace((enum __ptrace_request)how, pid, NULL, NULL);
    return wait_for(pid);
}

#if defined(__x86_64__)
#define PROGRAM_COUNTER(registers) ((registers)->rip)
#define BREAKPOINT 0xCCL
#define BREAKPOINT_MASK 0xFFL
#define BREAKPOINT_PASSED 1 // the counter stands behind it
#define SYSTEM_CALL 0x050FL
#define SYSTEM_CALL_MASK 0xFFFFL
#else
#define PROGRAM_COUNTER(registers) ((registers)->pc)
#define BREAKPOINT 0xD4200000L
#define BREAKPOINT_MASK 0xFFFFFFFFL
#define BREAKPOINT_PASSED 0
#define SYSTEM_CALL 0xD4000001L
#define SYSTEM_CALL_MASK 0xFFFFFFFFL
#endif

static uint64_t program_counter(pid_t pid)
{
    struct user_regs_struct registers;
    struct iovec place = {&registers, sizeof registers};
    ptrace(PTRACE_GETREGSET, pid, (void *)NT_PRSTATUS, &place);
    return PROGRAM_COUNTER(&registers);
}

static void set_program_counter(pid_t pid, uint64_t address)
{
    struct user_regs_struct registers;
    struct iovec place = {&registers, sizeof registers};
    ptrace(PTRACE_GETREGSET, pid, (void *)NT_PRSTATUS, &place);
    PROGRAM_COUNTER(&registers) = address;
    ptrace(PTRACE_SETREGSET, pid, (void *)NT_PRSTATUS, &place);
}

static bool is_syscall_at(pid_t pid, uint64_t address)
{
    return (ptrace(PTRACE_PEEKTEXT, pid, (void *)address, NULL) & SYSTEM_CALL_MASK) == SYSTEM_CALL;
}

// Runs to an instruction that is met for the first time.
static enum stop run_to(pid_t pid, uint64_t address)
{
    errno = 0;
    long text = ptrace(PTRACE_PEEKTEXT, pid, (void *)address, NULL);
    if (errno != 0 || ptrace(PTRACE_POKETEXT, pid, (void *)address,
                             (void *)((text & ~BREAKPOINT_MASK) | BREAKPOINT)) != 0)
        return STOP_DEAD;
    enum stop stop = go_on(pid, PTRACE_CONT);
    if (stop == STOP_STEP && program_counter(pid) != address + BREAKPOINT_PASSED)
        return STOP_DEAD;
    ptrace(PTRACE_POKETEXT, pid, (void *)address, (void *)text);
    if (stop == STOP_STEP)
        set_program_counter(pid, address);
    return stop;
}

// How it ended.
static int finish(pid_t pid)
{
    int status = 0;
    kill(pid, SIGKILL);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    return status;
}

// At its first mark, ready to be stepped: the mark is made within a system call, which is passed. -1: not there.
static pid_t reach_stretch(const struct singlestep_cradle *cradle)
{
    pid_t pid = singlestep_cradle_start(cradle);
    if (pid < 0 || wait_for(pid) == STOP_MARK)
        return pid;
    finish(pid);
    return -1;
}

// ---- the way, once through

// The addresses met since the last system call.
struct met {
    uint64_t *addresses; // a hash table, its size a power of two
    uint64_t size, count;
};

static bool is_new(struct met *met, uint64_t address)
{
    uint64_t place = address * 0x9E3779B97F4A7C15ULL & (met->size - 1);
    while (met->addresses[place] != 0 && met->addresses[place] != address)
        place = (place + 1) & (met->size - 1);
    if (met->addresses[place] == address || met->count >= met->size / 2)
        return false; // or as good as that: it is stepped to
    met->addresses[place] = address;
    met->count++;
    return true;
}

static void forget(struct met *met)
{
    memset(met->addresses, 0, met->size * sizeof *met->addresses);
    met->count = 0;
}

// The world as it is now begins at the next point.
static void begin_world(struct singlestep_path *path, const struct singlestep_watch *watch)
{
    if ((path->world_count & (path->world_count - 1)) == 0) // the places are used up: twice as many
        path->worlds = realloc(path->worlds, (2 * path->world_count + 1) * sizeof *path->worlds);
    if (!path->worlds)
        abort();
    path->worlds[path->world_count++] =
        (struct singlestep_world){path->points, singlestep_watch_print(watch)};
}

static void note(struct singlestep_path *path, struct met *met, uint64_t address)
{
    struct singlestep_point *point = &path->at[path->points];
    bool first = path->steps[path->syscalls] == 0;
    point->address = address;
    point->fresh = is_new(met, address) || first ? 0 : point[-1].fresh + 1;
    point->world = path->world_count - 1;
    path->steps[path->syscalls]++;
    path->points++;
}

// Behind a system call: whatever it did, what follows is a world of its own.
static bool pass_syscall(pid_t pid, struct singlestep_path *path, struct met *met,
                         struct singlestep_watch *watch)
{
    if (++path->syscalls > SINGLESTEP_SYSCALLS_MAX)
        return false;
    forget(met);
    singlestep_watch_reload(watch);
    begin_world(path, watch);
    return singlestep_watch_covers(watch, pid);
}

static bool follow(pid_t pid, struct singlestep_path *path, struct met *met,
                   struct singlestep_watch *watch)
{
    enum stop stop = STOP_STEP;
    bool good = singlestep_watch_covers(watch, pid);
    begin_world(path, watch);
    while (good && stop == STOP_STEP && path->points < STEPS_MAX) {
        uint64_t address = program_counter(pid);
        bool calls = is_syscall_at(pid, address);
        note(path, met, address);
        stop = go_on(pid, PTRACE_SINGLESTEP);
        if (stop == STOP_STEP && calls)
            good = pass_syscall(pid, path, met, watch);
        else if (stop == STOP_STEP && singlestep_watch_changed(watch))
            begin_world(path, watch);
    }
    return good && stop == STOP_MARK;
}

bool singlestep_measure(const struct singlestep_victim *victim, struct singlestep_path *path)
{
    struct met met = {.size = MET_MAX};
    met.addresses = calloc(met.size, sizeof *met.addresses);
    memset(path, 0, sizeof *path);
    path->cradle = singlestep_cradle_new(victim);
    path->at = calloc(STEPS_MAX, sizeof *path->at); // touched as far as it is needed
    if (!met.addresses || !path->at)
        abort();
    bool good = false;
    pid_t pid = reach_stretch(path->cradle);
    if (pid >= 0) {
        struct singlestep_watch *watch = singlestep_watch_open(victim->world);
        good = follow(pid, path, &met, watch);
        singlestep_watch_close(watch);
        finish(pid);
    }
    free(met.addresses);
    return good;
}

void singlestep_path_clear(struct singlestep_path *path)
{
    if (path->cradle)
        singlestep_cradle_end(path->cradle);
    free(path->at);
    free(path->worlds);
    *path = (struct singlestep_path){0};
}

// ---- the way, up to a point

// Where a point is: behind which system call, how many instructions on.
static uint32_t syscall_of(const struct singlestep_path *path, uint64_t *point)
{
    uint32_t syscall = 0;
    while (syscall < path->syscalls && *point >= path->steps[syscall])
        *point -= path->steps[syscall++];
    return syscall;
}

static enum stop go_to(pid_t pid, const struct singlestep_path *path, uint64_t point)
{
    enum stop stop = STOP_STEP;
    uint64_t left = point;
    uint32_t fresh = path->at[point].fresh, syscalls = syscall_of(path, &left);
    for (uint32_t i = 0; i < 2 * syscalls && stop != STOP_MARK && stop != STOP_DEAD; i++)
        stop = go_on(pid, PTRACE_SYSCALL); // into it, out of it
    if (stop == STOP_SYSCALL)
        stop = STOP_STEP;
    if (stop == STOP_STEP && left - fresh > 0)
        stop = run_to(pid, path->at[point - fresh].address);
    for (uint32_t i = 0; i < fresh && stop == STOP_STEP; i++)
        stop = go_on(pid, PTRACE_SINGLESTEP);
    return stop;
}

static bool left_world(const struct singlestep_victim *victim, const struct singlestep_world *world)
{
    struct singlestep_watch *watch = singlestep_watch_open(victim->world);
    struct singlestep_print print = singlestep_watch_print(watch);
    singlestep_watch_close(watch);
    return print.low == world->print.low && print.high == world->print.high;
}

enum singlestep_end singlestep_kill(const struct singlestep_victim *victim,
                                    const struct singlestep_path *path, uint64_t point)
{
    pid_t pid = reach_stretch(path->cradle);
    if (pid < 0)
        return SINGLESTEP_FAILED;
    enum stop stop = go_to(pid, path, point);
    bool there = stop == STOP_STEP && program_counter(pid) == path->at[point].address;
    int status = finish(pid);
    if (stop == STOP_DEAD || !WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL)
        return SINGLESTEP_FAILED;
    return there && left_world(victim, &path->worlds[path->at[point].world]) ? SINGLESTEP_KILLED
                                                                             : SINGLESTEP_ASTRAY;
}
