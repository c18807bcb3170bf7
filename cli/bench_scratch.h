// SPDX-License-Identifier: Apache-2.0
// Two directories for one benchmark, one for files and one for shared memory, which are gone afterwards,
// also when a signal ends it.
//
//     struct mr_bench_scratch scratch;
//     code = mr_bench_scratch_make(&scratch, NULL, &err);    // see below
//     while (... && !mr_bench_interrupted()) ...
//     mr_bench_scratch_remove(&scratch);
//
// From make on, SIGINT, SIGTERM and SIGHUP only set what mr_bench_interrupted() tells; remove puts things
// back as they were.
#ifndef MR_CLI_BENCH_SCRATCH_H
#define MR_CLI_BENCH_SCRATCH_H

#include <signal.h>

#include "core/error.h"

struct mr_bench_scratch {
    char files[480], shm[200];
    struct sigaction before[3];
};

// `directory`: where the files are to be, NULL: $TMPDIR or /tmp. Shared memory: $MILLRACE_SHM or /dev/shm.
// MR_ERR_OUTPUT, MR_ERR_SHM.
int mr_bench_scratch_make(struct mr_bench_scratch *scratch, const char *directory,
                          struct mr_error *err);
// Removes what is in both, for the next run.
void mr_bench_scratch_clear(const struct mr_bench_scratch *scratch);
// Writes a file of so many bytes there and removes it, so that the page cache for the next one is backed: what a
// virtual machine has not used for some seconds its host may have taken back, and the first touch costs ten times
// what is to be measured. At most a sixteenth of the free memory, which nobody begins to write back; errors are
// ignored.
void mr_bench_scratch_touch(const struct mr_bench_scratch *scratch, uint64_t bytes);
void mr_bench_scratch_remove(const struct mr_bench_scratch *scratch);
bool mr_bench_interrupted(void);
// The same, for code that looks at it by itself: not 0 after a signal.
const volatile sig_atomic_t *mr_bench_stop_word(void);

#endif
