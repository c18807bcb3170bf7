// SPDX-License-Identifier: Apache-2.0
// A chain without operators: records go from ring to ring. They are copied once, straight to where
// they will stand, and checked there, where nobody but us writes before they are published. Counts
// are kept for runs of one schema.
#include "consumers/transform/operator.h"

struct run {
    struct mr_stage *stage;
    uint64_t records;
    uint32_t bytes_min; // of the schema
    uint16_t schema_id;
    uint8_t in_index;
};

static void count_run(struct run *run)
{
    struct mr_stage_slot *now = &run->stage->now;
    if (run->records == 0)
        return;
    now->counts[MR_COUNT_IN] += run->records;
    now->counts[MR_COUNT_OUT] += run->records;
    now->in_by_schema[run->in_index] += run->records;
    mr_stage_count_emitted(run->stage, run->schema_id, run->records);
    run->records = 0;
}

// False where the input does not declare the schema.
static bool begin_run(struct run *run, uint16_t schema_id)
{
    const struct mr_stage *stage = run->stage;
    uint8_t index = stage->in_schema_index[schema_id];
    count_run(run);
    run->bytes_min = UINT32_MAX;
    if (index == MR_SCHEMA_UNKNOWN)
        return false;
    run->schema_id = schema_id;
    run->in_index = index;
    run->bytes_min = stage->in_schemas.schemas[index]->record_bytes;
    return true;
}

// One record; false where it is not to go this way.
static inline bool pass(struct run *run, struct mr_writer *writer, const struct mr_record *record,
                        uint32_t length)
{
    struct mr_record *out = mr_claim(writer, length);
    if (MR_UNLIKELY(!out))
        return false;
    mr_record_copy(out, record, length);
    bool good = out->schema_id == run->schema_id || begin_run(run, out->schema_id);
    if (MR_UNLIKELY(!good || length < run->bytes_min)) {
        mr_abort(writer);
        return false;
    }
    mr_commit(writer);
    run->records++;
    return true;
}

void mr_chain_pass(struct mr_chain *chain, struct mr_reader *reader, uint64_t end_pos)
{
    struct mr_writer *writer = &chain->stage->writers[MR_PORT_MAIN];
    struct run run = {.stage = chain->stage, .bytes_min = UINT32_MAX};
    while (reader->position < end_pos) {
        uint64_t before = reader->position;
        uint32_t length;
        const struct mr_record *record = mr_next(reader, &length);
        if (!record)
            break;
        if (MR_UNLIKELY(!pass(&run, writer, record, length))) {
            reader->position = before;
            break;
        }
    }
    count_run(&run);
}
