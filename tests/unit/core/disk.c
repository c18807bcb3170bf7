// SPDX-License-Identifier: Apache-2.0
// The real disk: each operation does what its manual says.
#include "core/disk.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "tests/support/journal_bytes.h"

static char *directory;
static char path[512], other[512];

static void set_up(void)
{
    directory = mr_test_directory();
    snprintf(path, sizeof path, "%s/one", directory);
    snprintf(other, sizeof other, "%s/two", directory);
}
static void tear_down(void)
{
    mr_test_remove_directory(directory);
}
TestSuite(disk, .init = set_up, .fini = tear_down);

Test(disk, bytes_stand_where_they_were_written)
{
    char found[16] = {0};
    struct mr_disk_status status;
    cr_assert_eq(mr_disk->open(path, O_RDWR), -1);
    cr_assert_eq(errno, ENOENT);
    int fd = mr_disk->open(path, O_RDWR | O_CREAT);
    cr_assert_geq(fd, 0);
    cr_assert_eq(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
    cr_assert_eq(mr_disk->allocate(fd, 100000), 0);
    cr_assert_eq(mr_disk->write(fd, "millrace", 8, 70000), 8);
    cr_assert_eq(mr_disk->read(fd, found, 8, 70000), 8);
    cr_assert_str_eq(found, "millrace");
    cr_assert_eq(mr_disk->status_of(fd, &status), 0);
    cr_assert_eq(status.bytes, 100000);
    cr_assert_not(status.directory);
    cr_assert_eq(mr_disk->truncate(fd, 70004), 0);
    cr_assert_eq(mr_disk->read(fd, found, 8, 70000), 4);
    cr_assert_eq(mr_disk->truncate(fd, 0), 0);
    cr_assert_eq(mr_disk->skip_hole(fd, 0), -1);
    cr_assert_eq(errno, ENXIO);
    cr_assert_eq(mr_disk->sync(fd), 0);
    cr_assert_gt(mr_disk->free_bytes(fd), 0);
    mr_disk->close(fd);
}

#define TMPFS 0x01021994
#define FORGET_BYTES (256u << 10)

static unsigned pages_in_memory(int fd, uint64_t from)
{
    unsigned char pages[FORGET_BYTES / MR_PAGE_BYTES] = {0};
    unsigned count = 0, page_bytes = (unsigned)sysconf(_SC_PAGESIZE);
    void *bytes = mmap(NULL, FORGET_BYTES, PROT_READ, MAP_SHARED, fd, 0);
    cr_assert_neq(bytes, MAP_FAILED);
    cr_assert_eq(mincore(bytes, FORGET_BYTES, pages), 0);
    munmap(bytes, FORGET_BYTES);
    for (uint64_t i = from / page_bytes; i < FORGET_BYTES / page_bytes; i++)
        count += pages[i] & 1;
    return count;
}

// Also what was not written yet: it is, and no page of it stays.
Test(disk, what_is_forgotten_is_not_in_memory)
{
    static char bytes[FORGET_BYTES];
    struct statfs where;
    int fd = mr_disk->open(path, O_RDWR | O_CREAT);
    cr_assert_eq(fstatfs(fd, &where), 0);
    if (where.f_type == TMPFS)
        cr_skip_test("%s: a tmpfs has its files nowhere but in memory", path);
    memset(bytes, 7, sizeof bytes);
    cr_assert_eq(mr_disk->write(fd, bytes, sizeof bytes, 0), sizeof bytes);
    cr_assert_gt(pages_in_memory(fd, 0), 0);
    mr_disk->forget(fd, FORGET_BYTES / 2 + 1);
    cr_expect_eq(pages_in_memory(fd, FORGET_BYTES / 2), 0);
    memset(bytes, 0, sizeof bytes);
    cr_assert_eq(mr_disk->read(fd, bytes, sizeof bytes, 0), sizeof bytes);
    cr_expect(bytes[0] == 7 && bytes[FORGET_BYTES - 1] == 7);
    mr_disk->close(fd);
}

static int note_name(void *self, const char *name)
{
    strcat(self, name);
    return strcmp(name, "two") == 0 ? 7 : 0;
}

Test(disk, names_come_and_go)
{
    char names[64] = "";
    struct mr_disk_status status, renamed;
    int fd = mr_disk->open(path, O_RDWR | O_CREAT);
    cr_assert_eq(mr_disk->list(directory, note_name, names), 0);
    cr_assert_str_eq(names, "one");
    cr_assert_eq(mr_disk->status_of(fd, &status), 0);
    cr_assert_eq(mr_disk->rename(path, other), 0);
    cr_assert_eq(mr_disk->status(other, &renamed), 0);
    cr_assert(renamed.inode == status.inode && renamed.device == status.device);
    cr_assert_eq(mr_disk->list(directory, note_name, names), 7, "what the callback said");
    cr_assert_eq(mr_disk->unlink(other), 0);
    cr_assert_eq(mr_disk->status(other, &renamed), -1);
    cr_assert_eq(errno, ENOENT);
    cr_assert_eq(mr_disk->make_directory(path), 0);
    cr_assert_eq(mr_disk->status(path, &status), 0);
    cr_assert(status.directory);
    cr_assert_eq(mr_disk->list(other, note_name, names), -1);
    cr_assert_eq(errno, ENOENT);
    int directory_fd = mr_disk->open(directory, O_RDONLY | O_DIRECTORY);
    cr_assert_eq(mr_disk->sync_directory(directory_fd), 0);
    mr_disk->close(directory_fd);
    mr_disk->close(fd);
}

// Two kinds that do not meet, each held by one open file at a time.
Test(disk, locks_belong_to_the_open_file)
{
    int a = mr_disk->open(path, O_RDWR | O_CREAT), b = mr_disk->open(path, O_RDWR);
    cr_assert_eq(mr_disk->lock(a, MR_DISK_LOCK_FILE), 0);
    cr_assert_eq(mr_disk->lock(b, MR_DISK_LOCK_FILE), -1);
    cr_assert_eq(errno, EWOULDBLOCK);
    cr_assert_eq(mr_disk->lock(b, MR_DISK_LOCK_RECORDS), 0);
    cr_assert_eq(mr_disk->lock(a, MR_DISK_LOCK_RECORDS), -1);
    cr_assert(errno == EACCES || errno == EWOULDBLOCK);
    cr_assert_eq(mr_disk->unlock(b, MR_DISK_LOCK_RECORDS), 0);
    cr_assert_eq(mr_disk->lock(a, MR_DISK_LOCK_RECORDS), 0);
    mr_disk->close(a);
    cr_assert_eq(mr_disk->lock(b, MR_DISK_LOCK_FILE), 0, "given free by its end");
    mr_disk->close(b);
}
