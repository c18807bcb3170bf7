// SPDX-License-Identifier: Apache-2.0
#include "core/formats/moldudp64.h"

#include <string.h>

enum mr_mold_kind mr_mold_open(struct mr_mold_packet *packet, const uint8_t *payload, size_t bytes)
{
    *packet = (struct mr_mold_packet){.kind = MR_MOLD_SHORT, .payload = payload, .bytes = bytes};
    if (bytes < MR_MOLD_HEADER_BYTES)
        return packet->kind;
    memcpy(packet->session, payload, MR_MOLD_SESSION_BYTES);
    packet->sequence = mr_get_be64(payload + 10);
    packet->count = mr_get_be16(payload + 18);
    packet->offset = MR_MOLD_HEADER_BYTES;
    packet->kind = packet->count == 0                        ? MR_MOLD_HEARTBEAT
                   : packet->count == MR_MOLD_END_OF_SESSION ? MR_MOLD_END
                                                             : MR_MOLD_MESSAGES;
    return packet->kind;
}

bool mr_mold_next(struct mr_mold_packet *packet, struct mr_mold_message *message)
{
    if (packet->kind != MR_MOLD_MESSAGES || packet->index == packet->count || packet->cut)
        return false;
    size_t left = packet->bytes - packet->offset;
    uint16_t length = left < 2 ? 0 : mr_get_be16(packet->payload + packet->offset);
    if (left < 2 || left - 2 < length) {
        packet->cut = true;
        return false;
    }
    message->bytes = packet->payload + packet->offset + 2;
    message->length = length;
    message->sequence = packet->sequence == 0 ? 0 : packet->sequence + packet->index;
    packet->offset += 2u + length;
    packet->index++;
    return true;
}

static bool is_session_text(const uint8_t *session)
{
    for (size_t i = 0; i < MR_MOLD_SESSION_BYTES; i++)
        if (session[i] != 0 && (session[i] < ' ' || session[i] > '~'))
            return false;
    return true;
}

bool mr_mold_is_plausible(const uint8_t *payload, size_t bytes, bool whole)
{
    struct mr_mold_packet packet;
    struct mr_mold_message message;
    if (mr_mold_open(&packet, payload, bytes) == MR_MOLD_SHORT || !is_session_text(payload))
        return false;
    while (mr_mold_next(&packet, &message))
        ;
    if (!whole)
        return packet.kind != MR_MOLD_MESSAGES || packet.index > 0 || packet.cut;
    return !packet.cut && packet.offset == bytes;
}

static void remember_gap(struct mr_mold_tracker *tracker, uint64_t first, uint64_t lost)
{
    tracker->gaps[tracker->gap_next].first = first;
    tracker->gaps[tracker->gap_next].lost = lost;
    tracker->gap_next = (tracker->gap_next + 1) % MR_MOLD_GAPS_KEPT;
}

static bool is_in_gap(const struct mr_mold_tracker *tracker, uint64_t sequence)
{
    for (unsigned i = 0; i < MR_MOLD_GAPS_KEPT; i++)
        if (sequence - tracker->gaps[i].first < tracker->gaps[i].lost)
            return true;
    return false;
}

enum mr_mold_verdict mr_mold_judge(struct mr_mold_tracker *tracker, uint64_t sequence,
                                   uint64_t *lost)
{
    *lost = 0;
    if (sequence == 0)
        return MR_MOLD_NEW;
    if (!tracker->started) {
        tracker->started = true;
        tracker->expected = sequence;
    }
    uint64_t ahead = sequence - tracker->expected;
    if (ahead > INT64_MAX) // behind, across 2^64 if need be
        return is_in_gap(tracker, sequence) ? MR_MOLD_LATE : MR_MOLD_DUPLICATE;
    if (ahead > 0)
        remember_gap(tracker, tracker->expected, ahead);
    tracker->expected = sequence + 1;
    *lost = ahead;
    return ahead > 0 ? MR_MOLD_AFTER_GAP : MR_MOLD_NEW;
}

uint64_t mr_mold_catch_up(struct mr_mold_tracker *tracker, uint64_t next_sequence)
{
    if (next_sequence == 0)
        return 0;
    if (!tracker->started) {
        tracker->started = true;
        tracker->expected = next_sequence;
    }
    uint64_t ahead = next_sequence - tracker->expected;
    if (ahead == 0 || ahead > INT64_MAX)
        return 0;
    remember_gap(tracker, tracker->expected, ahead);
    tracker->expected = next_sequence;
    return ahead;
}

void mr_mold_put_header(uint8_t *out, const uint8_t session[MR_MOLD_SESSION_BYTES],
                        uint64_t sequence, uint16_t count)
{
    memcpy(out, session, MR_MOLD_SESSION_BYTES);
    mr_put_be64(out + 10, sequence);
    mr_put_be16(out + 18, count);
}
