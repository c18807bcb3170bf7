// SPDX-License-Identifier: Apache-2.0
// Any bytes as a capture, read as a run reads it.
// What the first redefines, the second uses.
// clang-format off
#include "tests/support/kept_source.h"
#include "producers/pcap.c"
#include "tests/support/fuzzed_source.h"
// clang-format on

KEPT_SOURCE(struct capture, feed)

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static struct fuzzed_source source;
    if (source.file_fd == 0)
        fuzzed_source_open(&source, "{type: pcap, path: %s, date: 2020-01-30}");
    fuzzed_source_read(&source, bytes, size);
    return 0;
}
