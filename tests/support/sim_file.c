// SPDX-License-Identifier: Apache-2.0
// A file of the simulated disk: its bytes in the cache and on the disk.
#include <errno.h>
#include <string.h>

#include "tests/support/scratch.h"
#include "tests/support/sim_disk.h"

void sim_file_create(struct sim_file *file, bool directory)
{
    memset(file->cache, 0, file->touched);
    memset(file->disk, 0, file->touched);
    memset(file->unwritten, 0, sizeof file->unwritten);
    *file = (struct sim_file){
        .used = true,
        .directory = directory,
        .cache = file->cache,
        .disk = file->disk,
        .locks = {-1, -1},
    };
}

static void mark_unwritten(struct sim_file *file, uint64_t begin, uint64_t end)
{
    for (uint64_t sector = begin / MR_SECTOR_BYTES; sector * MR_SECTOR_BYTES < end; sector++)
        file->unwritten[sector] = true;
}

void sim_file_write(struct sim_file *file, const void *bytes, size_t length, uint64_t at)
{
    memcpy(file->cache + at, bytes, length);
    mark_unwritten(file, at, at + length);
    file->touched = mr_max_u64(file->touched, at + length);
    file->cache_bytes = mr_max_u64(file->cache_bytes, at + length);
}

void sim_file_resize(struct sim_file *file, uint64_t bytes)
{
    if (bytes < file->touched) {
        memset(file->cache + bytes, 0, file->touched - bytes);
        mark_unwritten(file, bytes, file->touched);
    }
    file->cache_bytes = bytes;
}

static void write_sector(struct sim_file *file, uint64_t sector)
{
    uint64_t at = sector * MR_SECTOR_BYTES;
    memcpy(file->disk + at, file->cache + at, MR_SECTOR_BYTES);
}

static uint64_t sectors_of(const struct sim_file *file)
{
    return (file->touched + MR_SECTOR_BYTES - 1) / MR_SECTOR_BYTES;
}

static bool differs(const struct sim_file *file, uint64_t sector)
{
    uint64_t at = sector * MR_SECTOR_BYTES;
    return memcmp(file->disk + at, file->cache + at, MR_SECTOR_BYTES) != 0;
}

// `often` in 1024 of the unwritten sectors come to the disk.
static void write_some(struct sim_disk *disk, struct sim_file *file, unsigned often, bool forget)
{
    for (uint64_t sector = 0; sector < sectors_of(file); sector++) {
        if (!file->unwritten[sector])
            continue;
        bool written = sim_disk_chance(disk, often);
        if (written)
            write_sector(file, sector);
        if (written || forget)
            file->unwritten[sector] = false;
    }
}

void sim_file_write_back(struct sim_disk *disk, struct sim_file *file, unsigned often)
{
    write_some(disk, file, often, false);
    if (sim_disk_chance(disk, often))
        file->disk_bytes = file->cache_bytes;
}

int64_t sim_file_sync(struct sim_disk *disk, unsigned index)
{
    struct sim_file *file = &disk->files[index];
    disk->syncs++;
    if (file->sync_failed) {
        disk->syncs_after_failure++;
        sim_disk_misuse(disk, "%s: synced once more after a sync of it had failed",
                        sim_disk_path_of(disk, index));
    }
    if (disk->syncs == disk->faults.sync_error_at ||
        sim_disk_chance(disk, disk->faults.sync_error)) {
        write_some(disk, file, 512, true);
        file->sync_failed = true;
        disk->failed++;
        disk->failed_syncs++;
        sim_disk_trace(disk, "%s: sync fails", sim_disk_path_of(disk, index));
        return -EIO;
    }
    write_some(disk, file, 1024, false);
    file->disk_bytes = file->cache_bytes;
    sim_disk_trace(disk, "%s: synced, %llu bytes", sim_disk_path_of(disk, index),
                   (unsigned long long)file->disk_bytes);
    return 0;
}

// What is taken for written and is not: seen no more, from one moment to the next.
void sim_file_drop_lost(struct sim_file *file)
{
    for (uint64_t sector = 0; sector < sectors_of(file); sector++) {
        uint64_t at = sector * MR_SECTOR_BYTES;
        if (!file->unwritten[sector])
            memcpy(file->cache + at, file->disk + at, MR_SECTOR_BYTES);
    }
}

static uint64_t size_after(struct sim_disk *disk, const struct sim_file *file)
{
    uint64_t low = mr_min_u64(file->disk_bytes, file->cache_bytes);
    uint64_t high = mr_max_u64(file->disk_bytes, file->cache_bytes);
    switch (random_below(&disk->random, 3)) {
    case 0:
        return file->disk_bytes;
    case 1:
        return file->cache_bytes;
    default:
        return low + random_below(&disk->random, high - low + 1);
    }
}

void sim_file_lose_power(struct sim_disk *disk, struct sim_file *file, unsigned often)
{
    uint64_t bytes = size_after(disk, file);
    write_some(disk, file, often, true);
    for (uint64_t sector = 0; sector < sectors_of(file); sector++)
        disk->sectors_lost += differs(file, sector);
    if (bytes < file->touched)
        memset(file->disk + bytes, 0, file->touched - bytes);
    memcpy(file->cache, file->disk, file->touched);
    file->disk_bytes = file->cache_bytes = bytes;
}
