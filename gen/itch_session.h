// SPDX-License-Identifier: Apache-2.0
// A synthetic day of Nasdaq TotalView-ITCH 5.0, of any size, the same bytes for the same options.
//
// It begins as a real one does (start of messages, directory, trading state, Reg SHO and market
// makers of every stock, circuit breaker levels), goes through pre-market, opening cross, market
// hours, closing cross and post-market, and ends with the end of messages. Orders live consistent
// lives: what is executed, cancelled, replaced or deleted is there, never beyond its shares; first
// in first out at a price; books do not cross. Adds and deletes are about 85 % of the messages, all
// 23 types are present.
//
//     struct mr_itch_session *session;
//     mr_itch_session_open(&session, &(struct mr_itch_session_options){.messages = 1000000}, &err);
//     while ((bytes = mr_itch_session_fill(session, buffer, sizeof buffer)) > 0)
//         write(fd, buffer, bytes);
//     mr_itch_session_close(session);
#ifndef MR_GEN_ITCH_SESSION_H
#define MR_GEN_ITCH_SESSION_H

#include "core/error.h"

#define MR_ITCH_FRAME_BYTES_MAX 52 // length and longest message
#define MR_ITCH_SESSION_SYMBOLS_MAX 20000
#define MR_ITCH_SESSION_LIVE_MAX (1u << 26)

struct mr_itch_session;

struct mr_itch_session_options {
    uint64_t messages; // exactly so many; 0: by bytes
    uint64_t bytes;    // at most so many, short of it by less than one message
    uint64_t seed;
    uint32_t symbols; // 0: as suits the size, at most 500
    uint32_t live; // orders in the books at a time, about; 0: 160 a stock, as on a busy day (8,000
                   // stocks: 1.3 million), but no more than an eighth of the messages
};

// MR_ERR_USAGE where the size is too small for its symbols; the text says what it takes.
int mr_itch_session_open(struct mr_itch_session **out,
                         const struct mr_itch_session_options *options, struct mr_error *err);
// Writes whole frames (2-byte length, message); capacity is at least MR_ITCH_FRAME_BYTES_MAX.
// Returns the bytes written; 0 when the session is over.
size_t mr_itch_session_fill(struct mr_itch_session *session, uint8_t *out, size_t capacity);
uint64_t mr_itch_session_messages(const struct mr_itch_session *session); // written so far
void mr_itch_session_close(struct mr_itch_session *session);

#endif
