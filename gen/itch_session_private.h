// SPDX-License-Identifier: Apache-2.0
// What the two halves of the session generator share: itch_session.c decides what comes next and
// when, itch_flow.c makes the message and keeps the books true.
#ifndef MR_GEN_ITCH_SESSION_PRIVATE_H
#define MR_GEN_ITCH_SESSION_PRIVATE_H

#include "core/formats/itch.h"
#include "gen/books.h"
#include "gen/itch_session.h"

enum phase {
    PHASE_START,
    PHASE_PRE,
    PHASE_OPEN,
    PHASE_DAY,
    PHASE_CLOSE,
    PHASE_POST,
    PHASE_END,
    PHASE_OVER
};

struct mr_itch_session {
    struct mr_books books;
    struct mr_random random;
    uint8_t *out; // where the next frame goes
    uint64_t messages;
    // Progress is measured in messages or in bytes, as the size was asked for.
    bool by_bytes;
    uint64_t position, total;
    uint64_t open_at, close_at, end_at; // positions of the crosses and of the closing messages
    enum phase phase;
    uint32_t cursor; // within a phase that goes through the stocks
    unsigned specials_done;
    // The exchange's clock, ns since midnight, and how it goes on.
    int64_t clock_ns, phase_ends_ns;
    double step_ns;      // mean time to the next message
    unsigned steps_left; // until step_ns is computed anew
    // Numbers the exchange hands out.
    uint64_t next_ref, next_match;
    uint64_t broken_match; // a match that may still be broken; 0: none
    uint16_t broken_stock;
    char halted; // 'H' or 'h': broken_stock's halt is to be lifted next; 0: none
    uint16_t halted_stock;
    uint16_t next_stock;  // drawn one ahead of its turn: its memory is on its way
    uint32_t live_target; // live orders to keep about
};

// Frames the record as the next message.
static inline void mr_gen_emit(struct mr_itch_session *session, const void *record)
{
    size_t length = mr_itch_encode(record, (uint16_t)session->messages, 0, session->out + 2);
    mr_put_be16(session->out, (uint16_t)length);
    session->out += 2 + length;
    session->position += session->by_bytes ? 2 + length : 1;
    session->messages++;
}

// The start of every record.
#define MR_GEN_ENV(session, id) .env = {.schema_id = (id), .event_time_ns = (session)->clock_ns}

static inline void mr_gen_symbol(const struct mr_itch_session *session, uint16_t stock, char to[8])
{
    __builtin_memcpy(to, session->books.stocks[stock].symbol, 8);
}

// ---- itch_flow.c: each writes one message
void mr_gen_system_event(struct mr_itch_session *session, char code);
void mr_gen_levels(struct mr_itch_session *session);
// The `which`th of the four messages that introduce a stock.
#define MR_GEN_INTRODUCTIONS 4
void mr_gen_introduce(struct mr_itch_session *session, uint16_t stock, unsigned which);
void mr_gen_cross(struct mr_itch_session *session, uint16_t stock, char cross_type);
// The next message of the order flow.
void mr_gen_flow(struct mr_itch_session *session);
// One of a given type; false where the books do not allow one now: then nothing was written, or
// what makes room for it.
bool mr_gen_special(struct mr_itch_session *session, char type);

#endif
