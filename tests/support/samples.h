// SPDX-License-Identifier: Apache-2.0
// Real data that is not part of the tree: $MILLRACE_SAMPLES, or ../shared/data.
//
//     size_t bytes;
//     uint8_t *file = sample_load("itch/20200130-0400-premarket.itch", &bytes);
//     if (!file)
//         cr_skip_test("the sample is not there");   // its path was printed
#ifndef MR_TESTS_SUPPORT_SAMPLES_H
#define MR_TESTS_SUPPORT_SAMPLES_H

#include "core/base.h"

// Path of a sample; NULL, said on stderr, where there is no such file.
const char *sample_path(const char *name, char *out, size_t out_bytes);
// Its content, to be freed; NULL where it is not there.
uint8_t *sample_load(const char *name, size_t *bytes);
// "0a1b2c" to bytes; returns how many. Spaces are passed over.
size_t bytes_of_hex(const char *hex, uint8_t *out, size_t out_bytes);

#endif
