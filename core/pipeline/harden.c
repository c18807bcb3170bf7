// SPDX-License-Identifier: Apache-2.0
#include "core/pipeline/harden.h"

#include <errno.h>
#include <fcntl.h>
#include <seccomp.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "core/pipeline/notify.h"

#define NEVER (-1) // ends a list: no call has this number

// ---- what each may call --------------------------------------------------------------------------

// Of all: memory of its own, time, waiting, reading what it holds, and ending.
static const int common_calls[] = {
    // memory and threads of the C library
    SCMP_SYS(brk), SCMP_SYS(munmap), SCMP_SYS(mremap), SCMP_SYS(madvise), SCMP_SYS(futex),
    SCMP_SYS(futex_waitv), SCMP_SYS(membarrier), SCMP_SYS(getrandom), SCMP_SYS(rseq),
    SCMP_SYS(restart_syscall), SCMP_SYS(sysinfo), SCMP_SYS(prlimit64),
    // time
    SCMP_SYS(clock_gettime), SCMP_SYS(clock_nanosleep), SCMP_SYS(nanosleep), SCMP_SYS(gettimeofday),
    SCMP_SYS(sched_yield), SCMP_SYS(sched_getaffinity),
    // descriptors that it has
    SCMP_SYS(read), SCMP_SYS(readv), SCMP_SYS(pread64), SCMP_SYS(preadv), SCMP_SYS(write),
    SCMP_SYS(writev), SCMP_SYS(lseek), SCMP_SYS(close), SCMP_SYS(fstat), SCMP_SYS(fcntl),
    SCMP_SYS(flock), SCMP_SYS(poll), SCMP_SYS(ppoll), SCMP_SYS(fadvise64),
    // what a path is
    SCMP_SYS(stat), SCMP_SYS(lstat), SCMP_SYS(newfstatat), SCMP_SYS(statx), SCMP_SYS(access),
    SCMP_SYS(faccessat), SCMP_SYS(faccessat2), SCMP_SYS(readlink), SCMP_SYS(readlinkat),
    SCMP_SYS(getdents64),
    // itself
    SCMP_SYS(getpid), SCMP_SYS(gettid), SCMP_SYS(getuid), SCMP_SYS(geteuid), SCMP_SYS(rt_sigaction),
    SCMP_SYS(rt_sigprocmask), SCMP_SYS(rt_sigreturn), SCMP_SYS(sigaltstack), SCMP_SYS(exit),
    SCMP_SYS(exit_group), NEVER};

// A source that listens was given its socket before; one that follows files waits for what becomes of them.
static const int producer_calls[] = {SCMP_SYS(accept),           SCMP_SYS(accept4),
                                     SCMP_SYS(recvfrom),         SCMP_SYS(recvmsg),
                                     SCMP_SYS(getpeername),      SCMP_SYS(shutdown),
                                     SCMP_SYS(epoll_ctl),        SCMP_SYS(epoll_wait),
                                     SCMP_SYS(epoll_pwait),      SCMP_SYS(inotify_add_watch),
                                     SCMP_SYS(inotify_rm_watch), NEVER};

// Its files come and go: segments are made, cut, renamed and removed.
static const int loader_calls[] = {SCMP_SYS(open),
                                   SCMP_SYS(openat),
                                   SCMP_SYS(pwrite64),
                                   SCMP_SYS(pwritev),
                                   SCMP_SYS(fsync),
                                   SCMP_SYS(fdatasync),
                                   SCMP_SYS(sync_file_range),
                                   SCMP_SYS(ftruncate),
                                   SCMP_SYS(fallocate),
                                   SCMP_SYS(statfs),
                                   SCMP_SYS(fstatfs),
                                   SCMP_SYS(mkdir),
                                   SCMP_SYS(mkdirat),
                                   SCMP_SYS(rmdir),
                                   SCMP_SYS(unlink),
                                   SCMP_SYS(unlinkat),
                                   SCMP_SYS(rename),
                                   SCMP_SYS(renameat),
                                   SCMP_SYS(renameat2),
                                   SCMP_SYS(io_uring_enter),
                                   NEVER};

static const int transform_calls[] = {NEVER};
static const int *const role_calls[] = {producer_calls, transform_calls, loader_calls};

static int allow_list(scmp_filter_ctx filter, const int *calls)
{
    int failed = 0;
    for (; *calls != NEVER && failed == 0; calls++)
        failed = seccomp_rule_add(filter, SCMP_ACT_ALLOW, *calls, 0);
    return failed;
}

// Where the argument's masked bits are none of these.
static int allow_without(scmp_filter_ctx filter, int call, unsigned argument, uint64_t mask)
{
    return seccomp_rule_add(filter, SCMP_ACT_ALLOW, call, 1,
                            SCMP_CMP(argument, SCMP_CMP_MASKED_EQ, mask, 0));
}

// Paths cannot be told apart by a filter, ways to open them can.
static int allow_reading_files(scmp_filter_ctx filter)
{
    const uint64_t writing = O_ACCMODE | O_CREAT | O_TRUNC;
    int failed = allow_without(filter, SCMP_SYS(openat), 2, writing);
    return failed ? failed : allow_without(filter, SCMP_SYS(open), 1, writing);
}

// Machine code is made in the transform alone, where expressions and scripts are compiled.
static int allow_memory(scmp_filter_ctx filter, enum mr_role role)
{
    uint64_t forbidden = role == MR_ROLE_TRANSFORM ? 0 : PROT_EXEC;
    int failed = allow_without(filter, SCMP_SYS(mmap), 2, forbidden);
    return failed ? failed : allow_without(filter, SCMP_SYS(mprotect), 2, forbidden);
}

// How many bytes there are, and whether it is a terminal: what stdio and sources ask.
static int allow_questions(scmp_filter_ctx filter)
{
    static const unsigned long questions[] = {TCGETS, FIONREAD};
    int failed = 0;
    for (unsigned i = 0; i < MR_COUNT_OF(questions) && failed == 0; i++) {
        const struct scmp_arg_cmp asked = {.arg = 1, .op = SCMP_CMP_EQ, .datum_a = questions[i]};
        failed = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(ioctl), 1, asked);
    }
    return failed;
}

// A service goes on telling systemd how it stands: datagrams through a socket made for each.
static int allow_notices(scmp_filter_ctx filter)
{
    static const int calls[] = {SCMP_SYS(sendmsg), SCMP_SYS(getsockopt), SCMP_SYS(setsockopt),
                                NEVER};
    const struct scmp_arg_cmp local = {.arg = 0, .op = SCMP_CMP_EQ, .datum_a = AF_UNIX};
    int failed = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(socket), 1, local);
    return failed ? failed : allow_list(filter, calls);
}

static int fill(scmp_filter_ctx filter, const struct mr_stage *stage)
{
    int failed = allow_list(filter, common_calls);
    if (failed == 0)
        failed = allow_list(
            filter, role_calls[mr_role_is_producer(stage->role) ? MR_ROLE_PRODUCER : stage->role]);
    if (failed == 0)
        failed = allow_memory(filter, stage->role);
    if (failed == 0)
        failed = allow_questions(filter);
    if (failed == 0 && stage->role != MR_ROLE_LOADER)
        failed = allow_reading_files(filter);
    if (failed == 0 && mr_notify_wanted())
        failed = allow_notices(filter);
    if (failed == 0 && stage->pipeline->realtime > 0) // to give it back: core/pipeline/realtime.c
        failed = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(sched_setscheduler), 0);
    return failed;
}

int mr_harden_enter(const struct mr_stage *stage, struct mr_error *err)
{
    if (!stage->pipeline->harden)
        return MR_OK;
    // To load it sets "no new privileges", without which only root may.
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
    int failed = filter ? fill(filter, stage) : -ENOMEM;
    if (failed == 0)
        failed = seccomp_load(filter);
    seccomp_release(filter);
    errno = -failed;
    if (failed != 0)
        return mr_fail_errno(err, MR_ERR_STAGE, "harden: cannot filter the %s's system calls",
                             mr_role_name(stage->role));
    return MR_OK;
}
