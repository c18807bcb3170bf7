// SPDX-License-Identifier: Apache-2.0
// A chain without operators: records go from ring to ring, whole runs of them at a time. They are copied
// once, straight to where they will stand, and checked there, where nobody else writes before they are
// published; what does not pass was never claimed. Counts are kept for stretches of one schema.
#include <string.h>

#include "consumers/transform/operator.h"

// Copied, checked and summed while it is in the nearest cache.
#define RUN_BYTES_MAX (16u << 10)

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

// How many of these bytes are whole records that may pass, counted; *records says how many those are.
static uint64_t check_run(struct mr_stage *stage, uint8_t *at, uint64_t bytes, uint64_t *records)
{
    struct stretch stretch = {.bytes_min = UINT32_MAX};
    uint64_t good = 0;
    *records = 0;
    while (bytes - good >= MR_ENVELOPE_BYTES) {
        const struct mr_record *record = (const void *)(at + good);
        uint32_t length = record->length;
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

void mr_chain_pass(struct mr_chain *chain, struct mr_reader *reader, uint64_t end_pos)
{
    struct mr_writer *writer = &chain->stage->writers[MR_PORT_MAIN];
    uint64_t bytes, good, records;
    do {
        bytes = mr_min_u64(mr_peek_bytes(reader), RUN_BYTES_MAX);
        bytes = mr_min_u64(bytes, end_pos - reader->position);
        bytes = mr_claim_run(writer, bytes);
        if (bytes == 0)
            return;
        memcpy(mr_claimed(writer), mr_peek_at(reader, reader->position), bytes);
        good = check_run(chain->stage, (uint8_t *)mr_claimed(writer), bytes, &records);
        mr_commit_run(writer, good, records);
        reader->position += good;
    } while (good > 0 && reader->position < end_pos);
}
