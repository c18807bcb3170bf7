// SPDX-License-Identifier: Apache-2.0
#include "tests/support/ring_stream.h"

#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/support/scratch.h"

#define WAIT_NS 1000000      // how long a side waits at a time
#define STALL_NS 60000000000 // nothing moves for so long: the test has failed
#define SMALL_PAYLOAD_BYTES_MAX 120
#define SWEEP_EVERY 32

static const char *const wait_names[] = {"spin", "yield", "park", "auto"};

uint32_t ring_stream_length(const struct ring_stream *stream, uint64_t sequence)
{
    uint64_t payload_max = stream->ring->capacity / 4 - MR_ENVELOPE_BYTES;
    uint64_t sweep_every = stream->sweep_every ? stream->sweep_every : SWEEP_EVERY;
    uint64_t random = sequence;
    uint64_t payload = 1 + random_below(&random, stream->small_bytes_max ? stream->small_bytes_max
                                                                         : SMALL_PAYLOAD_BYTES_MAX);
    if (sequence % sweep_every == 0)
        payload = 1 + sequence / sweep_every % payload_max;
    return MR_ENVELOPE_BYTES + (uint32_t)payload;
}

void ring_stream_fill(struct mr_record *record, uint32_t length, uint64_t sequence)
{
    uint8_t *payload = (uint8_t *)record + MR_ENVELOPE_BYTES;
    size_t left = length - MR_ENVELOPE_BYTES;
    uint64_t random = sequence ^ 0x5DEECE66D;
    record->sequence = sequence;
    record->event_time_ns = (int64_t)(sequence * 3);
    record->ingest_time_ns = (int64_t)(sequence * 5);
    record->schema_id = MR_SCHEMA_ID_DECLARED;
    record->flags = 0;
    for (; left >= 8; left -= 8, payload += 8) {
        uint64_t word = random_next(&random);
        memcpy(payload, &word, 8);
    }
    uint64_t word = random_next(&random);
    memcpy(payload, &word, left);
}

bool ring_stream_is_whole(const struct ring_stream *stream, const struct mr_record *record,
                          uint32_t length)
{
    const uint8_t *payload = (const uint8_t *)record + MR_ENVELOPE_BYTES;
    uint64_t sequence = record->sequence;
    uint64_t random = sequence ^ 0x5DEECE66D;
    if (length != ring_stream_length(stream, sequence) || length != record->length ||
        record->event_time_ns != (int64_t)(sequence * 3) ||
        record->ingest_time_ns != (int64_t)(sequence * 5) ||
        record->schema_id != MR_SCHEMA_ID_DECLARED || record->flags != 0)
        return false;
    size_t left = length - MR_ENVELOPE_BYTES;
    for (; left >= 8; left -= 8, payload += 8) {
        uint64_t word = random_next(&random);
        if (memcmp(payload, &word, 8) != 0)
            return false;
    }
    uint64_t word = random_next(&random);
    return memcmp(payload, &word, left) == 0;
}

static void fail(struct ring_stream_result *result, const char *what, uint64_t found,
                 uint64_t expected)
{
    if (!result->failure[0])
        snprintf(result->failure, sizeof result->failure,
                 "%s: found %" PRIu64 ", expected %" PRIu64 " (after %" PRIu64 " records)", what,
                 found, expected, result->records);
}

// Waits for room; false where the reader has not moved for STALL_NS.
static bool await_space(struct mr_wait *wait, struct mr_writer *writer, uint32_t length,
                        struct ring_stream_result *result)
{
    int64_t deadline_ns = mr_mono_ns() + STALL_NS;
    uint64_t read_pos = writer->read_pos;
    mr_wait_reset(wait);
    while (!mr_claim(writer, length)) {
        mr_wait_for_space(wait, writer, length, WAIT_NS);
        if (writer->read_pos == read_pos && mr_mono_ns() > deadline_ns) {
            fail(result, "the writer waits for space; read_pos", read_pos, writer->position);
            return false;
        }
    }
    mr_abort(writer);
    return true;
}

static struct mr_record *claim_or_wait(const struct ring_stream *stream, struct mr_wait *wait,
                                       struct mr_writer *writer, uint32_t length,
                                       struct ring_stream_result *result)
{
    struct mr_record *record = mr_claim(writer, length);
    if (record)
        return record;
    mr_publish(writer, mr_tick());
    record = mr_claim(writer, length);
    if (!record && stream->ring->full_policy == MR_FULL_BLOCK &&
        await_space(wait, writer, length, result))
        record = mr_claim(writer, length);
    return record;
}

void ring_stream_write(const struct ring_stream *stream, struct ring_stream_result *result)
{
    struct mr_writer writer;
    struct mr_wait wait;
    uint64_t random = 7, until_publish = 1;
    memset(result, 0, sizeof *result);
    mr_writer_open(&writer, stream->ring);
    mr_wait_setup(&wait, stream->wait, stream->processes);
    for (uint64_t sequence = 0; sequence < stream->records && !result->failure[0]; sequence++) {
        uint32_t length = ring_stream_length(stream, sequence);
        struct mr_record *given_back =
            sequence % 101 == 0 ? mr_claim(&writer, MR_ENVELOPE_BYTES + 1 + sequence % 977) : NULL;
        if (given_back) {
            given_back->sequence = UINT64_MAX; // a claim given back leaves no trace
            mr_abort(&writer);
        }
        struct mr_record *record = claim_or_wait(stream, &wait, &writer, length, result);
        if (!record) {
            mr_writer_count_drop(&writer);
            result->dropped++;
            continue;
        }
        ring_stream_fill(record, length, sequence);
        mr_commit(&writer);
        result->records++;
        result->bytes += length;
        if (--until_publish == 0) {
            mr_publish(&writer, mr_tick());
            until_publish = 1 + random_below(&random, 64);
        }
    }
    mr_publish(&writer, mr_tick());
    mr_writer_close(&writer);
}

// One record as the reader got it: whole, in order, with the right checksum.
static void inspect(const struct ring_stream *stream, const struct mr_record *record,
                    uint32_t length, uint64_t end_pos, uint64_t *expected,
                    struct ring_stream_result *result)
{
    uint64_t sequence = record->sequence;
    if (!ring_stream_is_whole(stream, record, length))
        fail(result, "a record that is not whole; sequence", sequence, *expected);
    if (sequence < *expected ||
        (stream->ring->full_policy == MR_FULL_BLOCK && sequence != *expected))
        fail(result, "sequence", sequence, *expected);
    uint32_t checksum = stream->ring->checksummed
                            ? mr_record_checksum(record, length, end_pos - mr_record_stride(length))
                            : 0;
    if (record->checksum != checksum)
        fail(result, "checksum", record->checksum, checksum);
    result->dropped += sequence - *expected;
    *expected = sequence + 1;
    result->records++;
    result->bytes += length;
}

static void show_progress(const struct ring_stream *stream, const struct ring_stream_result *result,
                          int64_t *next_ns)
{
    int64_t now_ns = mr_mono_ns();
    if (!stream->progress || now_ns < *next_ns)
        return;
    *next_ns = now_ns + 1000000000;
    printf("  %s: %" PRIu64 " of %" PRIu64 " records\n", wait_names[stream->wait], result->records,
           stream->records);
    fflush(stdout);
}

void ring_stream_read(const struct ring_stream *stream, struct ring_stream_result *result)
{
    struct mr_reader reader, *readers[] = {&reader};
    struct mr_wait wait;
    struct mr_error err;
    uint64_t expected = 0;
    uint32_t length;
    int64_t next_ns = 0, moved_ns = mr_mono_ns();
    memset(result, 0, sizeof *result);
    mr_reader_open(&reader, stream->ring);
    mr_wait_setup(&wait, stream->wait, stream->processes);
    // The policy must be met, not only possible: nothing is read before something was dropped.
    while (stream->ring->full_policy == MR_FULL_DROP_NEWEST &&
           mr_load_relaxed_u64(&stream->ring->news->dropped) == 0 &&
           !mr_load_acquire_u32(&stream->ring->news->closed))
        usleep(100);
    while (!result->failure[0] && !reader.corrupt) {
        uint64_t before = reader.position;
        const struct mr_record *record;
        for (int i = 0; i < 100 && (record = mr_next(&reader, &length)); i++)
            inspect(stream, record, length, reader.position, &expected, result);
        mr_release(&reader, reader.position, NULL);
        show_progress(stream, result, &next_ns);
        if (reader.position != before) {
            moved_ns = 0;
            mr_wait_reset(&wait);
            continue;
        }
        if (mr_reader_at_end(&reader))
            break;
        if (moved_ns == 0)
            moved_ns = mr_mono_ns();
        if (mr_mono_ns() - moved_ns > STALL_NS)
            fail(result, "the reader waits for records", result->records, stream->records);
        mr_wait_for_data(&wait, readers, 1, WAIT_NS);
    }
    result->dropped += stream->records - expected;
    if (reader.corrupt) {
        mr_reader_explain(&reader, &err);
        snprintf(result->failure, sizeof result->failure, "%.200s", err.text);
    }
}

void ring_stream_tap(const struct ring_stream *stream, struct ring_stream_result *result)
{
    struct mr_tap tap;
    uint64_t expected = 0;
    memset(result, 0, sizeof *result);
    mr_tap_open(&tap, stream->ring, MR_TAP_OLDEST);
    while (!result->failure[0]) {
        const struct mr_record *record = mr_tap_next(&tap);
        if (record) {
            if (!ring_stream_is_whole(stream, record, record->length))
                fail(result, "the tap got a record that is not whole; sequence", record->sequence,
                     expected);
            if (record->sequence < expected)
                fail(result, "the tap's sequence ran back", record->sequence, expected);
            result->dropped += record->sequence - expected;
            expected = record->sequence + 1;
            result->records++;
            if (result->records % 5000 == 0)
                usleep(2000); // falls behind, to be overrun
        } else if (mr_tap_at_end(&tap)) {
            break;
        } else {
            sched_yield();
        }
    }
    mr_tap_close(&tap);
}

uint64_t ring_stream_records(uint64_t fallback)
{
    const char *wanted = getenv("MILLRACE_STRESS_RECORDS");
    return wanted ? mr_min_u64(strtoull(wanted, NULL, 0), fallback) : fallback;
}
