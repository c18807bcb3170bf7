// SPDX-License-Identifier: Apache-2.0
// The short way of values into fields held against the long one: two maps of the same schema, one of
// them without readers (producers/field_read.h). Whatever the text, both take it and make the same
// bytes of it, or both refuse it with the same sentence.
//
//     struct field_map_pair pair;
//     field_map_pair_open(&pair);
//     ... for each i < field_map_pair_count: field_map_pair_agrees(&pair, i, kind, text, length) ...
//     field_map_pair_close(&pair);
#ifndef MR_TESTS_SUPPORT_FIELD_MAP_PAIR_H
#define MR_TESTS_SUPPORT_FIELD_MAP_PAIR_H

#include "producers/field_map.h"

struct field_map_pair {
    struct mr_node *root;
    struct mr_schema_set schemas; // one of one field for each type
    struct mr_field_map quick[MR_SCHEMAS_MAX], slow[MR_SCHEMAS_MAX];
    unsigned count;
    char sentence[1024]; // how the two differ
};

void field_map_pair_open(struct field_map_pair *pair); // aborts where it fails
bool field_map_pair_agrees(struct field_map_pair *pair, unsigned schema, enum mr_span_kind kind,
                           const char *text, size_t length);
void field_map_pair_close(struct field_map_pair *pair);

#endif
