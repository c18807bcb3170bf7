// SPDX-License-Identifier: Apache-2.0
#include "bench/peers/compare.h"

#include <stdio.h>

#include "cli/bench_hop.h"
#include "cli/pair_loops.h"

#define BEST_PEER_RTT_GOAL 0.7 // round trip to that of the best peer, at most
#define BEST_PEER_ONE_GOAL 3.0 // records one at a time to those of the best peer, at least

bool compare_is_peer(const struct mr_pair_cell *cell)
{
    return cell->transport != &mr_pair_millrace && cell->transport != &mr_pair_handling &&
           cell->transport != &mr_pair_copy;
}

const struct mr_pair_cell *compare_ours(const struct compare_group *group)
{
    const struct mr_pair_cell *first = &group->rows[0];
    return first->transport == &mr_pair_millrace && first->kept > 0 ? first : NULL;
}

// What rows of one group are compared by.
static double figure(const struct mr_pair_cell *cell)
{
    return cell->part == MR_PAIR_ROUND_TRIP ? cell->kept_ratio.median : cell->kept_value.median;
}

static bool is_better(const struct mr_pair_cell *a, const struct mr_pair_cell *b)
{
    return a->part == MR_PAIR_ROUND_TRIP ? figure(a) < figure(b) : figure(a) > figure(b);
}

const struct mr_pair_cell *compare_best_peer(const struct compare_group *group)
{
    const struct mr_pair_cell *best = NULL;
    for (unsigned i = 0; i < group->rows_count; i++) {
        const struct mr_pair_cell *cell = &group->rows[i];
        if (compare_is_peer(cell) && cell->kept > 0 && (!best || is_better(cell, best)))
            best = cell;
    }
    return best;
}

double compare_to_ours(const struct compare_group *group, const struct mr_pair_cell *cell)
{
    const struct mr_pair_cell *ours = compare_ours(group);
    return ours && cell->kept > 0 ? figure(cell) / figure(ours) : 0;
}

double compare_to_limit(const struct compare *compare, const struct mr_pair_cell *cell)
{
    if (cell->part == MR_PAIR_ROUND_TRIP)
        return cell->kept_ratio.median;
    double bytes = cell->kept_value.median * cell->loops->record_bytes;
    return compare->copy_bytes_per_second > 0 ? bytes / compare->copy_bytes_per_second : 0;
}

static struct compare_goal *add_goal(struct compare_goal *goals, unsigned *count, const char *name,
                                     double goal, bool at_most, double found)
{
    struct compare_goal *added = &goals[(*count)++];
    *added = (struct compare_goal){.name = name, .goal = goal, .at_most = at_most, .found = found};
    added->met = found > 0 && (at_most ? found <= goal : found >= goal);
    return added;
}

// A goal counts only where enough was kept of what it sets side by side.
static void ask_for(struct compare_goal *goal, const struct mr_pair_cell *cell)
{
    if (!goal->unjudged)
        goal->unjudged = cell ? mr_pair_why_unjudged(cell) : "none was kept";
    goal->met = goal->met && !goal->unjudged;
}

// Whatever was kept of it; NULL: the group has none, or it failed.
static const struct mr_pair_cell *our_row(const struct compare_group *group)
{
    const struct mr_pair_cell *first = &group->rows[0];
    return group->rows_count > 0 && first->transport == &mr_pair_millrace &&
                   first->failure.code == MR_OK
               ? first
               : NULL;
}

// The least over all sizes that batches reach of `what`.
static const struct compare_group *worst_batches(const struct compare *compare, bool of_best_peer,
                                                 double *worst)
{
    const struct compare_group *at = NULL;
    for (unsigned i = 0; i < compare->groups_count; i++) {
        const struct compare_group *group = &compare->groups[i];
        const struct mr_pair_cell *ours = compare_ours(group), *best = compare_best_peer(group);
        if (group->part != MR_PAIR_BATCHES || !ours || !best)
            continue;
        double found =
            of_best_peer ? 1 / compare_to_ours(group, best) : compare_to_limit(compare, ours);
        if (!at || found < *worst) {
            *worst = found;
            at = group;
        }
    }
    return at;
}

// The worst size is not known where one size has too few.
static void ask_for_all_batches(const struct compare *compare, struct compare_goal *goal)
{
    for (unsigned i = 0; i < compare->groups_count; i++) {
        const struct mr_pair_cell *ours = our_row(&compare->groups[i]);
        if (ours && ours->part == MR_PAIR_BATCHES)
            ask_for(goal, ours);
    }
}

static void goals_of_batches(const struct compare *compare, struct compare_goal *goals,
                             unsigned *count)
{
    double worst = 0;
    const struct compare_group *group = worst_batches(compare, false, &worst);
    struct compare_goal *goal;
    if (group) {
        goal = add_goal(goals, count, "copy_ratio", MR_HOP_COPY_RATIO_GOAL, false, worst);
        ask_for(goal, compare->copy);
        ask_for_all_batches(compare, goal);
        snprintf(goal->what, sizeof goal->what, "batches to a plain copy, worst size (%u bytes)",
                 mr_pair_length(group->record_bytes));
    }
    group = worst_batches(compare, true, &worst);
    if (group) {
        goal = add_goal(goals, count, "batches_to_best_peer", 1, false, worst);
        ask_for(goal, compare_best_peer(group));
        ask_for_all_batches(compare, goal);
        snprintf(goal->what, sizeof goal->what,
                 "batches to the best peer, worst size (%u bytes: %s)",
                 mr_pair_length(group->record_bytes), compare_best_peer(group)->transport->name);
    }
}

static void goals_of_singles(const struct compare_group *group, struct compare_goal *goals,
                             unsigned *count)
{
    const struct mr_pair_cell *ours = our_row(group), *best = compare_best_peer(group);
    bool trip = group->part == MR_PAIR_ROUND_TRIP;
    struct compare_goal *goal;
    if (group->part == MR_PAIR_BATCHES || !ours || !best)
        return;
    if (trip) {
        goal = add_goal(goals, count, "rtt_ratio", MR_HOP_RTT_RATIO_GOAL, true, figure(ours));
        ask_for(goal, ours);
        snprintf(goal->what, sizeof goal->what, "round trip to the bare cache line's");
    }
    goal =
        add_goal(goals, count, trip ? "rtt_to_best_peer" : "one_at_a_time_to_best_peer",
                 trip ? BEST_PEER_RTT_GOAL : BEST_PEER_ONE_GOAL, trip, figure(ours) / figure(best));
    ask_for(goal, ours);
    ask_for(goal, best);
    snprintf(goal->what, sizeof goal->what, "%s to the best peer's (%s)",
             trip ? "round trip" : "records one at a time", best->transport->name);
}

unsigned compare_goals(const struct compare *compare, struct compare_goal *goals)
{
    unsigned count = 0;
    for (unsigned i = 0; i < compare->groups_count; i++)
        goals_of_singles(&compare->groups[i], goals, &count);
    goals_of_batches(compare, goals, &count);
    return count;
}
