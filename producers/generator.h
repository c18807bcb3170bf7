// SPDX-License-Identifier: Apache-2.0
// Made-up values for any declared schema. The value of field i of record n is a function of (seed,
// n, i) and of nothing else: record n can be made without its predecessors, so a restart needs no
// state, and the same seed gives the same records. Hints in a field's node of the pipeline file:
//
//     - {name: sensor, type: u16, min: 1, max: 50}
//     - {name: price,  type: "decimal(2)", min: 0.50, max: 99.99}
//     - {name: city,   type: "char[8]", values: [oslo, rome, lima]}      # any type: one of these
//     - {name: code,   type: "char[12]", length: 6}                      # random letters
//     - {name: note,   type: "char[8]", nullable: true, nulls: 0.1}      # a tenth of them null
//
// Without hints: integers and decimals 0 to 1000 (as far as the type goes), reals 0 to 100, bools
// and enum labels evenly, text and bytes 8 letters, timestamps the record's event time.
#ifndef MR_PRODUCERS_GENERATOR_H
#define MR_PRODUCERS_GENERATOR_H

#include "core/config.h"
#include "core/schema.h"

struct mr_generated_field {
    uint32_t offset; // as the field's
    uint16_t bytes;
    uint8_t kind;
    int64_t low;   // integers, decimals (unscaled)
    uint64_t span; // high - low
    double nulls;  // 0 to 1: how often
    double low_real, span_real;
    uint32_t length;      // letters of text
    uint32_t values;      // how many values are given; 0: none
    uint32_t first_value; // in the generator's records of values
    const struct mr_field *field;
};

struct mr_generator {
    const struct mr_schema *schema;
    uint64_t seed;
    uint32_t record_bytes; // of every record
    uint32_t value_count;
    uint64_t value_stride;
    uint8_t *values; // records that hold the given values, each value_stride long
    void *blank;
    struct mr_generated_field fields[MR_FIELDS_MAX];
};

// splitmix64 (Steele, Lea, Flood 2014), as a function of its counter.
static inline uint64_t mr_random_at(uint64_t seed, uint64_t counter)
{
    uint64_t z = seed + (counter + 1) * 0x9E3779B97F4A7C15ULL;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ULL;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBULL;
    return z ^ (z >> 31);
}
// 0 to span, evenly.
static inline uint64_t mr_random_within(uint64_t random, uint64_t span)
{
    return span == UINT64_MAX ? random : (uint64_t)((unsigned __int128)random * (span + 1) >> 64);
}
// 0 to below 1.
static inline double mr_random_real(uint64_t random)
{
    return (double)(random >> 11) * 0x1p-53;
}

int mr_generator_open(struct mr_generator *generator, const struct mr_schema *schema,
                      const struct mr_node *schema_node, uint64_t seed, struct mr_error *err);
// A record of generator->record_bytes without values; the caller fills its times and its sequence.
static inline void mr_generator_blank(const struct mr_generator *generator, void *record)
{
    mr_record_copy(record, generator->blank, generator->record_bytes);
}
// Fills the values of records n to n + count, which stand end to end, each rounded to 8 bytes; their event
// times stand.
void mr_generator_fill(const struct mr_generator *generator, uint64_t n, uint64_t count,
                       void *records);
void mr_generator_close(struct mr_generator *generator);

#endif
