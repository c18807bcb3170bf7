// SPDX-License-Identifier: Apache-2.0
// The source of a simulated session: records of many lengths, made into a ring as a ring's writer does
// it, and remembered.
#include <stdlib.h>
#include <string.h>

#include "tests/support/scratch.h"
#include "tests/support/sim_session.h"

static uint8_t *add_entry(struct sim_session *session, uint64_t bytes, bool padding)
{
    if (session->entry_count == SIM_ENTRIES_MAX ||
        session->published_pos + bytes > SIM_STREAM_BYTES_MAX) {
        sim_session_fail(session, "the simulation's own memory is too small");
        return NULL;
    }
    uint64_t begin_pos = session->published_pos;
    session->entries[session->entry_count++] = (struct sim_entry){
        .begin_pos = begin_pos, .end_pos = begin_pos + bytes, .padding = padding};
    memset(session->stream + begin_pos, 0, bytes);
    return session->stream + begin_pos;
}

static void publish(struct sim_session *session)
{
    const struct sim_entry *entry = &session->entries[session->published_entry++];
    memcpy(session->ring_bytes + (entry->begin_pos & session->ring.mask),
           session->stream + entry->begin_pos, entry->end_pos - entry->begin_pos);
    session->published_pos = entry->end_pos;
}

static bool has_room(const struct sim_session *session, uint64_t bytes)
{
    return session->published_pos + bytes + MR_RING_SPARE_BYTES <=
           session->committed_pos + session->ring.capacity;
}

static void pad(struct sim_session *session, uint32_t bytes)
{
    uint64_t position = session->published_pos;
    uint8_t *out = add_entry(session, bytes, true);
    if (!out)
        return;
    struct mr_record *padding = (struct mr_record *)(void *)out;
    memcpy(out, &bytes, sizeof bytes);
    if (bytes >= MR_ENVELOPE_BYTES) {
        padding->flags = MR_FLAG_PADDING;
        padding->checksum = mr_record_checksum(out, bytes, position);
    }
    publish(session);
}

static void fill(struct sim_session *session, uint8_t *out, uint32_t length)
{
    struct mr_record *record = (struct mr_record *)(void *)out;
    mr_record_init(session->schemas.schemas[0], out);
    record->length = length;
    record->sequence = session->next_id;
    // Also bytes that look like an end.
    uint32_t content = session->next_id + 101 * session->generation;
    memset(out + MR_ENVELOPE_BYTES, session->next_id % 7 == 0 ? 0 : (int)(content & 0xff),
           length - MR_ENVELOPE_BYTES);
    record->checksum = mr_record_checksum(out, length, session->published_pos);
}

// What was made before and is made again: it is the same.
static bool make_again(struct sim_session *session)
{
    const struct sim_entry *entry = &session->entries[session->published_entry];
    bool room = has_room(session, entry->end_pos - entry->begin_pos);
    if (room)
        publish(session);
    return room;
}

static bool make_one(struct sim_session *session)
{
    if (session->published_entry < session->entry_count)
        return make_again(session);
    const uint32_t least = session->schemas.schemas[0]->record_bytes;
    // From the record's number alone: made again after an end it is the same.
    uint64_t random = session->next_id * 2654435761ULL ^ session->schemas.count;
    uint64_t most = session->plan->one_way ? 32 : session->ring.capacity / 4 - least;
    uint32_t length = least + (uint32_t)random_below(&random, most);
    uint64_t stride = mr_record_stride(length);
    uint64_t to_wrap = session->ring.capacity - (session->published_pos & session->ring.mask);
    bool wraps = stride > to_wrap;
    if (!has_room(session, wraps ? to_wrap + stride : stride))
        return false;
    if (wraps)
        pad(session, (uint32_t)to_wrap);
    uint8_t *out = add_entry(session, stride, false);
    if (!out)
        return false;
    fill(session, out, length);
    publish(session);
    session->next_id++;
    return true;
}

bool sim_source_is_dry(const struct sim_session *session)
{
    return session->next_id >= session->records_goal &&
           session->published_entry == session->entry_count;
}

void sim_source_make(struct sim_session *session, unsigned count)
{
    while (count-- > 0 && !sim_source_is_dry(session) && make_one(session))
        continue;
}

void sim_source_forget(struct sim_session *session, uint64_t position)
{
    while (session->entry_count > 0 &&
           session->entries[session->entry_count - 1].end_pos > position) {
        session->entry_count--;
        session->next_id -= !session->entries[session->entry_count].padding;
    }
}

void sim_source_new_ring(struct sim_session *session, uint64_t capacity, uint64_t start_pos)
{
    memset(session->ring_bytes, 0, capacity);
    session->ring.capacity = capacity;
    session->ring.mask = capacity - 1;
    session->start_pos = session->published_pos = session->committed_pos = start_pos;
    session->opened = false;
    memset(session->committed_state, 0, sizeof session->committed_state);
    memset(&session->transform->shared->note, 0, sizeof session->transform->shared->note);
    session->settled_entry = 0;
    while (session->settled_entry < session->entry_count &&
           session->entries[session->settled_entry].begin_pos < start_pos)
        session->settled_entry++;
    session->published_entry = session->settled_entry;
}
