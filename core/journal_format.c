// SPDX-License-Identifier: Apache-2.0
// The journal's bytes: header block, durable mark, and the test that every record has to pass.
#include "core/journal_file.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#define NAME_DIGITS 20
_Static_assert(sizeof(struct mr_journal_header) + MR_SCHEMA_TABLE_BYTES_MAX +
                       sizeof(struct mr_journal_mark) <=
                   MR_JOURNAL_HEADER_BYTES_MAX,
               "a header has room for any set of schemas");

void mr_journal_segment_path(const char *directory, uint64_t base_pos, char *out, size_t out_bytes)
{
    snprintf(out, out_bytes, "%s/%020" PRIu64 MR_JOURNAL_SUFFIX, directory, base_pos);
}

bool mr_journal_segment_base(const char *path, uint64_t *base_pos)
{
    const char *slash = strrchr(path, '/');
    const char *name = slash ? slash + 1 : path;
    if (strlen(name) != NAME_DIGITS + strlen(MR_JOURNAL_SUFFIX) ||
        strcmp(name + NAME_DIGITS, MR_JOURNAL_SUFFIX) != 0 ||
        strspn(name, "0123456789") != NAME_DIGITS)
        return false;
    errno = 0;
    *base_pos = strtoull(name, NULL, 10);
    return errno == 0;
}

void mr_journal_mark_make(uint64_t base_pos, uint64_t durable_pos, struct mr_journal_mark *out)
{
    out->durable_pos = durable_pos;
    out->check = XXH3_64bits_withSeed(&durable_pos, sizeof durable_pos, base_pos);
}

// The block in three parts, so that the two fields that it does not cover need not be zeroed in
// place.
static uint64_t header_crc(const uint8_t *block, size_t header_bytes)
{
    static const uint8_t zeroes[sizeof(struct mr_journal_mark)];
    const size_t crc_at = offsetof(struct mr_journal_header, crc);
    const size_t body_at = sizeof(struct mr_journal_header);
    XXH3_state_t state;
    XXH3_64bits_reset(&state);
    XXH3_64bits_update(&state, block, crc_at);
    XXH3_64bits_update(&state, zeroes, sizeof(uint64_t));
    XXH3_64bits_update(&state, block + body_at, header_bytes - body_at - sizeof zeroes);
    XXH3_64bits_update(&state, zeroes, sizeof zeroes);
    return XXH3_64bits_digest(&state);
}

int mr_journal_header_make(uint64_t base_pos, uint64_t previous_end, uint64_t segment_bytes,
                           const char *name, const struct mr_schema_set *schemas, void **out,
                           size_t *out_bytes, struct mr_error *err)
{
    struct mr_journal_header header = {.magic = MR_JOURNAL_MAGIC,
                                       .version = MR_JOURNAL_VERSION,
                                       .base_pos = base_pos,
                                       .segment_bytes = segment_bytes,
                                       .previous_end = previous_end};
    size_t bytes =
        mr_align_up(sizeof header + mr_schema_table_bytes(schemas) + sizeof(struct mr_journal_mark),
                    MR_PAGE_BYTES);
    uint8_t *block = calloc(1, bytes);
    if (!block)
        return mr_fail(err, MR_ERR_MEMORY, "journal header: out of memory (%zu bytes)", bytes);
    header.header_bytes = (uint32_t)bytes;
    snprintf(header.name, sizeof header.name, "%s", name);
    memcpy(block, &header, sizeof header);
    mr_schema_table_write(schemas, block + sizeof header);
    header.crc = header_crc(block, bytes);
    memcpy(block, &header, sizeof header);
    *out = block;
    *out_bytes = bytes;
    return MR_OK;
}

int mr_journal_header_check(const void *bytes, size_t bytes_max, struct mr_schema_set *schemas,
                            struct mr_error *err)
{
    struct mr_journal_header header;
    if (bytes_max < sizeof header)
        return mr_fail(err, MR_ERR_CORRUPT, "header: found %zu bytes, expected at least %zu",
                       bytes_max, sizeof header);
    memcpy(&header, bytes, sizeof header);
    if (header.magic != MR_JOURNAL_MAGIC)
        return mr_fail(err, MR_ERR_CORRUPT,
                       "byte 0: found magic %016" PRIx64 ", expected that of a journal, %016llx",
                       header.magic, MR_JOURNAL_MAGIC);
    if (header.version != MR_JOURNAL_VERSION)
        return mr_fail(err, MR_ERR_CORRUPT, "byte 8: found version %u, expected %u", header.version,
                       MR_JOURNAL_VERSION);
    if (header.header_bytes < MR_PAGE_BYTES || header.header_bytes % MR_PAGE_BYTES ||
        header.header_bytes > MR_JOURNAL_HEADER_BYTES_MAX || header.header_bytes > bytes_max)
        return mr_fail(err, MR_ERR_CORRUPT,
                       "byte 12: found a header of %u bytes, expected a multiple of %d, at most "
                       "%zu",
                       header.header_bytes, MR_PAGE_BYTES,
                       (size_t)mr_min_u64(bytes_max, MR_JOURNAL_HEADER_BYTES_MAX));
    uint64_t crc = header_crc(bytes, header.header_bytes);
    if (crc != header.crc)
        return mr_fail(err, MR_ERR_CORRUPT,
                       "byte 72: found header checksum %016" PRIx64 ", expected %016" PRIx64,
                       header.crc, crc);
    if (header.base_pos % 8 || header.previous_end > header.base_pos)
        return mr_fail(err, MR_ERR_CORRUPT,
                       "byte 16: found base position %" PRIu64 " after an end at %" PRIu64
                       ", expected a multiple of 8 not before that end",
                       header.base_pos, header.previous_end);
    if (header.segment_bytes > UINT64_MAX - header.base_pos)
        return mr_fail(err, MR_ERR_CORRUPT,
                       "byte 24: found %" PRIu64 " bytes of stream from position %" PRIu64
                       ", expected an end that a position can say",
                       header.segment_bytes, header.base_pos);
    if (!schemas)
        return MR_OK;
    int code = mr_schema_table_read(
        schemas, (const uint8_t *)bytes + sizeof header,
        header.header_bytes - sizeof header - sizeof(struct mr_journal_mark), err);
    if (code != MR_OK)
        mr_error_within(err, "byte %zu", sizeof header);
    return code;
}

#define PROBLEM_BYTES 160
#define FOUND(...)                                                                                 \
    do {                                                                                           \
        if (problem)                                                                               \
            snprintf(problem, PROBLEM_BYTES, __VA_ARGS__);                                         \
        return MR_JOURNAL_BAD;                                                                     \
    } while (0)

// Padding shorter than an envelope has no room for a checksum: it is its length and zeroes.
static enum mr_journal_found examine_short(const uint8_t *bytes, uint32_t length, char *problem)
{
    if (length < 8 || length % 8)
        FOUND("found length %u, expected at least %d", length, MR_ENVELOPE_BYTES);
    for (uint32_t i = 4; i < length; i++)
        if (bytes[i])
            FOUND("found %02x in a padding of %u bytes, expected zero", bytes[i], length);
    return MR_JOURNAL_PADDING;
}

// A record that checks may still be of a schema that is not there, or shorter than its fields.
static enum mr_journal_found examine_schema(const uint8_t *bytes, uint32_t length,
                                            const struct mr_schema_set *schemas, char *problem)
{
    struct mr_record envelope;
    memcpy(&envelope, bytes, sizeof envelope);
    if (envelope.flags & MR_FLAG_PADDING)
        return MR_JOURNAL_PADDING;
    const struct mr_schema *schema = mr_schema_set_by_id(schemas, envelope.schema_id);
    if (!schema)
        FOUND("found schema id %u, expected one of the header's", envelope.schema_id);
    if (length < schema->record_bytes)
        FOUND("found length %u, expected at least %u for a %s", length, schema->record_bytes,
              schema->name);
    return MR_JOURNAL_RECORD;
}

enum mr_journal_found mr_journal_examine(const uint8_t *bytes, uint64_t left, uint64_t position,
                                         const struct mr_schema_set *schemas, uint32_t *length,
                                         char *problem)
{
    uint32_t found, checksum;
    if (left < 8 && memcmp(bytes, &(uint64_t){0}, left) == 0) {
        *length = 0;
        return MR_JOURNAL_ZERO;
    }
    if (left < 8)
        FOUND("found %" PRIu64 " bytes, expected a record", left);
    memcpy(&found, bytes, sizeof found);
    memcpy(&checksum, bytes + 4, sizeof checksum);
    *length = found;
    if (found == 0)
        return MR_JOURNAL_ZERO;
    uint64_t stride = mr_record_stride(found);
    if (stride > left)
        FOUND("found length %u, expected at most the %" PRIu64 " bytes that are left", found, left);
    if (found < MR_ENVELOPE_BYTES)
        return examine_short(bytes, found, problem);
    uint32_t expected = mr_record_checksum(bytes, found, position);
    if (checksum != expected)
        FOUND("found checksum %08x, expected %08x", checksum, expected);
    for (uint64_t i = found; i < stride; i++)
        if (bytes[i])
            FOUND("found %02x in the space behind the record, expected zero", bytes[i]);
    return examine_schema(bytes, found, schemas, problem);
}
