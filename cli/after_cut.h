// SPDX-License-Identifier: Apache-2.0
// What a power cut does to a pipeline, in a sentence: `check` says it.
#ifndef MR_CLI_AFTER_CUT_H
#define MR_CLI_AFTER_CUT_H

#include "cli/plan.h"

const char *
mr_after_cut_word(const struct mr_plan *plan); // "goes_on", "behind", "anew", "twice", "part"
const char *mr_after_cut_sentence(const struct mr_plan *plan);

#endif
