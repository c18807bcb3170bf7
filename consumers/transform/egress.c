// SPDX-License-Identifier: Apache-2.0
// The end of every chain: writes the record to the egress ring.
#include <string.h>

#include "consumers/transform/operator.h"

enum { COUNT_DERIVED_REJECTED }; // counted by mr_op_reject
static const char *const counters[] = {"derived_rejected", NULL};

static int egress_open(struct mr_op *op, struct mr_error *err)
{
    return mr_schema_set_copy(&op->out, &op->in, err);
}

static void egress_apply(struct mr_op *op, struct mr_record *record)
{
    struct mr_chain *chain = op->chain;
    struct mr_stage *stage = chain->stage;
    uint32_t bytes_max = mr_claim_bytes_max(&stage->writers[MR_PORT_MAIN]);
    if (MR_UNLIKELY(record->length > bytes_max)) {
        mr_op_reject(op, record, MR_REASON_TOO_LONG,
                     "found a record of %u bytes, expected at most %u (a quarter of the ring)",
                     record->length, bytes_max);
        return;
    }
    struct mr_record *out = mr_stage_claim(stage, MR_PORT_MAIN, record->length);
    if (MR_UNLIKELY(!out)) {
        chain->dropped = true;
        return;
    }
    mr_record_copy(out, record, record->length);
    // As mr_stage_emit, which would read the schema back out of the ring.
    mr_stage_count_emitted(stage, record->schema_id, 1);
    mr_commit(&stage->writers[MR_PORT_MAIN]);
    chain->emitted++;
}

const struct mr_operator mr_operator_egress = {
    .name = "egress",
    .about = "writes to the egress ring",
    .counters = counters,
    .open = egress_open,
    .apply = egress_apply,
};
