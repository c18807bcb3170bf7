// SPDX-License-Identifier: Apache-2.0
// SIGKILL at every single instruction. Each part takes a world (a run directory, a journal) that was put aside,
// runs a process over a stretch of its work, kills it at one instruction, lets the next process go on, and
// compares what comes out with what comes out undisturbed: 0 records torn, lost or twice.
//
//     singlestep [--part NAME] [--points N] [--samples N] [--seed S] [--point N] [--all]
//
//   create     a producer makes the run's segments and describes its ring
//   produce    two batches: claim, commit, publish, padding before the wrap; the stage's commit
//   transform  two batches: peek, hand on, commit, publish, release; both rings wrap, with padding
//   padding    the same; only the ring that is read wraps, its padding is a length without an envelope
//   open       mr_stage_open over what died between its commit and its publish
//   roll-back  the undo log applied over what died in the middle of a batch
//   journal    a loader takes up a journal with a torn tail: find, mend, begin the next segment
//   resume     a loader takes up the segment that a dead one was writing
//
// Instructions that leave one and the same world behind them (tests/support/singlestep.h) share one kill, before the
// first of them: so each instruction is shown. That it is one world is tried by a second kill, before the last of them,
// and before --samples others of each part, by seed. --points: not every world, but at the most so many of each part,
// spread evenly from a place that the seed says, and only before their first instruction. --all: before each instruction.
// --point: before that one.
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/scratch.h"
#include "tests/support/singlestep.h"
#include "tests/support/singlestep_parts.h"

#define TRIES 3

static struct {
    const char *part;
    uint64_t points, samples, seed;
    int64_t point;
    bool all;
} options = {.samples = 50, .seed = 1, .point = -1};

struct tally {
    uint64_t points, worlds; // what there is
    uint64_t killed, more;   // worlds that a kill has left; kills at further points
    uint64_t astray;         // kills that were made again
};

static enum singlestep_end kill_at(const struct singlestep_part *part,
                                   const struct singlestep_path *path, uint64_t point,
                                   struct tally *tally)
{
    enum singlestep_end end = SINGLESTEP_ASTRAY;
    for (unsigned i = 0; i < TRIES && end == SINGLESTEP_ASTRAY; i++) {
        end = singlestep_part_restore(part) ? singlestep_kill(&part->victim, path, point)
                                            : SINGLESTEP_FAILED;
        tally->astray += end == SINGLESTEP_ASTRAY;
    }
    return end;
}

static bool try_point(const struct singlestep_part *part, const struct singlestep_path *path,
                      uint64_t point, struct tally *tally)
{
    char why[256] = "";
    enum singlestep_end end = kill_at(part, path, point, tally);
    if (end == SINGLESTEP_FAILED)
        snprintf(why, sizeof why, "the process was not there to be killed");
    else if (end == SINGLESTEP_ASTRAY)
        snprintf(why, sizeof why, "it left another world than when it was measured, %d times",
                 TRIES);
    else if (singlestep_part_check(part, why, sizeof why))
        return true;
    printf("%s, killed before instruction %" PRIu64 " of %" PRIu64
           ": %s\nagain: singlestep --part %s --point %" PRIu64 "\n",
           part->name, point, path->points, why, part->name, point);
    return false;
}

static uint64_t last_of(const struct singlestep_path *path, uint64_t world)
{
    return (world + 1 < path->world_count ? path->worlds[world + 1].first : path->points) - 1;
}

// Every `stride`-th world. Of all of them, the last instruction, too.
static bool try_worlds(const struct singlestep_part *part, const struct singlestep_path *path,
                       struct tally *tally)
{
    uint64_t wanted = options.points, count = path->world_count;
    uint64_t stride = wanted == 0 || wanted >= count ? 1 : (count + wanted - 1) / wanted;
    bool good = true;
    for (uint64_t world = options.seed % stride; good && world < count; world += stride) {
        uint64_t first = path->worlds[world].first, last = last_of(path, world);
        good = try_point(part, path, first, tally);
        tally->killed += good;
        if (!good || wanted > 0 || last == first)
            continue;
        good = try_point(part, path, last, tally);
        tally->more += good;
    }
    return good;
}

static bool try_samples(const struct singlestep_part *part, const struct singlestep_path *path,
                        struct tally *tally)
{
    uint64_t random = options.seed;
    bool good = true;
    for (uint64_t i = 0; good && i < options.samples; i++) {
        uint64_t world = random_below(&random, path->world_count);
        uint64_t first = path->worlds[world].first, count = last_of(path, world) - first + 1;
        good = try_point(part, path, first + random_below(&random, count), tally);
        tally->more += good;
    }
    return good;
}

static bool try_all(const struct singlestep_part *part, const struct singlestep_path *path,
                    struct tally *tally)
{
    bool good = true;
    for (uint64_t point = 0; good && point < path->points; point++) {
        bool first = path->worlds[path->at[point].world].first == point;
        good = try_point(part, path, point, tally);
        tally->killed += good && first;
        tally->more += good && !first;
    }
    return good;
}

static bool try_part(const struct singlestep_part *part, const struct singlestep_path *path,
                     struct tally *tally)
{
    if (options.point >= (int64_t)path->points) {
        printf("%s has no more than %" PRIu64 " instructions\n", part->name, path->points);
        return false;
    }
    if (options.all)
        return try_all(part, path, tally);
    if (options.point < 0)
        return try_worlds(part, path, tally) && try_samples(part, path, tally);
    tally->more++;
    return try_point(part, path, (uint64_t)options.point, tally);
}

static void say(const char *name, const struct tally *tally)
{
    printf("%-10s %" PRIu64 " instructions in %" PRIu64 " worlds: killed in %" PRIu64
           " of them%s; at %" PRIu64 " further instructions, %" PRIu64 " kills made again",
           name, tally->points, tally->worlds, tally->killed,
           tally->killed == tally->worlds ? ", every one" : "", tally->more, tally->astray);
}

static bool run_part(const struct singlestep_part *part, struct tally *all)
{
    static struct singlestep_path path;
    struct tally tally = {0};
    char why[256] = "";
    bool good = part->prepare(why, sizeof why) && singlestep_part_restore(part);
    if (!good) {
        printf("%s: %s\n", part->name, why[0] ? why : "its world cannot be put back");
        return false;
    }
    if (!singlestep_measure(&part->victim, &path)) {
        printf("%s: did not come to its end\n", part->name);
        singlestep_path_clear(&path);
        return false;
    }
    tally.points = path.points;
    tally.worlds = path.world_count;
    good = try_part(part, &path, &tally);
    say(part->name, &tally);
    printf("; %u system calls\n", path.syscalls);
    singlestep_path_clear(&path);
    all->points += tally.points;
    all->worlds += tally.worlds;
    all->killed += tally.killed;
    all->more += tally.more;
    all->astray += tally.astray;
    return good;
}

static int usage(void)
{
    fprintf(stderr, "usage: singlestep [--part NAME] [--points N] [--samples N] [--seed S] "
                    "[--point N] [--all]\n");
    return 2;
}

static bool take_option(int name)
{
    switch (name) {
    case 'a':
        options.part = optarg;
        return true;
    case 'n':
        options.points = strtoull(optarg, NULL, 0);
        return true;
    case 'm':
        options.samples = strtoull(optarg, NULL, 0);
        return true;
    case 's':
        options.seed = strtoull(optarg, NULL, 0);
        return true;
    case 'p':
        options.point = strtoll(optarg, NULL, 0);
        return true;
    case 'e':
        options.all = true;
        return true;
    default:
        return false;
    }
}

static bool read_options(int argc, char **argv)
{
    static const struct option known[] = {{"part", required_argument, NULL, 'a'},
                                          {"points", required_argument, NULL, 'n'},
                                          {"samples", required_argument, NULL, 'm'},
                                          {"seed", required_argument, NULL, 's'},
                                          {"point", required_argument, NULL, 'p'},
                                          {"all", no_argument, NULL, 'e'},
                                          {0}};
    int found;
    while ((found = getopt_long(argc, argv, "", known, NULL)) != -1)
        if (!take_option(found))
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
    say("singlestep:", &all);
    printf(": %s torn, lost or repeated\n", good ? "0" : "SOMETHING");
    return good ? EXIT_SUCCESS : EXIT_FAILURE;
}
