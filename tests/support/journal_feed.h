// SPDX-License-Identifier: Apache-2.0
// The journal sink, fed from a ring as the loader does it.
//
//     struct feed feed;
//     feed_prepare(&feed, directory, "one", NULL, 0);   // feed.options, feed.run may be changed now
//     feed_open(&feed, &err) ... feed_records(&feed, 100, 10, &err) ...
//     feed_finish(&feed);                               // or feed_drop(), as a process that died
#ifndef MR_TESTS_SUPPORT_JOURNAL_FEED_H
#define MR_TESTS_SUPPORT_JOURNAL_FEED_H

#include "consumers/loader/io.h"
#include "consumers/loader/journal_sink.h"
#include "core/journal.h"
#include "tests/support/ring_fixture.h"

#define FEED_LAP MR_RING_CAPACITY_MIN

struct feed {
    struct ring_fixture ring;
    struct mr_schema_set schemas;
    struct mr_io io;
    struct mr_journal_options options;
    struct mr_sink_run run;
    uint64_t released;
    uint32_t next_id;
    char path[480];
};

void feed_prepare(struct feed *feed, const char *directory, const char *name,
                  const struct mr_io_backend *backend, uint64_t start_pos);
// The part of a stage that holds the sink's state, zeroed: what takes a journal up keeps a word there. One feed's at a
// time.
void feed_give_state(struct feed *feed);
// Drops the feed where it fails.
int feed_open(struct feed *feed, struct mr_error *err);
// One record more in the ring, not yet published; false where there is no room.
bool feed_put(struct feed *feed, uint32_t note_bytes);
// One turn of a loader: hand over, reap, poll, release.
int feed_turn(struct feed *feed, struct mr_error *err);
// `count` records of varied lengths, published `batch` at a time, until all are durable.
int feed_records(struct feed *feed, unsigned count, unsigned batch, struct mr_error *err);
void feed_finish(struct feed *feed);
void feed_drop(struct feed *feed);
// Of the journal: records 0, 1, 2, ...; returns how many.
unsigned feed_count(const char *directory, const char *name, enum mr_journal_stop stop);
// Same names of segments, same bytes.
void feed_check_same(const char *directory, const char *a, const char *b);

#endif
