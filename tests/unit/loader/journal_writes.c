// SPDX-License-Identifier: Apache-2.0
// A stretch of the stream on its way into a segment file: in blocks that are full while others are on their way, in no
// more writes than there are places, and an I/O layer that takes nothing now is asked again.
#include "consumers/loader/journal_writes.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/support/faulty_io.h"
#include "tests/support/journal_bytes.h"

#define CAPACITY (64u << 20) // of the ring
#define HEADER_BYTES 4096u

static char *directory;
static struct mr_ring ring;
static struct mr_io io;
static struct mr_segment_files files;
static struct mr_journal_writes writes;
static struct mr_io_client client;

static void on_done(void *self, uint64_t tag, int64_t result)
{
    cr_assert_geq(result, 0);
    mr_journal_writes_done(self, tag);
}

static void set_up(void)
{
    directory = mr_test_directory();
    faulty_io = (struct faulty_io){0};
    ring = (struct mr_ring){
        .capacity = CAPACITY, .mask = CAPACITY - 1, .data = aligned_alloc(MR_PAGE_BYTES, CAPACITY)};
    cr_assert_not_null(ring.data);
    for (size_t i = 0; i < CAPACITY; i += 8)
        memcpy(ring.data + i, &i, 8);
}
static void tear_down(void)
{
    mr_io_close(&io);
    close(files.fd);
    free(ring.data);
    mr_test_remove_directory(directory);
}
TestSuite(journal_writes, .init = set_up, .fini = tear_down);

static void open_writes(unsigned depth)
{
    struct mr_error err;
    snprintf(files.path, sizeof files.path, "%s/segment", directory);
    files.fd = open(files.path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    cr_assert_geq(files.fd, 0);
    files.direct_fd = -1;
    files.header_bytes = HEADER_BYTES;
    cr_assert_eq(mr_io_open(&io, &faulty_io_backend, depth, &err), MR_OK);
    client = (struct mr_io_client){on_done, &writes};
    writes =
        (struct mr_journal_writes){.io = &io, .client = &client, .ring = &ring, .files = &files};
    mr_journal_writes_open(&writes, 0);
}

static void reap(void)
{
    struct mr_error err;
    cr_assert_eq(mr_io_reap(&io, 0, &err), MR_OK);
}

static void check_file(uint64_t bytes)
{
    size_t found;
    uint8_t *file = mr_test_read_file(files.path, &found);
    cr_assert_eq(found, HEADER_BYTES + bytes);
    cr_assert_eq(memcmp(file + HEADER_BYTES, ring.data, bytes), 0);
    free(file);
}

Test(journal_writes, a_busy_stream_goes_in_whole_blocks)
{
    open_writes(64);
    mr_journal_writes_accept(&writes, 1000);
    mr_journal_writes_submit(&writes);
    cr_expect_eq(writes.submitted_pos, 1000, "nothing else is on its way");
    mr_journal_writes_accept(&writes, 3000);
    mr_journal_writes_submit(&writes);
    cr_expect_eq(writes.submitted_pos, 1000, "the block is not full");
    mr_journal_writes_accept(&writes, 2 * writes.block_bytes);
    mr_journal_writes_submit(&writes);
    cr_expect_eq((HEADER_BYTES + writes.submitted_pos) % writes.block_bytes,
                 writes.block_bytes - writes.shift_bytes);
    cr_expect_eq(writes.count, 3, "what there was, the rest of its block, a whole one");
    reap();
    mr_journal_writes_submit(&writes);
    reap();
    cr_expect_eq(writes.written_pos, 2 * writes.block_bytes);
    check_file(2 * writes.block_bytes);
}

// A small ring has small blocks, at multiples of their size.
Test(journal_writes, blocks_by_the_ring)
{
    open_writes(64);
    cr_expect_eq(writes.block_bytes, 1 << 20);
    cr_expect_eq(writes.shift_bytes, 512 << 10, "no write covers an aligned MiB");
    ring.capacity = 1 << 20;
    mr_journal_writes_open(&writes, 0);
    cr_expect_eq(writes.block_bytes, 128 << 10);
    cr_expect_eq(writes.shift_bytes, 0);
    ring.capacity = 4096;
    mr_journal_writes_open(&writes, 0);
    cr_expect_eq(writes.block_bytes, MR_JOURNAL_BLOCK_BYTES_MIN);
}

// A burst of more blocks than there are places: the rest waits for the first ones.
Test(journal_writes, no_more_are_on_their_way_than_there_are_places)
{
    open_writes(64);
    mr_journal_writes_accept(&writes, CAPACITY);
    mr_journal_writes_submit(&writes);
    cr_expect_eq(writes.count, MR_JOURNAL_WRITES_MAX);
    cr_expect_eq(io.in_flight, MR_JOURNAL_WRITES_MAX);
    cr_expect_eq(HEADER_BYTES + writes.submitted_pos + writes.shift_bytes,
                 MR_JOURNAL_WRITES_MAX * writes.block_bytes);
    for (unsigned turn = 0; turn < 3 * MR_JOURNAL_WRITES_MAX; turn++) {
        reap();
        mr_journal_writes_submit(&writes);
    }
    cr_expect_eq(writes.written_pos, CAPACITY);
    check_file(CAPACITY);
}

// The same where the I/O layer has fewer places than that.
Test(journal_writes, an_io_layer_that_is_full_is_asked_again)
{
    open_writes(3);
    mr_journal_writes_accept(&writes, CAPACITY);
    mr_journal_writes_submit(&writes);
    cr_expect_eq(writes.count, 3);
    uint64_t before = writes.submitted_pos;
    mr_journal_writes_submit(&writes);
    cr_expect_eq(writes.submitted_pos, before);
    faulty_io.backwards = true;
    faulty_io.events_max = 1;
    reap();
    cr_expect_eq(writes.written_pos, 0, "the last one is done, the first one not");
    for (unsigned turn = 0; turn < 4 * CAPACITY / writes.block_bytes; turn++) {
        mr_journal_writes_submit(&writes);
        reap();
    }
    cr_expect_eq(writes.written_pos, CAPACITY);
    check_file(CAPACITY);
}

// Past the page cache only whole pages go, also where the stream goes on within one and blocks are shifted: what is
// left over before and behind them goes through it.
Test(journal_writes, direct_writes_are_whole_pages)
{
    const uint64_t begin_pos = 8ULL * 12345, end_pos = CAPACITY - 8;
    open_writes(64);
    cr_assert_eq(pwrite(files.fd, ring.data, begin_pos, HEADER_BYTES), (ssize_t)begin_pos);
    files.direct_fd = faulty_io.direct_fd = open(files.path, O_WRONLY | O_CLOEXEC);
    mr_journal_writes_open(&writes, begin_pos);
    cr_assert_gt(writes.shift_bytes, 0);
    unsigned turn = 0;
    for (uint64_t pos = begin_pos; writes.written_pos < end_pos;) {
        pos = mr_min_u64(pos + 777 * 1000, end_pos);
        if (pos > writes.accepted_pos)
            mr_journal_writes_accept(&writes, pos);
        mr_journal_writes_submit(&writes);
        if (++turn % 3 == 0 || pos == end_pos)
            reap();
    }
    check_file(end_pos);
    cr_expect_geq(faulty_io.direct_writes, (CAPACITY - begin_pos) / writes.block_bytes);
    cr_expect_eq(faulty_io.off_the_grid, 0);
    close(files.direct_fd);
    files.direct_fd = -1;
}

// Many short stretches at once: the places that are told are ends of stretches, the last one among them, and never one
// that is not reached.
Test(journal_writes, more_stretches_than_are_kept)
{
    const unsigned stretches = 3 * MR_JOURNAL_ENDS_MAX;
    open_writes(64);
    for (unsigned i = 1; i <= stretches; i++)
        mr_journal_writes_accept(&writes, 16ULL * i);
    for (uint64_t position = 0; position < 16ULL * stretches; position += 8) {
        uint64_t ended = mr_journal_writes_ended(&writes, position);
        cr_assert_leq(ended, position);
        cr_assert_eq(ended % 16, 0);
        if (position < 16ULL * (MR_JOURNAL_ENDS_MAX - 1))
            cr_assert_eq(ended, position / 16 * 16, "those that were kept one by one");
    }
    cr_expect_eq(mr_journal_writes_ended(&writes, 16ULL * stretches), 16ULL * stretches);
}
