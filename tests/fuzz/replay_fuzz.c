// SPDX-License-Identifier: Apache-2.0
// A journal that is played back (`source: {type: journal}`): any bytes behind a sound header, their checksums set right
// where the first byte says so. What comes out of the stage's ring is of a schema of the journal, and each record has
// its fate.
#include <stdlib.h>
#include <string.h>

#include "tests/support/fuzzed_source.h"
#include "tests/support/journal_bytes.h"
#include "tests/support/memory_disk.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

#define SEGMENT_BYTES 65536
#define SEGMENT "/segment"

static struct fuzzed_source source;
static void *header;
static size_t header_bytes;

static void start(void)
{
    struct mr_schema_set schemas = mr_test_schemas();
    memory_disk_use();
    if (mr_journal_header_make(0, 0, SEGMENT_BYTES, "fuzz", &schemas, &header, &header_bytes,
                               NULL) != MR_OK)
        abort();
    mr_schema_set_clear(&schemas);
    memory_disk_put(SEGMENT, header, header_bytes);
    fuzzed_source_open(&source, "{type: journal, path: " SEGMENT ", schemas: sample}");
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    if (!header)
        start();
    if (size == 0)
        return 0;
    size_t file_bytes = header_bytes + size - 1;
    uint8_t *file = malloc(file_bytes);
    memcpy(file, header, header_bytes);
    memcpy(file + header_bytes, bytes + 1, size - 1);
    if (bytes[0] % 2)
        mr_test_set_checksums(file + header_bytes, size - 1, 0);
    memory_disk_clear();
    memory_disk_put(SEGMENT, file, file_bytes);
    fuzzed_source_read_again(&source);
    memory_disk_clear();
    free(file);
    return 0;
}
