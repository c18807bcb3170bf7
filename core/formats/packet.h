// SPDX-License-Identifier: Apache-2.0
// From a captured frame to the payload of its UDP datagram: link layer, VLAN tags, IPv4 or IPv6,
// UDP. Pure and bounds-checked: every length a header claims is held against the bytes that are
// there.
//
//     struct mr_datagram datagram;
//     if (mr_packet_open(MR_LINK_ETHERNET, frame, captured_bytes, &datagram) == MR_PACKET_UDP)
//         use(datagram.payload, datagram.payload_bytes, datagram.destination_port);
//
// Sources: IEEE 802.3, 802.1Q and 802.1ad (tags); RFC 791, RFC 8200, RFC 768; "LINKTYPE_LINUX_SLL"
// and "LINKTYPE_LINUX_SLL2" of the tcpdump link-layer header types.
#ifndef MR_CORE_FORMATS_PACKET_H
#define MR_CORE_FORMATS_PACKET_H

#include "core/formats/bytes.h"

enum mr_link {
    MR_LINK_ETHERNET,
    MR_LINK_LINUX_COOKED,   // SLL, 16-byte header
    MR_LINK_LINUX_COOKED_2, // SLL2, 20-byte header
    MR_LINK_RAW_IP,         // starts with the IP header
    MR_LINK_NULL,           // BSD loopback: 4-byte address family, then IP
};

enum mr_packet_kind {
    MR_PACKET_UDP,
    MR_PACKET_OTHER,     // another protocol, or a header too short to tell
    MR_PACKET_FRAGMENT,  // part of a fragmented IP packet; not reassembled
    MR_PACKET_MALFORMED, // a length that contradicts its own header
};

#define MR_VLAN_TAGS_MAX 4

struct mr_datagram {
    uint8_t ip_version; // 4 or 6
    uint8_t vlan_count;
    uint16_t vlans[MR_VLAN_TAGS_MAX]; // outermost first, 12-bit identifiers
    uint8_t source[16];               // IPv4: the first 4 bytes
    uint8_t destination[16];
    uint16_t source_port;
    uint16_t destination_port;
    const uint8_t *payload; // within the frame
    size_t payload_bytes;   // that are there
    bool cut;               // UDP's length says more than was captured
};

enum mr_packet_kind mr_packet_open(enum mr_link link, const uint8_t *frame, size_t bytes,
                                   struct mr_datagram *out);

#endif
