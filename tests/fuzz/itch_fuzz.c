// SPDX-License-Identifier: Apache-2.0
// Any bytes as a file of frames: what mr_itch_check lets through is decoded, and encodes to the
// same bytes again.
#include <stdlib.h>
#include <string.h>

#include "core/formats/itch.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static struct mr_itch_symbols symbols;
static uint64_t seen; // of its changes
static uint16_t
    learned[UINT16_MAX + 1]; // what is to be forgotten behind the input: all of it takes longer
static unsigned learned_count;

static void note_change(void)
{
    if (symbols.changes == seen || learned_count == MR_COUNT_OF(learned))
        return;
    seen = symbols.changes;
    learned[learned_count++] = (uint16_t)symbols.changed_locate;
}

static void forget(void)
{
    while (learned_count > 0)
        symbols.text[learned[--learned_count]] = 0;
}

// Bytes of a message that its record does not keep: the tracking number is given back, the reserved
// byte of a trading action is not.
static bool is_reserved(const uint8_t *message, size_t at)
{
    return message[0] == 'H' && at == 20;
}

// Zeroes and blanks at the end of a text are one in a record.
static bool same_byte(uint8_t a, uint8_t b)
{
    return a == b || ((a == 0 || a == ' ') && (b == 0 || b == ' '));
}

static void check_message(const uint8_t *message, size_t length)
{
    uint64_t room[MR_ITCH_RECORD_BYTES_MAX / 8];
    uint8_t back[MR_ITCH_LENGTH_MAX];
    struct mr_record *record = (void *)(char *)room;
    if (mr_itch_check(message, length) != MR_ITCH_GOOD)
        return;
    mr_itch_decode(message, &symbols, 0, 1, record);
    note_change();
    record->length = mr_itch_types[message[0]].record_bytes;
    if (mr_itch_encode(record, mr_get_be16(message + 3), 0, back) != length)
        abort();
    for (size_t i = 0; i < length; i++)
        if (!same_byte(message[i], back[i]) && !is_reserved(message, i))
            abort();
    mr_itch_learn(message, &symbols);
    note_change();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    while (size >= 2) {
        size_t length = mr_get_be16(bytes);
        if (length > size - 2)
            length = size - 2;
        check_message(bytes + 2, length);
        bytes += 2 + length;
        size -= 2 + length;
    }
    forget();
    return 0;
}
