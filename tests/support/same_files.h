// SPDX-License-Identifier: Apache-2.0
// Whether two directories hold the same files, with the same bytes.
#ifndef MR_TESTS_SUPPORT_SAME_FILES_H
#define MR_TESTS_SUPPORT_SAME_FILES_H

#include <stdbool.h>
#include <stddef.h>

// False: `difference` says which file differs and where. Names that begin with a dot must be in both; what is in
// those files is not looked at. No directories.
bool mr_test_same_files(const char *expected, const char *found, char *difference,
                        size_t difference_bytes);

#endif
