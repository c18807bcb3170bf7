// SPDX-License-Identifier: Apache-2.0
#include "cli/cli.h"
#include "consumers/loader/sink.h"

int mr_cli_load(int argc, char **argv)
{
    struct mr_arg_list sets = {0};
    const struct mr_arg table[] = {MR_ARG_SETS(&sets), {0}};
    const struct mr_usage usage = {
        .command = "load",
        .words = "PIPELINE",
        .about = "Runs a pipeline's third stage alone: takes the egress ring to the sink. Ends "
                 "when the egress ring ends and everything is written.",
        .args = table,
        .words_min = 1,
        .words_max = 1};
    return mr_cli_stage_alone(&usage, argc, argv, &sets, MR_ROLE_LOADER, mr_loader_main);
}
