// SPDX-License-Identifier: Apache-2.0
// A disk in memory, in the place of the real one (core/disk.h) and of the I/O layer's backend
// (consumers/loader/io.h). It behaves as disks do when nobody looks, and whatever it does follows from
// one seed.
//
//     struct sim_disk *disk = sim_disk_new();
//     sim_disk_reset(disk, seed);
//     sim_disk_use(disk);                              // in the place of the real one
//     mr_io_open(&io, &sim_io_backend, 64, &err);
//     disk->die_at = disk->steps + 17;                 // the 17th operation from here is not survived
//     ... the journal's own code runs; from that operation on everything fails, nothing has any effect ...
//     sim_disk_restart(disk, SIM_POWER_LOST);          // or SIM_PROCESS_DIED
//     ... the journal's own code recovers ...
//
// The model. Each file has its bytes twice, as the page cache has them and as the disk has them, and
// a flag for each sector of 512 bytes that is still to be written. A sync writes the flagged sectors and
// the size. Names are there twice as well; operations on names wait in a list, in order, until the
// directory that they are about is synced. The kernel writes back what it likes when it likes.
//
// A process that dies leaves the cache as it is. What it had handed to the I/O layer goes on for a
// while: each such write is made later, in part or not at all, and until then the locks of its
// descriptor are not free.
//
// A power cut leaves of each sector still to be written the old or the new one, of sizes the old, the
// new or one between, and of the operations on names that wait any subset. That is more than ext4 loses,
// which commits names in order and with every sync of any file: code that survives this needs no more than
// what core/disk.h promises. A sector is never torn: disks write it whole, and a write within one is made
// whole or not at all, also by a process that is killed. A longer one may end anywhere.
//
// A sync that fails has written some sectors and not others, and takes all of them for written: the
// next one returns 0, and the cache shows bytes that the disk does not have, until they are dropped
// from it one day, or given up (forget). On half of the disks what is written over such a sector before
// that does not reach it either, as on a file system that has never converted the block.
#ifndef MR_TESTS_SUPPORT_SIM_DISK_H
#define MR_TESTS_SUPPORT_SIM_DISK_H

#include "consumers/loader/io.h"
#include "core/disk.h"

#define SIM_FILE_BYTES_MAX (160u << 10)
#define SIM_SECTORS_MAX (SIM_FILE_BYTES_MAX / MR_SECTOR_BYTES)
#define SIM_FILES_MAX 48
#define SIM_NAMES_MAX 48
#define SIM_PATH_BYTES 64
#define SIM_OPEN_MAX 16
#define SIM_WAITING_MAX 64
#define SIM_REQUESTS_MAX 64
#define SIM_ORPHAN_BYTES (64u << 10)

// How often what goes wrong, in 1024 calls. 0: never.
struct sim_faults {
    unsigned short_write, again, interrupted, cancelled, busy;
    unsigned short_read, read_error;
    unsigned write_error, sync_error, no_room;
    uint64_t write_error_at, sync_error_at; // this one fails, counted from the disk's beginning
};

struct sim_file {
    bool used, directory;
    uint8_t *cache, *disk;
    bool unwritten[SIM_SECTORS_MAX];
    bool lost[SIM_SECTORS_MAX];       // by a failed sync: what the cache has, the disk has not
    uint64_t cache_bytes, disk_bytes; // sizes
    uint64_t touched;                 // no byte at or beyond it was ever anything but zero
    int locks[2];                     // descriptors, -1: free; by enum mr_disk_lock
    bool sync_failed;                 // in this life
};

struct sim_name {
    char path[SIM_PATH_BYTES];
    unsigned file;
};
struct sim_names {
    struct sim_name items[SIM_NAMES_MAX];
    unsigned count;
};

// An operation on names that is not on the disk yet: `from` goes away, `path` stands for `file`.
struct sim_waiting {
    char from[SIM_PATH_BYTES]; // "": nothing goes
    char path[SIM_PATH_BYTES]; // "": nothing comes
    unsigned file;
};

struct sim_open_file {
    bool used, direct;
    unsigned file;
};

struct sim_request {
    struct mr_io_request request;
    unsigned slot, file;
    bool direct;
    bool carried_out; // and not yet told of
    bool orphan;      // its process is dead
    int64_t result;
};

enum sim_end { SIM_PROCESS_DIED, SIM_POWER_LOST };

struct sim_disk {
    uint64_t random;
    struct sim_faults faults;
    bool allocates;  // the file system has fallocate
    bool keeps_lost; // what is written over a lost sector in the cache is lost, too
    uint64_t steps, die_at;
    bool dead;
    bool trace;
    int64_t now_ns; // of sim_clock.c

    struct sim_file files[SIM_FILES_MAX];
    struct sim_names names, disk_names;
    struct sim_waiting waiting[SIM_WAITING_MAX];
    unsigned waiting_count;
    struct sim_open_file open_files[SIM_OPEN_MAX];
    struct sim_request requests[SIM_REQUESTS_MAX];
    unsigned request_count;
    uint8_t orphan_bytes[SIM_ORPHAN_BYTES];
    size_t orphan_used;

    // What happened, for those who check.
    uint64_t writes, syncs;       // asked for
    uint64_t failed;              // of them, and reads and allocations: told to have failed
    uint64_t failed_syncs;        // of files
    uint64_t syncs_after_failure; // of a file whose sync had failed in this life
    uint64_t sectors_lost;        // at power cuts
    char misuse[160];             // "": none. What no caller may do: direct writes off the grid ...
};

struct sim_disk *sim_disk_new(void);
void sim_disk_free(struct sim_disk *disk);
// An empty disk.
void sim_disk_reset(struct sim_disk *disk, uint64_t seed);
// From now on mr_disk is the simulated one, and the disk is this one. NULL: the real one again.
void sim_disk_use(struct sim_disk *disk);
struct sim_disk *sim_disk_now(void);
// What is left after the end of a process, or of everything, and a new beginning.
void sim_disk_restart(struct sim_disk *disk, enum sim_end end);
// Memory shows what the disk has, of all that failed syncs have lost.
void sim_disk_drop_lost(struct sim_disk *disk);
// Changes a byte where it stands, on the disk and in the cache, as a bad disk does. False: no such byte.
bool sim_disk_flip(struct sim_disk *disk, const char *path, uint64_t at, uint8_t bits);

extern const struct mr_disk sim_disk_operations;
extern const struct mr_io_backend sim_io_backend;
extern const struct mr_io_backend sim_uring_backend; // the same behind the kernel's io_uring

// ---- shared by the parts of the disk
#define SIM_FD_FIRST 100000 // no system call takes such a descriptor for one of the process's own

// Counts an operation that changes something; false where the caller does not live to see its effect:
// errno is ESHUTDOWN then.
bool sim_disk_step(struct sim_disk *disk);
void sim_disk_die(struct sim_disk *disk);
// True so often in 1024 times.
bool sim_disk_chance(struct sim_disk *disk, unsigned often);
void sim_disk_trace(const struct sim_disk *disk, const char *format, ...) MR_PRINTF(2, 3);
void sim_disk_misuse(struct sim_disk *disk, const char *format, ...) MR_PRINTF(2, 3);
struct sim_open_file *sim_disk_open_file(struct sim_disk *disk, int fd);  // NULL, EBADF
const char *sim_disk_path_of(const struct sim_disk *disk, unsigned file); // for traces

static inline bool sim_is_one_sector(uint64_t at, size_t length)
{
    return length > 0 && at / MR_SECTOR_BYTES == (at + length - 1) / MR_SECTOR_BYTES;
}
void sim_file_create(struct sim_file *file, bool directory);
void sim_file_write(struct sim_file *file, const void *bytes, size_t length, uint64_t at,
                    bool direct);
void sim_file_resize(struct sim_file *file, uint64_t bytes);
int64_t sim_file_sync(struct sim_disk *disk, unsigned file); // 0 or -errno
// Some of what is unwritten goes to the disk.
void sim_file_write_back(struct sim_disk *disk, struct sim_file *file, unsigned often);
// What differs from the disk goes from the cache, of all pages from this byte's on. `writes`: what waits to be
// written is, first; else its pages stay.
void sim_file_forget(struct sim_disk *disk, struct sim_file *file, uint64_t from, bool writes);
void sim_file_lose_power(struct sim_disk *disk, struct sim_file *file, unsigned often);

// A write or sync of the I/O layer, with what may go wrong.
int64_t sim_request_carry_out(struct sim_disk *disk, const struct sim_request *request);
// The same for a system call, which is interrupted at most.
int64_t sim_request_write(struct sim_disk *disk, const struct sim_request *request);
// Writes of a dead process: one of them may be made now. Where `file` is given, one of this file and
// of this lock's descriptor; false: there is none.
bool sim_disk_drain_one(struct sim_disk *disk, const unsigned *file, enum mr_disk_lock kind);

int sim_names_find(const struct sim_names *names, const char *path); // index; -1
void sim_names_change(struct sim_disk *disk, const char *from, const char *path, unsigned file);
void sim_names_sync(struct sim_disk *disk, const char *directory);
void sim_names_lose_power(struct sim_disk *disk);
// A file of no name and no descriptor; SIM_FILES_MAX: none.
unsigned sim_disk_unused_file(const struct sim_disk *disk);

#endif
