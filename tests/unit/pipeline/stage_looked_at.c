// SPDX-License-Identifier: Apache-2.0
// Who looks at a stage's page while its stage writes there: what comes out is of one moment, or is said to be none.
#include <criterion/criterion.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include "core/pipeline/stage_note.h"
#include "core/pipeline/stage_private.h"
#include "tests/support/counting_stage.h"

#define CHANGES_WANTED 10000 // that are seen by one who looks all the time
#define SECOND_NS 1000000000LL

static struct counting_run run;
static struct mr_stage stage;
static struct mr_error err;
static uint32_t at_work;
static int64_t begun_ns;
static unsigned changes, mixed; // seen; that were not of one moment

static void set_up(void)
{
    counting_run_open(&run, 0, 1);
    cr_assert_eq(mr_stage_open(&stage, &run.pipeline, MR_ROLE_TRANSFORM, &err), MR_OK, "%s",
                 err.text);
}
static void tear_down(void)
{
    stage.halted = true; // nothing is published any more
    mr_stage_close(&stage, MR_OK, NULL);
    counting_run_close(&run);
}
TestSuite(stage_looked_at, .init = set_up, .fini = tear_down, .timeout = 120);

static pthread_t begin(void *(*work)(void *unused))
{
    pthread_t thread;
    begun_ns = mr_mono_ns();
    mr_store_release_u32(&at_work, 1);
    cr_assert_eq(pthread_create(&thread, NULL, work, NULL), 0);
    return thread;
}

// Two cores see so many in no time; on a machine that is busy otherwise, or has one, few will do.
static bool has_seen_enough(void)
{
    return changes >= CHANGES_WANTED || (changes > 0 && mr_mono_ns() - begun_ns > 2 * SECOND_NS);
}

static void end(pthread_t thread)
{
    mr_store_release_u32(&at_work, 0);
    pthread_join(thread, NULL);
}

// Who is at work: still so? Takes its time, in which nothing changes: many times as long as a copy of it, so that
// who looks gets one that is whole.
static bool goes_on(void)
{
    uint32_t still = 1;
    for (unsigned i = 0; i < 5000 && still; i++)
        still = mr_load_acquire_u32(&at_work);
    return still;
}

// ---- waits -------------------------------------------------------------------------------------
// As a stage does it that waits for other things all the time, all three words with the same meaning.
static void *change_waits(void *unused)
{
    struct mr_stage_gauges *gauges = &stage.shared->gauges;
    (void)unused;
    for (uint32_t version = 0; goes_on();) {
        mr_store_relaxed_u32(&gauges->wait_version, ++version);
        mr_fence_release();
        gauges->waited_ns[MR_WAIT_DEVICE] = version;
        gauges->waiting_port = version;
        gauges->waiting_for = version;
        mr_store_release_u32(&gauges->wait_version, ++version);
    }
    mr_store_relaxed_u32(&gauges->waiting_for, MR_WAIT_NOTHING);
    return NULL;
}

Test(stage_looked_at, waits_belong_together)
{
    static struct mr_stage_gauges gauges;
    mr_stage_copy_gauges(stage.shared, &gauges);
    cr_expect_eq(gauges.pid, (uint32_t)getpid(), "where nothing changes, all that is there");
    pthread_t thread = begin(change_waits);
    for (uint32_t before = 0; !has_seen_enough(); before = gauges.wait_version) {
        mr_stage_copy_gauges(stage.shared, &gauges);
        changes += gauges.wait_version != before;
        // A change that was stopped within is taken as it is, and says so by its number.
        uint64_t waited_ns = gauges.waited_ns[MR_WAIT_DEVICE];
        mixed += gauges.wait_version % 2 == 0 &&
                 (gauges.waiting_for != waited_ns || gauges.waiting_port != waited_ns);
    }
    end(thread);
    cr_expect_eq(mixed, 0);
}

// ---- slots -------------------------------------------------------------------------------------
static void *commit_on_and_on(void *unused)
{
    (void)unused;
    while (goes_on()) {
        for (unsigned i = 0; i < MR_COUNT_KINDS; i++)
            stage.now.counts[i] = stage.epoch;
        memset(stage.now.mark, (int)(stage.epoch & 0xFF), sizeof stage.now.mark);
        mr_stage_commit(&stage);
    }
    return NULL;
}

Test(stage_looked_at, a_snapshot_is_of_one_commit)
{
    static struct mr_stage_slot slot;
    pthread_t thread = begin(commit_on_and_on);
    for (uint64_t before = 0; !has_seen_enough(); before = slot.counts[0]) {
        if (!mr_stage_snapshot(stage.shared, &slot))
            continue;
        changes += slot.counts[0] != before;
        for (unsigned k = 0; k < MR_COUNT_KINDS; k++)
            mixed += slot.counts[k] != slot.counts[0];
        for (unsigned k = 0; k < sizeof slot.mark; k++)
            mixed += slot.mark[k] != (uint8_t)slot.counts[0];
    }
    end(thread);
    cr_expect_eq(mixed, 0);
}

// ---- notes -------------------------------------------------------------------------------------
static void *leave_notes(void *unused)
{
    static struct mr_stage_note note;
    (void)unused;
    for (uint8_t byte = 0; goes_on(); byte++) {
        memset(&note, byte, sizeof note);
        mr_note_leave(&stage, &note);
    }
    return NULL;
}

Test(stage_looked_at, a_note_is_whole_or_not_taken)
{
    static struct mr_stage_note note;
    const uint8_t *bytes = (const uint8_t *)&note + sizeof note.number;
    const size_t length = sizeof note - sizeof note.number;
    uint64_t seen = 0;
    pthread_t thread = begin(leave_notes);
    while (!has_seen_enough()) {
        if (!mr_note_take(stage.shared, &seen, &note))
            continue;
        changes++;
        mixed += memcmp(bytes, bytes + 1, length - 1) != 0; // all bytes are the same
    }
    end(thread);
    cr_expect_eq(mixed, 0);
}
