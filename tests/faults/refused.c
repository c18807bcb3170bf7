// SPDX-License-Identifier: Apache-2.0
// Runs a command, and all that it starts, in a place where the kernel refuses io_uring:
//
//     refused eperm COMMAND...    io_uring_setup: EPERM, as containers and kernel.io_uring_disabled have it
//     refused enosys COMMAND...   io_uring_setup: ENOSYS, as old kernels and emulators have it
//     refused enomem COMMAND...   registering buffers: ENOMEM, as where too little memory may be locked
//     refused probe COMMAND...    every registration, that of a probe too: ENOMEM
//     refused --look              says what the kernel does here: "granted", or why not
//
// A seccomp filter answers in the kernel's place; a command cannot take it off again.
#include <errno.h>
#include <seccomp.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/base.h"

// <linux/io_uring.h>: what io_uring_register's second argument says.
#define REGISTER_BUFFERS 0
#define REGISTER_BUFFERS2 15

struct rule {
    int call;
    int error;
    int operation; // only where the second argument is this; -1: always
};
static const struct place {
    const char *name;
    struct rule rules[2];
    unsigned rule_count;
} places[] = {
    {"eperm", {{SCMP_SYS(io_uring_setup), EPERM, -1}}, 1},
    {"enosys", {{SCMP_SYS(io_uring_setup), ENOSYS, -1}}, 1},
    {"enomem",
     {{SCMP_SYS(io_uring_register), ENOMEM, REGISTER_BUFFERS},
      {SCMP_SYS(io_uring_register), ENOMEM, REGISTER_BUFFERS2}},
     2},
    {"probe", {{SCMP_SYS(io_uring_register), ENOMEM, -1}}, 1},
};

static int add(scmp_filter_ctx filter, const struct rule *rule)
{
    uint32_t action = SCMP_ACT_ERRNO((uint16_t)rule->error);
    if (rule->operation < 0)
        return seccomp_rule_add(filter, action, rule->call, 0);
    return seccomp_rule_add(filter, action, rule->call, 1,
                            SCMP_A1(SCMP_CMP_EQ, (scmp_datum_t)rule->operation));
}

static int refuse(const struct place *place)
{
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
    int failed = filter ? 0 : -ENOMEM;
    for (unsigned i = 0; i < place->rule_count && failed == 0; i++)
        failed = add(filter, &place->rules[i]);
    if (failed == 0)
        failed = seccomp_load(filter);
    seccomp_release(filter);
    return failed;
}

// A question without an argument: where io_uring is granted, its address is what is wrong.
static int look(void)
{
    syscall(SYS_io_uring_setup, 1, NULL);
    puts(errno == EFAULT ? "granted" : strerror(errno));
    return 0;
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "--look") == 0)
        return look();
    const struct place *place = NULL;
    for (unsigned i = 0; i < MR_COUNT_OF(places) && argc > 2; i++)
        if (strcmp(argv[1], places[i].name) == 0)
            place = &places[i];
    if (!place) {
        fprintf(stderr, "usage: refused eperm|enosys|enomem|probe COMMAND..., refused --look\n");
        return 2;
    }
    int failed = refuse(place);
    if (failed < 0) {
        fprintf(stderr, "refused: cannot filter system calls here: %s\n", strerror(-failed));
        return 125;
    }
    execvp(argv[2], argv + 2);
    fprintf(stderr, "refused: %s: %s\n", argv[2], strerror(errno));
    return 127;
}
