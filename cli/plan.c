// SPDX-License-Identifier: Apache-2.0
#include "cli/plan.h"

#include <stdlib.h>
#include <string.h>

// Of two that read standard input each would get some of the lines.
static int check_standard_input(const struct mr_pipeline *pipeline, unsigned index,
                                struct mr_error *err)
{
    for (unsigned i = 0, readers = 0; i <= index; i++) {
        const struct mr_node *path = mr_config_child(pipeline->source_nodes[i], "path");
        readers += path && path->text && strcmp(path->text, "-") == 0;
        if (readers > 1)
            return mr_config_fail(path, err, "found -, standard input, which another source reads");
    }
    return MR_OK;
}

static int add_source(struct mr_plan *plan, unsigned index, struct mr_error *err)
{
    struct mr_schema_set emitted = {0};
    struct mr_pipeline of_source = mr_pipeline_of_source(plan->pipeline, index);
    const struct mr_source **source = &plan->sources[index];
    int code = check_standard_input(plan->pipeline, index, err);
    if (code == MR_OK)
        code = mr_source_bind(&of_source, source, &plan->source_options[index], err);
    if (code != MR_OK)
        return code;
    plan->source_count = index + 1;
    code = (*source)->declare(plan->source_options[index], &of_source, &emitted, err);
    struct mr_error why;
    if (code == MR_OK && (code = mr_schema_set_merge(&plan->ingress, &emitted, &why)) != MR_OK)
        mr_config_fail(of_source.source_node, err, "%s", why.text);
    mr_schema_set_clear(&emitted);
    return code;
}

int mr_plan_make(struct mr_plan *plan, const struct mr_pipeline *pipeline, struct mr_error *err)
{
    memset(plan, 0, sizeof *plan);
    plan->pipeline = pipeline;
    int code = MR_OK;
    for (unsigned i = 0; i < pipeline->source_count && code == MR_OK; i++)
        code = add_source(plan, i, err);
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
    for (unsigned i = 0; i < MR_PRODUCERS_MAX; i++)
        free(plan->source_options[i]);
    free(plan->sink_options);
}
