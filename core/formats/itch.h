// SPDX-License-Identifier: Apache-2.0
// Nasdaq TotalView-ITCH 5.0: from wire messages to the records of core/market.h and back. Pure:
// bytes in, bytes out; no clock, no memory of its own but the symbol table that the caller holds.
//
// A message is one type byte, stock locate (u16), tracking number (u16), time stamp (48-bit ns
// since midnight of the exchange) and the type's own fields, all big-endian; its length is fixed by
// its type.
//
//     enum mr_itch_fault fault = mr_itch_check(message, length);
//     if (fault != MR_ITCH_GOOD) ...                            // a length or type that cannot be
//     record = claim(mr_itch_types[message[0]].record_bytes);
//     mr_itch_decode(message, symbols, midnight_ns, sequence, record);
//
// Source: "Nasdaq TotalView-ITCH 5.0", sections "Data Types" and 1.1-1.8 "Message Formats".
#ifndef MR_CORE_FORMATS_ITCH_H
#define MR_CORE_FORMATS_ITCH_H

#include "core/formats/bytes.h"
#include "core/market.h"

#define MR_ITCH_TYPE_COUNT 23
#define MR_ITCH_LENGTH_MAX 50
#define MR_ITCH_HEADER_BYTES 11 // type, locate, tracking number, time stamp
#define MR_ITCH_RECORD_BYTES_MAX 80
#define MR_ITCH_DAY_NS 86400000000000LL

struct mr_itch_type {
    uint8_t length; // of the message; 0: no such type
    uint8_t schema_id;
    uint8_t record_bytes;
};
extern const struct mr_itch_type mr_itch_types[256]; // by type byte
extern const char mr_itch_type_letters[MR_ITCH_TYPE_COUNT + 1];

// Which stock a locate number means today. Learned from every message that carries both, the stock
// directory before all. 512 KiB, zeroed by the caller before use.
struct mr_itch_symbols {
    uint64_t text[UINT16_MAX + 1]; // eight characters, zero-filled; 0: not announced
    uint64_t changes;              // how often a text has changed; a message changes one at most
    uint64_t changed_locate;       // whose, last
};

enum mr_itch_fault {
    MR_ITCH_GOOD,
    MR_ITCH_UNKNOWN_TYPE,
    MR_ITCH_BAD_LENGTH, // not the type's
    MR_ITCH_BAD_VALUE,  // a number that no record can hold: a V level or O time beyond its range
};

// The rare part of mr_itch_check: types with fields wider than their record's.
bool mr_itch_values_fit(const uint8_t *message);

static inline enum mr_itch_fault mr_itch_check(const uint8_t *message, size_t length)
{
    if (length == 0)
        return MR_ITCH_BAD_LENGTH;
    const struct mr_itch_type *type = &mr_itch_types[message[0]];
    if (type->length == 0)
        return MR_ITCH_UNKNOWN_TYPE;
    if (type->length != length)
        return MR_ITCH_BAD_LENGTH;
    if (MR_UNLIKELY(message[0] == 'V' || message[0] == 'O') && !mr_itch_values_fit(message))
        return MR_ITCH_BAD_VALUE;
    return MR_ITCH_GOOD;
}

// Time stamp of a message of at least MR_ITCH_HEADER_BYTES, ns since the exchange's midnight.
static inline int64_t mr_itch_time_ns(const uint8_t *message)
{
    return (int64_t)mr_get_be48(message + 5);
}

// Writes the record of a message that mr_itch_check found good: all of its bytes but the first 8,
// which belong to the ring that it stands in (core/record.h); it is the type's record_bytes long.
// event time = ingest time = midnight_ns (the exchange's midnight, ns since the Unix
// epoch) + time stamp. `record` is 8-byte aligned and has room for the type's record_bytes.
void mr_itch_decode(const uint8_t *message, struct mr_itch_symbols *symbols, int64_t midnight_ns,
                    uint64_t sequence, struct mr_record *record);
// Only learns what the message says about locate and symbol: for finding one's place again in a
// feed.
void mr_itch_learn(const uint8_t *message, struct mr_itch_symbols *symbols);

// The message of a record of schemas 1-23; the inverse of decode. `out` has room for
// MR_ITCH_LENGTH_MAX. Returns the length, 0 for any other schema.
size_t mr_itch_encode(const struct mr_record *record, uint16_t tracking_number, int64_t midnight_ns,
                      uint8_t *out);

#endif
