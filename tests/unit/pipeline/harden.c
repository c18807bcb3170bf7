// SPDX-License-Identifier: Apache-2.0
// The hardening mode takes away what a stage does not need: calls are refused, and what it reads it cannot
// write. Each case in a child of its own, for nothing is given back.
#include "core/pipeline/harden.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/counting_stage.h"
#include "tests/support/emulated.h"

static struct counting_run run;

static void open_fixture(void)
{
    counting_run_open(&run, 0, 1);
    run.pipeline.harden = true;
}
static void close_fixture(void)
{
    counting_run_close(&run);
}
TestSuite(harden, .init = open_fixture, .fini = close_fixture, .timeout = 60);

static void need_filter(void)
{
    if (mr_test_emulated())
        cr_skip("an emulator does not filter system calls");
}

// The wait status of a child in which `act` was run; what it returns is the child's exit code.
static int in_child(int (*act)(void *context), void *context)
{
    int status;
    pid_t child = fork();
    if (child == 0)
        _exit(act(context));
    waitpid(child, &status, 0);
    return status;
}

// ---- the filter

static bool is_refused(long result)
{
    return result == -1 && errno == EPERM;
}

// Some machines know it only as clone.
static bool fork_is_refused(void)
{
#ifdef SYS_fork
    return is_refused(syscall(SYS_fork));
#else
    return true;
#endif
}

static int refused_calls(void *context)
{
    struct mr_stage stage = {.pipeline = &run.pipeline, .role = *(enum mr_role *)context};
    char *no_arguments[] = {NULL};
    struct mr_error err;
    if (mr_harden_enter(&stage, &err) != MR_OK)
        return 1;
    return is_refused(execve("/bin/true", no_arguments, no_arguments)) && fork_is_refused() &&
                   is_refused(syscall(SYS_clone, 0, 0, 0, 0, 0)) &&
                   is_refused(socket(AF_INET, SOCK_STREAM, 0)) && is_refused(connect(0, NULL, 0)) &&
                   is_refused(syscall(SYS_bind, 0, NULL, 0)) && is_refused(kill(getppid(), 0)) &&
                   is_refused(ptrace(PTRACE_ATTACH, getppid(), NULL, NULL)) &&
                   is_refused(syscall(SYS_process_vm_writev, getppid(), NULL, 0, NULL, 0, 0)) &&
                   is_refused(syscall(SYS_io_uring_setup, 8, NULL)) &&
                   is_refused(syscall(SYS_io_uring_register, 0, 0, NULL, 0)) &&
                   is_refused(syscall(SYS_prctl, 0, 0, 0, 0, 0)) &&
                   is_refused(chmod("/nowhere", 0)) && is_refused(symlink("/a", "/b"))
               ? 0
               : 2;
}

Test(harden, each_role_is_refused_what_none_needs)
{
    need_filter();
    for (enum mr_role role = 0; role < MR_ROLE_COUNT; role++)
        cr_expect_eq(in_child(refused_calls, &role), 0, "%s", mr_role_name(role));
}

static int writing_files(void *context)
{
    struct mr_stage stage = {.pipeline = &run.pipeline, .role = *(enum mr_role *)context};
    bool writes = stage.role == MR_ROLE_LOADER;
    char path[128];
    scratch_path(&run.scratch, "written", path, sizeof path);
    if (mr_harden_enter(&stage, NULL) != MR_OK)
        return 1;
    if (open("/proc/self/status", O_RDONLY) < 0)
        return 2;
    if ((open(path, O_WRONLY | O_CREAT, 0600) >= 0) != writes)
        return 3;
    if ((unlink(path) == 0) != writes)
        return 4;
    return is_refused(rename(path, path)) != writes ? 0 : 5;
}

Test(harden, only_the_loader_writes_files)
{
    need_filter();
    for (enum mr_role role = 0; role < MR_ROLE_COUNT; role++)
        cr_expect_eq(in_child(writing_files, &role), 0, "%s", mr_role_name(role));
}

static int making_code(void *context)
{
    struct mr_stage stage = {.pipeline = &run.pipeline, .role = *(enum mr_role *)context};
    if (mr_harden_enter(&stage, NULL) != MR_OK)
        return 1;
    void *memory = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        return 2;
    bool made = mprotect(memory, 4096, PROT_READ | PROT_EXEC) == 0;
    void *code = mmap(NULL, 4096, PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return made == (code != MAP_FAILED) && made == (stage.role == MR_ROLE_TRANSFORM) ? 0 : 3;
}

// Lua compiles there.
Test(harden, only_the_transform_makes_code)
{
    need_filter();
    for (enum mr_role role = 0; role < MR_ROLE_COUNT; role++)
        cr_expect_eq(in_child(making_code, &role), 0, "%s", mr_role_name(role));
}

static int privileges(void *unused)
{
    struct mr_stage stage = {.pipeline = &run.pipeline, .role = MR_ROLE_LOADER};
    char text[4096] = "";
    (void)unused;
    if (mr_harden_enter(&stage, NULL) != MR_OK)
        return 1;
    int fd = open("/proc/self/status", O_RDONLY);
    if (fd < 0 || read(fd, text, sizeof text - 1) <= 0)
        return 2;
    return strstr(text, "NoNewPrivs:\t1") && strstr(text, "Seccomp:\t2") ? 0 : 3;
}

Test(harden, no_new_privileges)
{
    need_filter();
    cr_expect_eq(in_child(privileges, NULL), 0);
}

static int all_is_allowed(void *unused)
{
    struct mr_stage stage = {.pipeline = &run.pipeline, .role = MR_ROLE_LOADER};
    (void)unused;
    run.pipeline.harden = false;
    return mr_harden_enter(&stage, NULL) == MR_OK && socket(AF_INET, SOCK_STREAM, 0) >= 0 ? 0 : 1;
}

Test(harden, nothing_is_taken_away_unasked)
{
    cr_expect_eq(in_child(all_is_allowed, NULL), 0);
}

// ---- what is read cannot be written

static struct mr_stage *open_loader(void)
{
    static struct mr_stage stage;
    struct mr_error err;
    if (mr_stage_open(&stage, &run.pipeline, MR_ROLE_LOADER, &err) != MR_OK) {
        fprintf(stderr, "%s\n", err.text);
        _exit(99);
    }
    return &stage;
}

static int store_at(void *context)
{
    const struct mr_stage *stage = open_loader();
    volatile uint8_t *base = stage->readers[MR_PORT_MAIN].ring->segment.base;
    base[*(size_t *)context] = 1;
    return 0;
}

Test(harden, a_store_into_the_ring_from_the_loader_faults)
{
    size_t refused[] = {MR_RING_DATA_OFFSET, MR_RING_DATA_OFFSET + MR_RING_CAPACITY_MIN - 1,
                        MR_RING_SCHEMA_OFFSET, MR_RING_LANE_OFFSET, 0};
    size_t granted[] = {MR_RING_READER_OFFSET, MR_RING_WRITER_SLEEP_OFFSET};
    for (size_t i = 0; i < MR_COUNT_OF(refused); i++) {
        int status = in_child(store_at, &refused[i]);
        cr_expect(WIFSIGNALED(status) || WEXITSTATUS(status) == 1, // a sanitizer's report
                  "byte %zu: wait status 0x%x", refused[i], status);
    }
    for (size_t i = 0; i < MR_COUNT_OF(granted); i++)
        cr_expect_eq(in_child(store_at, &granted[i]), 0, "byte %zu", granted[i]);
    run.pipeline.harden = false;
    cr_expect_eq(in_child(store_at, &refused[0]), 0, "without the mode it does not");
}

static int make_writable(void *unused)
{
    const struct mr_stage *stage = open_loader();
    const struct mr_ring *ring = stage->readers[MR_PORT_MAIN].ring;
    (void)unused;
    return mprotect(ring->data, MR_PAGE_BYTES, PROT_READ | PROT_WRITE) < 0 && errno == EACCES &&
                   mmap(NULL, MR_PAGE_BYTES, PROT_WRITE, MAP_SHARED, ring->segment.fd, 0) ==
                       MAP_FAILED
               ? 0
               : 1;
}

Test(harden, nor_can_it_be_made_writable)
{
    cr_expect_eq(in_child(make_writable, NULL), 0);
}
