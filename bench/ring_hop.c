// SPDX-License-Identifier: Apache-2.0
// One hop through the ring beside the bare cache line: the same measurement as `millrace bench
// hop`, longer. Its output is kept by scripts/bench.sh.
#include "cli/cli.h"

int main(void)
{
    char *arguments[] = {"bench", "hop", "--rounds=9", "--round-trips=500000", "--records=20000000",
                         NULL};
    return mr_cli_bench(5, arguments);
}
