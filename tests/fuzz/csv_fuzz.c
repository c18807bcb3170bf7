// SPDX-License-Identifier: Apache-2.0
// Whatever the bytes and however they are cut: spans lie inside the row, rows tile the input, and
// the cuts make no difference.
#include <stdlib.h>
#include <string.h>

#include "core/formats/csv.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

static uint64_t mix(uint64_t hash, uint64_t value)
{
    return (hash ^ value) * 0x100000001b3ULL;
}

// A hash of all that the splitter says.
static uint64_t split(const char *text, size_t length, size_t piece)
{
    static struct mr_csv csv;
    static char unquoted[1 << 16];
    uint64_t hash = 0xcbf29ce484222325ULL;
    size_t begin = 0, end = mr_min_u64(piece, length), row_bytes = 0;
    mr_csv_init(&csv, ',', '"');
    for (;;) {
        enum mr_csv_result result =
            mr_csv_next(&csv, text + begin, end - begin, end == length, &row_bytes);
        if (result == MR_CSV_MORE && end == length)
            break;
        if (result == MR_CSV_MORE) {
            end = mr_min_u64(end + piece, length);
            continue;
        }
        if (row_bytes == 0 || row_bytes > end - begin)
            abort();
        hash = mix(mix(hash, result), csv.row_line);
        for (unsigned i = 0; result == MR_CSV_ROW && i < csv.field_count; i++) {
            const struct mr_csv_field *field = &csv.fields[i];
            if ((size_t)field->offset + field->length > row_bytes)
                abort();
            hash = mix(mix(hash, field->offset), field->length);
            if (field->length <= sizeof unquoted)
                hash = mix(hash, mr_csv_unquote(text + begin + field->offset, field->length, '"',
                                                unquoted));
        }
        begin += row_bytes;
    }
    if (begin != length)
        abort();
    return hash;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    if (length < 1)
        return 0;
    const char *text = (const char *)bytes + 1;
    uint64_t whole = split(text, length - 1, length);
    if (split(text, length - 1, 1 + bytes[0]) != whole)
        abort();
    return 0;
}
