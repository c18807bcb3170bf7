// SPDX-License-Identifier: Apache-2.0
#include "tests/support/singlestep.h"

#include <elf.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#define STEPS_MAX 20000000
#define MET_MAX (1u << 16)

// ---- the child

void singlestep_mark(void)
{
    raise(SIGSTOP);
}

static pid_t start(const struct singlestep_victim *victim)
{
    fflush(stdout);
    pid_t pid = fork();
    if (pid != 0)
        return pid;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    ptrace(PTRACE_TRACEME, 0, NULL, NULL);
    victim->run(victim->context);
    _exit(1); // it was to be killed
}

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

static void finish(pid_t pid)
{
    kill(pid, SIGKILL);
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        ;
}

// At its first mark, ready to be stepped. The mark is made within a system call, which is passed.
static bool reach_stretch(pid_t pid)
{
    if (wait_for(pid) != STOP_MARK)
        return false;
    return ptrace(PTRACE_SETOPTIONS, pid, NULL, (void *)PTRACE_O_TRACESYSGOOD) == 0;
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

static void note(struct singlestep_path *path, struct met *met, uint64_t address)
{
    struct singlestep_point *point = &path->at[path->points];
    bool first = path->steps[path->syscalls] == 0;
    point->address = address;
    point->fresh = is_new(met, address) || first ? 0 : point[-1].fresh + 1;
    path->steps[path->syscalls]++;
    path->points++;
}

static bool follow(pid_t pid, struct singlestep_path *path, struct met *met)
{
    enum stop stop = STOP_STEP;
    while (stop == STOP_STEP && path->points < STEPS_MAX) {
        uint64_t address = program_counter(pid);
        bool calls = is_syscall_at(pid, address);
        note(path, met, address);
        stop = go_on(pid, PTRACE_SINGLESTEP);
        if (!calls || stop != STOP_STEP)
            continue;
        if (++path->syscalls > SINGLESTEP_SYSCALLS_MAX)
            return false;
        forget(met);
    }
    return stop == STOP_MARK;
}

bool singlestep_measure(const struct singlestep_victim *victim, struct singlestep_path *path)
{
    struct met met = {.size = MET_MAX};
    met.addresses = calloc(met.size, sizeof *met.addresses);
    memset(path, 0, sizeof *path);
    path->at = calloc(STEPS_MAX, sizeof *path->at); // touched as far as it is needed
    if (!met.addresses || !path->at)
        abort();
    pid_t pid = start(victim);
    bool good = reach_stretch(pid) && follow(pid, path, &met);
    finish(pid);
    free(met.addresses);
    return good;
}

void singlestep_path_clear(struct singlestep_path *path)
{
    free(path->at);
    path->at = NULL;
}

// Where a point is: behind which system call, how many instructions on.
static uint32_t syscall_of(const struct singlestep_path *path, uint64_t *point)
{
    uint32_t syscall = 0;
    while (syscall < path->syscalls && *point >= path->steps[syscall])
        *point -= path->steps[syscall++];
    return syscall;
}

bool singlestep_is_edge(const struct singlestep_path *path, uint64_t point)
{
    uint32_t syscall = syscall_of(path, &point);
    return point == 0 || point == path->steps[syscall] - 1;
}

bool singlestep_kill(const struct singlestep_victim *victim, const struct singlestep_path *path,
                     uint64_t point)
{
    int status;
    enum stop stop = STOP_STEP;
    uint32_t fresh = path->at[point].fresh;
    uint64_t address = path->at[point - fresh].address;
    uint32_t syscalls = syscall_of(path, &point);
    pid_t pid = start(victim);
    if (!reach_stretch(pid)) {
        finish(pid);
        return false;
    }
    for (uint32_t i = 0; i < 2 * syscalls && stop != STOP_MARK && stop != STOP_DEAD; i++)
        stop = go_on(pid, PTRACE_SYSCALL); // into it, out of it
    if (stop == STOP_SYSCALL)
        stop = STOP_STEP;
    if (stop == STOP_STEP && point - fresh > 0)
        stop = run_to(pid, address);
    for (uint32_t i = 0; i < fresh && stop == STOP_STEP; i++)
        stop = go_on(pid, PTRACE_SINGLESTEP);
    kill(pid, SIGKILL);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    return stop != STOP_DEAD && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
}
