// SPDX-License-Identifier: Apache-2.0
// What one operation on the order book costs: a synthetic session of 8,000 stocks, decoded beforehand, is
// played into the book; each operation is followed by a look at the best price, as the operator does.
//
//     build/release/bench/book [MESSAGES] [SYMBOLS]
//
// Time is this thread's CPU time, so that a busy machine shows as noise rather than as the figure. Three
// ways, five runs each: the plain book; with the old bytes kept as a stage does; and with the order of
// the operation 8 further on prefetched, which is what a caller gains who knows what comes next.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "consumers/transform/book.h"
#include "core/formats/itch.h"
#include "gen/itch_session.h"

#define RUNS 5
#define PREFETCH_AHEAD 8

struct operation {
    uint64_t ref, new_ref;
    uint32_t price, shares;
    uint16_t locate;
    uint8_t side;
    char letter; // of the message
};

static struct operation *operations;
static size_t operation_count;

static void take(const uint8_t *m)
{
    struct operation op = {.letter = (char)m[0], .locate = mr_get_be16(m + 1)};
    if (strchr("AFECXDU", m[0]) == NULL)
        return;
    op.ref = mr_get_be64(m + 11);
    if (m[0] == 'A' || m[0] == 'F') {
        op.side = m[19] == 'B' ? MR_SIDE_BUY : MR_SIDE_SELL;
        op.shares = mr_get_be32(m + 20);
        op.price = mr_get_be32(m + 32);
    } else if (m[0] == 'U') {
        op.new_ref = mr_get_be64(m + 19);
        op.shares = mr_get_be32(m + 27);
        op.price = mr_get_be32(m + 31);
    } else if (m[0] != 'D') {
        op.shares = mr_get_be32(m + 19);
    }
    operations[operation_count++] = op;
}

static void make_operations(uint64_t messages, uint32_t symbols)
{
    static uint8_t buffer[1 << 20];
    struct mr_itch_session *session;
    struct mr_error err;
    struct mr_itch_session_options options = {.messages = messages, .seed = 1, .symbols = symbols};
    if (mr_itch_session_open(&session, &options, &err) != MR_OK) {
        fprintf(stderr, "%s\n", err.text);
        exit(err.code);
    }
    operations = malloc(messages * sizeof *operations);
    for (size_t bytes; (bytes = mr_itch_session_fill(session, buffer, sizeof buffer)) > 0;)
        for (size_t at = 0; at < bytes; at += 2 + (size_t)mr_get_be16(buffer + at))
            take(buffer + at + 2);
    mr_itch_session_close(session);
}

static void apply(struct mr_book *book, const struct operation *op)
{
    struct mr_order order = {.ref = op->ref,
                             .price = op->price,
                             .shares = op->shares,
                             .locate = op->locate,
                             .side = op->side};
    mr_levels_prefetch(&book->levels, op->locate);
    if (op->letter == 'A' || op->letter == 'F')
        mr_book_add(book, &order);
    else if (op->letter == 'U')
        mr_book_replace(book, op->ref, op->new_ref, op->price, op->shares, &order);
    else if (op->letter == 'D')
        mr_book_remove(book, op->ref, &order);
    else
        mr_book_reduce(book, op->ref, op->shares, &order);
    struct mr_level best;
    mr_book_best(book, op->locate, order.side, &best);
}

static uint8_t undo[1 << 20];
static size_t undo_used;

static void keep_old_bytes(void *context, void *at, uint32_t bytes)
{
    (void)context;
    if (undo_used + bytes + 16 > sizeof undo)
        undo_used = 0; // as after a commit
    memcpy(undo + undo_used, at, bytes);
    undo_used += mr_align_up(bytes, 8) + 8;
}

static double cpu_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static double run(struct mr_touch touch, bool prefetch)
{
    struct mr_book_limits limits = {1u << 20, 1u << 18};
    size_t bytes = mr_book_bytes(&limits);
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    struct mr_book book;
    mr_book_attach(&book, memory, &limits, touch);
    double start = cpu_ns();
    for (size_t i = 0; i < operation_count; i++) {
        if (prefetch && i + PREFETCH_AHEAD < operation_count)
            mr_order_prefetch(&book.orders, operations[i + PREFETCH_AHEAD].ref);
        apply(&book, &operations[i]);
    }
    double each = (cpu_ns() - start) / (double)operation_count;
    munmap(memory, bytes);
    return each;
}

// What memory itself costs here and now: as many reads at random places of the orders' table, each
// waiting for the one before it.
static double run_bare_reads(void)
{
    size_t words = mr_order_table_bytes(1u << 20) / 8;
    uint64_t *memory = mmap(NULL, words * 8, PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    uint64_t at = 1;
    double start = cpu_ns();
    for (size_t i = 0; i < operation_count; i++)
        at = (at * 6364136223846793005ULL + 1442695040888963407ULL) ^
             memory[(at >> 33) * words >> 31]; // of zeroes
    double each = (cpu_ns() - start) / (double)operation_count;
    munmap(memory, words * 8);
    return at == 0 ? 0 : each;
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void print(const char *what, double *each)
{
    qsort(each, RUNS, sizeof each[0], ascending);
    printf("%-28s %6.1f %6.1f %6.1f\n", what, each[0], each[RUNS / 2], each[RUNS - 1]);
}

// Interleaved, so that all meet the same weather.
static void measure(void)
{
    struct mr_touch keep = {keep_old_bytes, NULL};
    double bare[RUNS], book[RUNS], kept[RUNS], prefetched[RUNS];
    for (unsigned i = 0; i < RUNS; i++) {
        bare[i] = run_bare_reads();
        book[i] = run(MR_TOUCH_NONE, false);
        kept[i] = run(keep, false);
        prefetched[i] = run(keep, true);
    }
    print("one random read of memory", bare);
    print("book", book);
    print("book, old bytes kept", kept);
    print("book, old bytes, prefetch", prefetched);
}

int main(int argc, char **argv)
{
    uint64_t messages = argc > 1 ? strtoull(argv[1], NULL, 10) : 3000000;
    uint32_t symbols = argc > 2 ? (uint32_t)strtoul(argv[2], NULL, 10) : 8000;
    make_operations(messages, symbols);
    printf("%zu operations, %u stocks; ns of CPU per operation: min, median, max of %d runs\n",
           operation_count, symbols, RUNS);
    measure();
    free(operations);
    return 0;
}
