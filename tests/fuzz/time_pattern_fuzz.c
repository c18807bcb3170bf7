// SPDX-License-Identifier: Apache-2.0
// A time pattern, a zero, and a text: the pattern is sound or says where it is not, and a sound one takes the text
// or refuses it. The text as a timestamp of its own (RFC 3339) beside it: what is read, prints and reads as the same.
#include <stdlib.h>
#include <string.h>

#include "core/formats/number.h"
#include "core/formats/time_pattern.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void check_timestamp(const char *text, size_t length)
{
    char printed[64];
    int64_t first, again;
    if (mr_parse_timestamp(text, length, &first) != MR_NUMBER_OK)
        return;
    size_t printed_bytes = mr_print_timestamp(first, printed);
    if (mr_parse_timestamp(printed, printed_bytes, &again) != MR_NUMBER_OK || again != first)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    int64_t first, again;
    const uint8_t *zero = memchr(bytes, 0, size);
    if (!zero)
        return 0;
    const char *pattern = (const char *)bytes;
    size_t length = size - (size_t)(zero + 1 - bytes);
    char *text = malloc(length + 1); // with nothing behind it: what is read too far is noticed
    memcpy(text, zero + 1, length);
    const char *fault = mr_time_pattern_check(pattern);
    if (fault && (fault < pattern || fault > (const char *)zero))
        abort();
    if (!fault && mr_time_pattern_parse(pattern, text, length, &first) &&
        (!mr_time_pattern_parse(pattern, text, length, &again) || again != first))
        abort();
    check_timestamp(text, length);
    free(text);
    return 0;
}
