// SPDX-License-Identifier: Apache-2.0
#include "cli/bench_itch_reference.h"

#include <stdlib.h>
#include <string.h>

#include "core/formats/bytes.h"

struct order { // shares 0: not there
    uint32_t price, shares;
    uint16_t locate;
    uint8_t side;
};

struct side { // worst first
    struct mr_itch_best *levels;
    uint32_t count, room;
};

struct books {
    struct order *orders; // by reference number
    uint64_t orders_max;
    struct side sides[UINT16_MAX + 1][2];
    struct mr_itch_digest digest;
    uint64_t live;
    bool failed;
};

static bool is_better(uint8_t side, uint32_t price, uint32_t than)
{
    return side == 0 ? price > than : price < than;
}

static void add_to_level(struct books *books, const struct order *order)
{
    struct side *side = &books->sides[order->locate][order->side];
    uint32_t at = side->count;
    while (at > 0 && is_better(order->side, side->levels[at - 1].price, order->price))
        at--;
    if (at == 0 || side->levels[at - 1].price != order->price) {
        if (side->count == side->room) {
            side->room = side->room ? 2 * side->room : 8;
            side->levels = realloc(side->levels, side->room * sizeof *side->levels);
            if (!side->levels)
                abort();
        }
        memmove(&side->levels[at + 1], &side->levels[at],
                (side->count - at) * sizeof *side->levels);
        side->levels[at++] = (struct mr_itch_best){.price = order->price};
        side->count++;
    }
    side->levels[at - 1].orders++;
    side->levels[at - 1].shares += order->shares;
}

static void take_from_level(struct books *books, const struct order *order, uint32_t shares)
{
    struct side *side = &books->sides[order->locate][order->side];
    uint32_t at = side->count - 1;
    while (side->levels[at].price != order->price)
        at--;
    side->levels[at].shares -= shares;
    if (shares < order->shares)
        return;
    if (--side->levels[at].orders > 0)
        return;
    side->count--;
    memmove(&side->levels[at], &side->levels[at + 1], (side->count - at) * sizeof *side->levels);
}

static void add(struct books *books, uint64_t ref, const struct order *order)
{
    if (ref >= books->orders_max || books->orders[ref].shares != 0) {
        books->failed = true;
        return;
    }
    books->orders[ref] = *order;
    books->live++;
    add_to_level(books, order);
}

static void reduce(struct books *books, uint64_t ref, uint32_t shares)
{
    struct order *order = &books->orders[ref];
    take_from_level(books, order, shares);
    order->shares -= shares;
    books->live -= order->shares == 0;
}

static struct mr_itch_best best(const struct books *books, uint16_t locate, uint8_t side)
{
    const struct side *of = &books->sides[locate][side];
    return of->count > 0 ? of->levels[of->count - 1] : (struct mr_itch_best){0};
}

static void change(struct books *books, const uint8_t *m, uint64_t ref)
{
    struct order old = books->orders[ref];
    uint32_t shares = m[0] == 'D' || m[0] == 'U' ? old.shares : mr_get_be32(m + 19);
    if (old.shares < shares) {
        books->failed = true;
        return;
    }
    reduce(books, ref, shares);
    if (m[0] == 'U') {
        struct order fresh = {mr_get_be32(m + 31), mr_get_be32(m + 27), old.locate, old.side};
        add(books, mr_get_be64(m + 19), &fresh);
    }
}

static void trade(struct books *books, const uint8_t *m, uint64_t sequence, uint32_t order_price)
{
    uint16_t locate = mr_get_be16(m + 1);
    if (m[0] == 'E')
        mr_itch_fold_trade(&books->digest, sequence, locate, order_price, mr_get_be32(m + 19));
    else if (m[0] == 'C' && m[31] != 'N')
        mr_itch_fold_trade(&books->digest, sequence, locate, mr_get_be32(m + 32),
                           mr_get_be32(m + 19));
    else if (m[0] == 'P')
        mr_itch_fold_trade(&books->digest, sequence, locate, mr_get_be32(m + 32),
                           mr_get_be32(m + 20));
    else if (m[0] == 'Q' && mr_get_be64(m + 11) > 0)
        mr_itch_fold_trade(&books->digest, sequence, locate, mr_get_be32(m + 27),
                           mr_get_be64(m + 11));
}

static void take(struct books *books, const uint8_t *m, uint64_t sequence)
{
    bool comes = m[0] == 'A' || m[0] == 'F', refers = m[0] != '\0' && strchr("ECXDU", m[0]) != NULL;
    uint64_t ref = comes || refers ? mr_get_be64(m + 11) : 0;
    if (refers && (ref >= books->orders_max || books->orders[ref].shares == 0)) {
        books->failed = true;
        return;
    }
    uint32_t order_price = refers ? books->orders[ref].price : 0;
    uint16_t locate = mr_get_be16(m + 1);
    uint8_t side = refers ? books->orders[ref].side : comes && m[19] == 'S';
    struct mr_itch_best before = best(books, locate, side);
    if (comes) {
        struct order fresh = {mr_get_be32(m + 32), mr_get_be32(m + 20), locate, side};
        add(books, ref, &fresh);
    } else if (refers) {
        change(books, m, ref);
    }
    trade(books, m, sequence, order_price);
    struct mr_itch_best after = best(books, locate, side), other = best(books, locate, !side);
    if (memcmp(&before, &after, sizeof after) != 0)
        mr_itch_fold_quote(&books->digest, sequence, locate, side == 0 ? &after : &other,
                           side == 0 ? &other : &after);
}

static void close_books(struct books *books)
{
    for (uint32_t locate = 0; locate <= UINT16_MAX; locate++)
        for (unsigned side = 0; side < 2; side++)
            free(books->sides[locate][side].levels);
    free(books->orders);
    free(books);
}

int mr_itch_reference(struct mr_itch_feed *feed, struct mr_error *err)
{
    struct books *books = calloc(1, sizeof *books);
    if (books) {
        books->orders_max =
            feed->messages + 1; // references are handed out from 1, one a message at most
        books->orders = calloc(books->orders_max, sizeof *books->orders);
    }
    if (!books || !books->orders) {
        free(books);
        return mr_fail(err, MR_ERR_MEMORY, "no memory for the book to check against");
    }
    uint64_t sequence = 0;
    size_t at = 0;
    for (; at < feed->length && !books->failed; at += 2 + (size_t)mr_get_be16(feed->bytes + at)) {
        feed->by_type[feed->bytes[at + 2]]++;
        take(books, feed->bytes + at + 2, ++sequence);
    }
    int code = books->failed ? mr_fail(err, MR_ERR_CORRUPT, "message %llu does not fit the book",
                                       (unsigned long long)sequence)
                             : MR_OK;
    feed->expected = books->digest;
    feed->orders_live = books->live;
    close_books(books);
    return code;
}
