// SPDX-License-Identifier: Apache-2.0
#include "cli/cli.h"
#include "producers/source.h"

static bool after_others;

static int produce(const struct mr_pipeline *pipeline)
{
    return mr_producer_main(pipeline, after_others);
}

int mr_cli_produce(int argc, char **argv)
{
    struct mr_arg_list sets = {0};
    const struct mr_arg table[] = {MR_ARG_SETS(&sets),
                                   {"after-others", NULL,
                                    "take nothing in before the transform and the loader are ready",
                                    MR_ARG_SWITCH, &after_others},
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
