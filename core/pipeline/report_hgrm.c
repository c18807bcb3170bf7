// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>

#include "core/pipeline/report.h"

static int write_hop(const struct mr_report *report, unsigned hop, const char *directory,
                     struct mr_error *err)
{
    char path[600];
    snprintf(path, sizeof path, "%s/%s.hgrm", directory, mr_report_hop_name(hop));
    FILE *out = fopen(path, "we");
    if (!out)
        return mr_fail_errno(err, MR_ERR_OUTPUT, "%s: cannot create", path);
    int code = mr_histogram_write_hgrm(mr_report_hop(report, hop), out, 1000.0);
    if (fclose(out) != 0 || code != MR_OK)
        return mr_fail(err, MR_ERR_OUTPUT, "%s: cannot be written", path);
    return MR_OK;
}

int mr_report_hgrm(const struct mr_report *report, const char *directory, struct mr_error *err)
{
    if (mkdir(directory, 0777) < 0 && errno != EEXIST)
        return mr_fail_errno(err, MR_ERR_OUTPUT, "%s: cannot create the directory", directory);
    for (unsigned hop = 0; hop < MR_REPORT_HOPS; hop++) {
        int code = write_hop(report, hop, directory, err);
        if (code != MR_OK)
            return code;
    }
    return MR_OK;
}
