// SPDX-License-Identifier: Apache-2.0
#include <criterion/criterion.h>
#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/segment.h"
#include "tests/support/scratch.h"

#define SEGMENT_BYTES 65536 // as large as a page can be

static struct scratch scratch;
static char path[256];
static struct mr_segment segment;
static struct mr_error err;

static void fill_with_seven(void *base, void *context)
{
    memset((uint8_t *)base + MR_PAGE_BYTES, 7, *(size_t *)context);
}

static void open_fixture(void)
{
    size_t filled = 100;
    mr_clock_setup();
    scratch_open(&scratch);
    scratch_path(&scratch, "segment", path, sizeof path);
    int code = mr_segment_create(&segment, path, "seg", MR_SEGMENT_STAGE, SEGMENT_BYTES,
                                 fill_with_seven, &filled, &err);
    cr_assert_eq(code, MR_OK, "%s", err.text);
}
static void close_fixture(void)
{
    mr_segment_detach(&segment);
    scratch_close(&scratch);
}
TestSuite(segment, .init = open_fixture, .fini = close_fixture);

Test(segment, it_says_what_it_is)
{
    const struct mr_segment_header *header = segment.base;
    cr_expect_eq(header->magic, MR_SEGMENT_MAGIC);
    cr_expect_eq(header->kind, MR_SEGMENT_STAGE);
    cr_expect_eq(header->bytes, SEGMENT_BYTES);
    cr_expect_eq(header->owner_pid, (uint32_t)getpid());
    cr_expect_eq(header->owner_uid, (uint32_t)getuid());
    cr_expect_str_eq(header->name, "seg");
    cr_expect_lt(llabs(header->created_ns - mr_wall_ns()), 60000000000LL);
    cr_expect_gt(header->tick_hz, 1000000);
}

// Which are larger than 4 KiB with some kernels.
Test(segment, it_begins_on_a_page_of_the_kernel)
{
    cr_expect_eq((uintptr_t)segment.base % (uintptr_t)sysconf(_SC_PAGESIZE), 0);
}

Test(segment, it_is_filled_zeroed_and_all_there)
{
    struct stat status;
    const uint8_t *bytes = segment.base;
    cr_expect_eq(bytes[4096], 7);
    cr_expect_eq(bytes[4195], 7);
    cr_expect_eq(bytes[4196], 0);
    cr_assert_eq(stat(path, &status), 0);
    cr_expect_eq(status.st_size, SEGMENT_BYTES);
    cr_expect_eq(status.st_blocks * 512, SEGMENT_BYTES, "every page is reserved");
    cr_expect_eq(status.st_mode & 0777, 0600);
}

static unsigned files_in_scratch(void)
{
    unsigned files = 0;
    DIR *directory = opendir(scratch.directory);
    for (struct dirent *entry; (entry = readdir(directory));)
        files += entry->d_name[0] != '.';
    closedir(directory);
    return files;
}

Test(segment, nothing_temporary_stays)
{
    struct mr_segment other;
    cr_expect_eq(files_in_scratch(), 1);
    cr_expect_eq(
        mr_segment_create(&other, "/nowhere/at/all", "x", MR_SEGMENT_RING, 8192, NULL, NULL, &err),
        MR_ERR_SHM);
    cr_expect_not_null(strstr(err.text, "/nowhere/at/all"));
    cr_expect_null(other.base);
    cr_expect_eq(
        mr_segment_create(&other, path, "x", MR_SEGMENT_RING, (size_t)1 << 60, NULL, NULL, &err),
        MR_ERR_SHM);
    cr_expect_eq(files_in_scratch(), 1);
}

Test(segment, what_a_dead_maker_left_goes_with_the_segment)
{
    char left[300];
    snprintf(left, sizeof left, "%s.new", path);
    fclose(fopen(left, "w"));
    cr_expect_eq(mr_segment_unlink(path, &err), MR_OK);
    cr_expect(access(left, F_OK) < 0);
}

Test(segment, both_sides_see_the_same_bytes)
{
    struct mr_segment other;
    cr_assert_eq(mr_segment_attach(&other, path, MR_SEGMENT_STAGE, MR_ATTACH_READ_WRITE, &err),
                 MR_OK, "%s", err.text);
    cr_expect_eq(other.bytes, SEGMENT_BYTES);
    cr_expect_neq(other.base, segment.base);
    ((uint8_t *)segment.base)[5000] = 42;
    cr_expect_eq(((uint8_t *)other.base)[5000], 42);
    mr_segment_detach(&other);
    cr_expect_null(other.base);
}

Test(segment, another_kind_is_refused)
{
    struct mr_segment other;
    cr_expect_eq(mr_segment_attach(&other, path, MR_SEGMENT_RING, MR_ATTACH_READ_WRITE, &err),
                 MR_ERR_SHM);
    cr_expect_not_null(strstr(err.text, path));
    cr_expect_null(other.base);
}

Test(segment, what_is_not_there_is_an_error_that_names_it)
{
    struct mr_segment other;
    cr_expect_eq(mr_segment_attach(&other, "/dev/shm/millrace-no-such", MR_SEGMENT_RING,
                                   MR_ATTACH_READ_ONLY, &err),
                 MR_ERR_SHM);
    cr_expect_not_null(strstr(err.text, "/dev/shm/millrace-no-such"));
    cr_expect_not_null(strstr(err.text, "No such file"));
}

Test(segment, a_read_only_mapping_cannot_be_written)
{
    struct mr_segment other;
    int status;
    cr_assert_eq(mr_segment_attach(&other, path, MR_SEGMENT_STAGE, MR_ATTACH_READ_ONLY, &err),
                 MR_OK);
    pid_t child = fork();
    if (child == 0) {
        ((volatile uint8_t *)other.base)[5000] = 1;
        _exit(0);
    }
    waitpid(child, &status, 0);
    cr_expect(WIFSIGNALED(status), "wait status 0x%x", status); // SIGSEGV, or a sanitizer's SIGABRT
    cr_expect_eq(((uint8_t *)segment.base)[5000], 0);
    mr_segment_detach(&other);
}

Test(segment, a_new_one_takes_the_place_of_a_stale_one)
{
    struct mr_segment other;
    cr_assert_eq(mr_segment_create(&other, path, "new", MR_SEGMENT_STAGE, 2 * SEGMENT_BYTES, NULL,
                                   NULL, &err),
                 MR_OK);
    cr_expect_str_eq(((struct mr_segment_header *)segment.base)->name, "seg",
                     "the old mapping is its own");
    mr_segment_detach(&other);
    cr_assert_eq(mr_segment_attach(&other, path, MR_SEGMENT_STAGE, MR_ATTACH_READ_ONLY, &err),
                 MR_OK);
    cr_expect_str_eq(((struct mr_segment_header *)other.base)->name, "new");
    mr_segment_detach(&other);
}

Test(segment, unlinking_what_is_gone_is_no_error)
{
    cr_expect_eq(mr_segment_unlink(path, &err), MR_OK);
    cr_expect_eq(mr_segment_unlink(path, &err), MR_OK);
    cr_expect_neq(access(path, F_OK), 0);
}

Test(segment, one_owner_at_a_time)
{
    struct mr_segment other;
    cr_assert_eq(mr_segment_attach(&other, path, MR_SEGMENT_STAGE, MR_ATTACH_READ_WRITE, &err),
                 MR_OK);
    cr_expect_not(mr_segment_is_locked(&segment));
    cr_expect_eq(mr_segment_lock(&segment, &err), MR_OK);
    cr_expect(mr_segment_is_locked(&segment));
    cr_expect(mr_segment_is_locked(&other));
    cr_expect_eq(mr_segment_lock(&other, &err), MR_ERR_BUSY);
    cr_expect_not_null(strstr(err.text, path));
    mr_segment_detach(&segment);
    cr_expect_eq(mr_segment_lock(&other, &err), MR_OK);
    mr_segment_detach(&other);
}

Test(segment, the_lock_of_a_killed_owner_is_free)
{
    pid_t child = fork();
    if (child == 0) {
        struct mr_segment mine;
        mr_segment_detach(&segment); // the inherited descriptor
        if (mr_segment_attach(&mine, path, MR_SEGMENT_STAGE, MR_ATTACH_READ_WRITE, NULL) != MR_OK ||
            mr_segment_lock(&mine, NULL) != MR_OK)
            _exit(1);
        raise(SIGKILL);
    }
    int status;
    waitpid(child, &status, 0);
    cr_expect(WIFSIGNALED(status));
    cr_expect_not(mr_segment_is_locked(&segment));
    cr_expect_eq(mr_segment_lock(&segment, &err), MR_OK);
}
