// SPDX-License-Identifier: Apache-2.0
#include "tests/support/scratch.h"

#include <ftw.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void scratch_open(struct scratch *scratch)
{
    strcpy(scratch->directory, "/dev/shm/millrace-unit.XXXXXX");
    if (!mkdtemp(scratch->directory)) {
        perror(scratch->directory);
        abort();
    }
}

const char *scratch_path(const struct scratch *scratch, const char *name, char *out,
                         size_t out_bytes)
{
    snprintf(out, out_bytes, "%s/%s", scratch->directory, name);
    return out;
}

static int remove_entry(const char *path, const struct stat *status, int kind, struct FTW *place)
{
    (void)status, (void)kind, (void)place;
    return remove(path);
}

void scratch_close(struct scratch *scratch)
{
    nftw(scratch->directory, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

uint64_t random_seed(uint64_t fallback)
{
    const char *wanted = getenv("MILLRACE_SEED");
    uint64_t seed = wanted ? strtoull(wanted, NULL, 0) : fallback;
    fprintf(stderr, "seed %" PRIu64 " (repeat with MILLRACE_SEED)\n", seed);
    return seed;
}
