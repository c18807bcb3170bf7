// SPDX-License-Identifier: Apache-2.0
#include "tests/support/singlestep_cradle.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

void singlestep_mark(void)
{
    raise(SIGSTOP);
}

struct singlestep_cradle {
    pid_t pid;
    int ask, tell, go; // a byte: one more, please; its pid; a byte: it may begin
};

static void be_victim(const struct singlestep_victim *victim, int go)
{
    char byte;
    signal(SIGCHLD, SIG_DFL);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (read(go, &byte, 1) == 1)
        victim->run(victim->context);
    _exit(1); // it was to be killed
}

static void be_cradle(const struct singlestep_victim *victim, int ask, int tell, int go)
{
    char byte;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    signal(SIGCHLD, SIG_IGN); // who steps them waits for them
    while (read(ask, &byte, 1) == 1) {
        pid_t pid = fork();
        if (pid == 0)
            be_victim(victim, go);
        if (write(tell, &pid, sizeof pid) != sizeof pid)
            break;
    }
    _exit(0);
}

struct singlestep_cradle *singlestep_cradle_new(const struct singlestep_victim *victim)
{
    int ask[2], tell[2], go[2];
    struct singlestep_cradle *cradle = malloc(sizeof *cradle);
    if (!cradle || pipe2(ask, O_CLOEXEC) < 0 || pipe2(tell, O_CLOEXEC) < 0 ||
        pipe2(go, O_CLOEXEC) < 0)
        abort();
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        close(ask[1]); // it ends with the last writer
        be_cradle(victim, ask[0], tell[1], go[0]);
    }
    close(ask[0]);
    close(tell[1]);
    close(go[0]);
    *cradle = (struct singlestep_cradle){pid, ask[1], tell[0], go[1]};
    return cradle;
}

void singlestep_cradle_end(struct singlestep_cradle *cradle)
{
    close(cradle->ask);
    close(cradle->tell);
    close(cradle->go);
    while (waitpid(cradle->pid, NULL, 0) < 0 && errno == EINTR)
        ;
    free(cradle);
}

pid_t singlestep_cradle_start(const struct singlestep_cradle *cradle)
{
    pid_t pid;
    if (write(cradle->ask, "", 1) != 1 || read(cradle->tell, &pid, sizeof pid) != sizeof pid ||
        pid < 0)
        return -1;
    if (ptrace(PTRACE_SEIZE, pid, NULL, (void *)(PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL)) != 0) {
        perror("ptrace");
        kill(pid, SIGKILL);
        return -1;
    }
    return write(cradle->go, "", 1) == 1 ? pid : -1;
}
