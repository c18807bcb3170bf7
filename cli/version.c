// SPDX-License-Identifier: Apache-2.0
#include "cli/cli.h"

#include <stdio.h>

int mr_cli_version(int argc, char **argv)
{
    const struct mr_usage usage = {
        .command = "version", .words = "", .about = "Prints the version."};
    struct mr_arg_list words;
    int code;
    if (!mr_args_parse(&usage, argc, argv, &words, &code))
        return code;
    printf("millrace %s\n", MR_VERSION);
    return MR_OK;
}
