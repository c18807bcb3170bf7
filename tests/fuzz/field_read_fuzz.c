// SPDX-License-Identifier: Apache-2.0
// The short way of a value into its field against the long one, whatever the text: the first byte
// says what kind of value it is, and which fields are given it: every third, from one of three.
#include <stdio.h>
#include <stdlib.h>

#include "tests/support/field_map_pair.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

#define KINDS (MR_SPAN_CONTAINER + 1)
#define SHARES 3

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    static struct field_map_pair pair;
    if (pair.count == 0)
        field_map_pair_open(&pair);
    if (length < 1)
        return 0;
    enum mr_span_kind kind = (enum mr_span_kind)(bytes[0] % KINDS);
    for (unsigned i = bytes[0] / KINDS % SHARES; i < pair.count; i += SHARES)
        if (!field_map_pair_agrees(&pair, i, kind, (const char *)bytes + 1, length - 1)) {
            fprintf(stderr, "%s\n", pair.sentence);
            abort();
        }
    return 0;
}
