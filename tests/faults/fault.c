// SPDX-License-Identifier: Apache-2.0
// The loader's code on a disk that fails (tests/support/sim_session.h), in three parts:
//   each k up to --each: the k-th write returns EIO, then the k-th sync does, in a run that syncs every record;
//   --seeds: completions shortened, late and in any order, EAGAIN, EINTR, ECANCELED, EBUSY, EIO by seed;
//   --uring: so many seeds more of that with each request through the kernel's io_uring (tests/support/sim_uring.c),
//   where there is one. When which completion comes is the kernel's affair: such a seed need not fail twice.
// What was acknowledged must be on the disk, a failed sync must not be repeated, the error must name file and
// cause, and the run that follows must end with the journal that an undisturbed one leaves.
//
//     fault [--each K] [--seeds N] [--uring N] [--seed FIRST] [--write K | --sync K] [--trace]
//
// The last line is the figure. What fails is printed with the command that shows its operations.
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/log.h"
#include "tests/support/sim_session.h"

#define LIVES_MAX 40

struct figures {
    uint64_t seeds, acknowledged, errors, cuts, failed;
};

static struct sim_plan plan_of_seed(const struct mr_io_backend *backend)
{
    return (struct sim_plan){
        .backend = backend,
        .lives = LIVES_MAX,
        .cuts_after_error = true,
        .faults = {.short_write = 200,
                   .again = 100,
                   .interrupted = 100,
                   .cancelled = 8,
                   .busy = 8,
                   .short_read = 100,
                   .write_error = 8,
                   .sync_error = 16},
    };
}

// The k-th of one kind; the records are as many as it takes to come there.
static struct sim_plan plan_of_one(uint64_t write_error_at, uint64_t sync_error_at)
{
    return (struct sim_plan){
        .lives = 3,
        .one_way = true,
        .cuts_after_error = true,
        .records = (uint32_t)(40 + write_error_at + sync_error_at),
        .faults = {.write_error_at = write_error_at, .sync_error_at = sync_error_at},
    };
}

static bool run(struct sim_session *session, uint64_t seed, const struct sim_plan *plan, bool trace,
                struct figures *figures)
{
    bool sound = sim_session_run(session, seed, plan, trace);
    figures->seeds++;
    figures->failed += session->disk->failed;
    if (!sound)
        printf("seed %llu: %s\n", (unsigned long long)seed, session->failure);
    return sound;
}

static bool run_each(struct sim_session *session, uint64_t first, uint64_t each,
                     const char *program, struct figures *figures)
{
    for (uint64_t k = first; k < first + each; k++) {
        for (int sync = 0; sync < 2; sync++) {
            struct sim_plan plan = plan_of_one(sync ? 0 : k, sync ? k : 0);
            uint64_t errors = session->errors;
            bool sound = run(session, k, &plan, false, figures);
            if (sound && session->errors == errors) {
                printf("the fault was never met\n");
                sound = false;
            }
            if (!sound) {
                printf("again, with its operations: %s --%s %llu --trace\n", program,
                       sync ? "sync" : "write", (unsigned long long)k);
                return false;
            }
        }
    }
    return true;
}

static bool run_seeds(struct sim_session *session, uint64_t first, uint64_t seeds, bool trace,
                      const struct mr_io_backend *backend, const char *program,
                      struct figures *figures)
{
    struct sim_plan plan = plan_of_seed(backend);
    for (uint64_t seed = first; seed < first + seeds; seed++) {
        if (run(session, seed, &plan, trace, figures))
            continue;
        printf(
            "again, with its operations: %s --each 0 --seed %llu --seeds %d --uring %d --trace\n",
            program, (unsigned long long)seed, !backend, !!backend);
        return false;
    }
    return true;
}

static bool io_uring_is_there(void)
{
    void *device;
    if (mr_io_uring.open(&device, 8, NULL) != MR_OK)
        return false;
    mr_io_uring.close(device);
    return true;
}

struct words {
    uint64_t each, seeds, uring, first, write_error_at, sync_error_at;
    bool trace;
};

static bool read_options(int argc, char **argv, struct words *words)
{
    static const struct option options[] = {
        {"each", required_argument, NULL, 'k'},  {"seeds", required_argument, NULL, 'n'},
        {"uring", required_argument, NULL, 'u'}, {"seed", required_argument, NULL, 's'},
        {"write", required_argument, NULL, 'w'}, {"sync", required_argument, NULL, 'y'},
        {"trace", no_argument, NULL, 't'},       {0}};
    int option;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        uint64_t number = optarg ? strtoull(optarg, NULL, 10) : 0;
        if (option == 'k')
            words->each = number;
        else if (option == 'n')
            words->seeds = number;
        else if (option == 'u')
            words->uring = number;
        else if (option == 's')
            words->first = number;
        else if (option == 'w')
            words->write_error_at = number;
        else if (option == 'y')
            words->sync_error_at = number;
        else if (option == 't')
            words->trace = true;
        else
            return false;
    }
    return true;
}

int main(int argc, char **argv)
{
    struct words words = {.each = 1000, .seeds = 10000, .uring = 10000, .first = 1};
    struct figures figures = {0};
    if (!read_options(argc, argv, &words))
        return 2;
    mr_log_setup("fault", MR_LOG_ERROR);
    struct sim_session *session = sim_session_new();
    if (words.uring > 0 && !io_uring_is_there()) {
        printf("io_uring cannot be had here: no seed through it\n");
        words.uring = 0;
    }
    if (words.write_error_at || words.sync_error_at) {
        struct sim_plan plan = plan_of_one(words.write_error_at, words.sync_error_at);
        uint64_t seed = words.write_error_at + words.sync_error_at;
        return run(session, seed, &plan, words.trace, &figures) ? 0 : 1;
    }
    bool sound =
        run_each(session, 1, words.each, argv[0], &figures) &&
        run_seeds(session, words.first, words.seeds, words.trace, NULL, argv[0], &figures) &&
        run_seeds(session, words.first, words.uring, words.trace, &sim_uring_backend, argv[0],
                  &figures);
    if (sound)
        printf("fault: EIO on each of %llu writes and %llu syncs, %llu seeds of completions: %llu "
               "operations "
               "failed, the loader stopped %llu times and said why, %llu records acknowledged, 0 "
               "lost, 0 "
               "syncs repeated; %llu of the seeds through the kernel's io_uring\n",
               (unsigned long long)words.each, (unsigned long long)words.each,
               (unsigned long long)words.seeds + words.uring, (unsigned long long)figures.failed,
               (unsigned long long)session->errors, (unsigned long long)session->acknowledged,
               (unsigned long long)words.uring);
    else
        printf("fault: failed\n");
    sim_session_free(session);
    return sound ? 0 : 1;
}
