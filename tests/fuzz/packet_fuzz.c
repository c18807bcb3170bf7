// SPDX-License-Identifier: Apache-2.0
// Any bytes as a frame of any link: a payload that is found lies within it.
#include <stdlib.h>

#include "core/formats/packet.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct mr_datagram datagram;
    volatile uint8_t last;
    for (enum mr_link link = MR_LINK_ETHERNET; link <= MR_LINK_NULL; link++) {
        if (mr_packet_open(link, bytes, size, &datagram) != MR_PACKET_UDP)
            continue;
        if (datagram.payload < bytes || datagram.payload + datagram.payload_bytes > bytes + size)
            abort();
        if (datagram.payload_bytes > 0)
            last = datagram.payload[datagram.payload_bytes - 1];
    }
    (void)last;
    return 0;
}
