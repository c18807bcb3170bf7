// SPDX-License-Identifier: Apache-2.0
// The simulated disk in the place of the real one (core/disk.h).
#include "tests/support/sim_disk.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/scratch.h"

static struct sim_disk *now;

// ---- the disk itself ---------------------------------------------------------------------------
struct sim_disk *sim_disk_new(void)
{
    struct sim_disk *disk = calloc(1, sizeof *disk);
    uint8_t *bytes = disk ? calloc(SIM_FILES_MAX, 2 * SIM_FILE_BYTES_MAX) : NULL;
    if (!bytes)
        abort();
    for (unsigned i = 0; i < SIM_FILES_MAX; i++) {
        disk->files[i].cache = bytes + 2 * i * SIM_FILE_BYTES_MAX;
        disk->files[i].disk = disk->files[i].cache + SIM_FILE_BYTES_MAX;
    }
    return disk;
}

void sim_disk_free(struct sim_disk *disk)
{
    if (disk)
        free(disk->files[0].cache);
    free(disk);
}

void sim_disk_reset(struct sim_disk *disk, uint64_t seed)
{
    disk->random = seed;
    disk->faults = (struct sim_faults){0};
    disk->allocates = true;
    disk->keeps_lost = random_next(&disk->random) & 1;
    disk->steps = disk->die_at = disk->writes = disk->syncs = disk->failed = 0;
    disk->failed_syncs = disk->syncs_after_failure = disk->sectors_lost = disk->orphan_used = 0;
    disk->dead = disk->trace = false;
    disk->now_ns = 1000000000;
    disk->misuse[0] = '\0';
    disk->waiting_count = disk->request_count = 0;
    memset(disk->open_files, 0, sizeof disk->open_files);
    for (unsigned i = 0; i < SIM_FILES_MAX; i++)
        disk->files[i].used = false;
    sim_file_create(&disk->files[0], true);
    disk->disk_names = (struct sim_names){.items[0] = {.path = "/"}, .count = 1};
    disk->names = disk->disk_names;
}

void sim_disk_use(struct sim_disk *disk)
{
    now = disk;
    mr_disk = disk ? &sim_disk_operations : &mr_disk_real;
}

struct sim_disk *sim_disk_now(void)
{
    return now;
}

bool sim_disk_chance(struct sim_disk *disk, unsigned often)
{
    return often > 0 && (random_next(&disk->random) & 1023) < often;
}

void sim_disk_trace(const struct sim_disk *disk, const char *format, ...)
{
    if (!disk->trace)
        return;
    va_list args;
    va_start(args, format);
    printf("%6llu  ", (unsigned long long)disk->steps);
    vprintf(format, args);
    printf("\n");
    va_end(args);
}

void sim_disk_misuse(struct sim_disk *disk, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    if (!disk->misuse[0])
        vsnprintf(disk->misuse, sizeof disk->misuse, format, args);
    va_end(args);
}

// ---- life and death ----------------------------------------------------------------------------
// What was handed over and not carried out goes on without its process; the bytes were pinned.
void sim_disk_die(struct sim_disk *disk)
{
    unsigned kept = 0;
    disk->dead = true;
    sim_disk_trace(disk, "---- dies here");
    for (unsigned i = 0; i < disk->request_count; i++) {
        struct sim_request *request = &disk->requests[i];
        size_t length = request->request.length;
        if (request->carried_out || request->request.op == MR_IO_SYNC ||
            sim_disk_chance(disk, 256) || disk->orphan_used + length > SIM_ORPHAN_BYTES)
            continue; // or was cancelled
        memcpy(disk->orphan_bytes + disk->orphan_used, request->request.bytes, length);
        request->request.bytes = disk->orphan_bytes + disk->orphan_used;
        disk->orphan_used += length;
        request->orphan = true;
        disk->requests[kept++] = *request;
    }
    disk->request_count = kept;
}

bool sim_disk_step(struct sim_disk *disk)
{
    if (!disk->dead && ++disk->steps == disk->die_at)
        sim_disk_die(disk);
    if (disk->dead) {
        errno = ESHUTDOWN;
        return false;
    }
    if (sim_disk_chance(disk, 64)) {
        struct sim_file *file = &disk->files[random_below(&disk->random, SIM_FILES_MAX)];
        if (file->used && !file->directory)
            sim_file_write_back(disk, file, (unsigned)random_below(&disk->random, 1025));
    }
    if (disk->request_count > 0 && disk->requests[0].orphan && sim_disk_chance(disk, 256))
        sim_disk_drain_one(disk, NULL, MR_DISK_LOCK_FILE);
    return true;
}

bool sim_disk_drain_one(struct sim_disk *disk, const unsigned *file, enum mr_disk_lock kind)
{
    for (unsigned i = 0; i < disk->request_count; i++) {
        struct sim_request request = disk->requests[i];
        if (!request.orphan ||
            (file && (request.file != *file || request.direct != (kind == MR_DISK_LOCK_RECORDS))))
            continue;
        size_t length = request.request.length;
        if (!sim_is_one_sector((uint64_t)request.request.offset, length) &&
            sim_disk_chance(disk, 256)) // it was on the point of being cancelled
            length = random_below(&disk->random, length + 1);
        sim_disk_trace(disk, "%s: a dead process's %zu bytes at %lld",
                       sim_disk_path_of(disk, request.file), length,
                       (long long)request.request.offset);
        sim_file_write(&disk->files[request.file], request.request.bytes, length,
                       (uint64_t)request.request.offset, request.direct);
        disk->request_count--;
        memmove(&disk->requests[i], &disk->requests[i + 1],
                (disk->request_count - i) * sizeof disk->requests[0]);
        return true;
    }
    disk->orphan_used = disk->request_count == 0 ? 0 : disk->orphan_used;
    return false;
}

static void lose_power(struct sim_disk *disk)
{
    unsigned often = (unsigned)random_below(&disk->random, 5) * 256;
    while (sim_disk_drain_one(disk, NULL, MR_DISK_LOCK_FILE))
        continue;
    for (unsigned i = 0; i < SIM_FILES_MAX; i++)
        if (disk->files[i].used && !disk->files[i].directory)
            sim_file_lose_power(disk, &disk->files[i], often);
    sim_names_lose_power(disk);
    sim_disk_trace(disk, "---- the power is back: %u names", disk->names.count);
}

void sim_disk_restart(struct sim_disk *disk, enum sim_end end)
{
    if (!disk->dead)
        sim_disk_die(disk);
    memset(disk->open_files, 0, sizeof disk->open_files);
    bool drops = sim_disk_chance(disk, 512);
    for (unsigned i = 0; i < SIM_FILES_MAX; i++) {
        disk->files[i].locks[0] = disk->files[i].locks[1] = -1;
        disk->files[i].sync_failed = false;
        if (drops && disk->files[i].used)
            sim_file_forget(disk, &disk->files[i], 0, false);
    }
    if (end == SIM_POWER_LOST)
        lose_power(disk);
    disk->dead = false;
    disk->die_at = 0;
}

void sim_disk_drop_lost(struct sim_disk *disk)
{
    for (unsigned i = 0; i < SIM_FILES_MAX; i++)
        if (disk->files[i].used)
            sim_file_forget(disk, &disk->files[i], 0, true);
}

bool sim_disk_flip(struct sim_disk *disk, const char *path, uint64_t at, uint8_t bits)
{
    int name = sim_names_find(&disk->names, path);
    if (name < 0 || at >= disk->files[disk->names.items[name].file].cache_bytes)
        return false;
    struct sim_file *file = &disk->files[disk->names.items[name].file];
    file->cache[at] ^= bits;
    file->disk[at] = file->cache[at];
    return true;
}

// ---- descriptors -------------------------------------------------------------------------------
struct sim_open_file *sim_disk_open_file(struct sim_disk *disk, int fd)
{
    int at = fd - SIM_FD_FIRST;
    if (at >= 0 && at < SIM_OPEN_MAX && disk->open_files[at].used)
        return &disk->open_files[at];
    sim_disk_misuse(disk, "descriptor %d is not open", fd);
    errno = EBADF;
    return NULL;
}

static int take_descriptor(struct sim_disk *disk, unsigned file, bool direct)
{
    for (int i = 0; i < SIM_OPEN_MAX; i++) {
        if (disk->open_files[i].used)
            continue;
        disk->open_files[i] = (struct sim_open_file){.used = true, .file = file, .direct = direct};
        return SIM_FD_FIRST + i;
    }
    sim_disk_misuse(disk, "more than %d files open", SIM_OPEN_MAX);
    errno = EMFILE;
    return -1;
}

static int create(struct sim_disk *disk, const char *path, bool directory)
{
    unsigned file = sim_disk_unused_file(disk);
    if (file == SIM_FILES_MAX) {
        sim_disk_misuse(disk, "more than %d files", SIM_FILES_MAX);
        errno = ENFILE;
        return -1;
    }
    sim_file_create(&disk->files[file], directory);
    sim_names_change(disk, "", path, file);
    return (int)file;
}

static bool parent_stands(const struct sim_disk *disk, const char *path)
{
    char parent[SIM_PATH_BYTES];
    const char *slash = strrchr(path, '/');
    if (slash == path)
        return true;
    snprintf(parent, sizeof parent, "%.*s", (int)(slash - path), path);
    return sim_names_find(&disk->names, parent) >= 0;
}

static int sim_open(const char *path, int flags)
{
    struct sim_disk *disk = now;
    int name = sim_names_find(&disk->names, path);
    int file = name < 0 ? -1 : (int)disk->names.items[name].file;
    bool changes = (flags & O_TRUNC) || (file < 0 && (flags & O_CREAT));
    if (disk->dead || (changes && !sim_disk_step(disk))) {
        errno = ESHUTDOWN;
        return -1;
    }
    if (file < 0 && (!(flags & O_CREAT) || !parent_stands(disk, path))) {
        errno = ENOENT;
        return -1;
    }
    if (changes)
        sim_disk_trace(disk, "%s: %s", path, file < 0 ? "created" : "emptied");
    if (file < 0 && (file = create(disk, path, false)) < 0)
        return -1;
    if (flags & O_TRUNC)
        sim_file_resize(&disk->files[file], 0);
    return take_descriptor(disk, (unsigned)file, flags & O_DIRECT);
}

static void sim_close(int fd)
{
    struct sim_disk *disk = now;
    struct sim_open_file *open_file = disk->dead ? NULL : sim_disk_open_file(disk, fd);
    if (!open_file)
        return;
    int *locks = disk->files[open_file->file].locks;
    for (int kind = 0; kind < 2; kind++)
        if (locks[kind] == fd)
            locks[kind] = -1;
    open_file->used = false;
}

// ---- bytes -------------------------------------------------------------------------------------
// NULL where there is no such file, or nobody who asks.
static struct sim_file *file_of(int fd)
{
    if (now->dead) {
        errno = ESHUTDOWN;
        return NULL;
    }
    const struct sim_open_file *open_file = sim_disk_open_file(now, fd);
    return open_file ? &now->files[open_file->file] : NULL;
}

static ssize_t sim_read(int fd, void *out, size_t bytes, uint64_t at)
{
    const struct sim_file *file = file_of(fd);
    if (!file)
        return -1;
    if (sim_disk_chance(now, now->faults.read_error)) {
        now->failed++;
        errno = EIO;
        return -1;
    }
    if (at >= file->cache_bytes)
        return 0;
    bytes = mr_min_u64(bytes, file->cache_bytes - at);
    if (bytes > 1 && sim_disk_chance(now, now->faults.short_read))
        bytes = 1 + random_below(&now->random, bytes - 1);
    uint64_t there = at < file->touched ? mr_min_u64(bytes, file->touched - at) : 0;
    memcpy(out, file->cache + at, there);
    memset((uint8_t *)out + there, 0, bytes - there);
    return (ssize_t)bytes;
}

static ssize_t sim_write(int fd, const void *bytes, size_t length, uint64_t at)
{
    struct sim_open_file *open_file = now->dead ? NULL : sim_disk_open_file(now, fd);
    struct sim_request request = {
        .request = {.op = MR_IO_WRITE, .bytes = bytes, .length = length, .offset = (int64_t)at}};
    if (!open_file || !sim_disk_step(now)) {
        errno = now->dead ? ESHUTDOWN : EBADF;
        return -1;
    }
    request.file = open_file->file;
    request.direct = open_file->direct;
    bool interrupted = sim_disk_chance(now, now->faults.interrupted);
    int64_t result = interrupted ? -EINTR : sim_request_write(now, &request);
    if (result >= 0)
        return (ssize_t)result;
    errno = (int)-result;
    return -1;
}

// The next byte that is not zero: as files have holes that were never written.
static int64_t sim_skip_hole(int fd, uint64_t at)
{
    const struct sim_file *file = file_of(fd);
    if (!file)
        return -1;
    while (at < file->cache_bytes && at < file->touched && !file->cache[at])
        at++;
    if (at < file->cache_bytes && at < file->touched)
        return (int64_t)at;
    errno = ENXIO;
    return -1;
}

static int sim_sync(int fd)
{
    struct sim_file *file = file_of(fd);
    if (!file || !sim_disk_step(now))
        return -1;
    int64_t result = sim_file_sync(now, (unsigned)(file - now->files));
    errno = (int)-result;
    return result == 0 ? 0 : -1;
}

static void sim_forget(int fd, uint64_t from)
{
    struct sim_file *file = file_of(fd);
    if (file)
        sim_file_forget(now, file, from, true);
}

static int sim_allocate(int fd, uint64_t bytes)
{
    struct sim_file *file = file_of(fd);
    if (!file || !sim_disk_step(now))
        return -1;
    errno = EOPNOTSUPP;
    if (!now->allocates)
        return -1;
    errno = sim_disk_chance(now, now->faults.no_room)       ? ENOSPC
            : sim_disk_chance(now, now->faults.interrupted) ? EINTR
            : bytes > SIM_FILE_BYTES_MAX                    ? EFBIG
                                                            : 0;
    if (errno != 0) {
        now->failed += errno == ENOSPC;
        sim_disk_trace(now, "%s: cannot allocate",
                       sim_disk_path_of(now, (unsigned)(file - now->files)));
        return -1;
    }
    if (bytes > file->cache_bytes)
        sim_file_resize(file, bytes);
    sim_disk_trace(now, "%s: allocated", sim_disk_path_of(now, (unsigned)(file - now->files)));
    return 0;
}

static int sim_truncate(int fd, uint64_t bytes)
{
    struct sim_file *file = file_of(fd);
    if (!file || !sim_disk_step(now))
        return -1;
    sim_file_resize(file, bytes);
    sim_disk_trace(now, "%s: truncated to %llu",
                   sim_disk_path_of(now, (unsigned)(file - now->files)), (unsigned long long)bytes);
    return 0;
}

// ---- names -------------------------------------------------------------------------------------
static int sim_sync_directory(int fd)
{
    struct sim_file *file = file_of(fd);
    if (!file || !sim_disk_step(now))
        return -1;
    const char *path = sim_disk_path_of(now, (unsigned)(file - now->files));
    if (!file->directory)
        sim_disk_misuse(now, "%s: synced as a directory", path);
    if (sim_disk_chance(now, now->faults.sync_error)) {
        now->failed++;
        errno = EIO;
        return -1;
    }
    sim_names_sync(now, path);
    sim_disk_trace(now, "%s: its names are synced", path);
    return 0;
}

static int sim_rename(const char *from, const char *to)
{
    int at = now->dead ? -1 : sim_names_find(&now->names, from);
    errno = now->dead ? ESHUTDOWN : ENOENT;
    if (at < 0 || !sim_disk_step(now))
        return -1;
    sim_names_change(now, from, to, now->names.items[at].file);
    sim_disk_trace(now, "%s: renamed to %s", from, to);
    return 0;
}

static int sim_unlink(const char *path)
{
    errno = now->dead ? ESHUTDOWN : ENOENT;
    if (now->dead || sim_names_find(&now->names, path) < 0 || !sim_disk_step(now))
        return -1;
    sim_names_change(now, path, "", 0);
    sim_disk_trace(now, "%s: removed", path);
    return 0;
}

static int sim_make_directory(const char *path)
{
    errno = now->dead ? ESHUTDOWN : sim_names_find(&now->names, path) >= 0 ? EEXIST : ENOENT;
    if (now->dead || errno == EEXIST || !parent_stands(now, path) || !sim_disk_step(now))
        return -1;
    sim_disk_trace(now, "%s: made", path);
    return create(now, path, true) < 0 ? -1 : 0;
}

static int sim_list(const char *directory, int (*each)(void *self, const char *name), void *self)
{
    size_t length = strlen(directory);
    errno = now->dead ? ESHUTDOWN : ENOENT;
    if (now->dead || sim_names_find(&now->names, directory) < 0)
        return -1;
    for (unsigned i = 0; i < now->names.count; i++) {
        const char *path = now->names.items[i].path;
        if (strncmp(path, directory, length) != 0 || path[length] != '/' ||
            strchr(path + length + 1, '/'))
            continue;
        int result = each(self, path + length + 1);
        if (result != 0)
            return result;
    }
    return 0;
}

// ---- what stands there -------------------------------------------------------------------------
static void fill_status(unsigned file, struct mr_disk_status *out)
{
    *out = (struct mr_disk_status){
        .device = 1,
        .inode = file + 1,
        .bytes = now->files[file].cache_bytes,
        .directory = now->files[file].directory,
    };
}

static int sim_status(const char *path, struct mr_disk_status *out)
{
    int name = now->dead ? -1 : sim_names_find(&now->names, path);
    errno = now->dead ? ESHUTDOWN : ENOENT;
    if (name < 0)
        return -1;
    fill_status(now->names.items[name].file, out);
    return 0;
}

static int sim_status_of(int fd, struct mr_disk_status *out)
{
    const struct sim_file *file = file_of(fd);
    if (!file)
        return -1;
    fill_status((unsigned)(file - now->files), out);
    return 0;
}

static int sim_lock(int fd, enum mr_disk_lock kind)
{
    struct sim_file *file = file_of(fd);
    if (!file)
        return -1;
    unsigned index = (unsigned)(file - now->files);
    errno = EWOULDBLOCK;
    if (file->locks[kind] >= 0 && file->locks[kind] != fd)
        return -1;
    if (sim_disk_drain_one(now, &index, kind))
        return -1;
    file->locks[kind] = fd;
    return 0;
}

static int sim_unlock(int fd, enum mr_disk_lock kind)
{
    struct sim_file *file = file_of(fd);
    if (!file)
        return -1;
    if (file->locks[kind] == fd)
        file->locks[kind] = -1;
    return 0;
}

static uint64_t sim_free_bytes(int fd)
{
    (void)fd;
    return 0;
}

static bool sim_direct_units(int fd, uint32_t *memory_bytes, uint32_t *offset_bytes)
{
    (void)fd;
    *memory_bytes = *offset_bytes = MR_SECTOR_BYTES;
    return true;
}

const struct mr_disk sim_disk_operations = {
    .open = sim_open,
    .close = sim_close,
    .read = sim_read,
    .write = sim_write,
    .skip_hole = sim_skip_hole,
    .sync = sim_sync,
    .sync_directory = sim_sync_directory,
    .forget = sim_forget,
    .allocate = sim_allocate,
    .truncate = sim_truncate,
    .rename = sim_rename,
    .unlink = sim_unlink,
    .make_directory = sim_make_directory,
    .list = sim_list,
    .status = sim_status,
    .status_of = sim_status_of,
    .lock = sim_lock,
    .unlock = sim_unlock,
    .free_bytes = sim_free_bytes,
    .direct_units = sim_direct_units,
};
