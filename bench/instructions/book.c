// SPDX-License-Identifier: Apache-2.0
// Each operation of the order book, on orders of 16 stocks at 64 prices a side.
#include <stdlib.h>
#include <string.h>

#include "bench/instructions/cases.h"
#include "consumers/transform/book.h"

#define STOCKS 16
#define PRICES 64
#define SHARES 100

static struct mr_book book;
static struct mr_order before;

static struct mr_order order_of(uint64_t i)
{
    return (struct mr_order){.ref = 1 + i,
                             .locate = (uint16_t)(1 + i % STOCKS),
                             .side = i / STOCKS % 2 ? MR_SIDE_BUY : MR_SIDE_SELL,
                             .price = (uint32_t)(10000 + i * 37 % PRICES * 100),
                             .shares = SHARES};
}

static bool add(uint64_t i)
{
    struct mr_order order = order_of(i);
    return mr_book_add(&book, &order) == MR_BOOK_DONE;
}
static bool reduce(uint64_t i)
{
    const struct mr_order *order = mr_book_find(&book, 1 + i);
    return order && mr_book_reduce(&book, order, 1, &before) == MR_BOOK_DONE &&
           before.shares == SHARES;
}
static bool execute_whole(uint64_t i)
{
    const struct mr_order *order = mr_book_find(&book, 1 + i);
    return order && mr_book_reduce(&book, order, order->shares, &before) == MR_BOOK_DONE;
}
static bool delete (uint64_t i)
{
    const struct mr_order *order = mr_book_find(&book, 1 + i);
    if (order)
        mr_book_remove(&book, order, &before);
    return order != NULL;
}
static bool replace(uint64_t i)
{
    const struct mr_order *order = mr_book_find(&book, 1 + i);
    uint32_t price = order ? order->price + 100 : 0;
    return order && mr_book_replace(&book, order, 1 + CASE_RECORDS + i, price, SHARES, &before) ==
                        MR_BOOK_DONE;
}
static bool replaced_goes(uint64_t i)
{
    return delete (CASE_RECORDS + i);
}
static bool foresee(uint64_t i)
{
    struct mr_book_coming coming = {.ref = 1 + i, .locate = (uint16_t)(1 + i % STOCKS)};
    mr_book_foresee(&book, &coming);
    return true;
}
static bool best(uint64_t i)
{
    struct mr_order order = order_of(i);
    struct mr_level level;
    return mr_book_best(&book, order.locate, order.side, &level) && level.shares > 0;
}

// One pass over all orders.
static void pass(const char *name, bool (*operation)(uint64_t), uint64_t orders_live)
{
    bool good = true;
    struct tally tally = tally_start(name);
    count_begin();
    for (uint64_t i = 0; i < CASE_RECORDS; i++)
        good &= operation(i);
    count_end();
    tally_finish(&tally, CASE_RECORDS);
    expect(good && mr_book_orders_live(&book) == orders_live, name,
           "the book refused an operation, or holds other orders than it should");
}

void count_book(void)
{
    static const struct mr_book_limits limits = {4 * CASE_RECORDS, 4 * CASE_RECORDS};
    uint64_t bytes = mr_align_up(mr_book_bytes(&limits), MR_PAGE_BYTES);
    void *memory = aligned_alloc(MR_PAGE_BYTES, bytes);
    expect(memory != NULL, "book", "no memory");
    memset(memory, 0, bytes);
    mr_book_attach(&book, memory, &limits, MR_TOUCH_NONE);
    pass("book add", add, CASE_RECORDS);
    pass("book best", best, CASE_RECORDS);
    pass("book foresee", foresee, CASE_RECORDS);
    pass("book reduce", reduce, CASE_RECORDS);
    pass("book replace", replace, CASE_RECORDS);
    pass("book delete", replaced_goes, 0);
    for (uint64_t i = 0; i < CASE_RECORDS; i++)
        expect(add(i), "book", "an order is refused");
    pass("book execute whole", execute_whole, 0);
    free(memory);
}
