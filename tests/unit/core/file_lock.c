// SPDX-License-Identifier: Apache-2.0
// The fence between a dead writer and the next one: a lock is waited for, the log says for whom, and a lock that cannot be
// had for another reason is an error.
#include "core/file_lock.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/disk.h"
#include "core/log.h"
#include "tests/support/emulated.h"
#include "tests/support/failing_disk.h"
#include "tests/support/journal_bytes.h"

#define TURNS_MAX 2000 // of 10 ms, until something is said

static char *directory;
static char path[512];
static int fd;
static FILE *said; // what was logged meanwhile
static struct mr_error err;

static void set_up(void)
{
    directory = mr_test_directory();
    snprintf(path, sizeof path, "%s/file", directory);
    mr_test_write_file(path, "", 0);
    fd = open(path, O_RDWR | O_CLOEXEC);
    cr_assert_geq(fd, 0);
    said = tmpfile();
    cr_assert_not_null(said);
    failing_disk_leave();
    mr_log_setup("test", MR_LOG_INFO);
}
static void tear_down(void)
{
    failing_disk_leave();
    fclose(said);
    close(fd);
    mr_test_remove_directory(directory);
}
TestSuite(file_lock, .init = set_up, .fini = tear_down, .timeout = 60);

// ---- who holds it ------------------------------------------------------------------------------
static void take(int held, bool records)
{
    struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    if (records ? fcntl(held, F_OFD_SETLK, &whole) != 0 : flock(held, LOCK_EX | LOCK_NB) != 0)
        abort();
}

enum taker { ITSELF, ONE_THAT_IS_GONE, ONE_NOT_YET_BURIED };

static void take_by(enum taker taker, int held, bool records)
{
    pid_t other = taker == ITSELF ? 0 : fork();
    if (other == 0)
        take(held, records);
    if (other == 0 && taker != ITSELF)
        _exit(0);
    siginfo_t ended;
    if (other > 0)
        waitid(P_PID, (id_t)other, &ended, WEXITED | (taker == ONE_NOT_YET_BURIED ? WNOWAIT : 0));
}

static void hold_until_said(void)
{
    struct stat status = {0};
    for (unsigned turn = 0; turn < TURNS_MAX && status.st_size == 0; turn++) {
        usleep(10000);
        fstat(fileno(said), &status);
    }
}

// A process that holds the lock of a descriptor of its own until the wait for it is told; who took it may be dead, as a
// killed writer is whose writes have not drained. Returns when it is held; the one that lives is to be waited for.
static pid_t hold(bool records, enum taker taker)
{
    int ready[2];
    char byte;
    rewind(said);
    cr_assert_eq(ftruncate(fileno(said), 0), 0);
    cr_assert_eq(pipe(ready), 0);
    pid_t holder = fork();
    if (holder == 0) {
        take_by(taker, open(path, O_RDWR | O_CLOEXEC), records);
        if (write(ready[1], "", 1) != 1)
            abort();
        hold_until_said();
        _exit(0);
    }
    cr_assert_gt(holder, 0);
    cr_assert_eq(read(ready[0], &byte, 1), 1);
    close(ready[0]);
    close(ready[1]);
    return holder;
}

// Another one that waits for it in the kernel: a line of its own in the list of locks.
static pid_t wait_in_the_kernel(void)
{
    pid_t waiter = fork();
    if (waiter == 0) {
        int file = open(path, O_RDWR | O_CLOEXEC);
        _exit(file < 0 || flock(file, LOCK_EX) != 0);
    }
    return waiter;
}

static int locked(int (*lock)(int fd, const char *path, struct mr_error *err), char log[4096])
{
    int saved = dup(STDERR_FILENO);
    dup2(fileno(said), STDERR_FILENO);
    int code = lock(fd, path, &err);
    dup2(saved, STDERR_FILENO);
    close(saved);
    rewind(said);
    log[fread(log, 1, 4095, said)] = '\0';
    return code;
}

static void expect_waited(const char *log, const char *for_whom)
{
    cr_expect_not_null(strstr(log, path), "%s", log);
    cr_expect_not_null(strstr(log, for_whom), "%s: expected %s", log, for_whom);
    cr_expect_not_null(strstr(log, ": locked after "), "%s", log);
}

// Also among locks of the other kind, and others that wait.
Test(file_lock, a_living_holder_is_named)
{
    char log[4096], sentence[64];
    if (mr_test_emulated())
        cr_skip("an emulated process has another one's number");
    for (unsigned others = 0; others < 3; others++) {
        pid_t of_records = others == 1 ? hold(true, ITSELF) : 0;
        pid_t holder = hold(false, ITSELF);
        of_records = others == 2 ? hold(true, ITSELF) : of_records;
        pid_t waiter = others ? wait_in_the_kernel() : 0;
        cr_expect_eq(locked(mr_file_lock, log), MR_OK, "%s", err.text);
        snprintf(sentence, sizeof sentence, "locked by process %d; waiting for it to end", holder);
        expect_waited(log, sentence);
        cr_assert_eq(flock(fd, LOCK_UN), 0);
        waitpid(holder, NULL, 0);
        if (others) {
            waitpid(of_records, NULL, 0);
            waitpid(waiter, NULL, 0);
        }
    }
}

Test(file_lock, the_last_writes_of_a_dead_one_are_waited_for)
{
    for (enum taker taker = ONE_THAT_IS_GONE; taker <= ONE_NOT_YET_BURIED; taker++) {
        char log[4096];
        pid_t holder = hold(false, taker);
        cr_expect_eq(locked(mr_file_lock, log), MR_OK, "%s", err.text);
        expect_waited(log, "waiting for the last writes of process ");
        expect_waited(log, ", which is dead, to reach the disk");
        cr_assert_eq(flock(fd, LOCK_UN), 0);
        waitpid(holder, NULL, 0);
    }
}

// Locks of records have no holder's name: who lives holds the other kind, too.
Test(file_lock, of_direct_writes)
{
    char log[4096];
    pid_t holder = hold(true, ITSELF);
    cr_expect_eq(locked(mr_file_lock_direct, log), MR_OK, "%s", err.text);
    expect_waited(log, "waiting for the last writes of a dead process to reach the disk");
    waitpid(holder, NULL, 0);
}

// Nobody knows who holds it: it is waited for as for a dead one.
static void expect_unknown(int (*lock)(int fd, const char *path, struct mr_error *err))
{
    char log[4096];
    pid_t holder = hold(false, ITSELF);
    pid_t waiter = wait_in_the_kernel();
    cr_expect_eq(locked(lock, log), MR_OK, "%s", err.text);
    expect_waited(log, "waiting for the last writes of a dead process to reach the disk");
    cr_assert_eq(flock(fd, LOCK_UN), 0);
    waitpid(holder, NULL, 0);
    waitpid(waiter, NULL, 0);
}

static int on_another_device(int file, struct mr_disk_status *out)
{
    int result = mr_disk_real.status_of(file, out);
    out->device++;
    return result;
}

Test(file_lock, a_holder_that_cannot_be_found)
{
    failing_disk_use(FAILING_STATUS_OF, 1, EIO);
    failing_disk.forever = true;
    expect_unknown(mr_file_lock);
    cr_expect(failing_disk.failed);
    failing_disk_leave();
    struct mr_disk disk = *mr_disk;
    disk.status_of = on_another_device;
    mr_disk = &disk;
    expect_unknown(mr_file_lock);
}

static int lock_without_descriptors(int file, const char *name, struct mr_error *error)
{
    struct rlimit none = {0}, before;
    getrlimit(RLIMIT_NOFILE, &before);
    none.rlim_max = before.rlim_max;
    setrlimit(RLIMIT_NOFILE, &none);
    int code = mr_file_lock(file, name, error);
    setrlimit(RLIMIT_NOFILE, &before);
    return code;
}

Test(file_lock, no_descriptor_is_left_to_look_for_the_holder)
{
    expect_unknown(lock_without_descriptors);
}

Test(file_lock, a_lock_that_is_free_is_had_without_a_word)
{
    char log[4096];
    static const int not_yet[] = {EINTR, EACCES, EWOULDBLOCK};
    cr_expect_eq(locked(mr_file_lock, log), MR_OK, "%s", err.text);
    cr_expect_str_empty(log);
    for (unsigned i = 0; i < MR_COUNT_OF(not_yet); i++) {
        failing_disk_use(FAILING_LOCK, 1, not_yet[i]);
        cr_expect_eq(locked(mr_file_lock, log), MR_OK, "%s", err.text);
        cr_expect(failing_disk.failed);
        cr_expect_str_empty(log);
    }
}

Test(file_lock, a_lock_that_cannot_be_had)
{
    failing_disk_use(FAILING_LOCK, 1, ENOLCK);
    cr_expect_eq(mr_file_lock(fd, path, &err), MR_ERR_OUTPUT);
    cr_expect_not_null(strstr(err.text, path), "%s", err.text);
    cr_expect_not_null(strstr(err.text, "cannot lock: "), "%s", err.text);
    cr_expect_not_null(strstr(err.text, strerror(ENOLCK)), "%s", err.text);
}

// ---- passed ------------------------------------------------------------------------------------
static int refuse_unlock(int file, enum mr_disk_lock kind)
{
    (void)file, (void)kind;
    errno = EIO;
    return -1;
}

Test(file_lock, passing_takes_both_and_keeps_none)
{
    static const int not_ours[] = {EACCES, EROFS, EPERM};
    cr_expect_eq(mr_file_pass(path, &err), MR_OK, "%s", err.text);
    take(fd, false); // aborts where it is still held
    take(fd, true);
    cr_assert_eq(flock(fd, LOCK_UN), 0);
    for (unsigned i = 0; i < MR_COUNT_OF(not_ours); i++) {
        failing_disk_use(FAILING_OPEN, 1, not_ours[i]);
        cr_expect_eq(mr_file_pass(path, &err), MR_OK, "%s", err.text);
        cr_expect_eq(failing_disk.calls[FAILING_LOCK], 0);
    }
    failing_disk_use(FAILING_OPEN, 1, EIO);
    cr_expect_eq(mr_file_pass(path, &err), MR_ERR_INPUT);
    cr_expect_not_null(strstr(err.text, path), "%s", err.text);
    for (unsigned at = 1; at <= 2; at++) {
        failing_disk_use(FAILING_LOCK, at, ENOLCK);
        cr_expect_eq(mr_file_pass(path, &err), MR_ERR_OUTPUT);
        cr_expect_not_null(strstr(err.text, "cannot lock: "), "%s", err.text);
    }
}

Test(file_lock, what_cannot_be_given_back_is_said)
{
    struct mr_disk disk = *mr_disk;
    disk.unlock = refuse_unlock;
    mr_disk = &disk;
    cr_expect_eq(mr_file_pass_direct(fd, path, &err), MR_ERR_OUTPUT);
    cr_expect_not_null(strstr(err.text, "cannot unlock: "), "%s", err.text);
}
