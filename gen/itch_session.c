// SPDX-License-Identifier: Apache-2.0
#include "gen/itch_session.h"

#include <stdlib.h>

#include "gen/itch_session_private.h"

#define HOUR_NS 3600000000000LL
#define CLOSING_MESSAGES 2 // end of system hours, end of messages
#define SYSTEM_EVENT_FRAME_BYTES 14
#define CROSS_FRAME_BYTES 42
#define MEAN_FRAME_BYTES 31
#define SYMBOLS_DEFAULT_MAX 500
#define ORDERS_PER_STOCK 160
#define MESSAGES_PER_LIVE_ORDER 8 // so that the books are full for most of the session
#define CENTS_FIRST_MIN 500
#define CENTS_FIRST_RANGE 25000
#define STEPS_PER_PLAN 16

// Every type that the flow alone might leave out of a short session; those that need something to
// have happened come last.
static const char specials[] = "NIKJWOYHhPFUXECBQ";
#define SPECIAL_COUNT (sizeof specials - 1)

// ---- set-up

static uint64_t messages_needed(uint32_t symbols)
{
    return 200 + 8ull * symbols;
}

static uint32_t choose_symbols(const struct mr_itch_session_options *options, uint64_t messages)
{
    if (options->symbols != 0)
        return options->symbols;
    return (uint32_t)mr_max_u64(1, mr_min_u64(SYMBOLS_DEFAULT_MAX, messages / 200));
}

static uint32_t choose_live(const struct mr_itch_session_options *options, uint64_t messages,
                            uint32_t symbols)
{
    if (options->live != 0)
        return options->live;
    return (uint32_t)mr_min_u64(messages / MESSAGES_PER_LIVE_ORDER,
                                symbols * (uint64_t)ORDERS_PER_STOCK);
}

// Four letters; the multiplier has no factor in common with 26^4, so no name comes twice.
static void name_stock(struct mr_book_stock *stock, uint32_t index)
{
    uint32_t code = (index * 7919u + 123u) % 456976u;
    for (int i = 3; i >= 0; i--, code /= 26)
        stock->symbol[i] = (char)('A' + code % 26);
}

static void set_stocks(struct mr_itch_session *session)
{
    for (uint32_t i = 0; i < session->books.stock_count; i++) {
        struct mr_book_stock *stock = &session->books.stocks[i];
        name_stock(stock, i);
        stock->last_cents =
            (int32_t)(CENTS_FIRST_MIN + mr_random_below(&session->random, CENTS_FIRST_RANGE));
        stock->pressure = (uint8_t)(mr_random_next(&session->random) >> 63);
    }
}

// Where in the session the day's turning points lie.
static void set_positions(struct mr_itch_session *session)
{
    uint64_t symbols = session->books.stock_count;
    uint64_t cross = symbols * (session->by_bytes ? CROSS_FRAME_BYTES : 1);
    uint64_t closing = CLOSING_MESSAGES * (session->by_bytes ? SYSTEM_EVENT_FRAME_BYTES : 1ull);
    uint64_t longest = session->by_bytes ? MR_ITCH_FRAME_BYTES_MAX : 1;
    session->open_at = session->total / 20;
    session->close_at = session->total - session->total / 50 - cross - 2 * closing;
    session->end_at = session->total - closing - longest; // up to here one more always fits
}

int mr_itch_session_open(struct mr_itch_session **out,
                         const struct mr_itch_session_options *options, struct mr_error *err)
{
    uint64_t messages =
        options->messages != 0 ? options->messages : options->bytes / MEAN_FRAME_BYTES;
    uint32_t symbols = choose_symbols(options, messages);
    if (symbols > MR_ITCH_SESSION_SYMBOLS_MAX)
        return mr_fail(err, MR_ERR_USAGE, "found %u symbols, expected at most %u", symbols,
                       MR_ITCH_SESSION_SYMBOLS_MAX);
    if (options->live > MR_ITCH_SESSION_LIVE_MAX)
        return mr_fail(err, MR_ERR_USAGE, "found %u live orders, expected at most %u",
                       options->live, MR_ITCH_SESSION_LIVE_MAX);
    if (messages < messages_needed(symbols))
        return mr_fail(err, MR_ERR_USAGE,
                       "found room for %llu messages, expected at least %llu for %u symbols",
                       (unsigned long long)messages, (unsigned long long)messages_needed(symbols),
                       symbols);
    struct mr_itch_session *session = calloc(1, sizeof *session);
    if (!session)
        return mr_fail(err, MR_ERR_MEMORY, "no memory for a session");
    session->live_target = choose_live(options, messages, symbols);
    if (mr_books_open(&session->books, symbols, 2 * session->live_target + 64, err) != MR_OK) {
        free(session);
        return MR_ERR_MEMORY;
    }
    mr_random_seed(&session->random, options->seed);
    session->by_bytes = options->messages == 0;
    session->total = session->by_bytes ? options->bytes : options->messages;
    session->next_ref = 1;
    session->next_match = 1;
    session->clock_ns = 3 * HOUR_NS;
    session->phase_ends_ns = 4 * HOUR_NS;
    set_stocks(session);
    set_positions(session);
    *out = session;
    return MR_OK;
}

void mr_itch_session_close(struct mr_itch_session *session)
{
    if (!session)
        return;
    mr_books_close(&session->books);
    free(session);
}

uint64_t mr_itch_session_messages(const struct mr_itch_session *session)
{
    return session->messages;
}

// ---- time

static void enter(struct mr_itch_session *session, enum phase phase, int64_t begins_ns,
                  int64_t ends_ns)
{
    session->phase = phase;
    session->cursor = 0;
    session->steps_left = 0;
    session->clock_ns = begins_ns;
    session->phase_ends_ns = ends_ns;
}

// Moves the clock by a random step whose mean brings it to the phase's end with the phase's last
// message.
static void advance_clock(struct mr_itch_session *session, uint64_t phase_end_at)
{
    if (session->steps_left-- == 0) {
        uint64_t left = phase_end_at > session->position ? phase_end_at - session->position : 1;
        double messages = (double)left / (session->by_bytes ? MEAN_FRAME_BYTES : 1) + 1;
        session->step_ns = (double)(session->phase_ends_ns - session->clock_ns) / messages;
        session->steps_left = STEPS_PER_PLAN - 1;
    }
    double uniform = (double)(mr_random_next(&session->random) >> 11) * 0x1p-53;
    int64_t then_ns = session->clock_ns + (int64_t)(2 * uniform * session->step_ns);
    session->clock_ns = then_ns < session->phase_ends_ns ? then_ns : session->phase_ends_ns - 1;
}

// ---- the day, message by message

static void start_of_day(struct mr_itch_session *session)
{
    uint32_t stocks = session->books.stock_count;
    uint32_t step = session->cursor++;
    session->clock_ns += 1 + mr_random_below(&session->random, 100000);
    if (step == 0)
        mr_gen_system_event(session, 'O');
    else if (step <= stocks * MR_GEN_INTRODUCTIONS)
        mr_gen_introduce(session, (uint16_t)((step - 1) / MR_GEN_INTRODUCTIONS),
                         (step - 1) % MR_GEN_INTRODUCTIONS);
    else if (step == stocks * MR_GEN_INTRODUCTIONS + 1)
        mr_gen_levels(session);
    else {
        enter(session, PHASE_PRE, 4 * HOUR_NS, 9 * HOUR_NS + HOUR_NS / 2);
        mr_gen_system_event(session, 'S');
    }
}

// A system event, then a cross in every stock.
static void crosses(struct mr_itch_session *session, char event_code, char cross_type,
                    enum phase next)
{
    uint32_t step = session->cursor++;
    if (step == 0) {
        mr_gen_system_event(session, event_code);
        return;
    }
    session->clock_ns += 1 + mr_random_below(&session->random, 1000);
    mr_gen_cross(session, (uint16_t)(step - 1), cross_type);
    if (step == session->books.stock_count)
        enter(session, next, session->clock_ns, next == PHASE_DAY ? 16 * HOUR_NS : 20 * HOUR_NS);
}

static bool is_special_due(const struct mr_itch_session *session)
{
    uint64_t span = session->close_at - session->open_at;
    return session->specials_done < SPECIAL_COUNT &&
           session->position >=
               session->open_at + span * (session->specials_done + 1) / (SPECIAL_COUNT + 1);
}

static void flow(struct mr_itch_session *session, uint64_t phase_end_at)
{
    uint64_t before = session->messages;
    advance_clock(session, phase_end_at);
    if (session->phase == PHASE_DAY && session->halted == 0 && is_special_due(session))
        session->specials_done += mr_gen_special(session, specials[session->specials_done]);
    if (session->messages == before)
        mr_gen_flow(session);
}

static void end_of_day(struct mr_itch_session *session)
{
    if (session->cursor++ == 0) {
        mr_gen_system_event(session, 'E');
        return;
    }
    session->clock_ns += HOUR_NS / 12;
    mr_gen_system_event(session, 'C');
    session->phase = PHASE_OVER;
}

static void turn_phase(struct mr_itch_session *session)
{
    if (session->halted != 0) // a halt is lifted in the phase it began in
        return;
    if (session->phase == PHASE_PRE && session->position >= session->open_at)
        enter(session, PHASE_OPEN, 9 * HOUR_NS + HOUR_NS / 2, 16 * HOUR_NS);
    else if (session->phase == PHASE_DAY && session->position >= session->close_at)
        enter(session, PHASE_CLOSE, 16 * HOUR_NS, 20 * HOUR_NS);
}

static void write_message(struct mr_itch_session *session)
{
    turn_phase(session);
    if (session->phase == PHASE_POST && session->position > session->end_at)
        enter(session, PHASE_END, 20 * HOUR_NS, 21 * HOUR_NS);
    switch (session->phase) {
    case PHASE_START:
        start_of_day(session);
        break;
    case PHASE_PRE:
        flow(session, session->open_at);
        break;
    case PHASE_OPEN:
        crosses(session, 'Q', 'O', PHASE_DAY);
        break;
    case PHASE_DAY:
        flow(session, session->close_at);
        break;
    case PHASE_CLOSE:
        crosses(session, 'M', 'C', PHASE_POST);
        break;
    case PHASE_POST:
        flow(session, session->end_at);
        break;
    case PHASE_END:
        end_of_day(session);
        break;
    case PHASE_OVER:
        break;
    }
}

size_t mr_itch_session_fill(struct mr_itch_session *session, uint8_t *out, size_t capacity)
{
    const uint8_t *last = out + capacity - MR_ITCH_FRAME_BYTES_MAX;
    session->out = out;
    while (session->phase != PHASE_OVER && session->out <= last)
        write_message(session);
    return (size_t)(session->out - out);
}
