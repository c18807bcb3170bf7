// SPDX-License-Identifier: Apache-2.0
#include "core/formats/packet.h"

#include <string.h>

enum {
    ETHERTYPE_IPV4 = 0x0800,
    ETHERTYPE_IPV6 = 0x86dd,
    ETHERTYPE_VLAN = 0x8100,
    ETHERTYPE_QINQ = 0x88a8,
    ETHERTYPE_QINQ_OLD = 0x9100,
    PROTOCOL_UDP = 17,
    UDP_HEADER_BYTES = 8,
    IPV6_HOP_BY_HOP = 0,
    IPV6_ROUTING = 43,
    IPV6_FRAGMENT = 44,
    IPV6_AUTHENTICATION = 51,
    IPV6_DESTINATION = 60,
    IPV6_EXTENSIONS_MAX = 8,
};

// What is left of the frame; a layer takes its header off the front.
struct span {
    const uint8_t *at;
    size_t bytes;
};

static bool take(struct span *span, size_t bytes)
{
    if (span->bytes < bytes)
        return false;
    span->at += bytes;
    span->bytes -= bytes;
    return true;
}

static enum mr_packet_kind open_udp(struct span span, struct mr_datagram *out)
{
    const uint8_t *header = span.at;
    if (!take(&span, UDP_HEADER_BYTES))
        return MR_PACKET_OTHER;
    uint16_t length = mr_get_be16(header + 4);
    if (length < UDP_HEADER_BYTES)
        return MR_PACKET_MALFORMED;
    size_t announced = length - (size_t)UDP_HEADER_BYTES;
    out->source_port = mr_get_be16(header);
    out->destination_port = mr_get_be16(header + 2);
    out->payload = span.at;
    out->payload_bytes = announced < span.bytes ? announced : span.bytes;
    out->cut = announced > span.bytes;
    return MR_PACKET_UDP;
}

static enum mr_packet_kind open_ipv4(struct span span, struct mr_datagram *out)
{
    const uint8_t *header = span.at;
    size_t header_bytes = span.bytes < 20 ? 20 : (header[0] & 15u) * 4u;
    if (header_bytes < 20)
        return MR_PACKET_MALFORMED;
    if (!take(&span, header_bytes))
        return MR_PACKET_OTHER;
    size_t total = mr_get_be16(header + 2); // 0: left to the network card's segmentation
    if (total != 0 && total < header_bytes)
        return MR_PACKET_MALFORMED;
    if (total != 0 && total - header_bytes < span.bytes)
        span.bytes = total - header_bytes; // the rest is the link layer's padding
    out->ip_version = 4;
    memcpy(out->source, header + 12, 4);
    memcpy(out->destination, header + 16, 4);
    if (header[9] != PROTOCOL_UDP)
        return MR_PACKET_OTHER;
    if (mr_get_be16(header + 6) & 0x3fff) // more fragments, or an offset
        return MR_PACKET_FRAGMENT;
    return open_udp(span, out);
}

// Bytes of an extension header, or 0 for one that is none.
static size_t ipv6_extension_bytes(uint8_t kind, const uint8_t *header)
{
    if (kind == IPV6_HOP_BY_HOP || kind == IPV6_ROUTING || kind == IPV6_DESTINATION)
        return (header[1] + (size_t)1) * 8;
    if (kind == IPV6_AUTHENTICATION)
        return (header[1] + (size_t)2) * 4;
    return 0;
}

static enum mr_packet_kind open_ipv6(struct span span, struct mr_datagram *out)
{
    const uint8_t *header = span.at;
    if (!take(&span, 40))
        return MR_PACKET_OTHER;
    size_t announced = mr_get_be16(header + 4);
    if (announced != 0 && announced < span.bytes)
        span.bytes = announced;
    out->ip_version = 6;
    memcpy(out->source, header + 8, 16);
    memcpy(out->destination, header + 24, 16);
    uint8_t next = header[6];
    for (int i = 0; i < IPV6_EXTENSIONS_MAX; i++) {
        if (next == PROTOCOL_UDP)
            return open_udp(span, out);
        if (next == IPV6_FRAGMENT)
            return MR_PACKET_FRAGMENT;
        const uint8_t *extension = span.at;
        size_t bytes = span.bytes < 8 ? 0 : ipv6_extension_bytes(next, extension);
        if (bytes == 0 || !take(&span, bytes))
            return MR_PACKET_OTHER;
        next = extension[0];
    }
    return MR_PACKET_OTHER;
}

static enum mr_packet_kind open_by_ethertype(uint16_t ethertype, struct span span,
                                             struct mr_datagram *out)
{
    while (ethertype == ETHERTYPE_VLAN || ethertype == ETHERTYPE_QINQ ||
           ethertype == ETHERTYPE_QINQ_OLD) {
        const uint8_t *tag = span.at;
        if (out->vlan_count == MR_VLAN_TAGS_MAX || !take(&span, 4))
            return MR_PACKET_OTHER;
        out->vlans[out->vlan_count++] = mr_get_be16(tag) & 0x0fff;
        ethertype = mr_get_be16(tag + 2);
    }
    if (ethertype == ETHERTYPE_IPV4)
        return open_ipv4(span, out);
    if (ethertype == ETHERTYPE_IPV6)
        return open_ipv6(span, out);
    return MR_PACKET_OTHER;
}

static enum mr_packet_kind open_by_version(struct span span, struct mr_datagram *out)
{
    if (span.bytes == 0)
        return MR_PACKET_OTHER;
    if (span.at[0] >> 4 == 4)
        return open_ipv4(span, out);
    return span.at[0] >> 4 == 6 ? open_ipv6(span, out) : MR_PACKET_OTHER;
}

enum mr_packet_kind mr_packet_open(enum mr_link link, const uint8_t *frame, size_t bytes,
                                   struct mr_datagram *out)
{
    struct span span = {frame, bytes};
    *out = (struct mr_datagram){0};
    switch (link) {
    case MR_LINK_ETHERNET:
        return take(&span, 14) ? open_by_ethertype(mr_get_be16(frame + 12), span, out)
                               : MR_PACKET_OTHER;
    case MR_LINK_LINUX_COOKED:
        return take(&span, 16) ? open_by_ethertype(mr_get_be16(frame + 14), span, out)
                               : MR_PACKET_OTHER;
    case MR_LINK_LINUX_COOKED_2:
        return take(&span, 20) ? open_by_ethertype(mr_get_be16(frame), span, out) : MR_PACKET_OTHER;
    case MR_LINK_NULL:
        return take(&span, 4) ? open_by_version(span, out) : MR_PACKET_OTHER;
    case MR_LINK_RAW_IP:
        return open_by_version(span, out);
    }
    return MR_PACKET_OTHER;
}
