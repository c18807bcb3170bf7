// SPDX-License-Identifier: Apache-2.0
#include "cli/bench_hop.h"

#include <stdio.h>
#include <string.h>

#include "cli/pair_cores.h"

#define RAW_TRIPS 5000 // of each probe: less than a millisecond
#define TIME_MAX_SHARE                                                                             \
    3 // rounds beyond those wanted, while less than three times their time is over
#define TIME_OF_ONE_NS 150000000 // a measurement with its probes and its two processes, at most

static struct mr_pair_cell *add_cell(struct mr_hop_report *report,
                                     const struct mr_pair_transport *transport,
                                     const struct mr_pair_loops *loops, enum mr_pair_part part)
{
    struct mr_pair_cell *cell = &report->cells[report->cells_count++];
    *cell = (struct mr_pair_cell){.transport = transport, .loops = loops, .part = part};
    return cell;
}

static void choose_cells(struct mr_hop_report *report)
{
    const struct mr_pair_transport *ring = &mr_pair_millrace;
    const struct mr_pair_loops *usual = mr_pair_loops_of(ring, MR_HOP_RECORD_BYTES);
    report->sizes = ring->loops_count;
    report->copies_count = mr_pair_copy.loops_count;
    report->round_trip = add_cell(report, ring, usual, MR_PAIR_ROUND_TRIP);
    report->round_trip->with_distribution = true;
    report->one_at_a_time = add_cell(report, ring, usual, MR_PAIR_ONE_AT_A_TIME);
    report->batches = &report->cells[report->cells_count];
    for (unsigned i = 0; i < report->sizes; i++)
        add_cell(report, ring, &ring->loops[i], MR_PAIR_BATCHES);
    report->handling = &report->cells[report->cells_count];
    for (unsigned i = 0; i < report->sizes; i++)
        add_cell(report, &mr_pair_handling,
                 mr_pair_loops_of(&mr_pair_handling, ring->loops[i].record_bytes), MR_PAIR_BATCHES);
    report->copies = &report->cells[report->cells_count];
    for (unsigned i = 0; i < report->copies_count; i++)
        add_cell(report, &mr_pair_copy, &mr_pair_copy.loops[i], MR_PAIR_BATCHES);
}

static int sum_up(struct mr_hop_report *report, struct mr_error *err)
{
    for (unsigned i = 0; i < report->cells_count; i++) {
        const struct mr_pair_cell *cell = &report->cells[i];
        if (cell->failure.code != MR_OK)
            return mr_fail(err, cell->failure.code, "%s", cell->failure.text);
        report->records += cell->records;
    }
    for (unsigned i = 0; i < report->copies_count; i++) {
        const struct mr_pair_cell *cell = &report->copies[i];
        double bytes = cell->kept_value.median * cell->loops->record_bytes;
        if (bytes > report->copy_bytes_per_second) {
            report->copy = cell;
            report->copy_bytes_per_second = bytes;
        }
    }
    return MR_OK;
}

int mr_bench_hop(const struct mr_hop_options *options, struct mr_hop_report *report,
                 struct mr_error *err)
{
    memset(report, 0, sizeof *report);
    int code = mr_pair_choose_cores(report->cores, &report->cache_level, err);
    if (code != MR_OK)
        return code;
    choose_cells(report);
    report->rounds = (struct mr_pair_rounds){
        .plan = {.cores = {report->cores[0], report->cores[1]},
                 .trips_max = options->round_trips,
                 .records_max = options->records,
                 .ns_max = options->ns_max,
                 .raw_trips = RAW_TRIPS},
        .rounds = options->rounds,
        .time_max_ns =
            (int64_t)options->rounds * report->cells_count * TIME_OF_ONE_NS * TIME_MAX_SHARE,
    };
    code = mr_pair_rounds_run(&report->rounds, report->cells, report->cells_count, err);
    return code == MR_OK ? sum_up(report, err) : code;
}

void mr_bench_hop_free(struct mr_hop_report *report)
{
    mr_pair_rounds_free(report->cells, report->cells_count);
}
