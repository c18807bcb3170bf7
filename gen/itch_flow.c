// SPDX-License-Identifier: Apache-2.0
#include "gen/itch_session_private.h"

#define UNITS_PER_CENT 100 // prices are in 1/10,000 dollar
#define CENTS_MAX 20000000
#define DEPTH_MAX 30 // cents behind the best price

// Shares of the message types in the flow, of 65536: as on a real day, where adds and deletes rule.
enum {
    UNTIL_ADD_OR_DELETE = 57500,
    UNTIL_REPLACE = 61200,
    UNTIL_EXECUTE = 63500,
    UNTIL_CANCEL = 64900,
    UNTIL_TRADE = 65200,
    UNTIL_IMBALANCE = 65420,
    UNTIL_EXECUTE_PRICE = 65500,
};

static uint32_t below(struct mr_itch_session *session, uint64_t limit)
{
    return mr_random_below(&session->random, limit);
}

// Some stocks trade a lot more than others: the product of two uniform numbers leans to the first
// ones.
static uint16_t pick_stock(struct mr_itch_session *session)
{
    uint16_t stock = session->next_stock;
    uint64_t bits = mr_random_next(&session->random);
    uint64_t leaning = ((bits >> 32) * (bits & UINT32_MAX)) >> 32;
    session->next_stock = (uint16_t)((leaning * session->books.stock_count) >> 32);
    __builtin_prefetch(&session->books.stocks[session->next_stock]);
    return stock;
}

// Round lots mostly, some odd ones.
static uint32_t pick_shares(struct mr_itch_session *session)
{
    uint32_t bits = below(session, 1u << 16);
    return bits % 5 == 0 ? 1 + bits % 199 : 100 * (1 + bits % 10);
}

// A rank for a new order that crosses nothing; MR_BOOK_NO_RANK where the price would be no price.
static int32_t pick_rank(struct mr_itch_session *session, uint16_t stock, uint8_t side)
{
    const struct mr_book_stock *book = &session->books.stocks[stock];
    int32_t own = book->best[side], other = book->best[!side];
    int32_t limit = other == MR_BOOK_NO_RANK ? INT32_MAX / 2 : -other - 1;
    bool is_wide = other != MR_BOOK_NO_RANK && own != MR_BOOK_NO_RANK && limit - own > 3;
    uint64_t bits = mr_random_next(&session->random);
    int32_t rank;
    if (own == MR_BOOK_NO_RANK && other == MR_BOOK_NO_RANK)
        rank = mr_book_rank(side, book->last_cents) - 1;
    else if (own == MR_BOOK_NO_RANK)
        rank = limit - (int32_t)(bits >> 63);
    else if (limit > own && (bits >> 60) % (is_wide ? 2 : 16) == 0)
        rank = own + 1;
    else
        rank = own -
               (int32_t)mr_min_u64(3 * (uint64_t)__builtin_ctzll(bits | 1ull << 40) + (bits >> 62),
                                   DEPTH_MAX);
    rank = rank < limit ? rank : limit;
    int32_t cents = mr_book_rank(side, rank);
    return cents < 1 || cents > CENTS_MAX ? MR_BOOK_NO_RANK : rank;
}

static uint16_t locate(uint16_t stock)
{
    return (uint16_t)(stock + 1);
}

static uint32_t price_of(const struct mr_book_order *order)
{
    return (uint32_t)mr_book_cents(order) * UNITS_PER_CENT;
}

static uint32_t last_price(const struct mr_itch_session *session, uint16_t stock)
{
    return (uint32_t)session->books.stocks[stock].last_cents * UNITS_PER_CENT;
}

// ---- orders

static void delete_order(struct mr_itch_session *session, uint32_t slot)
{
    const struct mr_book_order *order = &session->books.orders[slot];
    struct mr_order_delete record = {MR_GEN_ENV(session, MR_SCHEMA_ORDER_DELETE),
                                     .locate = locate(order->stock), .order_ref = order->ref};
    mr_gen_emit(session, &record);
    mr_books_remove(&session->books, slot);
}

static void emit_add(struct mr_itch_session *session, const struct mr_book_order *order,
                     bool with_mpid)
{
    struct mr_order_add_mpid record = {
        MR_GEN_ENV(session, with_mpid ? MR_SCHEMA_ORDER_ADD_MPID : MR_SCHEMA_ORDER_ADD),
        .locate = locate(order->stock),
        .side = order->side == MR_BOOK_BID ? 'B' : 'S',
        .order_ref = order->ref,
        .shares = order->shares,
        .price = price_of(order),
        .attribution = {'M', 'L', 'R', 'C'}};
    mr_gen_symbol(session, order->stock, record.symbol);
    mr_gen_emit(session,
                &record); // an add without attribution has the same fields in the same places
}

// A new order; or the deletion of one that is in its way, or of any where there are too many.
static bool add_order(struct mr_itch_session *session, bool with_mpid)
{
    struct mr_books *books = &session->books;
    uint16_t stock = pick_stock(session);
    uint8_t side = (uint8_t)below(session, 2);
    int32_t rank = pick_rank(session, stock, side);
    if (rank == MR_BOOK_NO_RANK)
        rank = pick_rank(session, stock, side = !side);
    if (rank == MR_BOOK_NO_RANK)
        return false;
    uint32_t blocker = mr_books_blocker(books, stock, side, rank);
    if (blocker == MR_BOOK_NO_ORDER && books->free_first == MR_BOOK_NO_ORDER)
        blocker = mr_books_any(books, &session->random);
    if (blocker != MR_BOOK_NO_ORDER) {
        delete_order(session, blocker);
        return !with_mpid;
    }
    struct mr_book_order order = {.ref = session->next_ref++,
                                  .shares = pick_shares(session),
                                  .rank = rank,
                                  .stock = stock,
                                  .side = side};
    emit_add(session, &order, with_mpid);
    mr_books_add(books, &order);
    return true;
}

// More adds while the books are thin, more deletes while they are thick.
static bool add_or_delete(struct mr_itch_session *session)
{
    int64_t live = session->books.live_count, target = session->live_target;
    int64_t add_share = 32768 + (target - live) * 32768 / target;
    if (live == 0 || below(session, 65536) < add_share)
        return add_order(session, below(session, 40) == 0) || live > 0;
    delete_order(session, mr_books_any(&session->books, &session->random));
    return true;
}

static bool replace_order(struct mr_itch_session *session)
{
    struct mr_books *books = &session->books;
    if (books->live_count == 0)
        return false;
    uint32_t slot = mr_books_any(books, &session->random);
    struct mr_book_order order = books->orders[slot];
    order.rank = pick_rank(session, order.stock, order.side);
    if (order.rank == MR_BOOK_NO_RANK ||
        mr_books_blocker(books, order.stock, order.side, order.rank) != MR_BOOK_NO_ORDER)
        return false;
    struct mr_order_replace record = {MR_GEN_ENV(session, MR_SCHEMA_ORDER_REPLACE),
                                      .locate = locate(order.stock),
                                      .order_ref = order.ref,
                                      .new_order_ref = session->next_ref,
                                      .shares = pick_shares(session),
                                      .price = price_of(&order)};
    order.ref = session->next_ref++;
    order.shares = record.shares;
    mr_gen_emit(session, &record);
    mr_books_remove(books, slot);
    mr_books_add(books, &order);
    return true;
}

static bool cancel_shares(struct mr_itch_session *session)
{
    struct mr_books *books = &session->books;
    if (books->live_count == 0)
        return false;
    struct mr_book_order *order = &books->orders[mr_books_any(books, &session->random)];
    if (order->shares < 2)
        return false; // nothing would be left: that is a delete
    struct mr_order_cancel record = {MR_GEN_ENV(session, MR_SCHEMA_ORDER_CANCEL),
                                     .locate = locate(order->stock), .order_ref = order->ref,
                                     .shares = 1 + below(session, order->shares - 1)};
    order->shares -= record.shares;
    mr_gen_emit(session, &record);
    return true;
}

static uint64_t new_match(struct mr_itch_session *session, uint16_t stock)
{
    session->broken_match = session->next_match;
    session->broken_stock = stock;
    return session->next_match++;
}

// The oldest order at the best price, of the side that is under pressure in some order's stock.
static uint32_t pick_executed(struct mr_itch_session *session)
{
    struct mr_books *books = &session->books;
    if (books->live_count == 0)
        return MR_BOOK_NO_ORDER;
    uint16_t stock = books->orders[mr_books_any(books, &session->random)].stock;
    uint8_t side = books->stocks[stock].pressure;
    if (below(session, 16) == 0)
        books->stocks[stock].pressure = !side;
    uint32_t slot = mr_books_first_at_best(books, stock, side);
    return slot != MR_BOOK_NO_ORDER ? slot : mr_books_first_at_best(books, stock, !side);
}

static void fill_order(struct mr_itch_session *session, uint32_t slot, uint32_t shares)
{
    struct mr_book_order *order = &session->books.orders[slot];
    session->books.stocks[order->stock].last_cents = mr_book_cents(order);
    order->shares -= shares;
    if (order->shares == 0)
        mr_books_remove(&session->books, slot);
}

static uint32_t pick_executed_shares(struct mr_itch_session *session, uint32_t shares)
{
    return shares == 1 || below(session, 8) < 5 ? shares : 1 + below(session, shares - 1);
}

static bool execute_order(struct mr_itch_session *session)
{
    uint32_t slot = pick_executed(session);
    if (slot == MR_BOOK_NO_ORDER)
        return false;
    const struct mr_book_order *order = &session->books.orders[slot];
    struct mr_order_executed record = {MR_GEN_ENV(session, MR_SCHEMA_ORDER_EXECUTED),
                                       .locate = locate(order->stock), .order_ref = order->ref,
                                       .shares = pick_executed_shares(session, order->shares),
                                       .match_number = new_match(session, order->stock)};
    mr_gen_emit(session, &record);
    fill_order(session, slot, record.shares);
    return true;
}

// At another price than the order's: one cent better for the one who came.
static bool execute_order_at_price(struct mr_itch_session *session)
{
    uint32_t slot = pick_executed(session);
    if (slot == MR_BOOK_NO_ORDER)
        return false;
    const struct mr_book_order *order = &session->books.orders[slot];
    struct mr_order_executed_price record = {MR_GEN_ENV(session, MR_SCHEMA_ORDER_EXECUTED_PRICE),
                                             .locate = locate(order->stock),
                                             .printable = below(session, 2) ? 'Y' : 'N',
                                             .order_ref = order->ref,
                                             .shares = pick_executed_shares(session, order->shares),
                                             .price = price_of(order) + UNITS_PER_CENT,
                                             .match_number = new_match(session, order->stock)};
    mr_gen_emit(session, &record);
    fill_order(session, slot, record.shares);
    return true;
}

// ---- trades and indications

// A match with an order that was never shown.
static bool hidden_trade(struct mr_itch_session *session)
{
    uint16_t stock = pick_stock(session);
    struct mr_trade record = {MR_GEN_ENV(session, MR_SCHEMA_TRADE),
                              .locate = locate(stock),
                              .side = 'B',
                              .shares = pick_shares(session),
                              .price = last_price(session, stock),
                              .match_number = new_match(session, stock)};
    mr_gen_symbol(session, stock, record.symbol);
    mr_gen_emit(session, &record);
    return true;
}

void mr_gen_cross(struct mr_itch_session *session, uint16_t stock, char cross_type)
{
    struct mr_cross_trade record = {MR_GEN_ENV(session, MR_SCHEMA_CROSS_TRADE),
                                    .locate = locate(stock),
                                    .cross_type = cross_type,
                                    .shares = 100ull * below(session, 5000),
                                    .price = last_price(session, stock),
                                    .match_number = session->next_match++};
    mr_gen_symbol(session, stock, record.symbol);
    mr_gen_emit(session, &record);
}

static bool imbalance(struct mr_itch_session *session)
{
    static const char directions[] = {'B', 'S', 'N'};
    uint16_t stock = pick_stock(session);
    uint32_t price = last_price(session, stock);
    struct mr_noii record = {MR_GEN_ENV(session, MR_SCHEMA_NOII),
                             .locate = locate(stock),
                             .direction = directions[below(session, 3)],
                             .cross_type = session->phase == PHASE_PRE ? 'O' : 'C',
                             .paired_shares = 100ull * below(session, 10000),
                             .far_price = price,
                             .near_price = price + UNITS_PER_CENT,
                             .reference_price = price,
                             .price_variation = 'L'};
    record.imbalance_shares = record.direction == 'N' ? 0 : 100ull * (1 + below(session, 900));
    mr_gen_symbol(session, stock, record.symbol);
    mr_gen_emit(session, &record);
    return true;
}

static bool break_trade(struct mr_itch_session *session)
{
    if (session->broken_match == 0)
        return false;
    struct mr_broken_trade record = {MR_GEN_ENV(session, MR_SCHEMA_BROKEN_TRADE),
                                     .locate = locate(session->broken_stock),
                                     .match_number = session->broken_match};
    session->broken_match = 0;
    mr_gen_emit(session, &record);
    return true;
}

static bool retail_interest(struct mr_itch_session *session)
{
    static const char interests[] = {'B', 'S', 'A', 'N'};
    uint16_t stock = pick_stock(session);
    struct mr_retail_interest record = {MR_GEN_ENV(session, MR_SCHEMA_RETAIL_INTEREST),
                                        .locate = locate(stock),
                                        .interest = interests[below(session, 4)]};
    mr_gen_symbol(session, stock, record.symbol);
    mr_gen_emit(session, &record);
    return true;
}

static bool collar(struct mr_itch_session *session)
{
    uint16_t stock = pick_stock(session);
    uint32_t price = last_price(session, stock);
    struct mr_luld_collar record = {MR_GEN_ENV(session, MR_SCHEMA_LULD_COLLAR),
                                    .locate = locate(stock),
                                    .reference_price = price,
                                    .upper_price = price + price / 20,
                                    .lower_price = price - price / 20,
                                    .extension = below(session, 3)};
    mr_gen_symbol(session, stock, record.symbol);
    mr_gen_emit(session, &record);
    return true;
}

static bool ipo_quote(struct mr_itch_session *session)
{
    uint16_t stock = pick_stock(session);
    int64_t second_ns = 1000000000;
    struct mr_ipo_quote record = {
        MR_GEN_ENV(session, MR_SCHEMA_IPO_QUOTE), .locate = locate(stock), .release_qualifier = 'A',
        .release_time_ns = (session->clock_ns / second_ns + 600) * second_ns,
        .ipo_price = last_price(session, stock)};
    mr_gen_symbol(session, stock, record.symbol);
    mr_gen_emit(session, &record);
    return true;
}

static bool direct_listing(struct mr_itch_session *session)
{
    uint16_t stock = pick_stock(session);
    uint32_t price = last_price(session, stock);
    struct mr_direct_listing record = {MR_GEN_ENV(session, MR_SCHEMA_DIRECT_LISTING),
                                       .locate = locate(stock),
                                       .open_eligibility = 'Y',
                                       .near_execution_time_ns = session->clock_ns,
                                       .near_price = price,
                                       .minimum_price = price - price / 5,
                                       .maximum_price = price + price / 5 * 4,
                                       .lower_collar = price - price / 10,
                                       .upper_collar = price + price / 10};
    mr_gen_symbol(session, stock, record.symbol);
    mr_gen_emit(session, &record);
    return true;
}

// ---- stocks and system

static void trading_action(struct mr_itch_session *session, uint16_t stock, char state)
{
    struct mr_trading_action record = {MR_GEN_ENV(session, MR_SCHEMA_TRADING_ACTION),
                                       .locate = locate(stock), .trading_state = state};
    if (state == 'P')
        __builtin_memcpy(record.reason, "LUDP", 4);
    mr_gen_symbol(session, stock, record.symbol);
    mr_gen_emit(session, &record);
}

static void operational_halt(struct mr_itch_session *session, uint16_t stock, char action)
{
    struct mr_operational_halt record = {MR_GEN_ENV(session, MR_SCHEMA_OPERATIONAL_HALT),
                                         .locate = locate(stock), .market_code = 'Q',
                                         .action = action};
    mr_gen_symbol(session, stock, record.symbol);
    mr_gen_emit(session, &record);
}

// A halt; the message after it lifts it, so that no order moves in between.
static bool halt(struct mr_itch_session *session, char type)
{
    session->halted = type;
    session->halted_stock = pick_stock(session);
    if (type == 'H')
        trading_action(session, session->halted_stock, 'P');
    else
        operational_halt(session, session->halted_stock, 'H');
    return true;
}

static void lift_halt(struct mr_itch_session *session)
{
    if (session->halted == 'H')
        trading_action(session, session->halted_stock, 'T');
    else
        operational_halt(session, session->halted_stock, 'T');
    session->halted = 0;
}

static void reg_sho(struct mr_itch_session *session, uint16_t stock, char action)
{
    struct mr_reg_sho record = {MR_GEN_ENV(session, MR_SCHEMA_REG_SHO), .locate = locate(stock),
                                .action = action};
    mr_gen_symbol(session, stock, record.symbol);
    mr_gen_emit(session, &record);
}

static void directory(struct mr_itch_session *session, uint16_t stock)
{
    struct mr_stock_directory record = {MR_GEN_ENV(session, MR_SCHEMA_STOCK_DIRECTORY),
                                        .locate = locate(stock),
                                        .market_category = 'Q',
                                        .financial_status = 'N',
                                        .round_lot_size = 100,
                                        .round_lots_only = 'N',
                                        .issue_classification = 'C',
                                        .issue_subtype = {'Z', 0},
                                        .authenticity = 'P',
                                        .short_sale_threshold = 'N',
                                        .ipo_flag = 'N',
                                        .luld_tier = '1',
                                        .etp_flag = 'N',
                                        .inverse_indicator = 'N'};
    mr_gen_symbol(session, stock, record.symbol);
    mr_gen_emit(session, &record);
}

static void market_maker(struct mr_itch_session *session, uint16_t stock)
{
    struct mr_market_participant record = {MR_GEN_ENV(session, MR_SCHEMA_MARKET_PARTICIPANT),
                                           .locate = locate(stock),
                                           .primary_market_maker = 'Y',
                                           .market_maker_mode = 'N',
                                           .mpid = {'M', 'L', 'R', 'C'},
                                           .participant_state = 'A'};
    mr_gen_symbol(session, stock, record.symbol);
    mr_gen_emit(session, &record);
}

void mr_gen_introduce(struct mr_itch_session *session, uint16_t stock, unsigned which)
{
    if (which == 0)
        directory(session, stock);
    else if (which == 1)
        trading_action(session, stock, 'T');
    else if (which == 2)
        reg_sho(session, stock, '0');
    else
        market_maker(session, stock);
}

void mr_gen_system_event(struct mr_itch_session *session, char code)
{
    struct mr_system_event record = {MR_GEN_ENV(session, MR_SCHEMA_SYSTEM_EVENT),
                                     .event_code = code};
    mr_gen_emit(session, &record);
}

void mr_gen_levels(struct mr_itch_session *session)
{
    struct mr_mwcb_levels record = {MR_GEN_ENV(session, MR_SCHEMA_MWCB_LEVELS),
                                    .level_1 = 304539000000, .level_2 = 284891000000,
                                    .level_3 = 261968000000};
    mr_gen_emit(session, &record);
}

static bool breaker_status(struct mr_itch_session *session)
{
    struct mr_mwcb_status record = {MR_GEN_ENV(session, MR_SCHEMA_MWCB_STATUS),
                                    .breached_level = '1'};
    mr_gen_emit(session, &record);
    return true;
}

// ---- what comes next

bool mr_gen_special(struct mr_itch_session *session, char type)
{
    switch (type) {
    case 'F':
        return add_order(session, true);
    case 'U':
        return replace_order(session);
    case 'X':
        return cancel_shares(session);
    case 'E':
        return execute_order(session);
    case 'C':
        return execute_order_at_price(session);
    case 'P':
        return hidden_trade(session);
    case 'Q':
        mr_gen_cross(session, pick_stock(session), 'I');
        return true;
    case 'B':
        return break_trade(session);
    case 'I':
        return imbalance(session);
    case 'N':
        return retail_interest(session);
    case 'J':
        return collar(session);
    case 'K':
        return ipo_quote(session);
    case 'O':
        return direct_listing(session);
    case 'W':
        return breaker_status(session);
    case 'Y':
        reg_sho(session, pick_stock(session), '1');
        return true;
    default:
        return halt(session, type);
    }
}

void mr_gen_flow(struct mr_itch_session *session)
{
    static const char rare[] = "NNNNNNNNNNJJHhYB";
    if (session->halted != 0) {
        lift_halt(session);
        return;
    }
    uint32_t bits = below(session, 65536);
    bool done = false;
    if (bits >= UNTIL_EXECUTE_PRICE)
        done = mr_gen_special(session, rare[below(session, sizeof rare - 1)]);
    else if (bits >= UNTIL_IMBALANCE)
        done = execute_order_at_price(session);
    else if (bits >= UNTIL_TRADE)
        done = imbalance(session);
    else if (bits >= UNTIL_CANCEL)
        done = hidden_trade(session);
    else if (bits >= UNTIL_EXECUTE)
        done = cancel_shares(session);
    else if (bits >= UNTIL_REPLACE)
        done = execute_order(session);
    else if (bits >= UNTIL_ADD_OR_DELETE)
        done = replace_order(session);
    if (!done)
        add_or_delete(session);
}
