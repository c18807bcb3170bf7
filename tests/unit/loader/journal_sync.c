// SPDX-License-Identifier: Apache-2.0
// When the journal sink syncs: by age and size while the stream goes on, for each record, when there is nothing more; and
// what waits for a sync: the end of a segment, what is told to be durable.
#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/disk.h"
#include "tests/support/faulty_io.h"
#include "tests/support/journal_bytes.h"
#include "tests/support/journal_feed.h"

#define HOUR_NS (3600LL * 1000000000)

static char *directory;
static struct feed feed;
static struct mr_error err;

static void set_up(void)
{
    directory = mr_test_directory();
    faulty_io = (struct faulty_io){0};
    feed_prepare(&feed, directory, "one", &faulty_io_backend, 0);
    feed.options.sync_bytes = UINT64_MAX;
    feed.options.sync_interval_ns = HOUR_NS;
}
static void tear_down(void)
{
    feed_finish(&feed);
    mr_test_remove_directory(directory);
}
TestSuite(journal_sync, .init = set_up, .fini = tear_down);

static void open_feed(void)
{
    cr_assert_eq(feed_open(&feed, &err), MR_OK, "%s", err.text);
}

// So many records into the ring, and as many as the sink takes from there.
static void hand_over(unsigned records)
{
    for (unsigned i = 0; i < records; i++)
        cr_assert(feed_put(&feed, 900));
    mr_publish(&feed.ring.writer, 1);
    uint64_t at = feed.run.accepted_pos;
    uint64_t end = mr_min_u64(feed.ring.writer.published, mr_align_up(at + 1, FEED_LAP));
    cr_assert_eq(
        mr_sink_journal.write(&feed.run, feed.ring.ring.data + at % FEED_LAP, end - at, &err),
        MR_OK, "%s", err.text);
}

// What is written and synced is told; `busy`: more is to come.
static void turn(bool busy)
{
    cr_assert_eq(mr_io_reap(&feed.io, 0, &err), MR_OK);
    cr_assert_eq(mr_sink_journal.poll(&feed.run, !busy, &err), MR_OK, "%s", err.text);
    feed.ring.reader.position = feed.released = feed.run.durable_pos;
    mr_release(&feed.ring.reader, feed.released, NULL);
}

static void turns(bool busy)
{
    for (unsigned i = 0; i < 4; i++)
        turn(busy);
}

static unsigned segments(void)
{
    uint64_t *bases;
    unsigned count;
    cr_assert_eq(mr_journal_list(feed.path, &bases, &count, NULL), MR_OK);
    free(bases);
    return count;
}

Test(journal_sync, a_busy_stream_is_synced_when_it_is_old)
{
    open_feed();
    hand_over(3);
    turns(true);
    cr_expect_eq(faulty_io.syncs, 0);
    cr_expect_eq(feed.run.durable_pos, 0);
    feed.options.sync_interval_ns = 0; // now it is
    turns(true);
    cr_expect_eq(faulty_io.syncs, 1);
    cr_expect_eq(feed.run.durable_pos, feed.run.accepted_pos);
}

Test(journal_sync, a_busy_stream_is_synced_when_it_is_much)
{
    feed.options.sync_bytes = 10000;
    open_feed();
    hand_over(5);
    turns(true);
    cr_expect_eq(faulty_io.syncs, 0, "5 times 960");
    hand_over(6);
    turns(true);
    cr_expect_eq(faulty_io.syncs, 1);
    cr_expect_eq(feed.run.durable_pos, feed.run.accepted_pos);
    turns(true);
    cr_expect_eq(faulty_io.syncs, 1, "there is nothing new");
}

// However much is asked for, a quarter of the ring is enough: it has to have room.
Test(journal_sync, much_is_a_quarter_of_the_ring)
{
    open_feed();
    hand_over(FEED_LAP / 4 / 960 + 1);
    turns(true);
    cr_expect_eq(faulty_io.syncs, 1);
}

Test(journal_sync, a_stream_that_rests_is_synced)
{
    open_feed();
    hand_over(1);
    turns(false);
    cr_expect_eq(faulty_io.syncs, 1);
    cr_expect_eq(feed.run.durable_pos, feed.run.accepted_pos);
}

Test(journal_sync, each_record_is_synced_for)
{
    feed.options.durability = MR_DURABILITY_RECORD;
    open_feed();
    for (unsigned i = 0; i < 5; i++) {
        hand_over(1);
        turns(true);
        cr_expect_eq(faulty_io.syncs, i + 1);
        cr_expect_eq(feed.run.durable_pos, feed.run.accepted_pos);
    }
}

static void nobody(void *self, uint64_t tag, int64_t result)
{
    (void)self, (void)tag, (void)result;
}

// An I/O layer that is full takes the sync another time, and nothing counts as durable before.
Test(journal_sync, waits_for_a_place)
{
    static const uint8_t byte;
    static const struct mr_io_client other = {nobody, NULL};
    char path[600];
    open_feed();
    hand_over(1);
    cr_assert_eq(mr_io_reap(&feed.io, 0, &err), MR_OK);
    snprintf(path, sizeof path, "%s/other", directory);
    mr_test_write_file(path, "", 0);
    int fd = mr_disk->open(path, O_WRONLY);
    while (mr_io_write(&feed.io, &other, fd, &byte, 1, 0, 0))
        continue;
    cr_assert_eq(mr_sink_journal.poll(&feed.run, true, &err), MR_OK);
    cr_expect_eq(feed.run.durable_pos, 0);
    turn(false);
    cr_expect_eq(faulty_io.syncs, 0, "the others were before it");
    turns(false);
    cr_expect_eq(faulty_io.syncs, 1);
    cr_expect_eq(feed.run.durable_pos, feed.run.accepted_pos);
    mr_disk->close(fd);
}

// A segment that is full is ended when all of it is durable, and not before.
Test(journal_sync, a_segment_ends_when_it_is_durable)
{
    feed.options.segment_bytes = FEED_LAP;
    feed.options.sync_bytes = UINT64_MAX;
    open_feed();
    while (feed.run.accepted_pos < FEED_LAP) {
        hand_over(feed.run.accepted_pos < FEED_LAP - 4 * 960 ? 2 : 1);
        if (feed.run.accepted_pos < FEED_LAP)
            turns(false);
    }
    cr_assert_eq(feed.run.accepted_pos, FEED_LAP);
    cr_assert_lt(feed.run.durable_pos, FEED_LAP);
    cr_assert_eq(mr_io_reap(&feed.io, 0, &err), MR_OK); // written, and not synced
    hand_over(1);
    cr_expect_eq(feed.run.accepted_pos, FEED_LAP, "it waits");
    cr_expect_eq(segments(), 1);
    turns(true);
    cr_expect_eq(feed.run.durable_pos, FEED_LAP, "what is to end is synced at once");
    hand_over(0);
    cr_expect_gt(feed.run.accepted_pos, FEED_LAP);
    cr_expect_eq(segments(), 2);
}

// By time a segment ends where a lap does, and when it is old enough.
Test(journal_sync, a_segment_that_is_young_goes_on)
{
    feed.options.segment_bytes = 16 * FEED_LAP;
    feed.options.roll_after_ns = HOUR_NS;
    open_feed();
    cr_assert_eq(feed_records(&feed, 500, 5, &err), MR_OK, "%s", err.text);
    cr_expect_gt(feed.run.accepted_pos, 3 * FEED_LAP);
    cr_expect_eq(segments(), 1);
}
