// SPDX-License-Identifier: Apache-2.0
#include "cli/pair_rounds.h"

#include <stdlib.h>
#include <string.h>

#include "core/clock.h"

static void spread(struct mr_pair_spread *spread, double *values, unsigned count)
{
    *spread = (struct mr_pair_spread){0};
    if (count == 0)
        return;
    spread->median = mr_bench_median(values, count); // sorts
    spread->min = values[0];
    spread->max = values[count - 1];
}

static bool is_steady(const double raw_rtt_ns[2])
{
    return raw_rtt_ns[0] <= raw_rtt_ns[1] * MR_PAIR_STEADY_FACTOR &&
           raw_rtt_ns[1] <= raw_rtt_ns[0] * MR_PAIR_STEADY_FACTOR;
}

static bool is_in_regime(const struct mr_pair_rounds *rounds, double raw_rtt_ns)
{
    return raw_rtt_ns >= rounds->regime_from_ns &&
           raw_rtt_ns <= rounds->regime_from_ns * MR_PAIR_REGIME_FACTOR;
}

static bool is_kept(const struct mr_pair_rounds *rounds, const struct mr_pair_cell *cell,
                    unsigned round)
{
    const double *raw = cell->raw_rtt_ns[round];
    if (cell->part == MR_PAIR_ROUND_TRIP)
        return is_steady(raw);
    return is_in_regime(rounds, raw[0]) && is_in_regime(rounds, raw[1]);
}

static void judge_cell(const struct mr_pair_rounds *rounds, struct mr_pair_cell *cell)
{
    double value[MR_BENCH_ROUNDS_MAX], raw[MR_BENCH_ROUNDS_MAX], ratio[MR_BENCH_ROUNDS_MAX];
    cell->kept = 0;
    for (unsigned round = 0; round < cell->rounds; round++) {
        if (!is_kept(rounds, cell, round))
            continue;
        value[cell->kept] = cell->value[round];
        raw[cell->kept] = (cell->raw_rtt_ns[round][0] + cell->raw_rtt_ns[round][1]) / 2;
        ratio[cell->kept] = value[cell->kept] / raw[cell->kept];
        cell->kept++;
    }
    spread(&cell->kept_value, value, cell->kept);
    spread(&cell->kept_raw_rtt_ns, raw, cell->kept);
    spread(&cell->kept_ratio, ratio, cell->kept);
}

// The probes are sorted. Of windows that hold equally many, the fastest.
static void find_regime(struct mr_pair_rounds *rounds, double *probes, unsigned count)
{
    unsigned first = 0, most = 0;
    for (unsigned from = 0, to = 0; from < count; from++) {
        while (to < count && probes[to] <= probes[from] * MR_PAIR_REGIME_FACTOR)
            to++;
        if (to - from > most) {
            first = from;
            most = to - from;
        }
    }
    rounds->regime_from_ns = most > 0 ? probes[first] : 0;
    rounds->regime_rtt_ns = most > 0 ? mr_bench_median(probes + first, most) : 0;
}

static unsigned all_probes(const struct mr_pair_cell *cells, unsigned count, double *probes)
{
    unsigned found = 0;
    for (unsigned i = 0; i < count; i++)
        for (unsigned round = 0; round < cells[i].rounds; round++) {
            probes[found++] = cells[i].raw_rtt_ns[round][0];
            probes[found++] = cells[i].raw_rtt_ns[round][1];
        }
    return found;
}

int mr_pair_rounds_judge(struct mr_pair_rounds *rounds, struct mr_pair_cell *cells, unsigned count,
                         struct mr_error *err)
{
    double *probes =
        calloc((size_t)count * MR_BENCH_ROUNDS_MAX * 2 + 1, sizeof *probes); // never nothing
    if (!probes)
        return mr_fail(err, MR_ERR_MEMORY, "no memory to judge %u measurements", count);
    unsigned found = all_probes(cells, count, probes);
    spread(&rounds->raw_rtt_ns, probes, found); // sorts
    find_regime(rounds, probes, found);
    free(probes);
    rounds->measured = rounds->kept = 0;
    for (unsigned i = 0; i < count; i++) {
        judge_cell(rounds, &cells[i]);
        rounds->measured += cells[i].rounds;
        rounds->kept += cells[i].kept;
    }
    return MR_OK;
}

const char *mr_pair_why_unjudged(const struct mr_pair_cell *cell)
{
    if (cell->kept >= MR_PAIR_KEPT_MIN)
        return NULL;
    return cell->rounds < MR_PAIR_KEPT_MIN ? "too few rounds to judge" : "too unsteady to judge";
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
