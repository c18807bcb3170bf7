// SPDX-License-Identifier: Apache-2.0
// What is in a record, how it is checked, and the loops that are timed (cli/pair.h): the same for every
// transport, compiled into each.
//
// A transport gives three functions:
//
//     // Makes `count` records with mr_pair_fill, sequence on, and sends them; waits where the channel is
//     // full. One record: seen by the reader as soon as the transport's rules for single records say.
//     // False: the other side has given up.
//     bool send(void *out, uint32_t bytes, uint64_t sequence, unsigned count, struct mr_pair_side *side);
//     // Takes up to count_max records that are there and hands each to mr_pair_is_good; stops at a bad one
//     // with mr_pair_refuse. Returns how many were good.
//     unsigned receive(void *in, uint32_t bytes, uint64_t sequence, unsigned count_max,
//                      struct mr_pair_side *side);
//     // The writer has nothing more to send for now: everything is to be seen.
//     void idle(void *out);
//
// and turns them into loops for each size of record:
//
//     #define LOOPS(bytes) MR_PAIR_LOOPS(bytes, ring, ring_send, ring_receive, ring_idle)
//     MR_PAIR_EACH_SIZE(LOOPS)
//     #define ROW(bytes) MR_PAIR_LOOPS_ROW(bytes, ring)
//     static const struct mr_pair_loops loops[] = {MR_PAIR_EACH_SIZE(ROW)};
#ifndef MR_CLI_PAIR_LOOPS_H
#define MR_CLI_PAIR_LOOPS_H

#include "cli/pair.h"
#include "core/clock.h"
#include "core/record.h"

// Whole records with their envelopes, 8 bytes to 4 KiB of them fields. The first holds 8 bytes of fields
// in 44 bytes, which a ring rounds up.
#define MR_PAIR_SMALLEST_BYTES 48
#define MR_PAIR_EACH_SIZE(x) x(48) x(64) x(256) x(1024) x(4096)
#define MR_PAIR_BARE_BYTES                                                                         \
    8 // a number and nothing else: no record of Millrace's, but what peers can do

#define MR_PAIR_INLINE static inline __attribute__((always_inline))
#define MR_PAIR_RECORDS_PER_LOOK 64 // at the clock
#define MR_PAIR_HEAD_WORDS 8

typedef uint64_t __attribute__((may_alias)) mr_pair_word;

// A number of its own for each sequence.
MR_PAIR_INLINE uint64_t mr_pair_content(uint64_t sequence)
{
    return (sequence + 1) * 0x9E3779B97F4A7C15ULL;
}
MR_PAIR_INLINE uint32_t mr_pair_length(uint32_t bytes)
{
    return bytes == MR_PAIR_SMALLEST_BYTES ? MR_ENVELOPE_BYTES + 8 : bytes;
}

// The first words of a record: length and checksum (no journal: 0), sequence, two clocks, the schema's number 1
// without flags and the first four bytes of fields; see core/record.h. Fields follow, each word another one.
struct mr_pair_head {
    uint64_t words[MR_PAIR_HEAD_WORDS];
};
MR_PAIR_INLINE struct mr_pair_head mr_pair_head_of(uint32_t bytes, uint64_t sequence)
{
    uint64_t content = mr_pair_content(sequence), sixth = content + 5;
    if (bytes == MR_PAIR_BARE_BYTES)
        return (struct mr_pair_head){{content}};
    if (bytes == MR_PAIR_SMALLEST_BYTES)
        sixth = (uint32_t)sixth; // four bytes of it are past the end, and zero
    return (struct mr_pair_head){{mr_pair_length(bytes), sequence, content + 2, content + 3,
                                  content << 32 | 1, sixth, content + 6, content + 7}};
}

// All but the first word: where the ring keeps length and checksum itself. Head and tail apart, and the head
// word by word, so that compilers see plain stores and one plain loop: what this costs stands in every figure.
MR_PAIR_INLINE void mr_pair_fill_body(void *slot, uint32_t bytes, uint64_t sequence)
{
    mr_pair_word *words = (mr_pair_word *)slot;
    struct mr_pair_head head = mr_pair_head_of(bytes, sequence);
    uint64_t content = mr_pair_content(sequence);
    if (bytes == MR_PAIR_BARE_BYTES)
        return;
    words[1] = head.words[1];
    words[2] = head.words[2];
    words[3] = head.words[3];
    words[4] = head.words[4];
    words[5] = head.words[5];
    if (bytes == MR_PAIR_SMALLEST_BYTES)
        return;
    words[6] = head.words[6];
    words[7] = head.words[7];
    for (uint32_t i = MR_PAIR_HEAD_WORDS; i < bytes / 8; i++)
        words[i] = content + i;
}

// What of the body is not as it must be; 0: nothing.
MR_PAIR_INLINE uint64_t mr_pair_wrong_bits(const void *record, uint32_t bytes, uint64_t sequence)
{
    const mr_pair_word *words = (const mr_pair_word *)record;
    struct mr_pair_head head = mr_pair_head_of(bytes, sequence);
    uint64_t content = mr_pair_content(sequence), wrong = 0;
    if (bytes == MR_PAIR_BARE_BYTES)
        return 0;
    wrong |= words[1] ^ head.words[1];
    wrong |= words[2] ^ head.words[2];
    wrong |= words[3] ^ head.words[3];
    wrong |= words[4] ^ head.words[4];
    wrong |= words[5] ^ head.words[5];
    if (bytes == MR_PAIR_SMALLEST_BYTES)
        return wrong;
    wrong |= words[6] ^ head.words[6];
    wrong |= words[7] ^ head.words[7];
    for (uint32_t i = MR_PAIR_HEAD_WORDS; i < bytes / 8; i++)
        wrong |= words[i] ^ (content + i);
    return wrong;
}

// The whole record.
MR_PAIR_INLINE void mr_pair_fill(void *slot, uint32_t bytes, uint64_t sequence)
{
    *(mr_pair_word *)slot = mr_pair_head_of(bytes, sequence).words[0];
    mr_pair_fill_body(slot, bytes, sequence);
}
MR_PAIR_INLINE bool mr_pair_is_good(const void *record, uint32_t bytes, uint64_t sequence)
{
    uint64_t first = *(const mr_pair_word *)record ^ mr_pair_head_of(bytes, sequence).words[0];
    return (first | mr_pair_wrong_bits(record, bytes, sequence)) == 0;
}

// The same for records that stand end to end. A run's first word is the sender's: the ring writes it when it commits.
MR_PAIR_INLINE void mr_pair_fill_run(uint8_t *at, uint32_t bytes, uint64_t sequence, unsigned count)
{
    mr_pair_fill_body(at, bytes, sequence);
    for (unsigned i = 1; i < count; i++)
        mr_pair_fill(at + (size_t)i * bytes, bytes, sequence + i);
}
// How many are good before the first that is not.
MR_PAIR_INLINE unsigned mr_pair_good_run(const uint8_t *at, uint32_t bytes, uint64_t sequence,
                                         unsigned count)
{
    unsigned good = 0;
    while (good < count && mr_pair_is_good(at + (size_t)good * bytes, bytes, sequence + good))
        good++;
    return good;
}

typedef bool mr_pair_send_fn(void *, uint32_t, uint64_t, unsigned, struct mr_pair_side *);
typedef unsigned mr_pair_receive_fn(void *, uint32_t, uint64_t, unsigned, struct mr_pair_side *);
typedef void mr_pair_idle_fn(void *);

MR_PAIR_INLINE bool mr_pair_take_one(struct mr_pair_side *side, uint32_t bytes,
                                     mr_pair_receive_fn *receive)
{
    while (receive(side->in, bytes, side->received, 1, side) == 0)
        if (!mr_pair_wait(side))
            return false;
    side->received++;
    return true;
}

MR_PAIR_INLINE void mr_pair_ping(struct mr_pair_side *side, uint32_t bytes, mr_pair_send_fn *send,
                                 mr_pair_receive_fn *receive, mr_pair_idle_fn *idle)
{
    uint64_t now = 0;
    for (uint64_t i = 0; i < side->records_max && now < side->deadline_tick; i++) {
        side->started[i] = mr_tick();
        if (!send(side->out, bytes, side->sent, 1, side))
            return;
        idle(side->out);
        side->sent++;
        if (!mr_pair_take_one(side, bytes, receive))
            return;
        side->returned[i] = now = mr_tick();
    }
}

// Without `arrived`, no clock stands in the way there and back.
MR_PAIR_INLINE void mr_pair_echo(struct mr_pair_side *side, uint32_t bytes, mr_pair_send_fn *send,
                                 mr_pair_receive_fn *receive, mr_pair_idle_fn *idle)
{
    for (uint64_t i = 0; mr_pair_take_one(side, bytes, receive); i++) {
        if (side->arrived)
            side->arrived[i] = mr_tick();
        if (!send(side->out, bytes, side->sent, 1, side))
            return;
        idle(side->out);
        side->sent++;
    }
}

MR_PAIR_INLINE void mr_pair_send(struct mr_pair_side *side, uint32_t bytes, unsigned batch,
                                 mr_pair_send_fn *send, mr_pair_idle_fn *idle)
{
    uint64_t sequence = side->sent, end = sequence + side->records_max;
    while (sequence < end && mr_tick() < side->deadline_tick) {
        uint64_t pause = mr_min_u64(end, sequence + MR_PAIR_RECORDS_PER_LOOK);
        while (sequence < pause) {
            unsigned count = (unsigned)mr_min_u64(batch, pause - sequence);
            if (!send(side->out, bytes, sequence, count, side))
                return;
            sequence += count;
        }
    }
    idle(side->out);
    side->sent = sequence;
}

MR_PAIR_INLINE void mr_pair_receive(struct mr_pair_side *side, uint32_t bytes, unsigned batch,
                                    mr_pair_receive_fn *receive)
{
    uint64_t sequence = side->received;
    for (;;) {
        unsigned count = receive(side->in, bytes, sequence, batch, side);
        sequence += count;
        if (count > 0)
            continue;
        side->received = sequence;
        if (!mr_pair_wait(side))
            return;
    }
}

#define MR_PAIR_LOOPS(bytes, prefix, send, receive, idle)                                          \
    static void prefix##_ping_##bytes(struct mr_pair_side *side)                                   \
    {                                                                                              \
        mr_pair_ping(side, bytes, send, receive, idle);                                            \
    }                                                                                              \
    static void prefix##_echo_##bytes(struct mr_pair_side *side)                                   \
    {                                                                                              \
        mr_pair_echo(side, bytes, send, receive, idle);                                            \
    }                                                                                              \
    static void prefix##_send_one_##bytes(struct mr_pair_side *side)                               \
    {                                                                                              \
        mr_pair_send(side, bytes, 1, send, idle);                                                  \
    }                                                                                              \
    static void prefix##_receive_one_##bytes(struct mr_pair_side *side)                            \
    {                                                                                              \
        mr_pair_receive(side, bytes, 1, receive);                                                  \
    }                                                                                              \
    static void prefix##_send_batch_##bytes(struct mr_pair_side *side)                             \
    {                                                                                              \
        mr_pair_send(side, bytes, MR_PAIR_BATCH, send, idle);                                      \
    }                                                                                              \
    static void prefix##_receive_batch_##bytes(struct mr_pair_side *side)                          \
    {                                                                                              \
        mr_pair_receive(side, bytes, MR_PAIR_BATCH, receive);                                      \
    }
#define MR_PAIR_LOOPS_ROW(bytes, prefix)                                                           \
    {bytes,                                                                                        \
     prefix##_ping_##bytes,                                                                        \
     prefix##_echo_##bytes,                                                                        \
     prefix##_send_one_##bytes,                                                                    \
     prefix##_receive_one_##bytes,                                                                 \
     prefix##_send_batch_##bytes,                                                                  \
     prefix##_receive_batch_##bytes},

#endif
