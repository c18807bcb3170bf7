// SPDX-License-Identifier: Apache-2.0
// Any bytes as an ITCH file, packed or plain, read as a run reads it.
#include <stddef.h>
#define KEPT_BYTES(TYPE) offsetof(TYPE, block)
// What the first two redefine, the third uses.
// clang-format off
#include "tests/support/kept_source.h"
#include "tests/support/plain_input.h"
#include "producers/itch_file.c"
// clang-format on

KEPT_SOURCE(struct itch_file, feed)

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static struct fuzzed_source source;
    if (!source.fixture.stage)
        fuzzed_source_open(&source, "{type: itch_file, path: %s, date: 2020-01-30}");
    fuzzed_source_read(&source, bytes, size);
    return 0;
}
