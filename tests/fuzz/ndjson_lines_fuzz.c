// SPDX-License-Identifier: Apache-2.0
// Any bytes as a file of NDJSON lines, read as a run reads it: lines, values, conversion, selection.
#include "tests/support/fuzzed_source.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static const char pipeline[] =
    "{type: lines, path: %s, format: ndjson, schema: reading, line_max: 4KiB, select: side!=x}\n"
    "schemas:\n"
    "  - name: reading\n"
    "    time: at\n"
    "    fields:\n"
    "      - {name: at, type: 'timestamp', from: at, format: ms}\n"
    "      - {name: symbol, type: 'char[8]', from: symbol}\n"
    "      - {name: side, type: 'enum(buy,sell)', from: side, map: {b: buy, s: sell}}\n"
    "      - {name: price, type: 'decimal(4)', from: price, nullable: true, bad: null}\n"
    "      - {name: size, type: 'i32', from: data.size, default: 0, bad: default}\n"
    "      - {name: real, type: 'f64', from: real, missing: null}\n"
    "      - {name: note, type: 'bytes', from: note, missing: null}\n";

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static struct fuzzed_source source;
    if (source.file_fd == 0)
        fuzzed_source_open(&source, pipeline);
    fuzzed_source_read(&source, bytes, size);
    return 0;
}
