// SPDX-License-Identifier: Apache-2.0
#include "cli/plan.h"

#include <stdlib.h>
#include <string.h>

int mr_plan_make(struct mr_plan *plan, const struct mr_pipeline *pipeline, struct mr_error *err)
{
    memset(plan, 0, sizeof *plan);
    plan->pipeline = pipeline;
    int code = mr_source_bind(pipeline, &plan->source, &plan->source_options, err);
    if (code == MR_OK)
        code = plan->source->declare(plan->source_options, pipeline, &plan->ingress, err);
    if (code == MR_OK) {
        code = mr_chain_open(&plan->chain, pipeline, &plan->ingress, err);
        plan->chain_open = code == MR_OK;
    }
    if (code == MR_OK)
        code = mr_sink_bind(pipeline, &plan->sink, &plan->sink_options, err);
    if (code == MR_OK && plan->sink->check)
        code = plan->sink->check(plan->sink_options, pipeline, mr_chain_out(&plan->chain), err);
    return code;
}

void mr_plan_free(struct mr_plan *plan)
{
    if (plan->chain_open)
        mr_chain_close(&plan->chain);
    mr_schema_set_clear(&plan->ingress);
    free(plan->source_options);
    free(plan->sink_options);
}
