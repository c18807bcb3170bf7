// SPDX-License-Identifier: Apache-2.0
#include "core/formats/moldudp64.h"

#include <criterion/criterion.h>
#include <string.h>

static const uint8_t session[] = "SESSION001"; // ten characters

static size_t put_packet(uint8_t *out, uint64_t sequence, uint16_t count, uint16_t blocks,
                         uint16_t length)
{
    size_t at = MR_MOLD_HEADER_BYTES;
    mr_mold_put_header(out, session, sequence, count);
    for (uint16_t i = 0; i < blocks; i++) {
        mr_put_be16(out + at, length);
        memset(out + at + 2, 'a' + i, length);
        at += 2u + length;
    }
    return at;
}

Test(moldudp64, header_bytes)
{
    uint8_t packet[64];
    mr_mold_put_header(packet, session, 0x0102030405060708, 0x0a0b);
    cr_expect_eq(memcmp(packet, "SESSION001\1\2\3\4\5\6\7\10\12\13", 20), 0);
}

Test(moldudp64, messages_in_order_with_their_numbers)
{
    uint8_t bytes[256];
    struct mr_mold_packet packet;
    struct mr_mold_message message;
    size_t length = put_packet(bytes, 100, 3, 3, 5);
    cr_assert_eq(mr_mold_open(&packet, bytes, length), MR_MOLD_MESSAGES);
    cr_expect_eq(memcmp(packet.session, session, 10), 0);
    for (unsigned i = 0; i < 3; i++) {
        cr_assert(mr_mold_next(&packet, &message));
        cr_expect_eq(message.sequence, 100 + i);
        cr_expect_eq(message.length, 5);
        cr_expect_eq(message.bytes[4], 'a' + i);
    }
    cr_expect_not(mr_mold_next(&packet, &message));
    cr_expect_not(packet.cut);
}

Test(moldudp64, heartbeat_end_and_short)
{
    uint8_t bytes[64];
    struct mr_mold_packet packet;
    struct mr_mold_message message;
    cr_expect_eq(mr_mold_open(&packet, bytes, put_packet(bytes, 5, 0, 0, 0)), MR_MOLD_HEARTBEAT);
    cr_expect_not(mr_mold_next(&packet, &message));
    cr_expect_eq(mr_mold_open(&packet, bytes, put_packet(bytes, 5, 0xFFFF, 0, 0)), MR_MOLD_END);
    cr_expect_not(mr_mold_next(&packet, &message));
    cr_expect_eq(mr_mold_open(&packet, bytes, 19), MR_MOLD_SHORT);
    cr_expect_eq(mr_mold_open(&packet, NULL, 0), MR_MOLD_SHORT);
}

Test(moldudp64, cut_anywhere_gives_the_whole_messages_before)
{
    uint8_t bytes[256];
    size_t length = put_packet(bytes, 1, 4, 4, 7);
    for (size_t there = MR_MOLD_HEADER_BYTES; there < length; there++) {
        struct mr_mold_packet packet;
        struct mr_mold_message message;
        unsigned got = 0;
        mr_mold_open(&packet, bytes, there);
        while (mr_mold_next(&packet, &message))
            got++;
        cr_expect_eq(got, (there - MR_MOLD_HEADER_BYTES) / 9);
        cr_expect(packet.cut, "at %zu of %zu", there, length);
    }
}

Test(moldudp64, plausible)
{
    uint8_t bytes[256];
    size_t length = put_packet(bytes, 1, 2, 2, 7);
    cr_expect(mr_mold_is_plausible(bytes, length, true));
    cr_expect_not(mr_mold_is_plausible(bytes, length - 1, true));
    cr_expect(mr_mold_is_plausible(bytes, length - 1, false));
    cr_expect_not(mr_mold_is_plausible(bytes, length + 1, true), "bytes behind the last message");
    cr_expect_not(mr_mold_is_plausible(bytes, 19, true));
    bytes[3] = 0x07;
    cr_expect_not(mr_mold_is_plausible(bytes, length, true), "a session is printable");
    memset(bytes, 0, 10);
    cr_expect(mr_mold_is_plausible(bytes, length, true), "or wiped");
}

// ---- sequence

Test(moldudp64, first_message_sets_the_place)
{
    struct mr_mold_tracker tracker = {0};
    uint64_t lost;
    cr_expect_eq(mr_mold_judge(&tracker, 1000, &lost), MR_MOLD_NEW);
    cr_expect_eq(mr_mold_judge(&tracker, 1001, &lost), MR_MOLD_NEW);
    cr_expect_eq(tracker.expected, 1002);
}

Test(moldudp64, gap_duplicate_and_late)
{
    struct mr_mold_tracker tracker = {0};
    uint64_t lost;
    mr_mold_judge(&tracker, 10, &lost);
    cr_expect_eq(mr_mold_judge(&tracker, 15, &lost), MR_MOLD_AFTER_GAP);
    cr_expect_eq(lost, 4); // 11 to 14
    cr_expect_eq(mr_mold_judge(&tracker, 16, &lost), MR_MOLD_NEW);
    cr_expect_eq(lost, 0);
    cr_expect_eq(mr_mold_judge(&tracker, 10, &lost), MR_MOLD_DUPLICATE);
    cr_expect_eq(mr_mold_judge(&tracker, 15, &lost), MR_MOLD_DUPLICATE);
    cr_expect_eq(mr_mold_judge(&tracker, 11, &lost), MR_MOLD_LATE);
    cr_expect_eq(mr_mold_judge(&tracker, 14, &lost), MR_MOLD_LATE);
    cr_expect_eq(tracker.expected, 17);
}

Test(moldudp64, overlapping_packets_are_judged_message_by_message)
{
    struct mr_mold_tracker tracker = {0};
    uint64_t lost;
    for (uint64_t sequence = 1; sequence <= 6; sequence++)
        cr_expect_eq(mr_mold_judge(&tracker, sequence, &lost), MR_MOLD_NEW);
    for (uint64_t sequence = 4; sequence <= 9; sequence++)
        cr_expect_eq(mr_mold_judge(&tracker, sequence, &lost),
                     sequence <= 6 ? MR_MOLD_DUPLICATE : MR_MOLD_NEW);
}

Test(moldudp64, near_the_end_of_the_numbers)
{
    struct mr_mold_tracker tracker = {0};
    uint64_t lost;
    cr_expect_eq(mr_mold_judge(&tracker, UINT64_MAX - 1, &lost), MR_MOLD_NEW);
    cr_expect_eq(mr_mold_judge(&tracker, UINT64_MAX, &lost), MR_MOLD_NEW);
    cr_expect_eq(tracker.expected, 0);
    cr_expect_eq(mr_mold_judge(&tracker, 3, &lost), MR_MOLD_AFTER_GAP);
    cr_expect_eq(lost, 3); // 0 to 2
    cr_expect_eq(mr_mold_judge(&tracker, UINT64_MAX, &lost), MR_MOLD_DUPLICATE);
    cr_expect_eq(mr_mold_judge(&tracker, 1, &lost), MR_MOLD_LATE);
}

Test(moldudp64, heartbeat_shows_a_gap_once)
{
    struct mr_mold_tracker tracker = {0};
    uint64_t lost;
    cr_expect_eq(mr_mold_catch_up(&tracker, 50), 0, "the first thing ever seen");
    mr_mold_judge(&tracker, 50, &lost);
    cr_expect_eq(mr_mold_catch_up(&tracker, 51), 0);
    cr_expect_eq(mr_mold_catch_up(&tracker, 55), 4);
    cr_expect_eq(mr_mold_catch_up(&tracker, 55), 0);
    cr_expect_eq(mr_mold_catch_up(&tracker, 40), 0, "an old one says nothing");
    cr_expect_eq(mr_mold_judge(&tracker, 55, &lost), MR_MOLD_NEW);
    cr_expect_eq(mr_mold_judge(&tracker, 52, &lost), MR_MOLD_LATE);
}

Test(moldudp64, wiped_sequence_is_always_new)
{
    struct mr_mold_tracker tracker = {0};
    uint64_t lost;
    cr_expect_eq(mr_mold_judge(&tracker, 0, &lost), MR_MOLD_NEW);
    cr_expect_eq(mr_mold_judge(&tracker, 0, &lost), MR_MOLD_NEW);
    cr_expect_not(tracker.started);
}
