// SPDX-License-Identifier: Apache-2.0
// Records into ITCH 5.0 messages: the decoders of itch.c backwards, section by section.
#include "core/formats/itch.h"

static inline void put_symbol(uint8_t *to, const char symbol[8])
{
    uint64_t text;
    __builtin_memcpy(&text, symbol, sizeof text);
    mr_text8_to_wire(to, text);
}

static inline void put_text4(uint8_t *to, const char from[4])
{
    uint32_t text;
    __builtin_memcpy(&text, from, sizeof text);
    mr_text4_to_wire(to, text);
}

static inline uint64_t since_midnight(int64_t midnight_ns, int64_t time_ns)
{
    return time_ns == 0 ? 0 : (uint64_t)(time_ns - midnight_ns);
}

static inline uint8_t *encode_head(uint8_t *m, char type, uint16_t tracking_number,
                                   int64_t midnight_ns, const struct mr_system_event *record)
{
    m[0] = (uint8_t)type;
    mr_put_be16(m + 1, record->locate);
    mr_put_be16(m + 3, tracking_number);
    mr_put_be48(m + 5, (uint64_t)(record->env.event_time_ns - midnight_ns));
    return m;
}

static inline void encode_system_event(const struct mr_system_event *in, uint8_t *m)
{ // 1.1
    m[11] = (uint8_t)in->event_code;
}

static inline void encode_stock_directory(const struct mr_stock_directory *in, uint8_t *m)
{ // 1.2.1
    put_symbol(m + 11, in->symbol);
    m[19] = (uint8_t)in->market_category;
    m[20] = (uint8_t)in->financial_status;
    mr_put_be32(m + 21, in->round_lot_size);
    m[25] = (uint8_t)in->round_lots_only;
    m[26] = (uint8_t)in->issue_classification;
    m[27] = (uint8_t)in->issue_subtype[0];
    m[28] = (uint8_t)(in->issue_subtype[1] == 0 ? ' ' : in->issue_subtype[1]);
    m[29] = (uint8_t)in->authenticity;
    m[30] = (uint8_t)in->short_sale_threshold;
    m[31] = (uint8_t)in->ipo_flag;
    m[32] = (uint8_t)in->luld_tier;
    m[33] = (uint8_t)in->etp_flag;
    mr_put_be32(m + 34, in->etp_leverage_factor);
    m[38] = (uint8_t)in->inverse_indicator;
}

static inline void encode_trading_action(const struct mr_trading_action *in, uint8_t *m)
{ // 1.2.2
    put_symbol(m + 11, in->symbol);
    m[19] = (uint8_t)in->trading_state;
    m[20] = ' ';
    put_text4(m + 21, in->reason);
}

static inline void encode_reg_sho(const struct mr_reg_sho *in, uint8_t *m)
{ // 1.2.3
    put_symbol(m + 11, in->symbol);
    m[19] = (uint8_t)in->action;
}

static inline void encode_market_participant(const struct mr_market_participant *in, uint8_t *m)
{ // 1.2.4
    put_text4(m + 11, in->mpid);
    put_symbol(m + 15, in->symbol);
    m[23] = (uint8_t)in->primary_market_maker;
    m[24] = (uint8_t)in->market_maker_mode;
    m[25] = (uint8_t)in->participant_state;
}

static inline void encode_mwcb_levels(const struct mr_mwcb_levels *in, uint8_t *m)
{ // 1.2.5.1
    mr_put_be64(m + 11, (uint64_t)in->level_1);
    mr_put_be64(m + 19, (uint64_t)in->level_2);
    mr_put_be64(m + 27, (uint64_t)in->level_3);
}

static inline void encode_mwcb_status(const struct mr_mwcb_status *in, uint8_t *m)
{ // 1.2.5.2
    m[11] = (uint8_t)in->breached_level;
}

static inline void encode_ipo_quote(const struct mr_ipo_quote *in, int64_t midnight_ns, uint8_t *m)
{ // 1.2.6
    put_symbol(m + 11, in->symbol);
    mr_put_be32(m + 19, (uint32_t)(since_midnight(midnight_ns, in->release_time_ns) / 1000000000));
    m[23] = (uint8_t)in->release_qualifier;
    mr_put_be32(m + 24, in->ipo_price);
}

static inline void encode_luld_collar(const struct mr_luld_collar *in, uint8_t *m)
{ // 1.2.7
    put_symbol(m + 11, in->symbol);
    mr_put_be32(m + 19, in->reference_price);
    mr_put_be32(m + 23, in->upper_price);
    mr_put_be32(m + 27, in->lower_price);
    mr_put_be32(m + 31, in->extension);
}

static inline void encode_operational_halt(const struct mr_operational_halt *in, uint8_t *m)
{ // 1.2.8
    put_symbol(m + 11, in->symbol);
    m[19] = (uint8_t)in->market_code;
    m[20] = (uint8_t)in->action;
}

static inline void encode_order_add(const struct mr_order_add *in, uint8_t *m)
{ // 1.3.1
    mr_put_be64(m + 11, in->order_ref);
    m[19] = (uint8_t)in->side;
    mr_put_be32(m + 20, in->shares);
    put_symbol(m + 24, in->symbol);
    mr_put_be32(m + 32, in->price);
}

static inline void encode_order_add_mpid(const struct mr_order_add_mpid *in, uint8_t *m)
{ // 1.3.2
    mr_put_be64(m + 11, in->order_ref);
    m[19] = (uint8_t)in->side;
    mr_put_be32(m + 20, in->shares);
    put_symbol(m + 24, in->symbol);
    mr_put_be32(m + 32, in->price);
    put_text4(m + 36, in->attribution);
}

static inline void encode_order_executed(const struct mr_order_executed *in, uint8_t *m)
{ // 1.4.1
    mr_put_be64(m + 11, in->order_ref);
    mr_put_be32(m + 19, in->shares);
    mr_put_be64(m + 23, in->match_number);
}

static inline void encode_order_executed_price(const struct mr_order_executed_price *in, uint8_t *m)
{ // 1.4.2
    mr_put_be64(m + 11, in->order_ref);
    mr_put_be32(m + 19, in->shares);
    mr_put_be64(m + 23, in->match_number);
    m[31] = (uint8_t)in->printable;
    mr_put_be32(m + 32, in->price);
}

static inline void encode_order_cancel(const struct mr_order_cancel *in, uint8_t *m)
{ // 1.4.3
    mr_put_be64(m + 11, in->order_ref);
    mr_put_be32(m + 19, in->shares);
}

static inline void encode_order_delete(const struct mr_order_delete *in, uint8_t *m)
{ // 1.4.4
    mr_put_be64(m + 11, in->order_ref);
}

static inline void encode_order_replace(const struct mr_order_replace *in, uint8_t *m)
{ // 1.4.5
    mr_put_be64(m + 11, in->order_ref);
    mr_put_be64(m + 19, in->new_order_ref);
    mr_put_be32(m + 27, in->shares);
    mr_put_be32(m + 31, in->price);
}

static inline void encode_trade(const struct mr_trade *in, uint8_t *m)
{ // 1.5.1
    mr_put_be64(m + 11, in->order_ref);
    m[19] = (uint8_t)in->side;
    mr_put_be32(m + 20, in->shares);
    put_symbol(m + 24, in->symbol);
    mr_put_be32(m + 32, in->price);
    mr_put_be64(m + 36, in->match_number);
}

static inline void encode_cross_trade(const struct mr_cross_trade *in, uint8_t *m)
{ // 1.5.2
    mr_put_be64(m + 11, in->shares);
    put_symbol(m + 19, in->symbol);
    mr_put_be32(m + 27, in->price);
    mr_put_be64(m + 31, in->match_number);
    m[39] = (uint8_t)in->cross_type;
}

static inline void encode_broken_trade(const struct mr_broken_trade *in, uint8_t *m)
{ // 1.5.3
    mr_put_be64(m + 11, in->match_number);
}

static inline void encode_noii(const struct mr_noii *in, uint8_t *m)
{ // 1.6
    mr_put_be64(m + 11, in->paired_shares);
    mr_put_be64(m + 19, in->imbalance_shares);
    m[27] = (uint8_t)in->direction;
    put_symbol(m + 28, in->symbol);
    mr_put_be32(m + 36, in->far_price);
    mr_put_be32(m + 40, in->near_price);
    mr_put_be32(m + 44, in->reference_price);
    m[48] = (uint8_t)in->cross_type;
    m[49] = (uint8_t)in->price_variation;
}

static inline void encode_retail_interest(const struct mr_retail_interest *in, uint8_t *m)
{ // 1.7
    put_symbol(m + 11, in->symbol);
    m[19] = (uint8_t)in->interest;
}

static inline void encode_direct_listing(const struct mr_direct_listing *in, int64_t midnight_ns,
                                         uint8_t *m)
{ // 1.8
    put_symbol(m + 11, in->symbol);
    m[19] = (uint8_t)in->open_eligibility;
    mr_put_be32(m + 20, in->minimum_price);
    mr_put_be32(m + 24, in->maximum_price);
    mr_put_be32(m + 28, in->near_price);
    mr_put_be64(m + 32, since_midnight(midnight_ns, in->near_execution_time_ns));
    mr_put_be32(m + 40, in->lower_collar);
    mr_put_be32(m + 44, in->upper_collar);
}

#define CASE(id, letter, name)                                                                     \
    case id:                                                                                       \
        encode_##name(at, encode_head(out, letter, tracking_number, midnight_ns, at));             \
        break
#define CASE_TIMED(id, letter, name)                                                               \
    case id:                                                                                       \
        encode_##name(at, midnight_ns,                                                             \
                      encode_head(out, letter, tracking_number, midnight_ns, at));                 \
        break

size_t mr_itch_encode(const struct mr_record *record, uint16_t tracking_number, int64_t midnight_ns,
                      uint8_t *out)
{
    const void *at = record; // 8-byte aligned, which struct mr_record alone does not promise
    switch (record->schema_id) {
        CASE(MR_SCHEMA_SYSTEM_EVENT, 'S', system_event);
        CASE(MR_SCHEMA_STOCK_DIRECTORY, 'R', stock_directory);
        CASE(MR_SCHEMA_TRADING_ACTION, 'H', trading_action);
        CASE(MR_SCHEMA_REG_SHO, 'Y', reg_sho);
        CASE(MR_SCHEMA_MARKET_PARTICIPANT, 'L', market_participant);
        CASE(MR_SCHEMA_MWCB_LEVELS, 'V', mwcb_levels);
        CASE(MR_SCHEMA_MWCB_STATUS, 'W', mwcb_status);
        CASE_TIMED(MR_SCHEMA_IPO_QUOTE, 'K', ipo_quote);
        CASE(MR_SCHEMA_LULD_COLLAR, 'J', luld_collar);
        CASE(MR_SCHEMA_OPERATIONAL_HALT, 'h', operational_halt);
        CASE(MR_SCHEMA_ORDER_ADD, 'A', order_add);
        CASE(MR_SCHEMA_ORDER_ADD_MPID, 'F', order_add_mpid);
        CASE(MR_SCHEMA_ORDER_EXECUTED, 'E', order_executed);
        CASE(MR_SCHEMA_ORDER_EXECUTED_PRICE, 'C', order_executed_price);
        CASE(MR_SCHEMA_ORDER_CANCEL, 'X', order_cancel);
        CASE(MR_SCHEMA_ORDER_DELETE, 'D', order_delete);
        CASE(MR_SCHEMA_ORDER_REPLACE, 'U', order_replace);
        CASE(MR_SCHEMA_TRADE, 'P', trade);
        CASE(MR_SCHEMA_CROSS_TRADE, 'Q', cross_trade);
        CASE(MR_SCHEMA_BROKEN_TRADE, 'B', broken_trade);
        CASE(MR_SCHEMA_NOII, 'I', noii);
        CASE(MR_SCHEMA_RETAIL_INTEREST, 'N', retail_interest);
        CASE_TIMED(MR_SCHEMA_DIRECT_LISTING, 'O', direct_listing);
    default:
        return 0;
    }
    return mr_itch_types[out[0]].length;
}
