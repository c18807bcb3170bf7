// SPDX-License-Identifier: Apache-2.0
// What `produce`, `transform` and `load` share: one stage in the foreground. The three may be
// started in any order, by hand or by systemd; each waits for those it needs. `run` starts them in
// this same way.
#include "cli/cli.h"

#include <signal.h>

#include "core/clock.h"
#include "core/log.h"
#include "core/pipeline/rundir.h"

// What a trio that has ended altogether left behind is not resumed, it is over. Two stages that
// start at the same time look one after the other: the first removes it, the second sees what the
// first made.
static int make_way(const struct mr_pipeline *pipeline, struct mr_error *err)
{
    struct mr_leftovers leftovers;
    int code = mr_rundir_make(pipeline, err);
    if (code != MR_OK)
        return code;
    mr_rundir_inspect(pipeline, &leftovers);
    return leftovers.state == MR_LEFTOVER_FINISHED ? mr_rundir_clear(pipeline, err) : MR_OK;
}

int mr_cli_stage_alone(const struct mr_usage *usage, int argc, char **argv,
                       const struct mr_arg_list *sets, enum mr_role role,
                       int (*stage_main)(const struct mr_pipeline *))
{
    struct mr_arg_list words;
    struct mr_pipeline pipeline;
    struct mr_error err = {0};
    int code;
    if (!mr_args_parse(usage, argc, argv, &words, &code))
        return code;
    mr_clock_setup();
    mr_log_setup(mr_role_name(role), MR_LOG_INFO);
    signal(SIGPIPE, SIG_IGN); // a closed pipe is an error of the write that met it
    if ((code = mr_cli_load_pipeline(&pipeline, words.items[0], sets)) != MR_OK)
        return code;
    code = make_way(&pipeline, &err);
    if (code == MR_OK)
        code = stage_main(&pipeline);
    else
        mr_cli_fail(usage->command, &err);
    mr_pipeline_free(&pipeline);
    return code;
}
