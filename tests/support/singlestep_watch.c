// SPDX-License-Identifier: Apache-2.0
#include "tests/support/singlestep_watch.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "tests/support/singlestep_worlds.h"

#define FILES_MAX 64
#define RANGES_MAX 256
#define BLOCK_BYTES 512

struct range {
    size_t begin, end; // where the file has bytes
};

struct watched {
    char name[256];
    int fd;
    size_t bytes;
    int64_t blocks;
    uint8_t *there; // the file, mapped
    uint8_t *seen;  // as it was at the last look, where there are ranges
    bool reserved;  // it has room that holds nothing yet: filled without one more block
    struct range ranges[RANGES_MAX];
    unsigned range_count;
};

struct singlestep_watch {
    char world[256];
    struct watched files[FILES_MAX]; // by name
    unsigned file_count;
};

static void give_up(const char *what)
{
    perror(what);
    abort();
}

// ---- one file

static void *map(size_t bytes, int protection, int flags, int fd)
{
    void *at = bytes > 0 ? mmap(NULL, bytes, protection, flags, fd, 0) : NULL;
    if (at == MAP_FAILED)
        give_up("mmap");
    return at;
}

static unsigned find_ranges(const struct watched *file, struct range ranges[static RANGES_MAX])
{
    off_t at = 0, end = (off_t)file->bytes;
    unsigned count = 0;
    while (at < end && (at = lseek(file->fd, at, SEEK_DATA)) >= 0) {
        if (count == RANGES_MAX)
            give_up("too many holes");
        off_t hole = lseek(file->fd, at, SEEK_HOLE);
        ranges[count++] = (struct range){(size_t)at, (size_t)hole};
        at = hole;
    }
    return count;
}

static bool ranges_changed(const struct watched *file)
{
    struct range now[RANGES_MAX];
    unsigned count = find_ranges(file, now);
    return count != file->range_count || memcmp(now, file->ranges, count * sizeof now[0]) != 0;
}

static void look(struct watched *file)
{
    struct stat status;
    if (fstat(file->fd, &status) < 0)
        give_up(file->name);
    file->blocks = status.st_blocks;
    file->range_count = find_ranges(file, file->ranges);
    size_t held = 0;
    for (unsigned i = 0; i < file->range_count; i++) {
        struct range range = file->ranges[i];
        memcpy(file->seen + range.begin, file->there + range.begin, range.end - range.begin);
        held += range.end - range.begin;
    }
    file->reserved = (size_t)status.st_blocks * BLOCK_BYTES > held + MR_PAGE_BYTES;
}

static void watch_file(struct watched *file, int directory, const char *name)
{
    struct stat status;
    snprintf(file->name, sizeof file->name, "%s", name);
    file->fd = openat(directory, name, O_RDONLY | O_CLOEXEC);
    if (file->fd < 0 || fstat(file->fd, &status) < 0)
        give_up(name);
    file->bytes = (size_t)status.st_size;
    file->there = map(file->bytes, PROT_READ, MAP_SHARED, file->fd);
    file->seen =
        map(file->bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1);
    look(file);
}

static void unwatch_file(struct watched *file)
{
    if (file->bytes > 0) {
        munmap(file->there, file->bytes);
        munmap(file->seen, file->bytes);
    }
    close(file->fd);
}

static bool file_changed(const struct watched *file)
{
    struct stat status;
    if (fstat(file->fd, &status) < 0)
        give_up(file->name);
    if (status.st_blocks != file->blocks || (file->reserved && ranges_changed(file)))
        return true;
    for (unsigned i = 0; i < file->range_count; i++) {
        struct range range = file->ranges[i];
        if (memcmp(file->seen + range.begin, file->there + range.begin, range.end - range.begin))
            return true;
    }
    return false;
}

// ---- all of them

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct watched *)a)->name, ((const struct watched *)b)->name);
}

static void watch_all(struct singlestep_watch *watch)
{
    struct dirent *entry;
    DIR *stream = opendir(watch->world);
    watch->file_count = 0;
    while (stream && (entry = readdir(stream)) != NULL)
        if (entry->d_type == DT_REG) {
            if (watch->file_count == FILES_MAX)
                give_up("too many files");
            watch_file(&watch->files[watch->file_count++], dirfd(stream), entry->d_name);
        }
    if (stream)
        closedir(stream);
    qsort(watch->files, watch->file_count, sizeof watch->files[0], by_name);
}

static void unwatch_all(struct singlestep_watch *watch)
{
    for (unsigned i = 0; i < watch->file_count; i++)
        unwatch_file(&watch->files[i]);
}

struct singlestep_watch *singlestep_watch_open(const char *world)
{
    struct singlestep_watch *watch = calloc(1, sizeof *watch);
    if (!watch)
        abort();
    snprintf(watch->world, sizeof watch->world, "%s", world);
    watch_all(watch);
    return watch;
}

void singlestep_watch_close(struct singlestep_watch *watch)
{
    unwatch_all(watch);
    free(watch);
}

void singlestep_watch_reload(struct singlestep_watch *watch)
{
    unwatch_all(watch);
    watch_all(watch);
}

bool singlestep_watch_changed(struct singlestep_watch *watch)
{
    bool changed = false;
    for (unsigned i = 0; i < watch->file_count; i++)
        if (file_changed(&watch->files[i])) {
            look(&watch->files[i]);
            changed = true;
        }
    return changed;
}

bool singlestep_watch_covers(const struct singlestep_watch *watch, pid_t pid)
{
    char path[64], line[1024], access[8];
    bool good = true;
    int name;
    snprintf(path, sizeof path, "/proc/%d/maps", (int)pid);
    FILE *maps = fopen(path, "re");
    while (maps && good && fgets(line, sizeof line, maps)) {
        if (sscanf(line, "%*s %7s %*s %*s %*s %n", access, &name) != 1 || access[1] != 'w' ||
            access[3] != 's')
            continue;
        good = strncmp(line + name, watch->world, strlen(watch->world)) == 0;
        if (!good)
            printf("shared memory outside of %s: %s", watch->world, line);
    }
    if (maps)
        fclose(maps);
    return maps && good;
}

// ---- what it holds, in one number

static void add_range(XXH3_state_t *state, const struct watched *file, struct range range)
{
    for (size_t at = range.begin; at < range.end; at += MR_PAGE_BYTES) {
        size_t length = (size_t)mr_min_u64(MR_PAGE_BYTES, file->bytes - at);
        if (singlestep_is_zero(file->there + at, length))
            continue;
        XXH3_128bits_update(state, &at, sizeof at);
        XXH3_128bits_update(state, file->there + at, length);
    }
}

struct singlestep_print singlestep_watch_print(const struct singlestep_watch *watch)
{
    XXH3_state_t *state = XXH3_createState();
    XXH3_128bits_reset(state);
    for (unsigned i = 0; i < watch->file_count; i++) {
        const struct watched *file = &watch->files[i];
        XXH3_128bits_update(state, file->name, strlen(file->name) + 1);
        XXH3_128bits_update(state, &file->bytes, sizeof file->bytes);
        for (unsigned r = 0; r < file->range_count; r++)
            add_range(state, file, file->ranges[r]);
    }
    XXH128_hash_t hash = XXH3_128bits_digest(state);
    XXH3_freeState(state);
    return (struct singlestep_print){hash.low64, hash.high64};
}
