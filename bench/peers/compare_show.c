// SPDX-License-Identifier: Apache-2.0
#include <inttypes.h>
#include <stdio.h>

#include "bench/peers/compare.h"
#include "cli/pair_loops.h"

static const char *name_of(enum mr_pair_part part)
{
    switch (part) {
    case MR_PAIR_ROUND_TRIP:
        return "round_trip";
    case MR_PAIR_ONE_AT_A_TIME:
        return "one_at_a_time";
    case MR_PAIR_BATCHES:
        break;
    }
    return "batches";
}

// ---- text

static void show_heading(const struct compare_group *group)
{
    unsigned bytes = mr_pair_length(group->record_bytes);
    const char *limit = "to copy", *unit = "M/s";
    if (group->part == MR_PAIR_ROUND_TRIP) {
        printf("\nround trip of a record of %u bytes through two channels, p50\n", bytes);
        limit = "to line";
        unit = "ns";
    } else if (group->part == MR_PAIR_ONE_AT_A_TIME) {
        printf("\nrecords of %u bytes, one at a time\n", bytes);
    } else if (group->record_bytes == MR_PAIR_BARE_BYTES) {
        printf("\nbare numbers of 8 bytes in batches of %d: no record of Millrace's\n",
               MR_PAIR_BATCH);
    } else {
        printf("\nrecords of %u bytes in batches of %d%s\n", bytes, MR_PAIR_BATCH,
               group->record_bytes == MR_PAIR_SMALLEST_BYTES
                   ? " (8 bytes of fields; peers carry 48)"
                   : "");
    }
    printf("  %-20s %9s %9s %9s  %-4s %9s %9s %9s %6s\n", "", "min", "median", "max", unit,
           group->part == MR_PAIR_ROUND_TRIP ? "line" : "GB/s", limit, "to ours", "kept");
}

static void show_row(const struct compare *compare, const struct compare_group *group,
                     const struct mr_pair_cell *cell)
{
    const struct mr_pair_spread *value = &cell->kept_value;
    bool trip = group->part == MR_PAIR_ROUND_TRIP;
    double unit = trip ? 1 : 1e6;
    char beside[16] = "", to_ours[16] = "";
    const char *why = mr_pair_why_unjudged(cell);
    if (cell->failure.code != MR_OK) {
        printf("  %-20s %s\n", cell->transport->name, cell->failure.text);
        return;
    }
    snprintf(beside, sizeof beside, "%.2f",
             trip ? cell->kept_raw_rtt_ns.median : value->median * cell->loops->record_bytes / 1e9);
    if (compare_ours(group))
        snprintf(to_ours, sizeof to_ours, "%.2fx", compare_to_ours(group, cell));
    printf("  %-20s %9.2f %9.2f %9.2f  %-4s %9s %8.2fx %9s %3u/%-2u%s%s%s\n", cell->transport->name,
           value->min / unit, value->median / unit, value->max / unit, "", beside,
           compare_to_limit(compare, cell), to_ours, cell->kept, cell->rounds,
           cell == compare_best_peer(group) ? "  best peer" : "", why ? "  " : "", why ? why : "");
}

static void show_goals(const struct compare *compare)
{
    struct compare_goal goals[COMPARE_GOALS_MAX];
    unsigned count = compare_goals(compare, goals);
    printf("\n");
    for (unsigned i = 0; i < count; i++)
        printf("  %-62s %6.2fx, goal %s %.2fx: %s\n", goals[i].what, goals[i].found,
               goals[i].at_most ? "<=" : ">=", goals[i].goal,
               goals[i].unjudged ? goals[i].unjudged
               : goals[i].met    ? "met"
                                 : "not met");
}

void compare_show(const struct compare *compare, const char *machine)
{
    const struct mr_pair_rounds *rounds = &compare->rounds;
    uint64_t records = 0;
    for (unsigned i = 0; i < compare->cells_count; i++)
        records += compare->cells[i].records;
    printf("%s\ncores %d and %d (%s%d), %u rounds of each in turn; %" PRIu64
           " records, each one's sequence and content checked\n",
           machine, compare->cores[0], compare->cores[1],
           compare->cache_level ? "in common: L" : "no cache in common: ", compare->cache_level,
           rounds->rounds_run, records);
    printf(
        "bare cache line there and back %.0f ns (%.0f to %.0f in the whole run; kept: %u of %u "
        "measurements, round trips whose own two probes agree, rates whose probes are near that); "
        "a plain copy moves %.2f GB/s\n",
        rounds->regime_rtt_ns, rounds->raw_rtt_ns.min, rounds->raw_rtt_ns.max, rounds->kept,
        rounds->measured, compare->copy_bytes_per_second / 1e9);
    for (unsigned i = 0; i < compare->groups_count; i++) {
        const struct compare_group *group = &compare->groups[i];
        show_heading(group);
        for (unsigned row = 0; row < group->rows_count; row++)
            show_row(compare, group, &group->rows[row]);
    }
    show_goals(compare);
    printf("\n");
    for (unsigned row = 0; row < compare->groups[0].rows_count; row++)
        printf("  %-20s %s\n", compare->groups[0].rows[row].transport->name,
               compare->groups[0].rows[row].transport->how);
}

// ---- JSON

static void json_text(const char *text, FILE *out)
{
    for (; *text; text++) {
        if (*text == '"' || *text == '\\')
            fputc('\\', out);
        fputc((unsigned char)*text < ' ' ? ' ' : *text, out);
    }
}

static void json_row(const struct compare *compare, const struct compare_group *group,
                     const struct mr_pair_cell *cell, FILE *out)
{
    fprintf(out, "{\"transport\": \"%s\", \"part\": \"%s\", \"record_bytes\": %u, ",
            cell->transport->name, name_of(group->part), mr_pair_length(group->record_bytes));
    if (cell->failure.code != MR_OK) {
        fprintf(out, "\"failure\": \"");
        json_text(cell->failure.text, out);
        fprintf(out, "\"}");
        return;
    }
    fprintf(out,
            "\"unit\": \"%s\", \"median\": %.1f, \"min\": %.1f, \"max\": %.1f, \"to_limit\": %.3f, "
            "\"to_ours\": %.3f, \"raw_rtt_ns\": %.1f, \"kept\": %u, \"rounds\": %u, "
            "\"records_checked\": %" PRIu64 "}",
            group->part == MR_PAIR_ROUND_TRIP ? "ns" : "records/s", cell->kept_value.median,
            cell->kept_value.min, cell->kept_value.max, compare_to_limit(compare, cell),
            compare_to_ours(group, cell), cell->kept_raw_rtt_ns.median, cell->kept, cell->rounds,
            cell->records);
}

static void json_goals(const struct compare *compare, FILE *out)
{
    struct compare_goal goals[COMPARE_GOALS_MAX];
    unsigned count = compare_goals(compare, goals);
    fprintf(out, "\"goals\": {");
    for (unsigned i = 0; i < count; i++)
        fprintf(out,
                "%s\"%s\": {\"what\": \"%s\", \"%s\": %.2f, \"found\": %.3f, \"judged\": %s, "
                "\"met\": %s}",
                i ? ", " : "", goals[i].name, goals[i].what,
                goals[i].at_most ? "at_most" : "at_least", goals[i].goal, goals[i].found,
                goals[i].unjudged ? "false" : "true", goals[i].met ? "true" : "false");
    fprintf(out, "}");
}

void compare_json(const struct compare *compare, const char *machine, FILE *out)
{
    const struct mr_pair_rounds *rounds = &compare->rounds;
    bool first = true;
    fprintf(out,
            "{\"bench\": \"peers\", \"machine\": \"%s\", \"cores\": [%d, %d], "
            "\"shared_cache_level\": %d, \"rounds\": %u, \"batch_records\": %d, "
            "\"raw_rtt_ns\": %.1f, \"copy_bytes_per_second\": %.0f, \"regime\": {\"measured\": %u, "
            "\"kept\": %u, \"raw_rtt_ns_min\": %.1f, \"raw_rtt_ns_max\": %.1f}, \"rows\": [",
            machine, compare->cores[0], compare->cores[1], compare->cache_level, rounds->rounds_run,
            MR_PAIR_BATCH, rounds->regime_rtt_ns, compare->copy_bytes_per_second, rounds->measured,
            rounds->kept, rounds->raw_rtt_ns.min, rounds->raw_rtt_ns.max);
    for (unsigned i = 0; i < compare->groups_count; i++)
        for (unsigned row = 0; row < compare->groups[i].rows_count; row++) {
            fprintf(out, "%s", first ? "" : ", ");
            json_row(compare, &compare->groups[i], &compare->groups[i].rows[row], out);
            first = false;
        }
    fprintf(out, "], ");
    json_goals(compare, out);
    fprintf(out, "}\n");
}
