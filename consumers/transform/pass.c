// SPDX-License-Identifier: Apache-2.0
// A chain without operators: records go from ring to ring, whole runs of them at a time. They are copied
// once, straight to where they will stand, and checked there, where nobody else writes before they are
// published; what does not pass was never claimed. Counts are kept for stretches of one schema.
#include <string.h>

#include "consumers/transform/operator.h"

// Copied, checked and summed while it is in the nearest cache, and while what comes PREFETCH_BYTES later
// is on its way there.
#define RUN_BYTES 512
#define LONG_RUN_BYTES (16u << 10) // where records are longer
#define PREFETCH_BYTES 2048

struct stretch { // of records of one schema
    uint64_t records;
    uint32_t bytes_min; // of the schema
    uint16_t schema_id;
    uint8_t in_index;
};

static void count_stretch(struct mr_stage *stage, const struct stretch *stretch)
{
    struct mr_stage_slot *now = &stage->now;
    if (stretch->records == 0)
        return;
    now->counts[MR_COUNT_IN] += stretch->records;
    now->counts[MR_COUNT_OUT] += stretch->records;
    now->in_by_schema[stretch->in_index] += stretch->records;
    mr_stage_count_emitted(stage, stretch->schema_id, stretch->records);
}

// False where the input does not declare the schema.
static bool begin_stretch(struct mr_stage *stage, struct stretch *stretch, uint16_t schema_id)
{
    uint8_t index = stage->in_schema_index[schema_id];
    count_stretch(stage, stretch);
    *stretch = (struct stretch){.schema_id = schema_id, .in_index = index, .bytes_min = UINT32_MAX};
    if (index == MR_SCHEMA_UNKNOWN)
        return false;
    stretch->bytes_min = stage->in_schemas.schemas[index]->record_bytes;
    return true;
}

// How many of these bytes are whole records that may pass, counted; *records says how many those are. The
// first one's length word does not stand in them.
static uint64_t check_run(struct mr_stage *stage, uint8_t *at, uint64_t bytes,
                          uint32_t first_length, uint64_t *records)
{
    struct stretch stretch = {.bytes_min = UINT32_MAX};
    uint64_t good = 0;
    *records = 0;
    while (bytes - good >= MR_ENVELOPE_BYTES) {
        const struct mr_record *record = (const void *)(at + good);
        // Read once: others may write there.
        uint32_t length = good == 0 ? first_length : mr_load_relaxed_u32(&record->length);
        uint64_t stride = mr_record_stride(length);
        if (MR_UNLIKELY(stride > bytes - good || record->flags & MR_FLAG_PADDING))
            break;
        if (MR_UNLIKELY(record->schema_id != stretch.schema_id) &&
            !begin_stretch(stage, &stretch, record->schema_id))
            break;
        if (MR_UNLIKELY(length < stretch.bytes_min))
            break;
        if (length < stride)
            memset(at + good + length, 0, stride - length);
        good += stride;
        stretch.records++;
        ++*records;
    }
    count_stretch(stage, &stretch);
    return good;
}

// Both rings are longer than the caches: a later run's lines are fetched, to be read and to be written.
static void prefetch_run(const uint8_t *in, const uint8_t *out)
{
    for (uint64_t at = 0; at < RUN_BYTES; at += MR_CACHE_LINE) {
        __builtin_prefetch(in + at, 0, 2);
        __builtin_prefetch(out + at, 1, 2);
    }
}

// The next run, of run_bytes at most; says how far it went.
static uint64_t pass_run(struct mr_stage *stage, struct mr_reader *reader, uint64_t run_bytes)
{
    struct mr_writer *writer = &stage->writers[MR_PORT_MAIN];
    uint64_t ready = mr_peek_bytes(reader), records;
    uint64_t bytes = mr_claim_run(writer, mr_min_u64(ready, run_bytes));
    const uint8_t *in = mr_peek_at(reader, reader->position);
    uint8_t *out = (uint8_t *)mr_claimed(writer);
    if (bytes < MR_ENVELOPE_BYTES)
        return 0;
    uint32_t first_length = mr_length_word(reader);
    memcpy(out + sizeof first_length, in + sizeof first_length, bytes - sizeof first_length);
    if (ready >= PREFETCH_BYTES + RUN_BYTES) // not what the writer is about to write
        prefetch_run(in + PREFETCH_BYTES, out + PREFETCH_BYTES);
    bytes = check_run(stage, out, bytes, first_length, &records);
    mr_commit_run(writer, bytes, records, first_length);
    reader->position += bytes;
    return bytes;
}

void mr_chain_pass(struct mr_chain *chain, struct mr_reader *reader, uint64_t end_pos)
{
    uint64_t run_bytes = RUN_BYTES;
    while (reader->position < end_pos) {
        uint64_t left = end_pos - reader->position;
        if (pass_run(chain->stage, reader, mr_min_u64(left, run_bytes)) > 0)
            continue;
        if (run_bytes == LONG_RUN_BYTES)
            return;
        run_bytes = LONG_RUN_BYTES;
    }
}
