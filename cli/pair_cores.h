// SPDX-License-Identifier: Apache-2.0
// Which two cores a pair of processes runs on.
#ifndef MR_CLI_PAIR_CORES_H
#define MR_CLI_PAIR_CORES_H

#include "core/error.h"

// The first core that this process may run on and the nearest other one that is not its twin (two hardware
// threads of one core share its first-level cache): the smaller the cache they share, the nearer. *cache_level
// is that cache's, 0 where they share none or the system does not say. MR_ERR_LIMIT with fewer than two.
int mr_pair_choose_cores(int cores[2], int *cache_level, struct mr_error *err);
// This process on that core alone. False: errno says why.
bool mr_pair_pin(int core);
// Whether a list of cores as the system writes it ("0-3,8") has this one.
bool mr_pair_core_is_listed(const char *list, int core);

#endif
