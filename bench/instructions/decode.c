// SPDX-License-Identifier: Apache-2.0
// Check and decode of each type of ITCH message.
#include <stdio.h>
#include <string.h>

#include "bench/instructions/cases.h"
#include "core/formats/itch.h"

#define BATCH 64

// Letters where there may be text, numbers in range; the fields whose record has less room are zero.
static void make_message(char letter, uint8_t *message)
{
    memset(message, 'A', MR_ITCH_LENGTH_MAX);
    memset(message + 1, 0, MR_ITCH_HEADER_BYTES - 1);
    message[0] = (uint8_t)letter;
    message[2] = 7; // locate
    message[10] = 9;
    if (letter == 'V')
        memset(message + MR_ITCH_HEADER_BYTES, 0, MR_ITCH_LENGTH_MAX - MR_ITCH_HEADER_BYTES);
    if (letter == 'O')
        memset(message + MR_ITCH_HEADER_BYTES + MR_SYMBOL_BYTES, 0,
               MR_ITCH_LENGTH_MAX - MR_ITCH_HEADER_BYTES - MR_SYMBOL_BYTES);
}

static void count_type(char letter, struct mr_itch_symbols *symbols)
{
    static _Alignas(MR_CACHE_LINE) uint8_t records[BATCH][MR_ITCH_RECORD_BYTES_MAX];
    uint8_t message[MR_ITCH_LENGTH_MAX], again[MR_ITCH_LENGTH_MAX];
    char name[32];
    snprintf(name, sizeof name, "itch decode %c", letter);
    make_message(letter, message);
    size_t length = mr_itch_types[message[0]].length;
    bool good = true;
    struct tally tally = tally_start(name);
    count_begin();
    for (uint64_t i = 0; i < BATCH; i++) {
        struct mr_record *record = (struct mr_record *)(void *)records[i];
        good &= mr_itch_check(message, length) == MR_ITCH_GOOD;
        mr_itch_decode(message, symbols, 0, i, record);
    }
    count_end();
    tally_finish(&tally, BATCH);
    expect(good, name, "the message is refused");
    for (uint64_t i = 0; i < BATCH; i++) {
        struct mr_record *record = (struct mr_record *)(void *)records[i];
        record->length = mr_itch_types[message[0]].record_bytes; // a ring would write it
        size_t found = mr_itch_encode(record, 0, 0, again);
        if (letter == 'H')
            again[20] = message[20]; // reserved: not kept
        expect(record->sequence == i && found == length && memcmp(again, message, length) == 0,
               name, "encoded again the bytes are others");
    }
}

void count_decode(void)
{
    static struct mr_itch_symbols symbols;
    for (const char *letter = mr_itch_type_letters; *letter; letter++)
        count_type(*letter, &symbols);
}
