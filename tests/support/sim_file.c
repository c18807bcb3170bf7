// SPDX-License-Identifier: Apache-2.0
// A file of the simulated disk: its bytes in the cache and on the disk.
#include <errno.h>
#include <string.h>

#include "tests/support/scratch.h"
#include "tests/support/sim_disk.h"

#define PAGE_SECTORS (MR_PAGE_BYTES / MR_SECTOR_BYTES)

void sim_file_create(struct sim_file *file, bool directory)
{
    memset(file->cache, 0, file->touched);
    memset(file->disk, 0, file->touched);
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

void sim_file_write(struct sim_file *file, const void *bytes, size_t length, uint64_t at,
                    bool direct)
{
    for (uint64_t sector = at / MR_SECTOR_BYTES; direct && sector * MR_SECTOR_BYTES < at + length;
         sector++)
        file->lost[sector] = false;
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
        uint64_t kept = (bytes + MR_SECTOR_BYTES - 1) / MR_SECTOR_BYTES;
        memset(file->lost + kept, 0, SIM_SECTORS_MAX - kept); // with their blocks
    }
    file->cache_bytes = bytes;
}

static void write_sector(const struct sim_disk *disk, struct sim_file *file, uint64_t sector)
{
    uint64_t at = sector * MR_SECTOR_BYTES;
    file->unwritten[sector] = false;
    if (file->lost[sector] && disk->keeps_lost)
        return;
    file->lost[sector] = false;
    memcpy(file->disk + at, file->cache + at, MR_SECTOR_BYTES);
}

static void read_sector(struct sim_file *file, uint64_t sector)
{
    uint64_t at = sector * MR_SECTOR_BYTES;
    file->lost[sector] = file->unwritten[sector] = false;
    memcpy(file->cache + at, file->disk + at, MR_SECTOR_BYTES);
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

// `often` in 1024 of the unwritten sectors come to the disk. `fails`: the others are taken for written.
static void write_some(struct sim_disk *disk, struct sim_file *file, unsigned often, bool fails)
{
    for (uint64_t sector = 0; sector < sectors_of(file); sector++) {
        if (!file->unwritten[sector])
            continue;
        if (sim_disk_chance(disk, often))
            write_sector(disk, file, sector);
        else if (fails)
            file->lost[sector] = true;
        file->unwritten[sector] &= !fails;
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

static void forget_page(struct sim_disk *disk, struct sim_file *file, uint64_t first, bool writes)
{
    bool waits = false;
    for (uint64_t sector = first; sector < first + PAGE_SECTORS; sector++)
        waits |= file->unwritten[sector];
    if (waits && !writes)
        return;
    for (uint64_t sector = first; sector < first + PAGE_SECTORS; sector++) {
        bool lost = file->lost[sector] && disk->keeps_lost;
        if (file->unwritten[sector] && !lost)
            file->lost[sector] =
                false; // with the device now, which has a cache of its own until a sync
        else
            read_sector(file, sector);
    }
}

void sim_file_forget(struct sim_disk *disk, struct sim_file *file, uint64_t from, bool writes)
{
    uint64_t first = from / MR_PAGE_BYTES * PAGE_SECTORS;
    for (; first < sectors_of(file); first += PAGE_SECTORS)
        forget_page(disk, file, first, writes);
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
    memset(file->lost, 0, sizeof file->lost);
    memcpy(file->cache, file->disk, file->touched);
    file->disk_bytes = file->cache_bytes = bytes;
}
