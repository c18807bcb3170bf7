// SPDX-License-Identifier: Apache-2.0
#include "core/pipeline/waits.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "tests/support/run_pages.h"

#define SECOND_NS 1000000000LL

static struct run_pages run;
static struct mr_report *report;
static char chain[MR_WAITS_TEXT_BYTES];
static struct mr_stage_gauges *gauges[MR_ROLE_COUNT];

static void set_up(void)
{
    run_pages_open(&run, "waits");
    report = mr_report_new();
    for (unsigned role = 0; role <= MR_ROLE_LOADER; role++) {
        gauges[role] = &run.pages[role]->gauges;
        gauges[role]->phase = MR_PHASE_RUNNING;
        gauges[role]->pid = (uint32_t)getpid();
        gauges[role]->opened_ns = mr_mono_ns() - 10 * SECOND_NS;
        gauges[role]->heartbeat_ns = mr_mono_ns();
        cr_assert_eq(mr_segment_lock(&run.segments[role], NULL), MR_OK);
    }
}
static void tear_down(void)
{
    mr_report_free(report);
    run_pages_close(&run);
}
TestSuite(waits, .init = set_up, .fini = tear_down);

static void waits(enum mr_role role, enum mr_wait_for what, unsigned port, double seconds)
{
    gauges[role]->waiting_for = what;
    gauges[role]->waiting_port = port;
    gauges[role]->waiting_since_ns = mr_mono_ns() - (int64_t)(seconds * SECOND_NS);
}
static enum mr_chain look(void)
{
    struct mr_error err = {0};
    cr_assert(mr_report_read(report, &run.pipeline, &err) == MR_OK, "%s", err.text);
    return mr_waits_chain(report, chain, sizeof chain);
}
static void expect_words(const char *words)
{
    cr_expect(strstr(chain, words) != NULL, "found: %s\nexpected: %s", chain, words);
}

Test(waits, a_run_that_works_has_no_chain)
{
    waits(MR_ROLE_PRODUCER, MR_WAIT_OUTPUT, 0, 0.01);
    waits(MR_ROLE_LOADER, MR_WAIT_DEVICE, 0, 0.02);
    cr_expect_eq(look(), MR_CHAIN_NONE);
    cr_expect_str_eq(chain, "");
}

Test(waits, an_idle_run_waits_for_its_source)
{
    for (unsigned role = 0; role <= MR_ROLE_LOADER; role++)
        waits(role, MR_WAIT_INPUT, 0, 5);
    cr_expect_eq(look(), MR_CHAIN_IDLE);
    cr_expect_str_eq(chain, "the producer waits 5.0 s for its source");
}

Test(waits, a_full_disk_is_felt_up_to_the_source)
{
    waits(MR_ROLE_PRODUCER, MR_WAIT_OUTPUT, 0, 3.2);
    waits(MR_ROLE_TRANSFORM, MR_WAIT_OUTPUT, 0, 3.4);
    waits(MR_ROLE_LOADER, MR_WAIT_DEVICE, 0, 4);
    gauges[MR_ROLE_LOADER]->device = (struct mr_device_gauges){
        .refused_errno = ENOSPC, .refused_since_ns = mr_mono_ns() - 6 * SECOND_NS, .refusals = 1};
    strcpy(gauges[MR_ROLE_LOADER]->device.refused_what, "/x/y: no room on disk");
    cr_expect_eq(look(), MR_CHAIN_PRESSED);
    cr_expect_str_eq(chain, "the producer waits 3.2 s for room in the ingress ring: the transform "
                            "waits 3.4 s for room in the egress ring: the loader waits 4.0 s for "
                            "its device: no room for 6.0 s: /x/y: no room on disk");
    struct mr_device_waits device;
    mr_waits_device(report, &device);
    cr_expect(device.no_room);
    cr_expect_float_eq((double)device.no_room_ns / SECOND_NS, 6, 0.5);
    cr_expect_float_eq((double)(report->read_wall_ns - device.no_room_since_wall_ns) / SECOND_NS, 6,
                       0.5);
}

// Through a ring of dead letters the producer waits for the loader, past the transform.
Test(waits, dead_letters_wait_for_the_loader)
{
    waits(MR_ROLE_PRODUCER, MR_WAIT_OUTPUT, MR_PORT_DEAD, 1);
    waits(MR_ROLE_LOADER, MR_WAIT_DEVICE, 0, 2);
    gauges[MR_ROLE_LOADER]->device.syncing_since_ns = mr_mono_ns() - 2 * SECOND_NS;
    cr_expect_eq(look(), MR_CHAIN_PRESSED);
    cr_expect_str_eq(chain,
                     "the producer waits 1.0 s for room in the dead-producer ring: the loader "
                     "waits 2.0 s for its device: a sync has been running for 2.0 s");
}

Test(waits, a_stage_at_work_ends_the_chain)
{
    waits(MR_ROLE_PRODUCER, MR_WAIT_OUTPUT, 0, 1);
    waits(MR_ROLE_TRANSFORM, MR_WAIT_NOTHING, 0, 0);
    cr_expect_eq(look(), MR_CHAIN_PRESSED);
    expect_words("ingress ring: the transform is at work");
}

Test(waits, a_call_that_does_not_return)
{
    waits(MR_ROLE_TRANSFORM, MR_WAIT_OUTPUT, 0, 2);
    waits(MR_ROLE_LOADER, MR_WAIT_NOTHING, 0, 0);
    gauges[MR_ROLE_LOADER]->heartbeat_ns = mr_mono_ns() - 3 * SECOND_NS;
    gauges[MR_ROLE_LOADER]->device.call = MR_CALL_SYNC;
    cr_expect_eq(look(), MR_CHAIN_STALLED);
    expect_words("the transform waits 2.0 s for room in the egress ring: the loader (pid ");
    expect_words("no sign of life for 3.0 s: it waits in a call to a device");
    expect_words(": a sync has not returned for 3.0 s");
    struct mr_device_waits device;
    mr_waits_device(report, &device);
    cr_expect_str_eq(device.call, "sync");
}

Test(waits, a_stage_that_is_gone)
{
    waits(MR_ROLE_PRODUCER, MR_WAIT_OUTPUT, 0, 2);
    mr_segment_detach(&run.segments[MR_ROLE_TRANSFORM]);
    cr_expect_eq(look(), MR_CHAIN_BROKEN);
    expect_words("ingress ring: the transform is not running");
    struct mr_waits gone;
    mr_waits_of(report, MR_ROLE_TRANSFORM, &gone);
    cr_expect_eq(gone.what, MR_WAIT_NOTHING);
    cr_expect_eq(gone.beat_age_ns, 0);
}

Test(waits, the_wait_at_hand_counts)
{
    gauges[MR_ROLE_PRODUCER]->waited_ns[MR_WAIT_OUTPUT] = 2 * SECOND_NS;
    waits(MR_ROLE_PRODUCER, MR_WAIT_OUTPUT, 0, 3);
    look();
    struct mr_waits found;
    mr_waits_of(report, MR_ROLE_PRODUCER, &found);
    cr_expect_str_eq(found.whom, "transform");
    cr_expect_eq(found.ring, MR_RING_INGRESS);
    cr_expect_float_eq((double)found.total_ns[MR_WAIT_OUTPUT] / SECOND_NS, 5, 0.5);
    cr_expect_float_eq(found.share[MR_WAIT_OUTPUT], 0.5, 0.05);
    cr_expect_float_eq((double)(report->read_wall_ns - found.since_wall_ns) / SECOND_NS, 3, 0.5);
}

// A stage that works on a long batch has waited until then, and says so only afterwards: the total, a
// counter, must not fall when it does.
Test(waits, work_after_a_wait_is_no_wait)
{
    waits(MR_ROLE_TRANSFORM, MR_WAIT_INPUT, 0, 3);
    gauges[MR_ROLE_TRANSFORM]->heartbeat_ns =
        gauges[MR_ROLE_TRANSFORM]->waiting_since_ns + SECOND_NS;
    look();
    struct mr_waits found;
    mr_waits_of(report, MR_ROLE_TRANSFORM, &found);
    cr_expect_eq(found.total_ns[MR_WAIT_INPUT], (uint64_t)SECOND_NS);
}

Test(waits, a_loader_that_says_it_has_an_output_ends_the_chain, .timeout = 30)
{
    waits(MR_ROLE_TRANSFORM, MR_WAIT_OUTPUT, MR_PORT_MAIN, 3);
    waits(MR_ROLE_LOADER, MR_WAIT_OUTPUT, MR_PORT_MAIN, 4);
    cr_expect_eq(look(), MR_CHAIN_PRESSED);
    expect_words("the loader is at work");
}

Test(waits, damaged_gauges_are_read_within_their_bounds)
{
    for (unsigned role = 0; role <= MR_ROLE_LOADER; role++) {
        memset(gauges[role], 0xff, sizeof *gauges[role]);
        gauges[role]->phase = MR_PHASE_RUNNING;
    }
    look();
    cr_expect_lt(strlen(chain), sizeof chain);
    struct mr_device_waits device;
    mr_waits_device(report, &device);
    cr_expect_str_eq(device.call, "damaged");
}
