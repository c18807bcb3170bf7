// SPDX-License-Identifier: Apache-2.0
#include "cli/bench_trio_runs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/bench_raw_relay.h"
#include "cli/bench_raw_rtt.h"
#include "cli/bench_raw_write.h"
#include "ringbuf/wait.h"

#define RAW_BYTES_MAX (256u << 20)
#define RELAY_RATE_MIN 1000.0 // fewer records than that say nothing

static enum mr_durability durability_of(const char *word)
{
    return strcmp(word, "none") == 0    ? MR_DURABILITY_NONE
           : strcmp(word, "batch") == 0 ? MR_DURABILITY_BATCH
                                        : MR_DURABILITY_RECORD;
}

// The best of the raw ways of writing as much as the run wrote, within limits.
static int find_write_limit(const struct mr_bench_scratch *scratch, const char *durability,
                            uint64_t bytes, double *per_second, struct mr_error *err)
{
    struct mr_raw_way ways[MR_RAW_WAYS_MAX];
    char path[512];
    unsigned count = mr_raw_ways(durability_of(durability), false, ways);
    *per_second = 0;
    bytes = mr_align_up(mr_min_u64(bytes, RAW_BYTES_MAX), 4u << 20);
    snprintf(path, sizeof path, "%s/raw", scratch->files);
    for (unsigned i = 0; i < count; i++) {
        int64_t ns, cpu_ns;
        struct mr_error refused;
        int code = mr_raw_write(path, bytes, &ways[i], false, mr_bench_stop_word(), &ns, &cpu_ns,
                                &refused);
        if (code == MR_OK && (double)bytes * 1e9 / (double)ns > *per_second)
            *per_second = (double)bytes * 1e9 / (double)ns;
        else if (code != MR_OK && ways[i].backend == &mr_io_pwrite) { // always open
            *err = refused;
            return code;
        }
    }
    return MR_OK;
}

// On two cores, into the page cache, and by the strategy that waits as it does: elsewhere it is no limit.
static bool relay_is_limit(const struct mr_trio_way *way)
{
    return way->rate >= RELAY_RATE_MIN && way->rate <= MR_RAW_RELAY_RATE_MAX &&
           strcmp(way->durability, "none") == 0 && strcmp(way->wait, "auto") == 0 &&
           mr_allowed_cores() == 2;
}

// What the machine needs with nothing in between: the least of before and after a run. 0: not measured.
struct limits {
    double rtt_ns;
    struct mr_raw_relay relay;
};

static int probe_limits(const struct mr_bench_scratch *scratch, const struct mr_trio_way *way,
                        struct limits *limits, struct mr_error *err)
{
    int code = mr_bench_raw_rtt_least(&limits->rtt_ns, err);
    if (code == MR_OK && relay_is_limit(way))
        code = mr_bench_raw_relay(scratch->files, way->rate, &limits->relay, err);
    return code == MR_ERR_LIMIT ? MR_OK : code;
}

static void add(struct mr_trio_way *way, const struct mr_trio_result *result,
                const struct limits *limits)
{
    unsigned round = way->rounds++;
    way->missed += result->missed;
    way->records += result->records;
    way->verified += result->verified;
    way->overdue += result->overdue;
    way->tapped += result->tapped;
    way->tap_lost_bytes += result->tap_lost_bytes;
    way->placement_found = result->placement;
    way->io_backend = result->io_backend;
    way->records_per_second[round] = result->records_per_second;
    way->cores[round] = result->cores;
    way->first_record_ms[round] = result->first_record_ms;
    way->raw_rtt_ns[round] = limits->rtt_ns;
    way->raw_relay_ns[round] = limits->relay.p50_ns;
    way->raw_relay_p99_ns[round] = limits->relay.p99_ns;
    for (unsigned hop = 0; hop < MR_REPORT_HOPS; hop++) {
        way->p50_ns[hop][round] = (double)mr_histogram_percentile(&result->hops[hop], 50);
        mr_histogram_merge(&way->hops[hop], &result->hops[hop]);
    }
}

static int run_way(struct mr_trio_runs *runs, const struct mr_bench_scratch *scratch,
                   struct mr_trio_way *way, struct mr_error *err)
{
    struct mr_trio_options options = runs->options;
    struct mr_trio_result *result = malloc(sizeof *result);
    struct limits limits = {0};
    if (!result)
        return mr_fail(err, MR_ERR_MEMORY, "no memory for a result");
    options.rate = way->rate;
    options.wait = way->wait;
    options.durability = way->durability;
    options.placement = way->placement;
    int code = probe_limits(scratch, way, &limits, err);
    if (code == MR_OK)
        code = mr_bench_trio(scratch, &options, result, err);
    if (code == MR_OK)
        code = probe_limits(scratch, way, &limits, err);
    double limit = 0;
    if (code == MR_OK && way->rate == 0 && !runs->no_raw_write)
        code = find_write_limit(scratch, way->durability, result->records * options.record_bytes,
                                &limit, err);
    if (code == MR_OK) {
        double bytes_per_second = result->records_per_second * (double)options.record_bytes;
        way->write_limit[way->rounds] = limit;
        way->write_ratio[way->rounds] = limit > 0 ? bytes_per_second / limit : 0;
        add(way, result, &limits);
    }
    free(result);
    return code;
}

int mr_trio_runs(struct mr_trio_runs *runs, struct mr_error *err)
{
    struct mr_bench_scratch scratch;
    int code = mr_bench_scratch_make(&scratch, runs->directory, err);
    if (code != MR_OK)
        return code;
    for (unsigned round = 0; round < runs->rounds && code == MR_OK; round++)
        for (unsigned i = 0; i < runs->way_count && code == MR_OK; i++) {
            if (runs->before_run)
                runs->before_run(&runs->ways[i]);
            code = run_way(runs, &scratch, &runs->ways[i], err);
            if (code == MR_OK && mr_bench_interrupted())
                code = mr_fail(err, MR_ERR_STAGE, "ended by a signal");
        }
    mr_bench_scratch_remove(&scratch);
    return code;
}
