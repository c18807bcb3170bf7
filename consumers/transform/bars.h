// SPDX-License-Identifier: Apache-2.0
// What the operator bars (bars.c) shares with its set-up (bars_declare.c): options, inputs, and the
// schema of its bars.
#ifndef MR_CONSUMERS_TRANSFORM_BARS_H
#define MR_CONSUMERS_TRANSFORM_BARS_H

#include "consumers/transform/bar_windows.h"
#include "consumers/transform/operator.h"

struct mr_bars_options {
    const char *key, *price, *volume, *name;
    int64_t every_ns, lateness_ns, keys_max;
    const struct mr_node *on;
    bool pass;
};

struct mr_bars_input {                           // a schema that bars are made of
    const struct mr_schema *schema;              // op->in owns it
    const struct mr_field *key, *price, *volume; // volume: NULL where there is none
};

struct mr_bars { // op->self
    const struct mr_bars_options *options;
    struct mr_bars_input inputs[MR_SCHEMAS_MAX];
    unsigned input_count;
    struct mr_bar_shape shape;
    struct mr_bar_windows windows;
    const struct mr_schema *out; // op->out owns it
    const struct mr_field *key, *start, *end, *open, *high, *low, *close, *volume, *vwap, *count;
    uint8_t *record;  // an `out` in the making
    uint8_t *key_now; // of the record at hand
};

static inline bool mr_bars_is_real(const struct mr_field *field)
{
    return field->type == MR_TYPE_F32 || field->type == MR_TYPE_F64;
}

// Finds the inputs by the options, checks that they agree, and fills op->out, self->out and its
// fields, and self->shape.
int mr_bars_declare(struct mr_op *op, struct mr_error *err);

#endif
