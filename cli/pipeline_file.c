// SPDX-License-Identifier: Apache-2.0
// What the commands that take a pipeline file share.
#include "cli/cli.h"

#include <stdio.h>

int mr_cli_fail(const char *command, const struct mr_error *err)
{
    fprintf(stderr, "millrace %s: %s\n", command, err->text);
    return err->code;
}

int mr_cli_load_pipeline(struct mr_pipeline *pipeline, const char *file,
                         const struct mr_arg_list *sets)
{
    struct mr_error err = {0};
    int code = mr_pipeline_load(pipeline, file, sets->items, sets->count, &err);
    if (code != MR_OK)
        fprintf(stderr, "millrace: %s\n", err.text);
    return code;
}
