// SPDX-License-Identifier: Apache-2.0
// Any bytes as a session file. The first byte chooses: 0 the file as it is; else a sound one, with a checkpoint in
// each slot, changed by a list of {byte offset (2 bytes), length, bytes}: 1 as it is then; 2 each slot sealed again,
// so that what a checksum lets through is met too. What is accepted must be fit to make rings of, and to go on from.
#include <stdlib.h>
#include <string.h>

#include "core/pipeline/session.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

#define PATCH_HEAD_BYTES 3
enum { AS_IT_IS, CHANGED, SEALED, WAYS };

static void make_sound(uint8_t file[MR_SESSION_FILE_BYTES])
{
    struct mr_session slot = {
        .again = MR_AGAIN_SAME, .state = MR_SESSION_RUNNING, .has_checkpoint = 1};
    for (unsigned ring = 0; ring < MR_RING_COUNT; ring++) {
        slot.capacity[ring] = MR_RING_CAPACITY_MIN;
        slot.start_pos[ring] = MR_RING_CAPACITY_MIN;
    }
    for (unsigned role = 0; role < MR_SESSION_STAGES; role++)
        for (unsigned port = 0; port < MR_COUNT_OF(slot.checkpoint[role].out_pos); port++)
            slot.checkpoint[role].out_pos[port] = MR_RING_CAPACITY_MIN;
    for (unsigned role = 0; role < MR_SESSION_STAGES; role++)
        for (unsigned port = 0; port < MR_COUNT_OF(slot.checkpoint[role].in_pos); port++)
            slot.checkpoint[role].in_pos[port] = MR_RING_CAPACITY_MIN;
    for (uint64_t epoch = 2; epoch < 4; epoch++) {
        mr_session_seal(&slot, epoch);
        memcpy(file + epoch % 2 * MR_SESSION_SLOT_BYTES, &slot, sizeof slot);
    }
}

static void seal_slots(uint8_t *file)
{
    struct mr_session slot;
    for (size_t at = 0; at < MR_SESSION_FILE_BYTES; at += MR_SESSION_SLOT_BYTES) {
        memcpy(&slot, file + at, sizeof slot);
        mr_session_seal(&slot, slot.epoch);
        memcpy(file + at, &slot, sizeof slot);
    }
}

static void change(uint8_t *file, const uint8_t *bytes, size_t size)
{
    while (size > PATCH_HEAD_BYTES) {
        size_t offset = (bytes[0] | bytes[1] << 8) % MR_SESSION_FILE_BYTES;
        size_t length = mr_min_u64(bytes[2], size - PATCH_HEAD_BYTES);
        memcpy(file + offset, bytes + PATCH_HEAD_BYTES,
               mr_min_u64(length, MR_SESSION_FILE_BYTES - offset));
        bytes += PATCH_HEAD_BYTES + length;
        size -= PATCH_HEAD_BYTES + length;
    }
}

static void check(const uint8_t *file, size_t size)
{
    struct mr_session session;
    struct mr_error err = {0};
    if (mr_session_parse(file, size, &session, &err) != MR_OK) {
        if (err.code != MR_ERR_CORRUPT || err.text[0] == '\0')
            abort();
        return;
    }
    for (unsigned ring = 0; ring < MR_RING_COUNT; ring++)
        if (session.capacity[ring] < MR_RING_CAPACITY_MIN || session.start_pos[ring] % 8)
            abort();
    const struct mr_stage_slot *loader = &session.checkpoint[MR_ROLE_LOADER];
    if (session.has_checkpoint && loader->in_pos[MR_PORT_MAIN] < session.start_pos[MR_RING_EGRESS])
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static uint8_t sound[MR_SESSION_FILE_BYTES];
    static uint8_t *file; // a block of its own: what is read behind it is noticed
    if (!file) {
        make_sound(sound);
        file = malloc(MR_SESSION_FILE_BYTES);
    }
    if (size == 0)
        return 0;
    if (bytes[0] % WAYS == AS_IT_IS) {
        uint8_t *exact = malloc(size);
        memcpy(exact, bytes + 1, size - 1);
        check(exact, size - 1);
        free(exact);
        return 0;
    }
    memcpy(file, sound, MR_SESSION_FILE_BYTES);
    change(file, bytes + 1, size - 1);
    if (bytes[0] % WAYS == SEALED)
        seal_slots(file);
    check(file, MR_SESSION_FILE_BYTES);
    return 0;
}
