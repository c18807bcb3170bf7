// SPDX-License-Identifier: Apache-2.0
// `millrace balance`: is every record accounted for?
#include "cli/cli.h"
#include "cli/runs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/pipeline/report.h"

// Records between what the stage behind the ring has committed and what was published. Only where
// no process is at work on the ring.
static uint64_t count_records(const struct mr_pipeline *run, enum mr_ring_index index,
                              uint64_t in_pos)
{
    char path[MR_RUNDIR_PATH_BYTES];
    struct mr_ring ring;
    struct mr_reader reader;
    uint32_t length;
    uint64_t count = 0;
    mr_pipeline_ring_path(run, index, path, sizeof path);
    if (mr_ring_attach(&ring, path, MR_ATTACH_READ_ONLY, NULL) != MR_OK)
        return 0;
    mr_reader_open(&reader, &ring);
    if (in_pos > reader.position) // it died before it could give back what it had committed
        reader.position = reader.write_pos = in_pos;
    while (mr_next(&reader, &length))
        count++;
    mr_ring_detach(&ring);
    return count;
}

// The counts say how many records must be on their way; here they are counted one by one.
static bool agree(struct mr_report *report, enum mr_ring_index ring, uint64_t found,
                  uint64_t expected)
{
    if (found != expected)
        snprintf(report->imbalance, sizeof report->imbalance,
                 "%s ring: %llu records are in it, the counts say %llu", mr_ring_index_name(ring),
                 (unsigned long long)found, (unsigned long long)expected);
    return found == expected;
}

static bool recount(struct mr_report *report, const struct mr_pipeline *run)
{
    const struct mr_stage_slot *transform = &report->stages[MR_ROLE_TRANSFORM].slot;
    const struct mr_stage_report *loader = &report->stages[MR_ROLE_LOADER];
    uint64_t found = 0;
    for (unsigned i = 0; i < MR_PRODUCERS_MAX; i++)
        if (mr_report_has_ring(report, mr_ingress_ring(i)))
            found += count_records(run, mr_ingress_ring(i), transform->in_pos[i]);
    if (!agree(report, MR_RING_INGRESS, found, report->rings[MR_RING_INGRESS].in_flight))
        return false;
    // Taken in, not durable: still in the ring.
    found = count_records(run, MR_RING_EGRESS, loader->slot.in_pos[MR_PORT_MAIN]);
    return agree(report, MR_RING_EGRESS, found,
                 report->rings[MR_RING_EGRESS].in_flight + loader->in_flight);
}

static void print_ring(const struct mr_report *report, enum mr_ring_index index,
                       const char *upstream, uint64_t count, enum mr_role downstream)
{
    char emitted[32], in[32], in_flight[32];
    mr_report_count_text(count, emitted, sizeof emitted);
    mr_report_count_text(report->stages[downstream].slot.counts[MR_COUNT_IN], in, sizeof in);
    mr_report_count_text(report->rings[index].in_flight, in_flight, sizeof in_flight);
    printf("  %-10s %s emitted %s = %s in %s + on their way %s\n", mr_ring_index_name(index),
           upstream, emitted, mr_role_name(downstream), in, in_flight);
}

static void print_stage(const struct mr_report *report, enum mr_role role)
{
    const struct mr_stage_report *stage = &report->stages[role];
    char number[32];
    printf("  %-10s in %s =", mr_role_name(role),
           mr_report_count_text(stage->slot.counts[MR_COUNT_IN], number, sizeof number));
    for (unsigned count = MR_COUNT_OUT; count <= MR_COUNT_DROPPED; count++)
        printf("%s %s %s", count == MR_COUNT_OUT ? "" : " +", mr_count_name(count),
               mr_report_count_text(stage->slot.counts[count], number, sizeof number));
    printf(" + in_flight %s\n", mr_report_count_text(stage->in_flight, number, sizeof number));
}

static void print_balance(const struct mr_report *report)
{
    printf("%s (%s):\n", report->name, mr_report_phase(report));
    bool several = mr_report_has_role(report, MR_ROLE_PRODUCER_2);
    for (unsigned i = 0; i < MR_PRODUCERS_MAX; i++)
        if (mr_report_has_role(report, mr_producer_role(i)))
            print_stage(report, mr_producer_role(i));
    print_ring(report, MR_RING_INGRESS, several ? "producers" : "producer",
               mr_report_produced(report, MR_COUNT_EMITTED), MR_ROLE_TRANSFORM);
    print_stage(report, MR_ROLE_TRANSFORM);
    print_ring(report, MR_RING_EGRESS, "transform",
               report->stages[MR_ROLE_TRANSFORM].slot.counts[MR_COUNT_EMITTED], MR_ROLE_LOADER);
    print_stage(report, MR_ROLE_LOADER);
    printf("  balance: %s\n", report->balance ? "exact" : report->imbalance);
}

static void print_balance_json(const struct mr_report *report)
{
    struct mr_json json;
    mr_json_init(&json, 2);
    mr_report_json(report, &json);
    fputs(mr_json_finish(&json), stdout);
    mr_json_free(&json);
}

// Of a run that has ended and whose segments are gone: what was found at its end.
static int balance_of_last(const struct mr_pipeline *run, bool as_json)
{
    char *json = mr_run_read(run, MR_LAST_JSON), *text = mr_run_read(run, MR_LAST_TEXT);
    struct mr_node *root = NULL;
    int code = MR_ERR_USAGE;
    if (json && text && mr_config_parse(json, MR_LAST_JSON, &root, NULL) == MR_OK) {
        const struct mr_node *balance = mr_config_child(root, "balance");
        bool exact = balance && balance->text && strcmp(balance->text, "true") == 0;
        fputs(as_json ? json : text, stdout);
        code = exact ? MR_OK : MR_ERR_BALANCE;
        mr_config_free(root);
    } else {
        fprintf(stderr, "millrace balance: no run of \"%s\" in %s\n", run->name, run->directory);
    }
    free(json);
    free(text);
    return code;
}

int mr_cli_balance(int argc, char **argv)
{
    struct mr_arg_list sets = {0}, words;
    const char *shm = NULL;
    bool json = false;
    const struct mr_arg table[] = {
        {"json", NULL, "print the whole status as JSON", MR_ARG_SWITCH, &json},
        MR_ARG_SETS(&sets),
        MR_ARG_SHM(&shm),
        {0}};
    const struct mr_usage usage = {
        .command = "balance",
        .words = "[NAME|PIPELINE]",
        .about = "Checks that every record a pipeline took in is accounted for: at each stage, in "
                 "= out + filtered + duplicate + late + rejected + dropped + in_flight; between "
                 "stages, emitted = taken in + on their way. Where the pipeline stands still, "
                 "the records in its rings are counted one by one. Exit code 10 where it does not "
                 "hold.",
        .args = table,
        .words_max = 1};
    struct mr_pipeline run;
    int code;
    if (!mr_args_parse(&usage, argc, argv, &words, &code))
        return code;
    mr_clock_setup();
    code = mr_runs_one(&run, "balance", shm, words.count ? words.items[0] : NULL, &sets);
    if (code != MR_OK)
        return code;
    struct mr_report *report = mr_report_new();
    if (mr_report_read(report, &run, NULL) != MR_OK) {
        code = balance_of_last(&run, json);
    } else {
        if (report->balance && !mr_run_is_running(&run))
            report->balance = recount(report, &run);
        if (json)
            print_balance_json(report);
        else
            print_balance(report);
        code = report->balance ? MR_OK : MR_ERR_BALANCE;
    }
    mr_report_free(report);
    return code;
}
