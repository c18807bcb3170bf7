// SPDX-License-Identifier: Apache-2.0
// Generated sessions against a book of the test's own: every message must be possible when it
// comes.
#include "gen/itch_session.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "core/formats/itch.h"

#define ORDERS_MAX 200000
#define CENTS_MAX 60000
#define STOCKS_MAX 8

struct order {
    uint32_t shares; // 0: not alive
    uint32_t cents;
    uint16_t locate;
    char side;
};

static struct order orders[ORDERS_MAX];
static uint32_t depth[STOCKS_MAX + 1][2][CENTS_MAX]; // live orders at a price
static uint64_t counts[256];
static struct mr_itch_symbols symbols;

static uint8_t *generate(const struct mr_itch_session_options *options, size_t block, size_t *bytes)
{
    struct mr_itch_session *session;
    struct mr_error err;
    size_t capacity = 64 * 1024 * 1024, filled;
    uint8_t *all = malloc(capacity);
    *bytes = 0;
    cr_assert_eq(mr_itch_session_open(&session, options, &err), MR_OK, "%s", err.text);
    while ((filled = mr_itch_session_fill(session, all + *bytes, block)) > 0) {
        *bytes += filled;
        cr_assert_leq(*bytes + block, capacity);
    }
    mr_itch_session_close(session);
    return all;
}

static void come(uint64_t ref, uint32_t shares, uint32_t price, char side, uint16_t locate)
{
    cr_assert_lt(ref, ORDERS_MAX);
    cr_assert_eq(orders[ref].shares, 0, "order %lu is there already", (unsigned long)ref);
    cr_assert(shares > 0 && price % 100 == 0 && price > 0 && price / 100 < CENTS_MAX);
    orders[ref] = (struct order){shares, price / 100, locate, side};
    depth[locate][side == 'S'][price / 100]++;
}

static struct order *find(uint64_t ref, uint16_t locate)
{
    cr_assert_lt(ref, ORDERS_MAX);
    cr_assert_gt(orders[ref].shares, 0, "order %lu is not there", (unsigned long)ref);
    cr_assert_eq(orders[ref].locate, locate);
    return &orders[ref];
}

static void go(struct order *order, uint32_t shares)
{
    cr_assert(shares > 0 && shares <= order->shares);
    order->shares -= shares;
    if (order->shares == 0)
        depth[order->locate][order->side == 'S'][order->cents]--;
}

// Nothing better may stand in front of what was executed.
static void expect_best(const struct order *order)
{
    const uint32_t *side = depth[order->locate][order->side == 'S'];
    int step = order->side == 'S' ? -1 : 1;
    for (int cents = (int)order->cents + step, i = 0; cents > 0 && i < 200; cents += step, i++)
        cr_assert(cents >= CENTS_MAX || side[cents] == 0);
}

static void expect_not_crossed(uint64_t ref)
{
    const struct order *order = &orders[ref];
    const uint32_t *other = depth[order->locate][order->side != 'S'];
    int step = order->side == 'S' ? 1 : -1; // bids at or above an offer, offers at or below a bid
    for (int cents = (int)order->cents, i = 0; cents > 0 && cents < CENTS_MAX && i < 500;
         cents += step, i++)
        cr_assert_eq(other[cents], 0, "order %lu crosses", (unsigned long)ref);
}

static void follow(const void *record)
{
    const struct mr_order_add *add = record; // the order messages share one layout
    const struct mr_order_replace *replace = record;
    struct order old;
    switch (add->env.schema_id) {
    case MR_SCHEMA_ORDER_ADD:
    case MR_SCHEMA_ORDER_ADD_MPID:
        come(add->order_ref, add->shares, add->price, add->side, add->locate);
        expect_not_crossed(add->order_ref);
        break;
    case MR_SCHEMA_ORDER_EXECUTED:
    case MR_SCHEMA_ORDER_EXECUTED_PRICE:
        expect_best(find(add->order_ref, add->locate));
        go(find(add->order_ref, add->locate), add->shares);
        break;
    case MR_SCHEMA_ORDER_CANCEL:
        cr_assert_lt(add->shares, find(add->order_ref, add->locate)->shares, "that is a delete");
        go(find(add->order_ref, add->locate), add->shares);
        break;
    case MR_SCHEMA_ORDER_DELETE:
        go(find(add->order_ref, add->locate), orders[add->order_ref].shares);
        break;
    case MR_SCHEMA_ORDER_REPLACE:
        old = *find(add->order_ref, add->locate);
        go(find(add->order_ref, add->locate), old.shares);
        come(replace->new_order_ref, replace->shares, replace->price, old.side, replace->locate);
        expect_not_crossed(replace->new_order_ref);
        break;
    default:
        break;
    }
}

Test(itch_session, orders_live_consistent_lives)
{
    struct mr_itch_session_options options = {.messages = 200000, .seed = 3, .symbols = STOCKS_MAX};
    size_t bytes, messages = 0;
    uint64_t room[MR_ITCH_RECORD_BYTES_MAX / 8];
    int64_t last_ns = 0;
    char events[8] = "";
    uint8_t *all = generate(&options, 1 << 16, &bytes);
    for (size_t at = 0; at < bytes; messages++) {
        size_t length = mr_get_be16(all + at);
        const uint8_t *message = all + at + 2;
        struct mr_record *record = (void *)(char *)room;
        cr_assert_eq(mr_itch_check(message, length), MR_ITCH_GOOD, "byte %zu", at);
        mr_itch_decode(message, &symbols, 0, messages, record);
        cr_assert_geq(record->event_time_ns, last_ns, "time runs forward");
        cr_assert_eq(record->flags, 0, "every locate was announced");
        last_ns = record->event_time_ns;
        if (message[0] == 'S')
            events[strlen(events)] = (char)message[11];
        counts[message[0]]++;
        follow(room);
        at += 2 + length;
    }
    cr_expect_eq(messages, 200000);
    cr_expect_str_eq(events, "OSQMEC");
    cr_expect_lt(last_ns, MR_ITCH_DAY_NS);
    for (const char *type = mr_itch_type_letters; *type; type++)
        cr_expect_gt(counts[(uint8_t)*type], 0, "no %c", *type);
    uint64_t adds_and_deletes = counts['A'] + counts['F'] + counts['D'];
    cr_expect_gt(adds_and_deletes * 100, messages * 80);
    cr_expect_gt(counts['D'] * 100, messages * 30);
    cr_expect_eq(counts['R'], STOCKS_MAX);
    free(all);
}

Test(itch_session, same_seed_same_bytes_however_it_is_cut)
{
    struct mr_itch_session_options options = {.messages = 20000, .seed = 9};
    size_t first_bytes, second_bytes, third_bytes;
    uint8_t *first = generate(&options, 1 << 20, &first_bytes);
    uint8_t *second = generate(&options, MR_ITCH_FRAME_BYTES_MAX, &second_bytes);
    options.seed = 10;
    uint8_t *third = generate(&options, 1 << 20, &third_bytes);
    cr_assert_eq(first_bytes, second_bytes);
    cr_expect_eq(memcmp(first, second, first_bytes), 0);
    cr_expect(first_bytes != third_bytes || memcmp(first, third, first_bytes) != 0);
    free(first);
    free(second);
    free(third);
}

Test(itch_session, sizes_are_kept)
{
    size_t bytes;
    for (uint64_t wanted = 20000; wanted <= 2000000; wanted = wanted * 3 + 7) {
        struct mr_itch_session_options options = {.bytes = wanted, .seed = wanted};
        free(generate(&options, 1 << 20, &bytes));
        cr_expect_leq(bytes, wanted);
        cr_expect_gt(bytes + MR_ITCH_FRAME_BYTES_MAX, wanted);
    }
}

Test(itch_session, the_smallest_has_all_types)
{
    struct mr_itch_session_options options = {.messages = 208, .symbols = 1};
    for (options.seed = 0; options.seed < 50; options.seed++) {
        size_t bytes, messages = 0;
        uint8_t *all = generate(&options, 1 << 16, &bytes);
        memset(counts, 0, sizeof counts);
        for (size_t at = 0; at < bytes; messages++) {
            counts[all[at + 2]]++;
            at += 2u + mr_get_be16(all + at);
        }
        cr_expect_eq(messages, 208);
        for (const char *type = mr_itch_type_letters; *type; type++)
            cr_expect_gt(counts[(uint8_t)*type], 0, "seed %lu: no %c", (unsigned long)options.seed,
                         *type);
        free(all);
    }
}

Test(itch_session, too_small_is_refused)
{
    struct mr_itch_session *session;
    struct mr_error err;
    struct mr_itch_session_options options = {.messages = 207, .symbols = 1};
    cr_expect_eq(mr_itch_session_open(&session, &options, &err), MR_ERR_USAGE);
    cr_expect_not_null(strstr(err.text, "208"), "%s", err.text);
    options = (struct mr_itch_session_options){.messages = 10000, .symbols = 20001};
    cr_expect_eq(mr_itch_session_open(&session, &options, &err), MR_ERR_USAGE);
}
