// SPDX-License-Identifier: Apache-2.0
// The session's bytes: nothing here opens a file.
#include <inttypes.h>
#include <string.h>

#include "core/pipeline/session.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

static uint64_t check_of(const struct mr_session *session)
{
    struct mr_session blank = *session;
    blank.check = 0;
    return XXH3_64bits(&blank, sizeof blank);
}

void mr_session_seal(struct mr_session *session, uint64_t epoch)
{
    session->magic = MR_SESSION_MAGIC;
    session->version = MR_SESSION_VERSION;
    session->bytes = sizeof *session;
    session->epoch = epoch;
    session->check = check_of(session);
}

static bool is_sealed(const struct mr_session *session)
{
    return session->magic == MR_SESSION_MAGIC && session->version == MR_SESSION_VERSION &&
           session->bytes == sizeof *session && session->check == check_of(session);
}

// Rings are made of these numbers.
static int check_rings(const struct mr_session *session, struct mr_error *err)
{
    for (unsigned ring = 0; ring < MR_RING_COUNT; ring++) {
        uint64_t capacity = session->capacity[ring], start_pos = session->start_pos[ring];
        if (!mr_is_power_of_two(capacity) || capacity < MR_RING_CAPACITY_MIN ||
            capacity > MR_RING_CAPACITY_MAX || start_pos % capacity != 0)
            return mr_fail(err, MR_ERR_CORRUPT,
                           "ring %s: found capacity %" PRIu64 " and start position %" PRIu64
                           ", expected a power of two, and whole laps of it",
                           mr_ring_index_name(ring), capacity, start_pos);
    }
    return MR_OK;
}

static int check_position(const struct mr_session *session, enum mr_ring_index ring,
                          uint64_t position, struct mr_error *err)
{
    if (position % 8 == 0 && position >= session->start_pos[ring])
        return MR_OK;
    return mr_fail(err, MR_ERR_CORRUPT,
                   "checkpoint: ring %s: found position %" PRIu64
                   ", expected a multiple of 8 from %" PRIu64,
                   mr_ring_index_name(ring), position, session->start_pos[ring]);
}

// What one stage has written the next one has read: nothing stands in the rings at a checkpoint.
static int check_checkpoint(const struct mr_session *session, struct mr_error *err)
{
    const struct mr_stage_slot *producer = &session->checkpoint[MR_ROLE_PRODUCER];
    const struct mr_stage_slot *transform = &session->checkpoint[MR_ROLE_TRANSFORM];
    const struct mr_stage_slot *loader = &session->checkpoint[MR_ROLE_LOADER];
    int code = check_position(session, MR_RING_INGRESS, producer->out_pos[MR_PORT_MAIN], err);
    if (code == MR_OK)
        code = check_position(session, MR_RING_DEAD_PRODUCER, producer->out_pos[MR_PORT_DEAD], err);
    if (code == MR_OK)
        code = check_position(session, MR_RING_EGRESS, transform->out_pos[MR_PORT_MAIN], err);
    if (code == MR_OK)
        code =
            check_position(session, MR_RING_DEAD_TRANSFORM, transform->out_pos[MR_PORT_DEAD], err);
    if (code != MR_OK)
        return code;
    if (transform->in_pos[MR_PORT_MAIN] == producer->out_pos[MR_PORT_MAIN] &&
        loader->in_pos[MR_PORT_MAIN] == transform->out_pos[MR_PORT_MAIN] &&
        loader->in_pos[MR_PORT_DEAD] == producer->out_pos[MR_PORT_DEAD] &&
        loader->in_pos[MR_PORT_DEAD_2] == transform->out_pos[MR_PORT_DEAD])
        return MR_OK;
    return mr_fail(
        err, MR_ERR_CORRUPT,
        "checkpoint: found a stage that has not read what the one before it has written");
}

static int check_session(const struct mr_session *session, struct mr_error *err)
{
    if (session->again < MR_AGAIN_SAME || session->again > MR_AGAIN_MIXED ||
        session->state < MR_SESSION_RUNNING || session->state > MR_SESSION_STOPPED ||
        session->has_checkpoint > 1)
        return mr_fail(
            err, MR_ERR_CORRUPT,
            "byte 40: found source %u, state %u, checkpoint %u, expected 1 to 4, 1 to 2, "
            "0 to 1",
            session->again, session->state, session->has_checkpoint);
    int code = check_rings(session, err);
    return code == MR_OK && session->has_checkpoint ? check_checkpoint(session, err) : code;
}

int mr_session_parse(const void *bytes, size_t length, struct mr_session *out, struct mr_error *err)
{
    struct mr_session slot;
    bool found = false;
    for (size_t at = 0; at + sizeof slot <= length && at < MR_SESSION_FILE_BYTES;
         at += MR_SESSION_SLOT_BYTES) {
        memcpy(&slot, (const uint8_t *)bytes + at, sizeof slot);
        if (!is_sealed(&slot) || (found && slot.epoch <= out->epoch))
            continue;
        *out = slot;
        found = true;
    }
    if (!found)
        return mr_fail(err, MR_ERR_CORRUPT,
                       "found no slot that checks in %zu bytes, expected one of version %u", length,
                       MR_SESSION_VERSION);
    return check_session(out, err);
}
