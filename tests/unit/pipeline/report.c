// SPDX-License-Identifier: Apache-2.0
#include "core/pipeline/report.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/config.h"
#include "tests/support/run_pages.h"

static struct run_pages run;
static struct mr_report *report;

static void set_up(void)
{
    run_pages_open(&run, "report");
    report = mr_report_new();
}
static void tear_down(void)
{
    mr_report_free(report);
    run_pages_close(&run);
}
TestSuite(report, .init = set_up, .fini = tear_down);

static void read_report(void)
{
    struct mr_error err = {0};
    cr_assert(mr_report_read(report, &run.pipeline, &err) == MR_OK, "%s", err.text);
}
static struct mr_stage_slot *slot_of(enum mr_role role)
{
    return &run.pages[role]->slots[0];
}
static void expect_imbalance(const char *words)
{
    read_report();
    cr_expect(!report->balance);
    cr_expect(strstr(report->imbalance, words) != NULL, "found: %s", report->imbalance);
}

Test(report, a_finished_run_balances)
{
    run_pages_finish(&run, 12932);
    read_report();
    cr_expect(report->balance, "%s", report->imbalance);
    cr_expect_str_eq(mr_report_phase(report), "done");
    cr_expect_float_eq(report->seconds, 2.0, 1e-9);
    cr_expect_float_eq(report->records_per_second, 6466.0, 1e-6);
    cr_expect(!mr_report_is_alive(report));
}

Test(report, a_lost_record_does_not_balance)
{
    run_pages_finish(&run, 100);
    slot_of(MR_ROLE_TRANSFORM)->counts[MR_COUNT_OUT] = 99;
    expect_imbalance("transform: in 100, but out and all other fates make 99");
}

Test(report, a_record_with_two_fates_does_not_balance)
{
    run_pages_finish(&run, 100);
    slot_of(MR_ROLE_LOADER)->counts[MR_COUNT_FILTERED] = 1;
    expect_imbalance("loader: in 100, but out and all other fates make 101");
}

Test(report, every_fate_counts)
{
    run_pages_finish(&run, 100);
    uint64_t *counts = slot_of(MR_ROLE_PRODUCER)->counts;
    counts[MR_COUNT_IN] = 100 + 1 + 2 + 3 + 4 + 5;
    counts[MR_COUNT_FILTERED] = 1;
    counts[MR_COUNT_DUPLICATE] = 2;
    counts[MR_COUNT_LATE] = 3;
    counts[MR_COUNT_DROPPED] = 4;
    counts[MR_COUNT_REJECTED] = 5;
    slot_of(MR_ROLE_PRODUCER)->rejected[MR_REASON_SYNTAX] = 2;
    slot_of(MR_ROLE_PRODUCER)->rejected[MR_REASON_LIMIT] = 3;
    snprintf(run.pages[MR_ROLE_LOADER]->plugin_name[0], 48, "dead_letter.producer");
    run.pages[MR_ROLE_LOADER]->plugin_count = 1;
    slot_of(MR_ROLE_LOADER)->plugin[0] = 5;
    read_report();
    cr_expect(report->balance, "%s", report->imbalance);

    slot_of(MR_ROLE_LOADER)->plugin[0] = 4;
    expect_imbalance("dead-producer ring: the producer rejected 5, 4 dead letters were written");
    slot_of(MR_ROLE_LOADER)->plugin[0] = 5;
    slot_of(MR_ROLE_PRODUCER)->rejected[MR_REASON_LIMIT] = 2;
    expect_imbalance("producer: rejected 5, but the reasons make 4");
}

Test(report, what_is_on_its_way_is_in_the_ring_while_it_is_open)
{
    run_pages_finish(&run, 100);
    slot_of(MR_ROLE_TRANSFORM)->counts[MR_COUNT_IN] = 90;
    slot_of(MR_ROLE_TRANSFORM)->counts[MR_COUNT_OUT] = 90;
    slot_of(MR_ROLE_TRANSFORM)->counts[MR_COUNT_EMITTED] = 100;
    expect_imbalance("ingress ring: the producer emitted 100, the transform took in 90");
    mr_store_release_u32(&run.rings[MR_RING_INGRESS].news->closed, 0);
    read_report();
    cr_expect(report->balance, "%s", report->imbalance);
    cr_expect_eq(report->rings[MR_RING_INGRESS].in_flight, 10);
}

Test(report, more_taken_in_than_emitted_never_balances)
{
    slot_of(MR_ROLE_LOADER)->counts[MR_COUNT_IN] = 1;
    slot_of(MR_ROLE_LOADER)->counts[MR_COUNT_OUT] = 1;
    expect_imbalance("egress ring: the transform emitted 0, the loader took in 1");
}

Test(report, only_the_loader_may_hold_records)
{
    run_pages_finish(&run, 10);
    run.pages[MR_ROLE_LOADER]->gauges.phase = MR_PHASE_RUNNING;
    slot_of(MR_ROLE_LOADER)->counts[MR_COUNT_OUT] = 4;
    read_report();
    cr_expect(report->balance, "%s", report->imbalance);
    cr_expect_eq(report->stages[MR_ROLE_LOADER].in_flight, 6);
    run.pages[MR_ROLE_LOADER]->gauges.phase = MR_PHASE_DONE;
    expect_imbalance("loader: in 10");
}

Test(report, phases)
{
    read_report();
    cr_expect_str_eq(mr_report_phase(report), "stopped");
    for (unsigned role = 0; role <= MR_ROLE_LOADER; role++) {
        run.pages[role]->gauges.phase = MR_PHASE_RUNNING;
        cr_assert_eq(mr_segment_lock(&run.segments[role], NULL), MR_OK);
    }
    read_report();
    cr_expect_str_eq(mr_report_phase(report), "running");
    cr_expect(mr_report_is_alive(report));
    run.pages[MR_ROLE_PRODUCER]->gauges.phase = MR_PHASE_DONE;
    read_report();
    cr_expect_str_eq(mr_report_phase(report), "draining");
    run.pages[MR_ROLE_LOADER]->gauges.phase = MR_PHASE_FAILED;
    read_report();
    cr_expect_str_eq(mr_report_phase(report), "failed");
}

Test(report, no_segments_is_an_error)
{
    struct mr_error err = {0};
    char path[320];
    for (unsigned role = 0; role <= MR_ROLE_LOADER; role++) {
        mr_pipeline_stage_path(&run.pipeline, role, path, sizeof path);
        unlink(path);
    }
    cr_expect_eq(mr_report_read(report, &run.pipeline, &err), MR_ERR_SHM);
    cr_expect(strstr(err.text, "no stage of pipeline \"report\"") != NULL, "%s", err.text);
}

Test(report, a_damaged_page_is_read_within_its_bounds)
{
    struct mr_stage_layout *page = run.pages[MR_ROLE_PRODUCER];
    page->plugin_count = UINT32_MAX;
    page->in_schema_count = UINT32_MAX;
    page->out_schema_count = MR_SCHEMAS_MAX + 1;
    memset(page->plugin_name, 'x', sizeof page->plugin_name);
    memset(page->out_schema_name, 'y', sizeof page->out_schema_name);
    memset(page->gauges.failure, 'z', sizeof page->gauges.failure);
    memset(page->gauges.files, 'f', sizeof page->gauges.files);
    page->gauges.phase = 77;
    page->gauges.waiting_for = 99;
    page->gauges.io_backend = 99;
    read_report();
    const struct mr_stage_report *stage = &report->stages[MR_ROLE_PRODUCER];
    cr_expect_eq(stage->plugin_count, MR_STAGE_PLUGIN_COUNTS);
    cr_expect_eq(stage->out_schema_count, MR_SCHEMAS_MAX);
    cr_expect_eq(strlen(stage->plugin_name[MR_STAGE_PLUGIN_COUNTS - 1]), 47);
    cr_expect_eq(strlen(stage->gauges.failure), sizeof stage->gauges.failure - 1);
    cr_expect_str_eq(mr_phase_name(stage->gauges.phase), "damaged");
    cr_expect_str_eq(mr_wait_name(99), "damaged");
    FILE *nowhere = fopen("/dev/null", "w");
    mr_report_text(report, nowhere);
    fclose(nowhere);
}

// The JSON is read back by the YAML reader, of which it is a subset.
static struct mr_node *json_tree(void)
{
    struct mr_json json;
    struct mr_node *root = NULL;
    struct mr_error err = {0};
    mr_json_init(&json, 2);
    mr_report_json(report, &json);
    cr_assert(mr_config_parse(mr_json_finish(&json), "report", &root, &err) == MR_OK, "%s",
              err.text);
    mr_json_free(&json);
    return root;
}
static const char *at(const struct mr_node *node, const char *path)
{
    char copy[128], *rest = copy;
    snprintf(copy, sizeof copy, "%s", path);
    for (char *key; node && (key = strsep(&rest, "/")) != NULL;)
        node = mr_config_child(node, key);
    return node && node->text ? node->text : "(absent)";
}

Test(report, json_has_the_promised_keys)
{
    run_pages_finish(&run, 5);
    struct mr_stage_layout *loader = run.pages[MR_ROLE_LOADER];
    snprintf(loader->gauges.files, sizeof loader->gauges.files, "a.csv\nb.csv");
    loader->gauges.io_backend = 1;
    for (int i = 0; i < 100; i++)
        mr_histogram_add(&loader->age_ns, 1000, 1);
    mr_histogram_add(&loader->handed_ns, 500, 99);
    struct mr_stage_layout *producer = run.pages[MR_ROLE_PRODUCER];
    producer->out_schema_count = 1;
    snprintf(producer->out_schema_name[0], MR_NAME_BYTES, "trade");
    producer->slots[0].out_by_schema[0] = 5;
    read_report();
    struct mr_node *root = json_tree();
    cr_expect_str_eq(at(root, "balance"), "true");
    cr_expect_str_eq(at(root, "phase"), "done");
    cr_expect_str_eq(at(root, "records"), "5");
    cr_expect_str_eq(at(root, "seconds"), "2");
    cr_expect_str_eq(at(root, "records_per_second"), "2.5");
    static const char *const counts[] = {"in",   "out",      "filtered", "duplicate",
                                         "late", "rejected", "dropped",  "in_flight"};
    for (unsigned role = 0; role <= MR_ROLE_LOADER; role++)
        for (unsigned i = 0; i < MR_COUNT_OF(counts); i++) {
            char path[64];
            snprintf(path, sizeof path, "stages/%s/%s", mr_role_name(role), counts[i]);
            cr_expect_str_eq(at(root, path), i < 2 ? "5" : "0", "%s is %s", path, at(root, path));
        }
    cr_expect_str_eq(at(root, "stages/producer/schemas_out/trade"), "5");
    cr_expect_str_eq(at(root, "stages/producer/rejected_by_reason/syntax"), "0");
    cr_expect_str_eq(at(root, "latency_ns/end_to_end/count"), "100");
    cr_expect_str_eq(at(root, "latency_ns/hand_over/count"), "99");
    cr_expect_str_eq(at(root, "latency_ns/hand_over/max"), "500");
    cr_expect_str_eq(at(root, "latency_ns/ingress/p99.99"), "0");
    cr_expect_str_eq(at(root, "sink/io_backend"), "io_uring");
    const struct mr_node *files = mr_config_child(mr_config_child(root, "sink"), "files");
    cr_assert_eq(files->child_count, 2);
    cr_expect_str_eq(files->children[1]->text, "b.csv");
    cr_expect_str_eq(at(root, "exit_code"), "(absent)");
    mr_config_free(root);
}

Test(report, numbers_as_people_read_them)
{
    char text[32];
    cr_expect_str_eq(mr_report_count_text(0, text, sizeof text), "0");
    cr_expect_str_eq(mr_report_count_text(999, text, sizeof text), "999");
    cr_expect_str_eq(mr_report_count_text(1000, text, sizeof text), "1,000");
    cr_expect_str_eq(mr_report_count_text(UINT64_MAX, text, sizeof text),
                     "18,446,744,073,709,551,615");
    cr_expect_str_eq(mr_report_duration_text(0, text, sizeof text), "0 ns");
    cr_expect_str_eq(mr_report_duration_text(999, text, sizeof text), "999 ns");
    cr_expect_str_eq(mr_report_duration_text(1500, text, sizeof text), "1.5 us");
    cr_expect_str_eq(mr_report_duration_text(123456, text, sizeof text), "123 us");
    cr_expect_str_eq(mr_report_duration_text(2.5e9, text, sizeof text), "2.5 s");
}
