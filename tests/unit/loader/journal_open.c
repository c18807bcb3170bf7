// SPDX-License-Identifier: Apache-2.0
// What the journal sink makes of what it finds when it opens: options that cannot be, a journal that is there, and what a
// run that was cut off has left before or at the place where its stream began.
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/support/failing_disk.h"
#include "tests/support/journal_bytes.h"
#include "tests/support/journal_feed.h"

#define BEFORE 100 // records of the run before
#define RECORDS 150

static char *directory;

static void set_up(void)
{
    directory = mr_test_directory();
}
static void tear_down(void)
{
    failing_disk_leave();
    mr_test_remove_directory(directory);
}
TestSuite(journal_open, .init = set_up, .fini = tear_down, .timeout = 120);

// ---- options -----------------------------------------------------------------------------------
static int declare(const struct mr_journal_options *options, struct mr_error *err)
{
    struct mr_pipeline pipeline = {0};
    char path[512];
    snprintf(path, sizeof path, "%s/p.yaml", directory);
    const char *text = "name: p\nsource: {type: mock}\nsink: {type: journal, path: j}\n";
    mr_test_write_file(path, text, strlen(text));
    cr_assert_eq(mr_pipeline_load(&pipeline, path, NULL, 0, err), MR_OK, "%s", err->text);
    int code = mr_sink_journal.declare(options, &pipeline, err);
    mr_pipeline_free(&pipeline);
    return code;
}

Test(journal_open, options_that_cannot_be)
{
    static const struct {
        struct mr_journal_options options;
        const char *sentence;
    } cases[] = {
        {{.path = "", .segment_bytes = 1}, "path: found \"\", expected the directory"},
        {{.path = "-", .segment_bytes = 1}, "path: found \"-\", expected the directory"},
        {{.path = "j"}, "segment_size: found 0, expected 1 to"},
        {{.path = "j", .segment_bytes = MR_RING_CAPACITY_MAX + 1},
         "segment_size: found 68719476737"},
        {{.path = "j", .segment_bytes = 1, .roll_after_ns = -1}, "expected no negative time"},
        {{.path = "j", .segment_bytes = 1, .sync_interval_ns = -1}, "expected no negative time"},
        {{.path = "j", .segment_bytes = 1, .checkpoint_interval_ns = -1}, "no negative time"},
    };
    struct mr_error err = {0};
    for (unsigned i = 0; i < MR_COUNT_OF(cases); i++) {
        cr_expect_eq(declare(&cases[i].options, &err), MR_ERR_CONFIG);
        cr_expect_not_null(strstr(err.text, cases[i].sentence), "%s", err.text);
        cr_expect_not_null(strstr(err.text, "p.yaml"), "%s", err.text);
    }
    cr_expect_eq(
        declare(&(struct mr_journal_options){.path = "-j", .segment_bytes = MR_RING_CAPACITY_MAX},
                &err),
        MR_OK, "%s", err.text);
}

// ---- a journal that is there -------------------------------------------------------------------
static void prepare(struct feed *feed, const char *name, uint64_t start_pos)
{
    feed_prepare(feed, directory, name, &mr_io_pwrite, start_pos);
    feed_give_state(feed);
    feed->options.existing = MR_EXISTING_REFUSE;
}

static void open_feed(struct feed *feed)
{
    struct mr_error err = {0};
    cr_assert_eq(feed_open(feed, &err), MR_OK, "%s", err.text);
}

static void write_records(struct feed *feed, unsigned count)
{
    struct mr_error err = {0};
    cr_assert_eq(feed_records(feed, count, 10, &err), MR_OK, "%s", err.text);
}

static void write_before(const char *name)
{
    struct feed feed;
    prepare(&feed, name, 0);
    open_feed(&feed);
    write_records(&feed, BEFORE);
    feed_finish(&feed);
}

static uint64_t end_of(const char *name)
{
    char path[512];
    uint64_t end;
    snprintf(path, sizeof path, "%s/%s", directory, name);
    cr_assert_eq(mr_journal_end(path, &end, NULL), MR_OK);
    return end;
}

// Where the next run's stream begins.
static uint64_t behind(const char *name)
{
    return mr_align_up(end_of(name), FEED_LAP);
}

static unsigned segments_of(const char *name)
{
    char path[512];
    uint64_t *bases;
    unsigned count;
    snprintf(path, sizeof path, "%s/%s", directory, name);
    cr_assert_eq(mr_journal_list(path, &bases, &count, NULL), MR_OK);
    free(bases);
    return count;
}

// A loader that was killed before its first record has left a segment: a journal without a record is none.
Test(journal_open, an_empty_journal_is_not_refused)
{
    struct feed feed;
    write_before("whole");
    prepare(&feed, "one", 0);
    open_feed(&feed);
    feed_drop(&feed);
    cr_assert_eq(segments_of("one"), 1);
    write_before("one");
    feed_check_same(directory, "whole", "one");
}

Test(journal_open, a_journal_with_records_is_refused)
{
    struct feed feed;
    struct mr_error err = {0};
    write_before("one");
    for (unsigned empty = 0; empty < 2; empty++) {
        prepare(&feed, "one", behind("one"));
        cr_assert_eq(feed_open(&feed, &err), MR_ERR_OUTPUT);
        cr_assert_not_null(strstr(err.text, "expected none (sink.existing is refuse)"), "%s",
                           err.text);
        cr_assert_eq(feed_count(directory, "one", MR_JOURNAL_END), BEFORE);
        // Once more, behind it a segment without a record.
        prepare(&feed, "one", behind("one"));
        feed.options.existing = MR_EXISTING_APPEND;
        open_feed(&feed);
        feed_drop(&feed);
    }
    cr_assert_eq(segments_of("one"), 2);
}

// A run that goes on with what a cut-off one left keeps it, whatever `existing` says of new runs.
Test(journal_open, what_a_run_goes_on_with_stays)
{
    static const int words[] = {MR_EXISTING_APPEND, MR_EXISTING_REPLACE, MR_EXISTING_REFUSE};
    struct feed feed;
    for (unsigned i = 0; i < MR_COUNT_OF(words); i++) {
        char name[16];
        snprintf(name, sizeof name, "stays-%u", i);
        write_before(name);
        prepare(&feed, name, behind(name));
        feed.options.existing = words[i];
        feed.run.resume = MR_RESUME_BEHIND;
        open_feed(&feed);
        feed.next_id = BEFORE;
        write_records(&feed, RECORDS - BEFORE);
        feed_finish(&feed);
        cr_assert_eq(feed_count(directory, name, MR_JOURNAL_END), RECORDS);
    }
}

Test(journal_open, each_call_over_what_is_there_may_fail)
{
    static const int words[] = {MR_EXISTING_REPLACE, MR_EXISTING_REFUSE};
    static const enum failing_call calls[] = {FAILING_LIST, FAILING_UNLINK, FAILING_SYNC_DIRECTORY};
    for (unsigned word = 0; word < MR_COUNT_OF(words); word++)
        for (unsigned i = 0; i < MR_COUNT_OF(calls); i++) {
            // The first file that is removed is ".next", where it stands.
            unsigned first = calls[i] == FAILING_UNLINK, at = first;
            do {
                struct feed feed;
                struct mr_error err = {0};
                prepare(&feed, "one", 0);
                feed.options.existing = MR_EXISTING_APPEND;
                open_feed(&feed); // leaves an empty segment
                feed_drop(&feed);
                prepare(&feed, "one", 0);
                feed.options.existing = words[word];
                failing_disk_use(calls[i], ++at, EIO);
                int code = feed_open(&feed, &err);
                if (code == MR_OK)
                    feed_drop(&feed);
                else
                    cr_assert_not_null(strstr(err.text, strerror(EIO)), "%s", err.text);
                cr_assert_eq(code != MR_OK, failing_disk.failed, "%s %u: %s",
                             failing_names[calls[i]], at, err.text);
                failing_disk_leave();
            } while (failing_disk.failed);
            cr_assert_gt(at, first + 1, "%s", failing_names[calls[i]]);
        }
}

// ---- what is said when all is in order ----------------------------------------------------------
static struct {
    const char *name;
    unsigned calls, segments;
    int code;
} begun;

static int on_begin(void *context, struct mr_error *err)
{
    cr_assert_eq(context, &begun);
    begun.calls++;
    begun.segments = segments_of(begun.name);
    return begun.code == MR_OK ? MR_OK : mr_fail(err, begun.code, "not now");
}

static void tell(struct feed *feed, const char *name)
{
    begun.name = name;
    begun.calls = 0;
    feed->run.begin = on_begin;
    feed->run.begin_context = &begun;
}

Test(journal_open, the_run_begins_between_the_old_and_the_new)
{
    struct feed feed;
    struct mr_error err = {0};
    write_before("one");
    prepare(&feed, "one", behind("one"));
    feed.options.existing = MR_EXISTING_APPEND;
    tell(&feed, "one");
    begun.code = MR_ERR_OUTPUT;
    cr_assert_eq(feed_open(&feed, &err), MR_ERR_OUTPUT);
    cr_assert_str_eq(err.text, "not now");
    cr_assert_eq(segments_of("one"), 1, "nothing was begun");
    prepare(&feed, "one", 0);
    feed.options.existing = MR_EXISTING_REPLACE;
    tell(&feed, "one");
    begun.code = MR_OK;
    open_feed(&feed);
    feed_drop(&feed);
    cr_assert_eq(begun.calls, 1);
    cr_assert_eq(begun.segments, 0, "what was to be replaced is gone");
}

// ---- taken up where the stream began -----------------------------------------------------------
// The undisturbed one: a run, and one that appended.
static void write_both(const char *name)
{
    struct feed feed;
    write_before(name);
    prepare(&feed, name, behind(name));
    feed.options.existing = MR_EXISTING_APPEND;
    open_feed(&feed);
    feed.next_id = BEFORE;
    write_records(&feed, RECORDS - BEFORE);
    feed_finish(&feed);
}

// Power was cut when nothing of the second run's stream was in the journal yet: `begins` says whether its segment was.
static void prepare_taken_up(struct feed *feed, bool begins, int durability)
{
    write_before("one");
    uint64_t start_pos = behind("one");
    if (begins) {
        prepare(feed, "one", start_pos);
        feed->options.existing = MR_EXISTING_APPEND;
        feed->options.durability = durability;
        open_feed(feed);
        feed_drop(feed);
    }
    prepare(feed, "one", start_pos);
    feed->options.durability = durability;
    feed->run.resume = MR_RESUME_AGAIN;
    feed->run.session_pos = start_pos;
    tell(feed, "one");
    begun.code = MR_OK;
}

static void remove_one(void)
{
    char path[512];
    snprintf(path, sizeof path, "%s/one", directory);
    mr_test_remove_directory(strdup(path));
}

static const int durabilities[] = {MR_DURABILITY_BATCH, MR_DURABILITY_NONE};

Test(journal_open, taken_up_where_its_stream_began)
{
    write_both("whole");
    for (unsigned i = 0; i < MR_COUNT_OF(durabilities); i++)
        for (unsigned begins = 0; begins < 2; begins++) {
            struct feed feed;
            prepare_taken_up(&feed, begins, durabilities[i]);
            open_feed(&feed);
            cr_assert_eq(begun.calls, 1, "it begins once more");
            cr_assert_eq(begun.segments, 1, "behind what was there before it");
            feed.next_id = BEFORE;
            write_records(&feed, RECORDS - BEFORE);
            feed_finish(&feed);
            feed_check_same(directory, "whole", "one");
            remove_one();
        }
}

// A segment that cannot be removed is said, and the one before it stays.
Test(journal_open, what_was_begun_cannot_be_removed)
{
    struct feed feed;
    struct mr_error err = {0};
    char segment[600];
    prepare_taken_up(&feed, true, MR_DURABILITY_BATCH);
    mr_journal_segment_path(feed.path, feed.run.start_pos, segment, sizeof segment);
    failing_disk_use(FAILING_UNLINK, 2, EACCES); // behind that of a ".next" that may be there
    cr_assert_eq(feed_open(&feed, &err), MR_ERR_OUTPUT);
    cr_assert(failing_disk.failed);
    cr_assert_not_null(strstr(err.text, segment), "%s", err.text);
    cr_assert_not_null(strstr(err.text, strerror(EACCES)), "%s", err.text);
    cr_assert_eq(begun.calls, 0);
    cr_assert_eq(feed_count(directory, "one", MR_JOURNAL_END), BEFORE);
}

// No journal at all: what was before it was taken away, and it begins as one that is new.
Test(journal_open, taken_up_without_a_journal)
{
    struct feed feed;
    prepare(&feed, "one", 0);
    feed.run.resume = MR_RESUME_AGAIN;
    open_feed(&feed);
    write_records(&feed, RECORDS);
    feed_finish(&feed);
    cr_assert_eq(feed_count(directory, "one", MR_JOURNAL_END), RECORDS);
}

// It began behind another run's records, and those are gone: its own stream is whole without them.
Test(journal_open, taken_up_behind_what_is_gone)
{
    for (unsigned i = 0; i < MR_COUNT_OF(durabilities); i++) {
        struct feed feed;
        prepare_taken_up(&feed, true, durabilities[i]);
        char segment[600];
        mr_journal_segment_path(feed.path, 0, segment, sizeof segment);
        cr_assert_eq(unlink(segment), 0);
        open_feed(&feed);
        write_records(&feed, RECORDS);
        feed_finish(&feed);
        cr_assert_eq(feed_count(directory, "one", MR_JOURNAL_END), RECORDS);
        remove_one();
    }
}

// ---- each call of an opening -------------------------------------------------------------------
static const enum failing_call every_call[] = {
    FAILING_OPEN,     FAILING_READ,   FAILING_WRITE,     FAILING_SYNC, FAILING_SYNC_DIRECTORY,
    FAILING_ALLOCATE, FAILING_RENAME, FAILING_TRUNCATE,  FAILING_LIST, FAILING_STATUS,
    FAILING_LOCK,     FAILING_UNLINK, FAILING_STATUS_OF,
};

// The journal's directory, something in it, or a directory above it.
static bool names_the_place(const char *text)
{
    size_t length = strcspn(text, ":");
    return strstr(text, directory) || (length > 0 && strncmp(text, directory, length) == 0);
}

// A journal with a torn tail is appended to: which call ever fails, what was there is there, and it is gone on with.
static bool append_with_failure(enum failing_call call, unsigned at)
{
    struct feed feed;
    struct mr_error err = {0};
    bool failed = false;
    prepare(&feed, "one", 0);
    feed.options.durability = MR_DURABILITY_NONE;
    open_feed(&feed);
    write_records(&feed, BEFORE);
    feed_drop(&feed);
    for (unsigned again = 0; again < 2; again++) {
        prepare(&feed, "one", 2 * FEED_LAP);
        feed.options.existing = MR_EXISTING_APPEND;
        feed.next_id = BEFORE;
        failing_disk_use(again ? FAILING_NONE : call, at, EIO);
        int code = feed_open(&feed, &err);
        failed = failed || failing_disk.failed;
        failing_disk_leave();
        cr_assert(code == MR_OK || failed, "%s", err.text);
        if (code != MR_OK) {
            cr_assert(names_the_place(err.text), "%s %u: %s", failing_names[call], at, err.text);
            continue;
        }
        write_records(&feed, RECORDS - BEFORE);
        feed_finish(&feed);
        cr_assert_eq(feed_count(directory, "one", MR_JOURNAL_END), RECORDS);
        remove_one();
        return failed;
    }
    cr_assert(false, "%s %u: %s", failing_names[call], at, err.text);
    return false;
}

Test(journal_open, each_call_of_an_append_may_fail)
{
    for (unsigned i = 0; i < MR_COUNT_OF(every_call); i++) {
        unsigned at = 1;
        while (append_with_failure(every_call[i], at))
            at++;
        cr_assert_gt(at, 1, "%s", failing_names[every_call[i]]);
    }
}

// ---- the next process of a run -----------------------------------------------------------------
static int open_resumed(struct feed *feed, struct mr_error *err)
{
    prepare(feed, "one", 0);
    feed->options.durability = durabilities[0];
    feed->run.resumed = true;
    return feed_open(feed, err);
}

static bool resume_with_failure(enum failing_call call, unsigned at)
{
    struct feed feed;
    struct mr_error err = {0};
    failing_disk_use(call, at, EIO);
    int code = open_resumed(&feed, &err);
    bool failed = failing_disk.failed;
    failing_disk_leave();
    cr_assert_eq(code != MR_OK, failed, "%s %u: %s", failing_names[call], at, err.text);
    if (code == MR_OK)
        feed_drop(&feed);
    else
        cr_assert(names_the_place(err.text) && strstr(err.text, strerror(EIO)), "%s %u: %s",
                  failing_names[call], at, err.text);
    cr_assert_eq(feed_count(directory, "one", MR_JOURNAL_END), BEFORE);
    return failed;
}

// Which call ever fails, nothing is changed, and the one that comes after it goes on.
Test(journal_open, each_call_of_a_resumed_run_may_fail)
{
    static const enum failing_call calls[] = {FAILING_OPEN,           FAILING_READ,
                                              FAILING_LIST,           FAILING_LOCK,
                                              FAILING_SYNC_DIRECTORY, FAILING_STATUS_OF};
    struct feed feed;
    struct mr_error err = {0};
    write_before("whole");
    write_before("one");
    for (unsigned i = 0; i < MR_COUNT_OF(calls); i++) {
        unsigned at = 1;
        while (resume_with_failure(calls[i], at))
            at++;
        cr_assert_gt(at, 1, "%s", failing_names[calls[i]]);
    }
    struct mr_disk disk = *mr_disk;
    disk.forget = NULL; // a disk that cannot give up what memory holds
    mr_disk = &disk;
    cr_assert_eq(open_resumed(&feed, &err), MR_OK, "%s", err.text);
    write_records(&feed, BEFORE);
    feed_finish(&feed);
    feed_check_same(directory, "whole", "one");
}
