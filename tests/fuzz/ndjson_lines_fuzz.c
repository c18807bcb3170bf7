// SPDX-License-Identifier: Apache-2.0
// Any bytes as a file of NDJSON lines, read as a run reads it: lines, values, conversion, selection.
#include "tests/support/fuzzed_lines.h"

FUZZED_LINES("ndjson", "data.size")
