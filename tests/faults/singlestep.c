// SPDX-License-Identifier: Apache-2.0
// SIGKILL at every single instruction. Each part takes a world (a run directory, a journal) that was put aside,
// runs a process over a stretch of its work, kills it at one instruction, lets the next process go on, and
// compares what comes out with what comes out undisturbed: 0 records torn, lost or twice.
//
//     singlestep [--part NAME] [--points N] [--seed S] [--point N]
//
//   produce    claim, commit, publish, across the wrap; the stage's commit
//   transform  peek, hand on across the wrap, commit, publish, release
//   open       mr_stage_open over what died between its commit and its publish
//   roll-back  the undo log applied over what died in the middle of a batch
//   journal    a loader takes up a journal with a torn tail: find, mend, begin the next segment
//   resume     a loader takes up the segment that a dead one was writing
//
// --points: at the most so many of each part, spread evenly from a place that the seed says; 0: every one. Of a part
// with more than 100,000 instructions: all before and behind system calls, and 20,000 others. --point: that one.
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/singlestep.h"
#include "tests/support/singlestep_parts.h"

#define ALL_MAX 100000
#define SAMPLE 20000

static struct {
    const char *part;
    uint64_t points, seed;
    int64_t point;
} options = {.seed = 1, .point = -1};

struct tally {
    uint64_t points, killed;
};

static bool try_point(const struct singlestep_part *part, const struct singlestep_path *path,
                      uint64_t point)
{
    char why[256] = "";
    bool good = singlestep_part_restore(part) && singlestep_kill(&part->victim, path, point);
    if (!good)
        snprintf(why, sizeof why, "the process was not there to be killed");
    else
        good = part->check(why, sizeof why);
    if (!good)
        printf("%s, killed before instruction %" PRIu64 " of %" PRIu64
               ": %s\nagain: singlestep --part %s --point %" PRIu64 "\n",
               part->name, point, path->points, why, part->name, point);
    return good;
}

// Every `stride`-th point; of a long path those at system calls, too.
static bool try_points(const struct singlestep_part *part, const struct singlestep_path *path,
                       struct tally *tally)
{
    uint64_t wanted = options.points;
    bool edges = wanted == 0 && path->points > ALL_MAX;
    if (edges)
        wanted = SAMPLE;
    uint64_t stride = wanted == 0 || wanted >= path->points ? 1 : path->points / wanted;
    uint64_t first = options.seed % stride;
    bool good = true;
    for (uint64_t point = 0; good && point < path->points; point++)
        if (point % stride == first || (edges && singlestep_is_edge(path, point))) {
            good = try_point(part, path, point);
            tally->killed += good;
        }
    return good;
}

static bool run_part(const struct singlestep_part *part, struct tally *all)
{
    static struct singlestep_path path;
    struct tally tally = {0};
    char why[256] = "";
    bool good = part->prepare(why, sizeof why) && singlestep_part_restore(part);
    if (!good || !singlestep_measure(&part->victim, &path)) {
        printf("%s: %s\n", part->name, why[0] ? why : "did not come to its end");
        return false;
    }
    tally.points = path.points;
    if (options.point >= 0)
        good = try_point(part, &path, (uint64_t)options.point);
    else
        good = try_points(part, &path, &tally);
    printf("%-10s %" PRIu64 " instructions, %u system calls: killed at %" PRIu64 "%s\n", part->name,
           tally.points, path.syscalls, tally.killed,
           tally.killed == tally.points ? ", every one" : "");
    singlestep_path_clear(&path);
    all->points += tally.points;
    all->killed += tally.killed;
    return good;
}

static int usage(void)
{
    fprintf(stderr, "usage: singlestep [--part NAME] [--points N] [--seed S] [--point N]\n");
    return 2;
}

static bool read_options(int argc, char **argv)
{
    static const struct option known[] = {{"part", required_argument, NULL, 'a'},
                                          {"points", required_argument, NULL, 'n'},
                                          {"seed", required_argument, NULL, 's'},
                                          {"point", required_argument, NULL, 'p'},
                                          {0}};
    int found;
    while ((found = getopt_long(argc, argv, "", known, NULL)) != -1)
        if (found == 'a')
            options.part = optarg;
        else if (found == 'n')
            options.points = strtoull(optarg, NULL, 0);
        else if (found == 's')
            options.seed = strtoull(optarg, NULL, 0);
        else if (found == 'p')
            options.point = strtoll(optarg, NULL, 0);
        else
            return false;
    return optind == argc;
}

int main(int argc, char **argv)
{
    struct tally all = {0};
    unsigned parts = 0;
    bool good = true;
    if (!read_options(argc, argv))
        return usage();
    setvbuf(stdout, NULL, _IOLBF, 0);
    singlestep_parts_open();
    for (const struct singlestep_part *part = singlestep_parts; part->name && good; part++)
        if (!options.part || strcmp(options.part, part->name) == 0) {
            good = run_part(part, &all);
            parts++;
        }
    singlestep_parts_close();
    if (parts == 0)
        return usage();
    printf("singlestep: %u parts, killed at %" PRIu64 " of %" PRIu64
           " instructions: %s torn, lost or repeated\n",
           parts, all.killed, all.points, good ? "0" : "SOMETHING");
    return good ? EXIT_SUCCESS : EXIT_FAILURE;
}
