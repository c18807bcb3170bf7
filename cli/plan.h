// SPDX-License-Identifier: Apache-2.0
// A pipeline file resolved as far as it can be without running it: the source's and sink's options
// bound, the operators' chain opened on the source's schemas. `check` prints it; `run` makes it
// first, so that what is wrong in the file is said once and before three processes start.
#ifndef MR_CLI_PLAN_H
#define MR_CLI_PLAN_H

#include "consumers/loader/sink.h"
#include "consumers/transform/operator.h"
#include "producers/source.h"

struct mr_plan {
    const struct mr_pipeline *pipeline;
    const struct mr_source *sources[MR_PRODUCERS_MAX];
    void *source_options[MR_PRODUCERS_MAX];
    unsigned source_count;
    struct mr_schema_set ingress; // what the sources emit
    struct mr_chain chain;
    bool chain_open;
    const struct mr_sink *sink;
    void *sink_options;
};

// The error names file and line. Free it in any case.
int mr_plan_make(struct mr_plan *plan, const struct mr_pipeline *pipeline, struct mr_error *err);
void mr_plan_free(struct mr_plan *plan);

#endif
