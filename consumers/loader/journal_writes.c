// SPDX-License-Identifier: Apache-2.0
#include "consumers/loader/journal_writes.h"

#define FOLIO_BYTES (512ULL << 10)

void mr_journal_writes_open(struct mr_journal_writes *writes, uint64_t start_pos)
{
    writes->written_pos = writes->submitted_pos = writes->accepted_pos = writes->ended_pos =
        start_pos;
    writes->block_bytes =
        mr_max_u64(mr_min_u64(writes->ring->capacity / 8, MR_JOURNAL_BLOCK_BYTES_MAX),
                   MR_JOURNAL_BLOCK_BYTES_MIN);
    writes->shift_bytes = writes->block_bytes > FOLIO_BYTES ? FOLIO_BYTES : 0;
}

void mr_journal_writes_accept(struct mr_journal_writes *writes, uint64_t end_pos)
{
    // Without room for one more place the last two become one.
    if (writes->end_count < MR_JOURNAL_ENDS_MAX)
        writes->end_count++;
    unsigned last = (writes->first_end + writes->end_count - 1) % MR_JOURNAL_ENDS_MAX;
    writes->ends[last] = end_pos;
    writes->accepted_pos = end_pos;
}

uint64_t mr_journal_writes_ended(struct mr_journal_writes *writes, uint64_t position)
{
    while (writes->end_count > 0 && writes->ends[writes->first_end] <= position) {
        writes->ended_pos = writes->ends[writes->first_end];
        writes->first_end = (writes->first_end + 1) % MR_JOURNAL_ENDS_MAX;
        writes->end_count--;
    }
    return writes->ended_pos;
}

static uint64_t offset_of(const struct mr_journal_writes *writes, uint64_t position)
{
    return writes->files->header_bytes + position - writes->files->base_pos;
}

// Where the next write ends: the block's end or the ring's wrap; before that only if nothing else is on
// its way. submitted_pos: not yet.
static uint64_t next_end(const struct mr_journal_writes *writes)
{
    uint64_t begin = writes->submitted_pos;
    uint64_t block_left = writes->block_bytes - ((offset_of(writes, begin) + writes->shift_bytes) &
                                                 (writes->block_bytes - 1));
    uint64_t end = mr_min_u64(begin + block_left, (begin | writes->ring->mask) + 1);
    if (end <= writes->accepted_pos)
        return end;
    return writes->count == 0 ? writes->accepted_pos : begin;
}

// Which descriptor takes the bytes from `begin` on, and how far: whole pages go past the cache, the
// rest of one before or behind them does not.
static int way_of(const struct mr_journal_writes *writes, uint64_t begin, uint64_t *end)
{
    const struct mr_segment_files *files = writes->files;
    if (files->direct_fd < 0)
        return files->fd;
    uint64_t offset = offset_of(writes, begin), end_offset = offset_of(writes, *end);
    uint64_t page_end = mr_align_up(offset, MR_PAGE_BYTES);
    uint64_t last_page = end_offset / MR_PAGE_BYTES * MR_PAGE_BYTES;
    if (page_end != offset) {
        *end = begin + mr_min_u64(page_end, end_offset) - offset;
        return files->fd;
    }
    if (last_page == offset)
        return files->fd;
    *end = begin + last_page - offset;
    return files->direct_fd;
}

static bool submit_one(struct mr_journal_writes *writes, uint64_t end)
{
    uint64_t begin = writes->submitted_pos;
    int fd = way_of(writes, begin, &end);
    unsigned at = (writes->first + writes->count) % MR_JOURNAL_WRITES_MAX;
    const uint8_t *bytes = writes->ring->data + (begin & writes->ring->mask);
    writes->items[at] = (struct mr_journal_write){.end_pos = end};
    bool brief = fd == writes->files->fd && end - begin <= MR_JOURNAL_BRIEF_BYTES;
    if (!(brief ? mr_io_write_brief : mr_io_write)(writes->io, writes->client, fd, bytes,
                                                   end - begin, (int64_t)offset_of(writes, begin),
                                                   at))
        return false;
    writes->count++;
    writes->submitted_pos = end;
    return true;
}

void mr_journal_writes_submit(struct mr_journal_writes *writes)
{
    uint64_t end = next_end(writes);
    while (end > writes->submitted_pos && writes->count < MR_JOURNAL_WRITES_MAX) {
        // A piece that has to go another way than the rest goes first.
        if (!submit_one(writes, end))
            return;
        if (writes->submitted_pos == end)
            end = next_end(writes);
    }
}

// Only a prefix without holes counts as written.
void mr_journal_writes_done(struct mr_journal_writes *writes, uint64_t tag)
{
    writes->items[tag].done = true;
    while (writes->count > 0 && writes->items[writes->first].done) {
        writes->written_pos = writes->items[writes->first].end_pos;
        writes->first = (writes->first + 1) % MR_JOURNAL_WRITES_MAX;
        writes->count--;
    }
}
