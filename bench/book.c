// SPDX-License-Identifier: Apache-2.0
// What one operation on the order book costs: a synthetic session of 8,000 stocks, decoded beforehand, is
// played into the book; each operation is followed by a look at the best price, as the operator does.
//
//     build/release/bench/book [MESSAGES] [SYMBOLS] [ORDERS_MAX]
//
// The first half fills the book, the second is measured, in this thread's CPU time, so that a busy machine
// shows as noise rather than as the figure. Ways, interleaved, five runs each: the plain book; with the old
// bytes kept as a stage keeps them; with the operations foreseen that are so many further on; both, at each
// distance of the table in docs/PERFORMANCE.md, "How far ahead to look"; and that at the transform's distance on
// huge pages, where the kernel grants them. `book 6000000 8000` repeats the table. Beside them what memory
// costs: a line at a random place of the orders' table, each waiting for the one before it, or all known 16
// beforehand. Every operation must fit, and every way end in the same book.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "consumers/transform/book.h"
#include "consumers/transform/operator.h"
#include "core/formats/itch.h"
#include "core/pipeline/stage.h"
#include "gen/itch_session.h"

#define RUNS 5
#define AHEAD_MAX 64
#define BATCH_OPERATIONS 230 // what a transform commits at a time by default
#define HUGE_PAGE_BYTES (2u << 20)
#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25 // Linux 6.1
#endif

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
    enum mr_book_answer answer = MR_BOOK_DONE;
    bool comes = op->letter == 'A' || op->letter == 'F';
    const struct mr_order *there = comes ? NULL : mr_book_find(book, op->ref);
    if (comes)
        answer = mr_book_add(book, &order);
    else if (there == NULL)
        answer = MR_BOOK_FULL;
    else if (op->letter == 'U')
        answer = mr_book_replace(book, there, op->new_ref, op->price, op->shares, &order);
    else if (op->letter == 'D')
        mr_book_remove(book, there, &order);
    else
        answer = mr_book_reduce(book, there, op->shares, &order);
    struct mr_level best;
    mr_book_best(book, op->locate, order.side, &best);
    if (answer != MR_BOOK_DONE) {
        fprintf(stderr, "order %llu does not fit the book\n", (unsigned long long)op->ref);
        exit(EXIT_FAILURE);
    }
}

static void foresee(struct mr_book *book, const struct operation *op)
{
    struct mr_book_coming coming = {
        .ref = op->ref, .price = op->price, .locate = op->locate, .side = op->side};
    mr_book_foresee(book, &coming);
    if (op->new_ref != 0)
        mr_book_foresee_new(book, op->new_ref);
}

// ---- the ways

struct way {
    const char *name;
    unsigned ahead;
    bool kept, huge;
};

_Static_assert(MR_FORESIGHT == 12, "the transform's distance is among the ways");
static const struct way ways[] = {
    {"book", 0, false, false},
    {"old bytes kept", 0, true, false},
    {"foreseen 12 ahead", 12, false, false},
    {"kept, foreseen 4 ahead", 4, true, false},
    {"kept, foreseen 8 ahead", 8, true, false},
    {"kept, foreseen 12 ahead", 12, true, false},
    {"kept, foreseen 16 ahead", 16, true, false},
    {"kept, foreseen 24 ahead", 24, true, false},
    {"kept, foreseen 32 ahead", 32, true, false},
    {"kept, 12 ahead, huge pages", 12, true, true},
};
#define WAYS (sizeof ways / sizeof ways[0])

static struct mr_book_limits limits = {1u << 21, 1u << 20};
static uint64_t end_digest; // of the book after the first run
static uint64_t end_live;   // orders in it
static bool small_pages;    // where huge ones were asked for

static double cpu_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

// Whether half of what should be huge is, of all that the process has.
static bool huge_granted(size_t bytes)
{
    char line[256];
    unsigned long long kib = 0;
    FILE *file = fopen("/proc/self/smaps_rollup", "re");
    while (file && fgets(line, sizeof line, file) && sscanf(line, "AnonHugePages: %llu", &kib) != 1)
        continue;
    if (file)
        fclose(file);
    return kib << 10 >= bytes / 2;
}

static uint8_t *map(size_t bytes, bool huge)
{
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) {
        perror("mmap");
        exit(EXIT_FAILURE);
    }
    madvise(memory, bytes, huge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
    memset(memory, 0, bytes);
    if (huge) {
        madvise(memory, bytes, MADV_COLLAPSE); // where the advice alone is not enough
        small_pages |= !huge_granted(bytes);
    }
    return memory;
}

// A stage of which only the undo log is there.
static struct mr_stage stage;

static uint64_t digest_of(const struct mr_book *book)
{
    uint64_t digest = mr_book_orders_live(book) * 1000003 + mr_book_levels_live(book);
    for (uint32_t locate = 0; locate < MR_LOCATES; locate++)
        for (enum mr_side side = MR_SIDE_BUY; side <= MR_SIDE_SELL; side++) {
            struct mr_level best;
            mr_book_best(book, (uint16_t)locate, side, &best);
            digest = digest * 31 + best.price * 7ull + best.shares + best.orders;
        }
    return digest;
}

static void check_end(const struct mr_book *book)
{
    uint64_t digest = digest_of(book);
    if (end_digest != 0 && digest != end_digest) {
        fprintf(stderr, "two ways end in different books\n");
        exit(EXIT_FAILURE);
    }
    end_digest = digest;
    end_live = mr_book_orders_live(book);
}

static double run(const struct way *way)
{
    size_t bytes = mr_align_up(mr_book_bytes(&limits), HUGE_PAGE_BYTES);
    uint8_t *memory = map(bytes, way->huge);
    struct mr_touch keep = {&stage};
    struct mr_book book;
    stage.state = memory;
    stage.state_bytes = bytes;
    mr_book_attach(&book, memory, &limits, way->kept ? keep : MR_TOUCH_NONE);
    size_t half = operation_count / 2, last = operation_count - AHEAD_MAX;
    double start = 0;
    for (size_t i = 0; i < last; i++) {
        if (i == half)
            start = cpu_ns();
        if (way->ahead > 0)
            foresee(&book, &operations[i + way->ahead]);
        apply(&book, &operations[i]);
        if (i % BATCH_OPERATIONS == 0)
            stage.epoch++; // as after a commit
    }
    double each = (cpu_ns() - start) / (double)(last - half);
    check_end(&book);
    munmap(memory, bytes);
    return each;
}

// ---- what memory itself costs here and now

static double read_lines(unsigned ahead)
{
    size_t bytes = mr_order_table_bytes(limits.orders_max), lines = bytes / MR_CACHE_LINE;
    uint8_t *memory = map(bytes, false);
    uint64_t at = 1, *fetched[AHEAD_MAX] = {NULL};
    double start = cpu_ns();
    for (size_t i = 0; i < operation_count; i++) {
        uint64_t **oldest = &fetched[i % AHEAD_MAX];
        at = at * 6364136223846793005ULL + 1442695040888963407ULL;
        uint64_t *line = (void *)(memory + ((at >> 33) * lines >> 31) * MR_CACHE_LINE);
        __builtin_prefetch(line, 1);
        fetched[(i + ahead) % AHEAD_MAX] = line;
        if (*oldest != NULL)
            at += ++**oldest & 1ull << 63; // never set; but the next place waits for it
    }
    double each = (cpu_ns() - start) / (double)operation_count;
    munmap(memory, bytes);
    return each;
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

static void measure(void)
{
    double dependent[RUNS], known[RUNS], each[WAYS][RUNS];
    for (unsigned i = 0; i < RUNS; i++) {
        dependent[i] = read_lines(0);
        known[i] = read_lines(16);
        for (unsigned j = 0; j < WAYS; j++)
            each[j][i] = run(&ways[j]);
    }
    print("a random line of memory", dependent);
    print("the same, known 16 ahead", known);
    for (unsigned j = 0; j < WAYS; j++)
        if (ways[j].huge && small_pages)
            printf("%-28s the kernel grants none\n", ways[j].name);
        else
            print(ways[j].name, each[j]);
    printf("%llu orders live at the end\n", (unsigned long long)end_live);
}

static int make_stage(void)
{
    stage.shared = calloc(1, sizeof *stage.shared);
    stage.undo = calloc(1, sizeof *stage.undo + MR_UNDO_BYTES);
    return stage.shared != NULL && stage.undo != NULL;
}

int main(int argc, char **argv)
{
    uint64_t messages = argc > 1 ? strtoull(argv[1], NULL, 10) : 10000000;
    uint32_t symbols = argc > 2 ? (uint32_t)strtoul(argv[2], NULL, 10) : 8000;
    if (argc > 3)
        limits.orders_max = (uint32_t)strtoul(argv[3], NULL, 10);
    make_operations(messages, symbols);
    if (!make_stage() || operation_count < 2 * AHEAD_MAX)
        return EXIT_FAILURE;
    printf("%zu operations, %u stocks; ns of CPU per operation: min, median, max of %d runs\n",
           operation_count, symbols, RUNS);
    measure();
    free(operations);
    free(stage.shared);
    free(stage.undo);
    return 0;
}
