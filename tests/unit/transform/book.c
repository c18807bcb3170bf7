// SPDX-License-Identifier: Apache-2.0
// The order book against a model of plain arrays, and its rollback against a copy of its memory.
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "consumers/transform/book.h"

static uint64_t random_state;

static uint64_t next_random(void) // xorshift64*
{
    random_state ^= random_state >> 12;
    random_state ^= random_state << 25;
    random_state ^= random_state >> 27;
    return random_state * 0x2545F4914F6CDD1DULL;
}

static uint32_t below(uint32_t bound)
{
    return (uint32_t)((next_random() >> 32) * bound >> 32);
}

// ---- the model

struct model {
    struct mr_order *orders;
    uint32_t count;
};

static struct mr_level model_best(const struct model *model, uint16_t locate, enum mr_side side,
                                  const struct mr_level *worse_than)
{
    struct mr_level best = {0};
    for (uint32_t i = 0; i < model->count; i++) {
        const struct mr_order *o = &model->orders[i];
        if (o->locate != locate || o->side != side)
            continue;
        bool is_buy = side == MR_SIDE_BUY;
        if (worse_than && (is_buy ? o->price >= worse_than->price : o->price <= worse_than->price))
            continue;
        if (best.orders > 0 && (is_buy ? o->price < best.price : o->price > best.price))
            continue;
        if (best.orders == 0 || o->price != best.price)
            best = (struct mr_level){o->price, 0, 0};
        best.orders++;
        best.shares += o->shares;
    }
    return best;
}

static bool is_same_level(const struct mr_level *a, const struct mr_level *b)
{
    return a->price == b->price && a->orders == b->orders && a->shares == b->shares;
}

#define DEPTH_MAX 4096
static uint64_t check_depth(const struct mr_book *book, const struct model *model, uint16_t locate,
                            enum mr_side side)
{
    static struct mr_level found[DEPTH_MAX];
    unsigned depth = mr_levels_top(&book->levels, locate, side, found, DEPTH_MAX);
    const struct mr_level *above = NULL;
    for (unsigned i = 0; i < depth; i++) {
        struct mr_level expected = model_best(model, locate, side, above);
        cr_assert(is_same_level(&found[i], &expected),
                  "level %u of %u/%d: %u x %llu, model %u x %llu", i, locate, side, found[i].price,
                  (unsigned long long)found[i].shares, expected.price,
                  (unsigned long long)expected.shares);
        above = &found[i];
    }
    struct mr_level rest = model_best(model, locate, side, above);
    cr_assert_eq(rest.orders, 0, "the model has more levels than the book's %u", depth);
    return depth;
}

// ---- random lives of orders

struct market {
    struct mr_book book;
    struct model model;
    void *memory;
    uint64_t bytes;
    struct mr_book_limits limits;
    uint32_t live_wanted;
    uint32_t prices;
    uint64_t next_ref, ref_step;
};

static const uint16_t locates[] = {0, 7, 65535};

static void market_open(struct market *m, uint32_t live_wanted, uint32_t prices, uint64_t ref_step)
{
    m->limits = (struct mr_book_limits){live_wanted * 2, live_wanted * 16};
    m->bytes = mr_book_bytes(&m->limits);
    m->memory = aligned_alloc(64, mr_align_up(m->bytes, 64));
    memset(m->memory, 0, m->bytes);
    mr_book_attach(&m->book, m->memory, &m->limits, MR_TOUCH_NONE);
    m->model.orders = malloc((live_wanted * 2 + 2) * sizeof *m->model.orders);
    m->model.count = 0;
    m->live_wanted = live_wanted;
    m->prices = prices;
    m->next_ref = 1000;
    m->ref_step = ref_step;
}

static void market_close(struct market *m)
{
    free(m->memory);
    free(m->model.orders);
}

static struct mr_order random_order(struct market *m)
{
    m->next_ref += m->ref_step;
    return (struct mr_order){.ref = m->next_ref,
                             .price = 1 + below(m->prices),
                             .shares = 1 + below(500),
                             .locate = locates[below(3)],
                             .side = below(2) ? MR_SIDE_BUY : MR_SIDE_SELL};
}

static struct mr_order add_one(struct market *m)
{
    struct mr_order order = random_order(m);
    cr_assert_eq(mr_book_add(&m->book, &order), MR_BOOK_DONE);
    m->model.orders[m->model.count++] = order;
    return order;
}

static void check_before(const struct mr_order *found, const struct mr_order *expected)
{
    cr_assert(found->ref == expected->ref && found->price == expected->price &&
                  found->shares == expected->shares && found->locate == expected->locate &&
                  found->side == expected->side,
              "order %llu", (unsigned long long)expected->ref);
}

static void reduce_one(struct market *m, uint32_t at)
{
    struct mr_order *o = &m->model.orders[at], before;
    uint32_t shares = 1 + below(o->shares + 20);
    enum mr_book_answer expected = shares > o->shares ? MR_BOOK_OVERFILL : MR_BOOK_DONE;
    cr_assert_eq(mr_book_reduce(&m->book, mr_book_find(&m->book, o->ref), shares, &before),
                 expected);
    check_before(&before, o);
    if (shares >= o->shares)
        *o = m->model.orders[--m->model.count];
    else
        o->shares -= shares;
}

static void replace_one(struct market *m, uint32_t at)
{
    struct mr_order *o = &m->model.orders[at], before, next = random_order(m);
    cr_assert_eq(mr_book_replace(&m->book, mr_book_find(&m->book, o->ref), next.ref, next.price,
                                 next.shares, &before),
                 MR_BOOK_DONE);
    check_before(&before, o);
    o->ref = next.ref;
    o->price = next.price;
    o->shares = next.shares;
}

static void remove_one(struct market *m, uint32_t at)
{
    struct mr_order before, expected = m->model.orders[at];
    mr_book_remove(&m->book, mr_book_find(&m->book, expected.ref), &before);
    check_before(&before, &expected);
    m->model.orders[at] = m->model.orders[--m->model.count];
    cr_assert_null(mr_book_find(&m->book, expected.ref));
}

// One random operation; returns an order of the symbol and side it was about.
static struct mr_order step(struct market *m)
{
    if (m->model.count < 2 || below(m->live_wanted * 2) > m->model.count)
        return add_one(m);
    uint32_t at = below(m->model.count);
    struct mr_order about = m->model.orders[at];
    switch (below(4)) {
    case 0:
        reduce_one(m, at);
        break;
    case 1:
        replace_one(m, at);
        break;
    default:
        remove_one(m, at);
    }
    return about;
}

static void check_everything(const struct market *m)
{
    uint64_t levels = 0;
    for (unsigned i = 0; i < 3; i++) {
        levels += check_depth(&m->book, &m->model, locates[i], MR_SIDE_BUY);
        levels += check_depth(&m->book, &m->model, locates[i], MR_SIDE_SELL);
    }
    cr_assert_eq(mr_book_levels_live(&m->book), levels);
    cr_assert_eq(mr_book_orders_live(&m->book), m->model.count);
    for (uint32_t i = 0; i < m->model.count; i++) {
        const struct mr_order *found = mr_book_find(&m->book, m->model.orders[i].ref);
        cr_assert_not_null(found);
        check_before(found, &m->model.orders[i]);
    }
}

static void run_market(uint64_t seed, uint32_t steps, uint32_t live, uint32_t prices,
                       uint64_t ref_step)
{
    struct market m;
    random_state = seed;
    market_open(&m, live, prices, ref_step);
    for (uint32_t i = 0; i < steps; i++) {
        struct mr_order about = step(&m);
        struct mr_level found, expected = model_best(&m.model, about.locate, about.side, NULL);
        cr_assert_eq(mr_book_best(&m.book, about.locate, about.side, &found), expected.orders > 0);
        cr_assert(is_same_level(&found, &expected), "step %u", i);
        if (i % (steps / 20) == 0)
            check_everything(&m);
    }
    while (m.model.count > 0)
        remove_one(&m, below(m.model.count));
    check_everything(&m);
    market_close(&m);
}

Test(book, agrees_with_the_model_over_a_million_operations)
{
    run_market(1, 1000000, 300, 120, 4);
}

Test(book, agrees_with_the_model_on_deep_books)
{
    run_market(2, 60000, 3000, 1500, 1);
}

// All references share the low bits: every order has the same few home slots.
Test(book, agrees_with_the_model_on_colliding_references)
{
    run_market(3, 60000, 800, 60, 1ULL << 40);
}

// ---- rollback

// A stage of which only the state and its undo log are there.
static void stage_open(struct mr_stage *stage, struct market *m)
{
    memset(stage, 0, sizeof *stage);
    stage->state = m->memory;
    stage->state_bytes = m->bytes;
    stage->undo = calloc(1, sizeof *stage->undo + MR_UNDO_BYTES);
    cr_assert_not_null(stage->undo);
}

// Newest first, as the stage does.
static void roll_back(struct mr_stage *stage)
{
    const struct mr_undo_log *undo = stage->undo;
    uint64_t used = undo->epoch == stage->epoch + 1 ? undo->used : 0;
    while (used > 0) {
        struct mr_undo_trailer trailer;
        memcpy(&trailer, undo->entries + used - sizeof trailer, sizeof trailer);
        used -= mr_align_up(trailer.bytes, 8) + sizeof trailer;
        cr_assert_leq((uint64_t)trailer.offset + trailer.bytes, stage->state_bytes);
        memcpy(stage->state + trailer.offset, undo->entries + used, trailer.bytes);
    }
}

Test(book, rolls_back_to_the_last_byte)
{
    struct market m;
    random_state = 4;
    market_open(&m, 1500, 900, 1);
    static struct mr_stage stage;
    stage_open(&stage, &m);
    uint8_t *copy = malloc(m.bytes);
    struct mr_order *orders = malloc((m.live_wanted * 2 + 2) * sizeof *orders);
    mr_book_attach(&m.book, m.memory, &m.limits, (struct mr_touch){&stage});
    for (unsigned round = 0; round < 200; round++) {
        uint32_t count = m.model.count, steps = 1 + below(400);
        memcpy(copy, m.memory, m.bytes);
        memcpy(orders, m.model.orders, count * sizeof *orders);
        for (uint32_t i = 0; i < steps; i++)
            step(&m);
        if (round % 2 == 0) { // committed
            stage.epoch++;
            continue;
        }
        roll_back(&stage);
        stage.epoch++; // the next process begins its log anew
        cr_assert_eq(memcmp(copy, m.memory, m.bytes), 0, "round %u", round);
        memcpy(m.model.orders, orders, count * sizeof *orders);
        m.model.count = count;
        check_everything(&m);
    }
    free(copy);
    free(orders);
    free(stage.undo);
    market_close(&m);
}

// ---- what does not fit

static struct mr_order order(uint64_t ref, enum mr_side side, uint32_t price, uint32_t shares)
{
    return (struct mr_order){
        .ref = ref, .locate = 1, .side = side, .price = price, .shares = shares};
}

static void small_book(struct mr_book *book, uint32_t orders_max, uint32_t levels_max)
{
    struct mr_book_limits limits = {orders_max, levels_max};
    uint64_t bytes = mr_align_up(mr_book_bytes(&limits), 64);
    void *memory = aligned_alloc(64, bytes);
    memset(memory, 0, bytes);
    mr_book_attach(book, memory, &limits, MR_TOUCH_NONE);
}

static void expect_best(const struct mr_book *book, enum mr_side side, uint32_t price,
                        uint64_t shares)
{
    struct mr_level best;
    cr_assert_eq(mr_book_best(book, 1, side, &best), shares > 0);
    cr_assert_eq(best.price, price);
    cr_assert_eq(best.shares, shares);
}

Test(book, refuses_duplicates_and_unknown_orders)
{
    struct mr_book book;
    small_book(&book, 10, 80);
    struct mr_order a = order(5, MR_SIDE_BUY, 100, 10), b = order(5, MR_SIDE_SELL, 200, 20);
    cr_assert_eq(mr_book_add(&book, &a), MR_BOOK_DONE);
    cr_assert_eq(mr_book_add(&book, &b), MR_BOOK_DUPLICATE);
    expect_best(&book, MR_SIDE_BUY, 100, 10);
    expect_best(&book, MR_SIDE_SELL, 0, 0);
    cr_assert_null(mr_book_find(&book, 6));
    cr_assert_null(mr_book_find(&book, 7));
    expect_best(&book, MR_SIDE_BUY, 100, 10);
    free(book.orders.head);
}

Test(book, an_overfilled_order_is_gone)
{
    struct mr_book book;
    small_book(&book, 10, 80);
    struct mr_order a = order(1, MR_SIDE_SELL, 100, 10), before;
    mr_book_add(&book, &a);
    cr_assert_eq(mr_book_reduce(&book, mr_book_find(&book, 1), 11, &before), MR_BOOK_OVERFILL);
    cr_assert_eq(before.shares, 10);
    expect_best(&book, MR_SIDE_SELL, 0, 0);
    cr_assert_eq(mr_book_orders_live(&book), 0);
    free(book.orders.head);
}

Test(book, a_replace_onto_another_order_takes_the_old_one_out)
{
    struct mr_book book;
    small_book(&book, 10, 80);
    struct mr_order a = order(1, MR_SIDE_BUY, 100, 10), b = order(2, MR_SIDE_BUY, 90, 5), before;
    mr_book_add(&book, &a);
    mr_book_add(&book, &b);
    cr_assert_eq(mr_book_replace(&book, mr_book_find(&book, 1), 2, 110, 7, &before),
                 MR_BOOK_DUPLICATE);
    cr_assert_null(mr_book_find(&book, 1));
    expect_best(&book, MR_SIDE_BUY, 90, 5);
    free(book.orders.head);
}

Test(book, says_when_orders_are_full)
{
    struct mr_book book;
    small_book(&book, 3, 80);
    struct mr_order before;
    for (uint64_t ref = 1; ref <= 3; ref++) {
        struct mr_order o = order(ref, MR_SIDE_BUY, 100, 1);
        cr_assert_eq(mr_book_add(&book, &o), MR_BOOK_DONE);
    }
    struct mr_order o = order(4, MR_SIDE_BUY, 101, 1);
    cr_assert_eq(mr_book_add(&book, &o), MR_BOOK_FULL);
    expect_best(&book, MR_SIDE_BUY, 100, 3);
    cr_assert_eq(mr_book_levels_live(&book), 1);
    cr_assert_eq(mr_book_replace(&book, mr_book_find(&book, 1), 4, 101, 1, &before), MR_BOOK_DONE);
    mr_book_remove(&book, mr_book_find(&book, 2), &before);
    o.ref = 5;
    cr_assert_eq(mr_book_add(&book, &o), MR_BOOK_DONE);
    expect_best(&book, MR_SIDE_BUY, 101, 2);
    free(book.orders.head);
}

// 16 levels asked for are one block of 31: with the 7 of its own a side takes 38, give or take those that
// have not moved into a place that is free.
Test(book, says_when_levels_are_full)
{
    struct mr_book book;
    small_book(&book, 1000, 16);
    uint32_t ref = 0;
    enum mr_book_answer answer;
    do {
        struct mr_order o = order(ref + 1, MR_SIDE_BUY, 1000 + ref, 1);
        answer = mr_book_add(&book, &o);
        ref++;
    } while (answer == MR_BOOK_DONE && ref < 100);
    cr_assert_eq(answer, MR_BOOK_FULL);
    cr_assert_geq(ref - 1, 31);
    cr_assert_leq(ref - 1, 38);
    cr_assert_null(mr_book_find(&book, ref));
    cr_assert_eq(mr_book_levels_live(&book), ref - 1);
    expect_best(&book, MR_SIDE_BUY, 1000 + ref - 2, 1);
    struct mr_level levels[64];
    cr_assert_eq(mr_levels_top(&book.levels, 1, MR_SIDE_BUY, levels, 64), ref - 1);
    for (uint32_t i = 0; i < ref - 1; i++)
        cr_assert_eq(levels[i].price, 1000 + ref - 2 - i);
    for (uint32_t i = 0; i < 7; i++) { // other sides have room for seven all the same
        struct mr_order o = order(500 + i, MR_SIDE_SELL, 9000 + i, 1);
        cr_assert_eq(mr_book_add(&book, &o), MR_BOOK_DONE);
    }
    struct mr_order o = order(600, MR_SIDE_SELL, 9100, 1), before;
    cr_assert_eq(mr_book_add(&book, &o), MR_BOOK_FULL);
    for (uint32_t i = 1; i < ref; i++)
        mr_book_remove(&book, mr_book_find(&book, i), &before);
    cr_assert_eq(mr_book_add(&book, &o), MR_BOOK_DONE);
    free(book.orders.head);
}

Test(book, all_prices_and_symbols_have_a_place)
{
    struct mr_book book;
    small_book(&book, 10, 80);
    const uint32_t prices[] = {0, 1, UINT32_MAX};
    for (unsigned i = 0; i < 3; i++) {
        struct mr_order buy = order(i, MR_SIDE_BUY, prices[i], 1);
        struct mr_order sell = order(UINT64_MAX - i, MR_SIDE_SELL, prices[i], 1);
        buy.locate = sell.locate = 65535;
        cr_assert_eq(mr_book_add(&book, &buy), MR_BOOK_DONE);
        cr_assert_eq(mr_book_add(&book, &sell), MR_BOOK_DONE);
    }
    struct mr_level best;
    cr_assert(mr_book_best(&book, 65535, MR_SIDE_BUY, &best) && best.price == UINT32_MAX);
    cr_assert(mr_book_best(&book, 65535, MR_SIDE_SELL, &best) && best.price == 0);
    free(book.orders.head);
}
