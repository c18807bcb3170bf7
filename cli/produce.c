// SPDX-License-Identifier: Apache-2.0
#include "cli/cli.h"
#include "core/log.h"
#include "producers/source.h"

#include <stdio.h>

static bool after_others;
static uint64_t source_number = 1;

static int produce(const struct mr_pipeline *pipeline)
{
    unsigned source = (unsigned)source_number - 1;
    if (source_number < 1 || source_number > pipeline->source_count) {
        fprintf(stderr, "millrace produce: found --source %llu, expected 1 to %u: of %s\n",
                (unsigned long long)source_number, pipeline->source_count, pipeline->file);
        return MR_ERR_USAGE;
    }
    mr_log_setup(mr_role_name(mr_producer_role(source)), MR_LOG_INFO);
    return mr_producer_main(pipeline, source, after_others);
}

int mr_cli_produce(int argc, char **argv)
{
    struct mr_arg_list sets = {0};
    const struct mr_arg table[] = {
        MR_ARG_SETS(&sets),
        {"after-others", NULL, "take nothing in before the transform and the loader are ready",
         MR_ARG_SWITCH, &after_others},
        {"source", "N", "which of the pipeline's sources, from 1", MR_ARG_COUNT, &source_number},
        {0}};
    const struct mr_usage usage = {
        .command = "produce",
        .words = "PIPELINE",
        .about = "Runs a pipeline's first stage alone: takes the source in and fills the ingress "
                 "ring. Ends when the source ends, or drained on SIGTERM or SIGINT.",
        .args = table,
        .words_min = 1,
        .words_max = 1};
    return mr_cli_stage_alone(&usage, argc, argv, &sets, MR_ROLE_PRODUCER, produce);
}
