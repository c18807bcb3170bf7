// SPDX-License-Identifier: Apache-2.0
// A long session out of a short one: an ITCH file again and again, each time with later times and other order
// references, so that every copy is a stretch of the session of its own.
#ifndef MR_TESTS_SUPPORT_ITCH_LOOP_H
#define MR_TESTS_SUPPORT_ITCH_LOOP_H

#include "core/error.h"

#define ITCH_LOOP_FILES_MAX 4

// Writes at least `messages` messages of whole copies to `count` files, each with those of its part of the symbols, as
// exchanges do it: symbol number modulo count. MR_ERR_INPUT where the sample is not whole messages.
int itch_loop(const char *sample, char *const *paths, unsigned count, uint64_t messages,
              struct mr_error *err);

#endif
