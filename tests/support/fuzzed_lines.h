// SPDX-License-Identifier: Apache-2.0
// A fuzzer of files of lines, read as a run reads them: lines, values, conversion, selection. FORMAT: the option's
// value; SIZE: the path of the field `size`.
//
//     #include "tests/support/fuzzed_lines.h"
//     FUZZED_LINES("csv", "size")
#ifndef MR_TESTS_SUPPORT_FUZZED_LINES_H
#define MR_TESTS_SUPPORT_FUZZED_LINES_H

// What the first redefines, the second uses.
// clang-format off
#include "tests/support/plain_input.h"
#include "producers/line_input.c"
// clang-format on

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

#define FUZZED_LINES(FORMAT, SIZE)                                                                 \
    static const char pipeline[] =                                                                 \
        "{type: lines, path: %s, format: " FORMAT                                                  \
        ", schema: reading, line_max: 4KiB, select: side!=x}\n"                                    \
        "schemas:\n"                                                                               \
        "  - name: reading\n"                                                                      \
        "    time: at\n"                                                                           \
        "    fields:\n"                                                                            \
        "      - {name: at, type: 'timestamp', from: at, format: ms}\n"                            \
        "      - {name: symbol, type: 'char[8]', from: symbol}\n"                                  \
        "      - {name: side, type: 'enum(buy,sell)', from: side, map: {b: buy, s: sell}}\n"       \
        "      - {name: price, type: 'decimal(4)', from: price, nullable: true, bad: null}\n"      \
        "      - {name: size, type: 'i32', from: " SIZE ", default: 0, bad: default}\n"            \
        "      - {name: real, type: 'f64', from: real, missing: null}\n"                           \
        "      - {name: note, type: 'bytes', from: note, missing: null}\n";                        \
                                                                                                   \
    int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)                                  \
    {                                                                                              \
        static struct fuzzed_source source;                                                        \
        if (!source.fixture.stage)                                                                 \
            fuzzed_source_open(&source, pipeline);                                                 \
        fuzzed_source_read(&source, bytes, size);                                                  \
        return 0;                                                                                  \
    }

#endif
