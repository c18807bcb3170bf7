// SPDX-License-Identifier: Apache-2.0
#include "core/counts.h"

const char *mr_count_name(unsigned count)
{
    static const char *const names[] = {"in",   "out",      "filtered", "duplicate",
                                        "late", "rejected", "dropped",  "emitted"};
    _Static_assert(MR_COUNT_OF(names) == MR_COUNT_KINDS, "a name for each count");
    return count < MR_COUNT_KINDS ? names[count] : "unknown";
}

const char *mr_reason_name(unsigned reason)
{
    static const char *const names[] = {"syntax",    "missing_field", "bad_value",
                                        "too_long",  "bad_length",    "unknown_type",
                                        "truncated", "expression",    "limit"};
    _Static_assert(MR_COUNT_OF(names) == MR_REASON_KINDS, "a name for each reason");
    return reason < MR_REASON_KINDS ? names[reason] : "unknown";
}
