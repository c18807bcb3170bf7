// SPDX-License-Identifier: Apache-2.0
#include "core/record.h"

#include "core/atomic.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

// Length and the checksum itself stand before it.
#define CHECKED_FROM offsetof(struct mr_record, sequence)

static inline uint32_t checksum(const void *record, uint32_t length, uint64_t position)
{
    size_t checked = length > CHECKED_FROM ? length - CHECKED_FROM : 0;
    return (uint32_t)XXH3_64bits_withSeed((const uint8_t *)record + CHECKED_FROM, checked,
                                          position);
}

uint32_t mr_record_checksum(const void *record, uint32_t length, uint64_t position)
{
    return checksum(record, length, position);
}

void mr_record_checksum_run(void *records, uint64_t bytes, uint64_t position, uint32_t first_length)
{
    uint8_t *at = records;
    uint64_t stride;
    for (; bytes >= MR_ENVELOPE_BYTES; at += stride, bytes -= stride, position += stride) {
        struct mr_record *record = (struct mr_record *)(void *)at;
        uint32_t length = at == records ? first_length : mr_load_relaxed_u32(&record->length);
        stride = mr_record_stride(length);
        if (MR_UNLIKELY(stride > bytes || stride == 0)) // changed by someone else since
            return;
        record->checksum = checksum(record, length, position);
    }
}
