// SPDX-License-Identifier: Apache-2.0
// Any bytes as a capture, read as a run reads it, but from where it stands in memory: to write a file and to open it
// takes the kernel longer than most captures take the source.
// What is defined before the source is used by it.
// clang-format off
#include "tests/support/kept_source.h"
#include "tests/support/fuzzed_source.h"
#define pcap_open_offline_with_tstamp_precision open_in_memory
#include "producers/pcap.c"
// clang-format on

KEPT_SOURCE(struct capture, feed)

pcap_t *open_in_memory(const char *path, u_int precision, char *why)
{
    size_t size;
    const uint8_t *bytes = fuzzed_source_bytes(&size);
    FILE *file = fmemopen((void *)bytes, size, "r");
    (void)path;
    if (!file)
        abort();
    pcap_t *capture = pcap_fopen_offline_with_tstamp_precision(file, precision, why);
    if (!capture)
        fclose(file); // as what it stands for does
    return capture;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static struct fuzzed_source source;
    if (!source.fixture.stage)
        fuzzed_source_open(&source, "{type: pcap, path: %s, date: 2020-01-30}");
    fuzzed_source_read(&source, bytes, size);
    return 0;
}
