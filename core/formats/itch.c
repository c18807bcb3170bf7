// SPDX-License-Identifier: Apache-2.0
// ITCH 5.0 messages into records. One decoder a message type; the offsets are those of the
// specification's tables, whose section is named with each.
#include "core/formats/itch.h"

// clang-format off
#define TYPE(letter, bytes, id, name) [letter] = {bytes, id, sizeof(struct mr_##name)}
const struct mr_itch_type mr_itch_types[256] = {
    TYPE('S', 12, MR_SCHEMA_SYSTEM_EVENT, system_event),
    TYPE('R', 39, MR_SCHEMA_STOCK_DIRECTORY, stock_directory),
    TYPE('H', 25, MR_SCHEMA_TRADING_ACTION, trading_action),
    TYPE('Y', 20, MR_SCHEMA_REG_SHO, reg_sho),
    TYPE('L', 26, MR_SCHEMA_MARKET_PARTICIPANT, market_participant),
    TYPE('V', 35, MR_SCHEMA_MWCB_LEVELS, mwcb_levels),
    TYPE('W', 12, MR_SCHEMA_MWCB_STATUS, mwcb_status),
    TYPE('K', 28, MR_SCHEMA_IPO_QUOTE, ipo_quote),
    TYPE('J', 35, MR_SCHEMA_LULD_COLLAR, luld_collar),
    TYPE('h', 21, MR_SCHEMA_OPERATIONAL_HALT, operational_halt),
    TYPE('A', 36, MR_SCHEMA_ORDER_ADD, order_add),
    TYPE('F', 40, MR_SCHEMA_ORDER_ADD_MPID, order_add_mpid),
    TYPE('E', 31, MR_SCHEMA_ORDER_EXECUTED, order_executed),
    TYPE('C', 36, MR_SCHEMA_ORDER_EXECUTED_PRICE, order_executed_price),
    TYPE('X', 23, MR_SCHEMA_ORDER_CANCEL, order_cancel),
    TYPE('D', 19, MR_SCHEMA_ORDER_DELETE, order_delete),
    TYPE('U', 35, MR_SCHEMA_ORDER_REPLACE, order_replace),
    TYPE('P', 44, MR_SCHEMA_TRADE, trade),
    TYPE('Q', 40, MR_SCHEMA_CROSS_TRADE, cross_trade),
    TYPE('B', 19, MR_SCHEMA_BROKEN_TRADE, broken_trade),
    TYPE('I', 50, MR_SCHEMA_NOII, noii),
    TYPE('N', 20, MR_SCHEMA_RETAIL_INTEREST, retail_interest),
    TYPE('O', 48, MR_SCHEMA_DIRECT_LISTING, direct_listing),
};
// clang-format on
const char mr_itch_type_letters[MR_ITCH_TYPE_COUNT + 1] = "SRHYLVWKJhAFECXDUPQBINO";

_Static_assert(sizeof(struct mr_noii) == MR_ITCH_RECORD_BYTES_MAX, "longest record");

// What every decoder works on.
struct source {
    const uint8_t *message;
    struct mr_itch_symbols *symbols;
    int64_t midnight_ns;
};

bool mr_itch_values_fit(const uint8_t *message)
{
    if (message[0] == 'V') // decimals are signed: the top bit of each level must be clear
        return ((message[11] | message[19] | message[27]) & 0x80) == 0;
    return mr_get_be64(message + 32) >> 48 == 0; // O: no more than any other time stamp
}

static inline void set_text8(char to[8], uint64_t text)
{
    __builtin_memcpy(to, &text, sizeof text);
}

static inline void set_text4(char to[4], const uint8_t *wire)
{
    uint32_t text = mr_text4_from_wire(wire);
    __builtin_memcpy(to, &text, sizeof text);
}

static inline void clear(char *reserved, size_t bytes)
{
    __builtin_memset(reserved, 0, bytes);
}

// 0 stays 0: "no time" in K and O.
static inline int64_t time_or_none(int64_t midnight_ns, int64_t since_midnight_ns)
{
    return since_midnight_ns == 0 ? 0 : midnight_ns + since_midnight_ns;
}

static inline uint16_t locate_of(const uint8_t *message)
{
    return mr_get_be16(message + 1);
}

// Reads the symbol at `offset` and remembers it for the locate; 0 is no stock's number.
static inline uint64_t learn_symbol(const uint8_t *message, size_t offset,
                                    struct mr_itch_symbols *symbols)
{
    uint64_t text = mr_text8_from_wire(message + offset);
    uint16_t locate = locate_of(message);
    if (symbols->text[locate] != text && locate != 0) {
        symbols->text[locate] = text;
        symbols->changes++;
        symbols->changed_locate = locate;
    }
    return text;
}

static inline void own_symbol(const struct source *source, size_t offset, char to[8])
{
    set_text8(to, learn_symbol(source->message, offset, source->symbols));
}

static inline void known_symbol(const struct source *source, char to[8], struct mr_record *env)
{
    uint64_t text = source->symbols->text[locate_of(source->message)];
    if (MR_UNLIKELY(text == 0))
        env->flags |= MR_FLAG_UNKNOWN_REF;
    set_text8(to, text);
}

// ---- 1.1 system event; 1.2 stock related messages

static inline void decode_system_event(const struct source *in, struct mr_system_event *out)
{ // 1.1
    out->event_code = (char)in->message[11];
    out->reserved = 0;
}

static inline void decode_stock_directory(const struct source *in, struct mr_stock_directory *out)
{ // 1.2.1
    const uint8_t *m = in->message;
    own_symbol(in, 11, out->symbol);
    out->market_category = (char)m[19];
    out->financial_status = (char)m[20];
    out->round_lot_size = mr_get_be32(m + 21);
    out->round_lots_only = (char)m[25];
    out->issue_classification = (char)m[26];
    out->issue_subtype[0] = (char)m[27];
    out->issue_subtype[1] = (char)(m[28] == ' ' ? 0 : m[28]);
    out->authenticity = (char)m[29];
    out->short_sale_threshold = (char)m[30];
    out->ipo_flag = (char)m[31];
    out->luld_tier = (char)m[32];
    out->etp_flag = (char)m[33];
    out->etp_leverage_factor = mr_get_be32(m + 34);
    out->inverse_indicator = (char)m[38];
    clear(out->reserved, sizeof out->reserved);
}

static inline void decode_trading_action(const struct source *in, struct mr_trading_action *out)
{ // 1.2.2
    own_symbol(in, 11, out->symbol);
    out->trading_state = (char)in->message[19];
    set_text4(out->reason, in->message + 21);
    out->reserved = 0;
    clear(out->reserved_2, sizeof out->reserved_2);
}

static inline void decode_reg_sho(const struct source *in, struct mr_reg_sho *out)
{ // 1.2.3
    own_symbol(in, 11, out->symbol);
    out->action = (char)in->message[19];
    out->reserved = 0;
}

static inline void decode_market_participant(const struct source *in,
                                             struct mr_market_participant *out)
{ // 1.2.4
    set_text4(out->mpid, in->message + 11);
    own_symbol(in, 15, out->symbol);
    out->primary_market_maker = (char)in->message[23];
    out->market_maker_mode = (char)in->message[24];
    out->participant_state = (char)in->message[25];
    clear(out->reserved, sizeof out->reserved);
}

static inline void decode_mwcb_levels(const struct source *in, struct mr_mwcb_levels *out)
{ // 1.2.5.1
    out->level_1 = (int64_t)mr_get_be64(in->message + 11);
    out->level_2 = (int64_t)mr_get_be64(in->message + 19);
    out->level_3 = (int64_t)mr_get_be64(in->message + 27);
    clear(out->reserved, sizeof out->reserved);
}

static inline void decode_mwcb_status(const struct source *in, struct mr_mwcb_status *out)
{ // 1.2.5.2
    out->breached_level = (char)in->message[11];
    out->reserved = 0;
}

static inline void decode_ipo_quote(const struct source *in, struct mr_ipo_quote *out)
{ // 1.2.6; the release time is in whole seconds since midnight
    own_symbol(in, 11, out->symbol);
    out->release_time_ns =
        time_or_none(in->midnight_ns, (int64_t)mr_get_be32(in->message + 19) * 1000000000);
    out->release_qualifier = (char)in->message[23];
    out->ipo_price = mr_get_be32(in->message + 24);
    out->reserved = 0;
    clear(out->reserved_2, sizeof out->reserved_2);
}

static inline void decode_luld_collar(const struct source *in, struct mr_luld_collar *out)
{ // 1.2.7
    own_symbol(in, 11, out->symbol);
    out->reference_price = mr_get_be32(in->message + 19);
    out->upper_price = mr_get_be32(in->message + 23);
    out->lower_price = mr_get_be32(in->message + 27);
    out->extension = mr_get_be32(in->message + 31);
    clear(out->reserved, sizeof out->reserved);
}

static inline void decode_operational_halt(const struct source *in, struct mr_operational_halt *out)
{ // 1.2.8
    own_symbol(in, 11, out->symbol);
    out->market_code = (char)in->message[19];
    out->action = (char)in->message[20];
}

// ---- 1.3 add order; 1.4 modify order

static inline void decode_order_add(const struct source *in, struct mr_order_add *out)
{ // 1.3.1
    const uint8_t *m = in->message;
    out->order_ref = mr_get_be64(m + 11);
    out->side = (char)m[19];
    out->reserved = 0;
    out->shares = mr_get_be32(m + 20);
    own_symbol(in, 24, out->symbol);
    out->price = mr_get_be32(m + 32);
}

static inline void decode_order_add_mpid(const struct source *in, struct mr_order_add_mpid *out)
{ // 1.3.2
    const uint8_t *m = in->message;
    out->order_ref = mr_get_be64(m + 11);
    out->side = (char)m[19];
    out->reserved = 0;
    out->shares = mr_get_be32(m + 20);
    own_symbol(in, 24, out->symbol);
    out->price = mr_get_be32(m + 32);
    set_text4(out->attribution, m + 36);
    clear(out->reserved_2, sizeof out->reserved_2);
}

static inline void decode_order_executed(const struct source *in, struct mr_order_executed *out)
{ // 1.4.1
    out->order_ref = mr_get_be64(in->message + 11);
    out->shares = mr_get_be32(in->message + 19);
    out->match_number = mr_get_be64(in->message + 23);
    known_symbol(in, out->symbol, &out->env);
    clear(out->reserved, sizeof out->reserved);
    out->reserved_2 = 0;
}

static inline void decode_order_executed_price(const struct source *in,
                                               struct mr_order_executed_price *out)
{ // 1.4.2
    out->order_ref = mr_get_be64(in->message + 11);
    out->shares = mr_get_be32(in->message + 19);
    out->match_number = mr_get_be64(in->message + 23);
    out->printable = (char)in->message[31];
    out->price = mr_get_be32(in->message + 32);
    known_symbol(in, out->symbol, &out->env);
    out->reserved = 0;
}

static inline void decode_order_cancel(const struct source *in, struct mr_order_cancel *out)
{ // 1.4.3
    out->order_ref = mr_get_be64(in->message + 11);
    out->shares = mr_get_be32(in->message + 19);
    known_symbol(in, out->symbol, &out->env);
    clear(out->reserved, sizeof out->reserved);
    out->reserved_2 = 0;
}

static inline void decode_order_delete(const struct source *in, struct mr_order_delete *out)
{ // 1.4.4
    out->order_ref = mr_get_be64(in->message + 11);
    known_symbol(in, out->symbol, &out->env);
    clear(out->reserved, sizeof out->reserved);
}

static inline void decode_order_replace(const struct source *in, struct mr_order_replace *out)
{ // 1.4.5
    out->order_ref = mr_get_be64(in->message + 11);
    out->new_order_ref = mr_get_be64(in->message + 19);
    out->shares = mr_get_be32(in->message + 27);
    out->price = mr_get_be32(in->message + 31);
    known_symbol(in, out->symbol, &out->env);
    clear(out->reserved, sizeof out->reserved);
}

// ---- 1.5 trades; 1.6-1.8 auctions

static inline void decode_trade(const struct source *in, struct mr_trade *out)
{ // 1.5.1
    const uint8_t *m = in->message;
    out->order_ref = mr_get_be64(m + 11);
    out->side = (char)m[19];
    out->reserved = 0;
    out->shares = mr_get_be32(m + 20);
    own_symbol(in, 24, out->symbol);
    out->price = mr_get_be32(m + 32);
    out->match_number = mr_get_be64(m + 36);
}

static inline void decode_cross_trade(const struct source *in, struct mr_cross_trade *out)
{ // 1.5.2
    const uint8_t *m = in->message;
    out->shares = mr_get_be64(m + 11);
    own_symbol(in, 19, out->symbol);
    out->price = mr_get_be32(m + 27);
    out->match_number = mr_get_be64(m + 31);
    out->cross_type = (char)m[39];
    out->reserved = 0;
    out->reserved_2 = 0;
}

static inline void decode_broken_trade(const struct source *in, struct mr_broken_trade *out)
{ // 1.5.3
    out->match_number = mr_get_be64(in->message + 11);
    known_symbol(in, out->symbol, &out->env);
    clear(out->reserved, sizeof out->reserved);
}

static inline void decode_noii(const struct source *in, struct mr_noii *out)
{ // 1.6
    const uint8_t *m = in->message;
    out->paired_shares = mr_get_be64(m + 11);
    out->imbalance_shares = mr_get_be64(m + 19);
    out->direction = (char)m[27];
    own_symbol(in, 28, out->symbol);
    out->far_price = mr_get_be32(m + 36);
    out->near_price = mr_get_be32(m + 40);
    out->reference_price = mr_get_be32(m + 44);
    out->cross_type = (char)m[48];
    out->price_variation = (char)m[49];
    clear(out->reserved, sizeof out->reserved);
}

static inline void decode_retail_interest(const struct source *in, struct mr_retail_interest *out)
{ // 1.7
    own_symbol(in, 11, out->symbol);
    out->interest = (char)in->message[19];
    out->reserved = 0;
}

static inline void decode_direct_listing(const struct source *in, struct mr_direct_listing *out)
{ // 1.8
    const uint8_t *m = in->message;
    own_symbol(in, 11, out->symbol);
    out->open_eligibility = (char)m[19];
    out->minimum_price = mr_get_be32(m + 20);
    out->maximum_price = mr_get_be32(m + 24);
    out->near_price = mr_get_be32(m + 28);
    out->near_execution_time_ns = time_or_none(in->midnight_ns, (int64_t)mr_get_be64(m + 32));
    out->lower_collar = mr_get_be32(m + 40);
    out->upper_collar = mr_get_be32(m + 44);
    out->reserved = 0;
    out->reserved_2 = 0;
}

// ---- all of them

static inline void decode_envelope(const struct source *in, uint64_t sequence,
                                   struct mr_system_event *out)
{
    out->env.sequence = sequence;
    out->env.event_time_ns = in->midnight_ns + mr_itch_time_ns(in->message);
    out->env.ingest_time_ns = out->env.event_time_ns;
    out->env.schema_id = mr_itch_types[in->message[0]].schema_id;
    out->env.flags = 0;
    out->locate = locate_of(in->message);
}

#define CASE(letter, name)                                                                         \
    case letter:                                                                                   \
        decode_##name(&in, (struct mr_##name *)at);                                                \
        break

void mr_itch_decode(const uint8_t *message, struct mr_itch_symbols *symbols, int64_t midnight_ns,
                    uint64_t sequence, struct mr_record *record)
{
    const struct source in = {message, symbols, midnight_ns};
    void *at = record; // 8-byte aligned, which struct mr_record alone does not promise
    decode_envelope(&in, sequence, at);
    switch (message[0]) {
        CASE('A', order_add);
        CASE('D', order_delete);
        CASE('U', order_replace);
        CASE('E', order_executed);
        CASE('X', order_cancel);
        CASE('F', order_add_mpid);
        CASE('P', trade);
        CASE('I', noii);
        CASE('C', order_executed_price);
        CASE('Q', cross_trade);
        CASE('B', broken_trade);
        CASE('L', market_participant);
        CASE('H', trading_action);
        CASE('Y', reg_sho);
        CASE('R', stock_directory);
        CASE('J', luld_collar);
        CASE('h', operational_halt);
        CASE('N', retail_interest);
        CASE('K', ipo_quote);
        CASE('O', direct_listing);
        CASE('V', mwcb_levels);
        CASE('W', mwcb_status);
        CASE('S', system_event);
    default:
        break; // mr_itch_check keeps these out
    }
}

void mr_itch_learn(const uint8_t *message, struct mr_itch_symbols *symbols)
{
    switch (message[0]) {
    case 'A':
    case 'F':
    case 'P':
        learn_symbol(message, 24, symbols);
        break;
    case 'R':
    case 'H':
    case 'Y':
    case 'K':
    case 'J':
    case 'h':
    case 'N':
    case 'O':
        learn_symbol(message, 11, symbols);
        break;
    case 'L':
        learn_symbol(message, 15, symbols);
        break;
    case 'Q':
        learn_symbol(message, 19, symbols);
        break;
    case 'I':
        learn_symbol(message, 28, symbols);
        break;
    default:
        break;
    }
}
