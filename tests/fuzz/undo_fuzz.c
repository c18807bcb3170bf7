// SPDX-License-Identifier: Apache-2.0
// Any bytes as the undo log that a dead process left: it is refused with a sentence, or taken back, and nothing but
// the state is written to; taken back a second time, as after a death in between, it gives the same. The input: how
// many bytes are said to be used (8 bytes; the highest bit: exactly those that follow; what could be, is not far
// behind those), then the entries.
#include <stdlib.h>
#include <string.h>

#include "core/pipeline/undo.c"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

#define STATE_BYTES 600
#define EXACTLY (1ULL << 63)
#define BEHIND_BYTES 64

static struct mr_stage stage;

static int take_back(uint64_t used, struct mr_error *err)
{
    stage.undo->epoch = stage.epoch + 1;
    stage.undo->used = used;
    return roll_back(&stage, err);
}

static void start(void)
{
    stage.undo = calloc(1, sizeof *stage.undo + MR_UNDO_BYTES);
    stage.state = calloc(1, STATE_BYTES);
    stage.state_bytes = STATE_BYTES;
    stage.epoch = 7;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    uint8_t once[STATE_BYTES];
    struct mr_error err = {0};
    uint64_t used;
    if (!stage.undo)
        start();
    if (size < sizeof used)
        return 0;
    memcpy(&used, bytes, sizeof used);
    size_t entry_bytes = size - sizeof used;
    if (used & EXACTLY)
        used = entry_bytes;
    else if (used <= MR_UNDO_BYTES)
        used %= entry_bytes + BEHIND_BYTES;
    memset(stage.state, 0, STATE_BYTES);
    memcpy(stage.undo->entries, bytes + sizeof used, entry_bytes);
    int code = take_back(used, &err);
    if (code != MR_OK && err.text[0] == '\0')
        abort();
    if (code == MR_OK && stage.undo->used != 0)
        abort();
    memcpy(once, stage.state, STATE_BYTES);
    if (take_back(used, &err) != code || memcmp(once, stage.state, STATE_BYTES) != 0)
        abort();
    memset(stage.undo->entries, 0, entry_bytes);
    return 0;
}
