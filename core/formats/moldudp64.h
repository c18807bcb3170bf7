// SPDX-License-Identifier: Apache-2.0
// MoldUDP64, the transport of ITCH over UDP multicast: downstream packets, and who has seen what.
//
//     byte 0            10              18        20
//          +------------+---------------+---------+-------------------------------
//          | session    | sequence u64  |count u16| count x (length u16, message)
//          +------------+---------------+---------+-------------------------------
//
// `sequence` is the number of the packet's first message; each message after it has the next. Count
// 0 is a heartbeat (sequence = the next one to come), 0xFFFF the end of the session. All
// big-endian.
//
//     struct mr_mold_packet packet;
//     if (mr_mold_open(&packet, payload, bytes) == MR_MOLD_SHORT) ...
//     while (mr_mold_next(&packet, &message)) use(message.bytes, message.length, message.sequence);
//     if (packet.cut) ...                                 // the payload ends inside a message
//     block
//
// Source: "MoldUDP64 Protocol Specification", version 1.00, section "Downstream Packet".
#ifndef MR_CORE_FORMATS_MOLDUDP64_H
#define MR_CORE_FORMATS_MOLDUDP64_H

#include "core/formats/bytes.h"

#define MR_MOLD_HEADER_BYTES 20
#define MR_MOLD_SESSION_BYTES 10
#define MR_MOLD_END_OF_SESSION 0xFFFF

enum mr_mold_kind {
    MR_MOLD_MESSAGES,
    MR_MOLD_HEARTBEAT,
    MR_MOLD_END,   // end of session; carries no messages
    MR_MOLD_SHORT, // fewer bytes than a header
};

struct mr_mold_packet {
    enum mr_mold_kind kind;
    uint8_t session[MR_MOLD_SESSION_BYTES];
    uint64_t sequence; // of the first message
    uint16_t count;    // messages announced
    uint16_t index;    // of the message that mr_mold_next gives next
    bool cut;          // fewer whole messages than announced
    const uint8_t *payload;
    size_t bytes;
    size_t offset; // of the next message block in the payload
};

struct mr_mold_message {
    const uint8_t *bytes;
    uint16_t length;
    uint64_t sequence;
};

// The packet keeps pointing into `payload`.
enum mr_mold_kind mr_mold_open(struct mr_mold_packet *packet, const uint8_t *payload, size_t bytes);
// False after the last whole message.
bool mr_mold_next(struct mr_mold_packet *packet, struct mr_mold_message *message);
// Whether the bytes look like a downstream packet at all: a session of printable text (or zeroes),
// and message blocks that end where the payload does. `whole` false: the payload was cut short by
// the capture.
bool mr_mold_is_plausible(const uint8_t *payload, size_t bytes, bool whole);

// ---- sequence

// What a message is to one who has followed the session so far. Judged message by message: packets
// may overlap, and two feeds of one session may be merged.
enum mr_mold_verdict {
    MR_MOLD_NEW,       // the next one expected, or the first ever seen
    MR_MOLD_AFTER_GAP, // new, but `lost` messages before it have not come
    MR_MOLD_DUPLICATE, // seen before
    MR_MOLD_LATE,      // part of a gap that was reported already
};

#define MR_MOLD_GAPS_KEPT 16

// One session's position. Sequence numbers are compared by difference, so that a session near 2^64
// goes on past it. Sequence 0 is not a number of the protocol: such messages (as in captures with
// wiped headers) are always new and move nothing. Zeroed before use.
struct mr_mold_tracker {
    uint8_t session[MR_MOLD_SESSION_BYTES];
    bool started;
    bool ended;
    uint64_t expected; // next sequence
    unsigned gap_next; // slot of the oldest remembered gap
    struct {
        uint64_t first;
        uint64_t lost; // 0: slot not in use
    } gaps[MR_MOLD_GAPS_KEPT];
};

// Judges the message and moves on. *lost is set for MR_MOLD_AFTER_GAP: sequence - *lost is the
// first one missing.
enum mr_mold_verdict mr_mold_judge(struct mr_mold_tracker *tracker, uint64_t sequence,
                                   uint64_t *lost);
// A heartbeat or end of session says which sequence comes next. Returns how many messages are
// missing before it, and expects that one from then on.
uint64_t mr_mold_catch_up(struct mr_mold_tracker *tracker, uint64_t next_sequence);

// ---- writing

// Writes a header into the first MR_MOLD_HEADER_BYTES of out.
void mr_mold_put_header(uint8_t *out, const uint8_t session[MR_MOLD_SESSION_BYTES],
                        uint64_t sequence, uint16_t count);

#endif
