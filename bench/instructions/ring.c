// SPDX-License-Identifier: Apache-2.0
// The ring: the writer's and the reader's half of one record, in batches of 32: one by one, and in runs.
#include <stdio.h>

#include "bench/instructions/cases.h"
#include "core/market.h"
#include "tests/support/ring_fixture.h"

#define BATCH 32
#define RECORD_BYTES 64

#define RUN_BYTES ((uint64_t)BATCH * RECORD_BYTES)

enum part {
    COMMIT,
    PUBLISH_EACH,
    PUBLISH_BATCH,
    PUBLISH_LAZILY, // the first of a batch is published at once, the others are left for later
    CLAIM_RUN,
    RELEASE_EACH,
    RELEASE_BATCH,
    RELEASE_LAZILY, // a batch stays behind the one that is read: a reader that runs out looks at the clock
    PEEK_RUN,
    PASS
};

struct half {
    struct ring_fixture fixture;
    enum part part;
    uint64_t written, read;
};

// Claims and commits alone; what publishes is counted only where it is the case's.
static inline void put(struct half *half)
{
    struct mr_record *record = mr_claim(&half->fixture.writer, RECORD_BYTES);
    record->sequence = half->written++;
    record->schema_id = MR_SCHEMA_ORDER_ADD;
    record->flags = 0;
    mr_commit(&half->fixture.writer);
}

// The same, end to end; of the first one the length word is the ring's.
static void put_run(struct half *half)
{
    struct mr_writer *writer = &half->fixture.writer;
    if (mr_claim_run(writer, RUN_BYTES) != RUN_BYTES)
        return; // no lap ends within a run; the reader finds that there is none
    uint8_t *at = (uint8_t *)mr_claimed(writer);
    for (unsigned i = 0; i < BATCH; i++, at += RECORD_BYTES) {
        struct mr_record *record = (struct mr_record *)(void *)at;
        if (i > 0)
            record->length = RECORD_BYTES;
        record->checksum = 0;
        record->sequence = half->written++;
        record->schema_id = MR_SCHEMA_ORDER_ADD;
        record->flags = 0;
    }
    mr_commit_run(writer, RUN_BYTES, BATCH, RECORD_BYTES);
}

static void put_batch(struct half *half)
{
    struct mr_writer *writer = &half->fixture.writer;
    if (half->part == PUBLISH_EACH) {
        count_begin();
        for (unsigned i = 0; i < BATCH; i++) {
            put(half);
            mr_publish(writer, 0);
        }
        count_end();
    } else if (half->part == PUBLISH_LAZILY) {
        count_begin();
        for (unsigned i = 0; i < BATCH; i++) {
            put(half);
            mr_publish_lazily(writer, 0);
        }
        count_end();
    } else if (half->part == CLAIM_RUN) {
        count_begin();
        put_run(half);
        count_end();
    } else if (half->part == PUBLISH_BATCH || half->part == COMMIT) {
        count_begin();
        for (unsigned i = 0; i < BATCH; i++)
            put(half);
        if (half->part == PUBLISH_BATCH)
            mr_publish(writer, 0);
        count_end();
    } else {
        for (unsigned i = 0; i < BATCH; i++)
            put(half);
    }
    mr_publish(writer, 0);
}

static inline bool take(struct half *half)
{
    uint32_t length;
    const struct mr_record *record = mr_next(&half->fixture.reader, &length);
    return record && length == RECORD_BYTES && record->sequence == half->read++;
}

static bool take_run(struct half *half)
{
    struct mr_reader *reader = &half->fixture.reader;
    uint64_t bytes = mr_min_u64(mr_peek_bytes(reader), RUN_BYTES);
    const uint8_t *at = mr_peek_at(reader, reader->position);
    bool good = bytes == RUN_BYTES;
    for (uint64_t i = 0; i < bytes; i += RECORD_BYTES) {
        const struct mr_record *record = (const struct mr_record *)(const void *)(at + i);
        good &= record->length == RECORD_BYTES && record->sequence == half->read++;
    }
    reader->position += bytes;
    return good;
}

static bool take_batch(struct half *half)
{
    struct mr_reader *reader = &half->fixture.reader;
    bool good = true;
    if (half->part == RELEASE_EACH) {
        count_begin();
        for (unsigned i = 0; i < BATCH; i++) {
            good &= take(half);
            mr_release(reader, reader->position, NULL);
        }
        count_end();
    } else if (half->part == RELEASE_BATCH) {
        count_begin();
        for (unsigned i = 0; i < BATCH; i++)
            good &= take(half);
        mr_release(reader, reader->position, NULL);
        count_end();
    } else if (half->part == RELEASE_LAZILY) {
        count_begin();
        for (unsigned i = 0; i < BATCH; i++) {
            good &= take(half);
            mr_release_lazily(reader, NULL);
        }
        count_end();
    } else if (half->part == PEEK_RUN) {
        count_begin();
        good = take_run(half);
        mr_release(reader, reader->position, NULL);
        count_end();
    } else if (half->part == PASS) {
        count_begin();
        good = mr_pass_alike(reader, RECORD_BYTES, MR_SCHEMA_ORDER_ADD, UINT64_MAX) == BATCH;
        mr_release(reader, reader->position, NULL);
        count_end();
    } else {
        for (unsigned i = 0; i < BATCH; i++)
            good &= take(half);
        mr_release(reader, reader->position, NULL);
    }
    return good;
}

static void turn(struct half *half, const char *name)
{
    for (unsigned i = 0; i < CASE_RECORDS; i += BATCH) {
        put_batch(half);
        expect(take_batch(half), name, "a record that came out is not the one that went in");
    }
}

static void count_part(const char *what, enum part part, bool checksummed)
{
    char name[64];
    struct half half = {.part = part};
    snprintf(name, sizeof name, "ring %s%s", what, checksummed ? ", checksummed" : "");
    ring_fixture_open(&half.fixture, (struct mr_ring_options){.checksummed = checksummed});
    if (part == RELEASE_LAZILY)
        put_batch(&half);
    turn(&half, name);
    struct tally tally = tally_start(name);
    turn(&half, name);
    tally_finish(&tally, CASE_RECORDS);
    ring_fixture_close(&half.fixture);
}

void count_ring(void)
{
    for (unsigned checksummed = 0; checksummed < 2; checksummed++) {
        count_part("claim+commit", COMMIT, checksummed);
        count_part("claim+commit+publish each", PUBLISH_EACH, checksummed);
        count_part("claim+commit, publish 32", PUBLISH_BATCH, checksummed);
        count_part("claim+commit a run of 32", CLAIM_RUN, checksummed);
    }
    count_part("claim+commit+publish lazily", PUBLISH_LAZILY, false);
    count_part("next+release each", RELEASE_EACH, false);
    count_part("next, release 32", RELEASE_BATCH, false);
    count_part("next+release lazily", RELEASE_LAZILY, false);
    count_part("peek a run of 32, release", PEEK_RUN, false);
    count_part("pass 32 alike, release", PASS, false);
}
