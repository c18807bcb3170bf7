// SPDX-License-Identifier: Apache-2.0
// The loader's journal and its repair where memory runs out, at each allocation in turn: it is said so, nothing is kept,
// nothing that was there is lost, and whoever does it again comes to the same end.
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "consumers/loader/journal_repair.h"
#include "tests/support/failing_alloc.h"
#include "tests/support/failing_disk.h"
#include "tests/support/journal_bytes.h"
#include "tests/support/journal_feed.h"
#include "tests/support/whole_repair.h"

#define RECORDS 100

static char *directory;
static struct mr_error err;

static void set_up(void)
{
    directory = mr_test_directory();
}
static void tear_down(void)
{
    failing_alloc_leave();
    failing_disk_leave();
    mr_test_remove_directory(directory);
}
TestSuite(loader_starved, .init = set_up, .fini = tear_down, .timeout = 120);

static void expect_said(unsigned at, int code)
{
    cr_assert_eq(code, MR_ERR_MEMORY, "%u: %d, %s", at, code, err.text);
    cr_assert_not_null(strstr(err.text, "out of memory"), "%u: %s", at, err.text);
}

// ---- the sink ----------------------------------------------------------------------------------
enum state { NEW, APPENDED, RESUMED, TAKEN_UP, REFUSED, STATES };

static void prepare(struct feed *feed, enum state state)
{
    feed_prepare(feed, directory, "one", &mr_io_pwrite, state == APPENDED ? 4 * FEED_LAP : 0);
    feed_give_state(feed);
    feed->options.existing = state == REFUSED ? MR_EXISTING_REFUSE : MR_EXISTING_APPEND;
    feed->run.resumed = state == RESUMED;
    feed->run.resume = state == TAKEN_UP ? MR_RESUME_AGAIN : MR_RESUME_NOT;
}

// What is there when the sink opens.
static void leave_journal(enum state state)
{
    struct feed feed;
    char *path = NULL;
    cr_assert_gt(asprintf(&path, "%s/one", directory), 0);
    mr_test_remove_directory(path);
    prepare(&feed, NEW);
    if (state == NEW) {
        feed_drop(&feed);
        return;
    }
    cr_assert_eq(feed_open(&feed, &err), MR_OK, "%s", err.text);
    if (state != REFUSED)
        cr_assert_eq(feed_records(&feed, RECORDS, 10, &err), MR_OK, "%s", err.text);
    feed_drop(&feed);
}

static unsigned starve_open(enum state state)
{
    for (unsigned at = 1;; at++) {
        struct feed feed;
        leave_journal(state);
        prepare(&feed, state);
        failing_disk_use(FAILING_NONE, 0, 0); // counts the files that are left open
        failing_alloc_use(at);
        int code = mr_sink_journal.open(&feed.run, &err);
        mr_sink_journal.close(&feed.run);
        failing_alloc_leave();
        cr_assert_eq(failing_alloc.kept, 0, "%d, %u: %u kept", state, at, failing_alloc.kept);
        cr_assert_eq(failing_disk.open_files, 0, "%d, %u", state, at);
        failing_disk_leave();
        feed_drop(&feed);
        if (code != MR_OK)
            expect_said(at, code);
        if (code != MR_OK && state != NEW && state != REFUSED)
            cr_assert_eq(feed_count(directory, "one", MR_JOURNAL_END), RECORDS);
        if (!failing_alloc.failed)
            return at - 1;
    }
}

Test(loader_starved, a_sink_that_opens)
{
    static const unsigned least[STATES] = {2, 5, 4, 6, 4};
    for (enum state state = NEW; state < STATES; state++) {
        unsigned count = starve_open(state);
        cr_expect_geq(count, least[state], "%d: %u", state, count);
    }
}

// A run that rolls: the failure is that of its error, what was told to be durable is there.
Test(loader_starved, a_sink_that_rolls)
{
    unsigned at = 0;
    do {
        struct feed feed;
        leave_journal(NEW);
        prepare(&feed, NEW);
        cr_assert_eq(feed_open(&feed, &err), MR_OK, "%s", err.text);
        failing_alloc_use(++at);
        int code = feed_records(&feed, 3 * RECORDS, 10, &err);
        failing_alloc_leave();
        uint64_t durable_pos = feed.run.durable_pos, end_pos;
        feed_drop(&feed);
        if (failing_alloc.failed)
            expect_said(at, code);
        cr_assert_eq(mr_journal_end(feed.path, &end_pos, &err), MR_OK, "%s", err.text);
        cr_assert_geq(end_pos, durable_pos);
    } while (failing_alloc.failed);
    cr_expect_gt(at, 1);
}

// The stream is made again: the journal is compared with it.
Test(loader_starved, a_sink_that_compares)
{
    unsigned at = 0;
    do {
        struct feed feed;
        leave_journal(TAKEN_UP);
        prepare(&feed, TAKEN_UP);
        cr_assert_eq(feed_open(&feed, &err), MR_OK, "%s", err.text);
        failing_alloc_use(++at);
        int code = feed_records(&feed, RECORDS, 10, &err);
        failing_alloc_leave();
        feed_drop(&feed);
        if (failing_alloc.failed)
            expect_said(at, code);
        cr_assert_eq(feed_count(directory, "one", MR_JOURNAL_END), RECORDS);
    } while (failing_alloc.failed);
    cr_expect_gt(at, 1);
}

// ---- repair ------------------------------------------------------------------------------------
#define LAP 65536
#define SEGMENTS 2 // one is the other's only donor
#define EACH 8

static struct mr_schema_set schemas;

// One header is lost, and a record in the last segment.
static void write_damaged(void)
{
    static uint8_t lap[LAP];
    uint64_t previous_end = 0;
    for (uint32_t segment = 0; segment < SEGMENTS; segment++) {
        uint64_t base = (uint64_t)segment * LAP, at = base, bad = 0;
        for (uint32_t i = 0; i < EACH; i++) {
            bad = i == EACH / 2 ? at : bad;
            at += mr_test_record(&schemas, at, segment * EACH + i, 100, lap + at - base);
        }
        if (segment + 1 == SEGMENTS)
            lap[bad - base + 50] ^= 1;
        mr_test_segment(directory, &schemas, base, previous_end, LAP, lap, at - base, at);
        previous_end = at;
    }
    char path[512];
    mr_journal_segment_path(directory, LAP, path, sizeof path);
    mr_test_change_file(path, 40, 1);
}

static unsigned records(const char *path)
{
    struct mr_journal journal;
    unsigned count = 0;
    cr_assert_eq(mr_journal_open(&journal, path, &err), MR_OK, "%s", err.text);
    while (mr_journal_next(&journal))
        count++;
    cr_assert_eq(journal.stop, MR_JOURNAL_END, "%s", journal.problem.text);
    mr_journal_close(&journal);
    return count;
}

// False: it needs no more allocations than that.
static bool repair_starved(unsigned at)
{
    mr_test_remove_directory(directory);
    directory = mr_test_directory();
    write_damaged();
    failing_disk_use(FAILING_NONE, 0, 0);
    failing_alloc_use(at);
    int code = repair_wholly(directory, &err);
    failing_alloc_leave();
    cr_assert_eq(failing_alloc.kept, 0, "%u: %u kept", at, failing_alloc.kept);
    cr_assert_eq(failing_disk.open_files, 0, "%u", at);
    failing_disk_leave();
    if (code != MR_OK)
        expect_said(at, code);
    cr_assert_eq(repair_wholly(directory, &err), MR_OK, "%u: %s", at, err.text);
    return failing_alloc.failed;
}

// The header is made again and the one record cut, whatever failed before: nothing is given up for want of memory.
Test(loader_starved, a_repair)
{
    unsigned at = 1;
    schemas = mr_test_schemas();
    while (repair_starved(at)) {
        cr_assert_eq(records(directory), SEGMENTS * EACH - EACH / 2, "%u", at);
        at++;
    }
    cr_expect_gt(at, 10);
    mr_schema_set_clear(&schemas);
}
