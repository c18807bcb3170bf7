// SPDX-License-Identifier: Apache-2.0
// Any bytes as packets of up to 255 bytes, with sequence state carried from one to the next.
#include <stdlib.h>

#include "core/formats/moldudp64.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void take_packet(struct mr_mold_tracker *tracker, const uint8_t *payload, size_t size)
{
    struct mr_mold_packet packet;
    struct mr_mold_message message;
    uint64_t lost;
    unsigned messages = 0;
    mr_mold_is_plausible(payload, size, size % 2 == 0);
    enum mr_mold_kind kind = mr_mold_open(&packet, payload, size);
    if (kind == MR_MOLD_HEARTBEAT || kind == MR_MOLD_END)
        mr_mold_catch_up(tracker, packet.sequence);
    while (mr_mold_next(&packet, &message)) {
        if (message.bytes < payload || message.bytes + message.length > payload + size)
            abort();
        uint64_t before = tracker->expected;
        bool started = tracker->started;
        enum mr_mold_verdict verdict = mr_mold_judge(tracker, message.sequence, &lost);
        if (started && verdict == MR_MOLD_AFTER_GAP && tracker->expected - before != lost + 1)
            abort();
        messages++;
    }
    if (messages != packet.index ||
        (messages < packet.count && kind == MR_MOLD_MESSAGES && !packet.cut))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct mr_mold_tracker tracker = {0};
    while (size > 0) {
        size_t length = bytes[0] < size - 1 ? bytes[0] : size - 1;
        take_packet(&tracker, bytes + 1, length);
        bytes += 1 + length;
        size -= 1 + length;
    }
    return 0;
}
