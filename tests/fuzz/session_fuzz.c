// SPDX-License-Identifier: Apache-2.0
// Any bytes as a session file. The first byte chooses: 0 the file as it is; 1 each slot sealed, so that what a
// checksum lets through is met too. What is accepted must be fit to make rings of.
#include <stdlib.h>
#include <string.h>

#include "core/pipeline/session.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void seal_slots(uint8_t *file, size_t size)
{
    struct mr_session slot;
    for (size_t at = 0; at + sizeof slot <= size; at += MR_SESSION_SLOT_BYTES) {
        memcpy(&slot, file + at, sizeof slot);
        mr_session_seal(&slot, slot.epoch);
        memcpy(file + at, &slot, sizeof slot);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct mr_session session;
    struct mr_error err = {0};
    if (size == 0)
        return 0;
    uint8_t *file = malloc(size);
    if (!file)
        return 0;
    memcpy(file, bytes + 1, size - 1);
    if (bytes[0] % 2)
        seal_slots(file, size - 1);
    if (mr_session_parse(file, size - 1, &session, &err) != MR_OK) {
        if (err.code != MR_ERR_CORRUPT || err.text[0] == '\0')
            abort();
    } else {
        for (unsigned ring = 0; ring < MR_RING_COUNT; ring++)
            if (session.capacity[ring] < MR_RING_CAPACITY_MIN || session.start_pos[ring] % 8)
                abort();
    }
    free(file);
    return 0;
}
