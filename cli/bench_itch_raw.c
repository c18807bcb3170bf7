// SPDX-License-Identifier: Apache-2.0
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "cli/bench_itch.h"
#include "consumers/transform/order_table.h"
#include "core/clock.h"

#define LINES_READ 1000000u
#define AHEAD_MAX 16
#define HUGE_PAGE_BYTES (2u << 20)

static double copy(const struct mr_itch_feed *feed, uint8_t *to)
{
    int64_t start_ns = mr_mono_ns();
    memcpy(to, feed->bytes, feed->length);
    int64_t ns = mr_mono_ns() - start_ns;
    return memcmp(to, feed->bytes, feed->length) == 0 ? (double)ns / (double)feed->messages : 0;
}

// Adds to words at random lines, each known `ahead` of its turn; without, the next place waits for the word.
static double change_lines(uint8_t *memory, uint64_t lines, unsigned ahead)
{
    uint64_t at = 1, *fetched[AHEAD_MAX + 1] = {NULL};
    int64_t start_ns = mr_mono_ns();
    for (unsigned i = 0; i < LINES_READ; i++) {
        at = at * 6364136223846793005ULL + 1442695040888963407ULL;
        uint64_t *line = (void *)(memory + ((at >> 33) * lines >> 31) * MR_CACHE_LINE);
        __builtin_prefetch(line, 1);
        fetched[(i + ahead) % (AHEAD_MAX + 1)] = line;
        uint64_t *now = fetched[i % (AHEAD_MAX + 1)];
        if (now != NULL)
            at += ++*now & 1ull << 63; // never set, but the machine must wait for it
    }
    return (double)(mr_mono_ns() - start_ns) / LINES_READ;
}

void *mr_itch_bench_memory(uint64_t bytes)
{
    uint64_t whole = mr_align_up(bytes, HUGE_PAGE_BYTES);
    void *memory = aligned_alloc(HUGE_PAGE_BYTES, whole);
    if (!memory)
        return NULL;
    madvise(memory, whole, MADV_HUGEPAGE); // where there are none, small ones
    memset(memory, 0, whole);
    return memory;
}

int mr_itch_bench_raw(const struct mr_itch_feed *feed, struct mr_itch_bench_round *round,
                      struct mr_error *err)
{
    uint64_t lines = mr_order_table_bytes(MR_ITCH_BENCH_ORDERS_MAX) / MR_CACHE_LINE;
    uint64_t bytes = mr_max_u64(lines * MR_CACHE_LINE, mr_align_up(feed->length, MR_CACHE_LINE));
    uint8_t *memory = mr_itch_bench_memory(bytes);
    if (!memory)
        return mr_fail(err, MR_ERR_MEMORY, "no memory for a copy of %zu bytes", feed->length);
    round->line_ns = change_lines(memory, lines, 0);
    round->line_ahead_ns = change_lines(memory, lines, AHEAD_MAX);
    round->copy_ns = copy(feed, memory);
    free(memory);
    return round->copy_ns > 0 ? MR_OK : mr_fail(err, MR_ERR_CORRUPT, "a copy differs");
}
