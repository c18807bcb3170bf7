// SPDX-License-Identifier: Apache-2.0
// The journal sink on a disk that refuses, and beside what a cut-off run has left: whichever call fails, nothing that was
// durable is lost, and whoever goes on comes to the same bytes. What is made again and is not the same is refused.
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/support/failing_disk.h"
#include "tests/support/faulty_io.h"
#include "tests/support/journal_bytes.h"
#include "tests/support/journal_feed.h"

#define RECORDS 300 // some four laps, two segments

static char *directory;

static void set_up(void)
{
    directory = mr_test_directory();
    faulty_io = (struct faulty_io){0};
}
static void tear_down(void)
{
    failing_disk_leave();
    mr_test_remove_directory(directory);
}
TestSuite(journal_resume, .init = set_up, .fini = tear_down, .timeout = 240);

static void prepare(struct feed *feed, const char *name, int durability)
{
    feed_prepare(feed, directory, name, &mr_io_pwrite, 0);
    feed->options.durability = durability;
    feed_give_state(feed);
}

static void write_whole(const char *name, int durability)
{
    struct feed feed;
    struct mr_error err = {0};
    prepare(&feed, name, durability);
    cr_assert_eq(feed_open(&feed, &err), MR_OK, "%s", err.text);
    cr_assert_eq(feed_records(&feed, RECORDS, 10, &err), MR_OK, "%s", err.text);
    feed_finish(&feed);
}

// A run that was cut off after so many records: the ring is gone, the journal is what it left.
static void write_cut_off(const char *name, int durability, unsigned records)
{
    struct feed feed;
    struct mr_error err = {0};
    prepare(&feed, name, durability);
    cr_assert_eq(feed_open(&feed, &err), MR_OK, "%s", err.text);
    cr_assert_eq(feed_records(&feed, records, 10, &err), MR_OK, "%s", err.text);
    feed_drop(&feed);
}

static void remove_journal(const char *name)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    mr_test_remove_directory(strdup(path));
}

static bool names_the_place(const char *text)
{
    size_t length = strcspn(text, ":");
    return strstr(text, directory) || (length > 0 && strncmp(text, directory, length) == 0);
}

static void check_error(const struct mr_error *err, int code, enum failing_call call, unsigned at)
{
    cr_assert(failing_disk.failed, "%s %u: %s", failing_names[call], at, err->text);
    cr_assert(code == MR_ERR_OUTPUT || code == MR_ERR_INPUT, "%s %u: code %d, %s",
              failing_names[call], at, code, err->text);
    cr_assert(names_the_place(err->text), "%s %u: %s", failing_names[call], at, err->text);
    cr_assert_not_null(strstr(err->text, strerror(EIO)), "%s %u: %s", failing_names[call], at,
                       err->text);
}

static const enum failing_call calls[] = {
    FAILING_OPEN,           FAILING_READ,          FAILING_WRITE,    FAILING_SYNC,
    FAILING_SYNC_DIRECTORY, FAILING_ALLOCATE,      FAILING_TRUNCATE, FAILING_RENAME,
    FAILING_UNLINK,         FAILING_LIST,          FAILING_STATUS,   FAILING_STATUS_OF,
    FAILING_LOCK,           FAILING_MAKE_DIRECTORY};

// ---- each call of a run that writes ------------------------------------------------------------
static int finish(struct feed *feed, struct mr_error *err)
{
    while (feed->io.in_flight > 0)
        cr_assert_eq(mr_io_reap(&feed->io, 1000000, err), MR_OK);
    return mr_sink_journal.finish(&feed->run, err);
}

// The next process of the run: the ring still has what was not released.
static void go_on(struct feed *feed, bool was_opened)
{
    struct mr_error err = {0};
    if (!was_opened) { // nothing was committed: the run begins once more
        feed_drop(feed);
        prepare(feed, "one", feed->options.durability);
        feed->options.existing = MR_EXISTING_APPEND;
    } else {
        mr_io_close(&feed->io);
        mr_sink_journal.close(&feed->run);
        cr_assert_eq(mr_io_open(&feed->io, &mr_io_pwrite, 64, &err), MR_OK);
        feed->run.resumed = true;
        feed->run.start_pos = feed->run.accepted_pos = feed->run.durable_pos = feed->released;
    }
    cr_assert_eq(feed_open(feed, &err), MR_OK, "%s", err.text);
    cr_assert_eq(feed_records(feed, RECORDS - feed->next_id, 10, &err), MR_OK, "%s", err.text);
    feed_finish(feed);
}

static bool write_with_failure(int durability, enum failing_call call, unsigned at)
{
    struct feed feed;
    struct mr_error err = {0};
    prepare(&feed, "one", durability);
    failing_disk_use(call, at, EIO);
    int code = mr_sink_journal.open(&feed.run, &err);
    bool opened = code == MR_OK;
    if (code == MR_OK)
        code = feed_records(&feed, RECORDS, 10, &err);
    if (code == MR_OK)
        code = finish(&feed, &err);
    bool failed = failing_disk.failed;
    if (code != MR_OK && !strstr(err.text, "was removed or replaced"))
        check_error(&err, code, call, at);
    failing_disk_leave();
    if (code == MR_OK)
        feed_drop(&feed);
    else
        go_on(&feed, opened);
    feed_check_same(directory, "whole", "one");
    cr_assert_eq(feed_count(directory, "one", MR_JOURNAL_END), RECORDS);
    remove_journal("one");
    return failed;
}

static void sweep_writes(int durability)
{
    write_whole("whole", durability);
    for (unsigned i = 0; i < MR_COUNT_OF(calls); i++)
        for (unsigned at = 1; at < 40 && write_with_failure(durability, calls[i], at); at++)
            continue;
}

Test(journal_resume, each_call_of_a_synced_run_may_fail)
{
    sweep_writes(MR_DURABILITY_BATCH);
}
Test(journal_resume, each_call_of_an_unsynced_run_may_fail)
{
    sweep_writes(MR_DURABILITY_NONE);
}

// ---- after a power cut -------------------------------------------------------------------------
static void prepare_again(struct feed *feed, int durability)
{
    prepare(feed, "one", durability);
    feed->run.resume = MR_RESUME_AGAIN;
}

static bool take_up_with_failure(int durability, unsigned cut_at, enum failing_call call,
                                 unsigned at)
{
    struct feed feed;
    struct mr_error err = {0};
    write_cut_off("one", durability, cut_at);
    prepare_again(&feed, durability);
    failing_disk_use(call, at, EIO);
    int code = feed_open(&feed, &err);
    if (code == MR_OK) {
        code = feed_records(&feed, RECORDS, 10, &err);
        if (code == MR_OK)
            code = finish(&feed, &err);
        feed_drop(&feed);
    }
    bool failed = failing_disk.failed;
    if (code != MR_OK && !strstr(err.text, "was removed or replaced"))
        check_error(&err, code, call, at);
    failing_disk_leave();
    if (code != MR_OK) { // as if the power had been cut once more
        prepare_again(&feed, durability);
        cr_assert_eq(feed_open(&feed, &err), MR_OK, "%s %u: %s", failing_names[call], at, err.text);
        cr_assert_eq(feed_records(&feed, RECORDS, 10, &err), MR_OK, "%s %u: %s",
                     failing_names[call], at, err.text);
        feed_finish(&feed);
    }
    feed_check_same(directory, "whole", "one");
    remove_journal("one");
    return failed;
}

static void sweep_take_ups(int durability)
{
    static const unsigned cuts[] = {10, 250};
    write_whole("whole", durability);
    for (unsigned cut = 0; cut < MR_COUNT_OF(cuts); cut++)
        for (unsigned i = 0; i < MR_COUNT_OF(calls); i++)
            for (unsigned at = 1;
                 at < 40 && take_up_with_failure(durability, cuts[cut], calls[i], at); at++)
                continue;
}

Test(journal_resume, each_call_of_a_synced_take_up_may_fail)
{
    sweep_take_ups(MR_DURABILITY_BATCH);
}
Test(journal_resume, each_call_of_an_unsynced_take_up_may_fail)
{
    sweep_take_ups(MR_DURABILITY_NONE);
}

// ---- what is made again ------------------------------------------------------------------------
// Record `id` of the stream that is made again is another one.
static int make_again(struct feed *feed, uint32_t id, struct mr_error *err)
{
    int code = feed_records(feed, id, 1, err);
    if (code == MR_OK && feed_put(feed, id * 37 % 1500 + 1)) {
        mr_publish(&feed->ring.writer, 1);
        for (unsigned turn = 0; turn < 1000 && code == MR_OK; turn++)
            code = feed_turn(feed, err);
    }
    return code;
}

Test(journal_resume, another_stream_is_refused)
{
    for (unsigned later = 0; later < 2; later++) {
        struct feed feed;
        struct mr_error err = {0};
        write_cut_off("one", MR_DURABILITY_BATCH, 200);
        prepare_again(&feed, MR_DURABILITY_BATCH);
        feed.run.later = later;
        cr_assert_eq(feed_open(&feed, &err), MR_OK, "%s", err.text);
        cr_assert_eq(make_again(&feed, 37, &err), MR_ERR_INPUT);
        cr_assert_not_null(strstr(err.text, "00000000000000000000.mrj: byte "), "%s", err.text);
        cr_assert_not_null(strstr(err.text, "the input is not what it was then"), "%s", err.text);
        feed_drop(&feed);
        cr_assert_eq(feed_count(directory, "one", MR_JOURNAL_END), 200, "what was there is there");
        remove_journal("one");
    }
}

// The input ends sooner than it did: an error where it has come to its end, none where it was stopped.
Test(journal_resume, a_shorter_stream_is_refused)
{
    for (unsigned whole = 0; whole < 2; whole++) {
        struct feed feed;
        struct mr_error err = {0};
        write_cut_off("one", MR_DURABILITY_BATCH, 200);
        prepare_again(&feed, MR_DURABILITY_BATCH);
        cr_assert_eq(feed_open(&feed, &err), MR_OK, "%s", err.text);
        cr_assert_eq(feed_records(&feed, 100, 10, &err), MR_OK, "%s", err.text);
        feed.run.whole = whole;
        cr_assert_eq(finish(&feed, &err), whole ? MR_ERR_INPUT : MR_OK, "%s", err.text);
        if (whole)
            cr_assert_not_null(strstr(err.text, "but the stream that is made again ends at"), "%s",
                               err.text);
        feed_drop(&feed);
        cr_assert_eq(feed_count(directory, "one", MR_JOURNAL_END), 200);
        remove_journal("one");
    }
}

// Durable once, and gone: that is not made good by writing it anew.
Test(journal_resume, a_journal_that_lost_durable_records_is_refused)
{
    static const int durabilities[] = {MR_DURABILITY_BATCH, MR_DURABILITY_NONE};
    for (unsigned i = 0; i < MR_COUNT_OF(durabilities); i++) {
        struct feed feed;
        struct mr_error err = {0};
        write_cut_off("one", durabilities[i], 20);
        feed_prepare(&feed, directory, "one", &mr_io_pwrite, FEED_LAP);
        feed.options.durability = durabilities[i];
        feed_give_state(&feed);
        feed.run.resume = MR_RESUME_AGAIN;
        cr_assert_eq(feed_open(&feed, &err), MR_ERR_CORRUPT, "%s", err.text);
        cr_assert_not_null(strstr(err.text, "which was durable before the cut"), "%s", err.text);
        cr_assert_eq(feed_count(directory, "one", MR_JOURNAL_END), 20);
        remove_journal("one");
    }
}

// A run that was killed while it compared goes on comparing.
Test(journal_resume, killed_while_it_compares)
{
    struct feed feed;
    struct mr_error err = {0};
    write_whole("whole", MR_DURABILITY_BATCH);
    write_cut_off("one", MR_DURABILITY_BATCH, 250);
    prepare_again(&feed, MR_DURABILITY_BATCH);
    cr_assert_eq(feed_open(&feed, &err), MR_OK, "%s", err.text);
    cr_assert_eq(feed_records(&feed, 50, 10, &err), MR_OK, "%s", err.text);
    go_on(&feed, true);
    feed_check_same(directory, "whole", "one");
}

// ---- what a resumed run finds ------------------------------------------------------------------
static int resume_at(uint64_t position, struct mr_error *err)
{
    struct feed feed;
    feed_prepare(&feed, directory, "one", &mr_io_pwrite, position);
    feed_give_state(&feed);
    feed.run.resumed = true;
    int code = feed_open(&feed, err);
    if (code == MR_OK)
        feed_drop(&feed);
    return code;
}

Test(journal_resume, the_segment_is_gone_or_short)
{
    struct mr_error err = {0};
    char path[512], segment[600];
    snprintf(path, sizeof path, "%s/one", directory);
    cr_assert_eq(resume_at(0, &err), MR_ERR_OUTPUT);
    cr_assert_not_null(strstr(err.text, "found no segment that holds position 0"), "%s", err.text);
    write_whole("one", MR_DURABILITY_BATCH);
    cr_assert_eq(resume_at(64 * FEED_LAP, &err), MR_ERR_OUTPUT);
    cr_assert_not_null(strstr(err.text, "found no segment that holds position"), "%s", err.text);
    mr_journal_segment_path(path, 0, segment, sizeof segment);
    cr_assert_eq(truncate(segment, 4096 + 8000), 0);
    cr_assert_eq(resume_at(16000, &err), MR_ERR_OUTPUT);
    cr_assert_not_null(strstr(err.text, "found 12096 bytes, expected at least 20096"), "%s",
                       err.text);
    cr_assert_eq(unlink(segment), 0);
    cr_assert_eq(resume_at(0, &err), MR_ERR_OUTPUT);
}

// ---- segments that end by time, and the I/O layer ----------------------------------------------
Test(journal_resume, rolled_by_time)
{
    struct feed feed;
    struct mr_error err = {0};
    uint64_t *bases;
    unsigned count;
    prepare(&feed, "one", MR_DURABILITY_BATCH);
    feed.options.segment_bytes = 64 * FEED_LAP;
    feed.options.roll_after_ns = 1;
    feed.options.sync_interval_ns = 0;
    cr_assert_eq(feed_open(&feed, &err), MR_OK, "%s", err.text);
    for (unsigned i = 0; i < 2 * RECORDS; i++) // a record each time: laps end now and then
        cr_assert_eq(feed_records(&feed, 1, 1, &err), MR_OK, "%s", err.text);
    feed_finish(&feed);
    cr_assert_eq(feed_count(directory, "one", MR_JOURNAL_END), 2 * RECORDS);
    char path[512];
    snprintf(path, sizeof path, "%s/one", directory);
    cr_assert_eq(mr_journal_list(path, &bases, &count, NULL), MR_OK);
    for (unsigned i = 0; i < count; i++)
        cr_expect_eq(bases[i] % FEED_LAP, 0);
    free(bases);
}

// The first cause is told, whatever fails behind it, and nothing more is called durable.
Test(journal_resume, the_first_failure_is_told)
{
    for (unsigned after = 1; after < 12; after++) {
        struct feed feed;
        struct mr_error err = {0};
        faulty_io = (struct faulty_io){.fail_write_after = after, .fail_write_errno = EIO};
        feed_prepare(&feed, directory, "one", &faulty_io_backend, 0);
        feed.options.existing = MR_EXISTING_REPLACE;
        cr_assert_eq(feed_open(&feed, &err), MR_OK, "%s", err.text);
        cr_assert_eq(feed_records(&feed, RECORDS, 50, &err), MR_ERR_OUTPUT);
        uint64_t durable_pos = feed.run.durable_pos;
        char first[sizeof err.text];
        snprintf(first, sizeof first, "%s", err.text);
        cr_assert_not_null(strstr(err.text, ".mrj: cannot "), "%s", err.text);
        for (unsigned turn = 0; turn < 10; turn++)
            cr_assert_eq(feed_turn(&feed, &err), MR_ERR_OUTPUT);
        cr_assert_str_eq(err.text, first);
        cr_assert_eq(feed.run.durable_pos, durable_pos);
        feed_drop(&feed);
    }
}
