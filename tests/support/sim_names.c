// SPDX-License-Identifier: Apache-2.0
// The simulated disk's names: as every process sees them, as the disk has them, and what lies between.
#include <stdio.h>
#include <string.h>

#include "tests/support/scratch.h"
#include "tests/support/sim_disk.h"

int sim_names_find(const struct sim_names *names, const char *path)
{
    for (unsigned i = 0; i < names->count; i++)
        if (strcmp(names->items[i].path, path) == 0)
            return (int)i;
    return -1;
}

static void remove_name(struct sim_names *names, const char *path)
{
    int at = sim_names_find(names, path);
    if (at >= 0)
        names->items[at] = names->items[--names->count];
}

static void apply(struct sim_disk *disk, struct sim_names *names, const struct sim_waiting *change)
{
    if (change->from[0])
        remove_name(names, change->from);
    if (!change->path[0])
        return;
    remove_name(names, change->path);
    if (names->count == SIM_NAMES_MAX) {
        sim_disk_misuse(disk, "more than %d names", SIM_NAMES_MAX);
        return;
    }
    struct sim_name *name = &names->items[names->count++];
    memcpy(name->path, change->path, sizeof name->path);
    name->file = change->file;
}

// The change at `index` reaches the disk.
static void commit(struct sim_disk *disk, unsigned index)
{
    apply(disk, &disk->disk_names, &disk->waiting[index]);
    disk->waiting_count--;
    memmove(&disk->waiting[index], &disk->waiting[index + 1],
            (disk->waiting_count - index) * sizeof disk->waiting[0]);
}

void sim_names_change(struct sim_disk *disk, const char *from, const char *path, unsigned file)
{
    struct sim_waiting change = {.file = file};
    snprintf(change.from, sizeof change.from, "%s", from);
    snprintf(change.path, sizeof change.path, "%s", path);
    apply(disk, &disk->names, &change);
    if (disk->waiting_count == SIM_WAITING_MAX || sim_disk_chance(disk, 16))
        while (disk->waiting_count > 0) // the kernel has written them back by itself
            commit(disk, 0);
    disk->waiting[disk->waiting_count++] = change;
}

static bool is_in(const char *path, const char *directory)
{
    const char *slash = strrchr(path, '/');
    size_t length = strlen(directory);
    if (strcmp(directory, "/") == 0)
        return slash == path;
    return slash && (size_t)(slash - path) == length && memcmp(path, directory, length) == 0;
}

void sim_names_sync(struct sim_disk *disk, const char *directory)
{
    for (unsigned i = 0; i < disk->waiting_count;) {
        const struct sim_waiting *change = &disk->waiting[i];
        if (is_in(change->path[0] ? change->path : change->from, directory))
            commit(disk, i);
        else
            i++;
    }
}

// Whose directory is not there is not there either.
static void remove_unreachable(struct sim_disk *disk)
{
    struct sim_names *names = &disk->disk_names;
    for (unsigned i = 0; i < names->count;) {
        char directory[SIM_PATH_BYTES];
        memcpy(directory, names->items[i].path, sizeof directory);
        *strrchr(directory, '/') = '\0';
        if (!directory[0] || sim_names_find(names, directory) >= 0) {
            i++;
            continue;
        }
        names->items[i] = names->items[--names->count];
        i = 0; // what stood below it may be unreachable now
    }
}

void sim_names_lose_power(struct sim_disk *disk)
{
    unsigned often = (unsigned)random_below(&disk->random, 5) * 256;
    for (unsigned i = 0; i < disk->waiting_count; i++)
        if (sim_disk_chance(disk, often))
            apply(disk, &disk->disk_names, &disk->waiting[i]);
    disk->waiting_count = 0;
    remove_unreachable(disk);
    disk->names = disk->disk_names;
}

static bool is_named(const struct sim_names *names, unsigned file)
{
    for (unsigned i = 0; i < names->count; i++)
        if (names->items[i].file == file)
            return true;
    return false;
}

static bool is_in_use(const struct sim_disk *disk, unsigned file)
{
    if (is_named(&disk->names, file) || is_named(&disk->disk_names, file))
        return true;
    for (unsigned i = 0; i < disk->waiting_count; i++)
        if (disk->waiting[i].path[0] && disk->waiting[i].file == file)
            return true;
    for (unsigned i = 0; i < SIM_OPEN_MAX; i++)
        if (disk->open_files[i].used && disk->open_files[i].file == file)
            return true;
    for (unsigned i = 0; i < disk->request_count; i++)
        if (disk->requests[i].file == file)
            return true;
    return false;
}

unsigned sim_disk_unused_file(const struct sim_disk *disk)
{
    unsigned file = 0;
    while (file < SIM_FILES_MAX && disk->files[file].used && is_in_use(disk, file))
        file++;
    return file;
}

const char *sim_disk_path_of(const struct sim_disk *disk, unsigned file)
{
    for (unsigned i = 0; i < disk->names.count; i++)
        if (disk->names.items[i].file == file)
            return disk->names.items[i].path;
    return "a file without name";
}
