// SPDX-License-Identifier: Apache-2.0
// From values as text formats have them to the fields of a declared schema. Each field's node in
// the pipeline file says where its value comes from and what happens where there is none, or none
// that fits:
//
//     schemas:
//       - name: trade
//         time: at                                  # the field that is the record's event time
//         fields:
//           - {name: symbol, type: "char[12]", from: data.s}
//           - {name: price,  type: "decimal(2)", from: data.p, bad: default, default: 0}
//           - {name: side,   type: "enum(buy,sell)", from: data.m, map: {false: buy, true: sell}}
//           - {name: at,     type: timestamp, from: data.T, format: ms}
//           - {name: note,   type: "char[8]", nullable: true}
//
//   from     column name, column number (from 1) or JSON path; without it, the field's own name
//   missing  what becomes of a record without the value: reject | null | default. Without it:
//            default where one is given, else null where the field is nullable, else reject
//   bad      the same for a value that the field's type cannot hold; without it: reject
//   default  the value that stands in, written as in the input
//   format   of timestamps: s ms us ns (a number since the epoch, with or without fraction), or a
//            pattern such as "%d/%m/%Y %H:%M" (core/formats/time_pattern.h); without it ISO 8601
//   map      found text -> the text to read instead
//
// Missing is: no such key or column, JSON null, an empty CSV value, and an empty string for any
// type but text. White space around numbers, times, bools and enum labels is ignored; in text it
// stays as it is. Text takes numbers, bools and whole JSON objects as they are written; no other
// type takes an object or array. A replaced value sets MR_FLAG_CORRECTED on its record, except a
// missing one that becomes null.
//
//     struct mr_field_map map;
//     mr_field_map_open(&map, schema, mr_schema_node(pipeline, "trade"), &err);
//     ... resolve map.fields[i].from to columns or paths; get spans[i] for each i < map.count ...
//     if (!mr_field_map_fill(&map, spans, record, &problem)) ... problem.reason, problem.text ...
//     mr_field_map_close(&map);
#ifndef MR_PRODUCERS_FIELD_MAP_H
#define MR_PRODUCERS_FIELD_MAP_H

#include "core/counts.h"
#include "core/formats/span.h"
#include "core/formats/time_memo.h"
#include "core/pipeline/pipeline.h"

enum mr_remedy { MR_REMEDY_AUTO, MR_REMEDY_REJECT, MR_REMEDY_NULL, MR_REMEDY_DEFAULT };

struct mr_field_options { // the keys above, as bound
    const char *from;
    int missing, bad; // mr_remedy
    struct mr_node *fallback;
    const char *format;
    struct mr_node *map;
};

struct mr_mapped_field;
// The short way of a value into its field of `record`: producers/field_read.h.
typedef bool mr_field_reader(struct mr_mapped_field *mapped, const struct mr_span *value,
                             void *record);

struct mr_mapped_field {
    mr_field_reader *read; // NULL: only the long way
    uint32_t offset, bytes;
    uint64_t positive_max, negative_max; // of integers: the largest magnitudes that fit
    unsigned scale;                      // of integers: digits behind the point
    struct mr_time_memo time_memo;
    const struct mr_field *field;
    const char *from;
    enum mr_remedy missing, bad;
    int64_t time_unit_ns; // 0: ISO 8601 or the pattern
    const char *time_pattern;
    const struct mr_node *map; // or NULL
    bool is_text;
};

struct mr_field_map {
    const struct mr_schema *schema;
    const struct mr_field *time; // the event time's field; NULL: the schema names none
    unsigned count;
    bool is_fixed;                                // all records are as long as schema->record_bytes
    struct mr_mapped_field fields[MR_FIELDS_MAX]; // in the schema's order
    void *blank;                                  // an initialised record
    void *defaults;                               // a record that holds the default values
};

struct mr_field_problem {
    enum mr_reason reason;
    char text[400]; // "field price (from data.p): found "abc", expected decimal(2)"
};

// The node of a declared schema, or of one of its fields; NULL where there is none.
const struct mr_node *mr_schema_node(const struct mr_pipeline *pipeline, const char *schema);
const struct mr_node *mr_field_node(const struct mr_node *schema_node, const char *field);
// Refuses keys that no schema has.
int mr_schema_node_check(const struct mr_node *schema_node, struct mr_error *err);
// Keys of a field's node that belong to others: what declares the field, and the generator's hints.
extern const char mr_field_map_ignored_keys[];

int mr_field_map_open(struct mr_field_map *map, const struct mr_schema *schema,
                      const struct mr_node *schema_node, struct mr_error *err);
// Fills a record: envelope (without sequence and ingest time), then fields. `record` has room for
// mr_field_map_bytes(map, values). Its first 8 bytes stay (in a claimed record they belong to the ring),
// but for the length where a field of bytes makes it longer than the schema's record_bytes, which the
// caller has put there.
bool mr_field_map_fill(struct mr_field_map *map, const struct mr_span *values,
                       struct mr_record *record, struct mr_field_problem *problem);
uint64_t mr_field_map_longest(const struct mr_field_map *map, const struct mr_span *values);
static inline uint64_t mr_field_map_bytes(const struct mr_field_map *map,
                                          const struct mr_span *values)
{
    return map->is_fixed ? map->schema->record_bytes : mr_field_map_longest(map, values);
}
void mr_field_map_close(struct mr_field_map *map);

#endif
