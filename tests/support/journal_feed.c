// SPDX-License-Identifier: Apache-2.0
#include "tests/support/journal_feed.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/journal_bytes.h"

#define TURNS_MAX 1000000

void feed_prepare(struct feed *feed, const char *directory, const char *name,
                  const struct mr_io_backend *backend, uint64_t start_pos)
{
    struct mr_error err;
    memset(feed, 0, sizeof *feed);
    feed->schemas = mr_test_schemas();
    ring_fixture_open(&feed->ring,
                      (struct mr_ring_options){.checksummed = true, .start_pos = start_pos});
    snprintf(feed->path, sizeof feed->path, "%s/%s", directory, name);
    cr_assert_eq(mr_io_open(&feed->io, backend, 64, &err), MR_OK, "%s", err.text);
    feed->options = (struct mr_journal_options){
        .path = feed->path,
        .durability = MR_DURABILITY_BATCH,
        .segment_bytes = 2 * FEED_LAP,
        .sync_bytes = 10000,
        .sync_interval_ns = 1000000,
    };
    feed->released = start_pos;
    feed->run = (struct mr_sink_run){
        .sink = &mr_sink_journal,
        .options = &feed->options,
        .io = &feed->io,
        .ring = &feed->ring.ring,
        .schemas = &feed->schemas,
        .start_pos = start_pos,
        .accepted_pos = start_pos,
        .durable_pos = start_pos,
    };
}

void feed_give_state(struct feed *feed)
{
    static struct mr_stage stage;
    static struct mr_undo_log *undo;
    static uint64_t state[MR_SINK_STATE_BYTES / 8];
    if (!undo)
        undo = calloc(1, sizeof *undo + MR_UNDO_BYTES);
    cr_assert_not_null(undo);
    memset(state, 0, sizeof state);
    stage = (struct mr_stage){.undo = undo, .state = (uint8_t *)state, .state_bytes = sizeof state};
    feed->run.stage = &stage;
    feed->run.state = state;
}

void feed_drop(struct feed *feed)
{
    mr_io_close(&feed->io);
    mr_sink_journal.close(&feed->run);
    ring_fixture_close(&feed->ring);
    mr_schema_set_clear(&feed->schemas);
}

int feed_open(struct feed *feed, struct mr_error *err)
{
    int code = mr_sink_journal.open(&feed->run, err);
    if (code != MR_OK)
        feed_drop(feed);
    return code;
}

bool feed_put(struct feed *feed, uint32_t note_bytes)
{
    uint8_t bytes[2048];
    size_t stride = mr_test_record(&feed->schemas, 0, feed->next_id, note_bytes, bytes);
    uint32_t length = ((struct mr_record *)(void *)bytes)->length;
    struct mr_record *record = mr_claim(&feed->ring.writer, length);
    cr_assert_leq(stride, sizeof bytes);
    if (!record)
        return false;
    memcpy((uint8_t *)record + 8, bytes + 8, length - 8);
    mr_commit(&feed->ring.writer);
    feed->next_id++;
    return true;
}

int feed_turn(struct feed *feed, struct mr_error *err)
{
    struct mr_sink_run *run = &feed->run;
    uint64_t end = feed->ring.writer.published;
    int code = MR_OK;
    while (run->accepted_pos < end && code == MR_OK) {
        uint64_t before = run->accepted_pos;
        uint64_t to_wrap = FEED_LAP - before % FEED_LAP;
        code = mr_sink_journal.write(run, feed->ring.ring.data + before % FEED_LAP,
                                     mr_min_u64(end - before, to_wrap), err);
        if (run->accepted_pos == before)
            break;
    }
    if (code == MR_OK)
        code = mr_io_reap(&feed->io, 1000, err);
    if (code == MR_OK)
        code = mr_sink_journal.poll(run, run->accepted_pos == end, err);
    cr_assert_leq(run->durable_pos, run->accepted_pos);
    cr_assert_leq(run->accepted_pos, end);
    cr_assert_geq(run->durable_pos, feed->released);
    feed->ring.reader.position = feed->released = run->durable_pos;
    mr_release(&feed->ring.reader, feed->released, NULL);
    return code;
}

int feed_records(struct feed *feed, unsigned count, unsigned batch, struct mr_error *err)
{
    int code = MR_OK;
    uint32_t goal = feed->next_id + count;
    for (unsigned turn = 0; code == MR_OK && turn < TURNS_MAX; turn++) {
        for (unsigned i = 0; i < batch && feed->next_id < goal; i++)
            if (!feed_put(feed, feed->next_id * 37 % 1500))
                break;
        mr_publish(&feed->ring.writer, 1);
        if (feed->next_id == goal && feed->released == feed->ring.writer.published)
            return MR_OK;
        code = feed_turn(feed, err);
    }
    return code;
}

void feed_finish(struct feed *feed)
{
    struct mr_error err;
    while (feed->io.in_flight > 0)
        cr_assert_eq(mr_io_reap(&feed->io, 1000000, &err), MR_OK);
    cr_assert_eq(mr_sink_journal.finish(&feed->run, &err), MR_OK, "%s", err.text);
    feed_drop(feed);
}

unsigned feed_count(const char *directory, const char *name, enum mr_journal_stop stop)
{
    char path[480];
    struct mr_journal journal;
    struct mr_error err;
    const struct mr_record *record;
    unsigned count = 0;
    snprintf(path, sizeof path, "%s/%s", directory, name);
    cr_assert_eq(mr_journal_open(&journal, path, &err), MR_OK, "%s", err.text);
    while ((record = mr_journal_next(&journal)) != NULL)
        cr_assert_eq(record->sequence, count++);
    cr_assert_eq(journal.stop, stop, "%s", journal.problem.text);
    mr_journal_close(&journal);
    return count;
}

void feed_check_same(const char *directory, const char *a, const char *b)
{
    uint64_t *bases[2];
    unsigned counts[2];
    char path[2][480];
    snprintf(path[0], sizeof path[0], "%s/%s", directory, a);
    snprintf(path[1], sizeof path[1], "%s/%s", directory, b);
    for (int i = 0; i < 2; i++)
        cr_assert_eq(mr_journal_list(path[i], &bases[i], &counts[i], NULL), MR_OK);
    cr_assert_eq(counts[0], counts[1]);
    for (unsigned s = 0; s < counts[0]; s++) {
        uint8_t *bytes[2];
        size_t lengths[2];
        cr_assert_eq(bases[0][s], bases[1][s]);
        for (int i = 0; i < 2; i++) {
            char file[512];
            mr_journal_segment_path(path[i], bases[i][s], file, sizeof file);
            bytes[i] = mr_test_read_file(file, &lengths[i]);
        }
        cr_assert_eq(lengths[0], lengths[1]);
        cr_assert_eq(memcmp(bytes[0], bytes[1], lengths[0]), 0);
        free(bytes[0]);
        free(bytes[1]);
    }
    free(bases[0]);
    free(bases[1]);
}
