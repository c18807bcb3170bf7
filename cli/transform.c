// SPDX-License-Identifier: Apache-2.0
#include "cli/cli.h"
#include "consumers/transform/operator.h"

int mr_cli_transform(int argc, char **argv)
{
    struct mr_arg_list sets = {0};
    const struct mr_arg table[] = {MR_ARG_SETS(&sets), {0}};
    const struct mr_usage usage = {
        .command = "transform",
        .words = "PIPELINE",
        .about = "Runs a pipeline's second stage alone: takes the ingress ring through the "
                 "operators to the egress ring. Ends when the ingress ring ends.",
        .args = table,
        .words_min = 1,
        .words_max = 1};
    return mr_cli_stage_alone(&usage, argc, argv, &sets, MR_ROLE_TRANSFORM, mr_transform_main);
}
