// SPDX-License-Identifier: Apache-2.0
#include "tests/support/memory_disk.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FILE_BYTES_MAX (1u << 20)
#define FD_FIRST 1000     // descriptors of files, by their place
#define FD_DIRECTORY 2000 // of every directory

static struct file {
    char path[128];
    uint8_t *bytes;
    size_t length;
    bool removed;
    bool made; // here: its bytes are ours, and grow
} files[MEMORY_DISK_FILES_MAX];
static unsigned file_count;

static struct file *find(const char *path)
{
    for (unsigned i = 0; i < file_count; i++)
        if (!files[i].removed && strcmp(files[i].path, path) == 0)
            return &files[i];
    errno = ENOENT;
    return NULL;
}

static const char *name_within(const struct file *file, const char *directory)
{
    size_t length = strlen(directory);
    bool inside = strncmp(file->path, directory, length) == 0 && file->path[length] == '/';
    return inside && !file->removed ? file->path + length + 1 : NULL;
}

static bool is_directory(const char *path)
{
    for (unsigned i = 0; i < file_count; i++)
        if (name_within(&files[i], path))
            return true;
    return false;
}

static struct file *of(int fd)
{
    if (fd < FD_FIRST || fd >= FD_FIRST + (int)file_count)
        abort();
    return &files[fd - FD_FIRST];
}

static struct file *add(const char *path)
{
    if (file_count == MEMORY_DISK_FILES_MAX || strlen(path) >= sizeof files[0].path) {
        errno = ENOSPC;
        return NULL;
    }
    struct file *file = &files[file_count++];
    *file = (struct file){.made = true};
    strcpy(file->path, path);
    return file;
}

// Zeroes behind what is there. False: there is no room.
static bool grow(struct file *file, uint64_t bytes)
{
    uint8_t *grown = file->made && bytes <= FILE_BYTES_MAX ? realloc(file->bytes, bytes) : NULL;
    if (!grown) {
        errno = ENOSPC;
        return false;
    }
    memset(grown + file->length, 0, bytes - file->length);
    file->bytes = grown;
    file->length = bytes;
    return true;
}

// ---- the disk's operations

static int open_file(const char *path, int flags)
{
    struct file *file = find(path);
    if (!file && is_directory(path))
        return FD_DIRECTORY;
    if (!file && flags & O_CREAT)
        file = add(path);
    if (!file)
        return -1;
    if (flags & O_TRUNC)
        file->length = 0;
    return FD_FIRST + (int)(file - files);
}

static void close_file(int fd)
{
    (void)fd;
}

static ssize_t read_file(int fd, void *out, size_t bytes, uint64_t at)
{
    const struct file *file = of(fd);
    size_t there = at < file->length ? mr_min_u64(bytes, file->length - at) : 0;
    if (there > 0)
        memcpy(out, file->bytes + at, there);
    return (ssize_t)there;
}

static ssize_t write_file(int fd, const void *bytes, size_t length, uint64_t at)
{
    struct file *file = of(fd);
    if (at + length > file->length && !grow(file, at + length))
        return -1;
    memcpy(file->bytes + at, bytes, length);
    return (ssize_t)length;
}

// No holes but the one behind the end.
static int64_t skip_hole(int fd, uint64_t at)
{
    if (at < of(fd)->length)
        return (int64_t)at;
    errno = ENXIO;
    return -1;
}

static int sync_file(int fd)
{
    (void)fd;
    return 0;
}

static int change_length(int fd, uint64_t bytes)
{
    struct file *file = of(fd);
    if (bytes > file->length)
        return grow(file, bytes) ? 0 : -1;
    file->length = bytes;
    return 0;
}

static int rename_file(const char *from, const char *to)
{
    struct file *file = find(from), *before = find(to);
    if (!file)
        return -1;
    if (before)
        before->removed = true;
    snprintf(file->path, sizeof file->path, "%s", to);
    return 0;
}

static int unlink_file(const char *path)
{
    struct file *file = find(path);
    if (!file)
        return -1;
    file->removed = true;
    return 0;
}

static int make_directory(const char *path)
{
    errno = is_directory(path) ? EEXIST : ENOSPC;
    return -1;
}

static int list(const char *directory, int (*each)(void *self, const char *name), void *self)
{
    int result = 0;
    if (!is_directory(directory)) {
        errno = ENOENT;
        return -1;
    }
    for (unsigned i = 0; i < file_count && result == 0; i++) {
        const char *name = name_within(&files[i], directory);
        if (name && !strchr(name, '/'))
            result = each(self, name);
    }
    return result;
}

static void fill(const struct file *file, struct mr_disk_status *out)
{
    *out = (struct mr_disk_status){
        .device = 1, .inode = 1 + (uint64_t)(file - files), .bytes = file->length};
}

static int status(const char *path, struct mr_disk_status *out)
{
    const struct file *file = find(path);
    if (file)
        fill(file, out);
    else if (is_directory(path))
        *out = (struct mr_disk_status){.device = 1, .inode = 1000, .directory = true};
    else
        return -1;
    return 0;
}

static int status_of(int fd, struct mr_disk_status *out)
{
    if (fd == FD_DIRECTORY)
        *out = (struct mr_disk_status){.device = 1, .inode = 1000, .directory = true};
    else
        fill(of(fd), out);
    return 0;
}

static int lock(int fd, enum mr_disk_lock kind)
{
    (void)fd, (void)kind;
    return 0;
}

static uint64_t free_bytes(int fd)
{
    (void)fd;
    return 0;
}

static bool direct_units(int fd, uint32_t *memory_bytes, uint32_t *offset_bytes)
{
    (void)fd, (void)memory_bytes, (void)offset_bytes;
    return false;
}

static const struct mr_disk in_memory = {
    .open = open_file,
    .close = close_file,
    .read = read_file,
    .write = write_file,
    .skip_hole = skip_hole,
    .sync = sync_file,
    .sync_directory = sync_file,
    .allocate = change_length,
    .truncate = change_length,
    .rename = rename_file,
    .unlink = unlink_file,
    .make_directory = make_directory,
    .list = list,
    .status = status,
    .status_of = status_of,
    .lock = lock,
    .unlock = lock,
    .free_bytes = free_bytes,
    .direct_units = direct_units,
};

void memory_disk_use(void)
{
    mr_disk = &in_memory;
}

void memory_disk_put(const char *path, uint8_t *bytes, size_t length)
{
    struct file *file = add(path);
    if (!file)
        abort();
    file->made = false;
    file->bytes = bytes;
    file->length = length;
}

void memory_disk_clear(void)
{
    for (unsigned i = 0; i < file_count; i++)
        if (files[i].made)
            free(files[i].bytes);
    file_count = 0;
}
