// SPDX-License-Identifier: Apache-2.0
// An operator of one's own in C: adds `notional` (price times quantity, exact) and `total`, the sum
// of it over everything that came so far. The sum is state: it lives in shared memory, is changed
// only after mr_op_touch, and so survives a crash without counting anything twice.
//
//     transform:
//       - shared_object: {path: ./notional.so, options: {quantity: size}}
#include <stdio.h>
#include <stdlib.h>

#include "consumers/transform/operator.h"
#include "consumers/transform/reshape.h"

struct options {
    const char *price, *quantity;
};

static const struct mr_option option_table[] = {
    {"price", MR_OPTION_STRING, offsetof(struct options, price), "price", "a decimal field", NULL},
    {"quantity", MR_OPTION_STRING, offsetof(struct options, quantity), "quantity",
     "an integer field", NULL},
    {0},
};

struct state {
    int64_t total; // in the price's unit
};

struct notional {
    uint16_t schema_id; // the one that has both fields
    const struct mr_field *price, *quantity;
    const struct mr_field *notional, *total;
    struct mr_reshape reshape;
};

static int extend(struct mr_op *op, struct notional *self, unsigned index, struct mr_error *err)
{
    char type[32];
    const struct mr_field *sources[MR_FIELDS_MAX];
    snprintf(type, sizeof type, "decimal(%u)", self->price->scale);
    const struct mr_new_field added[] = {{"notional", type, false}, {"total", type, false}};
    struct mr_schema *to =
        mr_reshape_extend(op->in.schemas[index], added, MR_COUNT_OF(added), sources, err);
    if (!to)
        return MR_ERR_CONFIG;
    int code = mr_reshape_seal(&self->reshape, op, index, to, sources, err);
    if (code == MR_OK) {
        self->schema_id = op->in.schemas[index]->id;
        self->notional = mr_schema_field(to, "notional");
        self->total = mr_schema_field(to, "total");
    }
    return code;
}

static int notional_open(struct mr_op *op, struct mr_error *err)
{
    const struct options *options = op->options;
    struct notional *self = calloc(1, sizeof *self);
    if (!self)
        return mr_fail(err, MR_ERR_MEMORY, "out of memory for notional");
    op->self = self;
    op->state_bytes = sizeof(struct state);
    int code = mr_schema_set_copy(&op->out, &op->in, err);
    for (unsigned i = 0; i < op->in.count && code == MR_OK; i++) {
        self->price = mr_schema_field(op->in.schemas[i], options->price);
        self->quantity = mr_schema_field(op->in.schemas[i], options->quantity);
        if (self->price && self->quantity)
            return extend(op, self, i, err);
    }
    return code != MR_OK ? code
                         : mr_config_fail(op->node, err, "found no schema with %s and %s",
                                          options->price, options->quantity);
}

static void notional_apply(struct mr_op *op, struct mr_record *record)
{
    struct notional *self = op->self;
    struct state *state = op->state;
    int64_t notional, total;
    if (record->schema_id != self->schema_id) {
        mr_op_pass(op, record);
        return;
    }
    if (__builtin_mul_overflow(mr_field_get_i64(self->price, record),
                               mr_field_get_i64(self->quantity, record), &notional) ||
        __builtin_add_overflow(state->total, notional, &total)) {
        mr_op_reject(op, record, MR_REASON_BAD_VALUE, "the notional is too large for 64 bits");
        return;
    }
    struct mr_record *out = mr_reshape_apply(&self->reshape, record);
    if (!out) {
        mr_op_fail(op, MR_ERR_MEMORY, "out of memory for a record");
        return;
    }
    mr_op_touch(op, &state->total, sizeof state->total);
    state->total = total;
    mr_field_set_i64(self->reshape.to, self->notional, out, notional);
    mr_field_set_i64(self->reshape.to, self->total, out, total);
    mr_op_pass(op, out);
}

static void notional_close(struct mr_op *op)
{
    struct notional *self = op->self;
    mr_reshape_free(&self->reshape);
    free(self);
}

MR_OPERATOR_PLUGIN = {
    .name = "notional",
    .about = "price times quantity, and its running total",
    .options = option_table,
    .options_bytes = sizeof(struct options),
    .open = notional_open,
    .apply = notional_apply,
    .close = notional_close,
};
