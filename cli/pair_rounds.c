// SPDX-License-Identifier: Apache-2.0
#include "cli/pair_rounds.h"

#include <stdlib.h>
#include <string.h>

#include "core/clock.h"

static bool is_near(double value, double reference)
{
    return value <= reference * MR_PAIR_REGIME_FACTOR && value >= reference / MR_PAIR_REGIME_FACTOR;
}

static void spread(struct mr_pair_spread *spread, double *values, unsigned count)
{
    *spread = (struct mr_pair_spread){0};
    if (count == 0)
        return;
    spread->median = mr_bench_median(values, count); // sorts
    spread->min = values[0];
    spread->max = values[count - 1];
}

static bool is_kept(const struct mr_pair_rounds *rounds, const struct mr_pair_cell *cell,
                    unsigned round)
{
    return is_near(cell->raw_rtt_ns[round][0], rounds->raw_rtt_ns.median) &&
           is_near(cell->raw_rtt_ns[round][1], rounds->raw_rtt_ns.median);
}

static void judge_cell(const struct mr_pair_rounds *rounds, struct mr_pair_cell *cell)
{
    double value[MR_BENCH_ROUNDS_MAX], ratio[MR_BENCH_ROUNDS_MAX];
    cell->kept = 0;
    for (unsigned round = 0; round < cell->rounds; round++) {
        if (!is_kept(rounds, cell, round))
            continue;
        const double *raw = cell->raw_rtt_ns[round];
        value[cell->kept] = cell->value[round];
        ratio[cell->kept++] = cell->value[round] / ((raw[0] + raw[1]) / 2);
    }
    spread(&cell->kept_value, value, cell->kept);
    spread(&cell->kept_ratio, ratio, cell->kept);
}

// All probes of the run, or those of kept measurements only, sorted into a spread.
static void spread_of_probes(const struct mr_pair_rounds *rounds, const struct mr_pair_cell *cells,
                             unsigned count, bool kept_only, struct mr_pair_spread *out,
                             double *room)
{
    unsigned probes = 0;
    for (unsigned i = 0; i < count; i++)
        for (unsigned round = 0; round < cells[i].rounds; round++)
            if (!kept_only || is_kept(rounds, &cells[i], round)) {
                room[probes++] = cells[i].raw_rtt_ns[round][0];
                room[probes++] = cells[i].raw_rtt_ns[round][1];
            }
    spread(out, room, probes);
}

int mr_pair_rounds_judge(struct mr_pair_rounds *rounds, struct mr_pair_cell *cells, unsigned count,
                         struct mr_error *err)
{
    struct mr_pair_spread kept;
    double *room =
        calloc((size_t)count * MR_BENCH_ROUNDS_MAX * 2 + 1, sizeof *room); // never nothing
    if (!room)
        return mr_fail(err, MR_ERR_MEMORY, "no memory to judge %u measurements", count);
    spread_of_probes(rounds, cells, count, false, &rounds->raw_rtt_ns, room);
    spread_of_probes(rounds, cells, count, true, &kept, room);
    free(room);
    rounds->regime_rtt_ns = kept.median;
    rounds->measured = rounds->kept = 0;
    for (unsigned i = 0; i < count; i++) {
        judge_cell(rounds, &cells[i]);
        rounds->measured += cells[i].rounds;
        rounds->kept += cells[i].kept;
    }
    return MR_OK;
}

// ---- measuring

static void measure(const struct mr_pair_rounds *rounds, struct mr_pair_cell *cell)
{
    static struct mr_pair_result once;
    unsigned round = cell->rounds;
    struct mr_pair_result *result = cell->with_distribution ? &cell->results[round] : &once;
    if (cell->failure.code != MR_OK || mr_pair_run(cell->transport, cell->loops, cell->part,
                                                   &rounds->plan, result, &cell->failure) != MR_OK)
        return;
    memcpy(cell->raw_rtt_ns[round], result->raw_rtt_ns, sizeof result->raw_rtt_ns);
    cell->records += result->records;
    cell->value[round] = cell->part == MR_PAIR_ROUND_TRIP
                             ? (double)mr_histogram_percentile(&result->round_trip_ns, 50)
                             : (double)result->records * 1e9 / (double)result->ns;
    cell->rounds++;
}

static bool has_enough(const struct mr_pair_rounds *rounds, const struct mr_pair_cell *cells,
                       unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        if (cells[i].failure.code == MR_OK && cells[i].kept < rounds->rounds)
            return false;
    return true;
}

static int prepare(struct mr_pair_cell *cells, unsigned count, struct mr_error *err)
{
    for (unsigned i = 0; i < count; i++) {
        struct mr_pair_cell *cell = &cells[i];
        cell->failure.code = MR_OK;
        if (!cell->with_distribution)
            continue;
        cell->results = calloc(MR_BENCH_ROUNDS_MAX, sizeof *cell->results);
        cell->round_trip_ns = calloc(1, sizeof *cell->round_trip_ns);
        cell->one_way_ns = calloc(1, sizeof *cell->one_way_ns);
        if (!cell->results || !cell->round_trip_ns || !cell->one_way_ns)
            return mr_fail(err, MR_ERR_MEMORY, "no memory for the histograms of a run");
    }
    return MR_OK;
}

static void merge_distributions(const struct mr_pair_rounds *rounds, struct mr_pair_cell *cell)
{
    for (unsigned round = 0; cell->with_distribution && round < cell->rounds; round++)
        if (is_kept(rounds, cell, round)) {
            mr_histogram_merge(cell->round_trip_ns, &cell->results[round].round_trip_ns);
            mr_histogram_merge(cell->one_way_ns, &cell->results[round].one_way_ns);
        }
}

int mr_pair_rounds_run(struct mr_pair_rounds *rounds, struct mr_pair_cell *cells, unsigned count,
                       struct mr_error *err)
{
    int64_t end_ns = mr_mono_ns() + rounds->time_max_ns;
    int code = prepare(cells, count, err);
    rounds->rounds_run = 0;
    while (code == MR_OK && rounds->rounds_run < MR_BENCH_ROUNDS_MAX) {
        if (rounds->progress)
            rounds->progress(rounds->rounds_run, rounds->rounds);
        for (unsigned i = 0; i < count; i++)
            measure(rounds, &cells[i]);
        rounds->rounds_run++;
        code = mr_pair_rounds_judge(rounds, cells, count, err);
        if (rounds->rounds_run >= rounds->rounds &&
            (has_enough(rounds, cells, count) || mr_mono_ns() >= end_ns))
            break;
    }
    for (unsigned i = 0; code == MR_OK && i < count; i++)
        merge_distributions(rounds, &cells[i]);
    return code;
}

void mr_pair_rounds_free(struct mr_pair_cell *cells, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        free(cells[i].results);
        free(cells[i].round_trip_ns);
        free(cells[i].one_way_ns);
    }
}
