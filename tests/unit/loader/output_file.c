// SPDX-License-Identifier: Apache-2.0
// Directories that a sink makes, and makes safe against a power cut, from the outermost in; and whether a file that is
// written still has its name.
#include "consumers/loader/output_file.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/disk.h"
#include "tests/support/failing_disk.h"
#include "tests/support/journal_bytes.h"

static char *directory;
static char path[900];
static struct mr_error err;
static struct mr_disk disk;
static char synced[900]; // names, one a line, as they were opened

static void set_up(void)
{
    directory = mr_test_directory();
    failing_disk_leave();
    disk = *mr_disk;
    synced[0] = '\0';
}
static void tear_down(void)
{
    failing_disk_leave();
    mr_test_remove_directory(directory);
}
TestSuite(output_file, .init = set_up, .fini = tear_down);

static const char *within(const char *name)
{
    snprintf(path, sizeof path, "%s/%s", directory, name);
    return path;
}

static bool is_directory(const char *name)
{
    struct stat status;
    return stat(within(name), &status) == 0 && S_ISDIR(status.st_mode);
}

static void expect_sentence(const char *sentence)
{
    cr_expect_not_null(strstr(err.text, sentence), "%s: expected %s", err.text, sentence);
}

Test(output_file, directories_are_made_with_their_parents)
{
    cr_expect_eq(mr_make_directories(within("a/b/c"), &err), MR_OK, "%s", err.text);
    cr_expect(is_directory("a/b/c"));
    cr_expect_eq(mr_make_directories(within("a/b/c"), &err), MR_OK, "they stand already");
    cr_expect_eq(mr_make_directories(within("a//d/"), &err), MR_OK, "%s", err.text);
    cr_expect(is_directory("a/d"));
    cr_expect_eq(mr_make_parents(within("x/y/file"), &err), MR_OK, "%s", err.text);
    cr_expect(is_directory("x/y"));
    cr_expect_neq(access(within("x/y/file"), F_OK), 0);
    cr_expect_eq(mr_make_parents("file", &err), MR_OK, "it has none");
    cr_expect_eq(mr_make_parents("/file", &err), MR_OK, "nor has it");
}

Test(output_file, directories_that_cannot_be_made)
{
    static char name[600];
    mr_test_write_file(within("file"), "", 0);
    cr_expect_eq(mr_make_directories(within("file/b"), &err), MR_ERR_OUTPUT);
    expect_sentence("/file: found a file, expected a directory");
    memset(name, 'n', sizeof name - 1);
    cr_expect_eq(mr_make_directories(name, &err), MR_ERR_OUTPUT);
    expect_sentence("found a path of 599 bytes, expected under 512");
    failing_disk_use(FAILING_MAKE_DIRECTORY, 1, EROFS);
    failing_disk.forever = true;
    cr_expect_eq(mr_make_directories(within("new"), &err), MR_ERR_OUTPUT);
    expect_sentence("cannot make the directory: ");
    expect_sentence(strerror(EROFS));
    failing_disk_use(FAILING_STATUS, 1,
                     EACCES); // what stands there is not known: whoever opens it will see
    failing_disk.forever = true;
    cr_expect_eq(mr_make_directories(directory, &err), MR_OK, "%s", err.text);
    cr_expect(failing_disk.failed);
}

// ---- synced ------------------------------------------------------------------------------------
static int open_and_note(const char *name, int flags)
{
    size_t used = strlen(synced);
    snprintf(synced + used, sizeof synced - used, "%s\n", name);
    return mr_disk_real.open(name[0] == '/' ? "/" : ".", flags);
}

static void expect_synced(const char *name, const char *expected)
{
    disk.open = open_and_note;
    mr_disk = &disk;
    synced[0] = '\0';
    cr_expect_eq(mr_sync_directories_above(name, &err), MR_OK, "%s", err.text);
    cr_expect_str_eq(synced, expected, "%s: %s", name, synced);
}

Test(output_file, every_directory_above_is_synced)
{
    expect_synced("/a/bc/d", "/\n/a\n/a/bc\n");
    expect_synced("/a/bc/d/", "/\n/a\n/a/bc\n");
    expect_synced("/a", "/\n");
    expect_synced("/", "/\n");
    expect_synced("a/b", ".\na\n");
    expect_synced("a", ".\n");
}

static int refused; // what opening or syncing a directory fails with
static int refuse_open(const char *name, int flags)
{
    (void)name, (void)flags;
    errno = refused;
    return -1;
}
static int refuse_sync(int fd)
{
    (void)fd;
    errno = refused;
    return -1;
}

// What may not be read, and file systems without such a sync, are passed over; everything else is said.
Test(output_file, directories_that_cannot_be_synced)
{
    static const int passed_over[] = {EINVAL, EROFS};
    disk.sync_directory = refuse_sync;
    mr_disk = &disk;
    for (unsigned i = 0; i < MR_COUNT_OF(passed_over); i++) {
        refused = passed_over[i];
        cr_expect_eq(mr_sync_directories_above(within("a"), &err), MR_OK, "%s", err.text);
    }
    refused = EIO;
    cr_expect_eq(mr_sync_directories_above(within("a"), &err), MR_ERR_OUTPUT);
    expect_sentence("/: cannot sync the directory: ");
    disk.open = refuse_open;
    cr_expect_eq(mr_sync_directories_above(within("a"), &err), MR_ERR_OUTPUT);
    expect_sentence(strerror(EIO));
    refused = EACCES;
    cr_expect_eq(mr_sync_directories_above(within("a"), &err), MR_OK, "%s", err.text);
}

// ---- names -------------------------------------------------------------------------------------
static int on_another_device(const char *name, struct mr_disk_status *out)
{
    int result = mr_disk_real.status(name, out);
    out->device++;
    return result;
}

static int check(int fd)
{
    err.text[0] = '\0';
    int code = mr_file_check_name(fd, within("file"), &err);
    if (code != MR_OK)
        expect_sentence("/file: was removed or replaced while it was being written");
    return code;
}

Test(output_file, a_file_that_lost_its_name)
{
    mr_test_write_file(within("file"), "", 0);
    int fd = open(within("file"), O_RDWR | O_CLOEXEC);
    cr_assert_geq(fd, 0);
    cr_expect_eq(check(fd), MR_OK);
    disk.status = on_another_device;
    mr_disk = &disk;
    cr_expect_eq(check(fd), MR_ERR_OUTPUT);
    failing_disk_use(FAILING_STATUS_OF, 1, EIO);
    cr_expect_eq(check(fd), MR_ERR_OUTPUT);
    failing_disk_leave();
    mr_test_write_file(within("other"), "", 0);
    char other[900];
    snprintf(other, sizeof other, "%s", within("other"));
    cr_assert_eq(rename(other, within("file")), 0);
    cr_expect_eq(check(fd), MR_ERR_OUTPUT, "another file has it");
    cr_assert_eq(unlink(within("file")), 0);
    cr_expect_eq(check(fd), MR_ERR_OUTPUT, "nobody has it");
    close(fd);
}
