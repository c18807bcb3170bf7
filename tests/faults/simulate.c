// SPDX-License-Identifier: Apache-2.0
// The journal on a simulated disk, seed by seed (tests/support/sim_session.h): records are written,
// the process dies or the power goes at any operation, the journal's own code recovers, several times;
// then everything that was acknowledged must be there, once, and be what was made.
//
//     simulate [--seeds N] [--seed FIRST] [--jobs N] [--trace]
//
// The last line is the figure. A seed that fails is printed with the command that shows its operations.
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/atomic.h"
#include "core/log.h"
#include "tests/support/sim_session.h"

#define JOBS_MAX 64

static const struct sim_plan plan = {
    .lives = 6,
    .ends = true,
    .faults = {.short_write = 40,
               .again = 20,
               .interrupted = 20,
               .short_read = 40,
               .read_error = 2,
               .no_room = 60,
               .sync_error = 2,
               .write_error = 1},
};

struct tally { // of one job, where all see it
    uint64_t seeds, power_cuts, process_deaths, errors, refused, acknowledged;
    uint64_t failed_seed;
    char failure[sizeof((struct sim_session *)NULL)->failure];
};

struct work {
    uint64_t first, seeds;
    unsigned jobs;
    bool trace;
    uint32_t stop; // a seed has failed
    struct tally tallies[JOBS_MAX];
};

static void run_job(struct work *work, unsigned job)
{
    struct sim_session *session = sim_session_new();
    struct tally *tally = &work->tallies[job];
    for (uint64_t i = job; i < work->seeds && !mr_load_relaxed_u32(&work->stop); i += work->jobs) {
        tally->seeds++;
        if (sim_session_run(session, work->first + i, &plan, work->trace))
            continue;
        tally->failed_seed = work->first + i;
        memcpy(tally->failure, session->failure, sizeof tally->failure);
        mr_store_relaxed_u32(&work->stop, 1);
    }
    tally->power_cuts = session->power_cuts;
    tally->process_deaths = session->process_deaths;
    tally->errors = session->errors;
    tally->refused = session->refused;
    tally->acknowledged = session->acknowledged;
    sim_session_free(session);
}

static void run_jobs(struct work *work)
{
    fflush(stdout);
    for (unsigned job = 1; job < work->jobs; job++) {
        pid_t child = fork();
        if (child == 0) {
            run_job(work, job);
            _exit(0);
        }
        if (child < 0)
            abort();
    }
    run_job(work, 0);
    for (unsigned job = 1; job < work->jobs; job++) {
        int status;
        if (wait(&status) < 0 || status != 0) {
            snprintf(work->tallies[0].failure, sizeof work->tallies[0].failure,
                     "a job died (status %d)", status);
            work->tallies[0].failed_seed = work->first;
        }
    }
}

static int report_failure(const struct tally *tally, const char *program)
{
    printf("seed %llu: %s\n", (unsigned long long)tally->failed_seed, tally->failure);
    printf("again, with its operations: %s --seed %llu --seeds 1 --trace\n", program,
           (unsigned long long)tally->failed_seed);
    printf("simulate: failed\n");
    return 1;
}

static int report(const struct work *work, const char *program)
{
    struct tally sum = {0};
    for (unsigned job = 0; job < work->jobs; job++) {
        const struct tally *tally = &work->tallies[job];
        if (tally->failure[0])
            return report_failure(tally, program);
        sum.seeds += tally->seeds;
        sum.power_cuts += tally->power_cuts;
        sum.process_deaths += tally->process_deaths;
        sum.errors += tally->errors;
        sum.refused += tally->refused;
        sum.acknowledged += tally->acknowledged;
    }
    printf("simulate: %llu seeds, %llu crashes (%llu power cuts, %llu deaths of the process, %llu "
           "of them "
           "by an I/O error), %llu records acknowledged, 0 lost, 0 twice, %llu journals of "
           "durability none "
           "given up and replaced; seeds %llu..%llu\n",
           (unsigned long long)sum.seeds, (unsigned long long)(sum.power_cuts + sum.process_deaths),
           (unsigned long long)sum.power_cuts, (unsigned long long)sum.process_deaths,
           (unsigned long long)sum.errors, (unsigned long long)sum.acknowledged,
           (unsigned long long)sum.refused, (unsigned long long)work->first,
           (unsigned long long)(work->first + work->seeds - 1));
    return 0;
}

static bool read_options(int argc, char **argv, struct work *work)
{
    static const struct option options[] = {{"seeds", required_argument, NULL, 'n'},
                                            {"seed", required_argument, NULL, 's'},
                                            {"jobs", required_argument, NULL, 'j'},
                                            {"trace", no_argument, NULL, 't'},
                                            {0}};
    int option;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (option == 'n')
            work->seeds = strtoull(optarg, NULL, 10);
        else if (option == 's')
            work->first = strtoull(optarg, NULL, 10);
        else if (option == 'j')
            work->jobs = (unsigned)strtoul(optarg, NULL, 10);
        else if (option == 't')
            work->trace = true;
        else
            return false;
    }
    if (work->trace || work->jobs < 1)
        work->jobs = 1;
    if (work->jobs > JOBS_MAX)
        work->jobs = JOBS_MAX;
    return work->seeds > 0;
}

int main(int argc, char **argv)
{
    struct work *work =
        mmap(NULL, sizeof *work, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (work == MAP_FAILED)
        abort();
    work->first = 1;
    work->seeds = 10000;
    work->jobs = (unsigned)sysconf(_SC_NPROCESSORS_ONLN);
    if (!read_options(argc, argv, work))
        return 2;
    mr_log_setup("simulate", MR_LOG_ERROR);
    run_jobs(work);
    return report(work, argv[0]);
}
