// SPDX-License-Identifier: Apache-2.0
#include "tests/support/singlestep_parts.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/support/scratch.h"
#include "tests/support/singlestep_clock.h"
#include "tests/support/singlestep_worlds.h"

static struct scratch shelf; // where worlds are put aside
static unsigned hour;        // of the world that was put aside last

// ---- directories of plain files

// Holes stay holes, and zeroes become some: an undo log of 8 MiB is mostly that.
static bool copy_bytes(int in, int out, off_t size)
{
    static uint8_t chunk[MR_PAGE_BYTES];
    off_t at = lseek(in, 0, SEEK_DATA);
    while (at >= 0 && at < size) {
        ssize_t length = pread(in, chunk, sizeof chunk, at);
        if (length <= 0)
            return false;
        if (!singlestep_is_zero(chunk, (size_t)length) &&
            pwrite(out, chunk, (size_t)length, at) != length)
            return false;
        at = lseek(in, at + length, SEEK_DATA);
    }
    return true;
}

static bool copy_file(const char *from, const char *to)
{
    struct stat status;
    int in = open(from, O_RDONLY | O_CLOEXEC);
    int out = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    bool good = in >= 0 && out >= 0 && fstat(in, &status) == 0 &&
                ftruncate(out, status.st_size) == 0 && copy_bytes(in, out, status.st_size);
    close(in);
    close(out);
    return good;
}

static bool each_file(const char *directory,
                      bool (*act)(const char *path, const char *name, const void *context),
                      const void *context)
{
    char path[600];
    struct dirent *entry;
    bool good = true;
    DIR *stream = opendir(directory);
    while (stream && good && (entry = readdir(stream)) != NULL)
        if (entry->d_type == DT_REG) {
            snprintf(path, sizeof path, "%s/%s", directory, entry->d_name);
            good = act(path, entry->d_name, context);
        }
    if (stream)
        closedir(stream);
    return good;
}

static bool remove_one(const char *path, const char *name, const void *context)
{
    (void)name, (void)context;
    return unlink(path) == 0;
}

static bool copy_one(const char *path, const char *name, const void *to)
{
    char copy[600];
    snprintf(copy, sizeof copy, "%s/%s", (const char *)to, name);
    return copy_file(path, copy);
}

static bool copy_directory(const char *from, const char *to)
{
    mkdir(to, 0700);
    return each_file(to, remove_one, NULL) && each_file(from, copy_one, to);
}

static bool differs(const char *path, const char *name, const void *other)
{
    char there[600];
    size_t bytes[2] = {0, 0};
    snprintf(there, sizeof there, "%s/%s", (const char *)other, name);
    uint8_t *ours = singlestep_read_file(path, &bytes[0]);
    uint8_t *theirs = singlestep_read_file(there, &bytes[1]);
    bool same = ours && theirs && bytes[0] == bytes[1] && memcmp(ours, theirs, bytes[0]) == 0;
    free(ours);
    free(theirs);
    return same;
}

uint8_t *singlestep_read_file(const char *path, size_t *bytes)
{
    struct stat status;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &status) < 0)
        return NULL;
    *bytes = (size_t)status.st_size;
    uint8_t *copy = malloc(*bytes + 1);
    if (copy && read(fd, copy, *bytes) != (ssize_t)*bytes)
        abort();
    close(fd);
    return copy;
}

static const char *on_shelf(const char *name, char *out, size_t out_bytes)
{
    return scratch_path(&shelf, name, out, out_bytes);
}

bool singlestep_put_aside(const char *world, const char *name)
{
    char place[256];
    singlestep_clock_set(++hour);
    return copy_directory(world, on_shelf(name, place, sizeof place));
}

bool singlestep_take_back(const char *world, const char *name)
{
    char place[256];
    singlestep_clock_set(hour + 1);
    return copy_directory(on_shelf(name, place, sizeof place), world);
}

// Same names, same bytes.
bool singlestep_is_like(const char *world, const char *name)
{
    char place[256];
    on_shelf(name, place, sizeof place);
    return each_file(world, differs, place) && each_file(place, differs, world);
}

// ---- the parts

bool singlestep_part_restore(const struct singlestep_part *part)
{
    return singlestep_take_back(part->victim.world, part->name);
}

bool singlestep_part_check(const struct singlestep_part *part, char *why, size_t why_bytes)
{
    singlestep_clock_set(hour + 2);
    return part->check(why, why_bytes);
}

void singlestep_parts_open(void)
{
    scratch_open(&shelf);
    singlestep_stages_open();
    singlestep_journals_open();
}

void singlestep_parts_close(void)
{
    singlestep_journals_close();
    singlestep_stages_close();
    scratch_close(&shelf);
}

const struct singlestep_part singlestep_parts[] = {
    {"create",
     singlestep_prepare_create,
     {singlestep_run_create, NULL, singlestep_stage_world},
     singlestep_check_produce},
    {"produce",
     singlestep_prepare_produce,
     {singlestep_run_produce, NULL, singlestep_stage_world},
     singlestep_check_produce},
    {"transform",
     singlestep_prepare_transform,
     {singlestep_run_transform, NULL, singlestep_stage_world},
     singlestep_check_transform},
    {"padding",
     singlestep_prepare_padding,
     {singlestep_run_transform, NULL, singlestep_stage_world},
     singlestep_check_transform},
    {"open",
     singlestep_prepare_open,
     {singlestep_run_open, NULL, singlestep_stage_world},
     singlestep_check_transform},
    {"roll-back",
     singlestep_prepare_roll_back,
     {singlestep_run_roll_back, NULL, singlestep_stage_world},
     singlestep_check_transform},
    {"journal",
     singlestep_prepare_journal,
     {singlestep_run_journal, NULL, singlestep_journal_world},
     singlestep_check_journal},
    {"resume",
     singlestep_prepare_resume,
     {singlestep_run_resume, NULL, singlestep_journal_world},
     singlestep_check_resume},
    {0},
};
