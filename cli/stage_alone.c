// SPDX-License-Identifier: Apache-2.0
// What `produce`, `transform` and `load` share: one stage in the foreground. The three may be
// started in any order, by hand or by systemd; each waits for those it needs. `run` starts them in
// this same way.
#include "cli/cli.h"

#include "core/clock.h"
#include "core/log.h"

int mr_cli_stage_alone(const struct mr_usage *usage, int argc, char **argv,
                       const struct mr_arg_list *sets, enum mr_role role,
                       int (*stage_main)(const struct mr_pipeline *))
{
    struct mr_arg_list words;
    struct mr_pipeline pipeline;
    int code;
    if (!mr_args_parse(usage, argc, argv, &words, &code))
        return code;
    mr_clock_setup();
    mr_log_setup(mr_role_name(role), MR_LOG_INFO);
    if ((code = mr_cli_load_pipeline(&pipeline, words.items[0], sets)) != MR_OK)
        return code;
    code = stage_main(&pipeline);
    mr_pipeline_free(&pipeline);
    return code;
}
