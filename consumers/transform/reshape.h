// SPDX-License-Identifier: Apache-2.0
// Records of one schema made into records of another that has some of its fields, perhaps under
// other names or in another order, perhaps with more.
//
//     struct mr_schema *to = mr_reshape_extend(from, &err);    // or mr_reshape_new, and adding
//     fields to it mr_schema_add(to, "spread", "f64", true, &err); mr_reshape_seal(&reshape, op,
//     index, to, sources, &err);  // `to` takes from's place in op->out record =
//     mr_reshape_apply(&reshape, record);              // valid until the next one
//     mr_reshape_free(&reshape);
#ifndef MR_CONSUMERS_TRANSFORM_RESHAPE_H
#define MR_CONSUMERS_TRANSFORM_RESHAPE_H

#include "consumers/transform/operator.h"

struct mr_new_field {
    const char *name, *type;
    bool nullable;
};

struct mr_reshape {
    const struct mr_schema *from, *to; // of op->in and op->out
    struct {
        uint32_t from, to, bytes;
    } copies[MR_FIELDS_MAX]; // runs of fields that keep together
    unsigned copy_count;
    struct {
        int16_t from, to;
    } null_bits[MR_FIELDS_MAX];
    unsigned null_count;
    bool has_tail;   // a field of type bytes goes along
    uint8_t *record; // owned: the result
    size_t record_bytes;
};

// Puts `to` (unsealed, owned by op->out from here on, or freed on error) in the place of op->in's
// schema `index`, under a new id, and works out the way from one to the other. sources[i] is the
// field of the incoming schema that to->fields[i] is filled from, NULL for a field that begins as
// zeroes. Where `to` is the same schema, unchanged, it keeps its id.
int mr_reshape_seal(struct mr_reshape *reshape, struct mr_op *op, unsigned index,
                    struct mr_schema *to, const struct mr_field *const *sources,
                    struct mr_error *err);
// A private copy, of the same schema: for operators that change values and may still reject the
// record.
void mr_reshape_same(struct mr_reshape *reshape, const struct mr_op *op, unsigned index);
// A copy of the schema to which `names` of `types` (nullable) are added, with the `sources` for
// _seal. Where its last field is of type bytes, that one stays the last.
struct mr_schema *mr_reshape_extend(const struct mr_schema *from, const struct mr_new_field *fields,
                                    unsigned count, const struct mr_field **sources,
                                    struct mr_error *err);
// Appends a field to `to` as `field` is, under `name`; of `bytes` type only as the last one.
int mr_reshape_add(struct mr_schema *to, const struct mr_field *field, const char *name,
                   struct mr_error *err);
// NULL without memory.
struct mr_record *mr_reshape_apply(struct mr_reshape *reshape, const struct mr_record *record);
void mr_reshape_free(struct mr_reshape *reshape);

#endif
