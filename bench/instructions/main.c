// SPDX-License-Identifier: Apache-2.0
// Instructions a record, case by case. Run by scripts/bench-instructions.sh under callgrind:
//
//     instructions BUILD_DIRECTORY
#include "bench/instructions/cases.h"

#include <stdio.h>
#include <stdlib.h>

#include "core/clock.h"
#include "ringbuf/bell.h"

bool count_is_mute = true;

struct tally tally_start(const char *name)
{
    count_is_mute = false;
    CALLGRIND_ZERO_STATS;
    return (struct tally){name};
}

void tally_finish(const struct tally *tally, uint64_t count)
{
    char text[128];
    snprintf(text, sizeof text, "%llu %s", (unsigned long long)count, tally->name);
    CALLGRIND_DUMP_STATS_AT(text);
    count_is_mute = true;
}

void expect(bool good, const char *name, const char *what)
{
    if (good)
        return;
    fprintf(stderr, "instructions: %s: %s\n", name, what);
    exit(EXIT_FAILURE);
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: instructions BUILD_DIRECTORY\n");
        return 2;
    }
    mr_clock_setup();
    mr_bell_setup();
    count_ring();
    count_decode();
    count_book();
    count_operators(argv[1]);
    count_stages();
    count_text();
    return 0;
}
