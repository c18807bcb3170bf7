// SPDX-License-Identifier: Apache-2.0
// The schemas of core/market.h, as tables over the offsets of its structs.
#include "core/market.h"

#include <pthread.h>
#include <string.h>

struct place {
    const char *name;
    const char *type;
    size_t offset;
    const char *unit;
};

struct layout {
    uint16_t id;
    uint32_t bytes;
    const char *name;
    const struct place *places; // ended by a NULL name
};

#define AT(type, field, text)                                                                      \
    {                                                                                              \
#field, text, offsetof(struct type, field), ""                                             \
    }
#define IN(type, field, text, unit)                                                                \
    {                                                                                              \
#field, text, offsetof(struct type, field), unit                                           \
    }
#define CODE(type, field) AT(type, field, "char[1]")
#define LOCATE(type) AT(type, locate, "u16")
#define SYMBOL(type) AT(type, symbol, "char[8]")
#define REF(type) AT(type, order_ref, "u64")
#define MATCH(type) AT(type, match_number, "u64")
#define SHARES(type) IN(type, shares, "u32", "shares")
#define PRICE(type, field) IN(type, field, "decimal_u32(4)", "USD")
#define END                                                                                        \
    {                                                                                              \
        0                                                                                          \
    }

// clang-format off
static const struct place system_event[] = {
    LOCATE(mr_system_event), CODE(mr_system_event, event_code), END};
static const struct place stock_directory[] = {
    LOCATE(mr_stock_directory), SYMBOL(mr_stock_directory),
    CODE(mr_stock_directory, market_category), CODE(mr_stock_directory, financial_status),
    IN(mr_stock_directory, round_lot_size, "u32", "shares"),
    CODE(mr_stock_directory, round_lots_only), CODE(mr_stock_directory, issue_classification),
    AT(mr_stock_directory, issue_subtype, "char[2]"), CODE(mr_stock_directory, authenticity),
    CODE(mr_stock_directory, short_sale_threshold), CODE(mr_stock_directory, ipo_flag),
    CODE(mr_stock_directory, luld_tier), CODE(mr_stock_directory, etp_flag),
    AT(mr_stock_directory, etp_leverage_factor, "u32"),
    CODE(mr_stock_directory, inverse_indicator), END};
static const struct place trading_action[] = {
    LOCATE(mr_trading_action), SYMBOL(mr_trading_action),
    CODE(mr_trading_action, trading_state), AT(mr_trading_action, reason, "char[4]"), END};
static const struct place reg_sho[] = {
    LOCATE(mr_reg_sho), SYMBOL(mr_reg_sho), CODE(mr_reg_sho, action), END};
static const struct place market_participant[] = {
    LOCATE(mr_market_participant), SYMBOL(mr_market_participant),
    AT(mr_market_participant, mpid, "char[4]"),
    CODE(mr_market_participant, primary_market_maker),
    CODE(mr_market_participant, market_maker_mode),
    CODE(mr_market_participant, participant_state), END};
static const struct place mwcb_levels[] = {
    LOCATE(mr_mwcb_levels), AT(mr_mwcb_levels, level_1, "decimal(8)"),
    AT(mr_mwcb_levels, level_2, "decimal(8)"), AT(mr_mwcb_levels, level_3, "decimal(8)"), END};
static const struct place mwcb_status[] = {
    LOCATE(mr_mwcb_status), CODE(mr_mwcb_status, breached_level), END};
static const struct place ipo_quote[] = {
    LOCATE(mr_ipo_quote), SYMBOL(mr_ipo_quote), AT(mr_ipo_quote, release_time_ns, "timestamp"),
    CODE(mr_ipo_quote, release_qualifier), PRICE(mr_ipo_quote, ipo_price), END};
static const struct place luld_collar[] = {
    LOCATE(mr_luld_collar), SYMBOL(mr_luld_collar), PRICE(mr_luld_collar, reference_price),
    PRICE(mr_luld_collar, upper_price), PRICE(mr_luld_collar, lower_price),
    AT(mr_luld_collar, extension, "u32"), END};
static const struct place operational_halt[] = {
    LOCATE(mr_operational_halt), SYMBOL(mr_operational_halt),
    CODE(mr_operational_halt, market_code), CODE(mr_operational_halt, action), END};
static const struct place order_add[] = {
    LOCATE(mr_order_add), SYMBOL(mr_order_add), CODE(mr_order_add, side), REF(mr_order_add),
    SHARES(mr_order_add), PRICE(mr_order_add, price), END};
static const struct place order_add_mpid[] = {
    LOCATE(mr_order_add_mpid), SYMBOL(mr_order_add_mpid), CODE(mr_order_add_mpid, side),
    REF(mr_order_add_mpid), SHARES(mr_order_add_mpid), PRICE(mr_order_add_mpid, price),
    AT(mr_order_add_mpid, attribution, "char[4]"), END};
static const struct place order_executed[] = {
    LOCATE(mr_order_executed), SYMBOL(mr_order_executed), REF(mr_order_executed),
    SHARES(mr_order_executed), MATCH(mr_order_executed), END};
static const struct place order_executed_price[] = {
    LOCATE(mr_order_executed_price), SYMBOL(mr_order_executed_price),
    REF(mr_order_executed_price), SHARES(mr_order_executed_price),
    PRICE(mr_order_executed_price, price), CODE(mr_order_executed_price, printable),
    MATCH(mr_order_executed_price), END};
static const struct place order_cancel[] = {
    LOCATE(mr_order_cancel), SYMBOL(mr_order_cancel), REF(mr_order_cancel),
    SHARES(mr_order_cancel), END};
static const struct place order_delete[] = {
    LOCATE(mr_order_delete), SYMBOL(mr_order_delete), REF(mr_order_delete), END};
static const struct place order_replace[] = {
    LOCATE(mr_order_replace), SYMBOL(mr_order_replace), REF(mr_order_replace),
    AT(mr_order_replace, new_order_ref, "u64"), SHARES(mr_order_replace),
    PRICE(mr_order_replace, price), END};
static const struct place trade[] = {
    LOCATE(mr_trade), SYMBOL(mr_trade), CODE(mr_trade, side), REF(mr_trade), SHARES(mr_trade),
    PRICE(mr_trade, price), MATCH(mr_trade), END};
static const struct place cross_trade[] = {
    LOCATE(mr_cross_trade), SYMBOL(mr_cross_trade), IN(mr_cross_trade, shares, "u64", "shares"),
    PRICE(mr_cross_trade, price), CODE(mr_cross_trade, cross_type), MATCH(mr_cross_trade), END};
static const struct place broken_trade[] = {
    LOCATE(mr_broken_trade), SYMBOL(mr_broken_trade), MATCH(mr_broken_trade), END};
static const struct place noii[] = {
    LOCATE(mr_noii), SYMBOL(mr_noii), IN(mr_noii, paired_shares, "u64", "shares"),
    IN(mr_noii, imbalance_shares, "u64", "shares"), CODE(mr_noii, direction),
    PRICE(mr_noii, far_price), PRICE(mr_noii, near_price), PRICE(mr_noii, reference_price),
    CODE(mr_noii, cross_type), CODE(mr_noii, price_variation), END};
static const struct place retail_interest[] = {
    LOCATE(mr_retail_interest), SYMBOL(mr_retail_interest), CODE(mr_retail_interest, interest), END};
static const struct place direct_listing[] = {
    LOCATE(mr_direct_listing), SYMBOL(mr_direct_listing),
    CODE(mr_direct_listing, open_eligibility), PRICE(mr_direct_listing, minimum_price),
    PRICE(mr_direct_listing, maximum_price), PRICE(mr_direct_listing, near_price),
    AT(mr_direct_listing, near_execution_time_ns, "timestamp"),
    PRICE(mr_direct_listing, lower_collar), PRICE(mr_direct_listing, upper_collar), END};
static const struct place best_quote[] = {
    LOCATE(mr_best_quote), SYMBOL(mr_best_quote), PRICE(mr_best_quote, bid_price),
    IN(mr_best_quote, bid_shares, "u64", "shares"), AT(mr_best_quote, bid_orders, "u32"),
    PRICE(mr_best_quote, ask_price), IN(mr_best_quote, ask_shares, "u64", "shares"),
    AT(mr_best_quote, ask_orders, "u32"), END};
static const struct place book_trade[] = {
    LOCATE(mr_book_trade), SYMBOL(mr_book_trade), PRICE(mr_book_trade, price),
    IN(mr_book_trade, shares, "u64", "shares"), CODE(mr_book_trade, side), REF(mr_book_trade),
    MATCH(mr_book_trade), CODE(mr_book_trade, printable), END};
static const struct place book_alert[] = {
    LOCATE(mr_book_alert), SYMBOL(mr_book_alert),
    AT(mr_book_alert, kind, "enum(unknown_reference,crossed,overfill,duplicate_reference,full)"),
    REF(mr_book_alert), CODE(mr_book_alert, message_type), END};
static const struct place gap[] = {
    AT(mr_gap, from_sequence, "u64"), AT(mr_gap, to_sequence, "u64"),
    IN(mr_gap, lost, "u64", "messages"), AT(mr_gap, session, "char[10]"), END};
static const struct place mock[] = {AT(mr_mock, id, "u32"), AT(mr_mock, value, "f64"), END};

#define LAYOUT(id, name) {id, sizeof(struct mr_##name), #name, name}
static const struct layout layouts[] = {
    LAYOUT(MR_SCHEMA_SYSTEM_EVENT, system_event),
    LAYOUT(MR_SCHEMA_STOCK_DIRECTORY, stock_directory),
    LAYOUT(MR_SCHEMA_TRADING_ACTION, trading_action),
    LAYOUT(MR_SCHEMA_REG_SHO, reg_sho),
    LAYOUT(MR_SCHEMA_MARKET_PARTICIPANT, market_participant),
    LAYOUT(MR_SCHEMA_MWCB_LEVELS, mwcb_levels),
    LAYOUT(MR_SCHEMA_MWCB_STATUS, mwcb_status),
    LAYOUT(MR_SCHEMA_IPO_QUOTE, ipo_quote),
    LAYOUT(MR_SCHEMA_LULD_COLLAR, luld_collar),
    LAYOUT(MR_SCHEMA_OPERATIONAL_HALT, operational_halt),
    LAYOUT(MR_SCHEMA_ORDER_ADD, order_add),
    LAYOUT(MR_SCHEMA_ORDER_ADD_MPID, order_add_mpid),
    LAYOUT(MR_SCHEMA_ORDER_EXECUTED, order_executed),
    LAYOUT(MR_SCHEMA_ORDER_EXECUTED_PRICE, order_executed_price),
    LAYOUT(MR_SCHEMA_ORDER_CANCEL, order_cancel),
    LAYOUT(MR_SCHEMA_ORDER_DELETE, order_delete),
    LAYOUT(MR_SCHEMA_ORDER_REPLACE, order_replace),
    LAYOUT(MR_SCHEMA_TRADE, trade),
    LAYOUT(MR_SCHEMA_CROSS_TRADE, cross_trade),
    LAYOUT(MR_SCHEMA_BROKEN_TRADE, broken_trade),
    LAYOUT(MR_SCHEMA_NOII, noii),
    LAYOUT(MR_SCHEMA_RETAIL_INTEREST, retail_interest),
    LAYOUT(MR_SCHEMA_DIRECT_LISTING, direct_listing),
    LAYOUT(MR_SCHEMA_BEST_QUOTE, best_quote),
    LAYOUT(MR_SCHEMA_BOOK_TRADE, book_trade),
    LAYOUT(MR_SCHEMA_BOOK_ALERT, book_alert),
    LAYOUT(MR_SCHEMA_GAP, gap),
    LAYOUT(MR_SCHEMA_MOCK, mock),
};
// clang-format on

static struct mr_schema *schema_by_id[MR_SCHEMA_ID_DECLARED];
static pthread_once_t built = PTHREAD_ONCE_INIT;

static struct mr_schema *build(const struct layout *layout)
{
    struct mr_schema *schema = mr_schema_new(layout->name, layout->id);
    for (const struct place *place = layout->places; place->name != NULL; place++) {
        mr_schema_add_at(schema, place->name, place->type, place->offset);
        struct mr_field *field = &schema->fields[schema->field_count - 1];
        strncpy(field->unit, place->unit, sizeof field->unit - 1);
    }
    mr_schema_seal(schema);
    schema->record_bytes = layout->bytes; // the struct's reserved tail belongs to the record
    return schema;
}

static void build_all(void)
{
    for (size_t i = 0; i < MR_COUNT_OF(layouts); i++)
        schema_by_id[layouts[i].id] = build(&layouts[i]);
}

const struct mr_schema *mr_market_schema(uint16_t id)
{
    pthread_once(&built, build_all);
    return id < MR_COUNT_OF(schema_by_id) ? schema_by_id[id] : NULL;
}

int mr_market_schemas_range(struct mr_schema_set *set, uint16_t first, uint16_t last,
                            struct mr_error *err)
{
    for (uint32_t id = first; id <= last && id < MR_COUNT_OF(schema_by_id); id++) {
        const struct mr_schema *schema = mr_market_schema((uint16_t)id);
        if (schema == NULL)
            continue;
        struct mr_schema *copy = mr_schema_copy(schema);
        if (mr_schema_set_add(set, copy, err) != MR_OK) {
            mr_schema_free(copy);
            return MR_ERR_CONFIG;
        }
    }
    return MR_OK;
}

int mr_market_schemas(struct mr_schema_set *set, struct mr_error *err)
{
    return mr_market_schemas_range(set, 0, UINT16_MAX, err);
}
