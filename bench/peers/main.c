// SPDX-License-Identifier: Apache-2.0
// Millrace's ring beside its peers (bench/peers/peers.h): `make bench-peers`.
#include <stdio.h>
#include <string.h>

#include "bench/peers/compare.h"
#include "bench/peers/peers.h"
#include "cli/cli.h"
#include "cli/pair_cores.h"
#include "cli/pair_loops.h"
#include "core/clock.h"

#define RAW_TRIPS 5000

static const struct mr_pair_transport *const transports[] = {
    &mr_pair_millrace,   &mr_peer_ck_ring,    &mr_peer_rte_ring, &mr_peer_rte_ring_zero_copy,
    &mr_peer_boost_spsc, &mr_peer_moodycamel, &mr_peer_iceoryx,  &mr_peer_unix_socket,
    &mr_peer_pipe,       &mr_peer_zeromq,     &mr_pair_handling,
};

static const struct {
    enum mr_pair_part part;
    uint32_t record_bytes;
} groups[] = {
    {MR_PAIR_ROUND_TRIP, 64}, {MR_PAIR_ONE_AT_A_TIME, 64}, {MR_PAIR_BATCHES, MR_PAIR_BARE_BYTES},
    {MR_PAIR_BATCHES, 48},    {MR_PAIR_BATCHES, 64},       {MR_PAIR_BATCHES, 256},
    {MR_PAIR_BATCHES, 1024},  {MR_PAIR_BATCHES, 4096},
};

static void add_cell(struct compare *compare, const struct mr_pair_transport *transport,
                     const struct mr_pair_loops *loops, enum mr_pair_part part)
{
    compare->cells[compare->cells_count++] =
        (struct mr_pair_cell){.transport = transport, .loops = loops, .part = part};
}

// `only`: these transports, or all where it is empty.
static bool is_wanted(const struct mr_pair_transport *transport, const struct mr_arg_list *only)
{
    for (unsigned i = 0; i < only->count; i++)
        if (strcmp(only->items[i], transport->name) == 0)
            return true;
    return only->count == 0;
}

static void choose_cells(struct compare *compare, const struct mr_arg_list *only)
{
    for (unsigned g = 0; g < MR_COUNT_OF(groups); g++) {
        struct compare_group *group = &compare->groups[compare->groups_count++];
        *group = (struct compare_group){.part = groups[g].part,
                                        .record_bytes = groups[g].record_bytes,
                                        .rows = &compare->cells[compare->cells_count]};
        for (unsigned t = 0; t < MR_COUNT_OF(transports); t++) {
            const struct mr_pair_loops *loops =
                mr_pair_loops_of(transports[t], groups[g].record_bytes);
            if (transports[t] == &mr_pair_handling && groups[g].part != MR_PAIR_BATCHES)
                continue; // a limit of batches
            if (loops && is_wanted(transports[t], only))
                add_cell(compare, transports[t], loops, groups[g].part);
        }
        group->rows_count = (unsigned)(&compare->cells[compare->cells_count] - group->rows);
    }
    compare->copies = &compare->cells[compare->cells_count];
    compare->copies_count = mr_pair_copy.loops_count;
    for (unsigned i = 0; i < compare->copies_count; i++)
        add_cell(compare, &mr_pair_copy, &mr_pair_copy.loops[i], MR_PAIR_BATCHES);
}

static void find_fastest_copy(struct compare *compare)
{
    for (unsigned i = 0; i < compare->copies_count; i++) {
        const struct mr_pair_cell *cell = &compare->copies[i];
        double bytes = cell->kept_value.median * cell->loops->record_bytes;
        if (bytes > compare->copy_bytes_per_second) {
            compare->copy = cell;
            compare->copy_bytes_per_second = bytes;
        }
    }
}

static void say_round(unsigned round, unsigned rounds)
{
    fprintf(stderr, "round %u of %u%s\n", round + 1, rounds,
            round < rounds ? "" : ", for measurements that the machine disturbed");
}

// The first failure, if there was one: every transport is to be sound.
static int report_failures(const struct compare *compare)
{
    int code = MR_OK;
    for (unsigned i = 0; i < compare->cells_count; i++)
        if (compare->cells[i].failure.code != MR_OK) {
            fprintf(stderr, "%s\n", compare->cells[i].failure.text);
            code = compare->cells[i].failure.code;
        }
    return code;
}

static int write_json(const struct compare *compare, const char *machine, const char *path,
                      struct mr_error *err)
{
    FILE *out = fopen(path, "we");
    if (!out)
        return mr_fail_errno(err, MR_ERR_OUTPUT, "%s: cannot create it", path);
    compare_json(compare, machine, out);
    if (fclose(out) != 0)
        return mr_fail_errno(err, MR_ERR_OUTPUT, "%s: cannot write it", path);
    return MR_OK;
}

static int run(struct compare *compare, const char *json_path, struct mr_error *err)
{
    char machine[512];
    int code = mr_pair_rounds_run(&compare->rounds, compare->cells, compare->cells_count, err);
    if (code != MR_OK)
        return code;
    find_fastest_copy(compare);
    mr_bench_machine(machine, sizeof machine);
    compare_show(compare, machine);
    if (*json_path)
        code = write_json(compare, machine, json_path, err);
    mr_pair_rounds_free(compare->cells, compare->cells_count);
    return code;
}

int main(int argc, char **argv)
{
    static struct compare compare;
    uint64_t rounds = 5, ms = 100, seconds_max = 200;
    const char *json_path = "";
    struct mr_arg_list only = {0}, words;
    struct mr_error err;
    const struct mr_arg table[] = {
        {"rounds", "N", "how often to repeat (default 5)", MR_ARG_COUNT, &rounds},
        {"ms", "N", "of each measurement in a round, at most (default 100)", MR_ARG_COUNT, &ms},
        {"seconds", "N", "no further round begins after so many (default 200)", MR_ARG_COUNT,
         &seconds_max},
        {"only", "NAME", "this transport and no other; repeatable", MR_ARG_LIST, &only},
        {"json", "FILE", "write one JSON object there, too", MR_ARG_TEXT, &json_path},
        {0}};
    const struct mr_usage usage = {
        .command = "peers", .words = "", .about = "The ring beside its peers.", .args = table};
    int code;
    if (!mr_args_parse(&usage, argc, argv, &words, &code))
        return code;
    mr_clock_setup();
    code = mr_pair_choose_cores(compare.cores, &compare.cache_level, &err);
    if (code == MR_OK) {
        choose_cells(&compare, &only);
        compare.rounds = (struct mr_pair_rounds){
            .plan = {.cores = {compare.cores[0], compare.cores[1]},
                     .trips_max = MR_PAIR_TRIPS_MAX,
                     .records_max = UINT64_MAX,
                     .ns_max = (int64_t)ms * 1000000,
                     .raw_trips = RAW_TRIPS},
            .rounds = (unsigned)mr_min_u64(rounds, MR_BENCH_ROUNDS_MAX),
            .time_max_ns = (int64_t)seconds_max * 1000000000,
            .progress = say_round,
        };
        code = run(&compare, json_path, &err);
    }
    return code == MR_OK ? report_failures(&compare) : mr_cli_fail("peers", &err);
}
