// SPDX-License-Identifier: Apache-2.0
// Reports of a run of several sources: a page for each producer, one sum behind them, and who waits for whom.
#include <criterion/criterion.h>
#include <string.h>
#include <unistd.h>

#include "core/pipeline/metrics.h"
#include "core/pipeline/waits.h"
#include "tests/support/run_pages.h"

#define SECOND_NS 1000000000LL

static struct run_pages run;
static struct mr_report *report;

static void set_up(void)
{
    run_pages_open_several(&run, "several", 3);
    run_pages_finish(&run, 100);
    report = mr_report_new();
}
static void tear_down(void)
{
    mr_report_free(report);
    run_pages_close(&run);
}
TestSuite(report_several, .init = set_up, .fini = tear_down);

static void read_report(void)
{
    struct mr_error err = {0};
    cr_assert(mr_report_read(report, &run.pipeline, &err) == MR_OK, "%s", err.text);
}
static uint64_t *counts_of(enum mr_role role)
{
    return run.pages[role]->slots[0].counts;
}
static void expect_balance(void)
{
    read_report();
    cr_expect(report->balance, "%s", report->imbalance);
}
static void expect_imbalance(const char *words)
{
    read_report();
    cr_expect(!report->balance);
    cr_expect(strstr(report->imbalance, words) != NULL, "found: %s", report->imbalance);
}

// ---- the balance

Test(report_several, what_all_producers_emitted_is_what_the_transform_took)
{
    expect_balance();
    cr_expect_eq(mr_report_produced(report, MR_COUNT_IN), 300);
    cr_expect_float_eq(report->records_per_second, 150.0, 1e-6);
    cr_expect_str_eq(mr_report_phase(report), "done");
}

Test(report_several, a_record_of_any_producer_that_is_lost_is_missed)
{
    counts_of(MR_ROLE_PRODUCER_3)[MR_COUNT_OUT] = 99;
    expect_imbalance("producer-3: in 100, but out and all other fates make 99");
    counts_of(MR_ROLE_PRODUCER_3)[MR_COUNT_OUT] = 100;
    counts_of(MR_ROLE_PRODUCER_2)[MR_COUNT_EMITTED] = 101;
    expect_imbalance("ingress rings: the producers emitted 301, the transform took in 300");
    counts_of(MR_ROLE_PRODUCER_2)[MR_COUNT_EMITTED] = 99;
    expect_imbalance("emitted 299, the transform took in 300");
}

Test(report_several, one_open_ring_may_hold_what_is_on_its_way)
{
    counts_of(MR_ROLE_PRODUCER_2)[MR_COUNT_IN] = 107;
    counts_of(MR_ROLE_PRODUCER_2)[MR_COUNT_OUT] = 107;
    counts_of(MR_ROLE_PRODUCER_2)[MR_COUNT_EMITTED] = 107;
    expect_imbalance("emitted 307, the transform took in 300");
    mr_store_release_u32(&run.rings[MR_RING_INGRESS_2].news->closed, 0);
    expect_balance();
    cr_expect_eq(report->rings[MR_RING_INGRESS].in_flight, 7, "of all together");
}

Test(report_several, each_producer_has_its_own_dead_letters)
{
    uint64_t *counts = counts_of(MR_ROLE_PRODUCER_2);
    struct mr_stage_layout *loader = run.pages[MR_ROLE_LOADER];
    counts[MR_COUNT_IN] = 103;
    counts[MR_COUNT_REJECTED] = run.pages[MR_ROLE_PRODUCER_2]->slots[0].rejected[0] = 3;
    expect_imbalance("dead-producer-2 ring: the producer-2 rejected 3");
    snprintf(loader->plugin_name[0], sizeof loader->plugin_name[0], "dead_letter.producer");
    snprintf(loader->plugin_name[1], sizeof loader->plugin_name[1], "dead_letter.producer-2");
    loader->plugin_count = 2;
    loader->slots[0].plugin[0] = 3;
    expect_imbalance("3 dead letters were written");
    loader->slots[0].plugin[0] = 0;
    loader->slots[0].plugin[1] = 3;
    expect_balance();
}

Test(report_several, its_time_begins_with_the_first_producer)
{
    run.pages[MR_ROLE_PRODUCER]->gauges.started_ns = 0; // its source gave nothing yet
    run.pages[MR_ROLE_PRODUCER_2]->gauges.started_ns = 2 * SECOND_NS;
    run.pages[MR_ROLE_PRODUCER_3]->gauges.started_ns = SECOND_NS;
    read_report();
    cr_expect_float_eq(report->seconds, 2.0, 1e-9);
}

Test(report_several, any_of_them_says_what_the_run_is_at)
{
    run.pages[MR_ROLE_PRODUCER_2]->gauges.phase = MR_PHASE_FAILED;
    read_report();
    cr_expect_str_eq(mr_report_phase(report), "failed");
    run.pages[MR_ROLE_PRODUCER_2]->gauges.phase = MR_PHASE_RUNNING;
    read_report();
    cr_expect_str_eq(mr_report_phase(report), "stopped");
    cr_assert_eq(mr_segment_lock(&run.segments[MR_ROLE_PRODUCER_2], NULL), MR_OK);
    read_report();
    cr_expect(mr_report_is_alive(report));
    cr_expect_str_eq(mr_report_phase(report), "draining");
}

// ---- what is shown

Test(report_several, roles_come_as_the_records_go_and_only_those_that_are_there)
{
    static const enum mr_role expected[] = {MR_ROLE_PRODUCER, MR_ROLE_PRODUCER_2,
                                            MR_ROLE_PRODUCER_3, MR_ROLE_TRANSFORM, MR_ROLE_LOADER};
    unsigned count = 0, rings = 0;
    read_report();
    MR_EACH_ROLE (report, role)
        cr_expect_eq((enum mr_role)role, expected[count++]);
    cr_expect_eq(count, MR_COUNT_OF(expected));
    MR_EACH_RING (report, ring)
        rings += mr_pipeline_has_ring(&run.pipeline, (enum mr_ring_index)ring);
    cr_expect_eq(rings, 8);
    cr_expect_not(mr_report_has_role(report, MR_ROLE_PRODUCER_4));
    cr_expect_not(mr_report_has_ring(report, MR_RING_DEAD_PRODUCER_4));
}

static void expect_shown(const char *text, const char *words, bool shown)
{
    cr_expect_eq(strstr(text, words) != NULL, shown, "%s: %s", words, text);
}

Test(report_several, text_and_metrics_have_a_line_for_each)
{
    static char text[1 << 16], metrics[1 << 17];
    FILE *out = fmemopen(text, sizeof text, "w");
    read_report();
    mr_report_text(report, out);
    fclose(out);
    expect_shown(text, "several: done, 300 records", true);
    expect_shown(text, "\n  producer-2  ", true);
    expect_shown(text, "producer-4", false);
    expect_shown(text, "ingress-3 0.0 %", true);
    out = fmemopen(metrics, sizeof metrics, "w");
    mr_metrics_write(report, out);
    fclose(out);
    expect_shown(metrics, "millrace_stage_records_in_total{stage=\"producer-3\"} 100\n", true);
    expect_shown(metrics, "{stage=\"producer-4\"}", false);
    expect_shown(metrics, "millrace_ring_used_bytes{ring=\"dead-producer-2\"} 0\n", true);
}

Test(report_several, json_has_their_sum_and_each)
{
    struct mr_json json;
    read_report();
    mr_json_init(&json, 0);
    mr_report_json(report, &json);
    const char *text = mr_json_finish(&json);
    expect_shown(text, "\"records\":300", true);
    expect_shown(text, "\"producer-3\":{", true);
    expect_shown(text, "\"ingress-2\":{", true);
    expect_shown(text, "\"producer-4\"", false);
    mr_json_free(&json);
}

// ---- who waits for whom

static void set_waits(enum mr_role role, enum mr_wait_for what, unsigned port, double seconds)
{
    struct mr_stage_gauges *gauges = &run.pages[role]->gauges;
    gauges->waiting_for = what;
    gauges->waiting_port = port;
    gauges->waiting_since_ns = mr_mono_ns() - (int64_t)(seconds * SECOND_NS);
}

static void all_run(void)
{
    for (unsigned role = 0; role < MR_ROLE_PRODUCER_4; role++) {
        struct mr_stage_gauges *gauges = &run.pages[role]->gauges;
        gauges->phase = MR_PHASE_RUNNING;
        gauges->pid = (uint32_t)getpid();
        gauges->opened_ns = mr_mono_ns() - 10 * SECOND_NS;
        gauges->heartbeat_ns = mr_mono_ns();
        cr_assert_eq(mr_segment_lock(&run.segments[role], NULL), MR_OK);
    }
}

static void expect_chain(enum mr_chain expected, const char *words)
{
    char chain[MR_WAITS_TEXT_BYTES];
    read_report();
    cr_expect_eq(mr_waits_chain(report, chain, sizeof chain), expected, "%s", chain);
    cr_expect(strstr(chain, words) != NULL, "found: %s\nexpected: %s", chain, words);
}

Test(report_several, a_chain_leads_from_the_second_producer_to_its_end)
{
    all_run();
    set_waits(MR_ROLE_PRODUCER_2, MR_WAIT_OUTPUT, MR_PORT_MAIN, 3);
    set_waits(MR_ROLE_TRANSFORM, MR_WAIT_OUTPUT, MR_PORT_MAIN, 3);
    set_waits(MR_ROLE_LOADER, MR_WAIT_DEVICE, 0, 4);
    expect_chain(MR_CHAIN_PRESSED, "the producer-2 waits 3.0 s for room in the ingress-2 ring: "
                                   "the transform waits 3.0 s for room in the egress ring: "
                                   "the loader waits 4.0 s");
    set_waits(MR_ROLE_PRODUCER_2, MR_WAIT_OUTPUT, MR_PORT_DEAD, 3);
    expect_chain(MR_CHAIN_PRESSED, "room in the dead-producer-2 ring: the loader waits");
}

Test(report_several, a_run_is_idle_where_all_its_producers_are)
{
    all_run();
    for (unsigned role = 0; role < MR_ROLE_PRODUCER_4; role++)
        set_waits(role, MR_WAIT_INPUT, 0, 5);
    for (unsigned role = 0; role < MR_ROLE_PRODUCER_4; role++)
        run.pages[role]->gauges.heartbeat_ns = mr_mono_ns();
    expect_chain(MR_CHAIN_IDLE, "");
    struct mr_waits waits;
    mr_waits_of(report, MR_ROLE_PRODUCER_3, &waits);
    cr_expect_str_eq(waits.whom, "source");
    set_waits(MR_ROLE_PRODUCER_3, MR_WAIT_NOTHING, 0, 0);
    expect_chain(MR_CHAIN_NONE, "");
}
