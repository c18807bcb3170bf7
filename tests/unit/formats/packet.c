// SPDX-License-Identifier: Apache-2.0
#include "core/formats/packet.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "core/formats/moldudp64.h"
#include "tests/support/samples.h"

static uint8_t frame[512];

// An IPv4 packet with UDP and `payload` bytes at `at`; returns its end.
static size_t put_ipv4(size_t at, size_t payload)
{
    uint8_t *ip = frame + at, *udp = ip + 20;
    memset(ip, 0, 28 + payload);
    ip[0] = 0x45;
    mr_put_be16(ip + 2, (uint16_t)(28 + payload));
    ip[9] = 17;
    memcpy(ip + 12, (uint8_t[]){10, 0, 0, 1, 233, 54, 12, 111}, 8);
    mr_put_be16(udp, 40000);
    mr_put_be16(udp + 2, 26477);
    mr_put_be16(udp + 4, (uint16_t)(8 + payload));
    memset(udp + 8, 'x', payload);
    return at + 28 + payload;
}

static size_t put_ethernet(unsigned tags, const uint16_t *ethertypes)
{
    memset(frame, 0, 12);
    size_t at = 12;
    for (unsigned i = 0; i < tags; i++, at += 4) {
        mr_put_be16(frame + at, ethertypes[i]);
        mr_put_be16(frame + at + 2,
                    (uint16_t)(0xE000 | (141 + i))); // priority bits are not the tag's number
    }
    mr_put_be16(frame + at, 0x0800);
    return at + 2;
}

static void expect_payload(const struct mr_datagram *datagram, size_t bytes)
{
    cr_expect_eq(datagram->payload_bytes, bytes);
    cr_expect_eq(datagram->source_port, 40000);
    cr_expect_eq(datagram->destination_port, 26477);
    cr_expect_eq(memcmp(datagram->destination, (uint8_t[]){233, 54, 12, 111}, 4), 0);
    for (size_t i = 0; i < bytes; i++)
        cr_assert_eq(datagram->payload[i], 'x');
}

Test(packet, ethernet_with_up_to_four_tags)
{
    static const uint16_t tags[] = {0x88a8, 0x8100, 0x9100, 0x8100, 0x8100};
    struct mr_datagram datagram;
    for (unsigned count = 0; count <= 4; count++) {
        size_t end = put_ipv4(put_ethernet(count, tags), 30);
        cr_assert_eq(mr_packet_open(MR_LINK_ETHERNET, frame, end, &datagram), MR_PACKET_UDP);
        expect_payload(&datagram, 30);
        cr_expect_eq(datagram.vlan_count, count);
        for (unsigned i = 0; i < count; i++)
            cr_expect_eq(datagram.vlans[i], 141 + i);
    }
    size_t end = put_ipv4(put_ethernet(5, tags), 30);
    cr_expect_eq(mr_packet_open(MR_LINK_ETHERNET, frame, end, &datagram), MR_PACKET_OTHER);
}

Test(packet, padding_of_short_frames_is_not_payload)
{
    struct mr_datagram datagram;
    size_t end = put_ipv4(put_ethernet(0, NULL), 2);
    memset(frame + end, 0xEE, 30);
    cr_assert_eq(mr_packet_open(MR_LINK_ETHERNET, frame, end + 30, &datagram), MR_PACKET_UDP);
    expect_payload(&datagram, 2);
    cr_expect_not(datagram.cut);
}

Test(packet, cut_by_the_capture)
{
    struct mr_datagram datagram;
    size_t end = put_ipv4(put_ethernet(0, NULL), 100);
    cr_assert_eq(mr_packet_open(MR_LINK_ETHERNET, frame, end - 40, &datagram), MR_PACKET_UDP);
    expect_payload(&datagram, 60);
    cr_expect(datagram.cut);
    for (size_t there = 0; there < end - 100; there++)
        cr_expect_eq(mr_packet_open(MR_LINK_ETHERNET, frame, there, &datagram), MR_PACKET_OTHER,
                     "%zu bytes", there);
}

Test(packet, fragments_and_other_protocols)
{
    struct mr_datagram datagram;
    size_t ip = put_ethernet(0, NULL), end = put_ipv4(ip, 30);
    mr_put_be16(frame + ip + 6, 0x4000); // "do not fragment" is no fragment
    cr_expect_eq(mr_packet_open(MR_LINK_ETHERNET, frame, end, &datagram), MR_PACKET_UDP);
    mr_put_be16(frame + ip + 6, 0x2000); // more fragments
    cr_expect_eq(mr_packet_open(MR_LINK_ETHERNET, frame, end, &datagram), MR_PACKET_FRAGMENT);
    mr_put_be16(frame + ip + 6, 0x0001); // the second one
    cr_expect_eq(mr_packet_open(MR_LINK_ETHERNET, frame, end, &datagram), MR_PACKET_FRAGMENT);
    frame[ip + 9] = 6;
    cr_expect_eq(mr_packet_open(MR_LINK_ETHERNET, frame, end, &datagram), MR_PACKET_OTHER);
    mr_put_be16(frame + 12, 0x0806);
    cr_expect_eq(mr_packet_open(MR_LINK_ETHERNET, frame, end, &datagram), MR_PACKET_OTHER);
}

Test(packet, lengths_that_contradict_their_headers)
{
    struct mr_datagram datagram;
    size_t ip = put_ethernet(0, NULL), end = put_ipv4(ip, 30);
    mr_put_be16(frame + ip + 24, 7); // UDP shorter than its header
    cr_expect_eq(mr_packet_open(MR_LINK_ETHERNET, frame, end, &datagram), MR_PACKET_MALFORMED);
    put_ipv4(ip, 30);
    mr_put_be16(frame + ip + 2, 19); // IP shorter than its header
    cr_expect_eq(mr_packet_open(MR_LINK_ETHERNET, frame, end, &datagram), MR_PACKET_MALFORMED);
    put_ipv4(ip, 30);
    frame[ip] = 0x44; // a header of 16 bytes
    cr_expect_eq(mr_packet_open(MR_LINK_ETHERNET, frame, end, &datagram), MR_PACKET_MALFORMED);
    put_ipv4(ip, 30);
    mr_put_be16(frame + ip + 2, 0); // left to the network card
    cr_expect_eq(mr_packet_open(MR_LINK_ETHERNET, frame, end, &datagram), MR_PACKET_UDP);
    expect_payload(&datagram, 30);
}

Test(packet, ipv4_options_are_passed_over)
{
    struct mr_datagram datagram;
    size_t ip = put_ethernet(0, NULL), end = put_ipv4(ip, 30);
    memmove(frame + ip + 28, frame + ip + 20, end - ip - 20);
    frame[ip] = 0x47;
    mr_put_be16(frame + ip + 2, 66);
    cr_assert_eq(mr_packet_open(MR_LINK_ETHERNET, frame, end + 8, &datagram), MR_PACKET_UDP);
    expect_payload(&datagram, 30);
}

Test(packet, ipv6_with_extension_headers)
{
    struct mr_datagram datagram;
    memset(frame, 0, sizeof frame);
    mr_put_be16(frame + 12, 0x86dd);
    uint8_t *ip = frame + 14;
    ip[0] = 0x60;
    mr_put_be16(ip + 4, 8 + 16 + 8 + 5);
    ip[6] = 0;     // hop by hop, 8 bytes
    ip[24] = 0xff; // multicast
    ip[40] = 60;   // then destination options
    ip[48] = 17;   // then UDP
    ip[49] = 1;    // which are 16 bytes
    mr_put_be16(ip + 64 + 2, 26477);
    mr_put_be16(ip + 64 + 4, 13);
    ip[72] = 'y';
    cr_assert_eq(mr_packet_open(MR_LINK_ETHERNET, frame, 14 + 77, &datagram), MR_PACKET_UDP);
    cr_expect_eq(datagram.ip_version, 6);
    cr_expect_eq(datagram.payload_bytes, 5);
    cr_expect_eq(datagram.payload[0], 'y');
    cr_expect_eq(datagram.destination[0], 0xff);
    ip[48] = 44;
    cr_expect_eq(mr_packet_open(MR_LINK_ETHERNET, frame, 14 + 77, &datagram), MR_PACKET_FRAGMENT);
}

Test(packet, other_links)
{
    struct mr_datagram datagram;
    memset(frame, 0, sizeof frame);
    mr_put_be16(frame + 14, 0x0800);
    size_t end = put_ipv4(16, 30);
    cr_assert_eq(mr_packet_open(MR_LINK_LINUX_COOKED, frame, end, &datagram), MR_PACKET_UDP);
    expect_payload(&datagram, 30);
    mr_put_be16(frame, 0x0800);
    end = put_ipv4(20, 30);
    cr_assert_eq(mr_packet_open(MR_LINK_LINUX_COOKED_2, frame, end, &datagram), MR_PACKET_UDP);
    end = put_ipv4(0, 30);
    cr_assert_eq(mr_packet_open(MR_LINK_RAW_IP, frame, end, &datagram), MR_PACKET_UDP);
    expect_payload(&datagram, 30);
    end = put_ipv4(4, 30);
    cr_assert_eq(mr_packet_open(MR_LINK_NULL, frame, end, &datagram), MR_PACKET_UDP);
    expect_payload(&datagram, 30);
}

// The capture's second packet, at byte 127 + 16: VLAN 141, 38 messages.
Test(packet, a_real_frame_of_38_messages)
{
    size_t bytes;
    uint8_t *file = sample_load("itch-pcap/Multiple.Packets.pcap", &bytes);
    if (!file)
        cr_skip_test("sample itch-pcap/Multiple.Packets.pcap is not there");
    struct mr_datagram datagram;
    struct mr_mold_packet packet;
    struct mr_mold_message message;
    unsigned messages = 0;
    cr_assert_eq(bytes, 1661);
    cr_assert_eq(mr_packet_open(MR_LINK_ETHERNET, file + 143, 1518, &datagram), MR_PACKET_UDP);
    cr_expect_eq(datagram.vlan_count, 1);
    cr_expect_eq(datagram.vlans[0], 141);
    cr_expect_eq(memcmp(datagram.destination, (uint8_t[]){233, 54, 12, 111}, 4), 0);
    cr_expect_eq(datagram.destination_port, 26477);
    cr_assert_eq(mr_mold_open(&packet, datagram.payload, datagram.payload_bytes), MR_MOLD_MESSAGES);
    cr_expect_eq(memcmp(packet.session, "000010059B", 10), 0);
    cr_expect_eq(packet.sequence, 19009117);
    while (mr_mold_next(&packet, &message))
        messages++;
    cr_expect_eq(messages, 38);
    cr_expect_eq(message.sequence, 19009154);
    cr_expect_not(packet.cut);
    free(file);
}
