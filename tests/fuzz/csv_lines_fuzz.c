// SPDX-License-Identifier: Apache-2.0
// Any bytes as a CSV file with its header, read as a run reads it: rows, values, conversion, selection.
#include "tests/support/fuzzed_lines.h"

FUZZED_LINES("csv", "size")
