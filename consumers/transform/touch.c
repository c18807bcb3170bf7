// SPDX-License-Identifier: Apache-2.0
#include "consumers/transform/touch.h"

void mr_state_damaged(const char *what, uint64_t found)
{
    mr_damaged(
        "the operators' state: found %s %llu, which cannot be: another process writes there, or "
        "left it damaged",
        what, (unsigned long long)found);
}
