// SPDX-License-Identifier: Apache-2.0
#include "consumers/loader/journal_compare.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PIECE_BYTES (256u << 10)

int mr_journal_compare_open(struct mr_journal_compare *compare, const char *directory,
                            struct mr_error *err)
{
    snprintf(compare->directory, sizeof compare->directory, "%s", directory);
    return mr_journal_list(directory, &compare->bases, &compare->count, err);
}

void mr_journal_compare_close(struct mr_journal_compare *compare)
{
    if (compare->is_open)
        mr_journal_file_close(&compare->file);
    free(compare->bases);
    compare->bases = NULL;
    compare->is_open = false;
}

static bool holds(const struct mr_journal_compare *compare, uint64_t position)
{
    return compare->is_open && position >= compare->file.header.base_pos &&
           position < compare->until_pos;
}

// Opens the segment that holds the position.
static int go_to(struct mr_journal_compare *compare, uint64_t position, struct mr_error *err)
{
    unsigned index = 0;
    if (holds(compare, position))
        return MR_OK;
    if (compare->is_open)
        mr_journal_file_close(&compare->file);
    compare->is_open = false;
    while (index + 1 < compare->count && compare->bases[index + 1] <= position)
        index++;
    mr_journal_segment_path(compare->directory, compare->count ? compare->bases[index] : 0,
                            compare->path, sizeof compare->path);
    int code = mr_journal_file_open(&compare->file, compare->path, NULL, err);
    if (code != MR_OK)
        return code;
    compare->is_open = true;
    // A power cut can take the cut of a finished file back: what is behind its stream is not of it.
    compare->until_pos = mr_journal_file_end(&compare->file);
    if (index + 1 < compare->count)
        compare->until_pos = mr_min_u64(compare->until_pos, compare->bases[index + 1]);
    return holds(compare, position)
               ? MR_OK
               : mr_fail(err, MR_ERR_CORRUPT, "%s: found no position %" PRIu64 ", expected it here",
                         compare->path, position);
}

static int differ(const struct mr_journal_compare *compare, uint64_t position, uint8_t found,
                  uint8_t made, struct mr_error *err)
{
    const struct mr_journal_header *header = &compare->file.header;
    return mr_fail(err, MR_ERR_INPUT,
                   "%s: byte %" PRIu64 " (position %" PRIu64
                   "): found %02x in the journal of the run that was cut off, but made %02x again: "
                   "the input is not what it was then; give that run up with `millrace clean`, or "
                   "give it the same input",
                   compare->path, header->header_bytes + position - header->base_pos, position,
                   found, made);
}

static int compare_range(const struct mr_journal_compare *compare, uint64_t position,
                         const uint8_t *found, const uint8_t *made, uint64_t from, uint64_t to,
                         struct mr_error *err)
{
    if (memcmp(found + from, made + from, to - from) == 0)
        return MR_OK;
    while (found[from] == made[from])
        from++;
    return differ(compare, position + from, found[from], made[from], err);
}

// All of a record but what depends on when it was made.
static int compare_record(const struct mr_journal_compare *compare, uint64_t position,
                          const uint8_t *found, const uint8_t *made, uint64_t stride,
                          struct mr_error *err)
{
    const uint64_t ingest_at = offsetof(struct mr_record, ingest_time_ns);
    if (stride < MR_ENVELOPE_BYTES)
        return compare_range(compare, position, found, made, 0, stride, err);
    int code = compare_range(compare, position, found, made, 0, sizeof(uint32_t), err);
    if (code == MR_OK)
        code = compare_range(compare, position, found, made, offsetof(struct mr_record, sequence),
                             ingest_at, err);
    return code == MR_OK ? compare_range(compare, position, found, made,
                                         ingest_at + sizeof(int64_t), stride, err)
                         : code;
}

// How many bytes are compared at once: where times differ, one record.
static uint64_t piece_of(const struct mr_journal_compare *compare, const uint8_t *made,
                         uint64_t length)
{
    uint32_t found;
    if (!compare->later)
        return mr_min_u64(length, PIECE_BYTES);
    memcpy(&found, made, sizeof found);
    return mr_min_u64(length, mr_record_stride(found));
}

static int compare_piece(struct mr_journal_compare *compare, uint64_t position, const uint8_t *made,
                         uint64_t bytes, struct mr_error *err)
{
    uint64_t left;
    const uint8_t *found = mr_journal_file_look(&compare->file, position, bytes, &left, err);
    if (!found)
        return err->code;
    if (left < bytes)
        return mr_fail(err, MR_ERR_CORRUPT,
                       "%s: found its end at position %" PRIu64
                       ", expected the journal of the run that was cut off up to position %" PRIu64
                       ": the file was cut meanwhile",
                       compare->path, position + left, position + bytes);
    return compare->later ? compare_record(compare, position, found, made, bytes, err)
                          : compare_range(compare, position, found, made, 0, bytes, err);
}

int mr_journal_compare(struct mr_journal_compare *compare, uint64_t position, const uint8_t *bytes,
                       uint64_t length, struct mr_error *err)
{
    for (uint64_t done = 0; done < length;) {
        uint64_t at = position + done;
        int code = go_to(compare, at, err);
        if (code != MR_OK)
            return code;
        uint64_t piece =
            piece_of(compare, bytes + done, mr_min_u64(length - done, compare->until_pos - at));
        code = compare_piece(compare, at, bytes + done, piece, err);
        if (code != MR_OK)
            return code;
        done += piece;
    }
    return MR_OK;
}
