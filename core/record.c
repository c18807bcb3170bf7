// SPDX-License-Identifier: Apache-2.0
#include "core/record.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

// Length and the checksum itself stand before it.
#define CHECKED_FROM offsetof(struct mr_record, sequence)

uint32_t mr_record_checksum(const void *record, uint32_t length, uint64_t position)
{
    size_t checked = length > CHECKED_FROM ? length - CHECKED_FROM : 0;
    return (uint32_t)XXH3_64bits_withSeed((const uint8_t *)record + CHECKED_FROM, checked,
                                          position);
}
