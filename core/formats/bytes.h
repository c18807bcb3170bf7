// SPDX-License-Identifier: Apache-2.0
// Big-endian integers and blank-padded text of wire formats, at any alignment.
//
// Text in records is filled with zeroes, on the wire with spaces; mr_text8_* and mr_text4_* turn
// one into the other, trailing bytes only, without a loop. Records are little-endian, and so is the
// host.
#ifndef MR_CORE_FORMATS_BYTES_H
#define MR_CORE_FORMATS_BYTES_H

#include "core/base.h"

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "records are little-endian: this host is not"
#endif

static inline uint16_t mr_get_be16(const uint8_t *from)
{
    uint16_t value;
    __builtin_memcpy(&value, from, sizeof value);
    return __builtin_bswap16(value);
}
static inline uint32_t mr_get_be32(const uint8_t *from)
{
    uint32_t value;
    __builtin_memcpy(&value, from, sizeof value);
    return __builtin_bswap32(value);
}
static inline uint64_t mr_get_be48(const uint8_t *from)
{
    return (uint64_t)mr_get_be16(from) << 32 | mr_get_be32(from + 2);
}
static inline uint64_t mr_get_be64(const uint8_t *from)
{
    uint64_t value;
    __builtin_memcpy(&value, from, sizeof value);
    return __builtin_bswap64(value);
}

static inline void mr_put_be16(uint8_t *to, uint16_t value)
{
    value = __builtin_bswap16(value);
    __builtin_memcpy(to, &value, sizeof value);
}
static inline void mr_put_be32(uint8_t *to, uint32_t value)
{
    value = __builtin_bswap32(value);
    __builtin_memcpy(to, &value, sizeof value);
}
static inline void mr_put_be48(uint8_t *to, uint64_t value)
{
    mr_put_be16(to, (uint16_t)(value >> 32));
    mr_put_be32(to + 2, (uint32_t)value);
}
static inline void mr_put_be64(uint8_t *to, uint64_t value)
{
    value = __builtin_bswap64(value);
    __builtin_memcpy(to, &value, sizeof value);
}

#define MR_BLANKS_8 0x2020202020202020ULL

// Eight characters as one word, first character lowest: trailing blanks become zeroes.
static inline uint64_t mr_text8_from_wire(const uint8_t *wire)
{
    uint64_t text;
    __builtin_memcpy(&text, wire, sizeof text);
    uint64_t differs = text ^ MR_BLANKS_8; // a zero byte where there is a blank
    if (differs == 0)
        return 0;
    return text & (~0ULL >> (__builtin_clzll(differs) & ~7));
}
static inline void mr_text8_to_wire(uint8_t *wire, uint64_t text)
{
    uint64_t blanks =
        text == 0 ? MR_BLANKS_8 : MR_BLANKS_8 & ~(~0ULL >> (__builtin_clzll(text) & ~7));
    text |= blanks;
    __builtin_memcpy(wire, &text, sizeof text);
}
static inline uint32_t mr_text4_from_wire(const uint8_t *wire)
{
    uint32_t text;
    __builtin_memcpy(&text, wire, sizeof text);
    uint32_t differs = text ^ (uint32_t)MR_BLANKS_8;
    if (differs == 0)
        return 0;
    return text & (~0U >> (__builtin_clz(differs) & ~7));
}
static inline void mr_text4_to_wire(uint8_t *wire, uint32_t text)
{
    uint32_t all = (uint32_t)MR_BLANKS_8;
    text |= text == 0 ? all : all & ~(~0U >> (__builtin_clz(text) & ~7));
    __builtin_memcpy(wire, &text, sizeof text);
}

#endif
