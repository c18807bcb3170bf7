// SPDX-License-Identifier: Apache-2.0
// A repair (consumers/loader/journal_repair.h) from its first plan to where nothing is left to be done.
#ifndef MR_TESTS_SUPPORT_WHOLE_REPAIR_H
#define MR_TESTS_SUPPORT_WHOLE_REPAIR_H

#include "consumers/loader/journal_repair.h"

static inline int repair_wholly(const char *directory, struct mr_error *err)
{
    struct mr_repair work;
    int code = mr_repair_open(&work, directory, err);
    while (code == MR_OK && (code = mr_repair_plan(&work, err)) == MR_OK && work.count > 0)
        code = mr_repair_do(&work, err);
    mr_repair_close(&work);
    return code;
}

#endif
