// SPDX-License-Identifier: Apache-2.0
// Whatever the bytes: an answer, a place inside the text where it is no, and spans that can be
// read.
#include <stdlib.h>

#include "core/formats/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

#define TEXT_BYTES_MAX (1 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    static const char *const paths[] = {"a", "a.b", "a[0].b", "b", "[1]", "[0].a", "\xc3\xa9"};
    static struct mr_json_reader *json;
    struct mr_span values[MR_COUNT_OF(paths)];
    struct mr_json_problem problem;
    if (!json &&
        mr_json_reader_new(&json, paths, MR_COUNT_OF(paths), TEXT_BYTES_MAX, NULL) != MR_OK)
        abort();
    if (length > TEXT_BYTES_MAX)
        return 0;
    if (!mr_json_reader_read(json, (const char *)bytes, length, values, &problem)) {
        if (problem.offset > length)
            abort();
        return 0;
    }
    volatile char last = 0;
    for (size_t i = 0; i < MR_COUNT_OF(paths); i++) {
        if ((values[i].kind == MR_SPAN_MISSING) != (values[i].text == NULL))
            abort();
        for (uint32_t at = 0; at < values[i].length; at++)
            last = values[i].text[at];
    }
    (void)last;
    return 0;
}
